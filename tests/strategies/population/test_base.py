"""What strategies that train populations share, and whole runs of them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from archloom.errors import InputError, StoreError
from archloom.problems import ProblemSpec
from archloom.runs.folders import limits_for, run_folder, run_in_memory
from archloom.runs.manifest import checkpoints_of
from archloom.runs.prepare import Preparer, Request, choose_strategy
from archloom.runs.record import read_lines
from archloom.runs.report import RunReport
from archloom.spaces.base import is_valid
from archloom.strategies.base import Plan, SizedByData
from archloom.strategies.population.base import (
    Child,
    Member,
    PopulationOptions,
    SelectingStrategy,
    Selection,
    balanced,
)
from archloom.strategies.population.pbt_nas import PbtNas, PbtNasOptions
from archloom.strategies.population.random_population import RandomPopulation
from archloom.strategies.population.searl import Searl
from archloom.strategies.random_search import RandomSearch
from archloom.testing import PLANTED_CRITERIA, PlantedSpace, RuledSpace
from archloom.types import Inherit, PopulationSizes, Result, Trial
from archloom.utils.options import PositiveInt

SMALL = {"population": "8", "epochs": "12", "step": "2"}


@pytest.fixture
def problem(trained: Path) -> str:
    return str(trained)


def request(problem: str, strategy: str = "pbt_nas", seed: int = 0, **options: str) -> Request:
    chosen = {**SMALL, **options}
    return Request(strategy, ProblemSpec(problem), seed, limits_for(strategy, chosen, None, None), chosen)


def records(report: RunReport) -> list[Any]:
    """Every trial, without how long it took."""
    return [(line.id, line.trial.proposal, line.scores, line.report) for line in report.history.lines]


def test_the_first_population_has_every_option_equally_often() -> None:
    for seed in range(5):
        archs = balanced(PlantedSpace(), 24, np.random.default_rng(seed))
        for gene in range(8):
            assert Counter(arch.genes[gene] for arch in archs) == dict.fromkeys(range(4), 6)
    archs = balanced(PlantedSpace(), 10, np.random.default_rng(0))
    for gene in range(8):
        counts = Counter(arch.genes[gene] for arch in archs)
        assert min(counts[option] for option in range(4)) >= 2
    assert len({arch.genes for arch in archs}) > 5, "columns are shuffled independently"


@pytest.mark.parametrize(
    ("strategy", "options", "says"),
    [
        ("pbt_nas", {"population": 1}, "population=1: expected a whole number of at least 2; the worst continue"),
        ("searl", {"population": 1}, "population=1: expected a whole number of at least 2; the worst continue"),
        (
            "random_population",
            {"population": 0},
            "random_population option population=0: expected a whole number of at least 1",
        ),
        ("random_population", {"epochs": 5}, "step=10: expected at most epochs=5"),
        ("pbt_nas", {"epochs": 5, "step": 6}, "step=6: expected at most epochs=5"),
    ],
)
def test_populations_that_cannot_be(strategy: str, options: dict[str, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        choose_strategy(strategy, options)
    assert choose_strategy("random_population", {"population": 1, "epochs": 10}).options.population == 1


def test_a_plan_says_how_long_networks_are_trained() -> None:
    assert choose_strategy("pbt_nas", {"population": 5, "epochs": 7, "step": 2}).plan == Plan(
        trials=20, width=5, epochs=7, inherits=True, unique=True, needs_training=True, population=True
    )
    assert choose_strategy("random", {}).plan == Plan(None, 1, None)


@dataclass(frozen=True)
class OwnOptions(PopulationOptions):
    population: PositiveInt = 4


class OwnPopulation(RandomPopulation):
    """A user's, which has a default of its own and no warm phase."""

    Options: ClassVar[type[Any]] = OwnOptions


def test_sizes_that_are_not_given_fit_the_data() -> None:
    sizes = PopulationSizes(12, 50, 5)
    for kind in (PbtNas, Searl, RandomPopulation):
        assert kind.fitted({}, sizes) == {"population": 12, "epochs": 50, "step": 5}
        assert kind.fitted({"epochs": 20, "population": 3}, sizes) == {"step": 2}
    assert OwnPopulation.fitted({}, sizes) == {"epochs": 50, "step": 5}
    assert issubclass(PbtNas, SizedByData) and not issubclass(RandomSearch, SizedByData)
    assert PbtNas.sizes_of(PbtNasOptions()) == PopulationSizes(24, 300, 10), "the paper's, where no data say"


