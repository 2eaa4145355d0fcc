"""The Gaussian process and its fit; against GPyTorch in test_botorch.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archloom.strategies.graph_bo.gp import BOX, JITTER, Posterior, fit, loss
from archloom.strategies.graph_bo.kernel import Inputs, Kernel

Draw = Callable[..., Any]
NONE = np.empty(0, np.intp)
HALF = math.sqrt(0.5)


def posterior(data: Any, rows: Inputs | None = None, targets: Any = None) -> Posterior:
    return Posterior.of(
        data.kernel.at(data.theta), data.rows if rows is None else rows, data.targets if targets is None else targets
    )


class TestPosterior:
    def test_two_results_by_hand(self) -> None:
        """One gene: of two options seen and a third, each as far from the others: the mean, and what is unexplained."""
        kernel = Kernel(np.array([0, 0, 0]), 0)
        one, other, third = (Inputs(HALF * np.eye(3)[i : i + 1], np.empty((1, 0)), np.empty((1, 0))) for i in range(3))
        a, shared, noise = 2.0, 2.0 * math.exp(-0.7), 0.1 + JITTER
        gp = Posterior.of(kernel.at(np.log([2.0, 0.7, 0.1])), Inputs.joined([one, other]), np.array([3.0, 5.0]))
        assert gp.mean == pytest.approx(4.0)
        mean, variance = gp.predict(Inputs.joined([one, third]))
        slope = (a - shared) / (a + noise - shared)  # of what is known of the difference of two
        assert mean == pytest.approx([4.0 - slope, 4.0], rel=1e-12)
        assert variance[1] == pytest.approx(a - 2 * shared**2 / (a + noise + shared), rel=1e-12)
        even, odd = (a + shared) ** 2 / (a + noise + shared), (a - shared) ** 2 / (a + noise - shared)
        assert variance[0] == pytest.approx(a - 0.5 * even - 0.5 * odd, rel=1e-12)

    def test_of_no_terms_everything_is_the_mean(self, draw: Draw) -> None:
        kernel = Kernel(NONE, 0, 1)
        data = draw(kernel, 5)
        mean, variance = posterior(data).predict(data.more(3))
        assert mean == pytest.approx([data.targets.mean()] * 3)
        assert variance.tolist() == [0.0] * 3

    def test_one_result(self, kernel: Kernel, draw: Draw) -> None:
        data = draw(kernel, 1)
        mean, variance = posterior(data).predict(data.more(4))
        assert mean == pytest.approx([data.targets[0]] * 4)
        assert np.isfinite(variance).all()

    def test_of_nothing_to_predict(self, kernel: Kernel, draw: Draw) -> None:
        data = draw(kernel, 3)
        mean, variance = posterior(data).predict(data.more(0))
        assert mean.shape == variance.shape == (0,)
        gp = posterior(data)
        assert gp.believing(data.more(0)) is gp

    def test_the_order_of_results_does_not_matter(self, kernel: Kernel, draw: Draw) -> None:
        data = draw(kernel, 12)
        order = np.random.default_rng(3).permutation(12)
        found = posterior(data, data.rows[order], data.targets[order]).predict(data.more(5))
        for ours, other in zip(posterior(data).predict(data.more(5)), found, strict=True):
            assert ours == pytest.approx(other, rel=1e-9, abs=1e-9)

    def test_equal_input_gives_equal_bits_and_parts_of_a_batch_almost(self, kernel: Kernel, draw: Draw) -> None:
        data = draw(kernel, 12)
        whole = posterior(data).predict(data.more(40))
        again = posterior(draw(kernel, 12)).predict(draw(kernel, 12).more(40))
        assert all(map(np.array_equal, whole, again))
        gp = posterior(data)
        parts = [gp.predict(data.more(40)[slice(i, i + 9)]) for i in range(0, 40, 9)]
        for ours, theirs in zip(zip(*parts, strict=True), whole, strict=True):
            assert np.concatenate(ours) == pytest.approx(theirs, rel=1e-10, abs=1e-10)

    def test_believing_keeps_the_mean_and_makes_certain(self, kernel: Kernel, draw: Draw) -> None:
        data = draw(kernel, 12)
        gp, pending = posterior(data), data.more(3)
        before, after = gp.predict(data.more(9)), gp.believing(pending).predict(data.more(9))
        assert gp.believing(pending).mean == pytest.approx(gp.mean, rel=1e-9)
        assert after[0] == pytest.approx(before[0], rel=1e-8, abs=1e-8)
        assert (after[1] <= before[1] + 1e-9).all()
        nugget = gp.covariance.nugget
        assert (gp.believing(pending).predict(pending)[1] <= nugget + JITTER).all()

    def test_left_out_is_what_the_others_predict(self, kernel: Kernel, draw: Draw) -> None:
        """Each result by a process of the others, whose mean is theirs."""
        data = draw(kernel, 9)
        mean, variance = posterior(data).left_out()
        for i in range(9):
            others = np.delete(np.arange(9), i)
            gp = posterior(data, data.rows[others], data.targets[others])
            expected = gp.predict(data.rows[slice(i, i + 1)])
            assert mean[i] == pytest.approx(expected[0][0], rel=1e-9, abs=1e-9)
            assert variance[i] == pytest.approx(expected[1][0] + gp.covariance.nugget + JITTER, rel=1e-9)

    def test_a_single_one_left_out(self, kernel: Kernel, draw: Draw) -> None:
        data = draw(kernel, 1)
        mean, variance = posterior(data).left_out()
        assert mean.tolist() == data.targets.tolist()
        expected = posterior(data).covariance.diagonal(data.rows) + posterior(data).covariance.nugget + JITTER
        assert variance == pytest.approx(expected)


class TestLoss:
    def test_gradient_is_that_of_the_value(self, kernel: Kernel, draw: Draw) -> None:
        """Against central differences: the error is about h^2 = 1e-10, and rounding 1e-15 / h."""
        data = draw(kernel, 15)

        def value(theta: Any) -> float:
            return loss(kernel, data.rows, data.targets, theta)[0]

        for theta in (kernel.prior, data.theta, kernel.prior + 3.0, kernel.prior - 3.0):
            steps = 1e-5 * np.eye(kernel.size)
            expected = [(value(theta + h) - value(theta - h)) / 2e-5 for h in steps]
            assert loss(kernel, data.rows, data.targets, theta)[1] == pytest.approx(expected, rel=1e-5, abs=1e-5)

    def test_the_value_by_hand(self) -> None:
        """Two results of variance s2 that have nothing in common with each other."""
        kernel = Kernel(NONE, 0)
        rows = Inputs(np.empty((2, 0)), np.empty((2, 0)), np.empty((2, 0)))
        theta = kernel.prior + 1.0
        variance = math.exp(theta[0]) + JITTER
        value, _ = loss(kernel, rows, np.array([1.0, 4.0]), theta)
        assert value == pytest.approx(0.5 * 2 * 1.5**2 / variance + math.log(variance) + 0.5)


ALL = Kernel(np.repeat(np.arange(4), 3), 6, 1)


class TestNearlySingular:
    """The nugget's lower bound protects from it, as `gp.BOX` says."""

    @pytest.mark.parametrize("edge", [-BOX, BOX, "least nugget"], ids=str)
    @pytest.mark.parametrize("size", [1.0, 100.0])
    def test_600_equal_results_at_the_edges_of_the_box(self, edge: Any, size: float) -> None:
        theta = ALL.prior + (BOX if edge == "least nugget" else edge)
        theta[-1] = ALL.prior[-1] + (edge if edge == BOX else -BOX)
        codes = np.tile(HALF * np.eye(3)[:1], (600, 4))
        rows = Inputs(codes, np.full((600, 6), size), np.zeros((600, 1)))
        targets = np.random.default_rng(0).standard_normal(600)
        gp = Posterior.of(ALL.at(theta), rows, targets)
        mean, variance = gp.predict(rows[slice(0, 2)])
        assert mean == pytest.approx([targets.mean()] * 2, abs=1e-3)
        assert (variance < gp.covariance.nugget / 100).all()
        value, gradient = loss(ALL, rows, targets, theta)
        assert math.isfinite(value) and np.isfinite(gradient).all()

    @pytest.mark.parametrize("size", [1e-6, 100.0])
    @pytest.mark.parametrize("linear", [True, False])
    def test_hundreds_of_results_and_statistics_that_differ_in_little_or_in_few(
        self, size: float, linear: bool
    ) -> None:
        kernel = Kernel(np.zeros(2, np.intp), 300, linear=linear)
        rng = np.random.default_rng(0)
        stats = rng.choice([0.0, size, -size], (200, 300), p=[0.98, 0.01, 0.01])
        rows = Inputs(HALF * np.eye(2)[rng.integers(2, size=200)], stats, np.empty((200, 0)))
        targets = rng.standard_normal(200)
        theta = fit(kernel, rows, targets, kernel.prior)
        assert (np.abs(theta - kernel.prior) <= BOX).all()
        for edge in (theta, kernel.prior + BOX, kernel.prior - BOX):
            mean, variance = Posterior.of(kernel.at(edge), rows, targets).predict(rows)
            assert np.isfinite(mean).all() and np.isfinite(variance).all()

    def test_equal_rows_with_different_targets_are_noise(self) -> None:
        """The fit sees from them alone how much results vary: two architectures, each evaluated 40 times."""
        kernel = Kernel(np.array([0, 0]), 0)
        rng = np.random.default_rng(0)
        rows = Inputs(np.repeat(HALF * np.eye(2), 40, axis=0), np.empty((80, 0)), np.empty((80, 0)))
        targets = np.repeat([-1.0, 1.0], 40) + 0.5 * rng.standard_normal(80)
        theta = fit(kernel, rows, targets, kernel.prior)
        gp = Posterior.of(kernel.at(theta), rows, targets)
        assert gp.covariance.nugget == pytest.approx(0.25, rel=0.25)
        assert gp.predict(rows[np.array([0, 40])])[0] == pytest.approx([-1.0, 1.0], abs=0.3)

    def test_a_matrix_that_is_no_covariance_is_refused(self) -> None:
        """Statistics so far out that rounding is more than the nugget."""
        kernel = Kernel(NONE, 1)
        rows = Inputs(np.empty((9, 0)), np.full((9, 1), 1e12), np.empty((9, 0)))
        with pytest.raises(ArithmeticError, match="of 9 results is not positive definite"):
            Posterior.of(kernel.at(kernel.prior), rows, np.zeros(9))


