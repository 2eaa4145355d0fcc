"""Worker processes that may die: tasks are retried a bounded number of times, and the reason is reported.

Used for evaluations (`executors.process`) and for whole runs in parallel (`runs.groups`). Workers are spawned, not
forked: a fork would copy threads' locks in whatever state they are. A worker builds its function once, then answers
task after task; it ends when its parent does.
"""

from __future__ import annotations

import atexit
import faulthandler
import fcntl
import math
import multiprocessing as mp
import operator
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import reduction, resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, BinaryIO

from archloom.errors import ArchloomError, InputError
from archloom.utils.printed import MOST as MOST_PRINTED
from archloom.utils.printed import MemoryInFile, echo
from archloom.utils.text import reason_of
from archloom.workers.descendants import adopt_orphans, end_descendants

Send = Callable[[Any], None]
Work = Callable[[Any, Send], Any]
"""What a worker does: `work(payload, send)` returns the answer; `send(message)` sends news while it works."""

MAX_ATTEMPTS = 3
"""How often a task is tried before its workers' deaths count as its failure."""


SAFE_PATH = "PYTHONSAFEPATH"
"""The variable that keeps the working directory out of the places where Python looks for modules."""

LOOK_EVERY_S = 0.5
"""How often silent workers are checked."""

LATE = 0.9
"""After this share of its time a task writes down where it is, in case that it is ended soon."""

END_WITHIN_S = 2.0
"""How long a worker that is told to end may take."""


class WorkerError(ArchloomError):
    """Worker processes cannot be started; no task is to blame."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A task's end: its value, or the reason why there is none, with what its worker left to read."""

    task: int
    value: Any = None
    error: str | None = None
    trace: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """A message that a task sent while at work."""

    task: int
    message: Any


@dataclass
class _Task:
    id: int
    payload: Any
    deaths: list[str] = field(default_factory=list)


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    log: BinaryIO
    """What it has printed since it began its task, and where it was when it died, if that is known."""
    task: _Task | None = None
    ready: bool = False
    since: float = 0.0
    """When it began its task; from when it is ready on."""


