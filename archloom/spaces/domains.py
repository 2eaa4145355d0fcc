"""What one gene of a space may be: a choice, a whole number, a real number or a seed, and when it counts.

    Space({
        "optimiser": ["sgd", "adam"],
        "lr": Real(1e-4, 1e-1, log=True),
        "momentum": Real(0.0, 0.99, when={"optimiser": "sgd"}),
        "layers": Integer(1, 8),
    })

Every domain maps its values to the unit interval and back. Random genes are those at uniformly drawn places. Of k
choices, and of k numbers on a grid, number j (from 0 on) is at (j + 1/2) / k; on a logarithmic scale shares shrink as
numbers grow.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces import options
from archloom.spaces.conditions import Condition, When, condition

SPREAD = 0.1
"""The standard deviation of a number's mutation, as a share of its range."""
SHARES = (0.1, 0.01)
"""How far the neighbours of a number are from it, on both sides, as shares of its range."""
DIGITS = 10
"""The significant digits to which real numbers are distinguished. More would be lost on the way to the unit interval
and back, or differ between machines, whose logarithms are not all the same to the last bit."""
MOST_VALUES = 1 << 40
"""How many values a grid may have, so that none is lost on that way."""

NUMBERS = (int, float, np.integer, np.floating)


class Domain(ABC):
    """What a gene may be. A gene is a plain number; `value` is what it represents.

    `when`: the gene counts only if this condition holds (None: always). `size`: how many values there are (None:
    infinitely many). `expected`, `described`: what a gene must be, and what its values are, in words.
    """

    when: When

    @property
    @abstractmethod
    def size(self) -> int | None: ...

    @property
    @abstractmethod
    def expected(self) -> str: ...

    @property
    def described(self) -> str:
        return self.expected

    @abstractmethod
    def holds(self, gene: Any) -> bool:
        """Whether this is a gene of the domain; False for whatever is no number."""

    @abstractmethod
    def canonical(self, gene: int | float) -> int | float:
        """The gene that represents all that are the same as `gene`, which must be one of the domain."""

    @abstractmethod
    def to_unit(self, gene: int | float) -> float:
        """The place of a canonical gene in the unit interval."""

    @abstractmethod
    def from_unit(self, place: float) -> int | float:
        """The canonical gene at a place in the unit interval, its ends included."""

    @abstractmethod
    def mutate(self, gene: int | float, rng: np.random.Generator) -> int | float:
        """Another gene, at random; of a domain with more than one."""

    @abstractmethod
    def neighbours(self, gene: int | float) -> Sequence[int | float]:
        """The genes one step away, each once, without `gene` itself, in a fixed order."""

    @abstractmethod
    def parse(self, text: str) -> int | float:
        """The gene that `text_of` wrote; InputError that says what was expected."""

    @abstractmethod
    def takes(self, value: Any) -> bool:
        """Whether a gene may represent this value."""

    @abstractmethod
    def values(self) -> Iterable[Any]:
        """The values of all genes, one after the other; of a domain with finitely many."""

    def genes(self) -> Iterable[int | float]:
        """All canonical genes, in the order of their values; of a domain with finitely many."""
        return self.values()

    def value(self, gene: int | float) -> Any:
        """The value of a canonical gene."""
        return gene

    def fresh(self, value: Any) -> Any:
        """A value for a user's code, which may change it in place."""
        return value

    def own(self, value: Any) -> Any:
        """The value of a gene that is the same as this value, which it takes."""
        return value

    @property
    def examples(self) -> Iterable[Any]:
        """Values of each type that there is."""
        return (self.value(self.default),)

    def text_of(self, gene: int | float) -> str:
        """A canonical gene as a string."""
        return repr(gene)

    @property
    def code_width(self) -> int:
        """How many columns `codes` gives."""
        return 1 if self.when is None else 2

    def codes(self, genes: NDArray[Any], counting: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n, code_width) canonical genes (n,) as vectors, at most 1 apart (squared); 0 for those that do not count.

        The place in the unit interval. If there is a condition, sqrt(1/2) beside it for genes that count.
        """
        columns = [np.where(counting, self.places(genes), 0.0), math.sqrt(0.5) * counting]
        return np.stack(columns[: self.code_width], axis=1)

    def places(self, genes: NDArray[Any]) -> NDArray[np.float64]:
        """(n,) the places of canonical genes (n,) in the unit interval."""
        different, where = np.unique(genes, return_inverse=True)
        return np.array([self.to_unit(gene) for gene in different.tolist()], dtype=np.float64)[where]

    @cached_property
    def default(self) -> int | float:
        """The gene used if this one does not count: the middle."""
        return self.from_unit(0.5)

    @property
    def condition(self) -> Condition | None:
        return condition(self.when)


# -- choices ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice(Domain):
    """One of several options, of any kind; the gene is the option's index.

    Options are known by their strings, classes and functions by their qualified names (see `spaces.options`). Those
    that can be changed in place are copied for every evaluation.

    `ordered`: options beside each other are alike (small, medium, large), and only these are neighbours. Otherwise
    every option is every other's.
    """

    options: Sequence[Any]
    _: KW_ONLY
    ordered: bool = False
    when: When = None
    strings: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The options as strings."""

    def __post_init__(self) -> None:
        listed, texts = options.listed(self.options)
        object.__setattr__(self, "options", listed)
        object.__setattr__(self, "strings", texts)
        object.__setattr__(self, "when", condition(self.when))

    @cached_property
    def _by_text(self) -> dict[str, int]:
        return {text: gene for gene, text in enumerate(self.strings)}

    @property
    def size(self) -> int:
        return len(self.options)

    @property
    def expected(self) -> str:
        return f"the index of one of its {self.size} options, 0 to {self.size - 1}"

    @property
    def described(self) -> str:
        return f"one of {', '.join(self.strings)}"

    def holds(self, gene: Any) -> bool:
        return gene in range(self.size)

    def canonical(self, gene: int | float) -> int:
        return int(gene)

    def to_unit(self, gene: int | float) -> float:
        return (gene + 0.5) / self.size

    def from_unit(self, place: float) -> int:
        return min(int(place * self.size), self.size - 1)

    def mutate(self, gene: int | float, rng: np.random.Generator) -> int:
        near = self.neighbours(gene)
        return near[int(rng.integers(len(near)))]

    def neighbours(self, gene: int | float) -> Sequence[int]:
        return [other for other in range(self.size) if other != gene and (not self.ordered or abs(other - gene) == 1)]

    def parse(self, text: str) -> int:
        try:
            return self._by_text[text]
        except KeyError:
            raise InputError(f"expected {self.described}") from None

    def takes(self, value: Any) -> bool:
        return value in self.options

    @property
    def examples(self) -> Iterable[Any]:
        return self.options

    def values(self) -> Iterable[Any]:
        return self.options

    def genes(self) -> Iterable[int]:
        return range(self.size)

    @property
    def code_width(self) -> int:
        if self.size == 1:
            return 0
        return super().code_width if self.ordered else self.size

    def codes(self, genes: NDArray[Any], counting: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Of options in no order: one-hot, times sqrt(1/2), so that any two are 1 apart (squared)."""
        if self.ordered:
            return super().codes(genes, counting)
        chosen = (genes[:, None] == np.arange(self.size)) & counting[:, None]
        return np.where(chosen, math.sqrt(0.5), 0.0)

    def value(self, gene: int | float) -> Any:
        return self.options[int(gene)]

    def fresh(self, value: Any) -> Any:
        return options.fresh(value)

    def text_of(self, gene: int | float) -> str:
        return self.strings[int(gene)]


# -- numbers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scale:
    """The numbers from `low` to `high` as the unit interval, in proportion or by their logarithms."""

    low: float
    high: float
    log: bool

    def to_unit(self, number: float) -> float:
        if self.log:
            return (math.log(number) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (number - self.low) / (self.high - self.low)

    def from_unit(self, place: float) -> float:
        if self.log:
            return math.exp(math.log(self.low) + place * (math.log(self.high) - math.log(self.low)))
        return self.low + place * (self.high - self.low)


class _Number(Domain):
    """Numbers from `low` to `high`: all of them, or with `step` those of the grid that begins at `low`."""

    low: float
    high: float
    log: bool
    step: float | None
    kind: str
    """What such a number is called."""

    def _check(self) -> None:
        """Raise InputError for bounds and steps that do not fit."""
        step, farthest = self.step, max(abs(self.low), abs(self.high))
        said = f"{type(self).__name__}({self.low!r}, {self.high!r}{'' if step in (None, 1) else f', step={step!r}'})"
        if self.low > self.high or (self.low == self.high and not isinstance(self.low, int)):
            raise InputError(f"{said}: expected low < high; for a single value use Choice")
        if self.log and self.low <= 0:
            raise InputError(f"{said}: on a logarithmic scale low must be above 0")
        if step is None:
            # The smallest steps of neighbours that always exist are a tenth of the range.
            if self.high - self.low < 20 * 10.0**-self._decimals:
                raise InputError(f"{said}: numbers so close together are not distinguished (to {DIGITS} digits)")
            return
        if step <= 1e-12 * farthest or self._count > MOST_VALUES:
            raise InputError(f"{said}: expected a step above 0 that makes at most {MOST_VALUES:,} values")
        if abs(self.low + (self._count - 1) * step - self.high) > 1e-13 * farthest:
            last = self.low + int((self.high - self.low) / step) * step
            raise InputError(f"{said}: steps from low do not end at high, but at {last:.{DIGITS}g}: give that as high")

    @property
    def size(self) -> int | None:
        return None if self.step is None else self._count

    @property
    def _spacing(self) -> float:
        return math.nan if self.step is None else self.step  # asked of grids only

    @cached_property
    def _count(self) -> int:
        return round((self.high - self.low) / self._spacing) + 1

    @cached_property
    def _scale(self) -> _Scale:
        """That of a grid reaches half a step further on both sides: its ends get as much of the interval as others."""
        half = (self.step or 0.0) / 2
        below = min(half, self.low / 2) if self.log else half  # a logarithm begins above 0
        return _Scale(self.low - below, self.high + half, self.log)

    @cached_property
    def _decimals(self) -> int:
        """How many decimals are kept: of a grid's numbers those that matter to a step."""
        size = self.step or max(abs(self.low), abs(self.high))
        return DIGITS - 1 - math.floor(math.log10(size))

    def _rounded(self, number: float) -> float:
        if self.log:
            return float(f"{number:.{DIGITS}g}")
        return round(float(number), self._decimals) + 0.0  # no negative zero

    @cached_property
    def _ends(self) -> dict[float, float]:
        """The bounds include all numbers that round to them: they may have more digits than are kept."""
        return {self._rounded(self.low): self.low, self._rounded(self.high): self.high}

    def _at(self, index: int) -> int | float:
        """A grid's number by its index."""
        if index in (0, self._count - 1):
            return self.high if index else self.low
        return round(self.low + index * self._spacing, self._decimals) + 0.0

    def _index(self, number: float) -> int:
        """That of a grid's number nearest to a number."""
        return min(max(round((number - self.low) / self._spacing), 0), self._count - 1)

    @property
    def expected(self) -> str:
        grid = "" if self.step in (None, 1) else f" in steps of {self.step!r}"
        return f"{self.kind} from {self.low!r} to {self.high!r}{grid}"

    def holds(self, gene: Any) -> bool:
        if not isinstance(gene, NUMBERS) or not self.low <= gene <= self.high:
            return False
        return self.step is None or abs(self.canonical(float(gene)) - gene) <= 1e-9 * self.step

    def canonical(self, gene: int | float) -> int | float:
        if self.step is not None:
            return self._at(self._index(gene))
        rounded = self._rounded(gene)
        return self._ends.get(rounded, rounded)

    def to_unit(self, gene: int | float) -> float:
        return self._scale.to_unit(gene)

    def from_unit(self, place: float) -> int | float:
        number = self._scale.from_unit(place)
        return self.canonical(min(max(number, self.low), self.high))

    def mutate(self, gene: int | float, rng: np.random.Generator) -> int | float:
        place = abs(self.to_unit(gene) + SPREAD * rng.standard_normal()) % 2.0
        mutant = self.from_unit(min(place, 2.0 - place))  # what goes over an end comes back
        if mutant != gene:
            return mutant
        near = self.neighbours(gene)
        return near[int(rng.integers(len(near)))]

    def neighbours(self, gene: int | float) -> Sequence[int | float]:
        place = self.to_unit(gene)
        places = [min(max(place + way * share, 0.0), 1.0) for share in SHARES for way in (-1, 1)]
        found = dict.fromkeys(map(self.from_unit, places))
        if self.step is not None:
            index = self._index(gene)
            found |= dict.fromkeys(self._at(near) for near in (index - 1, index + 1) if 0 <= near < self._count)
        found.pop(gene, None)
        return list(found)

    def parse(self, text: str) -> int | float:
        try:
            gene = self._read(text)
        except ValueError:
            gene = math.nan
        if not self.holds(gene):
            raise InputError(f"expected {self.expected}")
        return self.canonical(gene)

    def _read(self, text: str) -> int | float:
        """The number that a string writes; ValueError for none."""
        return float(text)

    def takes(self, value: Any) -> bool:
        return self.holds(value)

    def own(self, value: Any) -> Any:
        return self.canonical(value)

    def values(self) -> Iterable[int | float]:
        return map(self._at, range(self._count))


@dataclass(frozen=True)
class Real(_Number):
    """A real number from `low` to `high`, both included.

    `log`: equal ratios, not equal differences, are equally likely; `low` must be above 0. `step`: only the numbers
    `low`, `low + step`, ... up to `high`. Numbers are distinguished to ten significant digits, of the larger bound if
    they are not logarithmic.
    """

    low: float
    high: float
    _: KW_ONLY
    log: bool = False
    step: float | None = None
    when: When = None
    kind = "a number"

    def __post_init__(self) -> None:
        object.__setattr__(self, "when", condition(self.when))
        for name in ("low", "high", "step") if self.step is not None else ("low", "high"):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, NUMBERS) or not abs(float(given)) < 1e300:
                raise InputError(f"Real {name}={given!r}: expected a number")
            object.__setattr__(self, name, float(given))
        self._check()


