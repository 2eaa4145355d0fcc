from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Criteria, criteria
from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.evaluators.table import TableEvaluator
from archloom.spaces.base import Categorical, SearchSpace, is_valid
from archloom.spaces.nb201 import Nb201
from archloom.spaces.table import TableSpace
from archloom.strategies.walks import LocalSearch, LocalSearchOptions, RandomWalk, RandomWalkOptions
from archloom.testing import PLANTED_CRITERIA, PlantedEvaluator, PlantedSpace, RuledSpace
from archloom.types import Arch, Proposal, Result, Trial
from archloom.utils import seeds


class Ridges(Categorical):
    """Twelve by twelve, with several local optima of different height."""

    name = "ridges"

    def __init__(self) -> None:
        super().__init__({"x": range(12), "y": range(12)})

    def neighbours(self, arch: Arch) -> list[Arch]:
        x, y = (int(g) for g in arch.genes)
        steps = [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
        return [Arch(step) for step in steps if all(0 <= g < 12 for g in step)]


class RidgesEvaluator:
    goals: Mapping[str, Any] = {"worth": "max"}
    resource = None

    def evaluate(self, proposal: Proposal, weights: Any, rng: Any) -> tuple[Result, None]:
        x, y = proposal.arch.genes
        return Result({"worth": float((x % 5) * (y % 4) - 0.1 * x - 0.01 * y)}), None


class Island(PlantedSpace):
    """Nobody has a neighbour."""

    def neighbours(self, arch: Arch) -> list[Arch]:
        return []


def worth(evaluator: Any, arch: Arch) -> float:
    (score,) = evaluator.evaluate(Proposal(arch), None, None)[0].scores.values()
    return float(score)


def climb(
    space: SearchSpace, evaluator: Any, wanted: Criteria, seed: int, queries: int, width: int = 1, **options: Any
) -> tuple[list[Arch], list[list[Trial]]]:
    """All that was asked, and each climb as the list of trials that were `current`."""
    strategy = LocalSearch(space, wanted, seeds.stream(seed, "strategy"), LocalSearchOptions(**options))
    climbs: list[list[Trial]] = [[]]
    asked: list[Arch] = []
    while len(asked) < queries:
        proposals = strategy.ask(width)
        assert proposals
        trials = []
        for proposal in proposals:
            trials.append(Trial(len(asked), proposal, evaluator.evaluate(proposal, None, None)[0]))
            asked.append(proposal.arch)
        strategy.tell(trials)
        if strategy.current is None:  # a restart
            climbs.append([])
        elif not climbs[-1] or climbs[-1][-1] != strategy.current:
            climbs[-1].append(strategy.current)
    return asked, [path for path in climbs if path]


def check_climbs(space: Any, evaluator: Any, climbs: list[list[Trial]], steepest: bool) -> None:
    """Every step goes up, to the best neighbour if `steepest`; every climb but the last ends in a local optimum."""
    assert len(climbs) > 1
    for path in climbs:
        for one, other in itertools.pairwise(path):
            around = [worth(evaluator, near) for near in space.neighbours(one.proposal.arch)]
            here, there = worth(evaluator, one.proposal.arch), worth(evaluator, other.proposal.arch)
            assert other.proposal.arch in space.neighbours(one.proposal.arch)
            assert there > here
            assert not steepest or there == max(around)
    for path in climbs[:-1]:
        top = path[-1].proposal.arch
        assert max(worth(evaluator, near) for near in space.neighbours(top)) <= worth(evaluator, top)


@pytest.mark.parametrize(("width", "first"), [(1, False), (1, True), (3, False), (3, True)])
def test_local_search_stops_exactly_at_local_optima(width: int, first: bool) -> None:
    tops = set()
    for seed in range(5):
        space, evaluator = Ridges(), RidgesEvaluator()
        asked, climbs = climb(space, evaluator, PLANTED_CRITERIA, seed, 300, width, first=first)
        check_climbs(space, evaluator, climbs, steepest=not first)
        tops |= {path[-1].proposal.arch for path in climbs[:-1]}
        assert len({len(arch.genes) for arch in asked}) == 1
    assert len(tops) > 3, "the landscape has several local optima, and restarts find them"


def test_one_climb_solves_the_planted_space() -> None:
    """It has no local optimum but the planted one, eight steps of 24 neighbours away at most."""
    asked, climbs = climb(PlantedSpace(), PlantedEvaluator(), PLANTED_CRITERIA, 0, 500)
    assert climbs[0][-1].proposal.arch == Arch((1,) * 8)
    assert asked.index(Arch((1,) * 8)) <= 1 + 8 * 24


def test_local_search_on_nb201(nb201_table: Table) -> None:
    space = Nb201()
    evaluator = TableEvaluator(nb201_table, space, ["cifar10_valid_200"])
    wanted = criteria(["cifar10_valid_200"], evaluator.goals)
    for seed in range(2):
        for first in (False, True):
            _, climbs = climb(space, evaluator, wanted, seed, 600, first=first)
            check_climbs(space, evaluator, climbs, steepest=not first)


def test_all_neighbours_are_queries_in_an_order_drawn_at_random() -> None:
    space, orders = PlantedSpace(), []
    for seed in (0, 1):
        asked, _ = climb(space, PlantedEvaluator(), PLANTED_CRITERIA, seed, 25, first=False)
        start, around = asked[0], asked[1:]
        assert set(around) == set(space.neighbours(start))
        assert len(around) == len(set(around))
        orders.append([space.neighbours(start).index(near) for near in around])
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])


