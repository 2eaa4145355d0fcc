"""Pictures of runs with several objectives."""

from __future__ import annotations

import dataclasses
from typing import Any

import moocore
import numpy as np
import pytest

from archloom.analysis.pareto_plots import hypervolume, pareto
from archloom.analysis.study import front_of
from archloom.constraints import criteria
from archloom.errors import InputError
from archloom.problems import RecordedProblem

TWO = ("cifar10_valid_200", "cifar10_fpga_latency_ms")
TABLE = "Pareto set of the table"


def line_of(figure: Any, label: str) -> Any:
    [line] = [line for line in figure.axes[0].lines if str(line.get_label()).startswith(label)]
    return line


def test_pareto_says_its_hypervolume_and_reference(make_report: Any, words: Any, assert_tidy: Any) -> None:
    """Rows 0, 1 and 63: (87.0, 1.0), (87.7, 2.01), (91.2, 7.63); the reference is the worst of each."""
    figure = pareto({"a": [make_report([0, 1, 63], objectives=TWO)]})
    volume = (87.7 - 87.0) * (7.63 - 2.01)  # the two extremes touch the reference's sides
    assert f"a (n = 1): {volume:.3f}" in words(figure)
    assert "cifar10_fpga_latency_ms = 7.63" in words(figure) and "cifar10_valid_200 = 87" in words(figure)
    assert_tidy(figure)


def test_pareto_steps_go_through_the_front(make_report: Any) -> None:
    line = line_of(pareto({"a": [make_report([0, 1, 32, 63], objectives=TWO)]}), "a ")
    np.testing.assert_allclose(line.get_xdata(), [1.0, 2.01, 2.01, 7.63, 7.63], rtol=1e-5)  # row 32 is dominated
    np.testing.assert_allclose(line.get_ydata(), [87.0, 87.0, 87.7, 87.7, 91.2], rtol=1e-5)


def test_runs_on_two_spaces_with_what_is_published_of_both_objectives(
    make_two: Any, words: Any, assert_tidy: Any
) -> None:
    """As if on CIFAR-10: accuracies of NAGO's Table 2 at the memory of its Table 4, in view."""

    def on(space: str, values: Any) -> Any:
        report = make_two(values, names=("valid_accuracy", "memory_mb"))
        problem = RecordedProblem(space, report.scenario.problem.goals, None)
        asked = dataclasses.replace(report.request, problem=report.request.problem.changed(on="images:cifar10"))
        return dataclasses.replace(
            report, request=asked, scenario=dataclasses.replace(report.scenario, problem=problem)
        )

    figure = pareto({"bohb on hnag": [on("hnag", [(90, 20), (92, 30)])], "bohb on rnag": [on("rnag", [(89, 25)])]})
    said = words(figure)
    assert "HNAG-BOHB: 95.60 at 17.00 [1, 2]" in said and "RNAG-BOHB: 93.50 at 57.90 [1, 2]" in said
    assert "Spaces: bohb on hnag hnag, bohb on rnag rnag." in said and "NAGO paper (2020), Table 4" in said
    (left, right), (bottom, top) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
    assert left < 17 and right > 57.9 and bottom < 89 and top > 95.6
    assert_tidy(figure)


def test_pareto_needs_something_to_show_accuracy_against(make_reports: Any) -> None:
    with pytest.raises(InputError, match=r"two objectives, these runs have 1 \(cifar10_valid_200\).*--against METRIC"):
        pareto(make_reports())
    with pytest.raises(InputError, match="unknown metric 'cifar10_latency'; did you mean 'cifar10_fpga_latency_ms'"):
        pareto(make_reports(), against=["cifar10_latency"])
    with pytest.raises(InputError, match="--against cifar10_valid_200: it is what these runs optimise"):
        pareto(make_reports(), against=["cifar10_valid_200"])


