from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="ga_nas needs the extra train")

from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError
from archloom.executors.serial import SerialExecutor
from archloom.runs.budgets import Ending, Limits
from archloom.runs.search import MemoryJournal, Search
from archloom.spaces.base import Categorical, SearchSpace
from archloom.spaces.graphs import OPEN, Bools, ConstructionStep, Graph, GraphGrammar, PartialGraph
from archloom.strategies.ga_nas.strategy import GaNas, GaNasOptions
from archloom.testing import (
    PLANTED_CRITERIA,
    PlantedEvaluator,
    PlantedSpace,
    RuledSpace,
    check_strategy,
    is_planted,
)
from archloom.types import Arch, Goal, Proposal, Result, Trial
from archloom.utils import seeds

SMALL = GaNasOptions(
    initial=12, batch_size=8, top_k=5, width=8, layers=1, rounds=1, pair_steps=5, pairs=16, updates=2, episodes=16,
    epochs=2, lr=1e-2, discriminator_lr=1e-2,
)  # fmt: skip
TINY = replace(
    SMALL, initial=4, batch_size=4, growth=4, top_k=2, width=4, pair_steps=1, pairs=4, updates=1, episodes=4, epochs=1
)
"""For what does not depend on learning anything."""
WORTH = Criteria((Objective("worth"),))


def make(
    options: GaNasOptions = SMALL, space: SearchSpace | None = None, criteria: Criteria = PLANTED_CRITERIA
) -> GaNas:
    return GaNas(space or PlantedSpace(), criteria, seeds.stream(0, "strategy"), options)


def sets(strategy: GaNas, worth: Callable[[Arch], Mapping[str, float]], count: int) -> list[list[Trial]]:
    """X_0 to X_(count - 1), each asked for as a whole and answered."""
    told: list[list[Trial]] = []
    for _ in range(count):
        first = sum(map(len, told))
        asked = strategy.ask(1_000)
        told.append([Trial(first + at, p, Result(worth(p.arch))) for at, p in enumerate(asked)])
        strategy.tell(told[-1])
    return told


def planted(arch: Arch) -> Mapping[str, float]:
    return PlantedEvaluator().evaluate(Proposal(arch), None, np.random.default_rng(0))[0].scores


# -- it is a strategy, and it learns ------------------------------------------------------------------------------


@pytest.mark.parametrize("refit", ["accuracy", "random"])
def test_contract_of_the_ablations(refit: Any) -> None:
    """With one discriminator for all iterations."""
    check_strategy(partial(GaNas, options=replace(TINY, refit=refit, pool=4, fresh=False)), beats_random=False)


def test_it_finds_the_planted_architecture_among_65536() -> None:
    """Random search would need 45,000 queries for an even chance."""
    options = replace(SMALL, initial=50, batch_size=25, top_k=10, width=16, pair_steps=15, updates=4, episodes=32)
    strategy, space, journal = make(options), PlantedSpace(), MemoryJournal()
    Search(space, strategy, SerialExecutor(PlantedEvaluator()), journal, Limits(200, width=50), 0).run()
    assert any(is_planted(line.trial.proposal.arch) for line in journal.lines)


class MotifSpace:
    """Four vertices, each a, b or c, with free edges among them; what counts is whether some c reads an a and a b."""

    name = "motif"
    graph_labels = ("a", "b", "c")
    pairs = tuple(itertools.combinations(range(4), 2))
    template = Graph(np.full(4, OPEN), np.zeros((4, 4), dtype=np.uint8))
    steps: Sequence[ConstructionStep] = tuple(ConstructionStep(vertex, tuple(range(vertex))) for vertex in range(4))

    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch((*rng.integers(0, 3, 4).tolist(), *rng.integers(0, 2, 6).tolist()))

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        raise NotImplementedError

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return {}

    def canonical(self, arch: Arch) -> Arch:
        return arch

    def key(self, arch: Arch) -> str:
        return self.format(arch)

    def format(self, arch: Arch) -> str:
        return "".join(map(str, arch.genes))

    def parse(self, text: str) -> Arch:
        return Arch(tuple(map(int, text)))

    def to_graph(self, arch: Arch) -> Graph:
        adjacency = np.zeros((4, 4), dtype=np.uint8)
        for (source, target), there in zip(self.pairs, arch.genes[4:], strict=True):
            adjacency[source, target] = there
        return Graph(np.array(arch.genes[:4]), adjacency)

    def from_graph(self, graph: Graph) -> Arch:
        return Arch((*graph.labels.tolist(), *(int(graph.adjacency[pair]) for pair in self.pairs)))

    def grammar(self) -> GraphGrammar:
        return self

    def label_mask(self, drawn: PartialGraph, step: int) -> Bools:
        return np.ones((len(drawn.labels), 3), dtype=bool)

    def edge_mask(self, drawn: PartialGraph, step: int, place: int) -> Bools:
        return np.ones((len(drawn.labels), 2), dtype=bool)

    def parts(self, arch: Arch) -> int:
        """How many of the motif's three parts the best vertex has: being a c, reading an a, reading a b."""
        graph = self.to_graph(arch)
        read = [set(graph.labels[column.astype(bool)].tolist()) for column in graph.adjacency.T]
        return max(int(graph.labels[v] == 2) + len({0, 1} & read[v]) for v in range(4))


