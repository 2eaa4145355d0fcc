from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots need the extra plots")

import matplotlib

from archloom.analysis import plots
from archloom.analysis.plots import KINDS, anytime, box, cell
from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs.budgets import Limits
from archloom.runs.folders import run_in_memory
from archloom.runs.prepare import Request
from archloom.spaces.base import Categorical

# -- the kinds


def test_every_kind_has_a_title() -> None:
    assert set(KINDS) == {
        "anytime", "box", "pareto", "hypervolume", "population", "lineage", "family", "levels", "surrogate",
        "sampled", "topology", "state", "cell", "networks", "budgets", "gain",
    }  # fmt: skip


def test_options_go_to_kinds_that_take_them(make_reports: Any) -> None:
    assert KINDS["anytime"].with_options({"over": "queries"})(make_reports()).axes
    for kind, given, said in [
        ("box", {"over": "queries"}, "--over queries: this kind of plot takes no such option.*anytime or hypervolume"),
        ("anytime", {"against": ("x", "y")}, "--against x: .*draw --kind pareto or hypervolume"),
    ]:
        with pytest.raises(InputError, match=said):
            KINDS[kind].with_options(given)
    assert all(kind.title for kind in KINDS.values())


def test_a_resource_is_known_by_what_it_counts(make_reports: Any, make_population: Any) -> None:
    with pytest.raises(InputError, match=r"unknown axis 'epochs'.*queries, resource, seconds"):
        KINDS["anytime"].with_options({"over": "epochs"})(make_reports())
    run = {"pbt_nas": [make_population()]}
    for kind in ("anytime", "population", "lineage", "family"):
        by_name, by_kind = (KINDS[kind].with_options({"over": over})(run).axes[0] for over in ("epochs", "resource"))
        assert by_name.get_xlabel() == by_kind.get_xlabel() and by_name.get_xlabel().startswith("epochs")
    with pytest.raises(InputError, match=r"unknown axis 'queries'.*chunks, epochs, resource, seconds"):
        KINDS["lineage"].with_options({"over": "queries"})(run)


@pytest.mark.parametrize("kind", ["anytime", "box"])
@pytest.mark.parametrize("metric", ["cifar10_valid_200", "cifar10_test_200", "cifar10_baseline"])
def test_published_numbers_stand_beside_ones_own(
    kind: str, metric: str, make_reports: Any, words: Any, assert_tidy: Any
) -> None:
    figure = KINDS[kind].draw(make_reports(objectives=[metric]))
    said = words(figure)
    tested = metric != "cifar10_valid_200"
    assert ("GA-NAS, 444 queries: 94.34 ± 0.05 [1]" in said) == tested
    assert ("CADAM-500, 500 queries: 91.36 ± 0.19" in said) == (not tested)
    assert "Mills (2020, CADAM thesis), Table 4.1" in said
    assert "best in the table" in said
    assert "made for tests" in said and "4 seeds each" in said
    assert ("Selection used a test metric" in said) == tested
    assert ("NAS-Bench-201's own test accuracy" in said) == (metric == "cifar10_baseline")
    assert f"{metric} (%)" in said
    assert_tidy(figure)


def test_anytime_draws_the_mean_of_the_curves(make_report: Any) -> None:
    runs = [make_report([0, 1, 63], seed=0), make_report([1, 3, 3 + 4], seed=1)]
    axes: Any = anytime({"random": runs}).axes[0]
    [line] = [line for line in axes.lines if line.get_label() == "random (n = 2)"]
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(line.get_ydata(), [(87.0 + 87.7) / 2, (87.7 + 88.4) / 2, (91.2 + 89.1) / 2], rtol=1e-6)
    assert line.get_drawstyle() == "steps-post"


def test_the_axis_says_what_a_query_is(make_report: Any, make_population: Any, trained: Path) -> None:
    def parse_overrides(reports: Any) -> str:
        axes: Any = anytime(reports).axes[0]
        return str(axes.get_xlabel())

    chunks = make_population()
    assert parse_overrides({"random": [make_report([1, 2])]}) == "queries (unique architectures)"
    assert parse_overrides({"pbt_nas": [chunks]}) == "queries (chunks of training)"
    assert parse_overrides({"pbt_nas": [make_population(epochs=2)]}) == "queries (chunks of training)", "one chunk"
    whole = run_in_memory(Request("random", ProblemSpec(str(trained)), 0, Limits(2), {}))
    assert (
        parse_overrides({"whole": [whole], "pbt_nas": [chunks]})
        == "queries (unique architectures or chunks of training)"
    )


