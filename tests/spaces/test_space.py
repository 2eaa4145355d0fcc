from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archloom
from archloom import Choice, Integer, Real, Seed, Space
from archloom.errors import InputError
from archloom.spaces.base import (
    Categorical,
    HasAlpha,
    HasConditions,
    HasModules,
    HasNeighbours,
    HasSizes,
    HasUnitCube,
    SearchSpace,
    is_valid,
)
from archloom.spaces.conditions import Above, Is
from archloom.spaces.drawing import HasChoices
from archloom.testing import MixedSpace, check_space
from archloom.types import Arch
from archloom.utils import seeds


def training() -> Space:
    """A child before its parent, a child of a child, numbers of both kinds."""
    return Space(
        {
            "momentum": Real(0.0, 0.99, when={"optimiser": "sgd"}),
            "optimiser": ["sgd", "adam"],
            "nesterov": Choice([False, True], when=Above("momentum", 0.5)),
            "layers": Integer(1, 4),
        }
    )


def numbers() -> Space:
    return Space({"lr": Real(1e-4, 1e-1, log=True), "width": Integer(8, 64, step=8), "drop": Real(0, 1, step=0.1)})


def finite() -> Space:
    return Space(
        {
            "kind": ["a", "b", "c"],
            "width": Integer(1, 4, when={"kind": ["a", "b"]}),
            "deep": Choice(["x", "y"], when=Is("kind", "c") | Above("width", 2)),
            "free": [1, 2, 3, 4, 5],
        }
    )


@pytest.mark.parametrize("make", [MixedSpace, training, numbers, finite])
def test_contract(make: Callable[[], SearchSpace]) -> None:
    check_space(make)


def test_capabilities() -> None:
    for capability in (SearchSpace, HasNeighbours, HasUnitCube, HasConditions, HasChoices):
        assert isinstance(training(), capability)
        assert isinstance(Categorical({"a": [1, 2]}), capability)
    for capability in (HasAlpha, HasSizes, HasModules):
        assert not isinstance(training(), capability)
    assert isinstance(Categorical({"a": [1, 2]}), Space)


def test_genes_that_do_not_count_are_omitted() -> None:
    space = training()
    arch = Arch((0.7, 1, 1, 3))
    assert space.format(arch) == space.key(arch) == "optimiser=adam, layers=3"
    assert space.choices(arch) == {"optimiser": "adam", "layers": 3}
    assert space.active(arch) == [False, True, False, True]
    assert space.canonical(arch) == Arch((0.495, 1, 1, 3))
    for strange in (math.nan, -7, 1e12):
        other = Arch((strange, 1, strange, 3))
        assert space.violations(other) == {}
        assert space.canonical(other) == space.canonical(arch)
    assert space.format(Arch((0.7, 0, 0, 3))) == "momentum=0.7, optimiser=sgd, nesterov=False, layers=3"
    assert space.choices(Arch((0.4, 0, 1, 2))) == {"momentum": 0.4, "optimiser": "sgd", "layers": 2}


