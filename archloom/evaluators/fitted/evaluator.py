"""Metrics fitted to a table, so that architectures can be asked for that it does not hold.

Whatever is predicted has "fitted" in its name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom import registry
from archloom.constraints import Objective
from archloom.data.tables import Table
from archloom.errors import InputError, unknown
from archloom.evaluators.base import shortest
from archloom.evaluators.fitted.ridge import MIN_ROWS, Design, Effects, Genes, Ridge
from archloom.spaces.base import Count, HasCounts, SearchSpace
from archloom.types import Goal, Proposal, Result, Weights, resolve_fidelity
from archloom.utils.ranks import mean_ranks

SUFFIX = "_fitted"
"""What the name of a predicted metric ends in."""

_BEST = 0.1  # the share of architectures whose errors are reported separately: where a search spends its time


@dataclass(frozen=True)
class HeldOut:
    """How well a fitted metric predicts rows that it was not fitted to, each left out in turn.

    `spearman` is the rank correlation, `error` the mean absolute error; `best_spearman` and `best_error` are the same
    among the best tenth of the rows. A correlation is NaN where values do not differ.
    """

    rows: int
    spearman: float
    error: float
    best_spearman: float
    best_error: float

    def __str__(self) -> str:
        return (
            f"fitted to {self.rows:,} rows; held out: Spearman {_told(self.spearman)}, mean error {self.error:.3g}; "
            f"among the best tenth {_told(self.best_spearman)}, {self.best_error:.3g}"
        )


def _told(correlation: float) -> str:
    return "undefined" if math.isnan(correlation) else f"{correlation:.3f}"


class Model:
    """The metrics of a table, predicted or counted for all architectures of its genes. Build with `model_of`.

    `goals` names the metrics with their directions: those of the table, with `SUFFIX` where they are predicted. Each is
    fitted when it is first asked for, in about a second.
    """

    def __init__(self, table: Table) -> None:
        counted = _counted(table)
        self._table = table
        self._counts = dict(counted)
        self._metrics = {f"{name}{SUFFIX}": name for name in table.goals if name not in counted}
        self._effects = Effects([len(names) for names in table.options], [_part(name) for name in table.gene_names])
        self._designs: dict[bytes, list[Design]] = {}
        self._fits: dict[str, Ridge] = {}
        names = {metric: name for name, metric in self._metrics.items()}
        self.goals: dict[str, Goal] = {names.get(metric, metric): goal for metric, goal in table.goals.items()}

    def predict(self, names: Sequence[str], genes: Genes) -> dict[str, NDArray[np.floating]]:
        """(n,) values of each metric for genes (n, g); InputError for unknown metrics and genes that are no options."""
        fits = {name: self._fit(name) for name in names if name not in self._counts}
        terms = self._effects(genes)
        return {name: fits[name](terms) if name in fits else self._counts[name](genes) for name in names}

    def check(self, name: str) -> None:
        """InputError where there is no such metric, or it is measured for too few rows; nothing is fitted yet."""
        if name not in self.goals:
            raise unknown("metric", name, self.goals)
        if name not in self._counts and len(rows := self._measured(name)[1]) < MIN_ROWS:
            raise InputError(
                f"{name}: {self._table.name} has {len(rows)} rows with {self._metrics[name]} measured; expected at "
                f"least {MIN_ROWS} to fit a model to"
            )

    def held_out(self, name: str) -> HeldOut | None:
        """How good the predictions of a metric are; None for one that is counted."""
        if name in self._counts:
            return None
        fit, values = self._fit(name), self._measured(name)[1].astype(np.float64)
        utilities = Objective(name, self.goals[name]).sign * values
        best = utilities >= np.quantile(utilities, 1 - _BEST)
        errors = np.abs(fit.held_out - values)
        return HeldOut(
            len(values), spearman(values, fit.held_out), float(errors.mean()),
            spearman(values[best], fit.held_out[best]), float(errors[best].mean()),
        )  # fmt: skip

    def _measured(self, name: str) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Which rows a metric is measured for, (rows,), and its values there, (n,)."""
        values = self._table.metric(self._metrics[name])
        return np.isfinite(values), values[np.isfinite(values)]

    def _fit(self, name: str) -> Ridge:
        if name not in self._fits:
            self.check(name)
            measured, values = self._measured(name)
            rows = measured.tobytes()
            if rows not in self._designs:  # most metrics are measured for the same rows
                genes = self._table.genes[measured]
                self._designs[rows] = [Design(self._effects, genes, terms) for terms in self._effects.nested]
            fits = [design.fit(values) for design in self._designs[rows]]
            self._fits[name] = min(fits, key=lambda fit: fit.error)
        return self._fits[name]


def _part(gene: str) -> str:
    """What a gene belongs to: "block0" for "block0.kernel"; itself where its name has no dot."""
    return gene.rpartition(".")[0] or gene


def _counted(table: Table) -> Mapping[str, Count]:
    """What the table's space can count of its metrics, if that agrees with every row."""
    if table.space not in registry.SPACES:
        return {}
    try:
        choices = dict(zip(table.gene_names, table.options, strict=True))
        space = registry.load_space(table.space).for_table(choices, None)
    except InputError:  # a table of other genes
        return {}
    counts = space.counts() if isinstance(space, HasCounts) else {}
    return {name: count for name, count in counts.items() if name in table.goals and _agrees(count, table, name)}


def _agrees(count: Count, table: Table, name: str) -> bool:
    try:
        counted = count(table.genes).astype(np.float32)
    except InputError:  # a table of other options
        return False
    return bool(np.array_equal(counted, table.metric(name)))


def spearman(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float:
    """Spearman's rank correlation of two samples (n,), ties sharing their mean rank; NaN where one does not vary."""
    ranks = np.stack([mean_ranks(a), mean_ranks(b)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return float(np.divide(ranks[0] @ ranks[1], np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1]))))


@dataclass(frozen=True)
class _Of:
    """A table that is known by its content."""

    sha256: str
    table: Table = field(compare=False)


@lru_cache(maxsize=4)
def _model(of: _Of) -> Model:
    return Model(of.table)


def model_of(table: Table) -> Model:
    """The model of a table. The runs of a group share it in a process: it is fitted to a table's content once."""
    return _model(_Of(table.sha256, table))


class FittedEvaluator:
    """Predicts metrics of any architecture of a table's genes: `scores` for selection, `report` for people.

    `cost_s` is 0: nothing is trained. InputError for a metric that the model does not know, or cannot be fitted to.
    """

    looks_up = True

    resource = None

    def __init__(self, model: Model, space: SearchSpace, scores: Sequence[str], report: Sequence[str] = ()) -> None:
        for name in (*scores, *report):
            model.check(name)
        self._model = model
        self._space = space
        self._report = tuple(report)
        self._wanted = tuple(dict.fromkeys([*scores, *report]))
        self.goals: dict[str, Goal] = {name: model.goals[name] for name in scores}

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        resolve_fidelity(self.resource, proposal.fidelity)
        genes = np.array([self._space.canonical(proposal.arch).genes], dtype=np.int64)
        values = {name: shortest(column[0]) for name, column in self._model.predict(self._wanted, genes).items()}
        return Result({name: values[name] for name in self.goals}, {name: values[name] for name in self._report}), None