def test_a_problem_of_ones_own_says_what_fits_it(trained: Path) -> None:
    spec = ProblemSpec(str(trained))
    assert Preparer().fitted_options("searl", {}, spec) == {}, "it does not say: the defaults hold"
    sizes = "from archloom.types import PopulationSizes\nproblem.population_sizes = PopulationSizes(4, 6, 2)\n"
    trained.write_text(trained.read_text() + sizes)
    assert Preparer().fitted_options("searl", {"epochs": "9"}, spec) == {"population": 4, "epochs": "9", "step": 2}
    assert Preparer().fitted_options("searl", {}, ProblemSpec("nb201")) == {}, "not opened for that"
    trained.write_text(trained.read_text() + "problem.population_sizes = (4, 6, 2)\n")
    with pytest.raises(InputError, match=r"population_sizes=\(4, 6, 2\): expected archloom.types.PopulationSizes"):
        Preparer().fitted_options("searl", {}, spec)


def test_only_valid_ones_are_dealt() -> None:
    space = RuledSpace()
    archs = balanced(space, 40, np.random.default_rng(0))
    assert len(archs) == 40
    assert all(is_valid(space, arch) for arch in archs)


@pytest.mark.parametrize("strategy", ["pbt_nas", "searl", "random_population"])
def test_a_run_trains_every_member_to_the_end(problem: str, strategy: str) -> None:
    report = run_in_memory(request(problem, strategy))
    assert report.trials == 48
    assert report.ending == "all queries asked"
    last = report.history.lines[-8:]
    assert {line.trial.proposal.fidelity for line in last} == {12}
    assert sorted(line.trial.proposal.note["member"] for line in last) == list(range(8))
    assert not report.history.failed


def test_mixing_finds_more_than_training_alone(problem: str) -> None:
    """At equal training: combining the first networks' layers beats all of them, and SEARL's mutations are between."""

    def mean(strategy: str) -> float:
        options = {"population": "24", "epochs": "30", "step": "2"}
        found = [run_in_memory(request(problem, strategy, seed, **options)).value for seed in range(3)]
        return float(np.mean([value for value in found if value is not None]))

    pbt, searl, alone = mean("pbt_nas"), mean("searl"), mean("random_population")
    assert pbt > alone + 8
    assert searl > alone + 2


def test_folders_workers_and_memory_give_the_same_run(problem: str, tmp_path: Path) -> None:
    one = run_folder(tmp_path / "one", request(problem), isolate=False)
    two = run_folder(tmp_path / "two", request(problem), workers=2)
    assert records(one) == records(two) == records(run_in_memory(request(problem)))
    names = [sorted(path.name for path in (tmp_path / run / "weights").iterdir()) for run in ("one", "two")]
    assert names[0] == names[1]
    for name in names[0]:
        contents = [(tmp_path / run / "weights" / name).read_bytes() for run in ("one", "two")]
        assert contents[0] == contents[1], name


def test_only_states_that_may_be_needed_stay(problem: str, tmp_path: Path) -> None:
    report = run_folder(tmp_path / "run", request(problem), isolate=False)
    best = report.best
    assert best is not None
    kept = {int(path.stem) for path in (tmp_path / "run" / "weights").iterdir()}
    assert kept == set(range(40, 48)) | {best.id}, "where each member stands, and the best ever"


def test_a_run_that_is_killed_again_and_again_ends_the_same(
    problem: str, tmp_path: Path, process: Any, wait_until: Any
) -> None:
    expected = run_folder(tmp_path / "whole", request(problem), isolate=False)
    run = tmp_path / "run"
    begin = ["search", "pbt_nas", "--on", problem, "--out", str(run), "--workers", "2"]
    begin += [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]
    for line, trials in ((begin, 9), (["resume", str(run), "--workers", "1"], 27)):
        with process("-m", "archloom", *line, "--quiet", stdout=subprocess.DEVNULL) as command:
            wait_until(lambda: (run / "trials.jsonl").exists() and len(read_lines(run)) >= trials, command)  # noqa: B023
            os.killpg(command.pid, signal.SIGKILL)
    found = run_folder(run, None, isolate=False)
    assert records(found) == records(expected)
    assert not list((run / "weights").glob(".*.tmp"))
    assert {p.name for p in (run / "weights").iterdir()} == {p.name for p in (tmp_path / "whole/weights").iterdir()}


