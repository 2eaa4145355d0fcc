"""The model and the acquisition function against BoTorch's and GPyTorch's: float64, exact, gradients by autograd.

They are imported by the tests, not with the file, and these run in one process: importing them takes seconds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from archloom.strategies.graph_bo.acquisition import NO_RAYS, log_expected_improvement, log_feasible
from archloom.strategies.graph_bo.gp import JITTER, Posterior, loss
from archloom.strategies.graph_bo.kernel import Inputs, Kernel
from archloom.strategies.graph_bo.models import Bounded, Promise

pytestmark = pytest.mark.xdist_group("botorch")

Draw = Callable[..., Any]
CLOSE = 1e-8
"""Asked for is 1e-6; they agree to about 1e-12."""

with_every_term = pytest.mark.parametrize(
    "kernel", ["all", "no context", "codes alone", "statistics alone", "not linear"], indirect=True
)


@pytest.fixture(scope="module")
def lib() -> SimpleNamespace:
    reason = "BoTorch is the reference of the Gaussian process"
    pytest.importorskip("torch", reason=reason)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", DeprecationWarning)
        botorch = pytest.importorskip("botorch", reason=reason)
        import gpytorch
        import torch
        from botorch.acquisition import analytic
        from botorch.models.gpytorch import GPyTorchModel
        from botorch.utils.testing import MockModel, MockPosterior
    return SimpleNamespace(
        botorch=botorch,
        gpytorch=gpytorch,
        torch=torch,
        analytic=analytic,
        GPyTorchModel=GPyTorchModel,
        MockModel=MockModel,
        MockPosterior=MockPosterior,
    )


class Reference:
    """GPyTorch's parts put together for the kernel, rows, targets and hyper-parameters of `data`.

    Every parameter of theirs is the logarithm of a scale, so that gradients are with respect to logarithms: a squared
    length scale is 1/(2w) or 1/u.
    """

    def __init__(self, lib: SimpleNamespace, data: Any) -> None:
        self.lib, self.data = lib, data
        gpytorch, torch, kernel = lib.gpytorch, lib.torch, data.kernel
        values = kernel.at(data.theta).values
        codes, stats, contexts = len(kernel.groups), kernel.stats, kernel.contexts
        self.lengths: dict[str, list[Any]] = {"w": [], "u": [], "v": []}
        self.scales: dict[str, Any] = {}

        def number(value: float) -> Any:
            return torch.tensor(value, dtype=torch.float64)

        def bell(name: str, columns: list[int], weight: float, factor: float) -> Any:
            part = gpytorch.kernels.RBFKernel(active_dims=columns, lengthscale_constraint=self.logarithm())
            part.double().lengthscale = number((factor * weight) ** -0.5)
            self.lengths[name].append((part, factor))
            return part

        def times(name: str, part: Any) -> Any:
            scaled = gpytorch.kernels.ScaleKernel(part, outputscale_constraint=self.logarithm())
            scaled.double().outputscale = number(values[name][0])
            self.scales[name] = (scaled.raw_outputscale, lambda: scaled.outputscale.log())
            return scaled

        def product(parts: list[Any]) -> Any:
            return math.prod(parts[1:], start=parts[0])

        terms = []
        if codes:
            groups = [np.flatnonzero(kernel.groups == g).tolist() for g in range(kernel.count)]
            bells = [bell("w", own, w, 2.0) for own, w in zip(groups, values["w"].tolist(), strict=True)]
            terms.append(times("a1", product(bells)))
        if stats:
            bells = [bell("u", [codes + j], u, 1.0) for j, u in enumerate(values["u"].tolist())]
            terms.append(times("a2", product(bells)))
        if stats and kernel.linear:
            flat = gpytorch.kernels.LinearKernel(active_dims=list(range(codes, codes + stats)))
            flat.double().variance = number(1.0 / stats)
            terms.append(times("a3", flat))
        whole = sum(terms[1:], start=terms[0])
        if contexts:
            whole *= product([bell("v", [codes + stats + i], v, 2.0) for i, v in enumerate(values["v"].tolist())])

        likelihood = gpytorch.likelihoods.GaussianLikelihood(noise_constraint=self.logarithm(JITTER))
        noise = likelihood.double().noise_covar
        noise.noise = number(values["s2"][0] + JITTER)
        self.scales["s2"] = (noise.raw_noise, lambda: (noise.noise - JITTER).log().squeeze())

        x, y = self.tensor(data.rows), torch.tensor(data.targets)

        class Gls(gpytorch.means.Mean):  # type: ignore[misc]
            """By generalised least squares; autograd goes through it."""

            def forward(self, other: Any) -> Any:
                full = whole(x).to_dense() + noise.noise * torch.eye(len(x), dtype=torch.float64)
                ones = torch.linalg.solve(full, torch.ones(len(x), dtype=torch.float64))
                return (ones @ y / ones.sum()).expand(other.shape[:-1])

        class Model(gpytorch.models.ExactGP, lib.GPyTorchModel):  # type: ignore[misc]
            num_outputs = 1

            def __init__(self) -> None:
                super().__init__(x, y, likelihood)
                self.mean_module, self.covar_module = Gls(), whole

            def forward(self, rows: Any) -> Any:
                return gpytorch.distributions.MultivariateNormal(self.mean_module(rows), self.covar_module(rows))

        with torch.random.fork_rng():
            self.model, self.likelihood = Model().double(), likelihood.double()
        self.y = y

    def logarithm(self, least: float = 0.0) -> Any:
        torch = self.lib.torch
        return self.lib.gpytorch.constraints.GreaterThan(least, transform=torch.exp, inv_transform=torch.log)

    def tensor(self, rows: Inputs) -> Any:
        return self.lib.torch.tensor(np.concatenate([rows.codes, rows.stats, rows.context], axis=1))

    def logarithms(self) -> Any:
        """(size,) what theta is, of their parameters."""
        found = [self.scales[name][1]() for name in ("a1", "a2", "a3") if name in self.scales]
        for name in ("w", "u", "v"):
            found += [-2.0 * part.lengthscale.log().squeeze() - math.log(factor) for part, factor in self.lengths[name]]
        return self.lib.torch.stack([*found, self.scales["s2"][1]()])

    def gradient(self, value: Any) -> Any:
        """(size,) of a number with respect to theta, by that with respect to their parameters."""
        raw = [self.scales[name][0] for name in ("a1", "a2", "a3") if name in self.scales]
        lengths = [part.raw_lengthscale for name in ("w", "u", "v") for part, _ in self.lengths[name]]
        found = self.lib.torch.autograd.grad(value, [*raw, *lengths, self.scales["s2"][0]])
        scale = [1.0] * len(raw) + [-0.5] * len(lengths) + [1.0]
        return np.array([factor * part.item() for factor, part in zip(scale, found, strict=True)])

    def log_posterior(self) -> Any:
        """GPyTorch's exact marginal log likelihood, and the normal priors of theta."""
        torch, gpytorch = self.lib.torch, self.lib.gpytorch
        self.model.train()
        prior = gpytorch.priors.NormalPrior(torch.tensor(self.data.kernel.prior), torch.tensor(1.0).double())
        self.model.register_prior("theta", prior, lambda _: self.logarithms())
        mll = gpytorch.mlls.ExactMarginalLogLikelihood(self.likelihood, self.model)
        return mll(self.model(*self.model.train_inputs), self.y) * len(self.y)

    def predict(self, rows: Inputs, model: Any = None) -> tuple[Any, Any]:
        with self.lib.torch.no_grad():
            posterior = (model or self.model).posterior(self.tensor(rows))
        return posterior.mean.squeeze(-1).numpy(), posterior.variance.squeeze(-1).numpy()


