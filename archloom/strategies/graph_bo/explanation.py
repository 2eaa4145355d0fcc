"""What the models of graph_bo say, for people: how well they predict, and what matters to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.features import FeatureLayout
from archloom.strategies.graph_bo.gp import Posterior
from archloom.strategies.graph_bo.kernel import Float64
from archloom.strategies.graph_bo.knowledge import OWN, Knowledge
from archloom.strategies.graph_bo.models import Promise, most_telling, nearness
from archloom.utils.ranks import mean_ranks


@dataclass(frozen=True)
class Importance:
    """An inverse squared length scale of the kernel, `weight`, and the median of its prior."""

    name: str
    weight: float
    prior: float


@dataclass(frozen=True)
class Shares:
    """The shares of the prior variance of an average result: of the term of the genes, that of the statistics, the
    linear one, and of what the kernel cannot tell. They add up to 1."""

    genes: float
    statistics: float
    linear: float
    nugget: float


@dataclass(frozen=True, eq=False)
class ModelExplanation:
    """The model of one metric.

    Of n results of the run itself, at its highest fidelity: `values` (n,) in the metric's own units; `targets` (n,),
    what the model learns in their place, warped and standardised; and what it predicts of each from all others, those
    at other fidelities and of earlier runs included: `predicted` (n,), with the standard deviations `deviations` (n,),
    nugget included. The hyper-parameters are those of all results.

    `genes` and `statistics`: how important each group of codes and each statistic is, the largest first.
    """

    metric: str
    values: Float64
    targets: Float64
    predicted: Float64
    deviations: Float64
    genes: Sequence[Importance]
    statistics: Sequence[Importance]
    shares: Shares

    @property
    def spearman(self) -> float:
        """The rank correlation of predictions and targets; NaN if either are constant."""
        ranks = np.stack([mean_ranks(self.predicted), mean_ranks(self.targets)])
        ranks -= ranks.mean(axis=1, keepdims=True)
        scale = math.sqrt(float((ranks**2).sum(axis=1).prod()))
        return float(ranks[0] @ ranks[1]) / scale if scale > 0 else math.nan

    @property
    def r2(self) -> float:
        """The share of the targets' variance that is predicted: below 0 if their mean is closer; NaN if they are
        constant."""
        total = float(((self.targets - self.targets.mean()) ** 2).sum()) if len(self.targets) else 0.0
        return 1.0 - float(((self.targets - self.predicted) ** 2).sum()) / total if total > 0 else math.nan


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the models of a run say: those of its objectives, and of further metrics that are constrained."""

    objectives: Sequence[ModelExplanation]
    constraints: Sequence[ModelExplanation]

    @classmethod
    def of(
        cls, promise: Promise, targets: Float64, knowledge: Knowledge, layout: FeatureLayout, telling: NDArray[np.intp]
    ) -> Explanation:
        """Of the models of an acquisition function while nothing is in flight.

        `targets` (answers, objectives) are all that the models of the objectives could learn from, and `telling` the
        numbers of the statistics that the kernel has.
        """
        answers, criteria = knowledge.answers, knowledge.criteria
        stats = [layout.stats[column] for column in telling.tolist()]
        shown = np.zeros(len(answers), dtype=bool)
        shown[knowledge.final()] = True

        def explained(metric: str, model: Posterior, rows: NDArray[np.intp]) -> ModelExplanation:
            known = shown[rows]
            scores = [answers[row].result.scores[metric] for row in rows[known].tolist()]
            return _explained(metric, model, known, np.array(scores, dtype=np.float64), layout.groups, stats)

        objectives = [
            explained(objective.metric, model, most_telling(targets[:, column]))
            for column, (objective, model) in enumerate(zip(criteria.objectives, promise.objectives, strict=True))
        ]
        own = np.array([row for row, answer in enumerate(answers) if answer.source == OWN], dtype=np.intp)
        met = {objective.metric for objective in criteria.objectives}
        constraints = []
        for constraint, bounded in zip(criteria.constraints, promise.constraints, strict=False):
            if constraint.metric not in met:
                met.add(constraint.metric)
                values = np.array([answers[row].result.scores[constraint.metric] for row in own.tolist()])
                rows = own[most_telling(nearness(values, constraint.bound))]
                constraints.append(explained(constraint.metric, bounded.posterior, rows))
        return cls(objectives, constraints)


def _explained(
    metric: str, model: Posterior, known: NDArray[np.bool_], values: Float64, groups: Sequence[str],
    stats: Sequence[str],
) -> ModelExplanation:  # fmt: skip
    """Of the results of a model those that are `known` (n,), whose metric has the values (m,)."""
    mean, variance = model.left_out()
    kernel, found = model.covariance.kernel, model.covariance.values
    prior = kernel.at(kernel.prior).values
    return ModelExplanation(
        metric,
        values,
        model.targets[known],
        mean[known],
        np.sqrt(variance[known]),
        _importances(groups, found["w"], prior["w"]),
        _importances(stats, found["u"], prior["u"]),
        _shares(model),
    )


def _importances(names: Sequence[str], weights: Float64, priors: Float64) -> Sequence[Importance]:
    """The largest first; none if the kernel lacks their term."""
    order = np.argsort(-weights, kind="stable").tolist()
    return [Importance(names[i], float(weights[i]), float(priors[i])) for i in order]


def _shares(model: Posterior) -> Shares:
    found = {"a1": 0.0, "a2": 0.0, "a3": 0.0}
    found |= {name: float(np.diagonal(term).mean()) for name, term in model.terms.items()}
    total = sum(found.values()) + model.covariance.nugget
    return Shares(found["a1"] / total, found["a2"] / total, found["a3"] / total, model.covariance.nugget / total)
