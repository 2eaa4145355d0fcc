"""Published results to compare with your own, by benchmark and metric.

A number is only offered for the metric it was reported in, and, if it was found under constraints, for runs under the
same; if a table measures nearly the same thing, the numbers carry a caveat that says what they were measured on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from archloom.analysis.published_generators import PAPER
from archloom.analysis.published_rows import PUBLISHED, Published
from archloom.constraints import Constraint

_SAME_BOUND = 0.003
"""Bounds are the same up to this share: published ones are rounded."""


def references(benchmark: str, metric: str, constraints: Sequence[Constraint] = ()) -> list[Published]:
    """Published results for a metric of a benchmark, the highest mean first; empty if none are known.

    Under constraints: those that were found under all of these, and perhaps under more. The best value of the
    benchmark comes with the role OPTIMUM.
    """
    near = _NEAR.get((benchmark, metric))
    known = [p for p in PUBLISHED.get(benchmark, ()) if p.metric == (near.metric if near else metric)]
    fitting = [p for p in known if _fits(p.constraints, constraints)]
    offered = [replace(p, caveats=(near.caveat, *p.caveats)) for p in fitting] if near else fitting
    return sorted(offered, key=lambda p: p.mean, reverse=True)


def _fits(published: Sequence[Constraint], wanted: Sequence[Constraint]) -> bool:
    """Whether what was found under some constraints is to be compared with what is found under others."""
    return bool(published) == bool(wanted) and all(
        any(
            known.metric == each.metric
            and known.at_most == each.at_most
            and math.isclose(known.bound, each.bound, rel_tol=_SAME_BOUND)
            for known in published
        )
        for each in wanted
    )


def rank_correlations(benchmark: str) -> Mapping[tuple[int, int], tuple[float, str]]:
    """Published rank correlations between results after two numbers of epochs, each with its source; empty if none are
    known."""
    return _CORRELATIONS.get(benchmark, {})


def is_test_metric(benchmark: str, metric: str) -> bool:
    """Whether a metric is measured on test data, which selection should not see."""
    return "test" in metric.lower().split("_") or metric in _TEST_BY_ANOTHER_NAME.get(benchmark, frozenset())


@dataclass(frozen=True, slots=True)
class _Near:
    """A metric whose published numbers are useful for another one that is nearly the same."""

    metric: str
    caveat: str


# The package analog-nasbench trained the cells again: Spearman 0.991 with the official test accuracy, best 94.07
# against 94.37, and 0.36 points lower in the median of cells above 90 %.
_NEAR: Mapping[tuple[str, str], _Near] = MappingProxyType(
    {
        ("nb201", "cifar10_baseline"): _Near(
            "cifar10_test_200",
            "published on NAS-Bench-201's own test accuracy (best cell 94.37); this table is another training of the "
            "same cells, about 0.3 points lower",
        ),
        ("nb101", "valid_108_surrogate"): _Near(
            "test_108",
            "published on NAS-Bench-101's own test accuracy (its second best cell has 94.23); this table is a "
            "regression of validation accuracies, whose best cell has 94.82",
        ),
    }
)

_CORRELATIONS: Mapping[str, Mapping[tuple[int, int], tuple[float, str]]] = MappingProxyType(
    {"images:cifar10": {(60, 120): (0.82, f"{PAPER}, Appendix I")}}
)

# analog-nasbench brings no validation accuracy: every accuracy in it is measured on CIFAR-10's test images.
_ANALOG = frozenset(f"cifar10_{kind}" for kind in ("baseline", "ptq", "qat", "noisy", "analog"))
_DRIFTED = frozenset(
    f"cifar10_{kind}_drift_{time}" for kind in ("baseline", "analog") for time in ("1min", "1h", "1d", "30d")
)
_TEST_BY_ANOTHER_NAME: Mapping[str, frozenset[str]] = MappingProxyType({"nb201": _ANALOG | _DRIFTED})