def test_the_generator_concentrates_on_a_planted_motif() -> None:
    """Where labels and edges count together, and no vertex is better than another by itself."""
    space, rng = MotifSpace(), np.random.default_rng(0)
    by_chance = np.mean([space.parts(space.sample(rng)) == 3 for _ in range(2_000)])
    options = GaNasOptions(
        initial=40, batch_size=20, top_k=20, width=16, layers=2, lr=3e-3, discriminator_lr=3e-3, pair_steps=20,
        updates=2, episodes=48,
    )  # fmt: skip
    strategy = make(options, space, WORTH)
    sets(strategy, lambda arch: {"worth": float(space.parts(arch))}, 8)
    drawn = [arch for arch in strategy.refit.draw(300, 1.0) if arch is not None]
    assert by_chance < 0.1 and np.mean([space.parts(arch) == 3 for arch in drawn]) > 0.4
    assert len(set(drawn)) > 20, "and not on one architecture"


# -- Algorithm 2 --------------------------------------------------------------------------------------------------


def test_sizes_are_the_published_ones_of_both_set_ups() -> None:
    first = GaNasOptions(initial=50, batch_size=100, growth=50, top_k=25, iterations=10)
    second = GaNasOptions(initial=100, batch_size=200, growth=100, top_k=50, iterations=10)
    assert [GaNas.plan(o).trials for o in (first, second)] == [3_300, 6_600]
    assert [GaNas.plan(o).width for o in (first, second)] == [550, 1_100], "the last set"
    assert GaNas.plan(GaNasOptions(initial=1, start="a; b; c", iterations=1, batch_size=2)).trials == 5
    assert GaNas.plan(GaNasOptions()).trials is None


def test_sets_grow_as_asked_and_the_search_ends_after_the_last() -> None:
    strategy = make(replace(SMALL, initial=6, batch_size=7, growth=3, iterations=3))
    told = sets(strategy, planted, 4)
    assert [len(trials) for trials in told] == [6, 7, 10, 13]
    assert all(trial.proposal.note["iteration"] == t for t, trials in enumerate(told) for trial in trials)
    assert [trials[0].proposal.note["size"] for trials in told[1:]] == [7, 10, 13]
    assert strategy.ask(5) == []


def test_nothing_is_asked_twice_and_nothing_before_all_is_told() -> None:
    strategy = make()
    asked = strategy.ask(100)
    assert len(asked) == 12 and strategy.ask(1) == []
    strategy.tell([Trial(at, p, Result(planted(p.arch))) for at, p in enumerate(asked[1:], 1)])
    assert strategy.ask(1) == []
    strategy.tell([Trial(0, asked[0], Result(planted(asked[0].arch)))])
    later = strategy.ask(100)
    assert len(later) == 8
    assert len({p.arch for p in [*asked, *later]}) == 20


def test_the_truth_set_is_the_best_k_that_keep_the_constraints() -> None:
    space = Categorical({"a": list(range(40))})
    criteria = Criteria((Objective("worth"),), (Constraint("cost", 20.0),))
    strategy = make(replace(SMALL, initial=40), space, criteria)
    sets(strategy, lambda arch: {"worth": float(arch.genes[0]), "cost": float(arch.genes[0])}, 1)
    fit_data = strategy.fit_data()
    assert fit_data is not None
    assert [arch.genes[0] for arch in fit_data.truth] == [20, 19, 18, 17, 16]
    assert len(fit_data.latest) == 40