@pytest.mark.parametrize("workers", [1, 2])
def test_too_small_a_budget_stops_a_run_that_goes_on_with_a_larger_one(
    problem: str, tmp_path: Path, workers: int
) -> None:
    whole = run_folder(tmp_path / "whole", request(problem), isolate=False, overrides={"keep": None})
    states = {path.name: path.read_bytes() for path in (tmp_path / "whole" / "weights").iterdir()}
    assert len(states) == 48, "everything was kept"
    size, run = max(map(len, states.values())), tmp_path / "run"
    with (
        pytest.warns(UserWarning, match="8 of them will be needed at once"),
        pytest.raises(StoreError, match=f"no space for the next checkpoint .*: archloom resume {run} --disk-budget"),
    ):
        run_folder(run, request(problem), workers, isolate=False, overrides={"disk_budget": 6 * size})
    assert 4 <= len(read_lines(run)) <= 6
    with pytest.warns(UserWarning), pytest.raises(StoreError, match="no space"):
        run_folder(run, None, isolate=False)  # what was said holds until something else is
    # Not two populations: that is where all have the winner's genes, and here they are not as many.
    found = run_folder(run, None, workers, isolate=False, overrides={"disk_budget": 16 * size, "keep": 40})
    assert records(found) == records(whole)
    left = {path.name: path.read_bytes() for path in (run / "weights").iterdir()}
    assert left.items() <= states.items()
    assert {f"{trial:06d}.safetensors" for trial in range(40, 48)} <= left.keys()
    assert len(left) > 8 and sum(map(len, left.values())) <= 16 * size


def test_one_state_more_than_the_population_is_enough_room(problem: str, tmp_path: Path) -> None:
    """With nobody replaced and different genes: where the members stand, the best ever, and the one that is written.

    Whoever is not in turn waits with a state, so that it does not take the place of one that must come first.
    """
    options = request(problem, "random_population")
    whole = run_folder(tmp_path / "whole", options, isolate=False)
    size = max(path.stat().st_size for path in (tmp_path / "whole" / "weights").iterdir())
    found = run_folder(tmp_path / "run", options, 2, overrides={"disk_budget": 11 * size})
    assert records(found) == records(whole)


@pytest.mark.parametrize(("strategy", "options"), [("searl", {}), ("pbt_nas", {"crossover_prob": "0"})])
def test_no_two_members_are_the_same_to_the_byte(
    problem: str, tmp_path: Path, strategy: str, options: dict[str, str]
) -> None:
    """Not even a child that is a copy of its parent, and it trains on from where that stood."""
    wanted = request(problem, strategy, **options)
    report = run_folder(tmp_path / "run", wanted, isolate=False, overrides={"keep": None})
    states = checkpoints_of(tmp_path / "run")
    chunks: dict[int, list[Any]] = {}
    copies = 0
    for line in report.history.lines:
        state = states.load(line.id)
        assert state.rest["epochs"] == line.fidelity
        chunks.setdefault(line.fidelity, []).append({name: x.tolist() for name, x in state.networks["network"].items()})
        inherit = line.inherit
        if inherit is not None and inherit.reseed and not inherit.donors and not inherit.mutate:
            copies += 1
            base = states.load(inherit.base)
            assert base.networks["network"]["bias"].equal(state.networks["network"]["bias"]), "it never trains"
    assert copies >= 2
    assert len(chunks) == 6
    for epoch, members in chunks.items():
        assert all(one != other for one, other in combinations(members, 2)), epoch


UNLUCKY = """
from archloom.evaluators.train import TrainingEvaluator
from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask
from archloom.testing import PlantedSpace

class Unlucky(TrainingEvaluator):
    def evaluate(self, proposal, weights, rng):
        if proposal.fidelity == 6 and proposal.note["member"] in MEMBERS:
            raise MemoryError("no room on the GPU")
        return super().evaluate(proposal, weights, rng)

class Trained(TaskProblem):
    def evaluator(self, scores, report):
        return Unlucky(self.task, self.space, scores, report)

problem = Trained(PlantedSpace(), PlantedTask())
"""

WARM = {"warm_epochs": "12", "warm_step": "4"}
"""Children are born after 4 and 8 epochs, so that one whose first chunk fails is not replaced at once."""