def test_runs_of_one_objective_against_another_metric(make_report: Any, words: Any, assert_tidy: Any) -> None:
    """The same picture as of runs that had both objectives."""
    rows = [5, 0, 1, 32, 63]
    one = pareto({"a": [make_report(rows)]}, against=TWO[1:])
    two = pareto({"a": [make_report(rows, objectives=TWO)]})
    for label in ("a ", TABLE):
        np.testing.assert_allclose(line_of(one, label).get_xdata(), line_of(two, label).get_xdata(), rtol=1e-6)
        np.testing.assert_allclose(line_of(one, label).get_ydata(), line_of(two, label).get_ydata(), rtol=1e-6)
    assert "The runs optimised cifar10_valid_200 alone." in words(one) and "alone" not in words(two)
    assert_tidy(one)


def test_points_of_the_sets_have_their_steps(make_report: Any, assert_tidy: Any) -> None:
    """Row 32 is dominated: it has as many convolutions as row 1, and a higher latency."""
    figure = pareto({"a": [make_report([63, 32, 0, 1], objectives=TWO)]})
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["1", "3", "4"]
    assert_tidy(figure)


def test_several_costs_have_panels(make_report: Any, words: Any, assert_tidy: Any) -> None:
    figure = pareto({"a": [make_report([0, 1, 63])]}, against=["cifar10_fpga_latency_ms", "cifar10_baseline"])
    assert [axes.get_xlabel().split()[0] for axes in figure.axes] == ["cifar10_fpga_latency_ms", "cifar10_baseline"]
    assert "more is better" in figure.axes[1].get_xlabel(), "the table says so"
    assert "cifar10_valid_200 against cifar10_fpga_latency_ms and cifar10_baseline" in words(figure)
    assert_tidy(figure)


def test_labels_are_omitted_where_there_is_no_room(make_two: Any, assert_tidy: Any) -> None:
    figure = pareto({"a": [make_two([(float(i), float(i)) for i in range(400)])]})
    assert 20 < len(figure.axes[0].texts) < 400
    assert_tidy(figure)


def test_a_hypervolume_needs_several_objectives(make_reports: Any) -> None:
    with pytest.raises(InputError, match=r"several objectives, these runs have one \(cifar10_valid_200\)"):
        hypervolume(make_reports())


@pytest.mark.parametrize("goals", [("max", "min"), ("max", "max"), ("min", "min"), ("min", "max")])
@pytest.mark.parametrize("seed", range(3))
def test_every_pareto_set_is_whole_within_the_axes(goals: Any, seed: int, make_two: Any) -> None:
    """Also where its ends are worse by one objective than nearly all other queries, and the best by the other."""
    rng = np.random.default_rng(seed)
    cloud = rng.normal(0, 1, (200, 2))
    signs = np.array([1.0 if goal == "max" else -1.0 for goal in goals])
    ends = signs * np.array([[9.0, -50.0], [-70.0, 8.0]])
    figure = pareto({"a": [make_two([*cloud, *ends], goals)]})
    (low_x, high_x), (low_y, high_y) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
    front = front_of(np.array([*cloud, *ends]), criteria(["y", "x"], dict(zip("yx", goals, strict=True))))
    assert len(front) > 4 and all(end in front.tolist() for end in ends.tolist())
    assert (low_y < front[:, 0]).all() and (front[:, 0] < high_y).all()
    assert (low_x < front[:, 1]).all() and (front[:, 1] < high_x).all()


def test_bad_points_do_not_squash_the_rest_and_are_counted(make_two: Any, words: Any) -> None:
    rng = np.random.default_rng(0)
    cloud = [*rng.normal(0, 1, (200, 2)), (-1e6, 1e6), (-1e6, 1e6)]
    figure = pareto({"a": [make_two(cloud)]})
    assert figure.axes[0].get_ylim()[0] > -10 and figure.axes[0].get_xlim()[1] < 10
    (outside,) = [part for part in words(figure).split(". ") if part.startswith("Outside the view")]
    assert 2 <= int(outside.split()[3]) <= 20 and outside.endswith("of 202 queries")


