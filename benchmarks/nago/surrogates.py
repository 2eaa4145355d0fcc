"""Table 1: surrogates whose noise depends on the generator against such whose noise is the same everywhere."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archloom.analysis.published_generators import SURROGATES
from archloom.analysis.significance import signed_rank_p
from archloom.learners.bnn import BnnOptions, fit
from archloom.learners.bnn_density import CALIBRATED, FLAT, PYBNN, NoisePrior, ScaledWeights, WeightPrior
from archloom.learners.sghmc import Float64
from archloom.registry import load_space
from archloom.spaces.coordinates import coordinates_of
from archloom.utils import seeds
from benchmarks.nago.evaluations import Evaluations
from benchmarks.nago.evaluations import Found as Evaluated
from benchmarks.study import Study

RECORDED = Path(__file__).with_name("evaluations.jsonl")
"""What the study `evaluations` recorded."""


class Data(NamedTuple):
    """Points `x` (n, d), objectives `y` (n, m), and what is true of these if that is known: means and deviations."""

    x: Float64
    y: Float64
    truth: tuple[Float64, Float64] | None = None


class Case(ABC):
    name: str
    objectives: tuple[str, ...]

    @abstractmethod
    def data(self, split: int) -> Data: ...


@dataclass(frozen=True)
class Recorded(Case):
    """Evaluations of generators that are on file: error as a share, memory in MB."""

    study: Evaluations = field(default_factory=Evaluations)
    path: Path = RECORDED
    name: str = "hnag"
    objectives: tuple[str, ...] = ("error", "memory")

    def data(self, split: int) -> Data:
        lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        found = [Evaluated(**line) for line in lines if line.pop("study") == self.study.text]
        space = load_space(self.study.space)(**self.study.training.options_of(self.study.space))
        x = coordinates_of(space).matrix([space.parse(each.arch) for each in found])
        return Data(x, np.array([[1.0 - each.valid / 100.0, each.memory_mb] for each in found]))


@dataclass(frozen=True)
class Known(Case):
    """Eight inputs, half of which matter: y = sin 3a + bc - d^2 / 2 + N(0, (low + (high - low) a)^2); new points for
    each split."""

    points: int = 150
    low: float = 0.2
    high: float = 0.8
    name: str = "known"
    objectives: tuple[str, ...] = ("y",)

    def data(self, split: int) -> Data:
        rng = seeds.stream(0, self.name, split)
        x = rng.random((self.points, 8))
        a, b, c, d = x[:, :4].T
        mean = np.sin(3.0 * a) + b * c - 0.5 * d**2
        deviation = self.low + (self.high - self.low) * a
        y = mean + deviation * rng.standard_normal(self.points)
        return Data(x, y[:, None], (mean[:, None], deviation[:, None]))


@dataclass(frozen=True)
class Priors:
    name: str
    noise: NoisePrior
    weights: WeightPrior


PRIORS = (
    Priors("noise calibrated, weights scaled", CALIBRATED, ScaledWeights()),
    Priors("noise calibrated, weights pybnn's", CALIBRATED, FLAT),
    Priors("noise pybnn's, weights pybnn's", PYBNN, FLAT),
)


@dataclass(frozen=True)
class Found:
    """Of each objective on the points that were held out: the mean negative log density, the root of the mean squared
    error, the same of the truth if that is known, and split R-hat."""

    setting: str
    seed: int
    nll: list[float]
    rmse: list[float]
    true_nll: list[float]
    true_rmse: list[float]
    r_hat: list[float]


def measure(study: Surrogates, case: Case, priors: Priors, heteroscedastic: bool, split: int) -> Found:
    data = case.data(split)
    order = seeds.stream(0, f"split of {case.name}", split).permutation(len(data.x))
    train, test = np.split(order, [round(study.share * len(order))])
    options = replace(
        study.options, heteroscedastic=heteroscedastic, noise_prior=priors.noise, weight_prior=priors.weights
    )
    posterior = fit(data.x[train], data.y[train], options, seeds.stream(0, "surrogate", split))
    mean, variance = posterior.predict(data.x[test])
    nll, rmse = _scores(data.y[test], mean, variance)
    true = ([], []) if data.truth is None else _scores(data.y[test], data.truth[0][test], data.truth[1][test] ** 2)
    return Found(label(case, priors, heteroscedastic), split, nll, rmse, *true, [*posterior.mixing.r_hat])


def label(case: Case, priors: Priors, heteroscedastic: bool) -> str:
    return f"{case.name}, {priors.name}, {'hetero' if heteroscedastic else 'homo'}scedastic"


def _scores(y: Float64, mean: Float64, variance: Float64) -> tuple[list[float], list[float]]:
    nll = 0.5 * np.log(2.0 * np.pi * variance) + 0.5 * (y - mean) ** 2 / variance
    return nll.mean(axis=0).tolist(), np.sqrt(((y - mean) ** 2).mean(axis=0)).tolist()


@dataclass(frozen=True)
class Printed:
    """Medians over the splits, of the homoscedastic surrogate, of the heteroscedastic one, and of the truth. `p` that
    the negative log density of the latter is lower; it is too small where splits share points."""

    case: str
    objective: str
    priors: str
    splits: int
    nll: tuple[float, float]
    rmse: tuple[float, float]
    truth: tuple[float, float] | None
    r_hat: tuple[float, float]
    p: float | None


@dataclass(frozen=True)
class Surrogates(Study):
    """`share` of the points train; the paper's is not known."""

    cases: tuple[Case, ...] = (Recorded(), Known())
    priors: tuple[Priors, ...] = PRIORS
    splits: int = 10
    share: float = 2 / 3
    options: BnnOptions = field(default_factory=BnnOptions)
    found = Found
    measure = staticmethod(measure)

    @property
    def text(self) -> str:
        return f"{self.share:.2f} of the points train; {self.cases}; {self.options}"

    def with_seeds(self, seeds: int) -> Surrogates:
        return replace(self, splits=seeds)

    def jobs(self) -> Iterable[tuple[tuple[str, int], Sequence[Any]]]:
        return (
            ((label(case, priors, heteroscedastic), split), (self, case, priors, heteroscedastic, split))
            for split in range(self.splits)
            for case in self.cases
            for priors in self.priors
            for heteroscedastic in (False, True)
        )

    def rows(self, found: Sequence[Found]) -> list[Printed]:
        by_setting: dict[str, list[Found]] = {}
        for each in found:
            by_setting.setdefault(each.setting, []).append(each)
        return [
            _printed(case, number, priors, [by_setting[label(case, priors, kind)] for kind in (False, True)])
            for case in self.cases
            for number in range(len(case.objectives))
            for priors in self.priors
        ]

    def show(self, rows: Sequence[Printed]) -> None:
        print(f"{'':48}{'NLL hom, het':>18}{'p':>8}{'RMSE hom, het':>18}{'R-hat hom, het':>16}{'truth':>16}")
        for row in rows:
            truth = "" if row.truth is None else f"{row.truth[0]:.2f}, {row.truth[1]:.3f}"
            p = "" if row.p is None else f"{row.p:.3f}"
            print(f"{row.case + ' ' + row.objective + ', ' + row.priors:<48}{row.nll[0]:>9.2f}{row.nll[1]:>9.2f}{p:>8}"
                  f"{row.rmse[0]:>9.4f}{row.rmse[1]:>9.4f}{row.r_hat[0]:>8.2f}{row.r_hat[1]:>8.2f}"
                  f"{truth:>16}")  # fmt: skip
        for name, fitted in SURROGATES.items():
            nll, rmse = fitted.nll, fitted.rmse
            print(f"{name + ', published':<48}{nll[0]:>9.2f}{nll[1]:>9.2f}{'':>8}{rmse[0]:>9.2f}{rmse[1]:>9.2f}")


def _printed(case: Case, number: int, priors: Priors, found: Sequence[Sequence[Found]]) -> Printed:
    def medians(of: str) -> tuple[float, float]:
        low, high = (float(np.median([getattr(each, of)[number] for each in kind])) for kind in found)
        return low, high

    known = bool(found[0][0].true_nll)
    lower = [one.nll[number] - other.nll[number] for one, other in zip(*found, strict=True)]
    return Printed(
        case.name, case.objectives[number], priors.name, len(found[0]), medians("nll"), medians("rmse"),
        (medians("true_nll")[0], medians("true_rmse")[0]) if known else None, medians("r_hat"), signed_rank_p(lower),
    )  # fmt: skip
