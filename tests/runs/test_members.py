"""A group's folders hold the runs that it lists."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from archloom.errors import InputError, StoreError
from archloom.problems import ProblemSpec
from archloom.runs import folders, groups
from archloom.runs.budgets import Limits
from archloom.runs.members import differences, started
from archloom.runs.prepare import Request


@pytest.fixture
def group(tmp_path: Path, small_table: Path) -> groups.Group:
    """Two finished seeds."""
    request = Request(
        "evolution", ProblemSpec("nb201", str(small_table)), 0, Limits(4), {"population": "2", "sample": "2"}
    )
    group = groups.Group.create(tmp_path / "group", {f"seed-{n}": replace(request, seed=n) for n in range(2)})
    groups.run_group(group, 1)
    return groups.Group.open(group.path)


def test_members_are_as_they_were_asked_for(group: groups.Group) -> None:
    for path, request in zip(group.paths, group.members.values(), strict=True):
        assert started(path, request)
        assert not started(path.with_name("seed-9"), request)


def test_another_seeds_folder_in_place_is_an_error(group: groups.Group) -> None:
    first, second = group.paths
    shutil.rmtree(second)
    shutil.copytree(first, second)
    report, error = groups.run_group(group, 1)
    assert isinstance(error, str) and "its seed is 0, not 1; put the right folder there" in error
    assert not isinstance(report, str)


def test_a_record_without_its_request_is_not_dropped(group: groups.Group) -> None:
    (group.paths[0] / "run.json").unlink()
    before = (group.paths[0] / "trials.jsonl").read_bytes()
    error, _ = groups.run_group(group, 1)
    assert isinstance(error, str) and "has a record, trials.jsonl, and no run.json" in error
    assert (group.paths[0] / "trials.jsonl").read_bytes() == before


SPEC = ProblemSpec("/a/mine.py:problem", None, ("acc",), (), ("size<=3",), {"k": 1}, None, {"file": "/a/b/data.npz"})
ASKED = Request("/x/mine.py:Mine", SPEC, 3, Limits(10, 2), {"rate": "0.5", "file": "/x/y"})


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (ASKED, None),
        (replace(ASKED, limits=Limits(99, 2, seconds=3.0)), None),
        (replace(ASKED, strategy="/moved/mine.py:Mine", options={"rate": "0.5", "file": "/moved/y"}), None),
        (
            replace(
                ASKED, problem=replace(SPEC, on="/moved/mine.py:problem", table="/t", task={"file": "/c/data.npz"})
            ),
            None,
        ),
        (replace(ASKED, seed=4), "its seed is 4, not 3"),
        (replace(ASKED, strategy="random"), "its strategy is random, not /x/mine.py:Mine"),
        (replace(ASKED, strategy="/x/mine.py:Other"), "its strategy is /x/mine.py:Other"),
        (replace(ASKED, limits=Limits(10, 3)), "its width is 3, not 2"),
        (replace(ASKED, limits=Limits(10, 2, as_completed=True)), "its as_completed is True"),
        (replace(ASKED, options={"rate": "0.6", "file": "/x/y"}), "its option rate is 0.6, not 0.5"),
        (replace(ASKED, options={"file": "/x/y"}), "its option rate is None, not 0.5"),
        (replace(ASKED, problem=replace(SPEC, on="nb201")), "its problem is nb201"),
        (replace(ASKED, problem=replace(SPEC, objectives=("loss",))), "its objectives is"),
        (replace(ASKED, problem=replace(SPEC, constraints=())), "its constraints is"),
        (replace(ASKED, problem=replace(SPEC, space={"k": 2})), "its option space.k is 2, not 1"),
        (replace(ASKED, problem=replace(SPEC, task={"file": "/a/b/else.npz"})), "its option task.file is"),
        (replace(ASKED, problem=replace(SPEC, space_name="darts")), "its space is darts, not None"),
    ],
)
def test_what_differs_is_said_and_limits_and_places_may(found: Request, says: str | None) -> None:
    different = next(differences(ASKED, found), None)
    assert different is None if says is None else different is not None and different.startswith(says)


def test_options_of_earlier_versions_are_known_by_their_present_names() -> None:
    old = Request("cadam", ProblemSpec("nb201"), options={"batch": "4"})
    assert not list(differences(old, replace(old, options={"batch_size": "4"})))
    assert list(differences(old, replace(old, options={"batch_size": "8"})))


@pytest.mark.parametrize("field", ["request", "criteria", "space", "report", "format"])
def test_a_request_with_null_in_it_is_one_line(group: groups.Group, field: str) -> None:
    file = group.paths[0] / "run.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**{k: v for k, v in content.items() if k != "checksum"}, field: None}))
    with pytest.raises(InputError, match=r"run\.json is (damaged or )?not from an archloom run") as caught:
        started(group.paths[0], group.members["seed-0"])
    assert "\n" not in str(caught.value)


def test_both_are_errors_of_the_run_not_of_the_request(group: groups.Group) -> None:
    with pytest.raises(StoreError):
        started(group.paths[0], group.members["seed-1"])
    assert folders.run_folder(group.paths[0]).trials == 4, "alone it is a run like any other"
