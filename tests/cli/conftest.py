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
