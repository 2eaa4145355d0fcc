"""Keeps standard output for the command's own answer, whatever a user's code and its children write."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress


@contextmanager
def stdout_guard() -> Iterator[None]:
    """Send to standard error what is printed meanwhile: by Python, by C libraries and by child processes."""
    with _descriptor_aside(), redirect_stdout(sys.stderr):
        yield


@contextmanager
def _descriptor_aside() -> Iterator[None]:
    """Point file descriptor 1 at 2, and back. It is left alone where it is not this process's standard output."""
    if not _is_standard_output(1):
        yield
        return
    _flush()
    kept = os.dup(1)
    try:
        with suppress(OSError):  # there is no standard error
            os.dup2(2, 1)
        yield
    finally:
        _flush()  # what was written meanwhile must not come out after the way back
        os.dup2(kept, 1)
        os.close(kept)


def _is_standard_output(descriptor: int) -> bool:
    """Python has no standard output where it was started with none; the descriptor may be any file then."""
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
    with suppress(OSError, TypeError, AttributeError):  # no C library to be had by this name
        ctypes.CDLL(None).fflush(None)
