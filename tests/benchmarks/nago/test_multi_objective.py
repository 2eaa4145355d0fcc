from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.nago.multi_objective import FRONTS, Found, rows


def test_true_fronts_are_the_best_there_is() -> None:
    """Of DTLZ2 the corner of the square of side 1.5 is cut off by a quarter of a circle; of ZDT1 f2 = 1 - sqrt(f1)."""
    assert np.isclose(FRONTS["dtlz2"].hypervolume, 2.25 - np.pi / 4, atol=1e-3)
    assert np.isclose(FRONTS["zdt1"].hypervolume, 5.0 - 1.0 / 3.0, atol=1e-3)
    for front, best in (("dtlz2", 0.5), ("zdt1", 0.0)):
        at = FRONTS[front].values(np.array([0.25, best, best, best]))
        assert np.abs(FRONTS[front].true(np.linspace(0.0, 1.0, 10_001)) - at).max(axis=1).min() < 1e-3


def test_rows_compare_with_random_search() -> None:
    shares = {"mobo": (0.9, 0.8, 0.85), "random": (0.5, 0.6, 0.4)}
    found = [
        Found(f"dtlz2: {name}", seed, {"40": value}) for name, each in shares.items() for seed, value in enumerate(each)
    ]
    mobo, chance = rows(found)
    assert (mobo.strategy, mobo.seeds, mobo.mean) == ("mobo", 3, pytest.approx(0.85))
    assert chance.high < mobo.low
    assert mobo.p == pytest.approx(1 / 20)
    assert chance.p is None


def test_smoke(study: Any) -> None:
    found = study("nago.multi_objective", "fronts", "--workers", "1")
    assert [(row["problem"], row["strategy"]) for row in found] == [
        (front, strategy) for front in ("dtlz2", "zdt1") for strategy in ("mobo", "random")
    ]
    assert all(0.0 <= row["low"] <= row["mean"] <= row["high"] <= 1.0 and row["seeds"] == 2 for row in found)
