"""The record of a run: whatever happens to the folder, what was committed is there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.errors import InputError, StoreError
from archloom.runs import lock, record
from archloom.runs.lock import FolderLock, holder
from archloom.runs.record import RunFolder, TornTailWarning, TrialRecord, decode_line, encode_line, read_lines
from archloom.types import Arch, Inherit, Proposal, Result, Trial
from archloom.utils import files

Listing = dict[str, bytes | None]


def line(number: int, **more: Any) -> TrialRecord:
    return TrialRecord(number, (number % 5, 1), f"cell {number}", number + 1, scores={"valid": number / 7}, **more)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with 30 committed trials."""
    path = tmp_path / "run"
    with RunFolder.create(path, {"what": "a test"}) as folder:
        for number in range(30):
            folder.append(line(number))
        folder.commit(force=True)
    return path


def reopened(path: Path) -> list[TrialRecord]:
    """The lines after opening for writing, with warnings shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TornTailWarning)
        with RunFolder.open(path) as folder:
            return folder.lines


# -- lines --------------------------------------------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)
metrics = st.dictionaries(st.text(max_size=8), finite, max_size=3)
lines = st.builds(
    TrialRecord,
    id=st.integers(0, 2**40),
    genes=st.lists(st.integers(-(2**53), 2**53) | finite, max_size=6).map(tuple),
    arch=st.text(),
    query=st.none() | st.integers(1, 2**40),
    same=st.none() | st.integers(0, 2**40),
    fidelity=st.integers(0, 1000),
    inherit=st.none()
    | st.builds(Inherit, st.integers(0, 9), st.dictionaries(st.integers(0, 9), st.none() | st.just(3))),
    note=st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.text(max_size=5), max_size=3),
    scores=metrics,
    report=metrics,
    cost_s=finite,
    error=st.none() | st.text(),
    details=st.dictionaries(st.text(max_size=5), st.lists(st.integers(0, 9) | st.text(max_size=5)), max_size=2),
)


@given(lines)
def test_a_line_comes_back_as_it_was_written(written: TrialRecord) -> None:
    raw = encode_line(written)
    assert raw.count(b"\n") == 1 and raw.endswith(b"\n")
    assert len(raw.splitlines()) == 1, "a reader that splits at any line end finds one line"
    assert decode_line(raw) == written
    assert json.loads(raw)["id"] == written.id, "every line is JSON that any program reads"


@given(lines, st.data())
def test_a_damaged_line_is_noticed(written: TrialRecord, data: st.DataObject) -> None:
    raw = bytearray(encode_line(written))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError):
        decode_line(bytes(raw))


def test_a_line_carries_a_whole_trial() -> None:
    proposal = Proposal(Arch((1, 2.5)), 3, Inherit(0, {1: None, 2: 7}, 0.5, 0.1, reseed=True), {"action": [1, "x"]})
    trial = Trial(9, proposal, Result({"a": 1.5}, {"b": -2.0}, 0.25, details={"mixed": {"counts": {"base": 3}}}))
    assert decode_line(encode_line(TrialRecord.of(trial, "text", 4, None))).trial == trial
    failed = Trial(10, proposal, Result.failed("half a surrogate \udcff\nand a second line"))
    assert decode_line(encode_line(TrialRecord.of(failed, "text", None, 9))).trial == failed
    assert failed.result.error == "half a surrogate \\udcff and a second line"


def test_details_are_absent_where_there_are_none_as_in_older_records() -> None:
    older = b'{"id":3,"genes":[1,2],"arch":"x","query":4,"scores":{"a":1.5},"crc":"350ba15f"}\n'
    assert decode_line(older).details == {}
    assert encode_line(decode_line(older)) == older


# -- opening ------------------------------------------------------------------------------------------------------


def test_a_folder_comes_back(run: Path) -> None:
    with RunFolder.open(run) as folder:
        assert folder.lines == [line(number) for number in range(30)]
        assert folder.manifest["what"] == "a test"
    assert read_lines(run) == folder.lines


def test_a_record_cut_anywhere_keeps_every_whole_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every offset of the last kilobyte, and none of them loses a line that is whole."""
    monkeypatch.setattr(record.os, "fsync", lambda file: None)  # a thousand openings
    journal = run / "trials.jsonl"
    whole = journal.read_bytes()
    offsets = range(len(whole) - 1024, len(whole) + 1)
    assert offsets[0] > 0
    for offset in offsets:
        journal.write_bytes(whole[:offset])
        expected = whole[:offset].count(b"\n")
        torn = not whole[:offset].endswith(b"\n")
        assert [item.id for item in read_lines(run)] == list(range(expected)), "reading needs no repair"
        assert journal.stat().st_size == offset, "reading touches nothing"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with RunFolder.open(run) as folder:
                assert [item.id for item in folder.lines] == list(range(expected))
        assert [w.category for w in caught] == [TornTailWarning] * torn, f"at offset {offset}"
        if torn:
            assert f"{expected} committed trials are intact" in str(caught[0].message)
        assert journal.read_bytes() == whole[: whole.rfind(b"\n", 0, offset) + 1], "the tail is cut off the file"


