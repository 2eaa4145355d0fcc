from __future__ import annotations

from itertools import islice
from typing import Any

from archloom.analysis.figures import COLOURS
from archloom.analysis.study import Study
from archloom.analysis.study_figures import DASHES, bands_of, named, styles


def test_styles_differ_for_as_long_as_they_can() -> None:
    count = len(COLOURS) * len(DASHES)
    drawn = list(islice(styles(), count + 1))
    assert len({(style["color"], style["linestyle"]) for style in drawn[:count]}) == count
    assert drawn[count] == drawn[0]
    varied = list(islice(styles(varied=True), count))
    assert len({style["linestyle"] for style in varied[:4]}) == 4, "dashes differ at once"
    assert len({(style["color"], style["linestyle"]) for style in varied}) == count


def test_a_name_says_how_many_runs_found_something(make_report: Any) -> None:
    wanted = {"constraints": ["cifar10_fpga_latency_ms<=5"]}
    study = Study.of({"_a": [make_report([0], **wanted), make_report([63], seed=1, **wanted)]})
    assert named(study, "_a") == " _a (n = 1; 1 found nothing)"


def test_a_band_spans_what_its_runs_asked_and_is_missing_if_they_found_nothing(make_report: Any) -> None:
    study = Study.of({"a": [make_report([1, 3, 63]), make_report([1, 7], seed=1)], "b": [make_report([1])]})
    curves = {label: [report.curve for report in reports] for label, reports in study.reports.items()}
    bands = bands_of(study, lambda label: curves[label] if label == "a" else [])
    assert list(bands) == ["a"]
    grid, band = bands["a"]
    assert (grid[0], grid[-1]) == (1.0, 3.0)
    assert band.mean[0] == curves["a"][0][0][1]
