"""How the command line ends: exit codes, and the interruption that says how to resume."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """0 done; 1 done, but trials failed or nothing feasible was found; 2 bad input, nothing written; 3 a run could not
    continue (disk full, folder held by another process, damaged record); 130 interrupted."""

    DONE = 0
    FAILURES = 1
    BAD_INPUT = 2
    STOPPED = 3
    INTERRUPTED = 130


class Interrupted(Exception):
    """Ctrl-C during a run: says how to resume."""
