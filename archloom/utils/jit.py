"""Functions compiled to machine code, and batches of rows shared among threads.

Kernels release the interpreter's lock, so that plain threads can share a batch; numba's own parallel loops are not
used, because their thread layers do not survive a fork and abort when two Python threads enter them.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import CodeType
from typing import Any, TypeVar, cast

import numba
import numpy as np

from archloom.utils.threads import share, threads

_Files: Any = None
with suppress(ImportError, AttributeError):  # if numba has moved it, every process compiles its kernels again
    _Files = importlib.import_module("numba.core.caching").FunctionCache

__all__ = ["compiled", "share", "signed", "threads"]

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(function: Kernel) -> Kernel:
    """`function` compiled to machine code on its first call; it runs without the interpreter's lock.

    The code is cached beside the file, or in the user's cache if that is not writable, until the function or anything
    compiled into it changes; if neither is writable, every process compiles it again.
    """
    dispatcher: Any = numba.njit(nogil=True)(function)
    if _Files is not None:
        with suppress(RuntimeError):  # nowhere to cache it
            dispatcher._cache = _Kept(function)
    return cast("Kernel", dispatcher)


class _Kept(_Files or object):  # type: ignore[misc]
    """numba's cache files, with everything that was compiled into the code as part of the key.

    numba itself checks a kernel's own file only, although kernels and constants from other files are compiled into it.
    """

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        digest = hashlib.sha256()
        for part in _parts(self._py_func, set()):
            digest.update(part)
        return (*super()._index_key(signature, codegen), digest.hexdigest())


def _parts(function: Any, seen: set[Any]) -> Iterator[bytes]:
    """What is compiled into a function: its instructions, the constants it names, and the kernels it calls.

    Modules, and functions and classes that are not kernels, count by name only: numba treats those in its own way.
    """
    seen.add(function)
    names: Mapping[str, Any] = function.__globals__
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    inner = {name: cell.cell_contents for name, cell in cells}
    yield repr(function.__defaults__).encode()
    for code in _codes(function.__code__):
        yield code.co_code
        yield repr([const for const in code.co_consts if not isinstance(const, CodeType)]).encode()
        yield repr((code.co_names, code.co_varnames)).encode()
        for name in (*code.co_names, *code.co_freevars):
            value = inner.get(name, names.get(name))
            kernel = getattr(value, "py_func", None)
            if kernel is None:
                yield _text(value)
            elif kernel not in seen:
                yield from _parts(kernel, seen)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of what is defined in it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _text(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return repr((value.dtype.str, value.shape)).encode() + value.tobytes()
    if isinstance(value, bool | int | float | complex | str | bytes | tuple | np.generic | None):
        return repr(value).encode()
    return repr((getattr(value, "__name__", type(value).__name__), getattr(value, "_fields", ()))).encode()


@compiled
def signed(value: Any) -> int:
    """`value` as a signed 64-bit number. Compiled code turns a mix of signed and unsigned 64-bit numbers into
    floats."""
    result: Any = np.int64(value)
    return result  # type: ignore[no-any-return]
