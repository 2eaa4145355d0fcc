"""Ending a process with everything that it has started, also what has left its process group.

A child may start a session of its own (`setsid`), and its parent may end before it (a daemon, by a double fork). Linux
gives such orphans to the nearest ancestor that asked for them, so whoever is to be ended whole asks (`adopt_orphans`),
and is then found above all of them. Elsewhere the process group is all that is ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
ROUNDS = 50
PAUSE_S = 0.01


def adopt_orphans() -> None:
    """Make this process the parent of its descendants whose own parents end; without effect where there is no such
    thing."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(pid: int) -> None:
    """Kill everything that a process has started; the process itself stays, stopped if it is another one than this."""
    if pid != os.getpid():
        _signal(pid, signal.SIGSTOP)  # it starts nothing more
    for _ in range(ROUNDS):  # repeatedly: those that die may have started others
        left = descendants(pid)
        for process in left:
            _signal(process, signal.SIGKILL)
        if not left:
            return
        time.sleep(PAUSE_S)


def descendants(pid: int) -> list[int]:
    """The living processes that a process has started, and those that they have started; none without /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # it has ended
            # "PID (NAME) STATE PARENT ...", where a name may hold anything
            state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
