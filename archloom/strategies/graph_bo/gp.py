"""A Gaussian process with the kernel of `kernel`: its hyper-parameters by maximum a posteriori, and its posterior."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from archloom.strategies.graph_bo.kernel import Covariance, Float64, Inputs, Kernel

JITTER = 1e-6
"""Added to the variances."""
BOX = 4.0
"""How far a hyper-parameter's logarithm may be from the mean of its prior.

So the nugget is at least 0.05 e^-4, and no row, nor any number of equal ones, makes a matrix singular: n results whose
variances are at most V have a Cholesky factor if nugget / V > n (n + 1) 1.1e-16 (Higham 2002, "Accuracy and Stability
of Numerical Algorithms", theorem 10.7). For 600 results that is V < 2e7; statistics of at most 100 standard deviations
give V < 6e5.
"""
STEPS = 30
"""Most iterations of a fit."""


def fit(kernel: Kernel, rows: Inputs, targets: Float64, start: Float64) -> Float64:
    """(size,) the logarithms of the hyper-parameters that maximise the posterior given `targets` (n,), from `start`.

    L-BFGS-B with the analytic gradient, within `BOX` of the prior's means.
    """
    low, high = kernel.prior - BOX, kernel.prior + BOX
    found = minimize(
        lambda theta: loss(kernel, rows, targets, theta),
        np.clip(start, low, high),
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([low, high], axis=1),
        options={"maxiter": STEPS},
    )
    return np.asarray(found.x, dtype=np.float64)


def loss(kernel: Kernel, rows: Inputs, targets: Float64, theta: Float64) -> tuple[float, Float64]:
    """Minus the logarithm of the posterior density of `theta`, up to a constant, and its gradient (size,).

    The constant mean of the process is that of generalised least squares; as the likelihood is largest there, the
    gradient is the one at a fixed mean.
    """
    gp = Posterior.of(kernel.at(theta), rows, targets)
    off = theta - kernel.prior
    value = 0.5 * float(gp.residuals @ gp.weights) + gp.half_log_determinant + 0.5 * float(off @ off)
    outer = gp.inverse - np.outer(gp.weights, gp.weights)
    outer *= 0.5
    return value, gp.covariance.backward(rows, gp.terms, outer) + off


@dataclass(frozen=True, eq=False)
class Posterior:
    """What is known of all architectures from `targets` (n,) of `rows`."""

    covariance: Covariance
    rows: Inputs
    targets: Float64
    terms: dict[str, Float64]
    factor: Float64
    """(n, n) the lower Cholesky factor of the matrix of covariances, nugget and jitter included."""

    @classmethod
    def of(cls, covariance: Covariance, rows: Inputs, targets: Float64) -> Posterior:
        terms = covariance.terms(rows, rows)
        matrix = np.zeros((len(rows), len(rows)))
        for term in terms.values():
            matrix += term
        matrix.flat[:: len(rows) + 1] += covariance.nugget + JITTER
        factor, failed = lapack.dpotrf(matrix, lower=1, clean=1)
        if failed:  # see `BOX`
            raise ArithmeticError(f"a covariance matrix of {len(rows)} results is not positive definite")
        return cls(covariance, rows, targets, terms, factor)

    def _solved(self, right: Float64) -> Float64:
        """K^-1 right"""
        found: Float64 = lapack.dpotrs(self.factor, right, lower=1)[0]
        return found

    @cached_property
    def mean(self) -> float:
        """The constant mean of the process, by generalised least squares."""
        ones = self._solved(np.ones(len(self.targets)))
        return float(ones @ self.targets / ones.sum())

    @cached_property
    def residuals(self) -> Float64:
        return self.targets - self.mean

    @cached_property
    def weights(self) -> Float64:
        """(n,) K^-1 (targets - mean)"""
        return self._solved(self.residuals)

    @cached_property
    def half_log_determinant(self) -> float:
        return float(np.log(np.diagonal(self.factor)).sum())

    @cached_property
    def inverse(self) -> Float64:
        """(n, n) K^-1"""
        lower = lapack.dpotri(self.factor, lower=1)[0]
        whole: Float64 = lower + lower.T
        whole.flat[:: len(whole) + 1] *= 0.5
        return whole

    def predict(self, rows: Inputs) -> tuple[Float64, Float64]:
        """Mean (m,) and variance (m,), without the nugget, at other architectures."""
        between = self.covariance(self.rows, rows)
        mean = self.weights @ between
        mean += self.mean
        solved = lapack.dtrtrs(self.factor, between, lower=1)[0]
        variance = self.covariance.diagonal(rows) - np.einsum("ij,ij->j", solved, solved)
        return mean, np.maximum(variance, 0.0, out=variance)

    def believing(self, rows: Inputs) -> Posterior:
        """The same, as if results of `rows` were there that are what is expected (the kriging believer of Ginsbourger
        et al. 2010): the mean stays, and what is near becomes certain."""
        if not len(rows):
            return self
        believed = self.predict(rows)[0]
        joined = Inputs.joined([self.rows, rows])
        return Posterior.of(self.covariance, joined, np.concatenate([self.targets, believed]))

    def left_out(self) -> tuple[Float64, Float64]:
        """Mean (n,) and variance (n,) of each result, nugget included, as predicted by the others; of a single one, as
        it is.

        Rasmussen and Williams 2006, section 5.4.2; that the constant mean is that of the others, too, is in the second
        term of `precision` (Dubrule 1983).
        """
        ones = self._solved(np.ones(len(self.targets)))
        inverse = np.diagonal(self.inverse)
        if len(inverse) == 1:
            return self.targets, 1.0 / inverse
        precision = inverse - ones**2 / ones.sum()
        return self.targets - self.weights / precision, 1.0 / inverse
