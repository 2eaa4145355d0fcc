from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archloom.errors import InputError
from archloom.problems import ProblemSpec, open_scenario
from archloom.run.budgets import Limits
from archloom.run.folders import run_in_memory
from archloom.run.prepare import Preparer, Request


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
    """A strategy of the shared fixture searches where everything is predicted, or says that it needs trainings."""

    def run(strategy: Any, problem: ProblemSpec, queries: int) -> None:
        request = Request(strategy.name, problem, limits=Limits(queries), options=strategy.options)
        if strategy.trains:
            with pytest.raises(InputError, match=r"^strategy .* (needs a space with|passes weights on, and)"):
                Preparer().check(request)
            return
        report = run_in_memory(request)
        assert report.history.queries == queries and not report.history.failed
        assert report.rank is None

    return run