def test_shown_bounds_the_queries_of_a_step() -> None:
    space = PlantedSpace()
    asked, _ = climb(space, PlantedEvaluator(), PLANTED_CRITERIA, 0, 6, shown=5, first=False)
    assert set(asked[1:]) <= set(space.neighbours(asked[0]))
    assert len(set(asked[1:])) == 5


def test_first_moves_at_the_first_better_neighbour() -> None:
    space, evaluator = PlantedSpace(), PlantedEvaluator()
    asked, climbs = climb(space, evaluator, PLANTED_CRITERIA, 0, 150, first=True)
    current = asked[0]
    better = 0
    for arch in asked[1 : asked.index(Arch((1,) * 8)) + 1]:
        assert arch in space.neighbours(current)
        if worth(evaluator, arch) > worth(evaluator, current):
            current, better = arch, better + 1
    assert current == climbs[0][-1].proposal.arch == Arch((1,) * 8)
    assert better == len(climbs[0]) - 1


def test_first_asks_side_by_side_until_one_is_better() -> None:
    """What is in flight then is still told, and the best of it is where the climb goes on."""
    strategy = LocalSearch(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    (start,) = strategy.ask(5)
    assert strategy.ask(1) == []
    strategy.tell([Trial(0, start, Result({"worth": 1.0}))])
    asked = strategy.ask(3)
    assert len(asked) == 3
    strategy.tell([Trial(1, asked[0], Result({"worth": 2.0}))])
    assert strategy.ask(5) == []
    strategy.tell([Trial(3, asked[2], Result({"worth": 3.0})), Trial(2, asked[1], Result({"worth": 0.0}))])
    assert strategy.current is not None
    assert strategy.current.proposal == asked[2]
    assert len(strategy.ask(5)) == 5


@pytest.mark.parametrize("backwards", [False, True])
def test_of_equally_good_neighbours_the_one_asked_first_is_taken(backwards: bool) -> None:
    """Whenever their answers come."""
    strategy = LocalSearch(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    (start,) = strategy.ask(1)
    strategy.tell([Trial(0, start, Result({"worth": 0.0}))])
    trials = [Trial(i, proposal, Result({"worth": 1.0})) for i, proposal in enumerate(strategy.ask(24), 1)]
    for trial in trials[::-1] if backwards else trials:
        strategy.tell([trial])
    assert strategy.current == trials[0]


def test_with_two_objectives_it_moves_to_a_neighbour_that_dominates() -> None:
    """However many others are on the front of the neighbours without dominating the current one."""
    wanted = criteria(["worth", "cost"], {"worth": "max", "cost": "min"})
    strategy = LocalSearch(PlantedSpace(), wanted, seeds.stream(0, "strategy"))
    (start,) = strategy.ask(1)
    strategy.tell([Trial(0, start, Result({"worth": 5.0, "cost": 5.0}))])
    scores = [(9.0, 9.0), (1.0, 1.0), (5.5, 5.0), (6.0, 4.0)] + [(5.0, 5.0)] * 20
    trials = [
        Trial(i, proposal, Result({"worth": worth, "cost": cost}))
        for i, (proposal, (worth, cost)) in enumerate(zip(strategy.ask(24), scores, strict=True), 1)
    ]
    strategy.tell(trials)
    assert strategy.current == trials[3]


def test_with_two_objectives_it_starts_again_where_none_dominates() -> None:
    wanted = criteria(["worth", "cost"], {"worth": "max", "cost": "min"})
    strategy = LocalSearch(PlantedSpace(), wanted, seeds.stream(0, "strategy"))
    (start,) = strategy.ask(1)
    strategy.tell([Trial(0, start, Result({"worth": 5.0, "cost": 5.0}))])
    proposals = strategy.ask(24)
    strategy.tell([Trial(i, p, Result({"worth": 5.0 + i, "cost": 5.0 + i})) for i, p in enumerate(proposals, 1)])
    assert strategy.current is None


def test_plateaus_are_tops() -> None:
    """Equal neighbours are not better: a flat space is all restarts."""

    class Flat(PlantedEvaluator):
        def evaluate(self, proposal: Proposal, weights: Any, rng: Any) -> tuple[Result, None]:
            return Result({"worth": 0.0}), None

    space = PlantedSpace()
    asked, climbs = climb(space, Flat(), PLANTED_CRITERIA, 0, 200)
    assert {len(path) for path in climbs} == {1}
    assert [asked.index(path[0].proposal.arch) for path in climbs[:3]] == [0, 25, 50]


def test_a_failed_start_is_left_at_once() -> None:
    strategy = LocalSearch(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    starts = []
    for trial_id in range(5):
        (proposal,) = strategy.ask(4)
        starts.append(proposal.arch)
        strategy.tell([Trial(trial_id, proposal, Result.failed("no"))])
        assert strategy.current is None
    assert len(set(starts)) == 5


@pytest.mark.parametrize("kind", [LocalSearch, RandomWalk])
def test_where_there_are_no_neighbours_every_step_is_a_restart(kind: Any) -> None:
    strategy = kind(Island(), PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    for trial_id in range(20):
        (proposal,) = strategy.ask(1)
        strategy.tell([Trial(trial_id, proposal, Result({"worth": 0.0}))])


@pytest.mark.parametrize("kind", [LocalSearch, RandomWalk])
def test_walks_keep_the_spaces_rules(kind: Any) -> None:
    space = RuledSpace()
    strategy = kind(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    for trial_id in range(200):
        (proposal,) = strategy.ask(1)
        assert is_valid(space, proposal.arch)
        strategy.tell([Trial(trial_id, proposal, PlantedEvaluator().evaluate(proposal, None, None)[0])])  # type: ignore[arg-type]


# -- random walks -------------------------------------------------------------------------------------------------


def walk(space: SearchSpace, seed: int, length: int, **options: Any) -> list[Arch]:
    strategy = RandomWalk(space, PLANTED_CRITERIA, seeds.stream(seed, "strategy"), RandomWalkOptions(**options))
    return [proposal.arch for proposal in strategy.ask(length)]


def spaces() -> list[Any]:
    rows = np.array([[a, b] for a in range(12) for b in range(12) if (a * b) % 5 < 2])
    return [Ridges(), Nb201(), TableSpace({"x": range(12), "y": range(12)}, rows)]


@pytest.mark.parametrize("space", spaces(), ids=lambda space: type(space).__name__)
def test_every_step_of_a_walk_is_a_neighbour(space: Any) -> None:
    archs = walk(space, 0, 400, steps=0, stop=False)
    assert all(b in space.neighbours(a) for a, b in itertools.pairwise(archs))


def test_a_walk_starts_again_after_its_steps() -> None:
    space = PlantedSpace()
    archs = walk(space, 0, 5 * 33, steps=32, stop=False)
    far = [i for i in range(1, len(archs)) if archs[i] not in space.neighbours(archs[i - 1])]
    assert far == [33, 66, 99, 132]


def test_stopping_is_one_more_choice() -> None:
    """With two neighbours everywhere a walk stops at every third step."""

    class Ring(Ridges):
        def neighbours(self, arch: Arch) -> list[Arch]:
            x, y = arch.genes
            return [Arch(((int(x) + 1) % 12, y)), Arch(((int(x) - 1) % 12, y))]

    class Counting(RandomWalk):
        restarts = 0

        def sample_valid(self) -> Arch:
            Counting.restarts += 1
            return super().sample_valid()

    strategy = Counting(Ring(), PLANTED_CRITERIA, seeds.stream(0, "strategy"), RandomWalkOptions(steps=0))
    strategy.ask(3000)
    assert abs(Counting.restarts / 3000 - 1 / 3) < 5 * np.sqrt(2 / 9 / 3000)


def test_a_walk_goes_to_every_neighbour_equally_often() -> None:
    space = Ridges()
    steps: dict[Arch, int] = {}
    archs = walk(space, 0, 20_000, steps=0, stop=False)
    for one, other in itertools.pairwise(archs):
        if one == Arch((5, 5)):
            steps[other] = steps.get(other, 0) + 1
    assert set(steps) == set(space.neighbours(Arch((5, 5))))
    total = sum(steps.values())
    assert max(abs(count / total - 0.25) for count in steps.values()) < 5 * np.sqrt(0.19 / total)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: LocalSearchOptions(shown=-1),
            "LocalSearchOptions option shown=-1: expected a whole number of at least 0; 0 is all of them",
        ),
        (
            lambda: RandomWalkOptions(steps=-5),
            "RandomWalkOptions option steps=-5: expected a whole number of at least 0; 0 is no limit",
        ),
    ],
)
def test_negative_options_are_told(make: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", [LocalSearch, RandomWalk])
def test_a_space_without_neighbours_is_refused(kind: Any) -> None:
    class Bare:
        name = "bare"

    with pytest.raises(InputError, match="needs a space with neighbours, which space 'bare' does not have"):
        kind(Bare(), PLANTED_CRITERIA, seeds.stream(0, "strategy"))
