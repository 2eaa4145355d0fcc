"""A folder has one writer, whatever is done to its files meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from archloom.errors import StoreError
from archloom.runs import lock as module
from archloom.runs.lock import FolderLock, holder
from archloom.runs.record import RunFolder, TrialRecord


def line(number: int) -> TrialRecord:
    return TrialRecord(number, (number,), f"cell {number}", number + 1, scores={"valid": 0.5})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gives up a lock in these tests: waiting for it is in vain."""
    monkeypatch.setattr(module, "GRACE_S", 0.0)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with one committed trial."""
    path = tmp_path / "run"
    with RunFolder.create(path, {}) as folder:
        folder.append(line(0))
        folder.commit(force=True)
    return path


def remove_locks(run: Path) -> None:
    (run / "lock").unlink()
    (run / "holder.json").unlink()


def remove_record(run: Path) -> None:
    remove_locks(run)
    (run / "trials.jsonl").unlink()


def replace_record(run: Path) -> None:
    content = (run / "trials.jsonl").read_bytes()
    remove_record(run)
    (run / "trials.jsonl").write_bytes(content)
    (run / "lock").touch()


def remove_all_files(run: Path) -> None:
    for file in run.iterdir():
        if file.name != "run.json":
            file.unlink()


@pytest.mark.parametrize("damage", [remove_locks, remove_record, replace_record, remove_all_files])
def test_nobody_else_gets_in_while_a_run_is_written(run: Path, damage: Callable[[Path], None]) -> None:
    with RunFolder.open(run) as first:
        damage(run)
        assert holder(run) is not None
        with pytest.raises(StoreError, match="is being written by"):
            RunFolder.open(run)
        first.append(line(1))
        if damage is remove_locks:
            assert first.commit(force=True)
    assert holder(run) is None


def append_to(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"more")


def truncate(file: Path) -> None:
    file.write_bytes(b"")


def link_elsewhere(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (Path.unlink, "removed or replaced"),
        (lambda file: replace_record(file.parent), "removed or replaced"),
        (link_elsewhere, "removed or replaced"),
        (append_to, "changed"),
        (truncate, "changed"),
    ],
)
@pytest.mark.parametrize("writes", ["commit", "save_state", "write_summary", "rewrite_manifest"])
def test_a_record_that_is_not_ours_any_more_is_not_written(
    run: Path, damage: Callable[[Path], None], says: str, writes: str, listing: Callable[[Path], dict[str, bytes]]
) -> None:
    folder = RunFolder.open(run)
    damage(run / "trials.jsonl")
    before = listing(run)
    if writes == "commit":
        folder.append(line(1))
    with pytest.raises(StoreError, match=rf"trials\.jsonl was {says} while this run was writing it") as caught:
        if writes == "commit":
            folder.commit(force=True)
        else:
            getattr(folder, writes)({"format": 1})
    assert str(caught.value).endswith(f"archloom resume {run}")
    assert listing(run) == before
    folder.close()


@pytest.mark.parametrize("anew", [True, False], ids=["another folder in its place", "gone"])
def test_a_folder_that_was_renamed_is_not_written_by_its_old_name(
    run: Path, anew: bool, listing: Callable[[Path], dict[str, bytes]]
) -> None:
    moved = run.with_name("moved")
    with RunFolder.open(run) as folder:
        run.rename(moved)
        if anew:
            RunFolder.create(run, {}).close()
        before = listing(run) if anew else {}
        for write in (folder.save_state, folder.write_summary):
            with pytest.raises(StoreError, match=f"{run} was renamed, removed or replaced"):
                write({})
        with pytest.raises(StoreError, match="is being written by process"):
            RunFolder.open(moved)
    assert (listing(run) if anew else {}) == before
    with RunFolder.open(moved) as folder:
        assert [item.id for item in folder.lines] == [0]


def test_looking_at_who_writes_touches_nothing(run: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("do not touch")
    (run / "lock").unlink()
    (run / "lock").symlink_to(mine)
    assert holder(run) is None
    with pytest.raises(StoreError, match="lock is a symbolic link"):
        FolderLock.take(run)
    assert mine.read_text() == "do not touch"


@pytest.mark.parametrize("kind", ["fifo", "folder", "hard link"])
def test_a_lock_that_is_no_file_is_said(run: Path, kind: str) -> None:
    lock = run / "lock"
    lock.unlink()
    if kind == "fifo":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.hardlink_to(run / "run.json")
    before = (run / "run.json").read_bytes()
    assert holder(run) is None
    with pytest.raises(StoreError, match=r"no regular file|is a folder|is a hard link"):
        FolderLock.take(run)
    assert (run / "run.json").read_bytes() == before


def test_a_file_system_that_locks_files_only_is_enough(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS gives no lock on a folder: then the file's holds."""
    real = module.fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(9, os.strerror(9))
        real(descriptor, how)

    monkeypatch.setattr(module.fcntl, "flock", flock)
    with RunFolder.open(run):
        assert holder(run) is not None
        with pytest.raises(StoreError, match="is being written by"):
            FolderLock.take(run)
        (run / "lock").unlink()
        with pytest.raises(StoreError, match="is being written by"):
            RunFolder.open(run)  # the record itself is locked, too
