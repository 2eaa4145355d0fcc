from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import archloom
from benchmarks.nago.multi_objective import FRONTS, PROBLEMS, Found, rows
from benchmarks.nago.plain_networks import PlainNetworks


def test_true_fronts_are_the_best_there_is() -> None:
    """Of DTLZ2 the corner of the square of side 1.5 is cut off by a quarter of a circle; of ZDT1 f2 = 1 - sqrt(f1)."""
    assert np.isclose(FRONTS["dtlz2, 4"].hypervolume, 2.25 - np.pi / 4, atol=1e-3)
    assert np.isclose(FRONTS["zdt1, 4"].hypervolume, 5.0 - 1.0 / 3.0, atol=1e-3)
    for front, best in (("dtlz2, 4", 0.5), ("zdt1, 4", 0.0), ("dtlz2, 6", 0.5), ("zdt1, 6", 0.0)):
        at = FRONTS[front].values(np.array([0.25] + [best] * (FRONTS[front].size - 1)))
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
        (front, strategy) for front in FRONTS for strategy in ("mobo", "random")
    ]
    assert all(0.0 <= row["low"] <= row["mean"] <= row["high"] <= 1.0 and row["seeds"] == 2 for row in found)


def test_accuracy_costs_memory_on_plain_networks() -> None:
    """Wider and deeper chains take more memory, and are better."""
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    problem = PROBLEMS["memory"]["plain"]
    space = PlainNetworks()
    texts = [f"width={width}, growth=1, layers=3, kernel=3, pooled=1, dropout=0" for width in (2, 12)]
    report = archloom.run("given", problem.scenario(), seed=0, archs=";".join(texts), epochs=4, step=4)
    small, large = report.history.lines
    assert [line.arch for line in (small, large)] == [space.format(space.parse(text)) for text in texts]
    assert large.scores["memory_mb"] > 3 * small.scores["memory_mb"]
    assert large.scores["valid_accuracy"] > small.scores["valid_accuracy"] + 20
    assert 0 < problem.share(report, 1) < problem.share(report, 2) < 1


def test_networks_of_every_size_are_built() -> None:
    space, rng = PlainNetworks(), np.random.default_rng(0)
    for _ in range(20):
        arch = space.sample(rng)
        network = space.build(arch, 0)
        assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
        assert sum(isinstance(module, torch.nn.Conv2d) for module in network) == space.choices(arch)["layers"]
