"""Whether the methods of a space answer what they must: checked before a search, so that a mistake in a space of the
user's is not taken for a strategy's."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, SupportsFloat

import numpy as np

from archloom.errors import InputError
from archloom.spaces.base import SearchSpace
from archloom.types import Arch
from archloom.utils.text import one_line, reason_of, where_of

_ARCH = "an archloom.Arch"


def check_answers(space: SearchSpace) -> None:
    """InputError if, for one architecture drawn at random, a method raises or answers something of another type."""
    arch = _answer(space, "sample", _is_arch, _ARCH, np.random.Generator(np.random.PCG64(0)))
    _answer(space, "violations", _are_amounts, "a dict of rules and the amounts by which they are broken", arch)
    _answer(space, "canonical", _is_arch, _ARCH, arch)
    _answer(space, "key", lambda key: isinstance(key, Hashable), "something that can be hashed, e.g. a tuple", arch)
    _answer(space, "format", lambda text: isinstance(text, str), "a string", arch)


def _answer(space: SearchSpace, method: str, right: Callable[[Any], bool], expected: str, *arguments: Any) -> Any:
    try:
        answer = getattr(space, method)(*arguments)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"space {space.name!r}: {method} failed: {reason_of(error)} ({where_of(error)})") from error
    if not right(answer):
        shown = f"{type(answer).__name__} {one_line(repr(answer), 80)}"
        raise InputError(f"space {space.name!r}: {method} returned {shown}; expected {expected}")
    return answer


def _is_arch(answer: object) -> bool:
    return isinstance(answer, Arch)


def _are_amounts(answer: object) -> bool:
    return isinstance(answer, Mapping) and all(isinstance(amount, SupportsFloat) for amount in answer.values())
