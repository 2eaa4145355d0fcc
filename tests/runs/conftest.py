"""What tests of runs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from archloom.problems import ProblemSpec

MINE = """
import archloom
from beside import FACTOR
space = archloom.Categorical({"a": [1, 2, 3], "b": [1, 2, 3]})
problem = archloom.Problem(space, lambda choices: FACTOR * choices["a"] * choices["b"], goals={"score": "max"})
"""


@pytest.fixture
def mine(tmp_path: Path) -> ProblemSpec:
    """A problem file that imports what lies beside it."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "beside.py").write_text("FACTOR = 10")
    (tmp_path / "code" / "mine.py").write_text(MINE)
    return ProblemSpec(str(tmp_path / "code" / "mine.py"))
