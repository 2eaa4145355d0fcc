"""When a gene counts: only if others have certain values."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from archloom.errors import InputError, unknown

if TYPE_CHECKING:
    from archloom.spaces.domains import Domain

_ABSENT = object()


class Condition(ABC):
    """A statement about the values of other genes, the parents. It is false of a parent that itself does not count.

    Conditions are joined by `&` and `|`.
    """

    @property
    @abstractmethod
    def parents(self) -> tuple[str, ...]:
        """The names of the genes it is about."""

    @abstractmethod
    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true of these values, which are those of the genes that count."""

    @abstractmethod
    def fitted(self, domains: Mapping[str, Domain]) -> Condition:
        """The same condition of values as these domains have them (0.1 + 0.2 is 0.3 on a grid).

        InputError for a parent that does not exist, and for a value that it never has.
        """

    def __and__(self, other: Condition) -> Condition:
        return AllOf((self, other))

    def __or__(self, other: Condition) -> Condition:
        return AnyOf((self, other))


When = Condition | Mapping[str, Any] | None
"""How a condition may be given: `{"optimiser": "sgd"}` is `Is("optimiser", "sgd")`; if there are several, all must
hold."""


def condition(when: When) -> Condition | None:
    """The condition that was given; InputError for anything else."""
    if when is None or isinstance(when, Condition):
        return when
    if not isinstance(when, Mapping) or not when:
        raise InputError(f"when={when!r}: expected names and values of other genes, e.g. {{'optimiser': 'sgd'}}")
    parts = tuple(Is(parent, values) for parent, values in when.items())
    return parts[0] if len(parts) == 1 else AllOf(parts)


@dataclass(frozen=True)
class Is(Condition):
    """The parent has this value; of a list, one of these."""

    parent: str
    values: Any

    def __post_init__(self) -> None:
        listed = isinstance(self.values, (list, set, frozenset))
        object.__setattr__(self, "values", tuple(self.values) if listed else (self.values,))

    @property
    def parents(self) -> tuple[str, ...]:
        return (self.parent,)

    def holds(self, values: Mapping[str, Any]) -> bool:
        return values.get(self.parent, _ABSENT) in self.values

    def fitted(self, domains: Mapping[str, Domain]) -> Condition:
        domain = _domain(self.parent, domains)
        for value in self.values:
            if not domain.takes(value):
                raise InputError(f"only if {self}: {self.parent} is never {value!r}: expected {domain.described}")
        return Is(self.parent, [domain.own(value) for value in self.values])

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.values))
        return f"{self.parent} = {shown}" if len(self.values) == 1 else f"{self.parent} is one of {shown}"


@dataclass(frozen=True)
class _Compared(Condition):
    parent: str
    bound: float

    sign: ClassVar[str]
    compare: ClassVar[Callable[[Any, Any], bool]]

    @property
    def parents(self) -> tuple[str, ...]:
        return (self.parent,)

    def holds(self, values: Mapping[str, Any]) -> bool:
        return self.parent in values and bool(type(self).compare(values[self.parent], self.bound))

    def fitted(self, domains: Mapping[str, Domain]) -> Condition:
        domain = _domain(self.parent, domains)
        try:
            for value in domain.examples:
                type(self).compare(value, self.bound)
        except TypeError:
            raise InputError(f"only if {self}: {self.parent} is no number, but {domain.described}") from None
        return self

    def __str__(self) -> str:
        return f"{self.parent} {self.sign} {self.bound}"


class Above(_Compared):
    """The parent is greater than a bound."""

    sign = ">"
    compare = operator.gt


class Below(_Compared):
    """The parent is less than a bound."""

    sign = "<"
    compare = operator.lt


@dataclass(frozen=True)
class _Joined(Condition):
    parts: tuple[Condition, ...]

    @property
    def parents(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(parent for part in self.parts for parent in part.parents))

    def fitted(self, domains: Mapping[str, Domain]) -> Condition:
        return replace(self, parts=tuple(part.fitted(domains) for part in self.parts))


class AllOf(_Joined):
    """Every one of several conditions holds."""

    def holds(self, values: Mapping[str, Any]) -> bool:
        return all(part.holds(values) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


class AnyOf(_Joined):
    """At least one of several conditions holds."""

    def holds(self, values: Mapping[str, Any]) -> bool:
        return any(part.holds(values) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


def _domain(parent: str, domains: Mapping[str, Domain]) -> Domain:
    if parent not in domains:
        raise unknown("gene in a condition", parent, domains)
    return domains[parent]
