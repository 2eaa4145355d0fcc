from __future__ import annotations

import json
import os
import signal
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archloom.checkpoints.retention import RetentionPolicy
from archloom.data.tables import load_table, save_table
from archloom.errors import InputError, StoreError
from archloom.problems import ProblemSpec
from archloom.runs import folders, groups
from archloom.runs.budgets import Limits
from archloom.runs.lock import FolderLock
from archloom.runs.prepare import Preparer, Request
from archloom.runs.report import RunReport
from archloom.utils.documents import write_sealed


def group_of(path: Path, table: Path, seeds: int = 3) -> groups.Group:
    names = [(name, seed) for name in ("random", "evolution") for seed in range(seeds)]
    members = {
        f"{name}/seed-{seed}": Request(name, ProblemSpec("nb201", str(table)), seed, Limits(40)) for name, seed in names
    }
    return groups.Group.create(path, members)


def records(group: groups.Group) -> list[bytes]:
    return [(path / "trials.jsonl").read_bytes() for path in group.paths]


def test_a_group_is_the_same_with_any_number_of_workers(tmp_path: Path, small_table: Path) -> None:
    alone = [
        folders.run_in_memory(request) for request in group_of(tmp_path / "names", small_table, 2).members.values()
    ]
    expected: list[bytes] | None = None
    for workers in (1, 2, 3):
        group = group_of(tmp_path / f"group-{workers}", small_table, 2)
        heard: dict[int, int] = {}

        def watch(run: int, lines: Any, heard: dict[int, int] = heard) -> None:
            heard[run] = heard.get(run, 0) + len(lines)

        outcome = groups.run_group(group, workers, watch)
        reports = [report for report in outcome if isinstance(report, RunReport)]
        assert [report.history for report in reports] == [report.history for report in alone]
        assert heard == {number: report.trials for number, report in enumerate(alone)}
        expected = expected or records(group)
        assert records(group) == expected


def test_a_group_says_what_will_run_before_it_runs(tmp_path: Path, small_table: Path) -> None:
    group = group_of(tmp_path / "group", small_table)
    assert sorted(path.name for path in (tmp_path / "group").iterdir()) == ["group.json", "lock"]
    assert groups.Group.open(tmp_path / "group") == group
    with pytest.raises(InputError, match="already holds runs"):
        group_of(tmp_path / "group", small_table)


def test_what_is_said_of_the_states_of_a_group_is_written_down_with_it(tmp_path: Path, small_table: Path) -> None:
    members = group_of(tmp_path / "other", small_table).members
    groups.Group.create(tmp_path / "group", members, overrides={"disk_budget": 5_000})
    assert RetentionPolicy.read(tmp_path / "group") == RetentionPolicy(disk_budget=5_000, runs=6)
    with pytest.raises(InputError, match="disk_budget=2: expected bytes for 6 runs"):
        groups.Group.create(tmp_path / "tiny", members, overrides={"disk_budget": 2})
    assert not (tmp_path / "tiny").exists()


def test_a_member_that_cannot_go_on_does_not_stop_the_others(tmp_path: Path, small_table: Path) -> None:
    for workers in (1, 2):
        group = group_of(tmp_path / f"group-{workers}", small_table, 1)
        folders.run_folder(group.paths[0], next(iter(group.members.values())))
        damaged = bytearray((group.paths[0] / "trials.jsonl").read_bytes())
        damaged[10] ^= 1
        (group.paths[0] / "trials.jsonl").write_bytes(damaged)
        first, second = groups.run_group(group, workers)
        assert isinstance(first, str) and "trials.jsonl line 1 is damaged" in first
        assert isinstance(second, RunReport) and second.value is not None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "members": {"a": {}}}', "null"])
def test_a_damaged_group_is_said_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "group.json").write_text(content)
    with pytest.raises(InputError, match=r"group.json is damaged or not from archloom"):
        groups.Group.open(tmp_path)


