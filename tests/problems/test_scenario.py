from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from archloom.problems import (
    ProblemSpec,
    open_scenario,
)

Refuses = Callable[[ProblemSpec], str]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"objectives": ("ac",)}, "unknown objective 'ac'; did you mean 'acc'? (known: acc, size)"),
        ({"objectives": ("test",)}, "unknown objective 'test' (known: acc, size)"),
        ({"objectives": ("acc", "acc")}, "objectives acc, acc: each metric may be named once"),
        ({"constraints": ("test<=3",)}, "unknown metric in a constraint 'test' (known: acc, size)"),
        ({"constraints": ("size=3",)}, "constraint 'size=3': expected METRIC<=NUMBER or METRIC>=NUMBER"),
        ({"report": ("tset",)}, "unknown metric to report 'tset'; did you mean 'test'? (known: acc, size, test)"),
    ],
)
def test_metrics_that_are_not_there_are_told(
    file: Path, asked: Mapping[str, Any], message: str, refuses: Refuses
) -> None:
    assert refuses(ProblemSpec(str(file), **asked)).startswith(message)


def test_several_objectives_keep_their_order_and_directions(file: Path) -> None:
    scenario = open_scenario(ProblemSpec(str(file), objectives=("size", "acc"), report=("acc",)))
    assert scenario.criteria.to_json()["objectives"] == {"size": "min", "acc": "max"}
    assert scenario.report == ("acc",)
