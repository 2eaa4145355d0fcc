"""Reserves standard output for the command's own output, whatever a user's code and its children write."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress


def open_closed_streams() -> None:
    """Give this process standard streams that lead nowhere for those that it was started without (`>&-`).

    Otherwise the next file that is opened, a run's record say, would get their number, and with it whatever C libraries
    and child processes print.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is not None:
            continue
        nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest free number: that of the stream, unless it is taken
        if nowhere == descriptor:
            os.set_inheritable(descriptor, True)
        stream = os.fdopen(nowhere, mode)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


@contextmanager
def stdout_guard() -> Iterator[None]:
    """Send to standard error what is printed meanwhile: by Python, by C libraries and by child processes."""
    with _redirected_descriptor(), redirect_stdout(sys.stderr):
        yield


@contextmanager
def _redirected_descriptor() -> Iterator[None]:
    """Redirect file descriptor 1 to 2, and back. Left alone if it is not this process's standard output."""
    if not _is_standard_output(1):
        yield
        return
    _flush()
    saved = os.dup(1)
    try:
        with suppress(OSError):  # there is no standard error
            os.dup2(2, 1)
        yield
    finally:
        _flush()  # what was written meanwhile must not appear after the switch back
        os.dup2(saved, 1)
        os.close(saved)


def _is_standard_output(descriptor: int) -> bool:
    """Whether a descriptor is standard output: Python may have been started with none, and 1 may be any file then."""
    try:
        return sys.__stdout__ is not None and sys.__stdout__.fileno() == descriptor
    except (OSError, ValueError):
        return False


def _flush() -> None:
    """Write out what Python and the C library still hold."""
    for stream in (sys.stdout, sys.__stdout__):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()
    with suppress(OSError, TypeError, AttributeError):  # no C library of this name
        ctypes.CDLL(None).fflush(None)