@pytest.fixture
def reference(lib: SimpleNamespace) -> Callable[[Any], Reference]:
    return lambda data: Reference(lib, data)


def posterior(data: Any, seed: int | None = None) -> Posterior:
    targets = data.targets if seed is None else np.random.default_rng(seed).standard_normal(len(data.targets))
    return Posterior.of(data.kernel.at(data.theta), data.rows, targets)


@with_every_term
@pytest.mark.parametrize("count", [1, 2, 25])
def test_posterior(count: int, kernel: Any, draw: Draw, reference: Any) -> None:
    data = draw(kernel, count)
    mean, variance = posterior(data).predict(data.more(6))
    expected = reference(data).predict(data.more(6))
    assert mean == pytest.approx(expected[0], rel=CLOSE, abs=CLOSE)
    assert variance == pytest.approx(expected[1], rel=CLOSE, abs=CLOSE)


@with_every_term
@pytest.mark.parametrize("count", [2, 25])
def test_log_posterior_of_hyperparameters_and_its_gradient(count: int, kernel: Any, draw: Draw, reference: Any) -> None:
    """Theirs has the constants too: log 2 pi / 2 for each result and each hyper-parameter."""
    data = draw(kernel, count)
    theirs = reference(data)
    assert theirs.logarithms().detach().numpy() == pytest.approx(data.theta, rel=1e-12)
    value, gradient = loss(kernel, data.rows, data.targets, data.theta)
    log_density = theirs.log_posterior()
    constant = 0.5 * math.log(2 * math.pi) * (count + kernel.size)
    assert -value - constant == pytest.approx(log_density.item(), rel=CLOSE)
    assert -gradient == pytest.approx(theirs.gradient(log_density), rel=CLOSE, abs=CLOSE)


