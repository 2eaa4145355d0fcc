"""What the tests of several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def trained_here(trained: Path) -> Path:
    """Networks that train in the process of the command line: to start another one takes seconds."""
    trained.write_text(trained.read_text() + "problem.isolate = False\n")
    return trained


@pytest.fixture
def population(cli: Any, trained_here: Path) -> str:
    """The folder of a run that has trained 8 members through 4 chunks of 2 epochs."""
    line = f"search pbt_nas --on {trained_here} --set population=8 --set epochs=8 --set step=2 --out population"
    assert cli(*line.split()).code == 0
    return "population"


@pytest.fixture
def generators(tmp_path: Path) -> Path:
    """Networks of two whole numbers, of which 1 is the better, and a seed."""
    path = tmp_path / "generators.py"
    path.write_text(
        "from archloom.problems import TaskProblem\n"
        "from archloom.spaces.domains import Integer, Seed\n"
        "from archloom.spaces.space import Space\n"
        "from archloom.tasks.planted import PlantedTask\n"
        "problem = TaskProblem(Space({'a': Integer(0, 3), 'b': Integer(0, 3), 'graph': Seed()}), PlantedTask())\n"
        "problem.isolate = False\n"
    )
    return path
