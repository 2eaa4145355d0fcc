from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archloom.constraints import Constraint, Criteria, Objective
from archloom.spaces.base import Categorical
from archloom.strategies.graph_bo.beliefs import SUCCESS, Beliefs
from archloom.strategies.graph_bo.candidates import Candidates
from archloom.strategies.graph_bo.knowledge import Knowledge
from archloom.strategies.graph_bo.models import Promise
from archloom.strategies.graph_bo.options import GraphBoOptions
from archloom.strategies.graph_bo.targets import WARPS, log_regret
from archloom.testing import PlantedSpace
from archloom.types import Arch, Proposal, Resource, Result, Trial

SPACE = PlantedSpace()
CANDIDATES = Candidates(SPACE, 0)
WANTED = Criteria((Objective("worth"),), (Constraint("cost", 10.0),))


def genes(count: int, seed: int = 0) -> list[Arch]:
    return [Arch(tuple(row)) for row in np.random.default_rng(seed).integers(0, 4, (count, 8)).tolist()]


def beliefs(results: int, criteria: Criteria = WANTED, fits: Any = None, **options: Any) -> Beliefs:
    """Given so many results: the number of ones is the worth, the sum of the genes the cost; zeros only fail."""
    knowledge = Knowledge(criteria, None)
    made = Beliefs(CANDIDATES, knowledge, criteria, GraphBoOptions(**options), fits or {})
    learn(made, genes(results))
    return made


def learn(made: Beliefs, archs: list[Arch]) -> None:
    for arch in archs:
        scores = {"worth": float(arch.genes.count(1)), "cost": float(sum(arch.genes)), "other": float(arch.genes[0])}
        result = Result.failed("on purpose") if arch.genes[0] == 0 else Result(scores)
        made.knowledge.add(Trial(made.knowledge.evaluations, Proposal(arch), result))


def promise(made: Beliefs, pending: tuple[Proposal, ...] = ()) -> Promise:
    return made.promise(pending, np.random.default_rng(0))


def scores(made: Beliefs, archs: list[Arch], pending: tuple[Proposal, ...] = ()) -> list[float]:
    found: list[float] = promise(made, pending)(made.inputs(CANDIDATES.numbers(archs))).tolist()
    return found


def test_there_is_a_model_of_each_objective_and_constraint_and_of_success_once_something_failed() -> None:
    made = beliefs(20)
    promise(made)
    assert set(made.dump()) == {"objective 0", "constraint 0", SUCCESS}
    made = beliefs(0)
    learn(made, [Arch((1, *arch.genes[1:])) for arch in genes(10)])
    promise(made)
    assert set(made.dump()) == {"objective 0", "constraint 0"}


def test_what_is_in_flight_is_less_promising_and_nothing_else_is_learned_from_it() -> None:
    made = beliefs(20)
    (arch,) = genes(1, seed=5)
    before = scores(made, [arch])
    assert scores(made, [arch], (Proposal(arch),)) < before
    assert scores(made, [arch]) == before


def test_more_is_known_as_soon_as_it_is_told() -> None:
    made = beliefs(20)
    others = genes(6, seed=3)
    before = scores(made, others)
    learn(made, genes(4, seed=2))
    assert scores(made, others) != before
    assert len(promise(made).objectives[0].rows) == len(made.knowledge.answers)


def test_a_failure_alone_is_news() -> None:
    made = beliefs(20)
    (arch,) = genes(1, seed=5)
    doomed = Arch((0, *arch.genes[1:]))
    before = scores(made, [doomed])
    learn(made, [doomed])
    assert scores(made, [doomed]) < before


def test_hyper_parameters_go_on_from_where_they_were_dumped() -> None:
    """So that posteriors are the same, to the last bit; a fit is not due again."""
    made, others = beliefs(20), genes(6, seed=3)
    expected = scores(made, others)
    again = beliefs(20, fits=made.dump())
    assert scores(again, others) == expected
    assert again.dump()["objective 0"][1] == made.dump()["objective 0"][1] == len(made.knowledge.answers)


def test_until_something_is_feasible_there_is_nothing_to_improve_on() -> None:
    none = Criteria((Objective("worth"),), (Constraint("cost", -1.0),))
    assert promise(beliefs(12, none)).targets.shape == (0, 1)