def test_a_cut_record_goes_on_to_the_same_bytes(run: Path) -> None:
    journal = run / "trials.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-17])
    with pytest.warns(TornTailWarning), RunFolder.open(run) as folder:
        folder.append(line(29))
        folder.commit(force=True)
    assert journal.read_bytes() == whole


def test_zeros_that_a_power_cut_left_at_the_end_are_cut_off(run: Path) -> None:
    with (run / "trials.jsonl").open("ab") as file:
        file.write(b"\0" * 4096)
    assert len(reopened(run)) == 30


@pytest.mark.parametrize("number", [1, 15, 30])
def test_a_flipped_byte_is_an_error_that_names_the_line(
    run: Path, number: int, listing: Callable[..., Listing]
) -> None:
    journal = run / "trials.jsonl"
    raw = journal.read_bytes().splitlines(keepends=True)
    for at in (0, 9, len(raw[number - 1]) // 2, -3):
        damaged = bytearray(raw[number - 1])
        damaged[at] ^= 4
        journal.write_bytes(b"".join([*raw[: number - 1], damaged, *raw[number:]]))
        before = listing(run)
        for opening in (RunFolder.open, read_lines):
            with pytest.raises(StoreError, match=rf"trials\.jsonl line {number} is damaged"):
                opening(run)
        after = listing(run)
        assert after["trials.jsonl"] == before["trials.jsonl"]
        assert holder(run) is None, "an error gives the folder free"


def test_a_trial_that_stands_twice_is_an_error(run: Path) -> None:
    with (run / "trials.jsonl").open("ab") as file:
        file.write(encode_line(line(7)))
    with pytest.raises(StoreError, match="holds trial 7 twice"):
        RunFolder.open(run)


def test_lines_are_given_in_the_order_of_trials(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run", {}) as folder:
        for number in (2, 0, 1):
            folder.append(line(number))
        folder.commit(force=True)
    assert [item.id for item in read_lines(tmp_path / "run")] == [0, 1, 2]


def test_what_a_killed_writer_left_beside_its_files_is_swept_up(run: Path) -> None:
    (run / ".state.npz.4711.tmp").write_bytes(b"half a checkp")
    reopened(run)
    assert not list(run.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is not a run folder: it has no run.json"),
        (b"", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[]", "is not from an archloom run"),
        (b'{"name": "of something else"}', "is not from an archloom run"),
        (b'{"format": 99}', "run format 99"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=says):
        RunFolder.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"] * (content is not None)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        RunFolder.open(file)
    with pytest.raises(InputError, match="is a file"):
        RunFolder.create(file, {})
    with pytest.raises(InputError, match=f"{file} is a file"):
        RunFolder.create(file / "below", {})
    with pytest.raises(InputError, match="File name too long"):
        RunFolder.create(tmp_path / ("x" * 300), {})
    assert file.read_text() == "mine"


def test_a_folder_holds_one_run(run: Path, listing: Callable[..., Listing]) -> None:
    before = listing(run)
    with pytest.raises(InputError, match=f"archloom resume {run}"):
        RunFolder.create(run, {})
    assert listing(run) == before
    (run / "trials.jsonl").unlink()
    (run / "run.json").rename(run / "training.json")
    with pytest.raises(InputError, match="already holds the training of an agent"):
        RunFolder.create(run, {})
    (run / "training.json").unlink()
    (run / "group.json").symlink_to("nothing")
    with pytest.raises(InputError, match="already holds runs"):
        RunFolder.create(run, {})


# -- committing ---------------------------------------------------------------------------------------------------


def test_a_commit_is_on_disk_and_grouped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(record.os, "fsync", lambda file: (synced.append(file), real(file))[1])
    clock = [100.0]
    monkeypatch.setattr(record.time, "monotonic", lambda: clock[0])
    journal = tmp_path / "run" / "trials.jsonl"
    with RunFolder.create(tmp_path / "run", {}) as folder:
        assert folder.commit(), "nothing to do is done"
        folder.append(line(0))
        assert folder.commit(), "the first comes at once"
        synced.clear()
        folder.append(line(1))
        assert not folder.commit(), "the second waits for company"
        assert not synced and journal.read_bytes().count(b"\n") == 1
        folder.append(line(2))
        clock[0] += 1.01 * record.COMMIT_EVERY_S
        assert folder.commit()
        assert len(synced) == 1 and journal.read_bytes().count(b"\n") == 3
        folder.append(line(3))
        assert folder.commit(force=True)
        folder.append(line(4))
    assert journal.read_bytes().count(b"\n") == 4, "what was not committed is not written"


def test_a_checkpoint_never_runs_ahead_of_the_record(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run", {}) as folder:
        folder.append(line(0))
        folder.commit()
        folder.append(line(1))
        folder.save_state({"told": 2})
        assert len(read_lines(folder.path)) == 2
        folder.append(line(2))
        folder.write_summary({"told": 3})
        assert len(read_lines(folder.path)) == 3


class FailingOs:
    """The os module, but from call number `fails_at` of `write`, `fsync` and `ftruncate` on they raise.

    `times` says how often; a write that fails has written `part` of its bytes.
    """

    def __init__(self, error: BaseException, fails_at: int = 0, times: int = 10**9, part: float = 0.5) -> None:
        self.calls = 0
        self._error, self._range, self._part = error, range(fails_at, fails_at + times), part

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _due(self) -> bool:
        self.calls += 1
        return self.calls - 1 in self._range

    def write(self, file: int, content: memoryview) -> int:
        if self._due():
            os.write(file, content[: int(len(content) * self._part)])
            raise self._error
        return os.write(file, content)

    def fsync(self, file: int) -> None:
        if self._due():
            raise self._error

    def ftruncate(self, file: int, size: int) -> None:
        os.ftruncate(file, size)


@contextmanager
def failing(error: BaseException, **how: Any) -> Iterator[FailingOs]:
    with pytest.MonkeyPatch.context() as patch:
        proxy = FailingOs(error, **how)
        patch.setattr(record, "os", proxy)
        patch.setattr(files, "os", proxy)
        yield proxy


DISK_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("fails_at", [0, 1], ids=["write", "fsync"])
def test_a_full_disk_is_one_line_and_loses_nothing(run: Path, fails_at: int) -> None:
    before = (run / "trials.jsonl").read_bytes()
    with RunFolder.open(run) as folder:
        folder.append(line(30))
        with failing(DISK_FULL, fails_at=fails_at), pytest.raises(StoreError) as caught:
            folder.commit(force=True)
        assert str(caught.value) == f"{run}: No space left on device; free some space, then: archloom resume"
        assert (run / "trials.jsonl").read_bytes() == before, "the part that was written is taken back"
        assert folder.commit(force=True), "with room again, nothing appended was lost"
    assert len(reopened(run)) == 31


def test_writes_that_take_a_part_at_a_time_are_finished(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with RunFolder.open(run) as folder:
        folder.append(line(30))
        with monkeypatch.context() as patch:
            patch.setattr(record.os, "write", lambda file, content: real(file, content[:7]))
            folder.commit(force=True)
    assert len(reopened(run)) == 31


@pytest.mark.parametrize("fails_at", [0, 1], ids=["write", "fsync"])
def test_an_interrupted_commit_is_not_written_twice(run: Path, fails_at: int) -> None:
    """Ctrl-C during a commit; the loop commits once more on its way out."""
    with RunFolder.open(run) as folder:
        folder.append(line(30))
        with failing(KeyboardInterrupt(), fails_at=fails_at, times=1):
            with pytest.raises(KeyboardInterrupt):
                folder.commit(force=True)
            folder.commit(force=True)
    assert [item.id for item in reopened(run)] == list(range(31))


def test_a_failed_checkpoint_leaves_the_old_one(run: Path) -> None:
    with RunFolder.open(run) as folder:
        folder.save_state({"version": 1})
        with failing(DISK_FULL), pytest.raises(StoreError, match="No space left"):
            folder.save_state({"version": 2})
        assert folder.load_state() == {"version": 1}
    assert not list(run.glob(".*.tmp"))


@pytest.mark.parametrize("name", ["state.npz", "summary.json"])
def test_a_folder_in_place_of_a_file_is_named(run: Path, name: str) -> None:
    (run / name).mkdir()
    with RunFolder.open(run) as folder:
        write = folder.save_state if name == "state.npz" else folder.write_summary
        with pytest.raises(StoreError) as caught:
            write({"version": 1})
        assert str(caught.value) == f"{run / name} is a folder, expected a file: remove it, then: archloom resume"
        if name == "state.npz":
            with pytest.warns(UserWarning) as warned:
                assert folder.load_state() is None
            assert str(warned[0].message) == (
                f"{run}/state.npz cannot be read (is a folder; expected a file); replaying the record"
            )


def test_a_read_only_folder_is_said_in_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StoreError, match="read-only: give a writable folder with --out"):
        RunFolder.open(run)
    with pytest.raises(StoreError, match="read-only"):
        RunFolder.create(run.parent / "new", {})


LIMITED = """
import resource, signal, sys
from pathlib import Path
from archloom.runs.record import TrialRecord, RunFolder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
from archloom.errors import StoreError
with RunFolder.open(Path(sys.argv[1])) as folder:
    try:
        for number in range(30, 1000):
            folder.append(TrialRecord(number, (0, 1), "cell", number + 1))
            folder.commit(force=True)
    except StoreError as error:
        print(number, error)
"""


def test_a_file_that_really_cannot_grow(run: Path) -> None:
    """A limit of the operating system: the last write that fits is whole, the next is taken back."""
    limit = (run / "trials.jsonl").stat().st_size + 1000
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(run), str(limit)], capture_output=True, text=True, timeout=30, check=True
    )
    number, message = done.stdout.split(" ", 1)
    assert "File too large" in message and message.count("\n") == 1
    with RunFolder.open(run) as folder:  # no TornTailWarning: warnings are errors here
        assert [item.id for item in folder.lines] == list(range(int(number)))


# -- checkpoints --------------------------------------------------------------------------------------------------


def test_a_state_comes_back(run: Path) -> None:
    state = {
        "numbers": [1, 2.5, None, True, "text", 2**100],
        "arrays": {"weights": np.arange(6.0).reshape(2, 3), "nothing": np.zeros((0, 4), dtype=np.int8)},
        "rng": np.random.default_rng(1).bit_generator.state,
        "scalar": np.float32(0.5),
        "tuple": (1, (2, 3)),
    }
    with RunFolder.open(run) as folder:
        assert folder.load_state() is None
        folder.save_state(state)
        loaded = folder.load_state()
    assert loaded is not None
    arrays = loaded.pop("arrays")
    assert np.array_equal(arrays["weights"], np.arange(6.0).reshape(2, 3)) and arrays["nothing"].shape == (0, 4)
    assert arrays["nothing"].dtype == np.int8
    assert loaded == {**{k: state[k] for k in ("numbers", "rng")}, "scalar": 0.5, "tuple": [1, [2, 3]]}


def test_a_damaged_state_is_a_warning_whatever_is_damaged(run: Path) -> None:
    """Cut anywhere, or any byte changed: the state is as it was, or is not used. It is never unpickled."""
    state = {"told": 12, "weights": np.arange(3.0), "text": "some more text to be damaged"}
    with RunFolder.open(run) as folder:
        folder.save_state(state)
        raw = (run / "state.npz").read_bytes()
        damaged = [raw[:size] for size in range(0, len(raw), 5)]
        for at in range(0, len(raw), 2):
            changed = bytearray(raw)
            changed[at] ^= 0xFF
            damaged.append(bytes(changed))
        unused = 0
        for content in damaged:
            (run / "state.npz").write_bytes(content)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                loaded = folder.load_state()
            if loaded is None:
                unused += 1
                assert any("replaying the record" in str(w.message) for w in caught)
            else:
                assert loaded["told"] == 12 and loaded["text"] == state["text"]
                assert np.array_equal(loaded["weights"], np.arange(3.0))
    assert unused > len(damaged) // 2


def test_a_state_with_a_pickle_in_it_is_not_unpickled(run: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "exploded",)

    np.savez(run / "state.npz", tree=np.array([Bomb()], dtype=object))
    with RunFolder.open(run) as folder, pytest.warns(UserWarning, match="replaying the record"):
        assert folder.load_state() is None
    assert not (tmp_path / "exploded").exists()


# -- who is writing -----------------------------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from archloom.runs.record import RunFolder
folder = RunFolder.open(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@contextmanager
def other_process(run: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the folder open."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_second_process_learns_who_has_the_folder(run: Path) -> None:
    with other_process(run) as process:
        host = os.uname().nodename
        expected = rf"being written by process {process.pid} on {host} since 20\d\d-"
        with pytest.raises(StoreError, match=expected) as caught:
            RunFolder.open(run)
        assert str(run) in str(caught.value) and str(caught.value).endswith("wait for it or stop it")
        assert f"process {process.pid}" in (holder(run) or "")
        assert len(read_lines(run)) == 30, "reading is always possible"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert holder(run) is None
        with RunFolder.open(run) as folder:
            assert len(folder.lines) == 30


def test_two_openings_in_one_process_exclude_each_other(run: Path) -> None:
    with RunFolder.open(run), pytest.raises(StoreError, match=f"process {os.getpid()} "):
        RunFolder.open(run)
    assert holder(run) is None
    assert not (run / "holder.json").exists()


def test_somebody_who_only_looks_does_not_stop_a_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`archloom status` takes the lock for a moment, which may be long on a busy machine."""
    monkeypatch.setattr(lock, "GRACE_S", 60.0)
    taken = threading.Event()

    def look() -> None:
        held = FolderLock.take(run)
        taken.set()
        time.sleep(0.1)
        held.release()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        assert taken.wait(60)
        RunFolder.open(run).close()
    finally:
        thread.join()


def test_a_holder_file_that_makes_no_sense_is_no_trouble(run: Path) -> None:
    taken = FolderLock.take(run)
    try:
        (run / "holder.json").write_text("[]")
        assert holder(run) == "another process"
    finally:
        taken.release()


def test_versions_are_told() -> None:
    assert {"python", "platform", "archloom", "numpy"} <= set(record.environment())


# -- folders of strangers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", record.OWN_FILES)
def test_a_run_never_writes_through_a_link(run: Path, tmp_path: Path, name: str) -> None:
    """Wherever a link leads, and whatever kind of thing is there, it is as it was."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_bytes(b"a file of mine\nwith two lines")
    own = run / name
    if own.exists():
        shutil.copy(own, outside / name)
        own.unlink()
    target = outside if name == "weights" else outside / name if (outside / name).exists() else outside / "mine"
    own.symlink_to(target)
    before = {file.name: file.read_bytes() for file in outside.iterdir()}
    with pytest.raises((StoreError, InputError), match=rf"{name} is a symbolic link|already holds"):
        RunFolder.open(run)
    assert {file.name: file.read_bytes() for file in outside.iterdir()} == before
    assert own.is_symlink()


def test_a_record_with_another_name_elsewhere_is_not_written(run: Path, tmp_path: Path) -> None:
    """A hard link, as backups make them: appending would change both."""
    backup = tmp_path / "backup"
    backup.hardlink_to(run / "trials.jsonl")
    with (run / "trials.jsonl").open("ab") as file:
        file.write(b"a torn tail")
    before = backup.read_bytes()
    with pytest.raises(StoreError, match=r"trials.jsonl is a hard link.*replace it by a copy"):
        RunFolder.open(run)
    assert backup.read_bytes() == before and len(read_lines(run)) == 30


def test_a_changed_manifest_is_noticed_and_a_new_layout_is_not(run: Path) -> None:
    file = run / "run.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content, sort_keys=True))
    assert record.read_manifest(run)["what"] == "a test"
    file.write_text(json.dumps({**content, "what": "another"}))
    for opening in (RunFolder.open, record.read_manifest):
        with pytest.raises(StoreError, match=r"run.json has changed since archloom wrote it.*remove the entry"):
            opening(run)
    file.write_text(json.dumps({"format": 1, "what": "another"}))
    assert record.read_manifest(run)["what"] == "another", "as the message says, and as earlier versions wrote it"