def test_the_whole_front_of_the_table_is_drawn(make_report: Any, words: Any) -> None:
    """With n convolutions, the first row that has them is the quickest."""
    figure = pareto({"a": [make_report([0, 1], objectives=TWO)]})
    line = line_of(figure, TABLE)
    np.testing.assert_allclose(line.get_ydata()[::2], 87.0 + 0.7 * np.arange(7), rtol=1e-6)
    np.testing.assert_allclose(line.get_xdata()[::2], [1 + n + 0.01 * (2**n - 1) for n in range(7)], rtol=1e-6)
    assert f"{TABLE} (7)" in words(figure)
    assert figure.axes[0].get_ylim()[1] > 91.2 and figure.axes[0].get_xlim()[1] > 7.63


def test_the_front_of_the_table_meets_the_constraints(make_report: Any) -> None:
    settings: Any = {"objectives": TWO, "constraints": ["cifar10_fpga_latency_ms<=5"]}
    line = line_of(pareto({"a": [make_report([0, 1], **settings)]}), TABLE)
    np.testing.assert_allclose(line.get_ydata()[::2], 87.0 + 0.7 * np.arange(4), rtol=1e-6)


def test_one_run_each_is_not_called_a_mean(make_report: Any, make_reports: Any, words: Any) -> None:
    one = words(pareto({"a": [make_report([0, 1], objectives=TWO)]}))
    assert "over runs" not in one and "of all runs" not in one
    several = words(pareto(make_reports(objectives=TWO)))
    assert "mean ± std over runs" in several and "Pareto set of all runs of a strategy together" in several


# -- hypervolume


def test_hypervolume_over_queries(make_report: Any, words: Any, assert_tidy: Any) -> None:
    """From (87.0, 7.63), the worst of the table: rows 0, 1 and 63 have (87.0, 1.0), (87.7, 2.01), (91.2, 7.63)."""
    figure = hypervolume({"a": [make_report([0, 1, 63], objectives=TWO)]})
    line = line_of(figure, "a ")
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(line.get_ydata(), [0, 0.7 * (7.63 - 2.01), 0.7 * (7.63 - 2.01)], rtol=1e-5)
    quickest = np.array([1 + n + 0.01 * (2**n - 1) for n in range(7)])
    whole = float((0.7 * (7.63 - quickest[1:])).sum())
    np.testing.assert_allclose(line_of(figure, TABLE).get_ydata(), whole, rtol=1e-5)
    assert "Each line is one run." in words(figure)
    assert "cifar10_fpga_latency_ms = 7.63, cifar10_valid_200 = 87, the worst value" in words(figure)
    assert_tidy(figure)


def test_hypervolume_takes_three_objectives(make_reports: Any) -> None:
    reports = make_reports(objectives=(*TWO, "cifar10_baseline"))
    runs = reports["random"]
    expected = np.mean([run.history.hypervolume([87.0, 7.63, 89.7]) for run in runs])
    assert line_of(hypervolume(reports), "random").get_ydata()[-1] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(InputError, match="--kind hypervolume, which takes any number"):
        pareto(reports)
    with pytest.raises(InputError, match="a hypervolume is against one metric"):
        hypervolume(reports, against=TWO)


def test_the_hypervolume_of_runs_of_one_objective(make_report: Any) -> None:
    rows = [0, 1, 63]
    one = line_of(hypervolume({"a": [make_report(rows)]}, against=TWO[1:]), "a ")
    two = line_of(hypervolume({"a": [make_report(rows, objectives=TWO)]}), "a ")
    np.testing.assert_allclose(one.get_ydata(), two.get_ydata(), rtol=1e-5)


def test_it_is_the_hypervolume_of_the_queries_until_then(make_two: Any) -> None:
    rows = np.random.default_rng(1).normal(0, 1, (60, 2))
    curve = make_two(rows).history.hypervolume_curve([-3.0, 3.0])
    signs = np.array([1.0, -1.0])
    volumes = [moocore.hypervolume(rows[:n] * signs, ref=[-3.0, -3.0], maximise=True) for n in range(1, 61)]
    assert curve == [(n, pytest.approx(volume)) for n, volume in enumerate(volumes, start=1)]
