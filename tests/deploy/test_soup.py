"""Greedy soups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs.folders import limits_for, run_folder
from archloom.runs.manifest import checkpoints_of
from archloom.runs.prepare import Request
from archloom.runs.record import read_manifest
from archloom.runs.report import RunReport, read_report, recorded_report
from archloom.runs.search import Progress
from archloom.utils.documents import write_sealed

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.checkpoints.state import TrainingState  # noqa: E402
from archloom.deploy.final import open_member  # noqa: E402
from archloom.deploy.soup import greedy_soup, winners  # noqa: E402
from archloom.runs.record import TrialRecord  # noqa: E402


def run(problem: Path, strategy: str, progress: Progress | None = None, **options: str) -> RunReport:
    folder = problem.parent / "run"
    request = Request(strategy, ProblemSpec(str(problem)), 0, limits_for(strategy, options, None, None), options)
    run_folder(folder, request, progress=progress, isolate=False)
    return read_report(folder, need_space=True)


@pytest.fixture
def population(trained: Path) -> RunReport:
    """A population most of which has the winner's architecture."""
    return run(trained, "pbt_nas", population="8", epochs="20", step="2")


@pytest.mark.parametrize("trials", [13, 61, 71, 72, 77, 79])
def test_a_run_that_was_stopped_anywhere_has_all_it_needs(trained: Path, trials: int) -> None:
    """Also while the next chunk trains, when those who are done with it stand elsewhere."""
    recorded = 0

    def stop(lines: Sequence[TrialRecord]) -> None:
        nonlocal recorded
        recorded += len(lines)
        if recorded >= trials:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(trained, "pbt_nas", stop, population="8", epochs="20", step="2")
    report = read_report(trained.parent / "run", need_space=True)
    assert report.trials == trials
    soup = greedy_soup(report)
    assert len(soup.members) + len(soup.left_out) > 1 or trials < 20, "by and by the winner's genes are everywhere"


def set_layers(report: RunReport, trial: int, value: float) -> None:
    """Give every layer of a member's network this number."""
    assert report.path is not None
    states = checkpoints_of(report.path)
    state: TrainingState = states.load(trial)
    tensors = {name: torch.full_like(tensor, value) for name, tensor in state.networks["network"].items()}
    states.save(trial, TrainingState({"network": tensors}, rest=state.rest))


def test_it_is_never_worse_than_the_best_member(population: RunReport) -> None:
    soup = greedy_soup(population)
    content = soup.to_json("worth")
    assert content["difference"] >= 0
    assert len(soup.members) + len(soup.left_out) > 1, "several members have the winner's architecture"
    assert soup.metrics["worth"] == pytest.approx(content["best_member"]["worth"] + content["difference"])


def test_members_are_added_best_first_as_long_as_the_mean_gets_better(population: RunReport) -> None:
    """The score of a network is the mean of its layers, so what is above the soup's own score makes it better."""
    ranked = winners(population)
    assert len(ranked) >= 3
    for line, value in zip(ranked, [0.5, 0.7, 0.2, *[0.1] * 8], strict=False):
        set_layers(population, line.id, value)
    soup = greedy_soup(population)
    members = [int(line.trial.proposal.note["member"]) for line in ranked]
    assert soup.members == tuple(members[:2]), "0.6 is above 0.5; the third would bring it down to 0.47"
    assert set(soup.left_out) == set(members[2:])
    assert soup.best["worth"] == pytest.approx(50)
    assert soup.metrics["worth"] == pytest.approx(60)
    assert all(tensor.item() == pytest.approx(0.6) for tensor in soup.state.networks["network"].values())


