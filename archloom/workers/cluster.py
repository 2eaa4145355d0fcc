"""The Ray cluster that workers run on: an existing one, or one on this machine that lives as long as it is used."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from archloom.errors import InputError, MissingExtraError
from archloom.workers import guard
from archloom.workers.pool import WorkerError

LOCAL = "local"
"""The address of a cluster that is started on this machine."""

ANSWERS_WITHIN_S = 5.0
"""How long the machine of a cluster may take to answer; Ray itself waits for two minutes."""

END_WITHIN_S = 10.0

ROOM_WITHIN_S = 30.0
"""How long a worker may take to start before the user is told that the cluster may have no room for it."""

LONGEST_CAUSE = 200
"""Characters kept of Ray's message on a worker's death."""

STORE_BYTES = 100_000_000
"""The object store of a local cluster, which carries small answers only: checkpoints are in the run's folder."""

AS_WE_ARE = {"worker_niceness": 0}
"""Workers of a local cluster have the priority of this process; Ray would lower it below everything else."""

LONGEST_FOLDER = 24
"""Ray's sockets lie deep in its folder, and the path of a socket has at most 107 characters (103 on macOS)."""

_SILENCE = {"RAY_DEDUP_LOGS_SKIP_REGEX": "(?s).*"}
"""Read by Ray when it is imported; otherwise it prints the messages of its daemons on standard output."""


def import_ray() -> ModuleType:
    """Ray, silenced unless it was imported before: then its output is as its user configured it."""
    more = {name: value for name, value in _SILENCE.items() if name not in os.environ}
    os.environ.update(more)
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray", "running on Ray") from None
    finally:
        for name in more:
            del os.environ[name]
    module: ModuleType = ray
    return module


@contextmanager
def connected(address: str | None, workers: int, gpus: float) -> Iterator[None]:
    """A connection to a cluster; one that is started for it, on this machine, has room for that many workers.

    An existing connection is used as it is. Without `address`, it is the value of the variable RAY_ADDRESS, else
    `local`. InputError if there is no such cluster, or no such GPU.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or LOCAL
    with _local(ray, workers, gpus) if address == LOCAL else _remote(ray, address):
        yield


@contextmanager
def _local(ray: ModuleType, workers: int, gpus: float) -> Iterator[None]:
    with _guarded_folder() as folder, _shut_down_at_the_end(ray):
        try:
            _init(ray, address=LOCAL, num_cpus=workers, object_store_memory=STORE_BYTES, include_dashboard=False,
                  _temp_dir=str(folder), _system_config=AS_WE_ARE)  # fmt: skip
        except _REFUSALS as error:
            raise WorkerError(f"Ray cannot start on this machine: {_line(error)}") from error
        there = ray.cluster_resources().get("GPU", 0.0)
        if gpus > there:
            raise InputError(f"--gpus {gpus:g}: Ray sees {there:g} GPUs on this machine; omit --gpus")
        yield


@contextmanager
def _remote(ray: ModuleType, address: str) -> Iterator[None]:
    _check_answers(address)
    with _shut_down_at_the_end(ray):
        with _overhearing() as last_line:
            try:
                _init(ray, address=address)
            except _REFUSALS as error:
                raise _unreachable(address, last_line() or _line(error)) from error
        yield


@contextmanager
def _shut_down_at_the_end(ray: ModuleType) -> Iterator[None]:
    try:
        yield
    finally:
        ray.shutdown()


_REFUSALS = (RuntimeError, OSError, ValueError, ImportError, AssertionError)
"""What Ray raises if it cannot start or connect."""


def _init(ray: ModuleType, **how: Any) -> None:
    """`ray.init`, without its own SIGTERM handler and its output."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level="CRITICAL", **how)
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _check_answers(address: str) -> None:
    """InputError unless something answers at HOST:PORT; other kinds of addresses are left to Ray."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWERS_WITHIN_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str, reason: str) -> InputError:
    return InputError(
        f"--ray-address {address}: there is no Ray cluster to connect to ({reason}); start one (ray start --head) and "
        "join it from this machine (ray start --address=HOST:PORT); if it asks for a token, set RAY_AUTH_MODE=token; "
        "or use --ray for this machine alone"
    )


@contextmanager
def _overhearing() -> Iterator[Callable[[], str]]:
    """Capture what Ray's library writes to standard error meanwhile: it repeats itself every second.

    Yields a function that returns the last line of it, without time and place.
    """
    with tempfile.TemporaryFile() as captured:
        stderr = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            yield lambda: _last_line(captured)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _last_line(file: BinaryIO) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").split("\n")
    return next((line.rpartition("] ")[2] for line in reversed(lines) if line.strip()), "")


@contextmanager
def _guarded_folder() -> Iterator[Path]:
    """A folder for a cluster's files. It is removed at the end, with all its processes, even if this process dies."""
    shortest = [base for base in (tempfile.gettempdir(), "/tmp") if len(base) <= LONGEST_FOLDER]  # noqa: S108
    folder = tempfile.mkdtemp(prefix="archloom-", dir=shortest[0])
    watcher = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", guard.__file__, folder], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield Path(folder)
    finally:
        assert watcher.stdin is not None  # noqa: S101 - a pipe was asked for
        watcher.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            watcher.wait(END_WITHIN_S)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


class Room:
    """Warns once if workers have not started after a while: a cluster may wait for machines, or be too small."""

    def __init__(self, ray: Any, workers: int) -> None:
        self._ray = ray
        self._workers = workers
        self._warned = False
        self._since = time.monotonic()

    def look(self, waiting: int) -> None:
        """`waiting`: how many workers have not started yet."""
        if self._warned or not waiting or time.monotonic() - self._since < ROOM_WITHIN_S:
            return
        self._warned = True
        there = self._ray.cluster_resources()
        warnings.warn(
            f"{waiting} of {self._workers} Ray workers have not started after {ROOM_WITHIN_S:.0f} s: there may be no "
            f"room for them on the cluster, which has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs "
            "(a worker needs a CPU and what --gpus says); the others continue",
            stacklevel=2,
        )


def cause_of_death(error: Exception) -> str:
    """One line of Ray's message on a death: why the process ended, else the last line, which names the cause."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(getattr(error, "cause", None) or error)).strip()
    found = re.search(r"Worker exit type: (\w+) Worker exit detail: (.*?)(?: Some common causes|$)", text, re.DOTALL)
    if found:
        return f"{_clipped(found[2])} ({found[1]})"
    return _clipped(text.splitlines()[-1] if text else type(error).__name__)


def _clipped(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= LONGEST_CAUSE else f"{line[:LONGEST_CAUSE]}..."
