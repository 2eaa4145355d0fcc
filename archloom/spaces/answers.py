"""Whether the methods of a space answer what they must, so that a mistake in a space of the user's is not taken for a
strategy's: those of every space are checked before a search, others whenever they are asked."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, SupportsFloat

import numpy as np

from archloom.errors import InputError
from archloom.spaces.base import SearchSpace, is_valid
from archloom.spaces.features import FeatureLayout, Floats, HasFeatures
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


def neighbours_of(space: Any, arch: Arch) -> list[Arch]:
    """The neighbours of `arch`, of a space with `HasNeighbours`; InputError for what is none."""
    found = _answer(space, "neighbours", lambda answer: isinstance(answer, Iterable), "a list of archloom.Arch", arch)
    try:
        near = list(found)
    except Exception as error:  # a generator's
        raise _failed(space, "neighbours", error) from error
    strange = next((other for other in near if not _is_arch(other)), None)
    if strange is not None:
        raise InputError(f"space {space.name!r}: neighbours returned {_shown(strange)} among others; expected {_ARCH}")
    return near


def valid_neighbours(space: Any, arch: Arch) -> list[Arch]:
    """Those that are valid, in the space's order."""
    found = neighbours_of(space, arch)
    if getattr(space, "neighbours_are_valid", False):
        return found
    return [near for near in found if is_valid(space, near)]


LARGEST = 1e100
"""Of a number among features: its square still is one."""


def features_of(space: SearchSpace, features: HasFeatures, archs: Sequence[Arch]) -> tuple[Floats, Floats]:
    """Codes and statistics of architectures of a space, from `features`, the space itself or what `featured` gives.

    InputError that names the space unless they are finite numbers, at most `LARGEST`, of the shapes of the layout.
    """
    try:
        layout, found = features.feature_layout, features.features(archs)
    except InputError as error:
        raise InputError(f"space {space.name!r}: features: {error}") from error
    except Exception as error:
        raise _failed(space, "features", error) from error
    if not isinstance(layout, FeatureLayout) or len(layout.groups) != len(layout.widths):
        raise InputError(
            f"space {space.name!r}: feature_layout is {_shown(layout)}; expected a FeatureLayout with a width for each "
            "group"
        )
    if not isinstance(found, Sequence) or len(found) != 2:
        raise InputError(f"space {space.name!r}: features returned {_shown(found)}; expected (codes, statistics)")
    codes, stats = (
        _numbers(space, archs, kind, given, columns)
        for kind, given, columns in zip(("codes", "statistics"), found, _columns(layout), strict=True)
    )
    return codes, stats


def _columns(layout: FeatureLayout) -> tuple[list[str], list[str]]:
    """The name of each column of codes and of statistics."""
    groups = zip(layout.groups, layout.widths, strict=True)
    return [group for group, width in groups for _ in range(width)], list(layout.stats)


def _numbers(space: SearchSpace, archs: Sequence[Arch], kind: str, given: Any, columns: Sequence[str]) -> Floats:
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"space {space.name!r}: {kind} are {_shown(given)}; expected numbers") from None
    if numbers.shape != (len(archs), len(columns)):
        raise InputError(
            f"space {space.name!r}: {kind} of {len(archs)} architectures have shape {numbers.shape}; expected "
            f"{(len(archs), len(columns))}, as in feature_layout"
        )
    if not (np.abs(numbers) <= LARGEST).all():
        row, column = np.argwhere(~(np.abs(numbers) <= LARGEST))[0].tolist()
        raise InputError(
            f"space {space.name!r}: {kind} of {one_line(space.format(archs[row]), 160)}: {columns[column]!r} is "
            f"{numbers[row, column]}; expected a finite number, at most {LARGEST:g}"
        )
    return numbers


def _answer(space: SearchSpace, method: str, right: Callable[[Any], bool], expected: str, *arguments: Any) -> Any:
    try:
        answer = getattr(space, method)(*arguments)
    except InputError:
        raise
    except Exception as error:
        raise _failed(space, method, error) from error
    if not right(answer):
        raise InputError(f"space {space.name!r}: {method} returned {_shown(answer)}; expected {expected}")
    return answer


def _failed(space: SearchSpace, method: str, error: Exception) -> InputError:
    return InputError(f"space {space.name!r}: {method} failed: {reason_of(error)} ({where_of(error)})")


def _shown(answer: object) -> str:
    return f"{type(answer).__name__} {one_line(repr(answer), 80)}"


def _is_arch(answer: object) -> bool:
    return isinstance(answer, Arch)


def _are_amounts(answer: object) -> bool:
    return isinstance(answer, Mapping) and all(isinstance(amount, SupportsFloat) for amount in answer.values())
