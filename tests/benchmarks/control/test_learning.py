"""The smoke version of learning curves."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs the extra train")
pytest.importorskip("dm_control", reason="environments need the extra control")


def test_learning_curves(study: Any) -> None:
    rows = study("control.__main__", "vectors", "--workers", "1")
    assert [(row["frames"], row["reached"]) for row in rows] == [(40, 0), (80, 0)]
    assert all(len(row["rewards"]) == 2 and 0 < min(row["rewards"]) <= max(row["rewards"]) <= 20 for row in rows)