def test_a_group_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "group.json").write_text('{"format": 99, "members": {}}')
    with pytest.raises(InputError, match="group format 99: install a newer archloom"):
        groups.Group.open(tmp_path)


def test_no_workers_is_an_error_and_not_a_run_for_ever(tmp_path: Path, small_table: Path) -> None:
    with pytest.raises(InputError, match="workers=0: expected at least 1"):
        groups.run_group(group_of(tmp_path / "group", small_table), 0)


GROUP = """
import sys
from pathlib import Path
from archloom.runs import groups
if __name__ == "__main__":
    print("ready", flush=True)
    groups.run_group(groups.Group.open(Path(sys.argv[1])), int(sys.argv[2]))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_group_killed_in_the_middle_goes_on(
    process: Any, tmp_path: Path, small_table: Path, workers: int, wait_until: Callable[..., None]
) -> None:
    """Its workers end with it, and give their folders free."""
    whole = group_of(tmp_path / "whole", small_table)
    groups.run_group(whole, 1)
    script = tmp_path / "group.py"
    script.write_text(GROUP)
    group = group_of(tmp_path / "group", small_table)
    started = [path / "trials.jsonl" for path in group.paths]
    with process(script, group.path, workers) as running:
        wait_until(lambda: any(path.exists() and path.stat().st_size for path in started), running)
        running.send_signal(signal.SIGKILL)
        running.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            outcome = groups.run_group(groups.Group.open(group.path), 1)
    assert all(isinstance(report, RunReport) for report in outcome), outcome
    assert records(group) == records(whole)


def test_two_processes_cannot_run_one_group(tmp_path: Path, small_table: Path) -> None:
    group = group_of(tmp_path / "group", small_table)
    taken = FolderLock.take(group.path)
    try:
        with pytest.raises(StoreError, match=rf"being written by process {os.getpid()}"):
            groups.run_group(group, 1)
    finally:
        taken.release()


def test_an_evaluator_that_dies_fails_its_trial_however_many_workers_there_are(tmp_path: Path) -> None:
    problem = tmp_path / "problem.py"
    problem.write_text(
        "import os, archloom\n"
        "space = archloom.Categorical({'a': [1, 2, 3]})\n"
        "problem = archloom.Problem(space, lambda c: os._exit(7) if c['a'] == 2 else c['a'], goals={'s': 'max'})\n"
    )
    request = Request("random", ProblemSpec(str(problem)), 0, Limits(3))
    reports = [folders.run_folder(tmp_path / f"run-{workers}", request, workers) for workers in (1, 2)]
    group = groups.Group.create(tmp_path / "group", {f"seed-{s}": replace(request, seed=s) for s in (0, 1)})
    for report in (*reports, *groups.run_group(group, 2)):
        assert isinstance(report, RunReport)
        assert [line.arch for line in report.history.failed] == ["a=2"] and report.value == 3.0


@pytest.mark.parametrize("workers", [1, 2])
def test_the_table_of_a_group_may_have_moved(tmp_path: Path, small_table: Path, workers: int) -> None:
    old, new = tmp_path / "old.npz", tmp_path / "new.npz"
    old.write_bytes(small_table.read_bytes())
    request = Request("random", ProblemSpec("nb201", str(old)), 0, Limits(9))
    group = groups.Group.create(tmp_path / "group", {f"seed-{s}": replace(request, seed=s) for s in (0, 1)})
    folders.run_folder(group.paths[0], group.members["seed-0"])
    old.rename(new)
    found = groups.run_group(groups.Group.open(group.path).on_table(new), workers, table=new)
    assert [report.history.queries for report in found if isinstance(report, RunReport)] == [9, 9]


def test_a_group_stays_on_the_table_it_was_begun_with(
    tmp_path: Path, small_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ARCHLOOM_DATA says when it goes on."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nb201.npz").write_bytes(small_table.read_bytes())
    monkeypatch.setenv("ARCHLOOM_DATA", str(tmp_path / "data"))
    request = Request("random", ProblemSpec("nb201"), 0, Limits(9))
    members = {f"seed-{s}": replace(request, seed=s) for s in (0, 1)}
    groups.Group.create(tmp_path / "group", members, first=Preparer().check(request))
    monkeypatch.delenv("ARCHLOOM_DATA")
    group = groups.Group.open(tmp_path / "group")
    assert group.check().scenario.problem.data is not None
    assert all(isinstance(report, RunReport) for report in groups.run_group(group, 1))
    (tmp_path / "data" / "nb201.npz").rename(tmp_path / "moved.npz")
    with pytest.raises(InputError, match=r"nb201.npz, which is not there; .*archloom resume .*group --table FILE"):
        group.check()
    assert group.on_table(tmp_path / "moved.npz").check().scenario.problem.data is not None
    other = load_table(small_table)
    metrics = {name: other.metric(name) + 1 for name in other.metrics}
    save_table(
        tmp_path / "other.npz", space=other.space, gene_names=other.gene_names, options=other.options,
        genes=other.genes, metrics=metrics, goals=other.goals, source="another", units=other.units,
    )  # fmt: skip
    with pytest.raises(InputError, match="started with another table"):
        group.on_table(tmp_path / "other.npz").check(changed=True)


def test_a_group_whose_file_changed_is_refused_before_any_member_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    text = (
        "import archloom\nspace = archloom.Categorical({'a': [1, 2]})\n"
        "problem = archloom.Problem(space, lambda c: c['a'], goals={'s': 'max'})\n"
    )
    file.write_text(text)
    request = Request("random", ProblemSpec(str(file)), 0, Limits(2))
    groups.Group.create(tmp_path / "group", {"seed-0": request}, first=Preparer().check(request))
    file.write_text(text + "# changed")
    group = groups.Group.open(tmp_path / "group")
    with pytest.raises(InputError, match=r"mine.py has changed since .*archloom resume .*group --changed"):
        group.check()
    assert group.check(changed=True).scenario.objectives == ("s",)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../b", "..", ".", "", "a//b", "a\nb", "a\\b"])
def test_a_member_outside_the_group_is_refused(tmp_path: Path, small_table: Path, name: str) -> None:
    group = group_of(tmp_path / "group", small_table)
    file = group.path / "group.json"
    content = json.loads(file.read_text())
    request = next(iter(content["members"].values()))
    write_sealed(file, {**content, "members": {name: request}})
    with pytest.raises(InputError, match=r"group\.json names the run .*: expected a folder below"):
        groups.Group.open(group.path)


@pytest.mark.parametrize("started", [True, False])
def test_a_member_that_is_a_link_is_not_written(
    tmp_path: Path, small_table: Path, started: bool, listing: Callable[..., dict[str, bytes | None]]
) -> None:
    group = group_of(tmp_path / "group", small_table)
    outside = tmp_path / "outside"
    if started:
        folders.run_folder(outside, next(iter(group.members.values())))
    else:
        outside.mkdir()
    group.paths[0].parent.mkdir(exist_ok=True)
    group.paths[0].symlink_to(outside)
    before = listing(outside)
    with pytest.raises(StoreError, match=rf"{group.paths[0]} is a symbolic link.*archloom resume {outside}"):
        groups.run_group(group, 1)
    assert listing(outside) == before


def test_a_group_that_was_changed_by_hand_is_noticed(tmp_path: Path, small_table: Path) -> None:
    group = group_of(tmp_path / "group", small_table)
    file = group.path / "group.json"
    file.write_text(file.read_text().replace('"seed": 1', '"seed": 7'))
    with pytest.raises(StoreError, match=r"group\.json has changed since archloom wrote it"):
        groups.Group.open(group.path)


def test_members_are_listed_under_the_folder_above_their_seed_else_their_strategy(small_table: Path) -> None:
    request = Request("random", ProblemSpec("nb201", str(small_table)))
    assert groups.label_of("slow/seed-3", request) == "slow"
    assert groups.label_of("seed-3", request) == "random"
