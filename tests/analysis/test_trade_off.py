"""Accuracy against costs in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from archloom.analysis.trade_off import EVERYTHING, FRONTS, trade_off, unit_of
from archloom.errors import InputError

LATENCY = "cifar10_fpga_latency_ms"


def test_fronts_and_hypervolumes(make_report: Any) -> None:
    """Rows 0, 1 and 63 are (87.0, 1.0), (87.7, 2.01), (91.2, 7.63); row 32, with (87.7, 2.32), is dominated by 1."""
    runs = [make_report([63, 32, 0]), make_report([1], seed=1)]
    found = trade_off({"a": runs}, [LATENCY])
    (against,), (front,) = found.against, found.against[0].fronts
    assert against.reference_point == pytest.approx((87.0, 7.63))
    points = [(p.step, p.seed, p.value, p.cost, p.evaluated) for p in front.points]
    assert points == [
        (1, 0, *map(pytest.approx, (91.2, 7.63, 94.2))),
        (1, 1, *map(pytest.approx, (87.7, 2.01, 90.7))),
        (3, 0, *map(pytest.approx, (87.0, 1.0, 90.0))),
    ]
    volumes = [0.7 * (7.63 - 2.32), 0.7 * (7.63 - 2.01)]
    assert front.hypervolume is not None and front.hypervolume.n == 2
    assert front.hypervolume.mean == pytest.approx(np.mean(volumes), rel=1e-5)
    assert front.interval == pytest.approx(tuple(volumes), rel=1e-5), "the mean of two resampled ones is between them"


def test_correlations_and_slopes(make_two: Any) -> None:
    """Against SciPy, of what the runs reported."""
    rng = np.random.default_rng(0)
    accuracy, costs = rng.normal(70, 5, 40), rng.uniform(100, 900, 40)
    test = accuracy + rng.normal(0, 3, 40)
    report = [{"flops_m": c, "y_test": t} for c, t in zip(costs, test, strict=True)]
    found = trade_off({"a": [make_two([(y, 0) for y in accuracy], single=True, report=report)]})
    assert (found.evaluation, found.against[0].cost) == ("y_test", "flops_m")
    everything = found.correlations[EVERYTHING]
    assert everything.value == pytest.approx(scipy.stats.spearmanr(accuracy, test).statistic)
    assert everything.n == 40 and everything.low < everything.value < everything.high  # type: ignore[operator]
    front = [point.step - 1 for point in found.against[0].fronts[0].points]
    assert found.correlations["a"].value == pytest.approx(scipy.stats.spearmanr(accuracy[front], test[front]).statistic)
    slopes = {each.over: each for each in found.against[0].slopes}
    for over, rows in ((FRONTS, front), (EVERYTHING, list(range(40)))):
        fitted = scipy.stats.linregress(costs[rows] / 1000, test[rows])
        assert (slopes[over].estimate.value, slopes[over].r) == (
            pytest.approx(fitted.slope), pytest.approx(fitted.rvalue),
        )  # fmt: skip
        assert slopes[over].per == "GFLOP"


def test_what_was_trained_alone_in_other_runs(make_two: Any) -> None:
    search = make_two([(1, 5), (2, 6), (3, 7), (4, 8)])
    alone = make_two([(60, 0), (50, 0), (40, 0)], names=("acc", "x"))
    found = trade_off({"a": [search]}, evaluated_in={"b": [alone]})
    assert found.evaluation == "acc of own.py"
    assert [point.evaluated for point in found.against[0].fronts[0].points] == [None, 40.0, 50.0, 60.0]
    assert found.correlations["a"].value == pytest.approx(-1.0) and found.correlations["a"].n == 3
    with pytest.raises(InputError, match="asked for none of the architectures"):
        trade_off({"a": [search]}, evaluated_in={"b": [make_two([(1, 1)], arch="z")]})


def test_accuracies_on_a_front_are_those_with_which_architectures_got_there(make_two: Any) -> None:
    """In a supernet that trains, an architecture has another accuracy each time: here 60, then 40."""
    runs = [make_two([(60, 5), (50, 4), (45, 3)]), make_two([(40, 5)], seed=1)]
    alone = make_two([(90, 0), (80, 0), (70, 0)])
    assert trade_off({"a": runs}, evaluated_in={"b": [alone]}).correlations["a"].value == pytest.approx(1.0)
    on_front = next(each for each in trade_off({"a": runs}).against[0].slopes if each.over == FRONTS)
    assert on_front.estimate.value == pytest.approx(7.5) and on_front.estimate.n == 3


def test_a_loss_is_no_accuracy(make_two: Any) -> None:
    with pytest.raises(InputError, match="these runs minimise y: expected an accuracy"):
        trade_off({"a": [make_two([(1, 2)], goals=("min", "min"))]})


@pytest.mark.parametrize(
    ("cost", "unit"),
    [("cifar10_flops_m", ("GFLOP", 1e-3)), ("macs_m", ("GFLOP", 1e-3)), ("params_m", ("million parameters", 1.0)),
     ("params", ("params", 1.0)), ("latency_ms", ("latency_ms", 1.0))],
)  # fmt: skip
def test_units(cost: str, unit: tuple[str, float]) -> None:
    assert unit_of(cost) == unit