def test_reading() -> None:
    space = training()
    assert space.parse("optimiser=adam, layers=3") == Arch((0.495, 1, 1, 3))
    assert space.parse("momentum=9e-1, optimiser=sgd, nesterov=True, layers=1") == Arch((0.9, 0, 1, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("momentum=0.9, optimiser=adam, layers=3", "momentum counts only if optimiser = sgd; omit it"),
        ("momentum=0.4, optimiser=sgd, nesterov=True, layers=1", "nesterov counts only if momentum > 0.5; omit it"),
        ("optimiser=sgd, layers=3", "momentum is missing, which counts if optimiser = sgd"),
        ("optimiser=adam", "expected NAME=VALUE for momentum, optimiser, nesterov, layers in this order"),
        ("layers=3, optimiser=adam", "expected NAME=VALUE for momentum, optimiser, nesterov, layers in this order"),
        ("x, optimiser=adam, layers=3", "expected NAME=VALUE for momentum, optimiser, nesterov, layers in this order"),
        ("optimiser=adam, layers=5", "layers='5': expected a whole number from 1 to 4"),
        ("optimiser=Adam, layers=3", "optimiser='Adam': expected one of sgd, adam"),
        ("momentum=nan, optimiser=sgd, layers=3", "momentum='nan': expected a number from 0.0 to 0.99"),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        training().parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("genes", "broken", "said"),
    [
        ((1.5, 0, 0, 1), (1, 0), "gene momentum is 1.5: expected a number from 0.0 to 0.99"),
        ((math.nan, 0, 0, 1.5), (2, 0), "gene momentum is nan: expected a number from 0.0 to 0.99"),
        ((0.5, 2, 0, 1), (1, 0), "gene optimiser is 2: expected the index of one of its 2 options, 0 to 1"),
        ((0.5, 1, 0, 5), (1, 0), "gene layers is 5: expected a whole number from 1 to 4"),
        ((0.5, 1, 0), (0, 1), "3 genes: expected 4, one for each choice or number"),
        ((), (0, 4), "0 genes: expected 4"),
    ],
)
def test_genes_out_of_their_domains_break_a_rule(genes: Any, broken: tuple[int, int], said: str) -> None:
    space = training()
    assert tuple(space.violations(Arch(genes)).values()) == broken
    for use in (space.format, space.key, space.choices, space.canonical, space.to_unit, space.neighbours):
        with pytest.raises(InputError) as caught:
            use(Arch(genes))
        assert said in str(caught.value)


def test_off_the_grid() -> None:
    for genes in ((0.01, 12, 0.5), (0.01, 16, 0.55), (0.01, 16.5, 0.5)):
        assert numbers().violations(Arch(genes)) == {"genes out of their domains": 1, "genes too many or too few": 0}
    assert numbers().violations(Arch((0.01, 16.0, 0.1 + 0.2))) == {}


@pytest.mark.parametrize(
    ("domains", "said"),
    [
        ({}, "a space needs at least one choice or number"),
        ({"lr": (1e-4, 1e-1)}, "lr: (0.0001, 0.1) may mean a range, Real(0.0001, 0.1, log=True), or two options"),
        ({"lr": 0.1}, "lr: 0.1: expected a domain"),
        ({"a": [1], "b": Choice([1], when={"c": 1})}, "b: unknown gene in a condition 'c' (known: a, b)"),
        ({"a": [1], "b": Choice([1], when={"a": 2})}, "b: only if a = 2: a is never 2: expected one of 1"),
        ({"a": Choice([1], when={"a": 1})}, "a: its condition depends on itself (a -> a)"),
        (
            {
                "z": Choice([1], when={"a": 1}),
                "a": Choice([1], when={"b": 1}),
                "b": Choice([1], when={"c": 1}),
                "c": Choice([1], when={"a": 1}),
            },
            "a: its condition depends on itself (a -> b -> c -> a)",
        ),
        (
            {"a": ["x, b=1", "y"], "b": [1, 2]},
            "a: option 'x, b=1' reads like a value of the gene b; rename one of the two",
        ),
    ],
)
def test_spaces_that_cannot_be(domains: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Space(domains)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pair_of_numbers_is_refused_among_choices_too() -> None:
    with pytest.raises(InputError, match=r"Real\(0\.0001, 0\.1, log=True\), or two options, the list "):
        Categorical({"lr": (1e-4, 1e-1)})


def test_a_condition_on_a_grid_holds_of_the_number_that_is_meant() -> None:
    space = Space({"x": Real(0.0, 1.0, step=0.1), "b": Real(0.0, 1.0, when={"x": 3 * 0.1})})
    for x in range(11):
        assert ("b" in space.choices(Arch((x / 10, 0.5)))) is (x == 3)


@pytest.mark.parametrize("other", [Real(0, 1), Choice([1, 2], ordered=True), Choice([1], when={"a": 1})])
def test_a_categorical_space_has_independent_choices_only(other: Any) -> None:
    with pytest.raises(InputError, match=r"^b: .*: a Categorical has independent choices only; use a Space$"):
        Categorical({"a": [1, 2], "b": other})
    assert Categorical({"a": Choice([1, 2])}).options == (("1", "2"),)


# -- how many there are -------------------------------------------------------------------------------------------


def test_size() -> None:
    # kind a or b: widths 1 and 2 alone, 3 and 4 with two options each; kind c: two options
    assert finite().size == 5 * (2 * (2 + 2 * 2) + 2)
    assert training().size is numbers().size is None
    assert Space({"seed": Seed()}).size == 1 << 31
    assert Space({f"gene{i}": [1, 2, 3] for i in range(1500)}).size == 3**1500
    switches: dict[str, Any] = {f"on{i}": [False, True] for i in range(20)}
    assert Space(switches | {f"n{i}": Choice([1, 2], when={f"on{i}": True}) for i in range(20)}).size is None


def test_the_list_is_all_of_a_finite_space() -> None:
    space = finite()
    assert space.listed is not None
    assert len({space.key(arch) for arch in space.listed}) == len(space.listed) == space.size
    assert all(space.canonical(arch) == arch for arch in space.listed)
    assert training().listed is None
    assert Space({"seed": Seed()}).listed is None


def test_size_is_the_number_of_canonical_architectures() -> None:
    space = finite()
    every = itertools.product(range(3), range(1, 5), range(2), range(5))
    assert len({space.key(Arch(genes)) for genes in every}) == space.size


def test_a_run_ends_when_a_finite_space_is_used_up_and_goes_on_where_there_are_reals() -> None:
    problem = archloom.Problem(finite(), lambda choices: float(len(choices)), {"genes": "max"})
    assert len(archloom.run("random", problem, queries=500).curve) == finite().size
    problem = archloom.Problem(training(), lambda choices: float(len(choices)), {"genes": "max"})
    assert len(archloom.run("random", problem, queries=500).curve) == 500


# -- drawing and changing -----------------------------------------------------------------------------------------


@given(seed=st.integers(0, 999))
def test_mutants_differ_in_one_gene_that_counts_and_what_follows(seed: int) -> None:
    space, rng = MixedSpace(), seeds.stream(seed, "test")
    arch = space.sample(rng)
    mutant = space.mutate(arch, rng)
    assert space.canonical(mutant) == mutant
    assert space.key(mutant) != space.key(arch)
    before, after = space.choices(arch), space.choices(mutant)
    changed = [name for name in before.keys() & after.keys() if before[name] != after[name]]
    assert len(changed) == 1
    assert changed[0] in {"optimiser", "momentum"} or before.keys() == after.keys()


def test_genes_mutate_equally_often_and_those_that_begin_to_count_are_drawn() -> None:
    space, rng = training(), seeds.stream(0, "test")
    arch = Arch((0.495, 1, 1, 3))
    mutants = [space.mutate(arch, rng) for _ in range(2000)]
    awake = np.array([mutant.genes[0] for mutant in mutants if mutant.genes[1] == 0])
    assert abs(len(awake) / 2000 - 0.5) < 5 * 0.5 / math.sqrt(2000)
    assert np.quantile(awake / 0.99, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.08)


def test_neighbours_of_a_conditional_space() -> None:
    space = training()
    assert [space.format(near) for near in space.neighbours(Arch((0.2, 1, 0, 1)))] == [
        "momentum=0.495, optimiser=sgd, layers=1",
        "optimiser=adam, layers=2",
    ]
    near = space.neighbours(Arch((0.45, 0, 0, 4)))
    assert [space.format(other) for other in near] == [
        "momentum=0.351, optimiser=sgd, layers=4",
        "momentum=0.549, optimiser=sgd, nesterov=True, layers=4",
        "momentum=0.4401, optimiser=sgd, layers=4",
        "momentum=0.4599, optimiser=sgd, layers=4",
        "optimiser=adam, layers=4",
        "momentum=0.45, optimiser=sgd, layers=3",
    ]


def test_a_space_of_one_architecture_stays_where_it_is() -> None:
    space = Space({"a": ["x"], "b": Integer(3, 3)})
    arch = space.sample(seeds.stream(0, "test"))
    assert space.size == 1
    assert space.mutate(arch, seeds.stream(0, "test")) == arch
    assert list(space.neighbours(arch)) == []


def test_samples_are_uniform_in_the_unit_cube() -> None:
    space, rng = numbers(), seeds.stream(0, "test")
    points = np.array([space.to_unit(space.sample(rng)) for _ in range(2000)])
    assert np.quantile(points[:, 0], [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.06)
    for column, count in ((1, 8), (2, 11)):
        found = np.unique(points[:, column], return_counts=True)
        assert found[0] == pytest.approx((np.arange(count) + 0.5) / count)
        assert abs(found[1] / 2000 - 1 / count).max() < 5 * math.sqrt(1 / count / 2000)


def test_the_unit_cube() -> None:
    space = training()
    assert space.unit_size == 4
    assert space.to_unit(Arch((0.99, 1, 0, 2))).tolist() == [0.5, 0.75, 0.75, 0.375]
    assert space.to_unit(Arch((0.99, 0, 0, 2))).tolist() == [1.0, 0.25, 0.25, 0.375]
    assert space.from_unit(np.array([1.0, 0.7, 0.1, 0.999])) == Arch((0.495, 1, 1, 4))
    assert Categorical({"a": list("xy"), "b": list("xyz")}).to_unit(Arch((1, 0))).tolist() == [0.75, 1 / 6]
    with pytest.raises(InputError, match=r"^point \[0\.5, 1\.5, 0\.5, 0\.5\]: expected 4 numbers from 0 to 1$"):
        space.from_unit(np.array([0.5, 1.5, 0.5, 0.5]))


# -- rules and abilities of a subclass ----------------------------------------------------------------------------


class Ruled(Space):
    """Wide networks are shallow; each gene owns a module."""

    def __init__(self) -> None:
        super().__init__({"width": Integer(8, 512, log=True), "layers": Integer(1, 8), "drop": Real(0, 1)})

    def violations(self, arch: Arch) -> Mapping[str, float]:
        width, layers, _ = arch.genes
        return super().violations(arch) or {"too large": width * layers - 1000.0}

    def modules(self, gene: int) -> Sequence[str]:
        return (f"network.{self.gene_names[gene]}",)


def test_a_subclass_may_have_rules_and_modules() -> None:
    check_space(Ruled)
    assert isinstance(Ruled(), HasModules)
    assert not is_valid(Ruled(), Arch((500, 8, 0.5)))
    assert is_valid(Ruled(), Arch((500, 2, 0.5)))


# -- searching ----------------------------------------------------------------------------------------------------

TUNING = Space(
    {
        "optimiser": ["adam", "rmsprop", "sgd"],
        "lr": Real(1e-5, 1.0, log=True),
        "momentum": Real(0.0, 1.0, when={"optimiser": "sgd"}),
        "beta": Real(0.0, 1.0, when={"optimiser": "adam"}),
        "width": Integer(1, 1024, log=True),
        "layers": Integer(1, 12),
        "drop": Real(0.0, 1.0, step=0.05),
    }
)


def loss(choices: Mapping[str, Any]) -> float:
    """0 for sgd with lr 0.01, momentum 0.7, width 128, 8 layers and drop 0.2; at least 0.2 without sgd."""
    found = {"sgd": 0.0, "adam": 0.2, "rmsprop": 0.4}[choices["optimiser"]]
    found += (math.log10(choices["lr"]) + 2) ** 2 / 4
    found += 2 * (choices["momentum"] - 0.7) ** 2 if "momentum" in choices else 0.0
    found += 2 * (choices["beta"] - 0.3) ** 2 if "beta" in choices else 0.0
    found += (math.log2(choices["width"]) - 7) ** 2 / 10 + (choices["layers"] - 8) ** 2 / 20
    return found + (choices["drop"] - 0.2) ** 2


def test_the_optimum_of_a_mixed_space_is_found() -> None:
    problem = archloom.Problem(TUNING, loss, {"loss": "min"})
    settings: dict[str, dict[str, Any]] = {
        "random": {}, "evolution": {"population": 20, "sample": 5}, "local_search": {},
    }  # fmt: skip
    found = {
        name: [archloom.run(name, problem, queries=150, seed=seed, **options) for seed in range(6)]
        for name, options in settings.items()
    }
    mean = {name: float(np.mean([run.value for run in runs])) for name, runs in found.items()}
    assert mean["random"] < 0.6, "an architecture at random has a loss of 3.3 on average"
    assert mean["evolution"] < 0.25 * mean["random"]
    assert mean["local_search"] < 0.5 * mean["random"]
    best = min((run for name in ("evolution", "local_search") for run in found[name]), key=lambda run: run.value)
    assert best.value < 0.02
    assert best.best is not None and "optimiser=sgd" in best.best.arch


def test_genes_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for every architecture that has them: 50 numbers have 100 neighbours, with 5,000 genes."""
    space, asked, real = Space({f"n{i}": Integer(0, 9) for i in range(50)}), [0], Integer.canonical

    def counted(self: Integer, gene: int | float) -> int | float:
        asked[0] += 1
        return real(self, gene)

    monkeypatch.setattr(Integer, "canonical", counted)
    archs = [*space.neighbours(Arch((5,) * 50)), Arch((4,) * 50)]
    space.features([*archs, *archs])
    assert len(archs) == 101
    assert asked[0] < 1_000


def test_what_looks_like_a_known_gene_is_none() -> None:
    space = Space({"n": Integer(0, 9)})
    assert is_valid(space, Arch((1,))) and is_valid(space, Arch((1.0,)))
    assert not is_valid(space, Arch(("1",))) and not is_valid(space, Arch(([1],)))  # type: ignore[arg-type]
