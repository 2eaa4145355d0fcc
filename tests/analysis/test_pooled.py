from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from archloom.analysis.pooled import Setting, format_pooled, pool, shared_metrics
from archloom.analysis.significance import EVERY, Wanted
from archloom.errors import InputError


def setting(make_two: Any, name: str, gain: float, seeds: int = 3, metric: str = "y", labels: str = "ab") -> Setting:
    """Runs of which those of the second strategy find `gain` more."""
    found = {
        label: [
            make_two([(seed, 0.0), (10.0 + seed + gain * place, 0.0)], seed=seed, single=True, names=(metric, "x"))
            for seed in range(seeds)
        ]
        for place, label in enumerate(labels)
    }
    return Setting.of(name, found)


def test_settings_are_pooled(make_two: Any) -> None:
    settings = [setting(make_two, "one", 1.0), setting(make_two, "two", 2.0), setting(make_two, "three", 0.5)]
    pooled = pool(settings, shared_metrics(settings, ()), Wanted.parse(["b:a"], paired=True))
    (test,) = pooled.tests.results
    assert (test.n, test.p, test.metric) == (9, 1 / 512, "y")
    unpaired = pool(settings, shared_metrics(settings, ()), Wanted.parse(["b:a"], paired=False)).tests.results[0]
    assert (unpaired.n, unpaired.n_worse) == (9, 9)
    data = json.loads(json.dumps(pooled.to_json()))
    row = data["settings"][1]["metrics"]["y"]["b"]
    assert (row["mean"], row["std"], row["n"]) == (13.0, 1.0, 3)
    assert row["interval"][0] < 13.0 < row["interval"][1]
    text = format_pooled(pooled)
    assert "two: y on own.py, more is better" in text
    assert "tests over 3 settings together:" in text
    line = next(line.split() for line in text.splitlines() if line.startswith("b ") and "Wilcoxon" in line)
    assert line == ["b", "a", "Wilcoxon", "signed-rank", "9", "0", "0.001953", "0.002*"]


def test_metrics_of_other_names_are_tested_together_and_it_is_said(make_two: Any) -> None:
    settings = [setting(make_two, "one", 1.0), setting(make_two, "two", 1.0, metric="score")]
    pooled = pool(settings, shared_metrics(settings, ()), Wanted.parse([], paired=True))
    assert {test.metric for test in pooled.tests.results} == {"y / score"}
    assert "Differences of y / score are ranked together as they are." in pooled.notes
    with pytest.raises(InputError, match="--metric y: two has no such values; expected score"):
        shared_metrics(settings, ["y"])


def test_strategies_that_a_setting_lacks(make_two: Any) -> None:
    settings = [setting(make_two, "one", 1.0, labels="abc"), setting(make_two, "two", 1.0)]
    pooled = pool(settings, shared_metrics(settings, ()), EVERY)
    assert {test.better for test in pooled.tests.results} == {"a", "b"}
    assert "Not in every folder, so not tested: c." in pooled.notes
    with pytest.raises(InputError, match="--test names c, of which two has no runs: expected one of a, b"):
        pool(settings, shared_metrics(settings, ()), Wanted.parse(["c:a"]))


def test_several_objectives(make_two: Any) -> None:
    runs = {label: [make_two([(1.0 + n, 2.0)], seed=s) for s in range(2)] for n, label in enumerate("ab")}
    both = Setting.of("both", runs)
    assert (both.name, list(both.values)) == ("both", ["hypervolume", "y", "x"])
    pooled = pool([both], shared_metrics([both], ()), EVERY)
    assert len(pooled.tests.results) == 6
    assert len(pool([both], shared_metrics([both], ["x"]), EVERY).tests.results) == 2
    one = setting(make_two, "one", 1.0)
    with pytest.raises(InputError, match="different numbers of objectives"):
        shared_metrics([both, one], ())
    with pytest.raises(InputError, match="--metric x is given twice"):
        shared_metrics([both], ["x", "y", "x"])


def test_runs_that_found_nothing_and_a_standard_deviation_of_these_runs(make_two: Any) -> None:
    runs = {
        "a": [make_two([(1.0 + s, 0.0)], seed=s, single=True) for s in range(2)],
        "b": [make_two([None], single=True)],
    }
    pooled = pool([Setting.of("one", runs)], [("y",)], Wanted.parse(["a:b"], ddof=0))
    (test,) = pooled.tests.results
    assert (test.test, test.p) == ("Mann-Whitney", pytest.approx(1 / 3)), (
        "the one that found nothing is the last of three"
    )
    text = format_pooled(pooled)
    assert f"1.5 ± {np.std([1.0, 2.0]):.2g}" in text and "mean ± std (ddof 0)" in text
    assert "1 (none found anything)" in text
