"""The durable record of a run: a folder that survives anything and can be read years later.

| file | what |
|---|---|
| `run.json` | the request, with the versions and the table (name, SHA-256) that answers it; its limits may be raised |
| `trials.jsonl` | the append-only record: one finished trial per line, each with a checksum |
| `state.npz` | the run's state (strategy and loop) as last saved; may be absent or behind the record |
| `summary.json` | the outcome; written when the run ends |
| `earlier.jsonl` | the trials of earlier runs that it was warm started with (`runs.warm_start`); absent if none |
| `keeping.json` | the user's policy for checkpoints (`checkpoints.retention.RetentionPolicy`); absent if none |
| `failures/` | what there is to read on failed trials (`runs.failures`) |
| `weights/` | checkpoints: the saved states of trainings |
| `weights.json`, `weights.lock` | which of them may be evicted, with a budget (`checkpoints.budget.DiskBudget`) |
| `lock`, `holder.json` | who is writing now |

A trial is committed when its line, newline included, is on disk, and only then reported as done. Commits are grouped:
the loop syncs at once if answers take longer than a millisecond to arrive; quicker ones share a sync every
`COMMIT_EVERY_S`. A line that was torn by a crash is cut off when the folder is opened for writing; a damaged line
elsewhere is an error and never skipped. Whatever runs again after a lost tail comes out the same, because runs are
deterministic.
"""

from __future__ import annotations

import io
import json
import os
import platform
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from archloom.errors import InputError, StoreError
from archloom.runs import failures
from archloom.runs.lock import FolderLock, hold
from archloom.runs.places import FOLDER, found_again
from archloom.types import Arch, Inherit, Proposal, Result, Trial
from archloom.utils.documents import is_sealed, read_json, write_sealed
from archloom.utils.files import (
    TEMPORARY,
    guarded,
    open_owned,
    read_file,
    replace_file,
    store_error,
    sync_folder,
    unreadable,
    write_json,
)  # fmt: skip
from archloom.utils.text import quoted

FORMAT = 1
"""The version of the folder's layout, in `run.json`."""

WEIGHTS = "weights"
"""The folder of checkpoints in a run's folder."""

TRIALS = "trials.jsonl"
"""The record's file in a run's folder."""

EARLIER = "earlier.jsonl"
"""The file of earlier runs' trials in a run's folder, or a group's."""

OWN_FILES = (
    "run.json", TRIALS, EARLIER, "state.npz", "summary.json", "keeping.json", WEIGHTS, "weights.json", "weights.lock",
    "lock", "holder.json", "group.json",
)  # fmt: skip
"""What a run, or a group of runs, writes in its folder."""

COMMIT_EVERY_S = 0.02

_CHECKSUM = b',"crc":"%08x"}\n'
_CHECKSUM_BYTES = len(_CHECKSUM % 0)


