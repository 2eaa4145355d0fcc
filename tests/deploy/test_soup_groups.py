"""Soups of several runs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra train")

from archloom.checkpoints.state import TrainingState
from archloom.deploy.soup import Soup, Tried
from archloom.deploy.soup_groups import Cooked, summaries


def entry(label: str, seed: int, soup: float | None, tried: float | None = None) -> Cooked:
    """A run whose best member has 10, and whose soup and best mean that was tried have these."""
    path = Path(label, f"seed-{seed}")
    if soup is None:
        return Cooked(path, label, seed, missing="not started")
    best = None if tried is None else Tried((0, 1), {"score": tried})
    made = Soup(TrainingState({}), "a", (0,), (), {"score": soup}, {"score": 10.0}, 3, 2, best_tried=best)
    return Cooked(path, label, seed, made, "score")


def test_differences_are_summarised_by_strategy() -> None:
    every = [entry("a", 0, 10.0, 4.0), entry("a", 1, 13.0, 13.0), entry("a", 2, 10.0), entry("b", 0, 10.0)]
    (soups, tried), (others, none) = summaries([*every, entry("b", 1, None)]).values()
    assert soups is not None and (soups.n, soups.mean) == (3, 1.0)
    assert tried is not None and (tried.n, tried.mean, tried.std) == (2, -1.5, pytest.approx(4.5 * 2**0.5))
    assert others is not None and (others.n, others.mean, others.std) == (1, 0.0, None) and none is None


def test_a_run_without_a_soup_says_why() -> None:
    found = entry("a", 0, None)
    assert (found.difference, found.difference_tried) == (None, None)
    assert found.to_json() == {"run": "a/seed-0", "label": "a", "seed": 0, "missing": "not started"}
    assert entry("a", 0, 11.0, 12.0).to_json()["difference_tried"] == 2.0
