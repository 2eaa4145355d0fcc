"""The durable record of a run: a folder that survives anything and can be read years later.

| file | what |
|---|---|
| `run.json` | the request, with the versions and the table (name, SHA-256) that answers it; its limits may be raised |
| `trials.jsonl` | the append-only record: one finished trial per line, each with a checksum |
| `state.npz` | the run's state (strategy and loop) as last saved; may be absent or behind the record |
| `summary.json` | the outcome; written when the run ends |
| `keeping.json` | the user's policy for checkpoints (`checkpoints.retention.RetentionPolicy`); absent if none |
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
import socket
import time
import warnings
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import msgspec
import numpy as np

from archloom.errors import InputError, StoreError
from archloom.types import Arch, Inherit, Proposal, Result, Trial
from archloom.utils.files import TEMPORARY, guarded, replace_file, store_error, sync_folder, write_json

FORMAT = 1
"""The version of the folder's layout, in `run.json`."""

WEIGHTS = "weights"
"""The folder of checkpoints in a run's folder."""

COMMIT_EVERY_S = 0.02

GRACE_S = 0.5
"""How long to wait for a lock that is held: somebody may be checking it, or a killed run's workers may be ending."""

_CHECKSUM = b',"crc":"%08x"}\n'
_CHECKSUM_BYTES = len(_CHECKSUM % 0)


