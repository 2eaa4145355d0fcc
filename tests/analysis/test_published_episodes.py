from __future__ import annotations

import json

import pytest

from archloom.analysis.published_episodes import episode_references, quoted_table


def test_episodes_on_nas_bench_101() -> None:
    found = episode_references("nb101")
    assert {name: (one.median, one.skew) for name, one in found.items()} == {
        "local_search": (3.77, -2.091), "apex": (1.15, -1.821), "random_walk": (0.26, 0.091), "random": (0.00, 0.219),
    }  # fmt: skip
    assert {name: one.best_after[50] for name, one in found.items()} == {
        "local_search": (93.61, 0.55), "apex": (93.73, 0.16), "random_walk": (93.62, 0.20), "random": (93.48, 0.15),
    }  # fmt: skip
    assert found["local_search"].best_after[300] == (94.05, 0.17)
    assert found["local_search"].intervals[50] == (93.57, 93.66)
    assert "test accuracy" in found["apex"].metric and "Table 1" in found["apex"].source


def test_episodes_on_nas_bench_301() -> None:
    found = episode_references("nb301")
    assert set(found) == {"local_search", "apex", "random_walk", "random"}
    assert all(list(one.best_after) == [150, 200, 300, 400, 800, 1000] for one in found.values())
    assert found["local_search"].best_after[1000] == (94.95, 0.08) and found["apex"].best_after[150] == (94.83, 0.05)
    assert all(one.median is None and "XGB" in one.metric for one in found.values())


@pytest.mark.parametrize("benchmark", ["nb101", "nb301"])
def test_more_queries_find_no_worse(benchmark: str) -> None:
    for one in episode_references(benchmark).values():
        assert all(one.intervals[q][0] <= mean <= one.intervals[q][1] for q, (mean, _) in one.best_after.items())
        means = [mean for mean, _ in one.best_after.values()]
        assert means == sorted(means), one.policy
        assert json.loads(json.dumps(one.to_json()))["best_after"][-1]["mean"] == means[-1]


def test_no_episodes_elsewhere() -> None:
    assert episode_references("nb201") == {}


@pytest.mark.parametrize(("benchmark", "methods", "rows"), [("nb101", 6, 6), ("nb301", 8, 18)])
def test_what_is_quoted_of_other_methods(benchmark: str, methods: int, rows: int) -> None:
    quoted = quoted_table(benchmark)
    assert quoted is not None and (len(quoted.methods), len(quoted.rows)) == (methods, rows)
    assert all(row.low < row.mean < row.high for row in quoted.rows)
    widths = [(row.high - row.mean) / row.std for row in quoted.rows if row.std > 0.02]
    assert all(1.9 < width < 3.5 for width in widths), "of a single run: the mean ± t times the standard deviation"
    assert len({(row.method, row.queries) for row in quoted.rows}) == rows


def test_what_is_quoted_by_hand() -> None:
    by_name = {(row.method, row.queries): row for on in ("nb101", "nb301") for row in quoted_table(on).rows}
    best = by_name["GraphPNAS", 300]
    assert (best.mean, best.std, best.low, best.high) == (94.19, 0.07, 94.03, 94.36)
    assert by_name["CR-LSO", 800].mean == 94.89 and by_name["CL-fine-tune (GPTP)", 800].mean == 94.83
    assert quoted_table("nb201") is None
