from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archloom.errors import InputError
from archloom.problems import ProblemSpec, open_scenario
from archloom.runs.budgets import Limits
from archloom.runs.folders import run_in_memory
from archloom.runs.prepare import Request


@pytest.fixture
def refuses() -> Callable[[ProblemSpec], str]:
    """The one line with which a spec is refused."""

    def refused(asked: ProblemSpec) -> str:
        with pytest.raises(InputError) as caught:
            open_scenario(asked)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A problem of a user's own, also behind a factory, also wrong."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from archloom import Categorical, Problem\n"
        "def metrics(c): return {'acc': c['kernel'], 'size': c['kernel'] * 2, 'test': 1.0}\n"
        "def make():\n"
        "    return Problem(Categorical({'kernel': [3, 5]}), metrics, {'acc': 'max', 'size': 'min'}, ['test'])\n"
        "problem = make()\n"
        "number = 5\n"
        "def broken(): raise RuntimeError('first\\nsecond')\n"
    )
    return path


@pytest.fixture
def searched() -> Callable[[Any, ProblemSpec, int], None]:
    """A strategy of the shared fixture searches where everything is predicted, or says what it needs beyond that."""

    def run(strategy: Any, problem: ProblemSpec, queries: int) -> None:
        request = Request(
            strategy.name, problem, limits=Limits(queries), options=strategy.options_on(open_scenario(problem).space)
        )
        try:
            report = run_in_memory(request)
        except InputError as refused:
            assert strategy.trains and re.match(r"(strategy )?\w+ (needs|passes weights on)", str(refused)), refused
            return
        assert report.history.queries == queries and not report.history.failed
        assert report.rank is None

    return run
