"""Which trials of earlier runs a run is warm started with, and that it keeps them."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from archloom.errors import InputError, StoreError
from archloom.problems import ProblemSpec
from archloom.problems.scenario import open_scenario
from archloom.runs import folders, groups
from archloom.runs.budgets import Limits
from archloom.runs.earlier import take_runs, warm_start
from archloom.runs.prepare import Preparer, Request
from archloom.runs.record import EARLIER, read_lines
from archloom.runs.report import RunReport
from archloom.runs.warm_start import Earlier
from archloom.utils.documents import write_sealed

HALF = """
import archloom
space = archloom.Categorical({"a": [1, 2, 3], "b": [1, 2, 3]})
def evaluate(choices):
    if choices["a"] == 2:
        raise RuntimeError("no GPU")
    return choices["a"] * choices["b"]
problem = archloom.Problem(space, evaluate, {"score": "max"})
again = archloom.Problem(space, evaluate, {"score": "max"})
"""


def on_table(table: Path, *objectives: str, **more: Any) -> ProblemSpec:
    return ProblemSpec("nb201", str(table), objectives, **more)


def run(path: Path, problem: ProblemSpec, queries: int = 6, strategy: str = "random") -> Path:
    folders.run_folder(path, Request(strategy, problem, 0, Limits(queries)), isolate=False)
    return path


def taken(problem: ProblemSpec, *paths: Path) -> Earlier:
    return take_runs(paths, open_scenario(problem))[1]


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change `run.json` as a person may who knows how."""
    content = json.loads((path / "run.json").read_text())
    change(content)
    write_sealed(path / "run.json", content)


# -- what is taken ------------------------------------------------------------------------------------------------


def test_all_trials_of_a_run_are_taken_with_its_failures_and_without_reports(tmp_path: Path, small_table: Path) -> None:
    first = run(tmp_path / "first", on_table(small_table, "holes", report=("test",)), 60)
    made, earlier = take_runs([first], open_scenario(on_table(small_table, "holes")))
    (found,) = earlier.runs
    lines = [line for line in read_lines(first) if line.query is not None]
    assert len(lines) == 60 < len(read_lines(first))
    assert [trial.proposal.arch.genes for trial in found.trials] == [line.genes for line in lines]
    assert [trial.result.scores for trial in found.trials] == [line.scores for line in lines]
    assert {trial.result.ok for trial in found.trials} == {True, False}
    assert any(line.report for line in lines) and not any(trial.result.report for trial in found.trials)
    (source,) = made.sources
    assert (source.run, source.trials, source.same_problem) == (str(first), len(lines), True)
    assert source.best == max(line.scores["holes"] for line in lines if line.scores)
    assert made.sha256 == earlier.sha256


def test_of_a_group_every_run_that_has_begun_is_taken(tmp_path: Path, small_table: Path) -> None:
    members = {f"seed-{seed}": Request("random", on_table(small_table), seed, Limits(4)) for seed in range(3)}
    group = groups.Group.create(tmp_path / "group", members)
    with pytest.raises(InputError, match=r"--warm-start .*group: it has no trials yet"):
        taken(on_table(small_table), group.path)
    for name in ("seed-0", "seed-2"):
        folders.run_folder(group.path / name, group.members[name])
    made, earlier = take_runs([group.path], open_scenario(on_table(small_table)))
    assert [source.trials for source in made.sources] == [8] and len(earlier.runs) == 2
    assert [each.trials[0].proposal.arch.genes for each in earlier.runs] == [
        read_lines(group.path / name)[0].genes for name in ("seed-0", "seed-2")
    ]


def test_a_run_on_another_space_is_refused(tmp_path: Path, small_table: Path, planted: Path) -> None:
    first = run(tmp_path / "first", ProblemSpec(str(planted)))
    with pytest.raises(InputError, match="first: it searched space 'planted', and this run searches 'nb201'; expected"):
        taken(on_table(small_table), first)


