from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archloom.analysis.study import Study
from archloom.constraints import criteria
from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.problems import RecordedProblem
from archloom.runs.warm_start import Source, WarmStart


def test_a_study_knows_its_runs(make_reports: Any) -> None:
    study = Study.of(make_reports(seeds=3, queries=12))
    assert (study.metric, study.benchmark, study.queries) == ("cifar10_valid_200", "nb201", 12)
    assert study.seeds == "3 seeds each"
    assert study.optimum == pytest.approx(91.2)
    assert study.axis_label("cifar10_valid_200") == "cifar10_valid_200 (%)"
    assert study.axis_label("cifar10_fpga_latency_ms") == "cifar10_fpga_latency_ms (ms)"
    assert "made for tests" in study.table_line
    assert {p.label for p in study.references} >= {"CADAM-500", "REA"}
    assert "DARTS" not in {p.label for p in study.references}  # it queries nothing


def test_seeds_are_counted_by_strategy_where_they_differ(make_report: Any) -> None:
    study = Study.of({"a": [make_report([1])], "b": [make_report([1]), make_report([2], seed=1)]})
    assert study.seeds == "seeds: a 1, b 2"


def test_the_best_run_follows_the_goal(make_report: Any) -> None:
    latency = {"objectives": ["cifar10_fpga_latency_ms"]}
    study = Study.of({"a": [make_report([63, 62], **latency)], "b": [make_report([0], **latency)]})
    assert study.best[0] == "b"
    assert study.optimum == pytest.approx(1.0)


def test_the_optimum_meets_the_constraints(make_report: Any) -> None:
    study = Study.of({"a": [make_report([0], constraints=["cifar10_fpga_latency_ms<=4"])]})
    assert study.optimum == pytest.approx(88.4)  # two convolutions: three take at least 4.07 ms
    assert study.references == []  # published without constraints


def test_caveats_name_the_test_metric(make_reports: Any) -> None:
    assert Study.of(make_reports()).caveats == []
    [caveat] = Study.of(make_reports(objectives=["cifar10_test_200"])).caveats
    assert "test metric (cifar10_test_200)" in caveat
    [caveat] = Study.of(make_reports(objectives=["cifar10_baseline"])).caveats
    assert "cifar10_baseline" in caveat
    [caveat] = Study.of(make_reports(constraints=["cifar10_test_200>=80"])).caveats
    assert "cifar10_test_200" in caveat


def test_caveats_name_what_runs_were_warm_started_with(make_report: Any) -> None:
    known = WarmStart((Source("/home/me/runs/first", 40, same_problem=True),), "")
    cold, warm = make_report([1, 2]), make_report([1, 2], seed=1)
    warm = replace(warm, request=replace(warm.request, warm_start=known))
    [caveat] = Study.of({"a": [cold], "b": [warm, warm]}).caveats
    assert caveat == "Warm started with 40 trials of first (the same problem), which are neither queries nor results."


def test_caveats_say_that_the_training_of_agents_is_not_counted(make_report: Any) -> None:
    drawn = make_report([1, 2])
    walked = replace(drawn, request=replace(drawn.request, strategy="apex"))
    assert Study.of({"agent": [walked, walked], "b": [drawn]}).caveats == [
        "apex: the look-ups of its training are not counted."
    ]


def on_table(report: Any, **changes: Any) -> Any:
    """The report of a run with another table."""
    table = replace(report.scenario.problem.table, **changes)
    problem = type(report.scenario.problem)(table, report.scenario.space)
    return replace(report, scenario=replace(report.scenario, problem=problem))


def test_a_surrogates_file_speaks_for_metrics_that_do_not_say(make_report: Any) -> None:
    report = on_table(make_report([1]), path=Path("a_surrogate.npz"))
    [caveat] = Study.of({"a": [report]}).caveats
    assert caveat == ("Values of cifar10_valid_200, cifar10_test_200 are predictions of a surrogate, not measurements.")
    assert Study.of({"a": [on_table(make_report([1]), source="fitted beside a surrogate")]}).caveats == []


def test_measured_metrics_of_a_surrogates_table_are_not_called_predictions(make_report: Any) -> None:
    """As in nb101_surrogate.npz, where valid_108_surrogate is predicted and the others are measured."""
    measured = make_report([1])
    table = measured.scenario.problem.table
    goals = {**table.goals, "valid_surrogate": "max"}
    more = Table.from_arrays(
        space=table.space, gene_names=table.gene_names, options=table.options, genes=table.genes, units=table.units,
        metrics={name: table.metric(name if name in table.goals else "cifar10_valid_200") for name in goals},
        goals=goals, source="partly a surrogate",
    )  # fmt: skip
    report = on_table(measured, _columns=more._columns, goals=goals, source=more.source, path=Path("nb_surrogate.npz"))
    assert Study.of({"a": [report]}).caveats == []
    wanted = criteria(["valid_surrogate"], goals)
    predicted = replace(report, scenario=replace(report.scenario, criteria=wanted, report=()))
    [caveat] = Study.of({"a": [predicted]}).caveats
    assert caveat == "Values of valid_surrogate are predictions of a surrogate, not measurements."
    shown = replace(report, scenario=replace(report.scenario, report=("valid_surrogate",)))
    assert Study.of({"a": [shown]}).caveats == [caveat]


def test_metrics_of_a_fitted_model_are_called_predictions(make_report: Any) -> None:
    measured = make_report([1])
    goals = {"valid_fitted": "max", "latency_ms_fitted": "min", "params_m": "min"}
    problem = RecordedProblem("nb201", goals, measured.scenario.problem.data)
    scenario = replace(
        measured.scenario, problem=problem, criteria=criteria(["valid_fitted"], goals, ["params_m<=3"]),
        report=("latency_ms_fitted",),
    )  # fmt: skip
    study = Study.of({"a": [replace(measured, scenario=scenario)]})
    [caveat] = study.caveats
    assert caveat == (
        "Values of valid_fitted, latency_ms_fitted are predictions of a model fitted to a table, not measured."
    )
    assert [study.unit(name) for name in goals] == ["", "ms", "millions"]
    assert [study.unit(name) for name in ("m", "_m", "val/m", "m_surrogate", "flops_m")] == [*[""] * 4, "millions"]


@pytest.mark.parametrize("reports", [{}, {"random": []}])
def test_no_runs_are_no_study(reports: Any) -> None:
    with pytest.raises(InputError, match="no runs"):
        Study.of(reports)


def test_runs_of_different_problems_do_not_mix(make_report: Any) -> None:
    first = make_report([1])
    with pytest.raises(InputError, match=r"'b' optimise cifar10_test_200 \(max\)"):
        Study.of({"a": [first], "b": [make_report([1], objectives=["cifar10_test_200"])]})
    with pytest.raises(InputError, match="'b' are on table with another table"):
        Study.of({"a": [first], "b": [make_report([1], on="table")]})


def test_runs_that_found_nothing_are_left_out(make_report: Any) -> None:
    nothing = make_report([0], constraints=["cifar10_fpga_latency_ms>=5"])
    found = make_report([63], seed=1, constraints=["cifar10_fpga_latency_ms>=5"])
    study = Study.of({"a": [nothing, found]})
    assert study.values("a") == [pytest.approx(91.2)]
    assert study.curves("a") == [[(1, pytest.approx(91.2))]]
    with pytest.raises(InputError, match="nothing to show: no architecture asked for met the constraints"):
        Study.of({"a": [nothing]}).need_best()