def test_only_the_parts_asked_for_are_averaged(population: RunReport) -> None:
    ranked = winners(population)
    for line, value in zip(ranked, [0.5, 0.7, *[0.1] * 8], strict=False):
        set_layers(population, line.id, value)
    soup = greedy_soup(population, ["network.layers.3"])
    values = {name: tensor.item() for name, tensor in soup.state.networks["network"].items()}
    assert values.pop("layers.3.weight") == pytest.approx(0.6)
    assert set(values.values()) == {0.5}
    with pytest.raises(InputError, match="to be averaged"):
        greedy_soup(population, ["generator"])


def test_alone_the_best_member_is_the_soup(trained: Path) -> None:
    report = run(trained, "random_population", population="4", epochs="4", step="2")
    soup = greedy_soup(report)
    assert len(soup.members) == 1
    assert soup.to_json("worth")["difference"] == 0
    assert soup.best_tried is None and soup.difference_tried("worth") is None


def test_what_was_tried_and_not_kept_is_known(population: RunReport) -> None:
    """PBT-NAS's Table 5 has the best mean of several members, which may be worse than the best one alone."""
    ranked = winners(population)
    for line, value in zip(ranked, [0.5, 0.3, 0.4, *[0.1] * 8], strict=False):
        set_layers(population, line.id, value)
    soup = greedy_soup(population)
    assert len(soup.members) == 1 and soup.difference("worth") == 0
    assert len(soup.tried) == len(ranked) - 1 and all(len(tried.members) == 2 for tried in soup.tried)
    assert soup.best_tried == soup.tried[1], "that with 0.4"
    assert soup.difference_tried("worth") == pytest.approx(-5)
    assert soup.to_json("worth")["difference_tried"] == soup.difference_tried("worth")


FALLING = """
from archloom.constraints import Winner
from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask, PlantedTraining
from archloom.testing import PlantedSpace

class Falling(PlantedTraining):
    def evaluate(self):
        worth = super().evaluate()["worth"]
        return {"worth": worth - 50 * self.epochs, "test_worth": worth}

    def evaluate_finally(self):
        return {"worth": -self.evaluate()["worth"], "thorough": 1.0}

class FallingTask(PlantedTask):
    def begin(self, arch, seed):
        return Falling(arch, seed)

WINNER
problem = TaskProblem(PlantedSpace(), FallingTask())
problem.isolate = False
"""
"""Networks that are worth less after every chunk, whatever they learn, and finally their opposite."""

LAST = "FallingTask.winner = Winner.OF_LAST_POPULATION"


@pytest.mark.parametrize(("rule", "epoch"), [("", 2), (LAST, 4)], ids=["ever", "last population"])
def test_the_population_with_the_best_is_what_the_task_says(trained: Path, rule: str, epoch: int) -> None:
    """The run is stopped in the middle of a chunk, and looked at with its file and without."""
    trained.write_text(FALLING.replace("WINNER", rule))
    recorded = 0

    def stop(lines: Sequence[TrialRecord]) -> None:
        nonlocal recorded
        recorded += len(lines)
        if recorded >= 4 * 2 + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(trained, "pbt_nas", stop, population="4", epochs="8", step="2", itself="true", survivors="0.5")
    folder = trained.parent / "run"
    report = read_report(folder, need_space=True)
    population = {line.id: line for line in report.history.lines if line.fidelity == epoch}
    best = report.best
    assert best == max(population.values(), key=lambda line: line.scores["worth"])
    assert recorded_report(folder).best == best
    assert open_member(report).evaluate()["worth"] == pytest.approx(-best.scores["worth"])
    same = [line for line in population.values() if line.genes == best.genes]
    assert winners(report) == sorted(same, key=lambda line: -line.scores["worth"])
    soup = greedy_soup(report)
    assert (soup.trial, soup.epoch, soup.ahead) == (best.id, epoch, None)
    assert soup.best["worth"] == pytest.approx(best.scores["worth"])

    done = run_folder(folder, None, isolate=False)
    last = [line for line in done.history.lines if line.fidelity == (8 if rule else 2)]
    assert done.best == max(last, key=lambda line: line.scores["worth"])
    assert greedy_soup(read_report(folder, need_space=True)).trial == done.best.id