class WorkerPool:
    """Up to `workers` processes, each made by `setup()`, which must be picklable.

    A task that takes longer than `timeout` seconds is answered with that as its error, and its worker is ended, with
    all that it has started, and replaced.
    """

    def __init__(self, setup: Callable[[], Work], workers: int, timeout: float | None = None) -> None:
        if workers < 1:
            raise InputError(f"workers={workers}: expected at least 1")
        check_may_start()
        self._setup = setup
        self._size = workers
        self._timeout = timeout
        self._context = mp.get_context("spawn")
        self._workers: list[_Worker] = []
        self._queue: deque[_Task] = deque()
        # Workers may have children of their own (data loaders), so they are not daemons: a pool that was left open
        # would keep the interpreter from ending.
        atexit.register(self.close)

    def submit(self, task: int, payload: Any) -> None:
        self._queue.append(_Task(task, payload))
        self._feed()

    def wait(self) -> Sequence[Answer | News]:
        """Block until a task answers or sends news; empty only if nothing is outstanding."""
        while self._queue or any(worker.task for worker in self._workers):
            self._feed()
            by_pipe = {worker.pipe: worker for worker in self._workers if worker.task}
            heard = wait(list(by_pipe), timeout=self._patience(by_pipe.values()))
            events = [event for pipe in heard if (event := self._hear(by_pipe[pipe]))]  # type: ignore[index]
            if not heard:
                events = [event for worker in by_pipe.values() if (event := self._look_after(worker))]
            events += [event for worker in by_pipe.values() if (event := self._out_of_time(worker))]
            if events:
                return events
        return ()

    def close(self) -> None:
        """End all workers: idle ones end by themselves, busy ones are stopped; unanswered tasks are dropped."""
        atexit.unregister(self.close)
        for worker in self._workers:
            worker.pipe.close()  # this tells an idle worker to clean up and end
            if worker.task is not None:
                _signal_group(worker, signal.SIGTERM)
        deadline = time.monotonic() + END_WITHIN_S
        for worker in self._workers:
            # Not join(timeout): it waits for every copy of a file descriptor that forked children hold, too.
            while worker.process.is_alive() and time.monotonic() < deadline:
                time.sleep(0.002)
            _signal_group(worker, signal.SIGKILL)
            worker.process.join()
            worker.log.close()
        self._workers.clear()
        self._queue.clear()

    def _feed(self) -> None:
        """Give queued tasks to idle workers, starting workers if there are too few."""
        while self._queue:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None:
                if len(self._workers) >= self._size:
                    return
                idle = self._start()
            task = self._queue.popleft()
            idle.task, idle.since = task, time.monotonic()
            try:
                idle.pipe.send(task.payload)
            except (BrokenPipeError, ConnectionResetError):  # it died while idle: not this task's fault
                idle.process.join()
                self._forget(idle)
                self._queue.appendleft(task)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        # A worker's own children are started as this process would start them, not as workers are.
        method = mp.get_start_method(allow_none=True) or mp.get_all_start_methods()[0]
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
        safe = os.environ.get(SAFE_PATH)
        arguments = (self._setup, theirs, _Descriptor(log.fileno()), method, self._timeout, safe)
        process = self._context.Process(target=_serve, args=arguments, daemon=False)
        with _safe_path(), _without_interrupts(), _main_as_it_is_found():
            process.start()
        theirs.close()  # otherwise the worker's death would not close the pipe
        worker = _Worker(process, ours, log)
        self._workers.append(worker)
        return worker

    def _hear(self, worker: _Worker) -> Answer | News | None:
        """The next message of a worker; None if it is just ready, or died and its task is tried again.

        If a worker dies or fails before it is ready, no task is to blame: WorkerError, and nothing is answered.
        """
        task = worker.task
        assert task is not None  # noqa: S101 - only busy workers are listened to
        try:
            kind, value = worker.pipe.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            return self._bury(worker, task)
        if kind is _Worker:
            if value is not None:
                raise WorkerError(f"a worker process could not start: {value}")
            worker.ready, worker.since = True, time.monotonic()
            return None
        if kind is News:
            return News(task.id, value)
        worker.task = None
        return Answer(task.id, value) if kind is Answer else Answer(task.id, error=value)

    def _look_after(self, worker: _Worker) -> Answer | None:
        """A dead worker's children may hold its end of the pipe open, so silence alone proves nothing."""
        if worker.task is None or worker.process.is_alive() or worker.pipe.poll():
            return None
        return self._bury(worker, worker.task)

    def _patience(self, workers: Iterable[_Worker]) -> float:
        """How long to wait for an answer before looking after the workers."""
        if self._timeout is None:
            return LOOK_EVERY_S
        first = min((worker.since for worker in workers if worker.ready), default=math.inf)
        return min(LOOK_EVERY_S, max(0.0, first + self._timeout - time.monotonic()))

    def _out_of_time(self, worker: _Worker) -> Answer | None:
        """The answer to a task that took too long; None if it did not, or has just been answered."""
        task = worker.task
        if self._timeout is None or task is None or not worker.ready or worker not in self._workers:
            return None
        if time.monotonic() < worker.since + self._timeout or worker.pipe.poll():
            return None
        end_descendants(worker.process.pid)
        _signal_group(worker, signal.SIGKILL)
        worker.process.join()
        return Answer(task.id, error=too_long(self._timeout), trace=self._forget(worker))

    def _bury(self, worker: _Worker, task: _Task) -> Answer | None:
        worker.process.join()
        _signal_group(worker, signal.SIGKILL)
        trace = self._forget(worker)
        cause = _cause_of_death(worker.process.exitcode)
        if not worker.ready:
            raise WorkerError(
                f"a worker process died while it started ({cause}); its own message is above. A script that uses "
                'several processes must start them under `if __name__ == "__main__":`'
            )
        task.deaths.append(cause)
        if len(task.deaths) < MAX_ATTEMPTS:
            self._queue.appendleft(task)
            return None
        reason = f"the worker died {MAX_ATTEMPTS} times: {', '.join(task.deaths)}"
        return Answer(task.id, error=reason, trace=trace)

    def _forget(self, worker: _Worker) -> str:
        """Drop a worker that has ended; the end of what it left in its log."""
        worker.pipe.close()
        self._workers.remove(worker)
        with worker.log as log:
            size = os.fstat(log.fileno()).st_size
            return os.pread(log.fileno(), MOST_PRINTED, max(0, size - MOST_PRINTED)).decode(errors="replace")


