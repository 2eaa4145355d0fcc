"""archloom: search for neural architectures, on public benchmarks and on your own data.

>>> import archloom
>>> found = archloom.run("evolution", on="nb201", queries=300)
>>> found.best.arch, found.value, found.rank
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archloom.api import run as run
    from archloom.api import scenario as scenario
    from archloom.api import strategy as strategy
    from archloom.problems import Problem as Problem
    from archloom.problems import TaskProblem as TaskProblem
    from archloom.spaces.base import Categorical as Categorical
    from archloom.spaces.domains import Choice as Choice
    from archloom.spaces.domains import Integer as Integer
    from archloom.spaces.domains import Real as Real
    from archloom.spaces.domains import Seed as Seed
    from archloom.spaces.space import Space as Space
    from archloom.strategies.base import BaseStrategy as BaseStrategy
    from archloom.strategies.base import Plan as Plan
    from archloom.types import Arch as Arch
    from archloom.types import Inherit as Inherit
    from archloom.types import Proposal as Proposal
    from archloom.types import Resource as Resource
    from archloom.types import Result as Result
    from archloom.types import Trial as Trial

_HOMES = {
    "Arch": "archloom.types",
    "BaseStrategy": "archloom.strategies.base",
    "Categorical": "archloom.spaces.base",
    "Choice": "archloom.spaces.domains",
    "Inherit": "archloom.types",
    "Integer": "archloom.spaces.domains",
    "Plan": "archloom.strategies.base",
    "Problem": "archloom.problems",
    "Proposal": "archloom.types",
    "Resource": "archloom.types",
    "Real": "archloom.spaces.domains",
    "Result": "archloom.types",
    "Seed": "archloom.spaces.domains",
    "Space": "archloom.spaces.space",
    "TaskProblem": "archloom.problems",
    "Trial": "archloom.types",
    "run": "archloom.api",
    "scenario": "archloom.api",
    "strategy": "archloom.api",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import names on first use, so that the command line starts in a fraction of a second."""
    if name not in _HOMES:
        raise AttributeError(f"module 'archloom' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