def test_a_space_of_the_same_name_with_other_options_is_another(tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(HALF)
    first = run(tmp_path / "first", ProblemSpec(str(file)), 3)
    other = tmp_path / "other.py"
    other.write_text(HALF.replace('"b": [1, 2, 3]', '"b": [1, 2, 3, 4]'))
    with pytest.raises(InputError, match="another space 'table': b was one of 1, 2, 3 and is one of 1, 2, 3, 4; exp"):
        taken(ProblemSpec(str(other)), first)


def test_a_run_of_an_early_version_does_not_say_as_much(tmp_path: Path, small_table: Path, planted: Path) -> None:
    def forget(manifest: dict[str, Any]) -> None:
        for name in ("space_fingerprint", "resource", "checksum"):
            del manifest[name]
        del manifest["request"]["warm_start"]

    first, other = run(tmp_path / "first", on_table(small_table)), run(tmp_path / "other", ProblemSpec(str(planted)))
    rewrite(first, forget)
    rewrite(other, forget)
    (found,) = taken(on_table(small_table), first).runs
    assert len(found.trials) == 6 and not found.same_problem
    with pytest.raises(InputError, match="it searched space 'planted'"):
        taken(on_table(small_table), other)


def test_a_damaged_record_is_refused(tmp_path: Path, small_table: Path) -> None:
    first = run(tmp_path / "first", on_table(small_table))
    record = first / "trials.jsonl"
    lines = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(StoreError, match="lacks trial 2"):
        taken(on_table(small_table), first)
    record.write_bytes(b"".join(lines).replace(b"5", b"6", 1))
    with pytest.raises(StoreError, match="line 1 is damaged"):
        taken(on_table(small_table), first)


def test_each_run_is_given_once_and_must_have_trials(tmp_path: Path, small_table: Path) -> None:
    first = run(tmp_path / "first", on_table(small_table))
    with pytest.raises(InputError, match="give each run once"):
        taken(on_table(small_table), first, first / ".." / "first")
    (first / "trials.jsonl").write_bytes(b"")
    (first / "summary.json").unlink()
    with pytest.raises(InputError, match="it has no trials yet"):
        taken(on_table(small_table), first)
    with pytest.raises(InputError, match="nowhere is not a run folder"):
        taken(on_table(small_table), tmp_path / "nowhere")


# -- whether it is the same problem -------------------------------------------------------------------------------


def same(problem: ProblemSpec, path: Path) -> bool:
    (found,) = taken(problem, path).runs
    return found.same_problem


def test_other_objectives_on_the_same_table_are_the_same_problem(tmp_path: Path, small_table: Path) -> None:
    first = run(tmp_path / "first", on_table(small_table, "valid", constraints=("params<=3",)))
    (found,) = taken(on_table(small_table, "params"), first).runs
    assert found.same_problem and found.criteria.metrics == ("valid", "params")


def test_another_table_or_another_reading_of_it_is_another_problem(
    tmp_path: Path, small_table: Path, nb201_table: Any
) -> None:
    first = run(tmp_path / "first", on_table(small_table))
    copy = shutil.copy(small_table, tmp_path / "copy.npz")
    assert same(on_table(copy), first)  # its content counts, not its place
    assert not same(on_table(small_table, space={"canonical": "true"}), first)
    assert not same(ProblemSpec("fitted:nb201", str(small_table)), first)
    full = run(tmp_path / "full", on_table(nb201_table.path, "cifar10_valid"))
    assert same(on_table(nb201_table.path, "cifar100_valid"), full)
    assert not same(on_table(nb201_table.path, "cifar10_valid_12"), full)  # fidelities mean something else


def test_options_are_compared_as_they_are_typed(tmp_path: Path, small_table: Path) -> None:
    first = run(tmp_path / "first", on_table(small_table, space={"canonical": "true"}))
    assert same(on_table(small_table, space={"canonical": True}), first)


def test_of_a_problem_of_ones_own_the_code_counts(tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(HALF)
    first = run(tmp_path / "first", ProblemSpec(str(file)), 3)
    assert same(ProblemSpec(str(file)), first)
    (tmp_path / "moved").mkdir()
    moved = tmp_path / "moved" / "half.py"
    shutil.copy(file, moved)
    assert same(ProblemSpec(str(moved)), first)
    assert not same(ProblemSpec(f"{file}:again"), first)
    moved.write_text(HALF.replace("*", "+"))
    assert not same(ProblemSpec(str(moved)), first)


def test_networks_that_train_are_compared_by_data_and_options(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    pytest.importorskip("sklearn", reason="the digits need the extra images")
    small = {"epochs": "1", "steps_per_epoch": "1"}
    first = run(tmp_path / "first", ProblemSpec("images:digits", task=small), 1)
    assert same(ProblemSpec("images:digits", task={"steps_per_epoch": 1, "epochs": 1}), first)
    assert not same(ProblemSpec("images:digits", task={**small, "epochs": "2"}), first)


# -- what a run keeps ---------------------------------------------------------------------------------------------


def warm_request(problem: ProblemSpec, strategy: str, paths: Sequence[Path], preparer: Preparer) -> Request:
    known = warm_start(paths, problem, [preparer.choose(strategy, {})], preparer)
    return Request(strategy, problem, 0, Limits(8), {}, known)


def test_without_runs_there_is_no_warm_start() -> None:
    assert warm_start([], ProblemSpec("nb201"), [], Preparer()) is None


@pytest.mark.parametrize("left", [0, 3, 8])
def test_a_killed_run_goes_on_with_what_it_began_with(tmp_path: Path, small_table: Path, warm: str, left: int) -> None:
    first = run(tmp_path / "first", on_table(small_table, "params"), 200)
    preparer = Preparer()
    request = warm_request(on_table(small_table), warm, [first], preparer)
    whole = folders.run_folder(tmp_path / "run", request, preparer=preparer)
    assert whole.best is not None and whole.best.note == {"earlier": [[True, "params", 200]]}
    assert not {line.genes for line in read_lines(first)} & {line.genes for line in read_lines(tmp_path / "run")}
    shutil.rmtree(first)
    before = (tmp_path / "run" / "trials.jsonl").read_bytes()
    lines = before.splitlines(keepends=True)
    (tmp_path / "run" / "trials.jsonl").write_bytes(b"".join(lines[:left]))
    (tmp_path / "run" / "state.npz").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        folders.run_folder(tmp_path / "run")
    assert (tmp_path / "run" / "trials.jsonl").read_bytes() == before


def test_graph_bo_asks_for_nothing_that_the_same_problem_has_answered(tmp_path: Path, small_table: Path) -> None:
    first = run(tmp_path / "first", on_table(small_table, "holes"), 30)
    preparer = Preparer()
    request = warm_request(on_table(small_table, "holes"), "graph_bo", [first], preparer)
    found = folders.run_folder(tmp_path / "run", request, preparer=preparer)
    assert found.value is not None and found.value > max(line.scores.get("holes", 0) for line in read_lines(first))
    assert any(line.error for line in read_lines(first))
    assert not {line.genes for line in read_lines(first)} & {line.genes for line in read_lines(tmp_path / "run")}
    shutil.rmtree(first)
    before = (tmp_path / "run" / "trials.jsonl").read_bytes()
    (tmp_path / "run" / "trials.jsonl").write_bytes(b"".join(before.splitlines(keepends=True)[:4]))
    (tmp_path / "run" / "state.npz").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        folders.run_folder(tmp_path / "run")
    assert (tmp_path / "run" / "trials.jsonl").read_bytes() == before


def test_the_copy_is_there_before_the_run(tmp_path: Path, small_table: Path, warm: str) -> None:
    first = run(tmp_path / "first", on_table(small_table))
    preparer = Preparer()
    request = warm_request(on_table(small_table), warm, [first], preparer)

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folders.run_folder(tmp_path / "run", request, on_open=killed, preparer=preparer)
    shutil.rmtree(first)
    assert folders.run_folder(tmp_path / "run").history.queries == 8


def test_a_damaged_copy_stops_the_run(tmp_path: Path, small_table: Path, warm: str) -> None:
    first = run(tmp_path / "first", on_table(small_table))
    preparer = Preparer()
    request = warm_request(on_table(small_table), warm, [first], preparer)
    folders.run_folder(tmp_path / "run", request, preparer=preparer)
    with (tmp_path / "run" / EARLIER).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(StoreError, match="has changed since archloom wrote it"):
        folders.run_folder(tmp_path / "run", preparer=preparer)


def test_a_space_whose_options_have_moved_is_noticed_by_the_copy_alone(tmp_path: Path, warm: str) -> None:
    file = tmp_path / "half.py"
    file.write_text(HALF)
    first = run(tmp_path / "first", ProblemSpec(str(file)), 3)
    preparer = Preparer()
    request = warm_request(ProblemSpec(str(file)), warm, [first], preparer)
    folders.run_folder(tmp_path / "run", request, preparer=preparer, isolate=False)
    for left in ("trials.jsonl", "summary.json", "state.npz"):
        (tmp_path / "run" / left).unlink()
    file.write_text(HALF.replace('"a": [1, 2, 3]', '"a": [3, 2, 1]'))
    with pytest.raises(InputError, match=r"earlier.jsonl: trial 0 is recorded as a=\d, b=\d, but in space 'table'"):
        folders.run_folder(tmp_path / "run", changed=True, isolate=False)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_run_of_a_group_has_its_copy(tmp_path: Path, small_table: Path, warm: str, workers: int) -> None:
    first = run(tmp_path / "first", on_table(small_table, "params"), 100)
    preparer = Preparer()
    request = warm_request(on_table(small_table), warm, [first], preparer)
    members = {
        f"seed-{seed}": Request(warm, request.problem, seed, Limits(4), {}, request.warm_start) for seed in (0, 1)
    }
    group = groups.Group.create(tmp_path / "group", members, preparer=preparer)
    shutil.rmtree(first)
    group = groups.Group.open(tmp_path / "group").with_seeds(3)
    group.write()
    for report in groups.run_group(group, workers):
        assert isinstance(report, RunReport), report
        assert report.history.lines[0].note == {"earlier": [[True, "params", 100]]}
    copies = {(path / EARLIER).read_bytes() for path in [group.path, *group.paths]}
    assert len(copies) == 1 and len(group.paths) == 3
    alone = shutil.copytree(group.path / "seed-1", tmp_path / "alone")
    assert folders.run_folder(alone, limits=Limits(6)).history.queries == 6
    with (group.path / EARLIER).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(StoreError, match="has changed since archloom wrote it"):
        groups.Group.open(group.path).check()


def test_a_run_with_another_warm_start_is_another_run(tmp_path: Path, small_table: Path, warm: str) -> None:
    first = run(tmp_path / "first", on_table(small_table))
    preparer = Preparer()
    request = warm_request(on_table(small_table), warm, [first], preparer)
    members = {"seed-0": request}
    group = groups.Group.create(tmp_path / "group", members, preparer=preparer)
    folders.run_folder(group.path / "seed-0", Request(warm, request.problem, 0, Limits(8)))
    (said,) = groups.run_group(group, 1)
    assert isinstance(said, str) and "its warm start is None, not " in said
