from __future__ import annotations

import pytest

from archloom.analysis.published import is_test_metric, references
from archloom.analysis.published_rows import IMAGENET_TOP1, PARAMETERS_M, PUBLISHED, Role
from archloom.constraints import Constraint


def by_label(metric: str) -> dict[str, tuple[float, float | None, int | None]]:
    return {p.label: (p.mean, p.std, p.queries) for p in references("nb201", metric)}


def test_ga_nas_table_4() -> None:
    assert by_label("cifar10_test_200")["GA-NAS"] == (94.34, 0.05, 444)
    assert by_label("cifar100_test_200")["GA-NAS"] == (73.28, 0.17, 444)
    assert by_label("imagenet16_test_200")["GA-NAS"] == (46.80, 0.29, 445)
    assert by_label("cifar10_test_200")["RS-500"] == (94.11, 0.16, 500)
    assert by_label("cifar100_test_200")["RS-500"] == (72.54, 0.54, 500)
    assert "GA-NAS" not in by_label("cifar10_valid_200")  # it queried the test accuracy
    ranks = {(p.label, p.metric): p.rank for p in PUBLISHED["nb201"] if p.rank is not None}
    assert ranks["GA-NAS", "cifar100_test_200"] == 3.25 and ranks["RS-500", "imagenet16_test_200"] == 34.18


def test_pbt_nas_tables_2_3_and_6_for_agents() -> None:
    found = references("control:quadruped_run", "episode_reward")
    assert {(p.label, p.source[-7:]): p.value for p in found} == {
        ("PBT-NAS", "Table 2"): "801 ± 70", ("copied exactly [1, 0]", "Table 2"): "699 ± 4",
        ("no mixing", "Table 2"): "672 ± 53", ("BOHB", "Table 6"): "621 ± 28", ("random search", "Table 3"): "616 ± 53",
        ("reinitialised [0, 1]", "Table 2"): "532 ± 62", ("random search, shrink-perturb", "Table 3"): "498 ± 30",
    }  # fmt: skip
    assert all("3 million frames" in p.caveats[0] for p in found)
    assert references("control:walker_run", "episode_reward") == [], "of which there is a plot only"


def bounded(*constraints: str) -> dict[str, float]:
    found = references("nb101", "test_108", [Constraint.parse(text) for text in constraints])
    return {p.label.partition(",")[0]: p.mean for p in found}


def test_ga_nas_table_5_is_for_runs_under_its_bounds() -> None:
    inception = {"hand-crafted": 93.09, "RS": 93.14, "GA-NAS": 93.28}
    assert bounded("params_m<=2.69", "train_seconds_108<=1156") == inception
    assert bounded("params_m<=2.694282") == inception, "its exact number; the training time is a further bound there"
    assert bounded("train_seconds_108<=2251.6") == {"hand-crafted": 93.18, "RS": 93.84, "GA-NAS": 93.96}
    for other in (["params_m<=2.5"], ["params_m>=2.69"], ["params_m<=2.69", "macs_m<=100"], ["macs_m<=2.69"]):
        assert bounded(*other) == {}
    assert not any("bounds" in p.label for p in references("nb101", "test_108"))
    assert all("under both bounds" in p.caveats[-1] for p in PUBLISHED["nb101"] if p.constraints)


def test_ga_nas_table_6() -> None:
    wanted = [Constraint("params_m", 5.3)]
    found = {p.label: p.mean for p in references("efficientnet_b0", IMAGENET_TOP1, wanted)}
    assert found == {"EfficientNet-B0": 76.7, "GA-NAS-ENet-1": 76.5, "GA-NAS-ENet-2": 76.8, "GA-NAS-ENet-3": 76.9}
    proxyless = {p.label: p.mean for p in references("proxyless", IMAGENET_TOP1)}
    assert proxyless == {"ProxylessNAS-GPU": 75.1, "GA-NAS-ProxylessNAS": 75.5}
    assert {label: PARAMETERS_M[label] for label in found} == {
        "EfficientNet-B0": 5.3, "GA-NAS-ENet-1": 4.6, "GA-NAS-ENet-2": 5.2, "GA-NAS-ENet-3": 5.3,
    }  # fmt: skip


def test_what_is_said_of_ga_nas_figure_1() -> None:
    (found,) = (p for p in references("nb301", "valid_surrogate") if p.label.startswith("GA-NAS"))
    assert (found.mean, found.std, found.queries) == (95.0, None, 6000) and "only says" in found.caveats[0]


def test_walks_are_there_at_every_number_of_queries() -> None:
    known = {(p.label, p.queries): (p.mean, p.std) for p in references("nb101", "test_108")}
    assert known["local search", 300] == (94.05, 0.17) and known["Ape-X", 50] == (93.73, 0.16)
    assert known["GraphPNAS", 300] == (94.19, 0.07)
    known = {(p.label, p.queries): (p.mean, p.std) for p in references("nb301", "valid_surrogate")}
    assert known["random walk", 1000] == (94.44, 0.09) and known["CR-LSO", 400] == (94.80, 0.06)


def test_a_surrogate_of_validation_is_shown_test_accuracies_with_a_caveat() -> None:
    official, near = references("nb101", "test_108"), references("nb101", "valid_108_surrogate")
    assert [p.mean for p in near] == [p.mean for p in official]
    assert all("regression of validation accuracies" in p.caveats[0] for p in near)
    assert references("nb101", "valid_108") == []


def test_cadam_table_4_1() -> None:
    assert by_label("cifar10_valid_200")["CADAM-500"] == (91.36, 0.19, 500)
    assert by_label("cifar100_test_200")["CADAM-1k"] == (73.09, 0.35, 1000)
    assert by_label("imagenet16_valid_200")["CADAM-1k"] == (46.58, 0.08, 1000)
    assert by_label("cifar10_test_200")["REA"] == (93.92, 0.30, None)
    assert by_label("cifar100_valid_200")["RS"] == (70.93, 1.09, None)
    assert by_label("cifar10_test_200")["DARTS"] == (54.30, 0.0, None)
    assert "GAEA" not in by_label("cifar10_valid_200")  # an empty cell
    assert by_label("imagenet16_test_200")["optimum"] == (47.31, None, None)


def test_nothing_published_exceeds_the_optimum() -> None:
    for metric in {p.metric for p in PUBLISHED["nb201"]}:
        found = references("nb201", metric)
        assert found[0].role is Role.OPTIMUM, metric
        assert [p.mean for p in found] == sorted((p.mean for p in found), reverse=True)


def test_numbers_of_another_training_say_so() -> None:
    official, near = references("nb201", "cifar10_test_200"), references("nb201", "cifar10_baseline")
    assert [p.mean for p in near] == [p.mean for p in official]
    assert all("NAS-Bench-201's own test accuracy" in p.caveats[0] for p in near)
    assert not any(p.caveats for p in official)


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
