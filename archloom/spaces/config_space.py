"""ConfigSpace's spaces (Lindauer et al. 2019, "BOAH"; https://automl.github.io/ConfigSpace) as spaces of ours."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from archloom.errors import InputError
from archloom.spaces.conditions import Above, AllOf, AnyOf, Below, Condition, Is
from archloom.spaces.domains import Choice, Domain, Integer, Real
from archloom.spaces.space import Space
from archloom.types import Arch

if TYPE_CHECKING:
    import ConfigSpace as cs


def as_space(given: Any) -> Any:
    """A `ConfigSpace.ConfigurationSpace` as a space of ours; anything else as it is."""
    package = sys.modules.get("ConfigSpace")  # if it is not loaded there is no such object
    is_theirs = package is not None and isinstance(given, package.ConfigurationSpace)
    return ConfigSpace(given) if is_theirs else given


class ConfigSpace(Space):
    """A `ConfigSpace.ConfigurationSpace`: its hyperparameters, conditions, and what it forbids as a rule.

    `choices` gives the values that a configuration has. Uniform, categorical and ordinal hyperparameters and constants
    are taken; prior distributions (normal, beta, weights of categories) are refused, because samples here are uniform.
    """

    name = "configspace"

    def __init__(self, space: cs.ConfigurationSpace) -> None:
        self._forbidden = list(space.forbidden_clauses)
        conditions = space.parent_conditions_of
        super().__init__({name: _named(parameter, _all_of(conditions[name])) for name, parameter in space.items()})

    @property
    def size(self) -> int | None:
        """Without what is forbidden, if there are few enough to go through; otherwise None then."""
        if not self._forbidden:
            return super().size
        return None if self.listed is None else len(self.listed)

    def violations(self, arch: Arch) -> Mapping[str, float]:
        if broken := super().violations(arch):
            return broken
        values = self.choices(arch)
        return {str(clause): 1.0 for clause in self._forbidden if _forbids(clause, values)}


def _named(parameter: Any, when: Condition | None) -> Domain:
    try:
        return _domain(parameter, when)
    except InputError as error:
        name = str(parameter.name)
        raise error if str(error).startswith(f"{name}: ") else InputError(f"{name}: {error}") from None


def _domain(parameter: Any, when: Condition | None) -> Domain:
    """InputError for a hyperparameter that cannot be translated."""
    import ConfigSpace as cs

    if isinstance(parameter, cs.UniformFloatHyperparameter):
        return Real(parameter.lower, parameter.upper, log=parameter.log, when=when)
    if isinstance(parameter, cs.UniformIntegerHyperparameter):
        return Integer(parameter.lower, parameter.upper, log=parameter.log, when=when)
    if isinstance(parameter, cs.OrdinalHyperparameter):
        return Choice(parameter.sequence, ordered=True, when=when)
    if isinstance(parameter, cs.Constant):
        return Choice([parameter.value], when=when)
    if not isinstance(parameter, cs.CategoricalHyperparameter):
        raise InputError(
            f"{parameter.name}: a {type(parameter).__name__} cannot be taken; expected a uniform, categorical or "
            "ordinal one, or a constant"
        )
    if len(set(parameter.probabilities.tolist())) > 1:
        raise InputError(f"{parameter.name}: categories with weights cannot be taken; omit the weights")
    return Choice(parameter.choices, when=when)


def _all_of(conditions: Any) -> Condition | None:
    return reduce(and_, map(_condition, conditions)) if conditions else None


def _condition(given: Any) -> Condition:
    import ConfigSpace as cs

    if isinstance(given, cs.AndConjunction):
        return AllOf(tuple(map(_condition, given.components)))
    if isinstance(given, cs.OrConjunction):
        return AnyOf(tuple(map(_condition, given.components)))
    parent = given.parent.name
    if isinstance(given, cs.InCondition):
        return Is(parent, list(given.values))
    ordered = list(getattr(given.parent, "sequence", ()))
    if isinstance(given, cs.EqualsCondition):
        return Is(parent, [given.value])
    if isinstance(given, cs.NotEqualsCondition):
        others = ordered or list(getattr(given.parent, "choices", ()))
        if others:
            return Is(parent, [value for value in others if value != given.value])
        return Above(parent, given.value) | Below(parent, given.value)
    if isinstance(given, cs.GreaterThanCondition):
        place = ordered.index(given.value) if ordered else 0
        return Is(parent, ordered[place + 1 :]) if ordered else Above(parent, given.value)
    if isinstance(given, cs.LessThanCondition):
        return Is(parent, ordered[: ordered.index(given.value)]) if ordered else Below(parent, given.value)
    raise InputError(f"{given.child.name}: the condition {given} is a {type(given).__name__}, which cannot be taken")


def _forbids(clause: Any, values: Mapping[str, Any]) -> bool:
    """Whether a clause forbids these values; never for what it says of a hyperparameter that does not count."""
    import ConfigSpace as cs

    if isinstance(clause, cs.ForbiddenAndConjunction):
        return all(_forbids(part, values) for part in clause.components)
    if isinstance(clause, cs.ForbiddenOrConjunction):
        return any(_forbids(part, values) for part in clause.components)
    about = getattr(clause, "hyperparameter", None)  # a relation has two, and looks for both itself
    if about is not None and about.name not in values:
        return False
    return bool(clause.is_forbidden_value(dict(values)))