def test_published_results_within_reach_stand_at_their_query_counts(make_report: Any) -> None:
    def counts(queries: int) -> list[float]:
        rows = [i % 64 for i in range(queries)]
        axes: Any = anytime({"random": [make_report(rows, objectives=["cifar10_test_200"])]}).axes[0]
        return sorted(float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() not in ("None", None, ""))

    assert counts(100) == []
    assert counts(450) == [444]
    assert counts(500) == [444, 500, 500]


def test_early_queries_do_not_squash_the_rest(make_report: Any) -> None:
    low, _ = anytime({"a": [make_report([0] + [63] * 49, objectives=["cifar10_test_200"])]}).axes[0].get_ylim()
    assert low > 92.5  # the first query has 90.0, BOHB's lower end is at 93.09


def test_runs_that_found_nothing_are_said(make_report: Any, words: Any) -> None:
    wanted = {"constraints": ["cifar10_fpga_latency_ms>=5"]}
    figure = anytime({"a": [make_report([0], **wanted), make_report([63], seed=1, **wanted)]})
    assert "a (n = 1; 1 found nothing)" in words(figure)
    assert "cifar10_fpga_latency_ms>=5" in words(figure)
    expected = (
        r"nothing to show|two objectives|several objectives|complete chunks|no levels|no such model|several networks"
    )
    for kind in KINDS.values():
        with pytest.raises(InputError, match=expected):
            kind.draw({"a": [make_report([0], **wanted)]})


@pytest.mark.parametrize("draw", [anytime, box])
def test_numbered_sources_of_published_results_have_their_footnotes(draw: Any, make_report: Any, words: Any) -> None:
    """Also with a second objective."""
    said = words(draw({"a": [make_report([1, 2], objectives=["cifar10_test_200", "cifar10_fpga_latency_ms"])]}))
    assert "[1]" in said and "Published, mean ± std: [1] " in said


def test_many_strategies_are_told_apart(make_reports: Any) -> None:
    figure = anytime(make_reports([f"strategy {i}" for i in range(12)], seeds=2))
    lines = [line for line in figure.axes[0].lines if str(line.get_label()).startswith("strategy")]
    assert len({(line.get_color(), str(line.get_linestyle())) for line in lines}) == 12


def test_box_shows_every_run(make_reports: Any) -> None:
    reports = make_reports(seeds=5)
    axes: Any = box(reports).axes[0]
    dots = [c.get_offsets() for c in axes.collections]
    shown = [np.asarray(d)[:, 1] for d in dots if len(d) == 5]
    np.testing.assert_allclose(shown, [[r.value for r in runs] for runs in reports.values()])


def test_a_minimised_objective_has_its_legend_out_of_the_way(make_reports: Any, words: Any, assert_tidy: Any) -> None:
    figure = anytime(make_reports(objectives=["cifar10_fpga_latency_ms"]))
    assert "cifar10_fpga_latency_ms (ms)" in words(figure)
    assert_tidy(figure)


@pytest.mark.parametrize("count", [1, 9])
def test_boxes_have_room_for_their_names(count: int, make_reports: Any, assert_tidy: Any) -> None:
    assert_tidy(box(make_reports([f"a_long_strategy_name_{i}" for i in range(count)], seeds=2)))


# -- levels


@pytest.mark.parametrize("settings", [{}, {"constraints": ["cifar10_fpga_latency_ms>=3", "cifar10_baseline<=99.5"]}])
def test_labels_of_levels_have_room(settings: Any, make_fitted: Any, assert_tidy: Any) -> None:
    assert_tidy(KINDS["levels"].draw({"ga_nas": [make_fitted(seed=seed, **settings) for seed in range(3)]}))


# -- cells


def test_cell_of_the_best_run_as_a_graph(make_report: Any, words: Any, assert_tidy: Any) -> None:
    reports = {"a": [make_report([0])], "b": [make_report([1, 62], seed=5)]}
    figure = KINDS["cell"].draw(reports)
    said = words(figure)
    assert "cifar10_valid_200 90.50 %, rank 2 of 64, cifar10_test_200 93.50" in said
    assert "Found by b, seed 5, at query 2 of 2." in said
    assert said.count("nor_conv_3x3") == 5 and said.split().count("none") == 1
    assert_tidy(figure)


def test_cell_of_a_space_without_graphs_is_a_table(make_report: Any, words: Any) -> None:
    said = words(cell(make_report([63], space_type=Categorical)))
    assert "0->1" in said and "2->3" in said


# -- texts and style


def test_matplotlib_is_left_as_it_was(make_reports: Any) -> None:
    before = dict(matplotlib.rcParams)
    anytime(make_reports())
    assert dict(matplotlib.rcParams) == before
    assert "pyplot" not in vars(plots)


def test_labels_with_dollars_are_not_mathematics(make_report: Any, words: Any) -> None:
    assert "$a_b$ (n = 1)" in words(anytime({"$a_b$": [make_report([1, 2])]}))
