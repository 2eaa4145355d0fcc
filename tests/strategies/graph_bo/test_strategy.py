from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import archloom
from archloom.checkpoints.store import sources
from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs import folders
from archloom.runs.budgets import Limits
from archloom.runs.prepare import Request
from archloom.runs.record import decode_state, encode_state
from archloom.spaces.base import Categorical, SearchSpace, is_valid
from archloom.spaces.nb101.space import Nb101
from archloom.strategies.graph_bo.options import GraphBoOptions
from archloom.strategies.graph_bo.strategy import GraphBo, GraphBoNote
from archloom.testing import PLANTED_CRITERIA, PlantedSpace, RuledSpace, check_strategy
from archloom.testing.planted import PLANTED_RESOURCE, PlantedCurves, SmallSpace, SparseSpace, is_planted, planted_worth
from archloom.types import Arch, Proposal, Resource, Result, Trial
from archloom.utils import seeds

QUICK = {"random": 32, "rounds": 2}
"""Options with which the many searches of a contract take less time."""

Answer = Callable[[Proposal], Result]


def made(
    space: SearchSpace, criteria: Criteria = PLANTED_CRITERIA, resource: Resource | None = None, **options: Any
) -> GraphBo:
    return GraphBo(space, criteria, seeds.stream(3, "strategy"), GraphBoOptions(**options), resource=resource)


def worth(proposal: Proposal) -> Result:
    return Result({"worth": planted_worth(proposal.arch)})


