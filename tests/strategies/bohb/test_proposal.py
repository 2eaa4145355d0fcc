from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest, truncnorm

from archloom.constraints import Criteria, Objective
from archloom.spaces.coordinates import coordinates_of
from archloom.spaces.domains import Real
from archloom.spaces.space import Space
from archloom.strategies.bohb.density import Density
from archloom.strategies.bohb.proposal import Knowledge, Model, Rules, imputed
from archloom.types import Arch, Proposal, Result, Trial

RULES = Rules(15, 0, 1e-3)
NAN = math.nan


@pytest.mark.parametrize(
    ("count", "dimensions", "rules", "good", "bad"),
    [
        (7, 3, RULES, 0, 0),  # d + 1 = 4 of either are more than there are
        (8, 3, RULES, 4, 4),
        (20, 3, RULES, 4, 16),  # max(4, 3) and max(4, 17), of which there are 16
        (100, 3, RULES, 15, 85),
        (99, 3, RULES, 14, 84),  # 99 * 15 // 100 and 99 * 85 // 100: one is neither
        (100, 3, Rules(30, 0, 1e-3), 30, 70),
        (12, 3, Rules(15, 9, 1e-3), 0, 0),  # nine good ones leave three, no more than coordinates
        (13, 3, Rules(15, 9, 1e-3), 9, 4),
        (8, 3, Rules(15, 9, 1e-3), 0, 0),
        (40, 0, RULES, 0, 0),
    ],
)
def test_good_and_bad(count: int, dimensions: int, rules: Rules, good: int, bad: int) -> None:
    losses = np.random.default_rng(0).permutation(count).astype(float)
    found = rules.split(losses, dimensions)
    assert (found is None) == (good == 0)
    if found is not None:
        assert losses[found[0]].tolist() == list(range(good))
        assert losses[found[1]].tolist() == list(range(good, good + bad))


def test_candidates_are_around_good_points() -> None:
    data = np.array([[0.1, 2.0, 0.9]])
    model = Model(
        Density(data, np.array([0, 4, 0]), np.array([0.05, 0.4, 0.01])), Density.of(data, np.array([0, 4, 0]), 1)
    )
    points = model.candidates(4_000, 3.0, np.random.default_rng(0))
    assert kstest(points[:, 0], truncnorm(-0.1 / 0.15, 0.9 / 0.15, 0.1, 0.15).cdf).pvalue > 0.01
    assert kstest(points[:, 2], truncnorm(-0.9 / 0.03, 0.1 / 0.03, 0.9, 0.03).cdf).pvalue > 0.01
    shares = np.bincount(points[:, 1].astype(int), minlength=4) / 4_000
    assert shares == pytest.approx([0.1, 0.1, 0.7, 0.1], abs=0.03), "1 - h, and h shared among all four"


@pytest.mark.parametrize(("least", "widened"), [(1e300, 3.0), (0.1, 1e300), (1e300, 1e300)])
def test_very_wide_candidates_are_uniform(least: float, widened: float) -> None:
    density = Density.of(np.array([[0.0], [0.9]]), np.array([0]), least)
    points = Model(density, density).candidates(2_000, widened, np.random.default_rng(0))
    assert kstest(points[:, 0], "uniform").pvalue > 0.01


def test_the_best_candidate_is_likely_good_and_not_bad() -> None:
    categories = np.array([0])
    good = Density(np.array([[0.2], [0.8]]), categories, np.array([0.1]))
    model = Model(good, Density(np.array([[0.2]]), categories, np.array([0.1])))
    tried = list(model.best(64, 3.0, np.random.default_rng(0)))
    ratio = model.ratio(np.array(tried))
    assert len(tried) == 64 and ratio.tolist() == pytest.approx(sorted(ratio.tolist()))
    assert tried[0][0] > 0.7
    # Where both densities vanish neither is 0.
    assert model.ratio(np.array([[1e6]])) == 1.0


def test_equal_candidates_stay_in_the_order_drawn() -> None:
    uniform = Density(np.array([[0.0], [1.0]]), np.array([3]), np.array([2 / 3]))
    model = Model(uniform, Density(np.array([[2.0], [2.0], [1.0]]), np.array([3]), np.array([2 / 3])))
    drawn = model.candidates(20, 3.0, np.random.default_rng(0))
    assert [point.tolist() for point in model.best(20, 3.0, np.random.default_rng(0))] == drawn.tolist()


def test_missing_genes_are_taken_from_points_that_have_them() -> None:
    points = np.array([[NAN, 0.5, NAN, NAN], [1.0, NAN, 0.25, NAN], [2.0, NAN, 0.75, NAN]])
    rows = set()
    for seed in range(20):
        filled = imputed(points, np.array([3, 0, 0, 2]), np.random.default_rng(seed))
        assert filled[:, 1].tolist() == [0.5] * 3, "the only one that there is"
        assert set(filled[:, 3].tolist()) <= {0.0, 1.0}, "any option, as none has this gene"
        rows.add(tuple(filled[0, [0, 2]].tolist()))
    assert rows == {(1.0, 0.25), (2.0, 0.75)}, "both from one point"
    numbers = imputed(np.full((2, 1), NAN), np.array([0]), np.random.default_rng(0))
    assert ((numbers > 0) & (numbers < 1)).all()


def _knowledge() -> Knowledge:
    space = Space({"x": Real(0.0, 1.0)})
    return Knowledge(coordinates_of(space), Criteria((Objective("loss", "min"),)), RULES, 7)


def _tell(knowledge: Knowledge, level: tuple[int, int], *losses: float | None) -> None:
    for loss in losses:
        result = Result.failed("on purpose") if loss is None else Result({"loss": loss})
        place = 0.99 if loss is None else min(loss, 1.0)
        knowledge.add(Trial(0, Proposal(Arch((place,)), level[1]), result), level)


def test_the_model_is_of_the_largest_budget_that_has_one() -> None:
    knowledge = _knowledge()
    _tell(knowledge, (0, 3), 0.1, 0.2, None)
    assert knowledge.model() is None
    _tell(knowledge, (0, 3), 0.3)
    level, model = knowledge.model() or pytest.fail()
    assert level == (0, 3)
    assert model.good.data.ravel().tolist() == [0.1, 0.2] and model.bad.data.ravel().tolist() == [0.3, 0.99]
    _tell(knowledge, (0, 9), 0.5, 0.4, 0.6)
    _tell(knowledge, (0, 3), 0.0)
    level, model = knowledge.model() or pytest.fail()
    assert level == (0, 3) and model.good.data.ravel().tolist() == [0.0, 0.1]
    _tell(knowledge, (0, 9), 0.7)
    level, model = knowledge.model() or pytest.fail()
    assert level == (0, 9) and model.good.data.ravel().tolist() == [0.4, 0.5]
    assert list(knowledge.levels) == [(0, 9)], "smaller budgets are of no use any more"


def test_several_objectives_are_compared_by_fronts() -> None:
    knowledge = _knowledge()
    knowledge.criteria = Criteria((Objective("loss", "min"), Objective("cost", "min")))
    for place, (loss, cost) in enumerate([(3, 3), (1, 2), (2, 1), (4, 4)]):
        result = Result({"loss": float(loss), "cost": float(cost)})
        knowledge.add(Trial(place, Proposal(Arch((place / 10,)), 3), result), (0, 3))
    _, model = knowledge.model() or pytest.fail()
    assert model.good.data.ravel().tolist() == [0.1, 0.2] and model.bad.data.ravel().tolist() == [0.0, 0.3]
