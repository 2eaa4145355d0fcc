"""What graph_bo's models say, on problems whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Constraint, Criteria, Objective
from archloom.spaces.base import Categorical
from archloom.strategies.base import EarlierRun
from archloom.strategies.graph_bo.explanation import Explanation, ModelExplanation, Shares
from archloom.strategies.graph_bo.gp import Posterior
from archloom.strategies.graph_bo.options import GraphBoOptions
from archloom.strategies.graph_bo.strategy import GraphBo
from archloom.types import Arch, Proposal, Resource, Result, Trial

SPACE = Categorical({"first": ["a", "b", "c"], "second": ["a", "b", "c"], "third": ["x", "y", "z"]})
GENES = [(i, j, k) for k in range(3) for j in range(3) for i in range(3)]


def strategy(criteria: Criteria, resource: Resource | None = None, **options: Any) -> GraphBo:
    return GraphBo(SPACE, criteria, np.random.default_rng(0), GraphBoOptions(**options), resource=resource)


def trials(genes: Sequence[tuple[int, ...]], score: Callable[..., dict[str, float]], fidelity: int = 0) -> list[Trial]:
    return [
        Trial(number, Proposal(Arch(each), fidelity), Result(score(*each)) if score(*each) else Result(error="broken"))
        for number, each in enumerate(genes)
    ]


def one(goal: Any = "max") -> Criteria:
    return Criteria((Objective("worth", goal),))


def test_the_gene_that_decides_is_the_most_important() -> None:
    found = strategy(one(), statistics=False).explain(trials(GENES, lambda i, j, k: {"worth": 10.0 * j}))
    (model,) = found.objectives
    assert model.genes[0].name == "second" and model.genes[0].weight > 3 * model.genes[1].weight
    assert {each.name for each in model.genes} == {"first", "second", "third"}
    assert [each.prior for each in model.genes] == pytest.approx([1 / 3] * 3)
    assert not model.statistics and model.shares.statistics == model.shares.linear == 0
    assert model.values.tolist() == [10.0 * j for _, j, _ in GENES]
    assert model.spearman > 0.9 and model.r2 > 0.95


def test_each_result_is_predicted_without_it() -> None:
    """Against a process that has learned from the others alone."""
    known = trials(GENES[:12], lambda i, j, k: {"worth": i + 2.0 * j - k})
    asked = GraphBo(SPACE, one(), np.random.default_rng(0))
    (model,) = asked.explain(known).objectives
    (whole,) = asked.beliefs.promise((), np.random.default_rng(0)).objectives
    for out in range(12):
        rest = np.delete(np.arange(12), out)
        others = Posterior.of(whole.covariance, whole.rows[rest], whole.targets[rest])
        mean, variance = others.predict(whole.rows[[out]])
        assert model.predicted[out] == pytest.approx(mean[0], abs=1e-6)
        assert model.deviations[out] == pytest.approx(math.sqrt(variance[0] + whole.covariance.nugget), rel=1e-4)


def test_the_shares_add_up_and_are_of_the_terms_there_are() -> None:
    known = trials(GENES, lambda i, j, k: {"worth": i + j + 0.1 * k})
    for options in ({}, {"linear": False}, {"codes": False}):
        (model,) = strategy(one(), **options).explain(known).objectives
        shares = model.shares
        assert shares.genes + shares.statistics + shares.linear + shares.nugget == pytest.approx(1)
        assert (shares.linear > 0) == options.get("linear", True)
        assert (shares.genes > 0) == options.get("codes", True) == bool(model.genes)
        assert {each.name for each in model.statistics} == {f"{name}: count in first to second" for name in "abc"}


def test_less_is_better_turns_targets_but_not_values() -> None:
    known = trials(GENES, lambda i, j, k: {"worth": float(i + j + k)})
    (model,) = strategy(one("min")).explain(known).objectives
    assert model.values.tolist() == [float(sum(genes)) for genes in GENES]
    assert (np.diff(model.targets[np.argsort(model.values, kind="stable")]) <= 1e-12).all()


def test_objectives_and_other_metrics_that_are_constrained() -> None:
    criteria = Criteria(
        (Objective("worth", "max"), Objective("size", "min")),
        (Constraint("size", 3.0), Constraint("time", 2.0), Constraint("time", 0.5, at_most=False)),
    )
    known = trials(GENES[:20], lambda i, j, k: {"worth": i, "size": j + k, "time": 0.5 + k} if i + j + k else {})
    found = strategy(criteria).explain(known)
    assert [model.metric for model in found.objectives] == ["worth", "size"]
    (time,) = found.constraints
    assert time.metric == "time" and time.values.tolist() == [0.5 + k for _, _, k in GENES[1:20]]
    assert np.corrcoef(time.values, time.targets)[0, 1] == pytest.approx(1)
    assert all(len(model.values) == 19 for model in found.objectives)


def test_results_at_lower_fidelities_are_learned_from_but_not_shown() -> None:
    steps = Resource("steps", 9)
    known = trials(GENES, lambda i, j, k: {"worth": float(i + j)}, 1)
    known += [
        Trial(100 + number, Proposal(Arch(genes)), Result({"worth": 10.0 + sum(genes)}))
        for number, genes in enumerate(GENES[:4])
    ]
    (model,) = strategy(one(), steps, fidelities=2).explain(known).objectives
    assert model.values.tolist() == [10.0 + sum(genes) for genes in GENES[:4]]


def test_results_of_another_problem_are_learned_from_but_not_shown() -> None:
    later = strategy(one())
    earlier = trials(GENES, lambda i, j, k: {"worth": float(i + j)})
    later.warm_start([EarlierRun(one(), tuple(earlier), same_problem=False)])
    (model,) = later.explain(trials(GENES[:5], lambda i, j, k: {"worth": 3.0 * i + j})).objectives
    assert model.values.tolist() == [0.0, 3.0, 6.0, 1.0, 4.0]


def test_of_many_results_those_that_the_model_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archloom.strategies.graph_bo.models.MOST_ROWS", 9)
    known = trials(GENES, lambda i, j, k: {"worth": 1.0 * i + 3 * j + 9 * k, "size": -1.0 * i})
    criteria = Criteria((Objective("worth", "min"),), (Constraint("size", -2.5),))
    found: Explanation = strategy(criteria).explain(known)
    (worth,), (size,) = found.objectives, found.constraints
    assert worth.values.tolist() == [0, 1, 2, 3, 4, 5, 24, 25, 26], "the six best, and the latest three"
    assert size.values.tolist() == [-2.0] * 6 + [0, -1, -2], "the six nearest to the bound, and the latest three"
    assert len(size.targets) == 9


def constant(targets: Sequence[float], predicted: Sequence[float]) -> ModelExplanation:
    given = np.array(targets, dtype=np.float64)
    return ModelExplanation("m", given, given, np.array(predicted), np.ones(len(given)), [], [], Shares(0, 0, 0, 1))


def test_correlations_by_hand() -> None:
    model = constant([1, 2, 3, 4], [1, 3, 2, 4])
    assert model.spearman == pytest.approx(0.8)
    assert model.r2 == pytest.approx(1 - 2 / 5)
    same = constant([1, 1, 1], [1, 2, 3])
    assert math.isnan(same.spearman) and math.isnan(same.r2)