def searched(strategy: GraphBo, answer: Answer, queries: int, width: int = 1) -> list[Trial]:
    """Every trial, told in the order in which they were asked."""
    trials: list[Trial] = []
    for _ in range(queries // width):
        asked = strategy.ask(width)
        trials += [Trial(len(trials) + i, proposal, answer(proposal)) for i, proposal in enumerate(asked)]
        strategy.tell(trials[-len(asked) :])
    return trials


def genes(trials: Sequence[Trial]) -> list[tuple[int | float, ...]]:
    return [trial.proposal.arch.genes for trial in trials]


def test_contract_with_several_fidelities() -> None:
    options = GraphBoOptions(fidelities=3, random=8, rounds=1)
    check_strategy(partial(GraphBo, options=options), queries=12, repetitions=3)


def test_the_planted_architecture_is_found() -> None:
    """Of 65,536; each of eight genes is told by few results."""
    trials = searched(made(PlantedSpace()), worth, 45)
    assert any(is_planted(trial.proposal.arch) for trial in trials)


@pytest.mark.parametrize("space", [PlantedSpace, RuledSpace, SparseSpace])
def test_no_architecture_is_asked_for_twice(space: Callable[[], SearchSpace]) -> None:
    trials = searched(made(space(), **QUICK), worth, 40, width=4)
    assert len(set(genes(trials))) == 40
    assert all(is_valid(space(), trial.proposal.arch) for trial in trials)


def test_a_small_space_is_used_up_first() -> None:
    trials = searched(made(SmallSpace(), **QUICK), lambda p: Result({"worth": float(sum(p.arch.genes))}), 12)
    assert len(set(genes(trials[:9]))) == 9
    assert is_valid(SmallSpace(), trials[-1].proposal.arch)


def test_what_is_asked_again_in_a_space_that_is_used_up_continues_nothing() -> None:
    trials = searched(made(SmallSpace(), **QUICK), lambda p: Result({"worth": float(sum(p.arch.genes))}), 12)
    assert [trial.proposal.inherit for trial in trials] == [None] * 12


def test_only_what_was_not_drawn_at_random_says_what_was_expected_of_it() -> None:
    trials = searched(made(PlantedSpace(), initial=3, **QUICK), worth, 8)
    notes = [GraphBoNote.find(trial.proposal.note) for trial in trials]
    assert notes[:3] == [None] * 3
    assert all(note is not None and np.isfinite(note.log_improvement) for note in notes[3:])


class TestFailures:
    def test_a_failed_architecture_is_not_tried_again(self) -> None:
        def answer(proposal: Proposal) -> Result:
            return worth(proposal) if proposal.arch.genes[0] != 1 else Result.failed("out of memory")

        trials = searched(made(PlantedSpace(), **QUICK), answer, 30)
        failed = [trial.proposal.arch for trial in trials if not trial.result.ok]
        assert len(set(failed)) == len(failed)

    def test_what_fails_is_learned(self) -> None:
        """Half of all architectures fail, by a gene that makes no other difference."""

        def answer(proposal: Proposal) -> Result:
            first, *others = proposal.arch.genes
            return Result.failed("out of memory") if first > 1 else Result({"worth": float(others.count(1))})

        trials = searched(made(PlantedSpace()), answer, 45)
        assert sum(not trial.result.ok for trial in trials[15:]) <= 5
        assert max(trial.result.scores["worth"] for trial in trials if trial.result.ok) == 7.0

    def test_what_is_likely_to_fail_is_avoided_even_if_it_would_be_the_best(self) -> None:
        """A quarter fails, the planted architecture and all that are nearly as good among them."""

        def answer(proposal: Proposal) -> Result:
            return worth(proposal) if proposal.arch.genes[0] != 1 else Result.failed("out of memory")

        trials = searched(made(PlantedSpace()), answer, 60)
        assert sum(not trial.result.ok for trial in trials[30:]) <= 5
        assert max(trial.result.scores["worth"] for trial in trials if trial.result.ok) == 87.5

    def test_what_was_expected_is_told_even_of_what_was_likely_to_fail(self) -> None:
        """Nine in ten fail, so that there is often nothing else; the notes are what plots show."""

        def answer(proposal: Proposal) -> Result:
            return worth(proposal) if sum(proposal.arch.genes) % 10 == 0 else Result.failed("broken")

        trials = searched(made(PlantedSpace(), **QUICK), answer, 40)
        notes = [GraphBoNote.find(trial.proposal.note) for trial in trials]
        told = [note.log_improvement for note in notes if note is not None]
        assert len(told) > 20
        assert min(told) > -1000

    def test_if_everything_fails_it_goes_on_drawing(self) -> None:
        trials = searched(made(PlantedSpace(), **QUICK), lambda _: Result.failed("broken"), 12)
        assert len(set(genes(trials))) == 12

    def test_a_score_that_is_no_number_is_a_failure(self) -> None:
        trials = searched(made(PlantedSpace(), **QUICK), lambda _: Result({"worth": float("nan")}), 8)
        assert len(set(genes(trials))) == 8


class TestConstraints:
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_the_best_that_keeps_a_bound_is_found(self, sign: float) -> None:
        """At most three genes may be 1, from above as from below."""
        bound = Constraint("cost", sign * 3.0, at_most=sign > 0)

        def answer(proposal: Proposal) -> Result:
            ones = sum(gene == 1 for gene in proposal.arch.genes)
            return Result({"worth": ones + 0.1 * sum(gene == 2 for gene in proposal.arch.genes), "cost": sign * ones})

        criteria = Criteria((Objective("worth"),), (bound,))
        trials = searched(made(PlantedSpace(), criteria), answer, 60)
        feasible = [trial.result.scores["worth"] for trial in trials if criteria.feasible(trial.result)]
        assert max(feasible) == pytest.approx(3.5)
        assert len(feasible) > 30

    def test_until_something_is_feasible_only_that_counts(self) -> None:
        """A draw keeps the bound once in 300 times."""

        def answer(proposal: Proposal) -> Result:
            return Result({"worth": 0.0, "twos": float(sum(gene == 2 for gene in proposal.arch.genes))})

        criteria = Criteria((Objective("worth"),), (Constraint("twos", 6.0, at_most=False),))
        trials = searched(made(PlantedSpace(), criteria), answer, 30)
        assert any(criteria.feasible(trial.result) for trial in trials)


def test_the_whole_front_of_two_objectives_is_found() -> None:
    """The number of ones against the number of twos: nine points, ones + twos = 8."""

    def answer(proposal: Proposal) -> Result:
        ones, twos = (sum(gene == option for gene in proposal.arch.genes) for option in (1, 2))
        return Result({"ones": float(ones), "others": 8.0 - twos})

    criteria = Criteria((Objective("ones"), Objective("others", "min")))
    trials = searched(made(PlantedSpace(), criteria, **QUICK), answer, 80)
    found = {(t.result.scores["ones"], 8 - t.result.scores["others"]) for t in trials}
    front = {point for point in found if sum(point) == 8}
    assert len(front) >= 7


class TestWidth:
    def test_what_is_in_flight_is_taken_for_what_is_expected(self) -> None:
        """Eight asked at once are different, and not all neighbours of one."""
        strategy = made(PlantedSpace(), **QUICK)
        searched(strategy, worth, 16)
        asked = np.array([proposal.arch.genes for proposal in strategy.ask(8)])
        apart = (asked[:, None] != asked[None]).sum(axis=2)
        assert (apart[np.triu_indices(8, 1)] > 0).all()
        assert apart.max() > 2

    def test_it_finds_the_planted_architecture_with_eight_in_flight(self) -> None:
        trials = searched(made(PlantedSpace()), worth, 80, width=8)
        assert any(is_planted(trial.proposal.arch) for trial in trials)


class TestFidelities:
    def answer(self, proposal: Proposal) -> Result:
        return PlantedCurves().evaluate(proposal, None, np.random.default_rng(0))[0]

    def test_the_highest_only_unless_asked_for(self) -> None:
        trials = searched(made(PlantedSpace(), resource=PLANTED_RESOURCE, **QUICK), self.answer, 10)
        assert {trial.proposal.fidelity for trial in trials} == {0}
        assert all(trial.proposal.inherit is None for trial in trials)

    def test_architectures_go_up_step_by_step_from_their_own_trials(self) -> None:
        trials = searched(made(PlantedSpace(), resource=PLANTED_RESOURCE, fidelities=3, **QUICK), self.answer, 60)
        reached: dict[Arch, list[int]] = {}
        for trial in trials:
            reached.setdefault(trial.proposal.arch, []).append(trial.proposal.fidelity)
            for base in sources(trial.proposal.inherit):
                assert trials[base].proposal.arch == trial.proposal.arch
        assert set(map(tuple, reached.values())) == {(3,), (3, 9), (3, 9, 0)}

    def test_states_are_needed_until_an_architecture_is_at_the_top(self) -> None:
        strategy = made(PlantedSpace(), resource=PLANTED_RESOURCE, fidelities=2, **QUICK)
        trials = searched(strategy, self.answer, 40)
        done = {trial.proposal.arch for trial in trials if trial.proposal.fidelity == 0}
        waiting = {trial.id for trial in trials if trial.proposal.arch not in done}
        assert strategy.needed() == waiting

    def test_what_fails_at_any_fidelity_is_not_tried_again_at_another(self) -> None:
        def answer(proposal: Proposal) -> Result:
            broken = proposal.arch.genes[0] in (0, 2) or (proposal.arch.genes[1] == 1 and proposal.fidelity == 0)
            return Result.failed("broken") if broken else self.answer(proposal)

        trials = searched(made(PlantedSpace(), resource=PLANTED_RESOURCE, fidelities=2, **QUICK), answer, 40)
        failed = [trial for trial in trials if not trial.result.ok]
        assert {trial.proposal.fidelity for trial in failed} == {9, 0}
        for trial in failed:
            assert not any(later.proposal.arch == trial.proposal.arch for later in trials[trial.id + 1 :])

    def test_few_full_trainings_find_the_planted_architecture(self) -> None:
        """In fewer epochs than 27 full trainings take."""
        trials = searched(made(PlantedSpace(), resource=PLANTED_RESOURCE, fidelities=3), self.answer, 90)
        full = [trial for trial in trials if trial.proposal.fidelity == 0]
        assert max(planted_worth(trial.proposal.arch) for trial in full) == 100.0

    @pytest.mark.parametrize(
        ("resource", "count", "part"),
        [
            (None, 2, "evaluated in full only"),
            (Resource.at("epochs", [12, 200]), 3, "more than there are, which is 12 or 200 epochs"),
            (Resource("epochs", 27), 5, "more than there are"),
        ],
    )
    def test_more_fidelities_than_there_are(self, resource: Resource | None, count: int, part: str) -> None:
        with pytest.raises(InputError, match=f"fidelities={count}: .*{part}"):
            made(PlantedSpace(), resource=resource, fidelities=count)


class TestState:
    @pytest.mark.parametrize("width", [1, 8])
    def test_a_restored_strategy_asks_for_the_very_same(self, width: int) -> None:
        """With failures, a constraint and proposals in flight; nothing that was looked up before is known to it."""

        def answer(proposal: Proposal) -> Result:
            if proposal.arch.genes[:2] == (0, 0):
                return Result.failed("on purpose")
            return Result({"worth": planted_worth(proposal.arch), "cost": float(sum(proposal.arch.genes))})

        criteria = Criteria((Objective("worth"),), (Constraint("cost", 12.0),))
        original = made(PlantedSpace(), criteria)
        done = searched(original, answer, 24, width)
        flight = original.ask(2)
        restored = GraphBo(PlantedSpace(), criteria, seeds.stream(9, "strategy"))
        restored.load_state_dict(decode_state(encode_state(original.state_dict())))
        futures = []
        for strategy in (original, restored):
            strategy.tell([Trial(len(done) + i, proposal, answer(proposal)) for i, proposal in enumerate(flight)])
            futures.append([trial.proposal for trial in searched(strategy, answer, 16, width)])
        assert futures[0] == futures[1]

    def test_what_is_forgotten_to_save_memory_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        remembering = searched(made(PlantedSpace(), **QUICK), worth, 20)
        monkeypatch.setattr("archloom.strategies.graph_bo.candidates._KEPT", 1)
        forgetting = searched(made(PlantedSpace(), **QUICK), worth, 20)
        assert genes(remembering) == genes(forgetting)


SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "one at a time": ({}, {}, {}),
    "eight in flight, told as they come": ({}, {"width": 8, "as_completed": True}, {}),
    "bounds on two metrics": ({"constraints": ("params<=3", "valid>=52")}, {"width": 2}, {}),
    "two objectives": ({"objectives": ("valid", "params")}, {"width": 3}, {}),
    "failures": ({"objectives": ("holes",)}, {}, {"initial": 2, "warp": "half"}),
}


