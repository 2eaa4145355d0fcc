from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import archloom
from archloom.errors import InputError
from archloom.spaces.base import is_valid, mutate_valid, sample_valid
from archloom.spaces.config_space import as_space
from archloom.spaces.space import Space
from archloom.testing import PlantedSpace, check_space
from archloom.utils import seeds

cs = pytest.importorskip("ConfigSpace", reason="ConfigSpace's spaces need the extra configspace")


def theirs() -> Any:
    """Every kind of hyperparameter, condition and conjunction that is taken."""
    space = cs.ConfigurationSpace({"opt": ["sgd", "adam", "lion"], "lr": (1e-4, 1e-1), "n": (1, 10), "c": 3}, seed=0)
    space.add(
        cs.OrdinalHyperparameter("size", ["s", "m", "l"]),
        cs.UniformFloatHyperparameter("wd", 1e-6, 1e-2, log=True),
        cs.UniformIntegerHyperparameter("units", 16, 512, log=True),
        *(cs.UniformFloatHyperparameter(name, 0, 0.99) for name in ("mom", "nest", "both", "either", "few", "not5")),
    )
    space.add(
        cs.EqualsCondition(space["mom"], space["opt"], "sgd"),
        cs.GreaterThanCondition(space["nest"], space["mom"], 0.4),
        cs.AndConjunction(
            cs.NotEqualsCondition(space["both"], space["opt"], "sgd"),
            cs.GreaterThanCondition(space["both"], space["size"], "s"),
        ),
        cs.OrConjunction(
            cs.LessThanCondition(space["either"], space["size"], "l"),
            cs.GreaterThanCondition(space["either"], space["mom"], 0.5),
        ),
        cs.AndConjunction(
            cs.InCondition(space["few"], space["n"], [1, 2, 7]), cs.LessThanCondition(space["few"], space["lr"], 0.05)
        ),
        cs.NotEqualsCondition(space["not5"], space["n"], 5),
    )
    return space


def forbidding() -> Any:
    """Every kind of clause, also about hyperparameters that do not always count."""
    space = theirs()
    space.add(cs.UniformIntegerHyperparameter("m", 1, 10))
    space.add(
        cs.ForbiddenAndConjunction(
            cs.ForbiddenEqualsClause(space["opt"], "adam"), cs.ForbiddenInClause(space["n"], [1, 2])
        ),
        cs.ForbiddenOrConjunction(
            cs.ForbiddenEqualsClause(space["n"], 9), cs.ForbiddenGreaterThanClause(space["mom"], 0.8)
        ),
        cs.ForbiddenGreaterThanEqualsClause(space["both"], 0.9),
        cs.ForbiddenGreaterThanRelation(space["m"], space["n"]),
    )
    return space


def ours() -> Space:
    space: Space = as_space(theirs())
    return space