def test_of_equals_the_newest_are_truths() -> None:
    space = Categorical({"a": list(range(40))})
    strategy = make(replace(SMALL, initial=30), space, WORTH)
    (told,) = sets(strategy, lambda arch: {"worth": 1.0}, 1)
    fit_data = strategy.fit_data()
    assert fit_data is not None
    assert fit_data.truth == [trial.proposal.arch for trial in told[:-6:-1]]


def test_where_nothing_keeps_the_constraints_the_nearest_are_the_truth() -> None:
    space = Categorical({"a": list(range(20))})
    criteria = Criteria((Objective("worth"),), (Constraint("cost", -1.0),))
    strategy = make(replace(SMALL, initial=20), space, criteria)
    sets(strategy, lambda arch: {"worth": 1.0, "cost": float(arch.genes[0])}, 1)
    fit_data = strategy.fit_data()
    assert fit_data is not None
    assert [arch.genes[0] for arch in fit_data.truth] == [0, 1, 2, 3, 4]


def test_failures_are_never_a_truth_and_where_all_fail_random_ones_follow() -> None:
    strategy = make()
    asked = strategy.ask(100)
    strategy.tell([Trial(at, p, Result.failed("no")) for at, p in enumerate(asked)])
    later = strategy.ask(100)
    assert len(later) == 8 and "rho" not in later[0].note
    assert not {p.arch for p in asked} & {p.arch for p in later}
    results = [Result.failed("no") if at else Result({"worth": 1.0}) for at in range(8)]
    strategy.tell([Trial(12 + at, p, result) for at, (p, result) in enumerate(zip(later, results, strict=True))])
    fit_data = strategy.fit_data()
    assert fit_data is not None and fit_data.truth == [later[0].arch]


def test_a_starting_architecture_is_asked_first_and_counts() -> None:
    space = PlantedSpace()
    start = Arch((1,) * 7 + (0,))
    strategy = make(replace(SMALL, start=f"{space.format(start)}; {space.format(Arch((0,) * 8))}", initial=4))
    asked = strategy.ask(100)
    assert [p.arch for p in asked[:2]] == [start, Arch((0,) * 8)] and len(asked) == 4
    alone = make(replace(SMALL, start=space.format(start), initial=1))
    told = sets(alone, planted, 2)
    assert [len(trials) for trials in told] == [1, 8]


def test_a_space_is_used_up_rather_than_searched_for_ever() -> None:
    space = Categorical({"a": [0, 1], "b": [0, 1, 2]})
    journal = MemoryJournal()

    class Evaluator:
        resource = None
        goals: Mapping[str, Goal] = {"worth": "max"}

        def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, None]:
            return Result({"worth": float(sum(proposal.arch.genes))}), None

    strategy = make(replace(SMALL, initial=2, batch_size=2, redraws=2), space, WORTH)
    ending = Search(space, strategy, SerialExecutor(Evaluator()), journal, Limits(50), 0).run()
    assert ending is Ending.EXHAUSTED and len(journal.lines) == 6


def test_rules_of_a_space_that_masks_do_not_know_are_kept() -> None:
    strategy = make(SMALL, RuledSpace())
    for trials in sets(strategy, planted, 3):
        assert all(trial.proposal.arch.genes[0] != trial.proposal.arch.genes[1] for trial in trials)


# -- Algorithm 1 --------------------------------------------------------------------------------------------------


def numbered(options: GaNasOptions, criteria: Criteria = WORTH) -> GaNas:
    return make(options, Categorical({"tens": list(range(10)), "ones": list(range(10))}), criteria)


def value(arch: Arch) -> float:
    return float(10 * arch.genes[0] + arch.genes[1])


def drawn(strategy: GaNas) -> list[float]:
    """The values of the last set's draws, each as often as it was drawn, the best first."""
    values = {key: value(strategy.told[place].proposal.arch) for key, place in strategy.trials.items()}
    sign = strategy.criteria.objectives[0].sign
    return sorted((values[key] for key in strategy.draws.elements()), key=lambda v: -sign * v)


def best_share(values: Sequence[float], share: float) -> float:
    """The quantile: what `share` of the values, the best first, reach."""
    return values[math.ceil(share * len(values) - 1e-9) - 1]


def answered(strategy: GaNas) -> bool:
    """Ask for the next set and answer it; False if there is none."""
    asked, first = strategy.ask(100), len(strategy.told)
    strategy.tell([Trial(first + at, p, Result({"worth": value(p.arch)})) for at, p in enumerate(asked)])
    return bool(asked)


