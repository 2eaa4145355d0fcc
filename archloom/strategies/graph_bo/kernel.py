"""The covariance of two architectures, and how it changes with its hyper-parameters.

For architectures with codes c (one-hot genes in groups g), standardised statistics z (D of them) and a context t (the
fidelity, and the run that a result is from):

    k(x, x') = [ a1 exp(-sum_g w_g |c_g - c'_g|^2) + a2 exp(-1/2 sum_j u_j (z_j - z'_j)^2) + a3 z.z' / D ]
               * exp(-sum_i v_i (t_i - t'_i)^2)

and results have the variance s2 besides (the nugget). All hyper-parameters are positive; they are kept as logarithms,
each with a normal prior of standard deviation 1 around the mean that `Kernel.prior` gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

NUGGET = 0.05
"""The mean of the prior of s2; results have a variance of about 1."""
CONTEXT = 0.5
"""That of each v: between the ends of a context, a correlation of 0.6."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows of architectures: `codes` (n, C), `stats` (n, S), standardised, and `context` (n, T)."""

    codes: Float64
    stats: Float64
    context: Float64

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Inputs:
        return Inputs(self.codes[rows], self.stats[rows], self.context[rows])

    @classmethod
    def joined(cls, parts: Sequence[Inputs]) -> Inputs:
        """The rows of several, one after another."""
        return cls(
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.stats for part in parts]),
            np.concatenate([part.context for part in parts]),
        )


@dataclass(frozen=True, eq=False)
class Kernel:
    """Which hyper-parameters there are: `groups` (C,) is the group of each column of codes, `stats` how many statistics
    and `contexts` how many context columns there are. Without codes, statistics or `linear` their terms are absent."""

    groups: NDArray[np.intp]
    stats: int
    contexts: int = 0
    linear: bool = True

    @cached_property
    def _places(self) -> dict[str, slice]:
        """Where each kind of hyper-parameter is in a vector of all."""
        counts = {
            "a1": int(self.count > 0),
            "a2": int(self.stats > 0),
            "a3": int(self.stats > 0 and self.linear),
            "w": self.count,
            "u": self.stats,
            "v": self.contexts,
            "s2": 1,
        }
        ends = np.cumsum(list(counts.values())).tolist()
        return {name: slice(end - count, end) for (name, count), end in zip(counts.items(), ends, strict=True)}

    @cached_property
    def count(self) -> int:
        """How many groups of codes there are."""
        return int(self.groups.max(initial=-1)) + 1

    @cached_property
    def size(self) -> int:
        """How many hyper-parameters there are."""
        return int(self._places["s2"].stop)

    @cached_property
    def prior(self) -> Float64:
        """(size,) the means of the priors of their logarithms."""
        means = np.zeros(self.size)
        means[self._places["w"]] = -math.log(max(self.count, 1))
        means[self._places["u"]] = -math.log(2.0 * max(self.stats, 1))
        means[self._places["v"]] = math.log(CONTEXT)
        means[self._places["s2"]] = math.log(NUGGET)
        return means

    def at(self, theta: Float64) -> Covariance:
        """The kernel with these hyper-parameters: `theta` (size,) has their logarithms."""
        values = {name: np.exp(theta[place]) for name, place in self._places.items()}
        return Covariance(self, values)

    def gradient(self, parts: dict[str, Float64 | float]) -> Float64:
        """(size,) a vector of all from the parts of each kind."""
        found = np.empty(self.size)
        for name, place in self._places.items():
            found[place] = parts.get(name, 0.0)
        return found


@dataclass(frozen=True, eq=False)
class Covariance:
    """A kernel with values of its hyper-parameters."""

    kernel: Kernel
    values: dict[str, Float64]

    @property
    def nugget(self) -> float:
        """s2"""
        return float(self.values["s2"][0])

    @cached_property
    def _columns(self) -> Float64:
        """(C,) the weight of each column of codes."""
        return self.values["w"][self.kernel.groups]

    def __call__(self, one: Inputs, other: Inputs) -> Float64:
        """(n, m) the covariances of the rows of two, without the nugget."""
        total = np.zeros((len(one), len(other)))
        for term in self.terms(one, other).values():
            total += term
        return total

    def diagonal(self, rows: Inputs) -> Float64:
        """(n,) the variance of each row, without the nugget."""
        v = self.values
        total = np.full(len(rows), v["a1"].sum() + v["a2"].sum())
        if len(v["a3"]):
            total += v["a3"][0] / self.kernel.stats * np.einsum("ij,ij->i", rows.stats, rows.stats)
        return total

    def terms(self, one: Inputs, other: Inputs) -> dict[str, Float64]:
        """The summands (n, m), by their factors a1 to a3."""
        v, found = self.values, {}
        shared = _distances(one.context, other.context, v["v"]) if self.kernel.contexts else None
        if len(v["a1"]):
            found["a1"] = _bell(v["a1"][0], _distances(one.codes, other.codes, self._columns), shared)
        if len(v["a2"]):
            found["a2"] = _bell(v["a2"][0], _distances(one.stats, other.stats, 0.5 * v["u"]), shared)
        if len(v["a3"]):
            flat = one.stats @ other.stats.T
            flat *= v["a3"][0] / self.kernel.stats
            if shared is not None:
                flat *= np.exp(-shared)
            found["a3"] = flat
        return found

    def backward(self, rows: Inputs, terms: dict[str, Float64], outer: Float64) -> Float64:
        """(size,) the gradient, with respect to the logarithms, of a number whose gradient with respect to the matrix
        of covariances of `rows`, nugget included, is `outer` (n, n), which is symmetric; `terms` are those of `rows`
        with themselves."""
        v = self.values
        weighted = {name: outer * term for name, term in terms.items()}
        parts: dict[str, Float64 | float] = {name: float(matrix.sum()) for name, matrix in weighted.items()}
        if "a1" in weighted:
            slopes = -self._columns * _spread(rows.codes, weighted["a1"])
            parts["w"] = np.bincount(self.kernel.groups, slopes, self.kernel.count).astype(np.float64)
        if "a2" in weighted:
            parts["u"] = -0.5 * v["u"] * _spread(rows.stats, weighted["a2"])
        if self.kernel.contexts:
            parts["v"] = -v["v"] * _spread(rows.context, sum(weighted.values(), np.zeros_like(outer)))
        parts["s2"] = self.nugget * float(np.trace(outer))
        return self.kernel.gradient(parts)


def _bell(height: float, distances: Float64, shared: Float64 | None) -> Float64:
    """height * exp(-distances - shared), in the place of the distances."""
    if shared is not None:
        distances += shared
    np.negative(distances, out=distances)
    np.exp(distances, out=distances)
    distances *= height
    return distances


def _distances(one: Float64, other: Float64, weights: Float64) -> Float64:
    """(n, m) weighted squared distances of the rows of (n, k) and (m, k)."""
    root = np.sqrt(weights)
    a, b = one * root, other * root
    found = a @ b.T
    found *= -2.0
    found += np.einsum("ij,ij->i", a, a)[:, None]
    found += np.einsum("ij,ij->i", b, b)
    return np.maximum(found, 0.0, out=found)  # rounding may leave a little less


def _spread(columns: Float64, weights: Float64) -> Float64:
    """(k,) of each column of (n, k), sum_ij weights_ij (x_i - x_j)^2, for symmetric weights."""
    sums = weights.sum(axis=1)
    spread: Float64 = 2.0 * (sums @ columns**2 - np.einsum("ij,ij->j", columns, weights @ columns))
    return spread
