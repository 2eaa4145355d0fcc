"""The kernel, against its formula row by row."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archloom.strategies.graph_bo.kernel import Inputs, Kernel

Draw = Callable[..., Any]
NONE = np.empty(0, np.intp)


def test_covariance_by_hand() -> None:
    """Two genes of two options, of which the second differs; two statistics; one context."""
    kernel = Kernel(np.array([0, 0, 1, 1]), stats=2, contexts=1)
    a1, a2, a3, w1, w2, u1, u2, v, s2 = 2.0, 3.0, 5.0, 0.7, 0.3, 0.4, 0.2, 0.6, 0.1
    half = math.sqrt(0.5)
    one = Inputs(np.array([[half, 0, half, 0]]), np.array([[1.0, 2.0]]), np.array([[0.0]]))
    other = Inputs(np.array([[half, 0, 0, half]]), np.array([[-1.0, 1.0]]), np.array([[0.5]]))
    covariance = kernel.at(np.log([a1, a2, a3, w1, w2, u1, u2, v, s2]))
    expected = a1 * math.exp(-w2) + a2 * math.exp(-0.5 * (4 * u1 + u2)) + a3 * (-1.0 + 2.0) / 2
    assert covariance(one, other)[0, 0] == pytest.approx(expected * math.exp(-0.25 * v), rel=1e-14)
    assert covariance.diagonal(one)[0] == pytest.approx(a1 + a2 + a3 * 5.0 / 2, rel=1e-14)
    assert covariance.nugget == pytest.approx(s2, rel=1e-14)


def test_covariance_is_the_formula(kernel: Kernel, draw: Draw) -> None:
    data = draw(kernel, 7)
    covariance, other = kernel.at(data.theta), data.more(5)
    v = covariance.values
    expected = np.zeros((7, 5))
    for i in range(7):
        for j in range(5):
            c, z, t = (getattr(data.rows, name)[i] - getattr(other, name)[j] for name in ("codes", "stats", "context"))
            if kernel.count:
                per_group = [float((c[kernel.groups == g] ** 2).sum()) for g in range(kernel.count)]
                expected[i, j] += v["a1"][0] * math.exp(-float(v["w"] @ per_group))
            if kernel.stats:
                expected[i, j] += v["a2"][0] * math.exp(-0.5 * float(v["u"] @ z**2))
            if kernel.stats and kernel.linear:
                expected[i, j] += v["a3"][0] * float(data.rows.stats[i] @ other.stats[j]) / kernel.stats
            expected[i, j] *= math.exp(-float(v["v"] @ t**2))
    assert covariance(data.rows, other) == pytest.approx(expected, rel=1e-12, abs=1e-14)
    assert covariance.diagonal(other) == pytest.approx(np.diagonal(covariance(other, other)), rel=1e-12)


def test_hyperparameters_and_their_priors() -> None:
    """In the order a1, a2, a3, w, u, v, s2, each where its term is."""
    w, u = -math.log(2), -math.log(6)
    rest = [math.log(0.5), math.log(0.05)]
    genes = np.array([0, 0, 1])
    assert Kernel(genes, 3, 1).prior.tolist() == [0, 0, 0, w, w, u, u, u, *rest]
    assert Kernel(genes, 3, 1, linear=False).prior.tolist() == [0, 0, w, w, u, u, u, *rest]
    assert Kernel(genes, 0, 1).prior.tolist() == [0, w, w, *rest]
    assert Kernel(NONE, 3, 1).prior.tolist() == [0, 0, u, u, u, *rest]
    assert Kernel(NONE, 0).prior.tolist() == rest[1:]


def test_an_architecture_at_the_priors_means_varies_by_about_three() -> None:
    """Each term is of variance 1; two architectures with nothing in common correlate by 1/e in their genes."""
    kernel = Kernel(np.array([0, 0, 1, 1]), stats=2)
    half = math.sqrt(0.5)
    codes = np.array([[half, 0, half, 0], [0, half, 0, half]])
    rows = Inputs(codes, np.array([[1.0, -1.0], [1.0, -1.0]]), np.empty((2, 0)))
    assert kernel.at(kernel.prior).diagonal(rows) == pytest.approx([3.0, 3.0])
    assert kernel.at(kernel.prior).terms(rows, rows)["a1"][0, 1] == pytest.approx(math.exp(-1))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_rows_of_any_number(count: int, kernel: Kernel, draw: Draw) -> None:
    data = draw(kernel, 3)
    covariance = kernel.at(data.theta)
    assert covariance(data.rows, data.more(count)).shape == (3, count)
    assert covariance.diagonal(data.more(count)).shape == (count,)


def test_parts_of_a_batch_are_the_batch(kernel: Kernel, draw: Draw) -> None:
    """Up to rounding: how a product of matrices is summed may follow from its shape."""
    data = draw(kernel, 6)
    covariance, other = kernel.at(data.theta), data.more(40)
    whole = covariance(data.rows, other)
    assert np.array_equal(covariance(data.rows, other), whole)
    parts = [covariance(data.rows, other[slice(i, i + 7)]) for i in range(0, 40, 7)]
    assert np.concatenate(parts, axis=1) == pytest.approx(whole, rel=1e-12, abs=1e-13)
    joined = Inputs.joined([other[slice(0, 15)], other[np.arange(15, 40)]])
    assert np.array_equal(covariance(data.rows, joined), whole)


def test_equal_rows_far_from_the_middle_covary_as_one_does_with_itself() -> None:
    """Their squared distance is a small difference of large numbers."""
    kernel = Kernel(NONE, 300, linear=False)
    rows = Inputs(np.empty((2, 0)), np.full((2, 300), 97.3), np.empty((2, 0)))
    for theta in (kernel.prior, kernel.prior + 4.0):
        covariance = kernel.at(theta)
        assert covariance(rows, rows) == pytest.approx(np.broadcast_to(covariance.diagonal(rows), (2, 2)), rel=1e-7)


def test_none_covaries_more_with_another_than_with_itself() -> None:
    """Not even by a rounding error."""
    kernel = Kernel(NONE, 30, linear=False)
    stats = 100.0 * np.random.default_rng(0).standard_normal((40, 30))
    rows = Inputs(np.empty((80, 0)), np.concatenate([stats, stats * (1 + 1e-15)]), np.empty((80, 0)))
    covariance = kernel.at(kernel.prior + 4.0)
    assert (covariance(rows, rows) <= covariance.values["a2"][0]).all()


def test_gradient_of_any_sum_of_covariances(kernel: Kernel, draw: Draw) -> None:
    """Against central differences: the error is about h^2 = 1e-10, and rounding 1e-16 / h."""
    data = draw(kernel, 6)
    outer = np.random.default_rng(2).standard_normal((6, 6))
    outer += outer.T

    def weighed(theta: Any) -> float:
        covariance = kernel.at(theta)
        matrix = covariance(data.rows, data.rows) + covariance.nugget * np.eye(6)
        return float((outer * matrix).sum())

    terms = kernel.at(data.theta).terms(data.rows, data.rows)
    found = kernel.at(data.theta).backward(data.rows, terms, outer)
    step = 1e-5 * np.eye(kernel.size)
    expected = [(weighed(data.theta + h) - weighed(data.theta - h)) / 2e-5 for h in step]
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-7)