@pytest.mark.parametrize(("alpha", "goal"), [(90.0, "max"), (9.0, "min")])
def test_the_search_ends_when_the_generator_reaches_the_level_alpha(alpha: float, goal: Goal) -> None:
    """gamma_t is what the share rho_t of the draws reaches; rho_t is the truth set's share in all before."""
    options = replace(SMALL, initial=20, batch_size=6, top_k=5, alpha=alpha, lr=3e-2)
    strategy = numbered(options, Criteria((Objective("worth", goal),)))
    reached, before = [], 20
    while answered(strategy):
        level = best_share(drawn(strategy), 5 / before)
        reached.append(level >= alpha if goal == "max" else level <= alpha)
        before = len(strategy.told)
    assert reached == [False] * (len(reached) - 1) + [True] and len(reached) > 1


def test_delta_chooses_rho_so_that_the_level_rises() -> None:
    """gamma_0 is the K-th best of X_0; the truth set is all that reach the level of the iteration before."""
    strategy = numbered(replace(SMALL, initial=20, batch_size=8, top_k=5, delta=5.0, lr=3e-2))
    level, rises = -math.inf, 0
    for iteration in range(6):
        assert answered(strategy)
        if iteration:
            assert strategy.gamma == level
            assert strategy.rho == 5 / 20
        draws = drawn(strategy)
        reaching = sum(v >= level + 5.0 for v in draws)
        rises += iteration > 0 and reaching > 0
        level = best_share(draws, min(5 / 20, reaching / len(draws))) if reaching else level
        assert strategy.level() == level
    assert rises > 0
    fit_data = strategy.fit_data()
    assert fit_data is not None
    evaluated = {value(trial.proposal.arch) for trial in strategy.told}
    assert {value(arch) for arch in fit_data.truth} == {v for v in evaluated if v >= strategy.gamma}


def test_levels_are_of_what_satisfies_the_constraints() -> None:
    criteria = Criteria((Objective("worth"),), (Constraint("cost", 20.0),))
    strategy = make(replace(SMALL, initial=40, delta=1.0, alpha=20.0), Categorical({"a": list(range(40))}), criteria)
    sets(strategy, lambda arch: {"worth": float(arch.genes[0]), "cost": float(arch.genes[0])}, 1)
    assert strategy.level() == 16.0 and not strategy.at_alpha()
    strategy.gamma = 18.0
    fit_data = strategy.fit_data()
    assert fit_data is not None and [arch.genes[0] for arch in fit_data.truth] == [20, 19, 18]


def test_levels_at_the_ends_of_floats_are_reached_by_what_reached_them() -> None:
    """Fitness there is a rank, so that what breaks a constraint has room below; a level is a value."""
    criteria = Criteria((Objective("worth"),), (Constraint("cost", 20.0),))
    strategy = make(replace(SMALL, initial=40, top_k=8, delta=1.0), Categorical({"a": list(range(40))}), criteria)
    sets(strategy, lambda arch: {"worth": 4.5e306 * arch.genes[0], "cost": float(arch.genes[0])}, 1)
    strategy.gamma = strategy.level()
    assert strategy.gamma == 4.5e306 * 13
    fit_data = strategy.fit_data()
    assert fit_data is not None and [arch.genes[0] for arch in fit_data.truth] == list(range(20, 12, -1))


def test_a_level_of_several_objectives_is_refused() -> None:
    two = Criteria((Objective("worth"), Objective("cost", "min")))
    for wrong in ({"alpha": 3.0}, {"delta": 1.0}):
        with pytest.raises(InputError, match=r"alpha and delta are of one objective, these are 2 \(worth, cost\)"):
            numbered(replace(SMALL, **wrong), two)  # type: ignore[arg-type]


# -- what is recorded ---------------------------------------------------------------------------------------------


def test_notes_say_how_often_each_was_drawn() -> None:
    strategy = make()
    told = sets(strategy, planted, 3)
    before = 12
    for trials in told[1:]:
        first = trials[0].proposal.note
        assert first["rho"] == pytest.approx(5 / before)
        assert first["js"] <= np.log(2.0) + 1e-6
        drawn = sum(trial.proposal.note["draws"] for trial in trials) + sum(first["known"].values())
        assert 0 < drawn <= 8  # the first |X_t| draws; fewer where one was not valid or came up beyond the set
        assert all(int(trial_id) < trials[0].id for trial_id in first["known"])
        assert all(set(trial.proposal.note) == {"iteration", "draws"} for trial in trials[1:])
        before += len(trials)


