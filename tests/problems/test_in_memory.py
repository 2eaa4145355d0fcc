from __future__ import annotations

import pytest

from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.problems.in_memory import InMemory


def test_it_cannot_be_opened_by_another_process() -> None:
    assert not InMemory.reopens
    with pytest.raises(InputError, match=r"cannot be opened again; put it into a file, on='FILE\.py'"):
        InMemory("a Problem object").open(ProblemSpec("a Problem object"))
