from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from archloom.analysis.published import (
    PUBLISHED,
    Role,
    episode_references,
    is_test_metric,
    quoted_table,
    references,
)
from archloom.data.tables import load_table


def by_label(metric: str) -> dict[str, tuple[float, float | None, int | None]]:
    return {p.label: (p.mean, p.std, p.queries) for p in references("nb201", metric)}


def test_ga_nas_table_4() -> None:
    assert by_label("cifar10_test_200")["GA-NAS"] == (94.34, 0.05, 444)
    assert by_label("cifar100_test_200")["GA-NAS"] == (73.28, 0.17, 444)
    assert by_label("imagenet16_test_200")["GA-NAS"] == (46.80, 0.29, 445)
    assert by_label("cifar10_test_200")["RS-500"] == (94.11, 0.16, 500)
    assert by_label("cifar100_test_200")["RS-500"] == (72.54, 0.54, 500)
    assert "GA-NAS" not in by_label("cifar10_valid_200")  # it queried the test accuracy


def test_cadam_table_4_1() -> None:
    assert by_label("cifar10_valid_200")["CADAM-500"] == (91.36, 0.19, 500)
    assert by_label("cifar100_test_200")["CADAM-1k"] == (73.09, 0.35, 1000)
    assert by_label("imagenet16_valid_200")["CADAM-1k"] == (46.58, 0.08, 1000)
    assert by_label("cifar10_test_200")["REA"] == (93.92, 0.30, None)
    assert by_label("cifar100_valid_200")["RS"] == (70.93, 1.09, None)
    assert by_label("cifar10_test_200")["DARTS"] == (54.30, None, None)
    assert "GAEA" not in by_label("cifar10_valid_200")  # an empty cell
    assert by_label("imagenet16_test_200")["optimum"] == (47.31, None, None)


def test_nothing_published_exceeds_the_optimum() -> None:
    for metric in {p.metric for p in PUBLISHED["nb201"]}:
        found = references("nb201", metric)
        assert found[0].role is Role.OPTIMUM, metric
        assert [p.mean for p in found] == sorted((p.mean for p in found), reverse=True)


def test_every_number_names_its_source() -> None:
    assert all("Table" in p.source for p in PUBLISHED["nb201"])
    labels = [(p.label, p.metric) for p in PUBLISHED["nb201"]]
    assert len(set(labels)) == len(labels)
    assert json.loads(json.dumps([p.to_json() for p in PUBLISHED["nb201"]]))[0]["role"] == "queries"


def test_numbers_of_another_training_say_so() -> None:
    official, near = references("nb201", "cifar10_test_200"), references("nb201", "cifar10_baseline")
    assert [p.mean for p in near] == [p.mean for p in official]
    assert all(p.caveat and "NAS-Bench-201's own test accuracy" in p.caveat for p in near)
    assert not any(p.caveat for p in official)


@pytest.mark.parametrize(("benchmark", "metric"), [("nb201", "cifar10_fpga_latency_ms"), ("nbgraph:cora", "cora_test")])
def test_nothing_is_known_of_other_metrics(benchmark: str, metric: str) -> None:
    assert references(benchmark, metric) == []


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("cifar10_test_200", True), ("cora_test", True), ("cifar10_valid_200", False), ("cifar10_baseline", True),
     ("cifar10_analog_drift_1d", True), ("fastest_ms", False)],
)  # fmt: skip
def test_test_metrics(metric: str, expected: bool) -> None:
    assert is_test_metric("nb201", metric) is expected


def test_the_published_optimum_is_that_of_the_real_table() -> None:
    folder = os.environ.get("ARCHLOOM_DATA")
    if not folder:
        pytest.skip("ARCHLOOM_DATA is not set: no real table")
    table = load_table(Path(folder, "nb201.npz"))
    optima = {p.metric: p.mean for p in PUBLISHED["nb201"] if p.role is Role.OPTIMUM and p.metric in table.metrics}
    assert len(optima) == 4
    for metric, mean in optima.items():
        assert float(table.metric(metric).max()) == pytest.approx(mean, abs=0.006), metric


# -- episodes


def test_episodes_on_nas_bench_101() -> None:
    found = episode_references("nb101")
    assert {name: (one.median, one.skew) for name, one in found.items()} == {
        "local_search": (3.77, -2.091), "apex": (1.15, -1.821), "random_walk": (0.26, 0.091), "random": (0.00, 0.219),
    }  # fmt: skip
    assert {name: one.best_after[50] for name, one in found.items()} == {
        "local_search": (93.61, 0.55), "apex": (93.73, 0.16), "random_walk": (93.62, 0.20), "random": (93.48, 0.15),
    }  # fmt: skip
    assert found["local_search"].best_after[300] == (94.05, 0.17)
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
