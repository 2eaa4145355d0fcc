"""The JSON objects that other programs rely on."""

from __future__ import annotations

import io
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import archloom
from archloom.checkpoints.chains import Leaving
from archloom.checkpoints.experience import EXPERIENCE
from archloom.cli import output
from archloom.problems import ProblemSpec
from archloom.runs import folders
from archloom.runs.budgets import Limits
from archloom.runs.prepare import Request
from archloom.runs.report import RunReport


def report_of(table: Path, **more: object) -> RunReport:
    spec = replace(ProblemSpec("nb201", str(table)), **more)  # type: ignore[arg-type]
    return folders.run_in_memory(Request("random", spec, 0, Limits(20)))


def test_the_object_of_one_run(small_table: Path) -> None:
    report = report_of(small_table)
    found = output.search_object([report])
    assert found["strategy"] == "random" and found["on"] == "nb201" and found["queries"] == 20
    assert found["objective"] == "valid" and found["table"] == "small.npz"
    (run,) = found["runs"]
    assert run["seed"] == 0 and run["out"] is None and run["queries"] == 20 and run["seconds"] >= 0
    assert set(run["best"]) == {"arch", "value", "rank", "query", "fidelity", "report"}
    assert run["best"]["report"] == {"test": pytest.approx(run["best"]["value"] - 1, abs=1e-4)}
    assert run["curve"][0][0] == 1 and run["curve"][-1] == [20, run["best"]["value"]]
    values = [value for _, value in run["curve"]]
    assert values == sorted(values)
    assert found["mean"] == run["best"]["value"] and found["std"] is None


def test_several_objectives_and_constraints(small_table: Path) -> None:
    report = report_of(small_table, objectives=("valid", "params"), constraints=("params<=4",))
    found = output.search_object([report])
    assert found["objective"] == ["valid", "params"] and found["constraints"] == ["params<=4"]
    (run,) = found["runs"]
    assert run["pareto"] and all(point["scores"]["params"] <= 4 for point in run["pareto"])


def test_failed_trials_and_nothing_feasible_are_exit_code_1(small_table: Path) -> None:
    assert output.exit_code([report_of(small_table)]) == 0
    failing = report_of(small_table, objectives=("holes",))
    assert failing.value is not None and output.exit_code([failing]) == 1
    nothing = report_of(small_table, constraints=("valid>=71",))
    assert nothing.value is None and output.exit_code([nothing]) == 1
    found = output.search_object([nothing])
    assert found["runs"][0]["best"] is None and found["runs"][0]["curve"] == [] and found["mean"] is None


def test_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str], small_table: Path) -> None:
    output.print_json(output.search_object([report_of(small_table)]))
    printed = capsys.readouterr().out
    assert printed.endswith("\n") and printed.count("\n") == 1
    assert json.loads(printed)["strategy"] == "random"
    output.print_json({"value": float("nan")})
    assert capsys.readouterr().out == '{"value": null}\n'


def test_what_a_stream_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    output.say("94.3 ± 0.1  µ_s \x1b[31m\udcff")
    output.print_json({"µ": "±\udcff"})
    text, document = raw.getvalue().decode("ascii").splitlines()
    assert text == r"94.3 \xb1 0.1  \xb5_s \udcff"
    assert json.loads(document) == {"µ": "±\udcff"}


def test_what_to_type_next_can_be_typed(small_table: Path) -> None:
    typed = output.next_steps(Path("-a b/it's"), [report_of(small_table)] * 2).splitlines()[1:]
    assert [shlex.split(line.removeprefix("next:"))[2] for line in typed] == ["./-a b/it's"] * 2


@pytest.mark.parametrize(
    ("objectives", "kind"), [(("valid", "params"), "pareto"), (("valid", "params", "test"), "hypervolume")]
)
def test_of_several_objectives_the_plot_of_all_of_them_is_named(
    small_table: Path, objectives: tuple[str, ...], kind: str
) -> None:
    report = report_of(small_table, objectives=objectives)
    assert f"      archloom plot runs/a --kind {kind}" in output.next_steps(Path("runs/a"), [report]).splitlines()
    assert f"--kind {kind}" not in output.next_steps(Path("runs/a"), [report_of(small_table)])


def test_surrogates_that_have_not_mixed_are_noted(capsys: pytest.CaptureFixture[str]) -> None:
    space = archloom.Space({"x": archloom.Real(0.0, 1.0)})
    problem = archloom.Problem(space, lambda choices, rng: {"worth": choices["x"]}, {"worth": "max"})
    tiny = {"initial": 2, "batch": 2, "burn_in": 5, "samples": 4, "keep_every": 1, "population": 4, "evaluations": 4}
    output.note_unmixed([archloom.run("mobo", problem, queries=4, **tiny)])
    assert "2 of 2 architectures were chosen although the surrogate's chains have not mixed" in capsys.readouterr().err
    output.note_unmixed([archloom.run("random", problem, queries=4)])
    assert not capsys.readouterr().err


def test_of_an_agent_a_video_is_named_and_its_policy(small_table: Path) -> None:
    report = report_of(small_table)
    problem = report.scenario.problem
    problem.trains, problem.leaves = True, Leaving(EXPERIENCE, 1)
    typed = output.next_steps(Path("runs/a"), [report]).splitlines()
    assert "      archloom export runs/a -o policy.safetensors" in typed
    assert "      archloom evaluate runs/a --video episode.gif" in typed
