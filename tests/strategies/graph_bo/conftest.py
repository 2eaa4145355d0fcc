"""What tests of the models share: processes that are small and have every term."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from archloom.strategies.graph_bo.kernel import Float64, Inputs, Kernel


@dataclass(frozen=True)
class Data:
    """Rows of a kernel with targets, and hyper-parameters."""

    kernel: Kernel
    rows: Inputs
    targets: Float64
    theta: Float64

    def more(self, count: int, seed: int = 1) -> Inputs:
        """Other rows of the same kind."""
        return drawn(self.kernel, count, np.random.default_rng(seed))


def drawn(kernel: Kernel, count: int, rng: np.random.Generator) -> Inputs:
    """Rows of random genes, one-hot as in a space, of normal statistics, and of contexts in the unit interval."""
    codes = np.zeros((count, len(kernel.groups)))
    for group in range(kernel.count):
        columns = np.flatnonzero(kernel.groups == group)
        codes[np.arange(count), rng.choice(columns, count)] = np.sqrt(0.5)
    return Inputs(codes, rng.standard_normal((count, kernel.stats)), rng.random((count, kernel.contexts)))


def data(kernel: Kernel, count: int, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    theta = kernel.prior + 0.5 * rng.standard_normal(kernel.size)
    return Data(kernel, drawn(kernel, count, rng), rng.standard_normal(count), theta)


GROUPS = np.repeat(np.arange(4), (3, 2, 4, 1))
KERNELS = {
    "all": Kernel(GROUPS, 6, 2),
    "no context": Kernel(GROUPS, 6),
    "codes alone": Kernel(GROUPS, 0),
    "statistics alone": Kernel(np.empty(0, np.intp), 6, 1),
    "not linear": Kernel(GROUPS, 6, 1, linear=False),
    "only a context": Kernel(np.empty(0, np.intp), 0, 1),
}
"""Every way in which terms may be absent."""


@pytest.fixture(params=list(KERNELS))
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return KERNELS[request.param]


@pytest.fixture
def draw() -> Callable[..., Data]:
    """Rows, targets and hyper-parameters for a kernel: draw(kernel, count, seed=0)."""
    return data