def test_only_what_knows_a_divergence_tells_one() -> None:
    for refit, told in {"accuracy": False, "likelihood": False, "random": True}.items():
        strategy = make(replace(SMALL, refit=refit, pool=2))  # type: ignore[arg-type]
        (_, later) = sets(strategy, planted, 2)
        assert ("js" in later[0].proposal.note) is told


# -- what it refuses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"initial": 0}, "GaNasOptions option initial=0: expected a whole number of at least 1"),
        ({"top_k": 0}, "GaNasOptions option top_k=0: expected a whole number of at least 1"),
        ({"widen": 0.5}, "GaNasOptions option widen=0.5: expected a number from 1 to 10"),
        ({"gamma": 1.5}, "GaNasOptions option gamma=1.5: expected a number from 0 to 1"),
        ({"lr": 0.0}, "GaNasOptions option lr=0.0: expected a finite number above 0"),
        ({"entropy": -1.0}, "GaNasOptions option entropy=-1.0: expected a finite number of at least 0"),
        ({"pairs": 1}, "GaNasOptions option pairs=1: expected a whole number of at least 2"),
    ],
)
def test_options_out_of_range_are_told(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        GaNasOptions(**wrong)
    assert str(caught.value) == told


def test_a_start_that_is_no_architecture_or_not_valid_is_told() -> None:
    with pytest.raises(InputError, match="expected NAME=VALUE"):
        make(replace(SMALL, start="rubbish"))
    with pytest.raises(InputError, match="not valid in space 'ruled'"):
        make(replace(SMALL, start=PlantedSpace().format(Arch((0,) * 8))), RuledSpace())


def test_a_space_without_graphs_is_refused() -> None:
    class Bare:
        name = "bare"

    with pytest.raises(InputError, match="needs a space with"):
        GaNas(Bare(), WORTH, seeds.stream(0, "strategy"))  # type: ignore[arg-type]


# -- as users meet it ---------------------------------------------------------------------------------------------

SETTINGS = [
    word
    for option in (
        "initial=10",
        "batch_size=10",
        "top_k=5",
        "width=8",
        "layers=1",
        "rounds=1",
        "updates=2",
        "pair_steps=5",
    )
    for word in ("--set", option)
]


@pytest.mark.parametrize("checkpoint", ["state.npz", "nothing"])
def test_a_run_that_was_cut_goes_on_to_the_same_record(cli: Any, small_table: Path, checkpoint: str) -> None:
    """With the checkpoint of its 25th query, and without, so that everything is learned again."""
    pytest.importorskip("matplotlib", reason="plots need the extra plots")
    common = ("search", "ga_nas", "--table", small_table, *SETTINGS, "--width", 1)
    cli(*common, "--queries", 25, "--out", "run")
    cut, record = cli.home / "run", cli.home / "run" / "trials.jsonl"
    states = {name: (cut / name).read_bytes() for name in ("state.npz",) if name == checkpoint}
    begun = archs(record)
    cli(*common, "--queries", 38, "--out", "whole")
    whole = archs(cli.home / "whole" / "trials.jsonl")
    assert whole[:25] == begun and len(whole) == 38
    lines = (cli.home / "whole" / "trials.jsonl").read_text().splitlines(keepends=True)
    (cli.home / "whole" / "trials.jsonl").write_text("".join(lines[:31]))
    (cli.home / "whole" / "state.npz").unlink()
    for name, content in states.items():
        (cli.home / "whole" / name).write_bytes(content)
    cli("resume", "whole")
    assert archs(cli.home / "whole" / "trials.jsonl") == whole
    cli("plot", "whole", "--kind", "levels")
    assert (cli.home / "whole" / "levels.png").stat().st_size > 10_000


def test_a_run_that_ends_before_its_last_iteration_is_no_cut_training(cli: Any, small_table: Path) -> None:
    """What is said of populations that train in chunks is not said of sets."""
    options = ("search", "ga_nas", "--table", small_table, *SETTINGS, "--set", "iterations=5", "--queries", 25)
    assert "chunk" not in cli(*options, "--out", "run").err


def archs(record: Path) -> list[tuple[str, dict[str, Any]]]:
    """What was asked, and the notes that came with it."""
    lines = [json.loads(line[: line.rindex("}") + 1]) for line in record.read_text().splitlines()]
    return [(line["arch"], line["note"]) for line in lines]