@pytest.mark.parametrize(("problem", "limits", "options"), SETTINGS.values(), ids=SETTINGS)
def test_a_run_that_is_killed_and_resumed_in_steps_has_the_record_of_one_that_was_not(
    problem: dict[str, Any], limits: dict[str, Any], options: dict[str, Any], tmp_path: Path, small_table: Path
) -> None:
    """With and without its checkpoint; and resumed once without a query, which writes another checkpoint."""
    given: Any = {"objectives": ("valid",), **problem}
    spec = ProblemSpec("nb201", str(small_table), given["objectives"], constraints=given.get("constraints", ()))

    def run(name: str, queries: int) -> Path:
        settings = {"random": 32, "rounds": 1, **options}
        request = Request("graph_bo", spec, 4, Limits(queries, **limits), settings)
        folders.run_folder(tmp_path / name, request, isolate=False)
        return tmp_path / name

    whole = (run("whole", 15) / "trials.jsonl").read_bytes()
    steps = run("steps", 8)
    for queries in (8, 15):
        folders.run_folder(steps, limits=Limits(queries, **limits), isolate=False)
    assert (steps / "trials.jsonl").read_bytes() == whole
    torn = tmp_path / "whole"
    (torn / "trials.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:9]))
    (torn / "state.npz").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        folders.run_folder(torn, isolate=False)
    assert (torn / "trials.jsonl").read_bytes() == whole


class TestOptions:
    def test_something_is_left_to_learn_from(self) -> None:
        with pytest.raises(InputError, match=r"^statistics=false: architectures of space 'nb101' have no codes; omit"):
            made(Nb101(), statistics=False)
        alone = Categorical({"one": ["a", "b"], "other": ["c", "d"]})  # without options that several genes share
        with pytest.raises(InputError, match=r"^codes=false: architectures of space 'table' have no statistics; omit"):
            made(alone, codes=False)

    @pytest.mark.parametrize("options", [{"codes": False}, {"statistics": False}, {"linear": False}, {"warp": "half"}])
    def test_each_term_can_be_left_out(self, options: dict[str, Any]) -> None:
        trials = searched(made(PlantedSpace(), **options, **QUICK), worth, 10)
        assert len(set(genes(trials))) == 10

    def test_without_random_candidates_and_rounds_only_neighbours_are_asked_for(self) -> None:
        trials = searched(made(PlantedSpace(), random=0, rounds=0), worth, 25)
        asked = np.array(genes(trials))
        nearest = [(asked[:place] != asked[place]).sum(axis=1).min() for place in range(5, 25)]
        assert nearest == [1] * 20

    def test_random_candidates_and_rounds_lead_further(self) -> None:
        for options in ({"random": 64, "rounds": 0}, {"random": 0, "rounds": 8}):
            asked = np.array(genes(searched(made(PlantedSpace(), **options), worth, 25)))
            nearest = [(asked[:place] != asked[place]).sum(axis=1).min() for place in range(5, 25)]
            assert max(nearest) > 1

    @pytest.mark.parametrize(("fidelities", "inherits"), [(1, False), (3, True)])
    def test_the_plan(self, fidelities: int, inherits: bool) -> None:
        plan = GraphBo.plan(GraphBoOptions(initial=7, fidelities=fidelities))
        assert (plan.random, plan.inherits) == (7, inherits)


class Watched(PlantedSpace):
    """Knows on how many threads matrices are multiplied when its neighbours are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        self.threads |= {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        return super().neighbours(arch)


def test_matrices_are_multiplied_on_one_thread() -> None:
    space = Watched()
    strategy = made(space, **QUICK)
    trials = searched(strategy, worth, 6)
    space.threads.clear()
    with threadpool_limits(2, user_api="blas"):
        assert strategy.ask(1)[0].arch not in {trial.proposal.arch for trial in trials}
    assert space.threads == {1}


class Gears(Categorical):
    """One hundred genes: more neighbours than are looked at."""

    name = "gears"

    def __init__(self) -> None:
        super().__init__({f"gene{i}": list("abcd") for i in range(100)})


def test_spaces_with_many_neighbours() -> None:
    trials = searched(made(Gears(), **QUICK), lambda p: Result({"worth": float(sum(p.arch.genes[:5]))}), 12)
    assert len(set(genes(trials))) == 12


class Merged(Categorical):
    """The order of its genes makes no difference: 15 architectures of 81 combinations."""

    name = "merged"

    def __init__(self) -> None:
        super().__init__({name: ["a", "b", "c"] for name in "wxyz"})

    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(sorted(arch.genes)))

    def key(self, arch: Arch) -> str:
        return str(self.canonical(arch).genes)


@pytest.mark.parametrize("width", [1, 4])
def test_a_space_that_has_to_be_counted_ends_the_run_when_used_up(width: int) -> None:
    """A run counts it once an architecture is repeated."""
    problem = archloom.Problem(Merged(), lambda choices: list(choices.values()).count("c"), {"y": "max"})
    outcome = archloom.run(GraphBo, problem, queries=100, width=width)
    assert (outcome.value, outcome.history.queries) == (4, 15)
    assert outcome.ending == "every architecture of the space asked"


@pytest.mark.parametrize("fidelities", [1, 3])
def test_what_is_repeated_continues_nothing_and_teaches_nothing(fidelities: int) -> None:
    strategy = GraphBo(
        SmallSpace(),
        Criteria((Objective("score", "max"),)),
        seeds.stream(0, "strategy"),
        GraphBoOptions(fidelities=fidelities),
        resource=Resource("epochs", maximum=9),
    )
    asked = []
    for number in range(9 * fidelities + 3):
        (proposal,) = strategy.ask(1)
        asked.append(proposal)
        strategy.tell([Trial(number, proposal, Result({"score": float(sum(proposal.arch.genes))}))])
    assert len({(proposal.arch, proposal.fidelity) for proposal in asked}) == 9 * fidelities
    assert {(repeat.arch, repeat.fidelity, repeat.inherit) for repeat in asked[-3:]} == {
        (asked[0].arch, asked[0].fidelity, None)
    }
    assert len(strategy.knowledge.answers) == 9 * fidelities