@with_every_term
def test_believing_is_conditioning_on_what_is_expected(kernel: Any, draw: Draw, lib: Any, reference: Any) -> None:
    data = draw(kernel, 20)
    theirs, pending, other = reference(data), data.more(3), data.more(6, seed=2)
    expected, _ = theirs.predict(pending)
    conditioned = theirs.model.condition_on_observations(
        theirs.tensor(pending), lib.torch.tensor(expected).unsqueeze(-1)
    )
    mean, variance = posterior(data).believing(pending).predict(other)
    theirs_mean, theirs_variance = theirs.predict(other, conditioned)
    assert mean == pytest.approx(theirs_mean, rel=CLOSE, abs=CLOSE)
    assert variance == pytest.approx(theirs_variance, rel=CLOSE, abs=CLOSE)


def mock(lib: Any, means: Any, deviations: Any) -> Any:
    """A model that predicts these (n, m)."""
    mean, variance = (lib.torch.tensor(array)[:, None, :] for array in (means, deviations**2))
    return lib.MockModel(lib.MockPosterior(mean=mean, variance=variance))


def test_log_expected_improvement(lib: Any) -> None:
    """From 1000 standard deviations below the best to 1000 above it, closely around where the formula changes."""
    far = np.geomspace(1e-3, 1e3, 300)
    u = np.concatenate([-far[::-1], [0.0], far, -1.0 + np.linspace(-1e-6, 1e-6, 9), np.linspace(-12, 3, 100)])
    for deviation, best in ((1.0, 0.0), (0.03, 2.0), (7.0, -1.5)):
        mean, deviations = best + u * deviation, np.full(len(u), deviation)
        model = mock(lib, mean[:, None], deviations[:, None])
        expected = lib.analytic.LogExpectedImprovement(model, best_f=best)(
            lib.torch.zeros(len(u), 1, 1, dtype=lib.torch.float64)
        ).numpy()
        assert log_expected_improvement(mean, deviations, best) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_probability_of_a_bound(lib: Any) -> None:
    u = np.concatenate([np.linspace(-40, 40, 161), [-1e3, 1e3]])
    model = mock(lib, 0.5 + 0.2 * u[:, None], np.full((len(u), 1), 0.2))
    for at_most in (False, True):
        theirs = lib.analytic.LogProbabilityOfImprovement(model, best_f=0.5, maximize=not at_most)
        expected = theirs(lib.torch.zeros(len(u), 1, 1, dtype=lib.torch.float64)).numpy()
        found = log_feasible(0.5 + 0.2 * u, np.full(len(u), 0.2), 0.5, at_most)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_promise_with_constraints(draw: Draw, lib: Any) -> None:
    """Expected improvement of results over the best, times the probabilities that two bounds are kept."""
    data = draw(Kernel(np.array([0, 0, 1, 1]), 3, 1), 15)
    models, rows = [posterior(data, seed) for seed in (0, 1, 2)], data.more(40)
    best = models[0].targets[:9]
    constraints = [Bounded(models[1], 0.375, at_most=True), Bounded(models[2], -0.25, at_most=False)]
    found = Promise([models[0]], constraints, best[:, None], NO_RAYS)(rows)
    predicted = [model.predict(rows) for model in models]
    means = np.stack([mean for mean, _ in predicted], axis=1)
    deviations = np.sqrt(np.stack([v + m.covariance.nugget for m, (_, v) in zip(models, predicted, strict=True)], 1))
    theirs = lib.analytic.LogConstrainedExpectedImprovement(
        mock(lib, means, deviations), lib.torch.tensor(best).max(), 0, {1: (None, 0.375), 2: (-0.25, None)}
    )
    assert found == pytest.approx(
        theirs(lib.torch.zeros(len(rows), 1, 1, dtype=lib.torch.float64)).numpy(), rel=CLOSE, abs=CLOSE
    )
