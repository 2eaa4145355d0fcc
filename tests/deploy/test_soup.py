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
from archloom.runs.report import RunReport, read_report
from archloom.runs.search import Progress

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.checkpoints.state import TrainingState  # noqa: E402
from archloom.deploy.soup import greedy_soup  # noqa: E402
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
    best = max(population.history.lines[-8:], key=lambda line: line.scores["worth"])
    same = [line for line in population.history.lines[-8:] if line.genes == best.genes]
    ranked = sorted(same, key=lambda line: -line.scores["worth"])
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
    best = max(population.history.lines[-8:], key=lambda line: line.scores["worth"])
    same = [line for line in population.history.lines[-8:] if line.genes == best.genes]
    ranked = sorted(same, key=lambda line: -line.scores["worth"])
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


def test_what_has_no_population_has_no_soup(tmp_path: Path, trained: Path) -> None:
    request: Any = Request("random", ProblemSpec(str(trained)), 0, limits_for("random", {}, 3, None))
    run_folder(tmp_path / "run", request, isolate=False)
    with pytest.raises(
        InputError, match=r"strategy random has trained no population through a whole chunk.*archloom resume"
    ):
        greedy_soup(read_report(tmp_path / "run", need_space=True))
