"""What graph_bo makes of earlier runs."""

from __future__ import annotations

import pytest

from archloom.constraints import Criteria, Objective
from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.strategies.base import EarlierRun
from archloom.strategies.graph_bo.strategy import GraphBo
from archloom.types import Arch, Proposal, Resource, Result, Trial
from archloom.utils import seeds

SPACE = Categorical({"a": [1, 2, 3], "b": [1, 2, 3]})
WANTED = Criteria((Objective("score", "max"),))
BEST, SECOND, WORST, BROKEN = (Arch(genes) for genes in ((2, 2), (2, 1), (0, 0), (1, 1)))


def earlier(metric: str, same_problem: bool) -> EarlierRun:
    """A run that has found the best, the worst and one that fails."""
    found = {BEST: 9.0, WORST: 1.0, SECOND: 6.0}
    answers = [*((arch, Result({metric: value})) for arch, value in found.items()), (BROKEN, Result.failed("no GPU"))]
    trials = tuple(Trial(number, Proposal(arch), result) for number, (arch, result) in enumerate(answers))
    return EarlierRun(Criteria((Objective(metric, "max"),)), trials, same_problem)


def asked(run: EarlierRun, count: int) -> list[Arch]:
    strategy = GraphBo(SPACE, WANTED, seeds.stream(0, "strategy"))
    strategy.warm_start([run])
    found = []
    for number in range(count):
        (proposal,) = strategy.ask(1)
        found.append(proposal.arch)
        score = float((proposal.arch.genes[0] + 1) * (proposal.arch.genes[1] + 1))
        strategy.tell([Trial(number, proposal, Result({"score": score}))])
    return found


def test_what_this_problem_has_answered_is_not_asked_again() -> None:
    assert not {BEST, SECOND, WORST, BROKEN} & set(asked(earlier("score", same_problem=True), 5))


def test_a_space_that_earlier_runs_have_used_up_with_this_one_needs_nothing_more() -> None:
    strategy = GraphBo(SPACE, WANTED, seeds.stream(0, "strategy"))
    strategy.warm_start([earlier("score", same_problem=True)])
    assert len(strategy.ask(9)) == 5


def test_answers_of_this_problem_replace_random_draws_whatever_their_fidelity() -> None:
    """Three of five are there; of these two are in part, so that their architectures may be asked in full."""
    strategy = GraphBo(SPACE, WANTED, seeds.stream(0, "strategy"), resource=Resource("epochs", 9))
    answers = [(BEST, 3, 9.0), (SECOND, 3, 6.0), (WORST, 0, 1.0)]
    trials = [
        Trial(number, Proposal(arch, fidelity), Result({"score": score}))
        for number, (arch, fidelity, score) in enumerate(answers)
    ]
    strategy.warm_start([EarlierRun(WANTED, tuple(trials), same_problem=True)])
    found = []
    for number in range(8):
        (proposal,) = strategy.ask(1)
        found.append(proposal)
        strategy.tell([Trial(number, proposal, Result({"score": float(sum(proposal.arch.genes))}))])
    assert [bool(proposal.note) for proposal in found] == [False, False] + [True] * 6
    assert {proposal.arch for proposal in found} == {Arch((a, b)) for a in range(3) for b in range(3)} - {WORST}
    assert {(proposal.fidelity, proposal.inherit) for proposal in found} == {(0, None)}


@pytest.mark.parametrize(("metric", "same_problem"), [("other", True), ("score", False), ("other", False)])
def test_what_was_best_by_another_measure_is_asked_first(metric: str, same_problem: bool) -> None:
    assert asked(earlier(metric, same_problem), 1) == [BEST]


def test_what_was_best_at_the_highest_fidelity_is_asked_first_and_nothing_that_failed() -> None:
    """Losses that only results of one fidelity can be compared by; the highest has no number."""
    answers = [(WORST, 3, 0.1), (SECOND, 3, 0.4), (BEST, 3, 0.5), (BEST, 0, 0.9), (SECOND, 0, 0.95)]
    trials = [
        *(
            Trial(i, Proposal(arch, fidelity), Result({"loss": loss}))
            for i, (arch, fidelity, loss) in enumerate(answers)
        ),
        Trial(5, Proposal(BROKEN), Result.failed("no GPU")),
    ]
    run = EarlierRun(Criteria((Objective("loss", "min"),)), tuple(trials), False)
    assert asked(run, 3) == [BEST, SECOND, WORST]
    none = EarlierRun(run.criteria, run.trials[-1:], False)
    assert len(asked(none, 5)) == 5


def test_a_transfer_between_other_numbers_of_objectives_is_refused() -> None:
    both = Criteria((Objective("score", "max"), Objective("size", "min")))
    strategy = GraphBo(SPACE, both, seeds.stream(0, "strategy"))
    with pytest.raises(InputError, match="an earlier run with 1 objectives, other: expected 2, as score, size"):
        strategy.warm_start([earlier("other", same_problem=True)])
