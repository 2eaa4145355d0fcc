"""What is modelled of results, and the acquisition function of it; against BoTorch in test_botorch.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archloom.strategies.graph_bo.acquisition import (
    NO_RAYS,
    Rays,
    log_expected_improvement,
    log_feasible,
    log_hypervolume_improvement,
)
from archloom.strategies.graph_bo.gp import Posterior, fit
from archloom.strategies.graph_bo.kernel import Inputs, Kernel
from archloom.strategies.graph_bo.models import MOST_ROWS, Bounded, Promise, Surrogate, most_telling, nearness

Draw = Callable[..., Any]
KERNEL = Kernel(np.array([0, 0, 1, 1]), 2, 1)


def models(draw: Draw, count: int) -> tuple[list[Posterior], Inputs]:
    data = draw(KERNEL, 12)
    covariance, rng = KERNEL.at(data.theta), np.random.default_rng(5)
    return [Posterior.of(covariance, data.rows, rng.standard_normal(12)) for _ in range(count)], data.more(30)


def noisy(model: Posterior, rows: Inputs) -> tuple[Any, Any]:
    mean, variance = model.predict(rows)
    return mean, np.sqrt(variance + model.covariance.nugget)


class TestSurrogate:
    def test_it_is_fitted_again_when_results_have_grown_by_15_percent(self, draw: Draw) -> None:
        surrogate, fitted = Surrogate(KERNEL, KERNEL.prior), []
        for count in range(1, 42):
            data = draw(KERNEL, count)
            before = surrogate.theta
            surrogate.given(data.rows, data.targets)
            if surrogate.theta is not before:
                assert surrogate.fitted == count
                fitted.append(count)
        assert fitted == [2, 3, 4, 5, 6, 7, 9, 11, 13, 15, 18, 21, 25, 29, 34, 40]

    def test_one_result_is_predicted_with_the_priors_means(self, draw: Draw) -> None:
        data, surrogate = draw(KERNEL, 1), Surrogate(KERNEL, KERNEL.prior)
        found = surrogate.given(data.rows, data.targets).predict(data.more(5))
        expected = Posterior.of(KERNEL.at(KERNEL.prior), data.rows, data.targets).predict(data.more(5))
        assert all(map(np.array_equal, found, expected))

    def test_a_fit_starts_from_the_last(self, draw: Draw) -> None:
        data, surrogate = draw(KERNEL, 20), Surrogate(KERNEL, KERNEL.prior + 0.5, 10)
        found = surrogate.given(data.rows, data.targets)
        assert np.array_equal(surrogate.theta, fit(KERNEL, data.rows, data.targets, KERNEL.prior + 0.5))
        assert found.covariance.nugget == math.exp(surrogate.theta[-1])

    def test_of_many_results_it_knows_the_best_and_the_latest(self, draw: Draw) -> None:
        data = draw(KERNEL, 700)
        surrogate = Surrogate(KERNEL, KERNEL.prior, 690)
        posterior = surrogate.given(data.rows, data.targets)
        kept = most_telling(data.targets)
        assert np.array_equal(posterior.targets, data.targets[kept])
        assert np.array_equal(posterior.rows.stats, data.rows.stats[kept])

    def test_or_those_that_tell_most(self, draw: Draw) -> None:
        data = draw(KERNEL, 700)
        telling = nearness(data.targets, 0.5)
        posterior = Surrogate(KERNEL, KERNEL.prior, 690).given(data.rows, data.targets, telling)
        assert np.array_equal(posterior.targets, data.targets[most_telling(telling)])
        assert np.abs(posterior.targets[:400] - 0.5).max() <= np.sort(np.abs(data.targets[:500] - 0.5))[399]
        assert nearness(np.array([1.0, 4.0, 2.5, -1e308]), 1e308).tolist() == [-1e308, -1e308, -1e308, -np.inf]

    def test_which_these_are(self) -> None:
        targets = np.random.default_rng(0).permutation(1000).astype(float)
        kept = most_telling(targets)
        assert len(kept) == MOST_ROWS == 600 and (np.diff(kept) > 0).all()
        assert kept[-200:].tolist() == list(range(800, 1000))
        assert sorted(targets[kept[:-200]]) == sorted(targets[:800])[-400:]
        assert most_telling(targets[:600]).tolist() == list(range(600))
        assert most_telling(np.zeros(601)).tolist() == [*range(400), *range(401, 601)]


class TestPromise:
    def test_of_one_objective_it_is_the_improvement_over_the_best(self, draw: Draw) -> None:
        """Of results, whose variance is the nugget more than what the process is uncertain of."""
        (model,), rows = models(draw, 1)
        found = Promise([model], [], np.array([[0.2], [0.7], [-1.0]]), NO_RAYS)(rows)
        assert np.array_equal(found, log_expected_improvement(*noisy(model, rows), 0.7))

    def test_constraints_are_added(self, draw: Draw) -> None:
        (model, other), rows = models(draw, 2)
        bounded = [Bounded(other, 0.3, at_most=True), Bounded(other, -0.3, at_most=False)]
        found = Promise([model], bounded, np.array([[0.5]]), NO_RAYS)(rows)
        kept = [log_feasible(*noisy(other, rows), 0.3, True), log_feasible(*noisy(other, rows), -0.3, False)]
        assert found == pytest.approx(log_expected_improvement(*noisy(model, rows), 0.5) + sum(kept), rel=1e-12)

    def test_while_nothing_is_feasible_the_constraints_alone_count(self, draw: Draw) -> None:
        (model, other), rows = models(draw, 2)
        found = Promise([model], [Bounded(other, 0.3, at_most=True)], np.empty((0, 1)), NO_RAYS)(rows)
        assert np.array_equal(found, log_feasible(*noisy(other, rows), 0.3, True))

    def test_of_several_objectives_it_is_that_of_the_hypervolume(self, draw: Draw) -> None:
        both, rows = models(draw, 2)
        targets = np.stack([model.targets for model in both], axis=1)
        rays = Rays.drawn(2, np.random.default_rng(0))
        predicted = [noisy(model, rows) for model in both]
        means, deviations = (np.stack([each[i] for each in predicted], axis=1) for i in (0, 1))
        found = Promise(both, [], targets, rays)(rows)
        assert np.array_equal(found, log_hypervolume_improvement(means, deviations, targets, rays))

    def test_it_is_finite_for_what_is_out_of_the_question(self, draw: Draw) -> None:
        (model, other), rows = models(draw, 2)
        bounded = [Bounded(other, -1e6, at_most=True), Bounded(other, 1e6, at_most=False)]
        found = Promise([model], bounded, np.array([[1e3]]), NO_RAYS)(rows)
        assert np.isfinite(found).all()

    def test_what_is_the_same_row_is_the_same_in_any_batch_up_to_rounding(self, draw: Draw) -> None:
        (model, other), rows = models(draw, 2)
        promise = Promise([model], [Bounded(other, 0.3, at_most=True)], np.array([[0.5]]), NO_RAYS)
        whole = promise(rows)
        assert np.array_equal(promise(rows), whole)
        assert [promise(rows[slice(i, i + 1)])[0] for i in range(30)] == pytest.approx(whole.tolist(), rel=1e-9)
        assert promise(rows[slice(0, 0)]).shape == (0,)
