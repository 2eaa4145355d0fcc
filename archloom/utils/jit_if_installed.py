"""`compiled` for kernels that the base install runs too: machine code with numba, plain Python without it.

Importing this imports numba if it is installed, which takes a third of a second. So a module of such kernels is
imported where they are called. In plain Python they give the same results, some hundred times slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def _compiler() -> Callable[[Kernel], Kernel]:
    """`jit.compiled`; without numba a function that returns what it is given."""
    try:
        from archloom.utils.jit import compiled
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        return lambda function: function
    return compiled


def compiled(function: Kernel) -> Kernel:
    """`function` compiled as by `jit.compiled` if numba is installed, else the function itself."""
    return _compiler()(function)