class TrialRecord(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One line of `trials.jsonl`.

    `query` numbers the unique architectures from 1. A trial that asked for a known architecture has no `query`; `same`
    is then the id of the trial whose answer it received.
    """

    id: int
    genes: tuple[int | float, ...]
    arch: str
    query: int | None = None
    same: int | None = None
    fidelity: int = 0
    inherit: Inherit | None = None
    note: dict[str, Any] = {}
    scores: dict[str, float] = {}
    report: dict[str, float] = {}
    cost_s: float = 0.0
    error: str | None = None
    details: dict[str, Any] = {}

    @classmethod
    def of(cls, trial: Trial, arch: str, query: int | None, same: int | None) -> TrialRecord:
        proposal, result = trial.proposal, trial.result
        return cls(
            trial.id, proposal.arch.genes, arch, query, same, proposal.fidelity, proposal.inherit, dict(proposal.note),
            dict(result.scores), dict(result.report), result.cost_s, result.error, dict(result.details),
        )  # fmt: skip

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def proposal(self) -> Proposal:
        return Proposal(Arch(self.genes), self.fidelity, self.inherit, self.note)

    @property
    def result(self) -> Result:
        return Result(self.scores, self.report, self.cost_s, self.error, self.details)

    @property
    def trial(self) -> Trial:
        return Trial(self.id, self.proposal, self.result)


class TornTailWarning(UserWarning):
    """The end of a record was torn by a crash and has been cut off; every committed trial is intact."""


class RunFolder:
    """One run's folder. Use `create` for a new run, `open` to resume one; both hold its lock until `close`."""

    def __init__(
        self, path: Path, manifest: Mapping[str, Any], lock: FolderLock, file: int, lines: list[TrialRecord]
    ) -> None:
        """`file` is a locked descriptor of the record, to append to."""
        self.path = path
        self.manifest = manifest
        self.lines = lines
        self._lock = lock
        self._file = file
        guarded(path, lambda: sync_folder(path))
        self._committed = os.fstat(file).st_size
        self._pending = bytearray()
        self._torn = False  # whether a part of what is pending may be in the file
        self._synced_at = 0.0

    @classmethod
    def create(
        cls, path: Path, manifest: Mapping[str, Any], before: Callable[[Path], object] = lambda _path: None
    ) -> RunFolder:
        """Make the folder of a new run. It must not hold a run already.

        `before` writes what must be there as soon as there is a run to resume.
        """
        check_free(path)
        guarded(path, lambda: path.mkdir(parents=True, exist_ok=True))
        check_own(path)
        with _locked(path) as (lock, own):
            check_free(path)  # again: another process may have been quicker
            before(path)
            write_sealed(path / "run.json", {"format": FORMAT, FOLDER: str(path.resolve()), **manifest})
            own.append(_open_record(path))
            return cls(path, read_manifest(path), lock, own[0], [])

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run for writing, cutting off a torn tail with a `TornTailWarning`."""
        manifest = read_manifest(path)
        check_own(path)
        with _locked(path) as (lock, own):
            _sweep(path)
            file = _open_record(path)
            own.append(file)
            lines, good, size = _scan(path)
            if good < size:
                warnings.warn(
                    f"{path}/trials.jsonl: the last {size - good} bytes were torn by a crash and are cut off; "
                    f"{len(lines)} committed trials are intact",
                    TornTailWarning,
                    stacklevel=2,
                )
                guarded(path, lambda: _truncate(file, good))
            return cls(path, manifest, lock, file, lines)

    def append(self, line: TrialRecord) -> None:
        """Add a trial to the record; it is committed by the next `commit`."""
        self._pending += encode_line(line)

    def commit(self, force: bool = False) -> bool:
        """Sync what was appended if it is time (or `force`); True if everything appended is on disk now."""
        if not self._pending:
            return True
        now = time.monotonic()
        if not force and now - self._synced_at < COMMIT_EVERY_S:
            return False
        self._check()
        self._torn = True
        try:
            _write_all(self._file, self._pending)
            os.fsync(self._file)
        except OSError as error:
            self._undo()
            raise store_error(self.path, error) from error
        except BaseException:  # Ctrl-C: the next commit writes it all again
            self._undo()
            raise
        written = self._committed + len(self._pending)
        self._committed, self._pending, self._torn = written, bytearray(), False
        self._synced_at = time.monotonic()
        return True

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Save the run's state. Everything appended is committed first: the state is never ahead of the record."""
        self.commit(force=True)
        content = encode_state(state)
        self._check()
        guarded(self.path, lambda: replace_file(self.path / "state.npz", content))

    def load_state(self) -> dict[str, Any] | None:
        """The run's state as last saved; None if there is none that can be read (the run then replays its record)."""
        try:
            return read_state(self.path)
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - a damaged zip raises almost anything, and the record has everything
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            warnings.warn(f"{self.path}/state.npz cannot be read ({reason}); replaying the record", stacklevel=2)
            return None

    def explain(self, line: TrialRecord, trace: str) -> None:
        """Keep what there is to read on a failed trial."""
        failures.keep(self.path, line.id, line.error or "", trace)

    def rewrite_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace `run.json`: the run is extended beyond its first limits."""
        self._check()
        write_sealed(self.path / "run.json", manifest)
        self.manifest = manifest

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        self.commit(force=True)
        self._check()
        write_json(self.path / "summary.json", summary)

    def close(self) -> None:
        """Release the folder. What was appended but not committed is not written."""
        os.close(self._file)
        self._lock.release()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self) -> None:
        """StoreError unless the folder and the record in it are what this run locked, and as it left them."""
        self._lock.check()
        if self._torn:
            self._undo()
        known = os.fstat(self._file)
        try:
            same = os.path.samestat((self.path / TRIALS).lstat(), known)
        except OSError:
            same = False
        if same and known.st_size == self._committed:
            return
        what = "changed" if same else "removed or replaced"
        raise StoreError(
            f"{self.path}/trials.jsonl was {what} while this run was writing it: nothing more is written; restore the "
            f"file, then: archloom resume {quoted(self.path)}"
        )

    def _undo(self) -> None:
        """After a failed write: remove the part of it that reached the file, so that the record stays whole."""
        try:
            os.ftruncate(self._file, self._committed)
            self._torn = False
        except OSError as error:  # a torn tail is cut off at the next opening anyway
            warnings.warn(f"{self.path}/trials.jsonl: could not undo a failed write ({error})", stacklevel=3)


_TAKEN = {
    "run.json": "a run",
    "group.json": "runs",
    "trials.jsonl": "the record of a run",
    "training.json": "the training of an agent",
}
"""What a file says that is in a folder."""


def check_free(path: Path) -> None:
    """Raise InputError unless a new run, or group of runs, can be made at `path`."""
    try:
        there = next(folder for folder in (path, *path.parents) if folder.exists())
    except OSError as error:  # a name that is too long, say
        raise InputError(f"{path}: {error.strerror}; give another folder with --out") from None
    if not there.is_dir():
        raise InputError(f"{there} is a file: give a folder for the run with --out")
    for file, what in _TAKEN.items():
        if os.path.lexists(path / file):
            raise InputError(f"{path} already holds {what}: archloom resume {quoted(path)}, or give another --out")


def read_manifest(path: Path) -> dict[str, Any]:
    """`run.json` of a run folder, checked to be one that this version can read, and as it was written.

    The paths in it are those of its files now, if it was moved together with them.
    """
    file = path / "run.json"
    try:
        manifest = read_json(file)
    except FileNotFoundError:
        raise InputError(_no_run(path)) from None
    except NotADirectoryError:
        raise InputError(f"{path} is a file: expected a run folder") from None
    except ValueError as error:
        raise InputError(f"{file} is {error}: not a run, or a damaged one") from None
    except OSError as error:
        raise unreadable(file, error) from error
    if not isinstance(manifest, dict) or type(manifest.get("format")) is not int:
        raise InputError(f"{file} is not from an archloom run: it has no format number")
    if manifest["format"] > FORMAT:
        raise InputError(
            f"{path} has run format {manifest['format']}; this archloom reads up to {FORMAT}: install a newer one"
        )
    check_seal(file, manifest)
    return found_again(path, manifest)


def check_seal(file: Path, content: Mapping[str, Any]) -> None:
    """StoreError for a file that has changed since archloom wrote it."""
    if not is_sealed(content):
        raise StoreError(
            f"{file} has changed since archloom wrote it: its checksum does not match; restore it from a copy, or if "
            'you changed it on purpose, remove the entry "checksum" from it'
        )


def _no_run(path: Path) -> str:
    if (path / TRIALS).exists():
        return f"{path} has a record, trials.jsonl, and no run.json: restore that from a copy, or run again elsewhere"
    return f"{path} is not a run folder: {'it has no run.json' if path.exists() else 'there is no such folder'}"


def read_lines(path: Path) -> list[TrialRecord]:
    """The committed trials of a run folder, by id, without changing anything; a run may be writing to it."""
    return sorted(_scan(path)[0], key=lambda line: line.id)


def read_state(path: Path) -> dict[str, Any]:
    """The state of the run in a folder, as last saved; FileNotFoundError if there is none, almost any other error if it
    is damaged."""
    return decode_state(read_file(path / "state.npz"))


def encode_line(line: TrialRecord) -> bytes:
    """The bytes of a line: JSON whose last field is the CRC-32 of everything before it."""
    body = msgspec.json.encode(line)[:-1]
    return body + _CHECKSUM % zlib.crc32(body)


def decode_line(raw: bytes) -> TrialRecord:
    """Read a line with its newline; ValueError if it is damaged."""
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if checksum != _CHECKSUM % zlib.crc32(body):
        raise ValueError("its checksum does not match")
    return msgspec.json.decode(body + b"}", type=TrialRecord)


def encode_state(state: Mapping[str, Any]) -> bytes:
    """Nested dicts and lists of JSON values and numpy arrays, as the bytes of an .npz without pickles."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}

    def outline(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            arrays[f"a{len(arrays)}"] = value
            return {"__array__": f"a{len(arrays) - 1}"}
        if isinstance(value, Mapping):
            return {str(key): outline(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [outline(item) for item in value]
        if isinstance(value, np.generic):
            return value.item()
        return value

    tree = json.dumps(outline(state))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, tree=np.array(tree), **arrays)
    return buffer.getvalue()


def decode_state(raw: bytes) -> dict[str, Any]:
    """What `encode_state` was given; tuples come back as lists, keys as strings."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:

        def restore(value: Any) -> Any:
            if isinstance(value, list):
                return [restore(item) for item in value]
            if isinstance(value, dict):
                if value.keys() == {"__array__"}:
                    return arrays[value["__array__"]]
                return {key: restore(item) for key, item in value.items()}
            return value

        tree: dict[str, Any] = restore(json.loads(str(arrays["tree"])))
        return tree


@contextmanager
def _locked(path: Path) -> Iterator[tuple[FolderLock, list[int]]]:
    """The lock of a folder and a list of descriptors, which all are given free if opening the folder fails."""
    lock = FolderLock.take(path)
    descriptors: list[int] = []
    try:
        yield lock, descriptors
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        lock.release()
        raise


def _open_record(path: Path) -> int:
    """A locked descriptor of the record, to append to."""
    file: int = guarded(path, lambda: open_owned(path / TRIALS, os.O_RDWR | os.O_APPEND | os.O_CREAT))
    try:
        hold(path, file)
    except BaseException:
        os.close(file)
        raise
    return file


def check_own(path: Path) -> None:
    """StoreError for a folder of a run, or of runs, whose files are links to others: they are never written through."""
    if (path / WEIGHTS).exists() and not (path / WEIGHTS).is_dir():
        raise StoreError(f"{path}/{WEIGHTS} is no folder: remove it, or restore the folder of checkpoints from a copy")
    for name in OWN_FILES:
        if (path / name).is_symlink():
            raise StoreError(
                f"{path}/{name} is a symbolic link, and a run writes only in its own folder: replace it by what it "
                "leads to, or resume a copy of the folder without links (cp -RL)"
            )


def _sweep(path: Path) -> None:
    """Remove what `replace_file` left behind when it was killed. The caller holds the folder's lock."""
    for left in path.glob(TEMPORARY):
        with suppress(OSError):
            left.unlink()


def _scan(path: Path) -> tuple[list[TrialRecord], int, int]:
    """Lines as they stand in the file, the number of bytes in complete lines, and the file's size."""
    try:
        content = read_file(path / TRIALS)
    except FileNotFoundError:
        return [], 0, 0
    except OSError as error:
        raise unreadable(path / TRIALS, error) from error
    good = content.rfind(b"\n") + 1
    lines: list[TrialRecord] = []
    for number, raw in enumerate(content[:good].splitlines(keepends=True), 1):
        try:
            lines.append(decode_line(raw))
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            raise StoreError(
                f"{path}/trials.jsonl line {number} is damaged ({error}); restore the file from a copy{_rerun(path)}"
            ) from None
    _check_numbers(path, lines)
    return lines, good, len(content)


def _check_numbers(path: Path, lines: Sequence[TrialRecord]) -> None:
    """StoreError for numbers of trials and queries that no run can have written."""
    for kind, numbers in (("trial", [x.id for x in lines]), ("query", [x.query for x in lines if x.query is not None])):
        numbers.sort()
        twice = next((b for a, b in pairwise(numbers) if a == b), None)
        if twice is not None:
            raise StoreError(f"{path}/trials.jsonl holds {kind} {twice} twice; restore the file from a copy")
    for line in lines:
        counts = line.query is None or 1 <= line.query <= line.id + 1
        if not counts or line.id < 0 or line.fidelity < 0 or not (line.same is None or 0 <= line.same < line.id):
            raise StoreError(
                f"{path}/trials.jsonl: trial {line.id} is damaged: it cannot have query {line.query}, fidelity "
                f"{line.fidelity} and same {line.same}; restore the file from a copy"
            )


def _rerun(path: Path) -> str:
    """How to do without the end of a record. What trained may need states by then that were dropped."""
    return "" if (path / WEIGHTS).is_dir() else ", or remove the lines from there on to run those trials again"


def environment() -> dict[str, str]:
    """The versions that a run's numbers may depend on."""
    versions = {"python": platform.python_version(), "platform": platform.platform()}
    versions["threads"] = os.environ.get("OMP_NUM_THREADS", "not set")
    return versions | _installed()


@cache
def _installed() -> dict[str, str]:
    from importlib import metadata

    versions = {}
    for package in ("archloom", "numpy", "torch"):
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _write_all(file: int, content: bytes | bytearray) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def _truncate(file: int, size: int) -> None:
    os.ftruncate(file, size)
    os.fsync(file)