class TestFit:
    @pytest.mark.parametrize("count", [1, 2, 3, 30])
    def test_it_ends_lower_within_the_box(self, count: int, kernel: Kernel, draw: Draw) -> None:
        data = draw(kernel, count)
        theta = fit(kernel, data.rows, data.targets, kernel.prior)
        assert (np.abs(theta - kernel.prior) <= BOX).all()
        at_prior = loss(kernel, data.rows, data.targets, kernel.prior)[0]
        assert loss(kernel, data.rows, data.targets, theta)[0] < at_prior

    def test_it_is_where_the_gradient_vanishes(self, kernel: Kernel, draw: Draw) -> None:
        data = draw(kernel, 30)
        theta = kernel.prior
        for _ in range(5):
            theta = fit(kernel, data.rows, data.targets, theta)
        _, gradient = loss(kernel, data.rows, data.targets, theta)
        inside = np.abs(theta - kernel.prior) < BOX
        assert gradient[inside] == pytest.approx(np.zeros(inside.sum()), abs=0.01)

    def test_from_outside_the_box(self, kernel: Kernel, draw: Draw) -> None:
        data = draw(kernel, 10)
        theta = fit(kernel, data.rows, data.targets, kernel.prior + 100.0)
        assert (np.abs(theta - kernel.prior) <= BOX).all()

    def test_equal_input_gives_equal_bits(self, kernel: Kernel, draw: Draw) -> None:
        one, other = draw(kernel, 25), draw(kernel, 25)
        found = fit(kernel, one.rows, one.targets, kernel.prior)
        assert np.array_equal(found, fit(kernel, other.rows, other.targets, kernel.prior))

    def test_equal_targets(self, kernel: Kernel, draw: Draw) -> None:
        """Nothing varies: the scales become small, and all is predicted to be the same."""
        data = draw(kernel, 20)
        theta = fit(kernel, data.rows, np.full(20, 0.3), kernel.prior)
        mean, _ = Posterior.of(kernel.at(theta), data.rows, np.full(20, 0.3)).predict(data.more(5))
        assert mean == pytest.approx([0.3] * 5)
        assert theta[-1] < kernel.prior[-1]

    def test_of_what_the_model_draws_it_predicts_almost_as_well_as_the_truth(self, draw: Draw) -> None:
        """60 results to come, each by itself, after 200, in 6 draws of hyper-parameters and of results from the prior.

        The true hyper-parameters give the largest expected log likelihood. Fitted ones lose less than 0.1 of it a
        result; the prior's means lose more than 0.15, and a normal distribution without the rows more than 1.
        """
        lost = {"fitted": 0.0, "prior": 0.0, "rowless": 0.0}
        for seed in range(6):
            rows, rng = draw(ALL, 260, seed).rows, np.random.default_rng([seed, 1])
            truth = ALL.at(ALL.prior + rng.standard_normal(ALL.size))
            matrix = truth(rows, rows) + truth.nugget * np.eye(260)
            targets = np.linalg.cholesky(matrix) @ rng.standard_normal(260)
            known, ahead = rows[slice(0, 200)], rows[slice(200, 260)]

            def score(theta: Any, known: Any = known, ahead: Any = ahead, targets: Any = targets) -> float:
                gp = Posterior.of(ALL.at(theta), known, targets[:200])
                mean, variance = gp.predict(ahead)
                return log_likelihood(targets[200:], mean, variance + gp.covariance.nugget)

            theta = np.concatenate([truth.values[name] for name in ("a1", "a2", "a3", "w", "u", "v", "s2")])
            best = score(np.log(theta))
            lost["fitted"] += (best - score(fit(ALL, known, targets[:200], ALL.prior))) / 6
            lost["prior"] += (best - score(ALL.prior)) / 6
            lost["rowless"] += (best - log_likelihood(targets[200:], targets[:200].mean(), targets[:200].var())) / 6
        assert lost["fitted"] < 0.1
        assert lost["prior"] > 0.15
        assert lost["rowless"] > 1.0


def log_likelihood(y: Any, mean: Any, variance: Any) -> float:
    """Of normal results, the mean of each."""
    return float(np.mean(-0.5 * (y - mean) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)))