class _Whole(_Number):
    """Whole numbers."""

    kind = "a whole number"

    def _at(self, index: int) -> int:
        return int(self.low) + index * int(self.step or 1)

    def _read(self, text: str) -> int:
        return int(text)


@dataclass(frozen=True)
class Integer(_Whole):
    """A whole number from `low` to `high`, both included.

    `log`: equal ratios, not equal differences, are equally likely; `low` must be above 0. `step`: only the numbers
    `low`, `low + step`, ... up to `high`.
    """

    low: int
    high: int
    _: KW_ONLY
    log: bool = False
    step: int = 1
    when: When = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "when", condition(self.when))
        for name in ("low", "high", "step"):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or abs(int(given)) > MOST_VALUES:
                raise InputError(f"Integer {name}={given!r}: expected a whole number; for others there is Real")
            object.__setattr__(self, name, int(given))
        self._check()


@dataclass(frozen=True)
class Seed(_Whole):
    """The seed of something random, a whole number from 0 to 2^31 - 1.

    Seeds beside each other have nothing in common: a mutant is any other seed, and none is a neighbour.
    """

    _: KW_ONLY
    when: When = None
    low = 0
    high = (1 << 31) - 1
    log = False
    step = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "when", condition(self.when))

    def mutate(self, gene: int | float, rng: np.random.Generator) -> int:
        return (int(gene) + int(rng.integers(1, self._count))) % self._count

    def neighbours(self, gene: int | float) -> Sequence[int]:
        return []

    @property
    def code_width(self) -> int:
        return 0


def as_domain(name: str, given: Any) -> Domain:
    """A domain as it is, a list of options as a `Choice`; InputError in one line for what is neither."""
    if isinstance(given, Domain):
        return given
    if _is_range(given):
        low, high = sorted(given)
        scale = ", log=True" if low > 0 and high >= 100 * low else ""
        kind = "Integer" if isinstance(low, int) and isinstance(high, int) else "Real"
        raise InputError(
            f"{name}: {given!r} may mean a range, {kind}({low!r}, {high!r}{scale}), or two options, the list "
            f"{list(given)!r}: write the one you mean"
        )
    try:
        return Choice(given)
    except TypeError:
        raise InputError(f"{name}: {given!r}: expected a domain, e.g. Real(0.0, 1.0), or a list of options") from None
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _is_range(given: Any) -> bool:
    """Whether this may be two bounds as well as two options."""
    return (
        isinstance(given, tuple)
        and len(given) == 2
        and all(isinstance(value, NUMBERS) and not isinstance(value, bool) for value in given)
    )
