"""The plot of the best accuracy by number of queries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")

from archloom.analysis.best_by_queries import best_by_queries


@pytest.fixture
def drawn(make_episodes: Any, make_episodes_report: Any) -> Any:
    def draw(on: str = "nb101", count: int = 3_000, queries: int | None = None, **means: float) -> Any:
        rng = np.random.default_rng(0)
        by_policy = {name: make_episodes(rng.normal(mean, 1.0, count) - 80) for name, mean in means.items()}
        return best_by_queries(*make_episodes_report(by_policy, on), queries)

    return draw


def curve(axes: Any, label: str) -> Any:
    [line] = [line for line in axes.lines if line.get_label() == label]
    return np.asarray(line.get_ydata())


def test_the_mean_of_the_best_of_so_many_draws(drawn: Any) -> None:
    axes = drawn(random=92.0, apex=93.0).axes[0]
    found = curve(axes, "random")
    assert len(found) == 300 and (np.diff(found) >= 0).all()
    assert found[299] == pytest.approx(92 + 2.85, abs=0.5), "the largest of 300 normal numbers"
    assert len(axes.collections) == 2, "a band for each"


def test_no_further_than_there_are_episodes(drawn: Any, words: Any) -> None:
    figure = drawn(count=40, random=92.0)
    assert len(curve(figure.axes[0], "random")) == 40
    assert "repetitions of 40 queries (random 1)" in words(figure)


def test_the_other_papers_are_where_they_say(drawn: Any, words: Any) -> None:
    figure = drawn(random=92.0)
    axes, said = figure.axes[0], words(figure)
    points = {(float(x[0]), round(float(y[0]), 2)) for line in axes.lines if len(x := line.get_xdata()) == 1
              for y in [line.get_ydata()]}  # fmt: skip
    assert {(300, 93.59), (300, 93.69), (300, 93.89), (300, 94.19)} <= points
    assert all(name in said for name in ("NASWOT", "GraphPNAS", "NAO", "SemiNAS", "Cassimon et al., Table 1"))
    assert "random (NASWOT), 90.38 (below)" in said and (100, 90.38) not in points
    assert "of a single run rather than of the mean" in said


def test_on_darts_cells(drawn: Any, words: Any, assert_tidy: Any) -> None:
    said = words(drawn(on="nb301", random=92.0))
    assert "CR-LSO" in said and "Symflow (GPTP)" in said and "of 1,000 queries" in said
    shorter = words(drawn(on="nb301", queries=300, random=92.0))
    assert "CR-LSO" in shorter and "GPTP" not in shorter and "of 300 queries" in shorter
    assert_tidy(drawn(on="nb301", random=92.0, local_search=93.0, random_walk=92.5, apex=93.5))


def test_where_nothing_is_published(drawn: Any, words: Any) -> None:
    assert "published" not in words(drawn(on="nb201", random=92.0))


def test_policies_differ_in_grey(drawn: Any) -> None:
    axes = drawn(on="nb201", a=92.0, b=92.5, c=93.0, d=93.5).axes[0]
    assert len({line.get_linestyle() for line in axes.lines}) == 4


def test_nothing_overlaps(drawn: Any, assert_tidy: Any) -> None:
    assert_tidy(drawn(random=92.0))
    assert_tidy(drawn(random=94.0, local_search=94.2, random_walk=94.1, apex=94.3))


def test_many_policies_leave_room_for_both_legends(drawn: Any, assert_tidy: Any) -> None:
    assert_tidy(drawn(on="nb301", count=1_000, **{f"apex-{number}": 92.0 + number / 10 for number in range(12)}))