def ours_with_rules() -> Space:
    space: Space = as_space(forbidding())
    return space


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Equal but for what either rounds: ConfigSpace keeps 13 decimals, we ten digits."""
    return ours.keys() == theirs.keys() and all(
        value == theirs[name] or (isinstance(value, float) and abs(value - theirs[name]) < 1e-10)
        for name, value in ours.items()
    )


@pytest.mark.parametrize("make", [ours, ours_with_rules])
def test_contract(make: Any) -> None:
    check_space(make)


def test_ours_are_configurations() -> None:
    space, original, rng = ours_with_rules(), forbidding(), seeds.stream(0, "test")
    arch = sample_valid(space, rng)
    for number in range(300):
        arch = mutate_valid(space, arch, rng) if number % 2 else sample_valid(space, rng)
        configuration = cs.Configuration(original, values=space.choices(arch))
        configuration.check_valid_configuration()
        assert same(space.choices(arch), dict(configuration))


def test_configurations_are_ours() -> None:
    space, original = ours_with_rules(), forbidding()
    for configuration in original.sample_configuration(300):
        arch = space.parse(
            ", ".join(f"{name}={configuration[name]!s}" for name in space.gene_names if name in configuration)
        )
        assert is_valid(space, arch)
        assert same(space.choices(arch), dict(configuration))


def test_what_is_forbidden_breaks_a_rule() -> None:
    space, original, rng = ours_with_rules(), forbidding(), seeds.stream(0, "test")
    broken = 0
    for _ in range(1000):
        arch = space.sample(rng)
        try:
            cs.Configuration(original, values=space.choices(arch))
            allowed = True
        except cs.ForbiddenValueError:
            allowed = False
        assert allowed == is_valid(space, arch)
        broken += not allowed
    assert 300 < broken < 900
    clause = "(Forbidden: opt == 'adam' && Forbidden: n in {1, 2})"
    assert any(clause in space.violations(space.sample(rng)) for _ in range(200))


def test_values_are_plain() -> None:
    space = ours()
    choices = space.choices(space.sample(seeds.stream(0, "test")))
    assert {type(value) for value in choices.values()} == {int, float, str}
    assert choices["c"] == 3


def test_order_and_size() -> None:
    small = cs.ConfigurationSpace({"a": [1, 2, 3], "b": (1, 4)})
    small.add(cs.OrdinalHyperparameter("c", ["s", "m", "l"]))
    space = as_space(small)
    assert space.size == 36
    arch = space.parse("a=1, b=2, c=s")
    assert "a=1, b=2, c=l" not in [space.format(near) for near in space.neighbours(arch)]
    small.add(cs.ForbiddenEqualsClause(small["b"], 4))
    assert as_space(small).size == 27, "one of four values is forbidden"
    small.add([cs.UniformIntegerHyperparameter(f"n{i}", 0, 99) for i in range(3)])
    assert as_space(small).size is None, "too many to go through"


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        (
            ("NormalFloatHyperparameter", 0, 1, -5, 5),
            "x: a NormalFloatHyperparameter cannot be taken; expected a uniform",
        ),
        (
            ("BetaIntegerHyperparameter", 2, 3, 1, 9),
            "x: a BetaIntegerHyperparameter cannot be taken; expected a uniform",
        ),
        (("CategoricalHyperparameter", ["a", "b"], [1, 3]), "x: categories with weights cannot be taken"),
    ],
)
def test_what_cannot_be_taken_is_told(parameter: Any, said: str) -> None:
    kind, *settings = parameter
    made = (
        cs.CategoricalHyperparameter("x", settings[0], weights=settings[1])
        if kind == "CategoricalHyperparameter"
        else getattr(cs, kind)("x", *settings)
    )
    space = cs.ConfigurationSpace()
    space.add(made)
    with pytest.raises(InputError, match=said) as caught:
        as_space(space)
    assert "\n" not in str(caught.value)


def test_weights_that_are_all_the_same_are_none() -> None:
    space = cs.ConfigurationSpace()
    space.add(cs.CategoricalHyperparameter("x", ["a", "b"], weights=[2, 2]))
    assert as_space(space).size == 2


def test_what_is_no_space_of_theirs_stays_what_it_is() -> None:
    for given in (PlantedSpace(), {"a": [1, 2]}, None):
        assert as_space(given) is given


@pytest.mark.parametrize("strategy", ["random", "evolution", "local_search", "random_walk"])
def test_a_problem_takes_it_as_it_is(strategy: str) -> None:
    seen: list[dict[str, Any]] = []

    def evaluate(choices: dict[str, Any]) -> float:
        seen.append(choices)
        return float(np.log10(choices["wd"]))

    problem = archloom.Problem(forbidding(), evaluate, {"score": "max"})
    found = archloom.run(strategy, problem, queries=60)
    assert found.value is not None and found.value > -3.0
    original = forbidding()
    assert len(seen) == 60
    for choices in seen:
        assert same(choices, dict(cs.Configuration(original, values=choices)))
