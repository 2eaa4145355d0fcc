"""The options of spaces of random graphs: ranges of genes, and the networks' sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from archloom.errors import InputError, unknown
from archloom.spaces.domains import Choice, Domain, Integer, Real
from archloom.spaces.sizes import Grid, ImageSize, grid_of

WholeRange = Annotated[int | tuple[int, int], msgspec.Meta(description="the lowest and the highest")]
RealRange = Annotated[float | tuple[float, float], msgspec.Meta(description="the lowest and the highest")]
Millions = Annotated[float, msgspec.Meta(description="the limit of the weights of operations, in millions")]
HeadWidth = Annotated[int, msgspec.Meta(description="the channels of the last convolution")]
StemName = Literal["auto", "small", "large"]

MOST_NODES = 100
"""The most nodes that a graph may have."""
_LARGE_FROM = 40
"""The height or width in pixels from which images get the large stem."""


def whole_numbers(space: str, option: str, given: WholeRange, least: int) -> Domain:
    """A gene's domain; InputError for numbers out of `least` to `MOST_NODES`."""
    low, high = (given, given) if isinstance(given, int) else _pair(given)
    if any(type(end) is not int for end in (low, high)) or not least <= low <= high <= MOST_NODES:
        raise _refused(space, option, given, f"a whole number from {least} to {MOST_NODES}")
    return Integer(int(low), int(high))


def probabilities(space: str, option: str, given: RealRange) -> Domain:
    """A gene's domain; InputError for numbers out of 0 to 1."""
    low, high = (given, given) if isinstance(given, int | float) else _pair(given)
    if not (_is_number(low) and _is_number(high)) or not 0.0 <= low <= high <= 1.0:
        raise _refused(space, option, given, "a number from 0 to 1")
    if low == high:
        return Choice([float(low)])
    try:
        return Real(low, high)
    except InputError as error:
        raise InputError(f"{space} option {option}={shown(given)}: {error}") from None


def _pair(given: object) -> tuple[float, float]:
    """A range's ends; (1, 0), which no range is, for what has not two."""
    return (given[0], given[1]) if isinstance(given, list | tuple) and len(given) == 2 else (1, 0)


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _refused(space: str, option: str, given: object, expected: str) -> InputError:
    return InputError(
        f"{space} option {option}={shown(given)}: expected {expected}, or two such: the lowest and the highest"
    )


def shown(given: object) -> str:
    """An option as it is given on the command line."""
    return ",".join(map(str, given)) if isinstance(given, list | tuple) else str(given)


@dataclass(frozen=True)
class NetworkOptions:
    """The sizes of the networks of a space, whose name errors begin with; InputError for those that make none."""

    space: str
    params_m: float
    image_channels: int
    classes: int
    image_size: ImageSize
    stem: StemName
    head_width: int
    auxiliary: bool

    def __post_init__(self) -> None:
        for name, least in {"image_channels": 1, "classes": 2, "head_width": 1}.items():
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise self._refused(name, f"a whole number of at least {least}")
        if not _is_number(self.params_m) or not 1e-6 <= self.params_m <= 1e6:
            raise self._refused("params_m", "a number of millions from 0.000001 to 1,000,000")
        if self.stem not in ("auto", "small", "large"):
            raise unknown(f"{self.space} option stem", self.stem, ("auto", "small", "large"))
        if type(self.auxiliary) is not bool:
            raise self._refused("auxiliary", "true or false")
        grid_of(self.image_size)

    def _refused(self, name: str, expected: str) -> InputError:
        return InputError(f"{self.space} option {name}={getattr(self, name)}: expected {expected}")

    @property
    def limit(self) -> int:
        """The most weights that the operations of a network may have in all."""
        return round(self.params_m * 1_000_000)

    @property
    def image(self) -> Grid:
        return grid_of(self.image_size)

    @property
    def chosen_stem(self) -> str:
        """`auto` is "small" for images below 40 pixels on both sides."""
        if self.stem != "auto":
            return self.stem
        return "small" if max(self.image) < _LARGE_FROM else "large"
