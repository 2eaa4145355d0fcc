"""The options of mobo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from archloom.learners.bnn import BnnOptions
from archloom.learners.bnn_density import CALIBRATED, FLAT, PYBNN, NoisePrior, ScaledWeights, WeightPrior
from archloom.strategies.batches.strategy import BatchOptions
from archloom.strategies.mobo.acquisition import Acquisition, ExpectedImprovement, LowerBound, UpperBound
from archloom.utils.options import PositiveFloat, PositiveInt

_AtLeast4 = Annotated[int, msgspec.Meta(ge=4)]
_Deviations = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_SomeDeviations = Annotated[float, msgspec.Meta(gt=0, le=1e6)]


@dataclass(frozen=True)
class MoboOptions(BatchOptions):
    """initial: how many architectures are drawn at random first, less those whose results are given (`--warm-start`).
    batch: how many are chosen at once; all are awaited before the next batch, so that neither the width nor the workers
        show in what is found.
    budget: after how many units of the resource (epochs) architectures are evaluated; 0 is the highest there is.
    acquisition: a bound of the objective, the pessimist's (`ucb`) or the optimist's (`lcb`), or expected improvement
        (`ei`), which counts from each objective's own best, and so looks at the ends of a front alone.
    xi: how much an improvement must be to count, in standard deviations of the objective.
    beta: how many standard deviations the bounds are away; none: by USeMO's rule, three and more with every batch, with
        which `lcb` looks only where its networks know least.
    surrogate: whether the noise that the network predicts depends on its inputs.
    noise_prior: of the logarithm of the noise's variance: about a tenth of the objective's deviation (`calibrated`), or
        hardly any (`pybnn`, as in automl/pybnn).
    weight_prior: of the weights: as wide as the number of inputs of a layer says (`scaled`; Neal 1996), or nearly flat
        (`flat`, as in automl/pybnn), with which noise is predicted that is a hundred times that of few results.
    uncertainty: the deviations of acquisition functions, penalisers and boxes: of what the networks think of the mean
        (`model`), or of results, so with the noise that they predict (`total`, as the paper's equation has it).
    layers, units: hidden layers of a network, and units in each.
    burn_in, samples, keep_every, learning_rate: how networks are sampled: steps before the first is kept, how many are
        kept of each chain, after how many steps one is kept, and how large these are. With NAGO's 10 and 0.01 the
        chains hardly ever mix.
    population, evaluations: of NSGA-II.
    restarts: from how many points the steepest place of an objective is looked for.
    """

    acquisition: Literal["ucb", "lcb", "ei"] = "ucb"
    xi: _Deviations = 1e-3
    beta: _SomeDeviations | None = 0.5
    surrogate: Literal["heteroscedastic", "homoscedastic"] = "heteroscedastic"
    noise_prior: Literal["calibrated", "pybnn"] = "calibrated"
    weight_prior: Literal["scaled", "flat"] = "scaled"
    uncertainty: Literal["model", "total"] = "model"
    layers: PositiveInt = 3
    units: PositiveInt = 10
    burn_in: PositiveInt = 3000
    samples: PositiveInt = 100
    keep_every: PositiveInt = 30
    learning_rate: PositiveFloat = 3e-2
    population: _AtLeast4 = 100
    evaluations: PositiveInt = 2500
    restarts: PositiveInt = 10

    @property
    def network(self) -> BnnOptions:
        return BnnOptions(
            layers=self.layers,
            width=self.units,
            burn_in=self.burn_in,
            samples=self.samples,
            keep_every=self.keep_every,
            learning_rate=self.learning_rate,
            heteroscedastic=HETEROSCEDASTIC[self.surrogate],
            noise_prior=NOISE_PRIORS[self.noise_prior],
            weight_prior=WEIGHT_PRIORS[self.weight_prior],
        )


HETEROSCEDASTIC: Mapping[str, bool] = {"heteroscedastic": True, "homoscedastic": False}
NOISE_PRIORS: Mapping[str, NoisePrior] = {"calibrated": CALIBRATED, "pybnn": PYBNN}
WEIGHT_PRIORS: Mapping[str, WeightPrior] = {"scaled": ScaledWeights(), "flat": FLAT}
ACQUISITIONS: Mapping[str, Callable[[MoboOptions], Acquisition]] = {
    "ei": lambda options: ExpectedImprovement(options.xi),
    "lcb": lambda _: LowerBound(),
    "ucb": lambda _: UpperBound(),
}
