"""Answers as rows for the models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError
from archloom.strategies.base import EarlierRun
from archloom.strategies.graph_bo.knowledge import OWN, Knowledge
from archloom.strategies.graph_bo.targets import log_regret, standard
from archloom.types import Arch, Proposal, Resource, Result, Trial

ACCURACY = Criteria((Objective("accuracy"),))
EPOCHS = Resource("epochs", 9)


def trial(gene: int, scores: Mapping[str, float] | None, fidelity: int = 0) -> Trial:
    result = Result.failed("broken") if scores is None else Result(scores)
    return Trial(gene, Proposal(Arch((gene,)), fidelity), result)


def known(answers: Mapping[int, float], knowledge: Knowledge | None = None, fidelity: int = 0) -> Knowledge:
    """What there is known after architectures have got these accuracies."""
    knowledge = knowledge or Knowledge(ACCURACY, EPOCHS)
    for gene, accuracy in answers.items():
        knowledge.add(trial(gene, {"accuracy": accuracy}, fidelity))
    return knowledge


class TestAnswers:
    def test_failed_ones_and_those_without_a_number_are_none(self) -> None:
        criteria = Criteria((Objective("accuracy"), Objective("size", "min")), (Constraint("time", 3.0),))
        knowledge = Knowledge(criteria, None)
        whole = {"accuracy": 0.9, "size": 5.0, "time": 2.0}
        assert not knowledge.add(trial(0, None))
        assert not knowledge.add(trial(1, {**whole, "accuracy": math.nan}))
        assert not knowledge.add(trial(2, {"accuracy": 0.9, "size": 5.0}))
        assert knowledge.answers == []
        assert knowledge.add(trial(3, whole))
        assert knowledge.add(trial(4, {**whole, "time": 7.0}))  # it is not feasible, but an answer
        first, second = knowledge.answers
        assert first.utilities == second.utilities == (0.9, -5.0)
        assert (first.source, first.fidelity, first.arch) == (OWN, 0, Arch((3,)))
        assert [result.scores["time"] for result in knowledge.results(np.array([1, 0]))] == [7.0, 2.0]

    def test_the_highest_fidelity_has_a_number(self) -> None:
        knowledge = known({1: 0.5}, known({0: 0.5}), 3)
        assert [answer.fidelity for answer in knowledge.answers] == [9, 3]

    def test_final_ones_are_those_at_the_highest_fidelity_so_far(self) -> None:
        knowledge = Knowledge(ACCURACY, EPOCHS)
        assert knowledge.final().tolist() == []
        known({0: 0.1, 1: 0.2}, knowledge, 1)
        assert knowledge.final().tolist() == [0, 1]
        known({1: 0.3}, knowledge, 3)
        assert knowledge.final().tolist() == [2]
        knowledge.add_foreign(EarlierRun(ACCURACY, (trial(5, {"accuracy": 1.0}),), False))
        known({0: 0.4}, knowledge, 3)
        assert knowledge.final().tolist() == [2, 4]

    def test_an_earlier_runs_are_by_its_own_criteria(self) -> None:
        """Its metric is another, less of which is better; its constraints do not matter."""
        knowledge = known({0: 0.5})
        run = EarlierRun(
            Criteria((Objective("loss", "min"),), (Constraint("time", 3.0),)),
            (
                trial(1, {"loss": 2.0}),
                trial(2, None),
                trial(3, {"loss": 1.0, "time": 9.0}),
                trial(4, {"accuracy": 1.0}),
            ),
            False,
        )
        knowledge.add_foreign(run)
        assert [(a.arch.genes, a.source, a.utilities) for a in knowledge.answers[1:]] == [
            ((1,), 1, (-2.0,)),
            ((3,), 1, (-1.0,)),
        ]
        assert knowledge.sources == 1

    def test_an_earlier_run_with_another_number_of_objectives(self) -> None:
        two = Criteria((Objective("loss", "min"), Objective("size", "min")))
        with pytest.raises(InputError, match=r"2 objectives, loss, size: expected 1, as accuracy"):
            known({}).add_foreign(EarlierRun(two, (), False))


class TestContext:
    @pytest.mark.parametrize(
        ("resource", "fidelity", "expected"),
        [
            (EPOCHS, 9, 0.0),
            (EPOCHS, 3, 0.5),
            (EPOCHS, 1, 1.0),
            (Resource("epochs", 9, open_ended=True), 27, 0.0),
            (Resource("epochs", 100, minimum=10), 1, 1.0),
            (Resource("epochs", 5, minimum=5), 5, 0.0),
            (None, 0, 0.0),
        ],
    )
    def test_depth_of_a_fidelity(self, resource: Resource | None, fidelity: int, expected: float) -> None:
        assert Knowledge(ACCURACY, resource).depth(fidelity) == pytest.approx(expected, abs=1e-15)

    def test_a_column_for_the_fidelity_and_one_for_each_earlier_run(self) -> None:
        knowledge = known({0: 0.5})
        for gene in (1, 2):
            knowledge.add_foreign(EarlierRun(ACCURACY, (trial(gene, {"accuracy": 0.5}),), False))
        known({3: 0.5}, knowledge, 3)
        assert knowledge.context() == pytest.approx(
            np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.0]])
        )

    def test_of_nothing(self) -> None:
        assert Knowledge(ACCURACY, None).context().shape == (0, 1)
        assert Knowledge(ACCURACY, None).targets(0, standard).shape == (0,)


class TestTargets:
    def test_of_one_kind_they_are_the_warped_utilities(self) -> None:
        values = {0: 0.3, 1: 0.9, 2: 0.8, 3: 0.1}
        for warp in (standard, log_regret):
            assert np.array_equal(known(values).targets(0, warp), warp(np.array(list(values.values()))))

    def test_of_each_objective_by_itself(self) -> None:
        knowledge = Knowledge(Criteria((Objective("accuracy"), Objective("size", "min"))), None)
        for gene, size in enumerate((3.0, 1.0, 2.0)):
            knowledge.add(trial(gene, {"accuracy": float(gene), "size": size}))
        assert np.array_equal(knowledge.targets(0, standard), standard(np.arange(3.0)))
        assert np.array_equal(knowledge.targets(1, standard), standard(-np.array([3.0, 1.0, 2.0])))

    def test_those_at_a_higher_fidelity_have_the_mean_and_spread_of_their_counterparts(self) -> None:
        """The best three of five are promoted and another is evaluated at once; the scale is that of the first five."""
        knowledge = known({0: 0.1, 1: 0.2, 2: 0.5, 3: 0.6, 4: 0.7}, fidelity=1)
        known({2: 80.0, 3: 84.0, 4: 82.0, 9: 40.0}, knowledge)
        found = knowledge.targets(0, standard)
        assert np.array_equal(found[:5], standard(np.array([0.1, 0.2, 0.5, 0.6, 0.7])))
        lower, higher = found[2:5], found[5:8]
        assert higher.mean() == pytest.approx(lower.mean())
        assert higher.std() == pytest.approx(lower.std())
        assert higher[1] > higher[2] > higher[0]
        slope = (higher[1] - higher[0]) / 4.0  # it is the same straight line for the one without a counterpart
        assert found[8] == pytest.approx(higher[0] - 40.0 * slope)

    def test_two_counterparts_tell_only_where_they_are(self) -> None:
        knowledge = known({0: 0.1, 1: 0.2, 2: 0.5}, fidelity=1)
        known({1: 80.0, 2: 90.0}, knowledge)
        found = knowledge.targets(0, standard)
        assert found[3:].mean() == pytest.approx(found[1:3].mean())
        assert found[4] - found[3] == pytest.approx(2.0)

    def test_counterparts_that_are_equal_up_to_rounding_tell_only_where_they_are(self) -> None:
        knowledge = known({0: 0.1, 1: 0.2, 2: 0.5}, fidelity=1)
        known({0: 0.3, 1: 0.1 + 0.2, 2: 0.3, 3: 0.9}, knowledge)
        found = knowledge.targets(0, standard)
        assert found[3:6] == pytest.approx([found[:3].mean()] * 3)
        assert found[6] - found[3] == pytest.approx(4 / math.sqrt(3))

    def test_the_kinds_may_come_in_any_order(self) -> None:
        """Of three fidelities each is brought to the scale of those below it."""
        parts: list[tuple[dict[int, float], int]] = [
            ({0: 0.1, 1: 0.2, 2: 0.5, 3: 0.6}, 1),
            ({1: 7.0, 2: 9.0, 3: 8.0}, 3),
            ({1: 70.0, 2: 95.0, 3: 80.0}, 9),
        ]
        found: list[dict[Any, float]] = []
        for order in (parts, parts[::-1]):
            knowledge = Knowledge(ACCURACY, EPOCHS)
            for answers, fidelity in order:
                known(answers, knowledge, fidelity)
            names = [(answer.fidelity, answer.arch.genes) for answer in knowledge.answers]
            found.append(dict(zip(names, knowledge.targets(0, standard).tolist(), strict=True)))
        assert found[0] == pytest.approx(found[1])
        means = [np.mean([found[0][fidelity, (gene,)] for gene in (1, 2, 3)]) for fidelity in (1, 3, 9)]
        assert means == pytest.approx([means[0]] * 3)

    def test_an_earlier_run_does_not_move_the_runs_own(self) -> None:
        own = {0: 0.3, 1: 0.9, 2: 0.8}
        knowledge = known(own)
        answers = tuple(trial(gene, {"accuracy": 100.0 - gene}) for gene in (0, 1, 2, 5))
        knowledge.add_foreign(EarlierRun(ACCURACY, answers, False))
        found = knowledge.targets(0, standard)
        assert np.array_equal(found[:3], standard(np.array([0.3, 0.9, 0.8])))
        assert found[3] > found[4] > found[5] > found[6]
        assert found[3:6].mean() == pytest.approx(found[:3].mean(), abs=1e-12)

    def test_the_fidelities_of_an_earlier_run_are_kinds_of_their_own(self) -> None:
        """Worth a tenth at the lowest of three, as in an early epoch; the best three of five, and of these one, go on.
        Before them in the record is one at the highest, which has no number."""
        knowledge = known({}, Knowledge(ACCURACY, None))
        part = [trial(gene, {"accuracy": 0.1 * gene}, 2) for gene in range(1, 6)]
        more = [trial(gene, {"accuracy": 1.0 * gene}, 5) for gene in (3, 4, 5)]
        knowledge.add_foreign(EarlierRun(ACCURACY, (trial(5, {"accuracy": 9.0}), *more, *part), False))
        assert [answer.arch.genes[0] for answer in knowledge.answers] == [1, 2, 3, 4, 5, 3, 4, 5, 5]
        assert knowledge.context().tolist() == [[1.0, 1.0]] * 5 + [[0.5, 1.0]] * 3 + [[0.0, 1.0]]
        lowest = standard(np.arange(1.0, 6.0))
        expected = [*lowest, *lowest[2:], lowest[4]]
        assert knowledge.targets(0, standard) == pytest.approx(np.array(expected), abs=1e-12)

    def test_nor_does_it_move_another_earlier_run(self) -> None:
        knowledge = known({0: 0.3, 1: 0.9})
        for best in (7, 8):
            answers = tuple(trial(gene, {"accuracy": float(gene == best)}) for gene in (5, 6, 7, 8))
            knowledge.add_foreign(EarlierRun(ACCURACY, answers, False))
        found = knowledge.targets(0, standard)
        assert np.array_equal(found[2:6], standard(np.array([0.0, 0.0, 1.0, 0.0])))
        assert np.array_equal(found[6:], standard(np.array([0.0, 0.0, 0.0, 1.0])))
