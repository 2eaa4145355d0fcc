"""The log of a training: one row now and then, as CSV and, if that is asked for, as TensorBoard's event files."""

from __future__ import annotations

import os
from dataclasses import astuple, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from archloom.errors import MissingExtraError, StoreError
from archloom.utils.files import guarded, open_owned, read_file, replace_file

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG = "log.csv"
EVENTS = "tensorboard"
"""The file and the folder of a training in which its log is."""


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """Where a training stands after `steps` steps and `updates` updates, which took `seconds` in all.

    All but the first five are about what happened since the row before; None if there was nothing to measure.

    Attributes:
        steps: environment steps, over all walkers.
        updates: of the network's weights.
        seconds: time of training, over all sessions of a training that was resumed.
        episodes: that have ended so far.
        best: the accuracy, in percent, of the best end of an episode so far.
        steps_per_second: speed.
        mean_value: the mean accuracy, in percent, of the architectures that the walkers were at after each step (Figs.
            17 to 19 of the paper), whatever they explore.
        mean_end: the mean accuracy, in percent, of the architectures that episodes ended with, of the third of the
            walkers that explores least.
        episode_length: the mean number of steps of the episodes that ended.
        stopped: the share of these that ended because the agent stayed.
        td_error: the mean |TD error| of the transitions that were learnt from, before the update; in units of the
            reward that is learnt from, after shaping and scaling.
        loss: the mean loss of the updates: Huber's, times the importance weights of the replay.
    """

    steps: int
    updates: int
    seconds: float
    episodes: int
    best: float | None
    steps_per_second: float | None
    mean_value: float | None
    mean_end: float | None
    episode_length: float | None
    stopped: float | None
    td_error: float | None
    loss: float | None


NAMES = tuple(field.name for field in fields(TrainingRow))
_COUNTS = frozenset(field.name for field in fields(TrainingRow) if field.type == "int")
_KNOWN = frozenset(field.name for field in fields(TrainingRow) if "None" not in str(field.type))
_HEAD = ",".join(NAMES)


def check_tensorboard() -> None:
    """MissingExtraError if event files cannot be written here."""
    if find_spec("tensorboard") is None:
        raise MissingExtraError("tensorboard", "tensorboard", "--tensorboard")


class TrainingLog:
    """Appends rows to the log in a training's folder. Use as a context manager, or close it.

    For a training that goes on from a checkpoint at `after` steps, the rows up to there are kept; those that followed
    come again. StoreError if the log cannot be written, or is not what this class wrote.
    """

    def __init__(self, folder: Path, after: int | None = None, tensorboard: bool = False) -> None:
        self._path = folder / LOG
        self._events = _open_events(folder / EVENTS, after) if tensorboard else None
        guarded(self._path, lambda: replace_file(self._path, _kept(self._path, after)))
        self._file: IO[str] = guarded(self._path, self._open)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, row: TrainingRow) -> None:
        """Append a row; whoever reads the files sees it when this returns."""
        guarded(self._path, lambda: self._write(row))
        if self._events is not None:
            for name in NAMES[1:]:
                if (value := getattr(row, name)) is not None:
                    self._events.add_scalar(f"training/{name}", value, row.steps)
            self._events.flush()

    def close(self) -> None:
        self._file.close()
        if self._events is not None:
            self._events.close()

    def _open(self) -> IO[str]:
        return os.fdopen(open_owned(self._path, os.O_WRONLY | os.O_APPEND), "w", encoding="ascii")

    def _write(self, row: TrainingRow) -> None:
        self._file.write(",".join("" if value is None else repr(value) for value in astuple(row)) + "\n")
        self._file.flush()


def read_log(folder: Path) -> list[TrainingRow]:
    """The rows in the log of a training's folder; a last one that was cut short is omitted. StoreError for no log."""
    path = folder / LOG
    return [row for row, _ in _parsed(path, _content(path))]


def _kept(path: Path, after: int | None) -> bytes:
    """What a log holds up to a checkpoint, headings first."""
    head = f"{_HEAD}\n".encode()
    if after is None or not os.path.lexists(path):
        return head
    return head + b"".join(line for row, line in _parsed(path, _content(path)) if row.steps <= after)


def _content(path: Path) -> bytes:
    content: bytes = guarded(path, lambda: read_file(path, follow=False))
    return content


def _parsed(path: Path, content: bytes) -> list[tuple[TrainingRow, bytes]]:
    """Each row with its line as it stands there."""
    head, *lines = content.splitlines(keepends=True) or [b""]
    if head.decode("ascii", "replace").rstrip("\n") != _HEAD:
        raise StoreError(f"{path} is not the log of a training: its first line should be {_HEAD}")
    if lines and not lines[-1].endswith(b"\n"):  # a writer was killed
        del lines[-1]
    rows = []
    for number, line in enumerate(lines, start=2):
        try:
            rows.append((_row(line.decode("ascii").rstrip("\n").split(",")), line))
        except ValueError:
            raise StoreError(f"{path}, line {number} is damaged: remove the line, or restore the file") from None
    return rows


def _row(cells: list[str]) -> TrainingRow:
    values: dict[str, Any] = {}
    for name, cell in zip(NAMES, cells, strict=True):
        if cell or name in _KNOWN:
            values[name] = int(cell) if name in _COUNTS else float(cell)
        else:
            values[name] = None
    return TrainingRow(**values)


def _open_events(folder: Path, after: int | None) -> SummaryWriter:
    """A writer of event files; for readers, it takes back what came after the checkpoint."""
    check_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    if folder.is_symlink():
        raise StoreError(f"{folder} is a symbolic link: replace it by the folder")
    purged = None if after is None else after + 1
    writer: SummaryWriter = guarded(folder, lambda: SummaryWriter(folder, purge_step=purged))
    return writer
