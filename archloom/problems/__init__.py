"""What a search is run on: a space with something that evaluates it, and the choice of what to optimise.

`open_scenario` opens whatever `--on` names: a public benchmark, tabular (`nb201`, `nbgraph:cora`) or a surrogate
(`nb301`), any table (`table` with a file), a model fitted to a table (`fitted:mnasnet`), networks trained on a task
(`images:digits`), or a user's Python file that defines `problem = archloom.Problem(...)`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archloom.problems.base import DataIdentity as DataIdentity
    from archloom.problems.base import Problem as Problem
    from archloom.problems.base import RecordedProblem as RecordedProblem
    from archloom.problems.begun import open_evaluator as open_evaluator
    from archloom.problems.scenario import Scenario as Scenario
    from archloom.problems.scenario import absolute as absolute
    from archloom.problems.scenario import open_scenario as open_scenario
    from archloom.problems.scenario import select_metrics as select_metrics
    from archloom.problems.spec import ProblemSource as ProblemSource
    from archloom.problems.spec import ProblemSpec as ProblemSpec
    from archloom.problems.tabular import TableProblem as TableProblem
    from archloom.problems.tabular import space_of_table as space_of_table
    from archloom.problems.task import TaskProblem as TaskProblem

_HOMES = {
    "Problem": "base",
    "ProblemSource": "spec",
    "ProblemSpec": "spec",
    "RecordedProblem": "base",
    "Scenario": "scenario",
    "DataIdentity": "base",
    "TableProblem": "tabular",
    "TaskProblem": "task",
    "select_metrics": "scenario",
    "open_evaluator": "begun",
    "open_scenario": "scenario",
    "absolute": "scenario",
    "space_of_table": "tabular",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: tables are opened without what trains networks."""
    if name not in _HOMES:
        raise AttributeError(f"module 'archloom.problems' has no attribute {name!r}")
    return getattr(importlib.import_module(f"archloom.problems.{_HOMES[name]}"), name)