def test_improvement_is_over_feasible_results() -> None:
    made = beliefs(40)
    told = promise(made)
    feasible = [answer for answer in made.knowledge.answers if WANTED.feasible(answer.result)]
    assert 0 < len(feasible) < len(made.knowledge.answers)
    assert len(told.targets) == len(feasible)


def test_directions_are_drawn_for_several_objectives_only() -> None:
    rng = np.random.default_rng(0)
    beliefs(12).promise((), rng)
    assert rng.random() == np.random.default_rng(0).random()
    two = Criteria((Objective("worth"), Objective("other", "min")))
    several = promise(beliefs(12, two))
    assert several.rays.directions.shape == (16, 2)
    assert len(several.objectives) == 2


FEW = Categorical({"a": [1, 2, 4], "b": [1, 2, 4], "c": ["x", "y"]})
ONE = Criteria((Objective("worth"),))
FOUND = [((0, 0, 0), 3.0, 1.0), ((2, 1, 0), 7.0, 4.0), ((1, 1, 1), 5.0, 2.0), ((2, 2, 1), 6.0, 3.0)]
"""Genes, `worth` and `size`."""


def of_found(criteria: Criteria = ONE, resource: Resource | None = None, **options: Any) -> Beliefs:
    """After `FOUND`."""
    knowledge = Knowledge(criteria, resource)
    for number, (genes, worth, size) in enumerate(FOUND):
        knowledge.add(Trial(number, Proposal(Arch(genes)), Result({"worth": worth, "size": size})))
    return Beliefs(Candidates(FEW, 0), knowledge, criteria, GraphBoOptions(**options), {})


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "absent"),
        [({}, []), ({"codes": False}, ["a1"]), ({"statistics": False}, ["a2", "a3"]), ({"linear": False}, ["a3"])],
    )
    def test_the_kernel_has_the_terms_that_are_wanted(self, options: dict[str, Any], absent: list[str]) -> None:
        found = of_found(**options)
        values = found.kernel.at(found.kernel.prior).values
        assert [term for term in ("a1", "a2", "a3") if not len(values[term])] == absent
        rows = found.inputs(np.arange(3))
        assert (rows.codes.shape[1] == 0, rows.stats.shape[1] == 0) == ("a1" in absent, "a2" in absent)

    @pytest.mark.parametrize("warp", list(WARPS))
    def test_targets_are_warped_as_wanted(self, warp: str) -> None:
        expected = WARPS[warp](np.array([worth for _, worth, _ in FOUND]))
        assert np.array_equal(of_found(warp=warp).targets()[:, 0], expected)


class TestPromise:
    @pytest.mark.parametrize(("at_most", "best"), [(True, 2), (False, 1)])
    def test_improvement_is_over_the_best_that_keeps_the_bounds(self, at_most: bool, best: int) -> None:
        """Of sizes up to 2.5 the third, with a worth of 5; of larger ones the second, with 7."""
        found = promise(of_found(Criteria((Objective("worth"),), (Constraint("size", 2.5, at_most),))))
        targets = log_regret(np.array([worth for _, worth, _ in FOUND]))
        assert found.targets.max() == targets[best]
        assert [bounded.at_most for bounded in found.constraints] == [at_most]

    def test_an_objective_may_have_a_bound(self) -> None:
        found = promise(of_found(Criteria((Objective("size", "min"),), (Constraint("size", 1.5, at_most=False),))))
        assert found.targets.max() == log_regret(-np.array([size for *_, size in FOUND]))[2]

    def test_what_is_in_flight_is_believed_at_the_fidelity_it_was_asked_at(self) -> None:
        found = of_found(resource=Resource("epochs", 9))
        pending = Proposal(Arch((0, 1, 1)), 3), Proposal(Arch((0, 2, 1)), 0)
        (model,) = promise(found, pending).objectives
        assert model.rows.context[:, 0].tolist() == [0.0] * 4 + [0.5, 0.0]
        assert len(promise(found).objectives[0].rows) == 4, "and not any longer than that"

    def test_of_too_many_results_a_bounds_model_has_the_nearest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("archloom.strategies.graph_bo.models.MOST_ROWS", 3)
        found = of_found(Criteria((Objective("worth"),), (Constraint("size", 1.9),)))
        (bounded,) = promise(found).constraints
        sizes = np.array([size for *_, size in FOUND])
        expected = ((sizes - sizes.mean()) / sizes.std())[[0, 2, 3]]
        assert bounded.posterior.targets == pytest.approx(expected)