@pytest.mark.parametrize(
    ("strategy", "members", "state"), [("pbt_nas", "(0, 1, 2, 3, 4)", True), ("searl", "range(8)", False)]
)
def test_a_child_whose_first_chunk_fails_is_made_of_its_parents_in_the_next(
    trained: Path, tmp_path: Path, strategy: str, members: str, state: bool
) -> None:
    trained.write_text(UNLUCKY.replace("MEMBERS", members))
    wanted = request(str(trained), strategy, **WARM)
    whole = run_in_memory(wanted)
    lines = {(line.fidelity, line.note["member"]): line for line in whole.history.lines}
    born = {member for epoch, member in lines if epoch == 6 and "parents" in lines[epoch, member].note}
    assert len(born) == 2
    unlucky = born & {line.note["member"] for line in whole.history.failed}
    assert unlucky
    for member in unlucky:
        failed, again = lines[6, member], lines[8, member]
        assert failed.error == "MemoryError: no room on the GPU"
        assert (again.genes, again.inherit, again.note) == (failed.genes, failed.inherit, failed.note)
        assert again.ok and lines[10, member].ok
    born_later = [lines[10, member] for member in range(8) if "parents" in lines[10, member].note]
    assert len(born_later) == 2, "none but new children is noted as one, once it has a state"
    for line in born_later:
        assert line.inherit is not None and lines[8, line.inherit.base % 8].id == line.inherit.base

    # Stopped when all but one of that chunk are told, and gone on with from the saved state or from the record.
    stopped = replace(wanted, limits=replace(wanted.limits, queries=8 * 3 - 1))
    run_folder(tmp_path / "run", stopped, isolate=False)
    if not state:
        (tmp_path / "run" / "state.npz").unlink()
    assert records(run_folder(tmp_path / "run", None, isolate=False, limits=wanted.limits)) == records(whole)


class Copying(SelectingStrategy):
    """A strategy as users write one."""

    def offspring(self, parents: Sequence[Member], fitness: Mapping[int, float]) -> Child:
        base, donor = parents[:2]
        assert base.trial is not None
        return Child(base.arch, Inherit(base.trial, {0: donor.trial}), (base.id, donor.id))


def test_a_recipe_waits_until_it_has_been_used() -> None:
    options = Selection(population=8, epochs=20, step=2, survivors=0.5, warm_epochs=20, warm_step=8)
    strategy = Copying(PlantedSpace(), PLANTED_CRITERIA, np.random.default_rng(0), options)
    asked: list[list[Any]] = []
    for number in range(6):
        asked.append(list(strategy.ask(100)))
        wrong = range(1, 4) if number in (4, 5) else ()
        trials = [
            Trial(8 * number + member, p, Result.failed("x") if member in wrong else Result({"worth": float(member)}))
            for member, p in enumerate(asked[-1])
        ]
        strategy.tell(trials[:-1])
        if number == 4:
            assert strategy.needed() >= {30, 31}, "the parents have trained on, and three children were not made"
            twin = Copying(PlantedSpace(), PLANTED_CRITERIA, np.random.default_rng(0), options)
            twin.load_state_dict(strategy.state_dict())
            strategy = twin
        strategy.tell(trials[-1:])
    recipe = Inherit(31, {0: 30}, reseed=True)
    assert [p.inherit for p in asked[4][:4]] == [recipe] * 4
    assert [p.inherit for p in asked[5]] == [Inherit(32), *[recipe] * 3, *map(Inherit, range(36, 40))]
    assert [p.note for p in asked[5][:4]] == [{"member": 0}, *({"member": m, "parents": [7, 6]} for m in (1, 2, 3))]
    last = list(strategy.ask(100))
    assert [p.inherit for p in last[:4]] == [Inherit(40), recipe, recipe, recipe]
    assert all(p.fidelity == 14 for p in last)


def test_two_members_that_are_the_same_network_are_two_trainings(trained: Path) -> None:
    trained.write_text(ALIKE)
    report = run_in_memory(request(str(trained)))
    assert not report.history.failed and report.ending == "all queries asked"
    assert [line.same for line in report.history.lines] == [None] * (8 * 6)


ALIKE = """
from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask
from archloom.testing import PlantedSpace

class AlikeByTheFirstGene(PlantedSpace):
    def key(self, arch):
        return str(arch.genes[0])

problem = TaskProblem(AlikeByTheFirstGene(), PlantedTask())
"""