def check_may_start() -> None:
    """InputError in a process that may not start others."""
    if mp.current_process().daemon:
        raise InputError(
            "this is a daemonic process of multiprocessing, which may not start worker processes; start it with "
            "daemon=False, or use one worker (and no trial_timeout)"
        )


@contextmanager
def _safe_path() -> Iterator[None]:
    """A context for starting workers: they do not look for Python's own modules in the working directory.

    A file of the user's there, types.py say, would end them before they begin.
    """
    before = os.environ.get(SAFE_PATH)
    _set_safe_path("1")
    try:
        yield
    finally:
        _set_safe_path(before)


def _set_safe_path(value: str | None) -> None:
    if value is None:
        os.environ.pop(SAFE_PATH, None)
    else:
        os.environ[SAFE_PATH] = value


@contextmanager
def _main_as_it_is_found() -> Iterator[None]:
    """A context for starting workers, which run the file of the main module: not if that was standard input."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None or getattr(main, "__spec__", None) is not None or Path(file).exists():
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = file


def too_long(timeout: float) -> str:
    """The reason of a trial that was ended because it took too long."""
    return f"it took longer than {timeout:g} s (--trial-timeout)"


class _Descriptor:
    """A file's descriptor on its way to a new process, which finds a number in its place."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.methodcaller("detach"), (reduction.DupFd(self._descriptor),)


def _serve(
    setup: Callable[[], Work], pipe: Connection, log: int, start_method: str, timeout: float | None, safe: str | None
) -> None:
    """The main function of a worker: build the function, answer tasks until the parent closes the pipe.

    What they print is also written to `log`. With a `timeout`, it may be ended with all that it has started. `safe` is
    what the variable SAFE_PATH was.
    """
    _set_safe_path(safe)
    os.setpgid(0, 0)  # a group of its own with its children: the parent handles Ctrl-C, and no child outlives it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # discards one that came in the meantime
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mp.set_start_method(start_method, force=True)
    if timeout is not None:
        adopt_orphans()
    fcntl.fcntl(log, fcntl.F_SETFL, os.O_APPEND)
    faulthandler.enable(log)  # where Python is when it dies
    memory = MemoryInFile(log)
    sys.stdout = sys.stderr = echo(sys.stderr, memory)  # what a task prints is not the command's output,
    os.dup2(2, 1)  # nor what its own child processes print
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work = setup()
    except BaseException as error:  # noqa: BLE001 - reported to the parent, which gives up
        pipe.send((_Worker, told(error)))
        return
    pipe.send((_Worker, None))
    while True:
        try:
            payload = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        memory.clear()
        if timeout is not None:
            faulthandler.dump_traceback_later(LATE * timeout, file=log)
        try:
            message: tuple[Any, Any] = (Answer, work(payload, lambda news: pipe.send((News, news))))
        except BaseException as error:  # noqa: BLE001 - reported to the parent, which decides
            message = (None, told(error))
        finally:
            faulthandler.cancel_dump_traceback_later()
        try:
            _send(pipe, message)
        except (BrokenPipeError, ConnectionResetError):
            return


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block SIGINT in processes that are started here, until they ignore it themselves; ours is delivered
    afterwards."""
    resource_tracker.ensure_running()  # starting it later would lift the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(pipe: Connection, message: tuple[Any, Any]) -> None:
    """Send an answer; if it cannot be pickled, that is the task's failure, not the worker's death."""
    try:
        pipe.send(message)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - pickling asks the objects, which may raise anything
        pipe.send((None, f"the answer cannot be sent to another process: {reason_of(error)}"))


def _signal_group(worker: _Worker, number: signal.Signals) -> None:
    """Signal a worker and whatever it has started; the worker alone before it has a group of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.process.pid, number)
        return
    with suppress(ProcessLookupError):
        if worker.process.is_alive():
            os.kill(worker.process.pid, number)


def _end_with_parent() -> None:
    """End this worker when its parent is killed; otherwise it would keep the parent's run folders locked."""
    parent = mp.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)


def told(error: BaseException) -> str:
    """One line: what went wrong and where; of our own errors, which say it themselves, the message."""
    if isinstance(error, ArchloomError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return f"{reason_of(error)}{where}"


def _cause_of_death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        with suppress(ValueError):  # real-time signals have no name
            return f"killed by {signal.Signals(-exitcode).name}"
        return f"killed by signal {-exitcode}"
    return f"exit code {exitcode}"
