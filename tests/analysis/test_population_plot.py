"""How populations learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs

pytest.importorskip("matplotlib", reason="plots need the extra plots")

from archloom.analysis.lineage import births, generations
from archloom.analysis.population_plot import population
from archloom.constraints import Criteria, Objective
from archloom.errors import InputError
from archloom.runs.report import RunReport


def worth(run: RunReport) -> np.ndarray[Any, Any]:
    """(chunks, members) the values in a run."""
    return np.array(
        [[line.scores["worth"] for line in chunk.trials.values()] for chunk in generations(run.history.lines)]
    )


def labelled(axes: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_the_best_the_median_and_every_member(make_population: Any, words: Any, assert_tidy: Any) -> None:
    run = make_population()
    figure = population({"pbt_nas": [run]})
    axes: Any = figure.axes[0]
    values, drawn = worth(run), labelled(axes)
    assert drawn["best of the chunk"].get_xdata().tolist() == [2, 4, 6, 8]
    assert drawn["best of the chunk"].get_ydata().tolist() == values.max(axis=1).tolist()
    assert drawn["median and quartiles"].get_ydata() == pytest.approx(np.median(values, axis=1))
    born = births(run.history.lines)
    members = [line for line in axes.lines if line.get_alpha() == 0.35]
    assert len(members) == 8 + len(born), "a curve for each network"
    begins = sorted(line.get_xdata()[0] for line in members)
    assert begins == [2] * 8 + sorted(birth.epoch for birth in born), "a child's begins at its base's chunk"
    assert (axes.get_xlabel(), axes.get_xlim()) == ("epochs", (0, 8))
    assert "How the population learns: worth" in words(figure) and "8 members" in words(figure)
    assert_tidy(figure)


def test_less_may_be_better(make_population: Any) -> None:
    run = make_population()
    least = replace(run, scenario=replace(run.scenario, criteria=Criteria((Objective("worth", "min"),))))
    drawn = labelled(population({"pbt_nas": [least]}).axes[0])
    assert drawn["best of the chunk"].get_ydata().tolist() == worth(run).min(axis=1).tolist()


def test_a_band_of_standard_deviations(make_population: Any, words: Any) -> None:
    """As in PBT-NAS's Figure 3."""
    runs = [make_population(), make_population(crossover_prob=0.9)]
    figure = population({"pbt_nas": runs}, band="std")
    bests = np.array([worth(run).max(axis=1) for run in runs])
    low, high = bests.mean(axis=0) - bests.std(axis=0, ddof=1), bests.mean(axis=0) + bests.std(axis=0, ddof=1)
    axes: Any = figure.axes[0]
    drawn = axes.collections[0].get_paths()[0].vertices
    for end, each in zip((2, 4, 6, 8), zip(low, high, strict=True), strict=True):
        own = drawn[drawn[:, 0] == end, 1]
        assert (own.min(), own.max()) == pytest.approx(each)
    bottom, top = axes.get_ylim()
    assert bottom <= low[1:].min() and top >= high.max(), "the bands are within the axes"
    assert "bands: the standard deviation over seeds" in words(figure)
    with pytest.raises(InputError, match=r"--band std: a single run has no spread over seeds"):
        population({"pbt_nas": runs[:1]}, band="std")
    with pytest.raises(InputError, match=r"unknown band 'stdd'; did you mean 'std'"):
        population({"pbt_nas": runs}, band="stdd")  # type: ignore[arg-type]


def test_a_single_chunk_is_seen(make_population: Any) -> None:
    run = make_population(epochs=2)
    axes: Any = population({"pbt_nas": [run]}).axes[0]
    drawn = labelled(axes)
    low, high = axes.get_ylim()
    for name in ("best of the chunk", "median and quartiles"):
        assert drawn[name].get_marker() == "o" and low < drawn[name].get_ydata()[0] < high
    assert axes.get_xlim()[1] > drawn["best of the chunk"].get_xdata()[0] == 2, "the edge cuts no marker"
    assert drawn["best of the chunk"].get_ydata().tolist() == worth(run).max(axis=1).tolist()


def test_chunks_in_which_all_failed(make_population: Any) -> None:
    run = make_population()

    def failing(*chunks: int) -> RunReport:
        lines = [structs.replace(line, scores={}, error="broken") if line.id // 8 in chunks else line for line in whole]
        return replace(run, history=replace(run.history, lines=tuple(lines)))

    whole = run.history.lines
    drawn = labelled(population({"pbt_nas": [failing(0, 2)]}).axes[0])
    assert drawn["best of the chunk"].get_xdata().tolist() == [4, 8]
    whole = run.history.lines[:12]  # the second chunk is not complete, and only there a member succeeded
    with pytest.raises(InputError, match="no population through a complete chunk in which a member succeeded"):
        population({"pbt_nas": [failing(0)]})


def test_several_runs_have_means(make_population: Any, words: Any, assert_tidy: Any) -> None:
    one, other = make_population(), make_population("random_population")
    figure = population({"mixed": [one, other], "random": [other]}, "chunks")
    axes: Any = figure.axes[0]
    drawn = labelled(axes)
    assert list(drawn) == ["mixed (n = 2)", "random (n = 1)"]
    best = np.mean([worth(run).max(axis=1) for run in (one, other)], axis=0)
    assert drawn["mixed (n = 2)"].get_ydata() == pytest.approx(best)
    assert drawn["mixed (n = 2)"].get_xdata().tolist() == [1, 2, 3, 4]
    assert "dashed the median of the population" in words(figure)
    assert_tidy(figure)


def test_a_run_without_a_population_is_refused(make_report: Any) -> None:
    with pytest.raises(InputError, match="random trained no population through a complete chunk"):
        population({"random": [make_report([1, 2])]})