class TrialRecord(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
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
    def trial(self) -> Trial:
        proposal = Proposal(Arch(self.genes), self.fidelity, self.inherit, self.note)
        return Trial(self.id, proposal, Result(self.scores, self.report, self.cost_s, self.error, self.details))


class TornTailWarning(UserWarning):
    """The end of a record was torn by a crash and has been cut off; every committed trial is intact."""


class RunFolder:
    """One run's folder. Use `create` for a new run, `open` to resume one; both hold its lock until `close`."""

    def __init__(
        self, path: Path, manifest: Mapping[str, Any], lock: filelock.BaseFileLock, lines: list[TrialRecord]
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.lines = lines
        self._lock = lock
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = guarded(path, lambda: os.open(path / "trials.jsonl", flags, 0o644))
        guarded(path, lambda: sync_folder(path))
        self._committed = os.fstat(self._file).st_size
        self._pending = bytearray()
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
        lock = lock_folder(path)
        try:
            check_free(path)  # again: another process may have been quicker
            before(path)
            write_json(path / "run.json", {"format": FORMAT, **manifest})
            return cls(path, read_manifest(path), lock, [])
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run for writing, cutting off a torn tail with a `TornTailWarning`."""
        manifest = read_manifest(path)
        lock = lock_folder(path)
        try:
            _sweep(path)
            lines, good, size = _scan(path)
            if good < size:
                warnings.warn(
                    f"{path}/trials.jsonl: the last {size - good} bytes were torn by a crash and are cut off; "
                    f"{len(lines)} committed trials are intact",
                    TornTailWarning,
                    stacklevel=2,
                )
                guarded(path, lambda: _truncate(path / "trials.jsonl", good))
            return cls(path, manifest, lock, lines)
        except BaseException:
            lock.release()
            raise

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
        self._committed, self._pending = written, bytearray()
        self._synced_at = time.monotonic()
        return True

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Save the run's state. Everything appended is committed first: the state is never ahead of the record."""
        self.commit(force=True)
        content = encode_state(state)
        guarded(self.path, lambda: replace_file(self.path / "state.npz", content))

    def load_state(self) -> dict[str, Any] | None:
        """The run's state as last saved; None if there is none that can be read (the run then replays its record)."""
        try:
            return decode_state((self.path / "state.npz").read_bytes())
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - a damaged zip raises almost anything, and the record has everything
            warnings.warn(f"{self.path}/state.npz cannot be read ({error}); replaying the record", stacklevel=2)
            return None

    def rewrite_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace `run.json`: the run is extended beyond its first limits."""
        write_json(self.path / "run.json", manifest)
        self.manifest = manifest

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        self.commit(force=True)
        write_json(self.path / "summary.json", summary)

    def close(self) -> None:
        """Release the folder. What was appended but not committed is not written."""
        os.close(self._file)
        unlock_folder(self.path, self._lock)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _undo(self) -> None:
        """After a failed write: remove the part of it that reached the file, so that the record stays whole."""
        try:
            os.ftruncate(self._file, self._committed)
        except OSError as error:  # a torn tail is cut off at the next opening anyway
            warnings.warn(f"{self.path}/trials.jsonl: could not undo a failed write ({error})", stacklevel=3)


def check_free(path: Path) -> None:
    """Raise InputError unless a new run, or group of runs, can be made at `path`."""
    try:
        there = next(folder for folder in (path, *path.parents) if folder.exists())
    except OSError as error:  # a name that is too long, say
        raise InputError(f"{path}: {error.strerror}; give another folder with --out") from None
    if not there.is_dir():
        raise InputError(f"{there} is a file: give a folder for the run with --out")
    for file, what in (("run.json", "a run"), ("group.json", "runs"), ("trials.jsonl", "the record of a run")):
        if (path / file).exists():
            raise InputError(f"{path} already holds {what}: archloom resume {path}, or give another --out")


def read_manifest(path: Path) -> dict[str, Any]:
    """`run.json` of a run folder, checked to be one that this version can read."""
    try:
        manifest = json.loads((path / "run.json").read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} is not a run folder: it has no run.json") from None
    except NotADirectoryError:
        raise InputError(f"{path} is a file: expected a run folder") from None
    except ValueError as error:
        raise InputError(f"{path}/run.json is not valid JSON ({error}): not a run, or a damaged one") from None
    except OSError as error:
        raise store_error(path, error) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise InputError(f"{path}/run.json is not from an archloom run: it has no format number")
    if manifest["format"] > FORMAT:
        raise InputError(
            f"{path} has run format {manifest['format']}; this archloom reads up to {FORMAT}: install a newer one"
        )
    return manifest


def read_lines(path: Path) -> list[TrialRecord]:
    """The committed trials of a run folder, by id, without changing anything; a run may be writing to it."""
    return sorted(_scan(path)[0], key=lambda line: line.id)


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


def _sweep(path: Path) -> None:
    """Remove what `replace_file` left behind when it was killed. The caller holds the folder's lock."""
    for left in path.glob(TEMPORARY):
        with suppress(OSError):
            left.unlink()


def _scan(path: Path) -> tuple[list[TrialRecord], int, int]:
    """Lines as they stand in the file, the number of bytes in complete lines, and the file's size."""
    try:
        content = (path / "trials.jsonl").read_bytes()
    except FileNotFoundError:
        return [], 0, 0
    except OSError as error:
        raise store_error(path, error) from error
    good = content.rfind(b"\n") + 1
    lines: list[TrialRecord] = []
    for number, raw in enumerate(content[:good].splitlines(keepends=True), 1):
        try:
            lines.append(decode_line(raw))
        except (ValueError, msgspec.DecodeError) as error:
            raise StoreError(
                f"{path}/trials.jsonl line {number} is damaged ({error}); restore the file from a copy{_rerun(path)}"
            ) from None
    ids = sorted(line.id for line in lines)
    twice = next((b for a, b in pairwise(ids) if a == b), None)
    if twice is not None:
        raise StoreError(f"{path}/trials.jsonl holds trial {twice} twice; restore the file from a copy")
    return lines, good, len(content)


def _rerun(path: Path) -> str:
    """How to do without the end of a record. What trained may need states by then that were dropped."""
    return "" if (path / WEIGHTS).is_dir() else ", or remove the lines from there on to run those trials again"


def lock_folder(path: Path) -> filelock.BaseFileLock:
    """Take the folder's lock; StoreError that says who holds it."""
    lock = filelock.FileLock(path / "lock")
    try:
        lock.acquire(timeout=GRACE_S, poll_interval=0.02)
    except filelock.Timeout:
        raise StoreError(f"{path} is being written by {_who(path)}; wait for it or stop it") from None
    except OSError as error:
        raise store_error(path, error) from error
    try:
        write_json(path / "holder.json", {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
    except StoreError:
        lock.release()
        raise
    return lock


def unlock_folder(path: Path, lock: filelock.BaseFileLock) -> None:
    """Release what `lock_folder` took."""
    (path / "holder.json").unlink(missing_ok=True)
    lock.release()


def holder(path: Path) -> str | None:
    """Who is writing the folder now; None if nobody is."""
    if not (path / "lock").exists():
        return None
    lock = filelock.FileLock(path / "lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return _who(path)
    except OSError:  # a read-only folder: whether anybody holds it cannot be known
        return None
    lock.release()
    return None


def _who(path: Path) -> str:
    try:
        known = json.loads((path / "holder.json").read_bytes())
        return f"process {known['pid']} on {known['host']} since {known['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def environment() -> dict[str, str]:
    """The versions that a run's numbers may depend on."""
    from importlib import metadata

    versions = {"python": platform.python_version(), "platform": platform.platform()}
    versions["threads"] = os.environ.get("OMP_NUM_THREADS", "not set")
    for package in ("archloom", "numpy", "torch"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _write_all(file: int, content: bytes | bytearray) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def _truncate(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())
