"""A `Problem` made in Python, which has no name that another process could open it by."""

from __future__ import annotations

from archloom.errors import InputError
from archloom.problems.base import Problem
from archloom.problems.spec import ProblemSource, ProblemSpec


class InMemory(ProblemSource):
    """What a spec says of such a problem."""

    reopens = False

    def open(self, spec: ProblemSpec) -> Problem:
        raise InputError("a Problem object cannot be opened again; put it into a file, on='FILE.py'")
