"""The model behind a run, fitted again to what the run has recorded."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import archloom
from archloom.analysis.surrogate import Surrogate, only_run
from archloom.errors import InputError
from archloom.runs.history import History
from archloom.runs.report import RunReport, read_report


@pytest.fixture(scope="module")
def searched(small_table: Path, tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    """A run of 14 queries, of which the model has chosen the last nine."""
    out = tmp_path_factory.mktemp("runs") / "bo"
    archloom.run("graph_bo", on=archloom.scenario("nb201", table=small_table), queries=14, out=out)
    return read_report(out, need_space=True)


def changed(report: RunReport, count: int, **entries: Any) -> RunReport:
    """The first trials of a report, changed."""
    lines = [replace(line, **entries) for line in report.history.lines[:count]]
    return dataclasses.replace(report, history=History.of(lines, report.scenario.criteria))


def test_what_the_model_says_and_what_it_expected(searched: RunReport) -> None:
    found = Surrogate.of(searched)
    (model,) = found.explanation.objectives
    lines = searched.history.lines
    assert model.values.tolist() == [line.scores[model.metric] for line in lines]
    assert model.metric == searched.scenario.objectives[0]
    expected = [(query, lines[query - 1].note["log_improvement"]) for query in range(6, 15)]
    assert found.expected == expected and all("log_improvement" not in line.note for line in lines[:5])


def test_it_is_the_same_again_and_the_folder_stays_as_it_is(searched: RunReport, listing: Any) -> None:
    folder = searched.path
    assert folder is not None
    before = listing(folder)
    one, other = (Surrogate.of(read_report(folder, need_space=True)).explanation for _ in range(2))
    assert one.objectives[0].predicted.tolist() == other.objectives[0].predicted.tolist()
    assert one.objectives[0].genes == other.objectives[0].genes
    assert listing(folder) == before


def test_a_run_that_was_warm_started_knows_the_earlier_one(
    searched: RunReport, small_table: Path, tmp_path: Path
) -> None:
    assert searched.path is not None
    given: Any = {"on": archloom.scenario("nb201", table=small_table), "queries": 4, "warm_start": searched.path}
    archloom.run("graph_bo", seed=1, out=tmp_path / "warm", **given)
    found = Surrogate.of(read_report(tmp_path / "warm", need_space=True))
    assert len(found.explanation.objectives[0].values) == 18
    assert [query for query, _ in found.expected] == [1, 2, 3, 4]
    with pytest.raises(InputError, match="run it with out=FOLDER"):
        Surrogate.of(archloom.run("graph_bo", **given))


def test_runs_that_have_no_model_are_refused(searched: RunReport, make_report: Any) -> None:
    with pytest.raises(InputError, match="random has no such model to show: show a run of graph_bo"):
        Surrogate.of(make_report([1, 2, 3]))
    with pytest.raises(InputError, match="chosen none of 5 queries yet, the first ones are drawn at random"):
        Surrogate.of(changed(searched, 5))
    with pytest.raises(InputError, match="chosen none of 14 queries yet"):
        Surrogate.of(changed(searched, 14, note={}))
    with pytest.raises(InputError, match="nothing to show: all 14 trials failed"):
        Surrogate.of(changed(searched, 14, scores={}, error="broken"))
    with pytest.raises(InputError, match="has 2 results at its highest fidelity; expected at least 3"):
        Surrogate.of(changed(searched, 2, note={"log_improvement": -1.0}))


def test_no_code_is_run_for_a_record_that_names_a_strangers_strategy(searched: RunReport, tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("raise SystemExit('this was run')")
    request = dataclasses.replace(searched.request, strategy=f"{tmp_path}/theirs.py:Bo")
    with pytest.raises(InputError, match="bo has no such model"):
        Surrogate.of(dataclasses.replace(searched, request=request))


def test_one_of_several_runs_must_be_named(searched: RunReport, make_report: Any) -> None:
    assert only_run({"mine": [searched]}) == ("mine", searched)
    with pytest.raises(
        InputError, match=rf"of one run, these are 3: .* archloom plot {searched.path} --kind surrogate"
    ):
        only_run({"random": [make_report([1]), make_report([2])], "mine": [searched]})
    with pytest.raises(InputError, match=r"these are 2: name one of them$"):
        only_run({"random": [make_report([1]), make_report([2])]})
