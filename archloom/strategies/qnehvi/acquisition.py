"""BoTorch's Gaussian processes and qLogNEHVI, or for a single objective qLogNEI, in a closed room.

Random numbers come from torch's generator of this process, which is seeded and put back as it was; matrix products run
on one thread. So a batch is the same whatever else the process does, and nothing else notices.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archloom.strategies.batches.targets import Targets

if TYPE_CHECKING:
    from torch import Tensor

Float64: TypeAlias = NDArray[np.float64]


@contextmanager
def closed_room(seed: int) -> Iterator[None]:
    """Torch seeded, on one thread, without the warnings that fits and optimisations may ignore; all as before
    afterwards.

    BoTorch's compiled kernel is switched off: it would be built on first use, which takes minutes, and rounds sums in
    another way than machines without a compiler.
    """
    import torch

    with warnings.catch_warnings():
        # gpytorch, linear_operator and botorch use it when they are imported.
        warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", DeprecationWarning)
        from botorch.acquisition.multi_objective import logei
        from botorch.exceptions.warnings import BotorchWarning
        from linear_operator.utils.warnings import NumericalWarning

        warnings.simplefilter("ignore", BotorchWarning)
        warnings.simplefilter("ignore", NumericalWarning)
        kernel: Any = logei
        held = {name: getattr(kernel, name) for name in ("_C", "_load_attempted") if hasattr(kernel, name)}
        threads = torch.get_num_threads()
        try:
            if held:
                kernel._C, kernel._load_attempted = None, True
            torch.set_num_threads(1)
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                yield
        finally:
            torch.set_num_threads(threads)
            for name, value in held.items():
                setattr(kernel, name, value)


class NoisyImprovement:
    """Expected improvement of the hypervolume (of the best value, if there is one objective) by what Gaussian processes
    say, one for each target, whose noise is fitted. Only in a `closed_room`."""

    def __init__(self, rows: Float64, targets: Targets, samples: int, seed: int) -> None:
        """Fit the processes to `rows` (n, d) from 0 to 1; expectations are means over so many quasi-random draws."""
        import torch
        from botorch.fit import fit_gpytorch_mll
        from botorch.models.gp_regression import SingleTaskGP
        from botorch.models.model_list_gp_regression import ModelListGP
        from botorch.sampling.normal import SobolQMCNormalSampler
        from gpytorch.mlls import ExactMarginalLogLikelihood

        self.rows, self.targets = torch.as_tensor(rows), targets
        values = torch.as_tensor(targets.values)
        models = [SingleTaskGP(self.rows, column[:, None], outcome_transform=None) for column in values.unbind(1)]
        for model in models:
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        self._model: Any = ModelListGP(*models) if len(models) > 1 else models[0]
        self._sampler = SobolQMCNormalSampler(torch.Size([samples]), seed=seed)
        self._pending: list[Tensor] = []
        self._renew()

    def add(self, row: Float64) -> None:
        """Take a row (d,) as one that is being evaluated."""
        import torch

        self._pending.append(torch.as_tensor(row))
        self._renew()

    def of(self, rows: Float64) -> Float64:
        """(n,) its logarithm at rows (n, d)."""
        import torch

        with torch.no_grad():
            found: Float64 = self._function(torch.as_tensor(rows)[:, None, :]).numpy()
        return found

    def maxima(self, restarts: int, raw: int, seed: int) -> Float64:
        """(restarts, d) where gradients lead from the best of `raw` quasi-random points."""
        import torch
        from botorch.optim.optimize import optimize_acqf

        cube = torch.stack([torch.zeros(self.rows.shape[1]), torch.ones(self.rows.shape[1])]).to(self.rows)
        found, _ = optimize_acqf(
            self._function,
            cube,
            1,
            restarts,
            raw,
            {"seed": seed, "maxiter": STEPS},
            return_best_only=False,
            retry_on_optimization_warning=False,  # where a search stops early is as good a candidate as any
        )
        at: Float64 = found[:, 0].numpy()
        return at

    def _renew(self) -> None:
        """Make the acquisition function, with what is pending."""
        import torch
        from botorch.acquisition.logei import qLogNoisyExpectedImprovement
        from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
        from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
        from botorch.acquisition.objective import GenericMCObjective

        objectives = self.targets.objectives
        common: dict[str, Any] = {
            "sampler": self._sampler,
            "constraints": [bound.excess for bound in self.targets.bounds] or None,
            "X_pending": torch.stack(self._pending) if self._pending else None,
            "prune_baseline": True,
        }
        if objectives == 1:
            best = GenericMCObjective(lambda values, X: -values[..., 0])
            self._function: Any = qLogNoisyExpectedImprovement(self._model, self.rows, objective=best, **common)
            return
        gains = GenericMCMultiOutputObjective(lambda values, X: -values[..., :objectives])
        self._function = qLogNoisyExpectedHypervolumeImprovement(
            self._model, reference_point(self.targets), self.rows, objective=gains, **common
        )


STEPS = 50
"""of L-BFGS at most."""


def reference_point(targets: Targets) -> list[float]:
    """(m,) BoTorch's guess, in utilities: a tenth of the front's extent beyond its worst values. The front is that of
    the feasible results, of all if none is."""
    import moocore
    import torch
    from botorch.utils.multi_objective.hypervolume import infer_reference_point

    counted = targets.feasible if targets.feasible.any() else np.ones_like(targets.feasible)
    gains = -targets.values[counted, : targets.objectives]
    front = gains[moocore.is_nondominated(gains, maximise=True)]
    found: list[float] = infer_reference_point(torch.as_tensor(front)).tolist()
    return found
