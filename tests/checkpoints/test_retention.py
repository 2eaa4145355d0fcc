"""Which checkpoints stay and which go."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.checkpoints.budget import DiskBudget, disk_usage
from archloom.checkpoints.retention import Retention, RetentionPolicy, parse_overrides
from archloom.checkpoints.store import CheckpointFolder, Kind, sources
from archloom.constraints import Constraint, Criteria, Objective, Winner
from archloom.errors import InputError, StoreError
from archloom.testing import PLANTED_CRITERIA
from archloom.types import Inherit, Result
from archloom.utils.files import Writing

pytest.importorskip("torch", reason="states of trainings need the extra train")


def told(retention: Retention, trial: int, worth: float | None) -> None:
    result = Result.failed("x") if worth is None else Result({"worth": worth})
    retention.told(trial, result)


def sized(folder: CheckpointFolder, trial: int, size: int) -> None:
    folder.save_content(trial, memoryview(bytes(size)))


def numbers(folder: CheckpointFolder) -> set[int]:
    return {int(path.stem) for path in folder.path.iterdir()}


def test_a_disk_that_will_be_full_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = CheckpointFolder(tmp_path / "weights")
    free = [1_000]
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free[0]))
    assert not folder.warn_if_short(3, 8), "there are none yet"
    folder.path.mkdir()
    (folder.path / "000000.safetensors").write_bytes(bytes(100))
    assert not folder.warn_if_short(3, 11), "ten more fit"
    with pytest.warns(
        UserWarning, match=r"take 100 B each so far, and 12 .* 1.2 KB, but only 1 KB are free at .*weights"
    ):
        assert folder.warn_if_short(3, 12)
    free[0] = 100
    with pytest.warns(UserWarning, match=r"each so far, and 3 of them"):
        assert CheckpointFolder(folder.path, DiskBudget(folder.path, 10_000)).warn_if_short(3, 12), "budget and disk"


def test_the_best_ever_stays(checkpoints: Any, state: Any, there: Any) -> None:
    retention = Retention(checkpoints, PLANTED_CRITERIA)
    for trial, worth in enumerate([50.0, 70.0, None, 60.0, 70.0]):
        if worth is not None:
            checkpoints.save(trial, state(worth))
        told(retention, trial, worth)
    retention.sweep(4, set(), [])
    assert there(checkpoints) == {1}, "of equals the first"


def test_what_is_needed_or_in_flight_stays(checkpoints: Any, state: Any, there: Any) -> None:
    retention = Retention(checkpoints, PLANTED_CRITERIA)
    for trial in range(6):
        checkpoints.save(trial, state(trial))
        told(retention, trial, 10.0 - trial)
    retention.sweep(5, {3}, [Inherit(4, {0: 5}), None])
    assert there(checkpoints) == {0, 3, 4, 5}


@pytest.mark.parametrize(
    ("keep", "stay"), [(1, {1, 6}), (2, {1, 4, 6}), (4, {1, 3, 4, 0, 6}), (None, {0, 1, 3, 4, 5, 6})]
)
def test_the_best_stay_besides_those_that_are_needed(
    checkpoints: Any, keep: int | None, stay: set[int], state: Any, there: Any
) -> None:
    retention = Retention(checkpoints, PLANTED_CRITERIA, keep)
    for trial, worth in enumerate([50.0, 70.0, None, 60.0, 70.0, 40.0, 30.0]):
        if worth is not None:
            checkpoints.save(trial, state(worth))
        told(retention, trial, worth)
        retention.sweep(trial, {trial}, [])
    assert there(checkpoints) == stay


def test_the_best_is_the_one_that_is_shown_as_the_best(checkpoints: Any, state: Any, there: Any) -> None:
    """By the first objective, and whatever breaks a constraint comes last."""
    criteria = Criteria((Objective("worth"), Objective("cost", "min")), (Constraint("cost", 5.0),))
    retention = Retention(checkpoints, criteria, keep=3)
    found = [(90.0, 7.0), (50.0, 1.0), (60.0, 4.0), (95.0, 6.0), (70.0, 5.0)]
    for trial, (worth, cost) in enumerate(found):
        checkpoints.save(trial, state(worth))
        retention.told(trial, Result({"worth": worth, "cost": cost}))
    retention.sweep(4, set(), [])
    assert there(checkpoints) == {1, 2, 4}
    retention = Retention(checkpoints, criteria)
    for trial in (0, 3):
        worth, cost = found[trial]
        checkpoints.save(trial, state(worth))
        retention.told(trial, Result({"worth": worth, "cost": cost}))
    retention.sweep(4, set(), [])
    assert there(checkpoints) == {3}, "6 is nearer to 5 than 7"


@pytest.mark.parametrize(("winner", "stays"), [(Winner.EVER, 0), (Winner.AT_HIGHEST_FIDELITY, 2)])
def test_the_best_of_a_population_is_what_its_task_says(
    checkpoints: Any, state: Any, there: Any, winner: Winner, stays: int
) -> None:
    retention = Retention(checkpoints, replace(PLANTED_CRITERIA, winner=winner))
    for trial, (worth, epoch) in enumerate([(90.0, 1), (80.0, 2), (85.0, 2)]):
        checkpoints.save(trial, state(worth))
        retention.told(trial, Result({"worth": worth}), epoch)
    retention.sweep(2, set(), [])
    assert there(checkpoints) == {stays}


def test_what_is_not_recorded_goes_at_the_beginning(checkpoints: Any, state: Any, there: Any) -> None:
    for trial in range(4):
        checkpoints.save(trial, state(trial))
    Retention(checkpoints, PLANTED_CRITERIA).begin({0, 2})
    assert there(checkpoints) == {0, 2}


@settings(max_examples=40)
@given(data=st.data(), limit=st.integers(40, 300), keep=st.sampled_from([1, 2, 5, None]))
def test_whatever_is_saved_and_dropped(data: st.DataObject, limit: int, keep: int | None) -> None:
    """Needed states stay, the budget is kept, and a state is refused only if it and those cannot all be there."""
    with TemporaryDirectory() as home:
        folder = RetentionPolicy(keep, limit).checkpoints(Path(home) / "weights", Path(home))
        retention, needed, sizes, best = Retention(folder, PLANTED_CRITERIA, keep), set(), {}, None
        retention.sweep(-1, (), [])
        for trial in range(data.draw(st.integers(1, 12))):
            size, worth = data.draw(st.integers(1, 60)), data.draw(st.integers(0, 5))
            stay = {*needed, *([best[1]] if best else [])}
            if sum(sizes[t] for t in stay) + size > limit:
                before = numbers(folder) if folder.path.exists() else set()
                with pytest.raises(StoreError, match=r"no space .* archloom resume .* --disk-budget"):
                    sized(folder, trial, size)
                assert numbers(folder) == before
                return
            sized(folder, trial, size)
            sizes[trial] = size
            if best is None or worth > best[0]:
                best = (worth, trial)
            told(retention, trial, float(worth))
            # What an earlier trial is not needed for, it is never needed for again.
            needed = {t for t in {*needed, trial} if data.draw(st.booleans())}
            retention.sweep(trial, needed, [])
            assert numbers(folder) >= {*needed, best[1]}
            assert disk_usage(folder.path)[1] <= limit
            if keep == 1:
                assert numbers(folder) == {*needed, best[1]}
            if sum(sizes.values()) <= limit and keep is None:
                assert numbers(folder) == set(sizes)


def test_the_worst_go_first_where_room_is_short(tmp_path: Path) -> None:
    folder = RetentionPolicy(None, 50).checkpoints(tmp_path / "weights", tmp_path)
    retention = Retention(folder, PLANTED_CRITERIA, None)
    for trial, worth in enumerate([50.0, 70.0, 20.0, 60.0, 80.0, 10.0]):
        sized(folder, trial, 10)
        told(retention, trial, worth)
        retention.sweep(trial, (), [])
    assert numbers(folder) == {0, 1, 3, 4, 5}, "20 went to make room for 10, which is not known before it is told"
    sized(folder, 6, 20)
    assert numbers(folder) == {1, 3, 4, 6}


def test_it_is_told_early_that_room_will_be_short(tmp_path: Path) -> None:
    folder = RetentionPolicy(1, 500).checkpoints(tmp_path / "weights", tmp_path / "run")
    retention = Retention(folder, PLANTED_CRITERIA, members=6)
    sized(folder, 0, 60)
    told(retention, 0, 1.0)  # 6 times 60 fit
    sized(folder, 1, 150)
    with pytest.warns(UserWarning, match=r"105 B each so far, and 6 .* resume .*/run --disk-budget 790B") as seen:
        told(retention, 1, 1.0)
        sized(folder, 2, 150)
        told(retention, 2, 1.0)
    assert len(seen) == 1, "once is enough"


@pytest.mark.parametrize(
    ("keep", "budget", "found"),
    [
        (None, None, {}), ("3", None, {"keep": 3}), ("all", None, {"keep": None}),
        (None, "2GB", {"disk_budget": 2 * 10**9, "runs": 1}),
        ("1", "none", {"keep": 1, "disk_budget": None, "runs": 1}),
    ],
)  # fmt: skip
def test_what_is_said_on_the_command_line(keep: str | None, budget: str | None, found: dict[str, Any]) -> None:
    assert parse_overrides(keep, budget) == found


@pytest.mark.parametrize(
    ("keep", "budget", "says"),
    [
        ("0", None, "--keep 0: expected the number"), ("-1", None, "--keep -1"), ("few", None, "--keep few"),
        (None, "0", "--disk-budget 0: expected more than 0"), (None, "2XB", "--disk-budget 2XB: expected a size"),
    ],
)  # fmt: skip
def test_what_cannot_be_said(keep: str | None, budget: str | None, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_overrides(keep, budget)


def test_what_was_said_is_known_until_something_else_is(tmp_path: Path) -> None:
    assert RetentionPolicy.read(tmp_path) == RetentionPolicy(keep=1, disk_budget=None)
    RetentionPolicy().overridden({"disk_budget": 5000}).write(tmp_path)
    RetentionPolicy.read(tmp_path).overridden({"keep": None}).write(tmp_path)
    assert RetentionPolicy.read(tmp_path) == RetentionPolicy(None, 5000)
    assert str(RetentionPolicy.read(tmp_path)) == "--keep all, --disk-budget 5 KB"
    (tmp_path / RetentionPolicy.FILE).write_text('{"keep": 0}')
    with pytest.raises(InputError, match=r"keeping\.json cannot be read .* give --keep and --disk-budget again"):
        RetentionPolicy.read(tmp_path)


def test_runs_of_a_group_have_equal_shares(tmp_path: Path) -> None:
    (tmp_path / "group.json").write_text("{}")
    run = tmp_path / "pbt" / "seed-0"
    budget = RetentionPolicy(disk_budget=1000, runs=4).checkpoints(run / "weights", run).budget
    assert budget is not None and budget.limit == 250
    assert budget.command == f"archloom resume {tmp_path}", "which is where all of them get more"
    assert RetentionPolicy().checkpoints(run / "weights", run).budget is None


def _load_array(path: Path, _owner: str) -> Any:
    return np.load(path, allow_pickle=False)


def _save_array(path: Path, values: Any, writing: Writing, _owner: str) -> None:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    with writing(path, buffer.tell()) as file:
        file.write(buffer.getvalue())


EXPERIENCE = Kind("experience", ".npy", _load_array, _save_array, "array")


def test_a_second_kind_stands_beside_the_states(tmp_path: Path) -> None:
    """Immutable files that recipes name, kept by retention and counted by the budget: no second engine."""
    states = RetentionPolicy(None, 600).checkpoints(tmp_path / "weights", tmp_path)
    experience = states.of(EXPERIENCE)
    retention = Retention(states, PLANTED_CRITERIA, keep=None, others={EXPERIENCE.name: experience})
    retention.sweep(-1, {}, [])
    for trial in range(3):
        sized(states, trial, 40)
        experience.save(trial, np.arange(trial + 1, dtype=np.uint8))
        told(retention, trial, float(trial))
        retention.sweep(trial, {"experience": range(3)}, [])
    assert experience.load(2).tolist() == [0, 1, 2]
    recipe = Inherit(1, files={"experience": (0,)})
    retention.sweep(2, {"experience": {2}}, [recipe, None])
    assert sorted(path.name for path in states.path.iterdir()) == [
        "000000.npy", "000000.safetensors", "000001.safetensors", "000002.npy", "000002.safetensors",
    ]  # fmt: skip
    assert sources(recipe, "experience") == {0} and sources(recipe) == {1}
    with pytest.raises(StoreError, match="no space"):
        experience.save(3, np.zeros(300, dtype=np.uint8))
    experience.save(3, np.zeros(120, dtype=np.uint8))
    assert disk_usage(states.path)[1] <= 600 and not states.file(0).exists(), "a state that is spare made room"
    retention.begin({0, 2})
    assert sorted(path.name for path in states.path.iterdir()) == ["000000.npy", "000002.npy", "000002.safetensors"]


@pytest.mark.parametrize(
    "content",
    ["null", "[]", '{"keep": "all"}', '{"keep": 0}', '{"runs": null}', '{"disk_budget": Infinity}', "[" * 999],
)
def test_a_policy_that_makes_no_sense_is_said_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / RetentionPolicy.FILE).write_text(content)
    with pytest.raises(InputError, match=r"keeping\.json cannot be read \(.*\): remove it, and give --keep") as caught:
        RetentionPolicy.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_policy_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / RetentionPolicy.FILE)
    with pytest.raises(InputError, match=r"keeping\.json cannot be read"):
        RetentionPolicy.read(tmp_path)
