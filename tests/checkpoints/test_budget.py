"""Room on disk: sizes as people write them, and writers that share a budget."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.checkpoints import budget
from archloom.checkpoints.budget import POLL_EVERY_S, DiskBudget, disk_usage, format_bytes, parse_bytes, resuming
from archloom.errors import StoreError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2000000", 2_000_000), ("12B", 12), ("500MB", 500_000_000), ("2GB", 2 * 10**9), ("1.5 GiB", 3 * 2**29),
        ("3kb", 3000), ("4KiB", 4096), ("1TB", 10**12), ("0.5TiB", 2**39), (" 7 mb ", 7_000_000),
    ],
)  # fmt: skip
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "2XB", "-1GB", "1e9", "1,5GB", "2G", "many", "2GBs"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a size in bytes, or with a unit: 500MB, 2GB, 1\.5GiB"):
        parse_bytes(text)


@given(st.integers(0, 10**16))
def test_sizes_for_people_are_read_back(size: int) -> None:
    assert parse_bytes(format_bytes(size)) == pytest.approx(size, rel=0.006)


@given(st.integers(1, 10**15), st.integers(1, 20))
def test_what_is_advised_is_enough(needed: int, runs: int) -> None:
    command, _, size = (
        DiskBudget(Path("weights"), 1, resuming(Path("my run")), runs).advice(needed).rpartition(" --disk-budget ")
    )
    assert command == "archloom resume 'my run'"
    assert runs * needed <= parse_bytes(size) <= 1.5 * runs * needed + 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.mkdir()
    return path


def write(
    room: DiskBudget, order: int, size: int, meanwhile: Callable[[], object] = lambda: None, ending: str = ""
) -> None:
    with room.writing(room.folder / f"{order}{ending}", size, order) as file:
        meanwhile()
        file.write(bytes(size))


def names(room: DiskBudget) -> set[str]:
    return {path.name for path in room.folder.iterdir()}


def test_a_file_has_its_full_size_before_it_is_written(folder: Path) -> None:
    room, seen = DiskBudget(folder, 100), []
    write(room, 0, 60, lambda: seen.append(disk_usage(folder)))
    assert seen == [(1, 60)] and disk_usage(folder) == (1, 60)
    with pytest.raises(StoreError, match="no space for the next checkpoint of 41 B: those needed take 60 B"):
        write(room, 1, 41)
    write(room, 1, 40)
    assert names(room) == {"0", "1"} and disk_usage(folder) == (2, 100)


def test_a_failed_write_leaves_nothing(folder: Path) -> None:
    room = DiskBudget(folder, 100)
    with pytest.raises(ZeroDivisionError):
        write(room, 0, 60, lambda: 1 / 0)
    assert disk_usage(folder) == (0, 0)


def test_a_file_that_is_written_again_is_not_counted_twice(folder: Path) -> None:
    room = DiskBudget(folder, 100)
    for _ in range(3):
        write(room, 0, 90)
    assert disk_usage(folder) == (1, 90)


def test_what_may_go_goes_in_its_order_and_only_as_far_as_needed(folder: Path) -> None:
    room = DiskBudget(folder, 100)
    for order in range(5):
        write(room, order, 20)
    room.plan(4, ["3", "1", "2"])
    assert names(room) == {"0", "1", "2", "3", "4"}, "there is room for all"
    write(room, 5, 25)
    assert names(room) == {"0", "2", "4", "5"}
    room.plan(5, ["3", "1", "2"])
    with pytest.raises(StoreError, match="those needed take 65 B"):
        write(room, 6, 60)
    assert names(room) == {"0", "2", "4", "5"}, "nothing goes in vain"


def test_a_smaller_limit_holds_from_the_next_plan_on(folder: Path) -> None:
    for order in range(4):
        write(DiskBudget(folder, 100), order, 25)
    DiskBudget(folder, 60).plan(3, ["1", "0"])
    assert names(DiskBudget(folder, 60)) == {"2", "3"}


def test_who_is_not_in_turn_leaves_room_and_waits(folder: Path) -> None:
    room = DiskBudget(folder, 100)
    write(room, 0, 40)
    room.plan(0, [])
    later = threading.Thread(target=write, args=(room, 2, 30))
    later.start()
    time.sleep(3 * POLL_EVERY_S)
    assert names(room) == {"0"}, "70 would be there; the next in turn may need 40"
    write(room, 1, 40)
    assert names(room) == {"0", "1"}
    (folder / "0").unlink()  # which nobody needs when 1 has been told
    room.plan(1, [])
    later.join()
    assert names(room) == {"1", "2"}


def test_who_is_not_in_turn_leaves_room_for_both_files_of_who_is(folder: Path) -> None:
    """A trial that must come first may leave one of each kind, as large as any so far."""
    room = DiskBudget(folder, 130)
    for order, ending, size in ((0, ".state", 10), (0, ".long", 40), (2, ".state", 10)):
        write(room, order, size, ending=ending)
    room.plan(0, [])
    later = threading.Thread(target=write, args=(room, 2, 30), kwargs={"ending": ".long"})
    later.start()
    time.sleep(3 * POLL_EVERY_S)
    assert names(room) == {"0.state", "0.long", "2.state"}, "90 would be there; 1 may need 10 and 40"
    write(room, 1, 10, ending=".state")
    write(room, 1, 30, ending=".long")
    (folder / "0.long").unlink()
    room.plan(1, [])
    later.join()
    assert names(room) == {"0.state", "1.state", "1.long", "2.state", "2.long"}


def test_a_plan_that_cannot_be_written_down_stops_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, plan: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(budget, "_write", full)
    with pytest.raises(StoreError, match=r"weights\.json: No space left on device; .* then: archloom resume run"):
        DiskBudget(folder, 100, "archloom resume run").plan(0, [])


def test_what_a_killed_writer_left_goes_and_what_a_live_one_writes_stays(folder: Path, process: Any) -> None:
    room = DiskBudget(folder, 100)
    script = (
        "import sys, time; from pathlib import Path; from archloom.checkpoints.budget import DiskBudget\n"
        "folder = Path(sys.argv[1])\n"
        "with DiskBudget(folder, 100).writing(folder / '0', 80, 0): print('in', flush=True); time.sleep(60)"
    )
    with process("-c", script, folder) as writer:
        assert writer.stdout.readline() == "in\n"
        with pytest.raises(StoreError, match="those needed take 80 B"):
            write(room, 1, 30)
        assert disk_usage(folder) == (1, 80)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        assert disk_usage(folder) == (1, 80), "it cannot clean up after itself"
        write(room, 1, 30)
    assert names(room) == {"1"}


def test_many_writers_never_take_more_than_the_limit(folder: Path, wait_until: Callable[..., None]) -> None:
    """Eight at a time, out of turn; each file goes when its turn is over."""
    room, count, over = DiskBudget(folder, 400), 48, []

    def look() -> None:
        over.extend([size] if (size := disk_usage(folder)[1]) > 400 else [])

    def some(first: int) -> None:
        for order in range(first, count, 8):
            write(room, order, 60 + order, look)

    room.plan(-1, [])
    writers = [threading.Thread(target=some, args=(first,)) for first in range(8)]
    for writer in writers:
        writer.start()
    for order in range(count):
        wait_until((folder / str(order)).exists)
        (folder / str(order)).unlink()
        room.plan(order, [])
    for writer in writers:
        writer.join()
    assert not over and disk_usage(folder) == (0, 0)


@pytest.mark.parametrize(
    "content", ["null", "[]", '{"done": null, "spare": []}', '{"done": 1e30, "spare": []}', "[" * 999]
)
def test_a_plan_that_makes_no_sense_is_no_plan(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (tmp_path / "weights.json").write_text(content)
    with DiskBudget(folder, 100).writing(folder / "000000.x", 10, 0) as file:
        file.write(b"0123456789")
    assert (folder / "000000.x").read_bytes() == b"0123456789"


def test_a_plan_never_removes_what_is_elsewhere(tmp_path: Path) -> None:
    folder, mine = tmp_path / "weights", tmp_path / "mine"
    folder.mkdir()
    mine.write_bytes(b"0123456789")
    (folder / "000000.x").write_bytes(b"0123456789")
    (tmp_path / "weights.json").write_text(json.dumps({"done": 0, "spare": ["../mine", str(mine), "000000.x"]}))
    with DiskBudget(folder, 15).writing(folder / "000001.x", 10, 1) as file:
        file.write(b"9876543210")
    assert mine.read_bytes() == b"0123456789" and not (folder / "000000.x").exists()


@pytest.mark.parametrize("name", ["weights.json", "weights.lock"])
@pytest.mark.parametrize("kind", ["link", "hard link", "fifo", "folder"])
def test_what_a_budget_writes_is_its_own(tmp_path: Path, name: str, kind: str) -> None:
    folder, mine = tmp_path / "weights", tmp_path / "mine"
    folder.mkdir()
    mine.write_bytes(b"mine")
    make = {
        "link": lambda path: path.symlink_to(mine), "hard link": lambda path: path.hardlink_to(mine),
        "fifo": os.mkfifo, "folder": Path.mkdir,
    }  # fmt: skip
    make[kind](tmp_path / name)
    with pytest.raises(StoreError, match=rf"{name} is "):
        DiskBudget(folder, 100, "archloom resume run").plan(0, [])
    assert mine.read_bytes() == b"mine"