def test_a_soup_of_final_settings_is_judged_by_these(trained: Path) -> None:
    """By which whatever makes it better in the search makes it worse."""
    trained.write_text(FALLING.replace("WINNER", LAST))
    report = run(trained, "pbt_nas", population="8", epochs="4", step="2", itself="true", survivors="0.25")
    ranked = winners(report)
    assert len(ranked) == 7, "the better of the two parents, and its children"
    for line, value in zip(ranked, [0.5, 0.7, 0.2, *[0.9] * 4], strict=True):
        set_layers(report, line.id, value)
    members = [int(line.trial.proposal.note["member"]) for line in ranked]
    found = greedy_soup(report)
    assert found.members[:2] == tuple(members[:2]) and members[2] in found.left_out
    soup = greedy_soup(report, final=True)
    assert soup.members == (members[0], members[2])
    assert soup.best["worth"] == pytest.approx(-(50 - 50 * 4))
    assert soup.metrics["worth"] == pytest.approx(-(35 - 50 * 4))
    assert soup.metrics["thorough"] == 1
    with pytest.raises(InputError, match="task option nothing: it affects more than the evaluation"):
        greedy_soup(report, final=True, settings={"nothing": "1"})


def test_a_soup_that_is_behind_says_so(trained: Path) -> None:
    """A chunk that was not over has the best of the run."""
    recorded = 0

    def stop(lines: Sequence[TrialRecord]) -> None:
        nonlocal recorded
        recorded += len(lines)
        if recorded >= 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(trained, "pbt_nas", stop, population="8", epochs="4", step="1")
    report = read_report(trained.parent / "run", need_space=True)
    best = report.best
    assert best is not None and best.fidelity == 2
    soup = greedy_soup(report)
    assert soup.epoch == 1
    assert soup.ahead == (best.id, 2, best.scores["worth"])
    assert soup.to_json("worth")["run_ahead"] == {"trial": best.id, "epoch": 2, "value": best.scores["worth"]}
    final = greedy_soup(report, final=True).ahead
    assert final is not None and final[2] == pytest.approx(best.scores["worth"])


def test_a_run_that_began_without_the_rule_keeps_its_own(trained: Path) -> None:
    """Of what ran before tasks had one, the best is that of the last chunk, whose states are there."""
    trained.write_text(FALLING.replace("WINNER", ""))
    folder, options = trained.parent / "run", {"population": "4", "epochs": "6", "step": "2"}
    request = Request("pbt_nas", ProblemSpec(str(trained)), 0, limits_for("pbt_nas", options, 4 * 2, None), options)
    run_folder(folder, request, isolate=False)
    manifest = {name: value for name, value in read_manifest(folder).items() if name not in ("winner", "sha256")}
    write_sealed(folder / "run.json", manifest)
    report = read_report(folder, need_space=True)
    assert report.best is not None and report.best.fidelity == 4
    done = run_folder(folder, None, isolate=False, limits=limits_for("pbt_nas", options, None, None))
    assert done.best is not None and done.best.fidelity == 6
    assert greedy_soup(read_report(folder, need_space=True)).epoch == 6


def test_what_says_no_rule_is_told(trained: Path) -> None:
    trained.write_text(FALLING.replace("WINNER", "FallingTask.winner = 'last'"))
    with pytest.raises(InputError, match=r"task planted: winner='last': expected an archloom.constraints.Winner"):
        run(trained, "pbt_nas")


def test_what_has_no_population_has_no_soup(tmp_path: Path, trained: Path) -> None:
    request: Any = Request("random", ProblemSpec(str(trained)), 0, limits_for("random", {}, 3, None))
    run_folder(tmp_path / "run", request, isolate=False)
    with pytest.raises(
        InputError, match=r"strategy random has trained no population through a whole chunk.*archloom resume"
    ):
        greedy_soup(read_report(tmp_path / "run", need_space=True))
