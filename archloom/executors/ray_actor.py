"""What a Ray worker does: it builds an evaluator once, then evaluates one job after another.

If it sees the folder of the run's checkpoints, it reads and writes them there. Otherwise the checkpoints that a job
inherits come with the job, and the one it produces goes back with the answer, each as the bytes of its file: nothing is
pickled, and what is written in the end is the same.
"""

from __future__ import annotations

import io
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from archloom.checkpoints.store import CheckpointFolder, CheckpointSource, Kind
from archloom.errors import StoreError
from archloom.evaluators.base import Evaluator, left_by
from archloom.executors.base import Job, answer_or_stop
from archloom.types import Weights
from archloom.workers.descendants import adopt_orphans, end_descendants
from archloom.workers.pool import told

Content = NDArray[np.uint8]
"""The bytes of a checkpoint's file."""


@dataclass(frozen=True)
class Token:
    """A file that was just written next to the run's checkpoints: whoever sees it sees them."""

    path: Path
    content: str

    def write(self) -> None:
        self.path.write_text(self.content)

    def seen(self) -> bool:
        try:
            return self.path.read_text() == self.content
        except OSError:
            return False


@dataclass(frozen=True)
class Setup:
    """What a worker starts with. `threads` are environment variables; `timeout` is how long a job may take, in
    seconds."""

    make: Callable[[], Evaluator]
    checkpoints: CheckpointFolder | None
    token: Token | None
    threads: Mapping[str, str]
    timeout: float | None = None


@dataclass(frozen=True)
class Begun:
    """A worker's first answer: why it cannot start (None if it can), and whether it sees the run's folder."""

    error: str | None
    sees: bool


class SentCheckpoints:
    """The checkpoints that came with a job, and the one to be sent back; those of `folder`, on another machine."""

    def __init__(self, sent: Mapping[int, Content], folder: CheckpointFolder) -> None:
        self._sent = sent
        self._folder = folder
        self.saved: Content | None = None

    alone = True

    def of(self, kind: Kind) -> CheckpointSource:
        raise StoreError(f"{kind.noun}s are not sent to other machines: they must see the run's folder")

    def place(self, trial: int) -> None:
        return None

    def load(self, trial: int) -> Weights:
        if trial not in self._sent:
            raise StoreError(
                f"the checkpoint of trial {trial} is not in the run's folder; restore it from a copy, or start a new "
                "run"
            )
        from archloom.checkpoints.state_file import load_state

        with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
            file.write(self._sent[trial].data)
            file.flush()
            # It is mapped, and may be removed while its tensors are in use.
            return load_state(Path(file.name), self._folder.owner(trial))

    def save(self, trial: int, state: Weights) -> None:
        from archloom.checkpoints.state_file import save_state

        buffer = io.BytesIO()
        save_state(
            Path(f"the checkpoint of trial {trial}"),
            state,
            lambda _path, _size: nullcontext(buffer),
            self._folder.owner(trial),
        )
        self.saved = np.frombuffer(buffer.getbuffer(), dtype=np.uint8)


class Worker:
    """The actor class; one process of Ray's holds one worker."""

    def __init__(self) -> None:
        self._evaluator: Evaluator | None = None
        self._folder: CheckpointFolder | None = None
        self._sees = False
        self._timeout: float | None = None

    def begin(self, setup: Setup) -> Begun:
        """Build the evaluator."""
        os.environ.update(setup.threads)  # libraries read them when they are imported
        threads = setup.threads.get("OPENBLAS_NUM_THREADS", "")
        if threads.isdecimal():
            threadpool_limits(int(threads), user_api="blas")  # but this one is already imported
        sees = setup.token is not None and setup.token.seen()
        self._folder, self._sees = setup.checkpoints, sees
        self._timeout = setup.timeout
        if setup.timeout is not None:
            adopt_orphans()
        try:
            self._evaluator = setup.make()
        except BaseException as error:  # noqa: BLE001 - told to the driver, which gives up
            return Begun(told(error), sees)
        left = left_by(self._evaluator)
        if self._folder is not None and not self._folder.alone and not sees and left is not None:
            return Begun(
                f"it does not see the folder {self._folder.path}, where trainings leave their {left.name} for others "
                "to read: share that folder with its machine, or use workers of this machine alone",
                sees,
            )
        return Begun(None, sees)

    def evaluate(self, job: Job, inherited: Sequence[int], *sent: Content) -> tuple[Any, Content | None]:
        """The result, or the StoreError that stops the run; and the checkpoint, unless it is already in the run's
        folder.

        `sent` are the checkpoints of the trials `inherited`.
        """
        assert self._evaluator is not None  # noqa: S101 - a worker that has not started gets no job
        courier: SentCheckpoints | None = None
        checkpoints: CheckpointSource | None = self._folder
        if self._folder is not None and not self._sees:
            checkpoints = courier = SentCheckpoints(dict(zip(inherited, sent, strict=True)), self._folder)
        with _ended_after(self._timeout):
            return answer_or_stop(self._evaluator, job, checkpoints), courier.saved if courier else None


@contextmanager
def _ended_after(seconds: float | None) -> Iterator[None]:
    """End this process, with all that it has started, unless the context is left in time."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, _end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end() -> None:
    end_descendants(os.getpid())
    os.kill(os.getpid(), signal.SIGKILL)
