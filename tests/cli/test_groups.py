from __future__ import annotations

from pathlib import Path

import pytest

from archloom.cli.groups import run_members
from archloom.errors import StoreError
from archloom.executors.backends import Processes
from archloom.problems import ProblemSpec
from archloom.runs import groups
from archloom.runs.budgets import Limits
from archloom.runs.prepare import Preparer, Request


def group_of(path: Path, table: Path) -> groups.Group:
    spec = ProblemSpec("nb201", str(table))
    return groups.Group.create(path, {f"a/seed-{s}": Request("random", spec, s, Limits(8)) for s in range(2)})


def test_a_damaged_member_is_told_and_the_others_are_run(tmp_path: Path, small_table: Path) -> None:
    group = group_of(tmp_path / "group", small_table)
    run_members(group, Processes(), True, None, False, {}, Preparer())
    (group.paths[0] / "trials.jsonl").write_bytes(b"damaged\n" * 3)
    by_label, failures = run_members(group, Processes(), True, None, False, {}, Preparer())
    assert [report.history.queries for report in by_label["a"]] == [8]
    assert len(failures) == 1 and "seed-0: " in failures[0] and "line 1 is damaged" in failures[0]
    record = group.paths[1] / "trials.jsonl"
    record.write_bytes(b"".join(record.read_bytes().splitlines(keepends=True)[2:]))
    with pytest.raises(StoreError) as caught:
        run_members(group, Processes(), True, None, False, {}, Preparer())
    assert str(caught.value).count(f"{group.paths[1]}: ") == 1 and "lacks trial 0" in str(caught.value)
    record.write_bytes(b"damaged\n" * 3)
    with pytest.raises(StoreError, match=r"seed-0.*seed-1"):
        run_members(group, Processes(), True, None, False, {}, Preparer())
