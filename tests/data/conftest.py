"""What the tests of the data room share: a small table, and the real ones where there are any."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Content = dict[str, Any]


@pytest.fixture
def content() -> Content:
    """Arguments of `save_table` for six architectures of two genes; one value is not measured."""
    return {
        "space": "table",
        "gene_names": ["op", "width"],
        "options": [["conv", "pool"], ["8", "16", "32"]],
        "genes": np.array([[i, j] for i in range(2) for j in range(3)]),
        "metrics": {
            "valid": np.array([10.0, 20.0, 30.0, 40.0, np.nan, 60.0]),
            "test": np.array([11.0, 21.0, 31.0, 41.0, 51.0, 61.0], dtype=np.float32),
            "params": np.array([1, 2, 3, 4, 5, 6]),
        },
        "goals": {"valid": "max", "test": "max", "params": "min"},
        "source": "made for a test",
        "units": "percent",
    }


@pytest.fixture(scope="session")
def real_table() -> Callable[[str], Path]:
    """The path of a real table in ARCHLOOM_DATA; skips where it is not there."""

    def find(name: str) -> Path:
        folder = os.environ.get("ARCHLOOM_DATA")
        if not folder:
            pytest.skip("ARCHLOOM_DATA is not set: no folder with real tables")
        path = Path(folder) / name
        if not path.is_file():
            pytest.skip(f"{path} is not there")
        return path

    return find
