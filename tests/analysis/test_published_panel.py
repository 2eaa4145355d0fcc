"""Notes beside a plot."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.analysis.plots import anytime, box
from archloom.analysis.published_panel import spread
from archloom.analysis.study import Study
from archloom.problems import ProblemSpec


@pytest.fixture
def runs(make_two: Any) -> Any:
    """Runs of 800 queries on NAS-Bench-301, which climb from 93.5 to 94.9."""
    made = []
    for seed in range(2):
        values = [(93.5 + 0.1 * seed + 0.0017 * at, 0.0) for at in range(800)]
        run = make_two(values, seed=seed, single=True, names=("valid_surrogate", "x"))
        made.append(replace(run, request=replace(run.request, problem=ProblemSpec("nb301"))))
    return {"ours": made}


def test_a_method_is_named_once_at_as_many_queries_as_ours(runs: Any) -> None:
    study = Study.of(runs)
    named = {p.label: p.queries for p in study.references}
    assert len(named) == len(study.references) == 13
    assert (named["local search"], named["CR-LSO"], named["GA-NAS, about"]) == (800, 800, 6000)
    assert sorted(p.queries or 0 for p in study.published if p.label == "local search") == [
        150, 200, 300, 400, 800, 1000,
    ]  # fmt: skip


def test_published_results_are_drawn_at_their_queries(runs: Any, words: Any, assert_tidy: Any) -> None:
    figure = anytime(runs)
    axes = figure.axes[0]
    at = sorted(line.get_xdata()[0] for line in axes.lines if line.get_marker() == "X")
    assert at == [200, 400, 800], "those of one method have one marker"
    said = words(figure)
    assert "GA-NAS, about, 6000 queries: 95.00 [" in said and "CR-LSO, 800 queries: 94.89 ± 0.06 [" in said
    assert "* Cassimon et al. query the XGB ensemble of NAS-Bench-301 v1.0" in said
    assert_tidy(figure)
    assert_tidy(box(runs))


def test_a_result_far_from_ours_stays_at_the_edge(make_two: Any, words: Any, assert_tidy: Any) -> None:
    """The best of a random search on NAS-Bench-101, 90.38 ± 5.51, beside ours at 94."""
    run = make_two([(94.0 + 0.001 * at, 0.0) for at in range(300)], single=True, names=("test_108", "x"))
    figure = anytime({"ours": [replace(run, request=replace(run.request, problem=ProblemSpec("nb101")))]})
    bottom, top = figure.axes[1].get_ylim()
    assert bottom > 92 and top < 96
    marks = [line.get_ydata()[0] for line in figure.axes[1].lines if line.get_marker() != "None"]
    assert len(marks) == 21 and all(bottom <= y <= top for y in marks)
    assert "random (NASWOT), 100 queries: 90.38 ± 5.51" in words(figure)
    assert_tidy(figure)


@given(st.lists(st.floats(-50, 250), min_size=1, max_size=12))
def test_spread_keeps_order_distance_and_bounds(wanted: list[float]) -> None:
    placed = spread(sorted(wanted), gap=10.0, top=200.0)
    assert all(b - a >= 10.0 - 1e-6 for a, b in pairwise(placed))
    assert min(placed) >= -1e-6 and max(placed) <= 200.0 + 1e-6


def test_spread_moves_only_what_is_too_close() -> None:
    assert spread([20.0, 100.0, 102.0], gap=10.0, top=200.0) == [20.0, 96.0, 106.0]
    assert spread([], gap=10.0, top=200.0) == []
