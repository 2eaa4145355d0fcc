"""Whatever in the data room reports progress reports it alike, so that one bar on a terminal shows all of it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import FunctionType

import pytest

from archloom import data
from archloom.data.progress import Progress

STAGED = "archloom.data.catalog"
"""It reports for people what it does, too, of which there are several."""


def reporting() -> Iterator[FunctionType]:
    """Every function of the room that takes `progress`."""
    for found in pkgutil.walk_packages(data.__path__, f"{data.__name__}."):
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, FunctionType) and value.__module__ == found.name != STAGED:
                yield from [value] if "progress" in inspect.signature(value).parameters else []


def test_one_type_for_all_that_report() -> None:
    pytest.importorskip("numba", reason="the index of cells needs the extra bench")
    functions = list(reporting())
    assert len(functions) > 8
    for function in functions:
        assert function.__annotations__["progress"] in ("Progress", "Progress | None"), function
        assert function.__globals__["Progress"] is Progress, function
