"""Surrogate benchmarks: an evaluation is a prediction. Whatever they say has "surrogate" in its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError, unknown
from archloom.evaluators.base import shortest
from archloom.evaluators.surrogates.nb301_network import LAST_EPOCH, Nb301Network, check_epoch
from archloom.evaluators.surrogates.xgb_ensemble import XgbEnsemble
from archloom.spaces.base import SearchSpace
from archloom.spaces.darts.counts import NB301_COUNTING, flops, parameters
from archloom.types import Arch, Goal, Proposal, Resource, Result, Weights

Genotypes = NDArray[np.integer[Any]]
"""(n, 2, 8, 2): the cells normal and reduce with 8 pairs (source, operation) each, two consecutive pairs a node."""


class Surrogate(Protocol):
    """A model that predicts metrics of DARTS genotypes."""

    name: str
    path: Path
    sha256: str
    source: str
    """What it is and where it comes from, in words."""
    goals: Mapping[str, Goal]
    """The metrics that it predicts."""
    seconds: str | None
    """Which of them is the training time in seconds, if any."""
    first_epoch: int
    last_epoch: int
    """Between which it can predict."""

    def metrics(self, genotypes: Genotypes, epoch: int) -> Mapping[str, NDArray[np.float32]]:
        """Each metric's predictions (n,) after `epoch` epochs; InputError for bad genotypes or another epoch."""
        ...


def load_nb301(path: str | Path) -> Nb301Network | XgbEnsemble:
    """The surrogate of NAS-Bench-301 in an `.npz` file, or in the folder of an official XGBoost ensemble.

    Both have `predict(genotypes, epoch=98)`: (n,) validation accuracy in percent. The network in the file also has
    `runtime(genotypes, epoch=98)`: (n,) seconds, and any epoch from 1. InputError in one line where there is no such
    file, or it is damaged or of something else.
    """
    place = Path(path)
    if place.is_dir():
        return XgbEnsemble(place)
    if place.is_file():
        return Nb301Network(place)
    raise InputError(f"{place}: no such file; expected a surrogate's .npz or the folder of an official ensemble")


_CHANNELS, _LAYERS, _CLASSES = 32, 8, 10  # of the networks that NAS-Bench-301 trained


def _params_m(genotypes: Genotypes) -> NDArray[np.floating]:
    return parameters(genotypes, _CHANNELS, _LAYERS, _CLASSES, auxiliary=False, affine=False) / 1e6


def _flops_m(genotypes: Genotypes) -> NDArray[np.floating]:
    return flops(genotypes, _CHANNELS, _LAYERS, _CLASSES, counting=NB301_COUNTING) / 1e6


COSTS: Mapping[str, Callable[[Genotypes], NDArray[np.floating]]] = {"params_m": _params_m, "flops_m": _flops_m}
"""What is counted rather than predicted, in millions, for the networks that the benchmark trained; less is better."""


def goals_of(model: Surrogate) -> dict[str, Goal]:
    """Every metric that an evaluator on `model` can answer, with its direction."""
    return {**model.goals, **dict.fromkeys(COSTS, "min")}


@dataclass(frozen=True)
class Options:
    """Options of a surrogate benchmark (`--set task.NAME=VALUE`).

    `epoch` is the epoch of training after which predictions are asked for.
    """

    epoch: int = LAST_EPOCH


class SurrogateEvaluator:
    """Predicts metrics of DARTS architectures: `scores` for selection, `report` for people.

    A proposal's fidelity is the epoch after which to predict; 0 means `epoch`. `cost_s` is the predicted training time,
    0 if the model predicts none. InputError for a metric or an epoch that the model does not know.
    """

    looks_up = True

    def __init__(
        self,
        model: Surrogate,
        space: SearchSpace,
        scores: Sequence[str],
        report: Sequence[str] = (),
        epoch: int = LAST_EPOCH,
    ) -> None:
        check_epoch(epoch, model.first_epoch)
        known = goals_of(model)
        for name in (*scores, *report):
            if name not in known:
                raise unknown("metric", name, known)
        self._model = model
        self._space = space
        self._report = tuple(report)
        self.goals: dict[str, Goal] = {name: known[name] for name in scores}
        self.resource = Resource("epochs", epoch, model.first_epoch, cost_from_start=True)

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        epoch = self.resource.resolve(proposal.fidelity)
        genotype = _genotype(self._space.canonical(proposal.arch))
        wanted = {*self.goals, *self._report}
        predicted = self._model.metrics(genotype, epoch)
        counted = {name: count(genotype) for name, count in COSTS.items() if name in wanted}
        values = {name: shortest(column[0]) for name, column in {**predicted, **counted}.items()}
        scores, report = ({name: values[name] for name in names} for names in (self.goals, self._report))
        return Result(scores, report, values.get(self._model.seconds or "", 0.0)), None


def _genotype(arch: Arch) -> Genotypes:
    """(1, 2, 8, 2) the genotype whose numbers are the genes."""
    return np.array(arch.genes, dtype=np.int64).reshape(1, 2, 8, 2)
