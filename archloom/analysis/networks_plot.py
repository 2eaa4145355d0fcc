"""A picture of several networks of each generator: how far they spread, and what their accuracy costs (NAGO, Figures 2
and 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from archloom.analysis.figures import caption, drawable, limits, new_figure, sentence, styled
from archloom.analysis.layout import counted
from archloom.analysis.networks import SECONDS, GeneratorNetworks, Spread
from archloom.analysis.published_panel import mark_two
from archloom.analysis.published_rows import Published
from archloom.analysis.sampled import costs
from archloom.analysis.several import differences
from archloom.analysis.stats import Floats
from archloom.analysis.study import Reports, Study, shown_name
from archloom.analysis.study_figures import named, published_lines, styles
from archloom.errors import unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEMORY = "memory"


def networks(reports: Reports, against: Sequence[str] = ()) -> Figure:
    """The networks of each generator by `Spread.metric`: generators by their means, and against each cost in `against`,
    by default the memory (or else the FLOPs or the parameters) and the training time.

    Published networks of the same task are marked where their cost is known. InputError as `Spread.of`, and for a
    metric that the networks do not have.
    """
    study, found = Study.of(reports), Spread.of(reports)
    for name in against:
        if name not in found.metrics:
            raise unknown("metric", name, found.metrics)
    chosen = [name for name in dict.fromkeys(against or _costs(study, found)) if name != found.metric]
    published = [each for each in found.published if each.metric in (found.metric, *chosen)]
    shown = [each for each in found.generators if each.values(found.metric)]
    with styled():
        figure = new_figure(4.2 + 3.6 * len(chosen), 4.6)
        first, *others = figure.subplots(1, 1 + len(chosen), sharey=True, squeeze=False)[0]
        colours = {label: style["color"] for label, style in zip(reports, styles(), strict=False)}
        _draw_sorted(first, shown, found.metric, colours)
        if len(colours) > 1:
            for label, colour in colours.items():
                first.plot([], [], "o", markersize=3.5, color=colour, label=named(study, label))
            first.legend(loc="best")
        first.set_ylabel(study.axis_label(found.metric))
        for axes, cost in zip(others, chosen, strict=True):
            _draw_against(axes, shown, found.metric, cost, colours)
            if marks := mark_two(axes, published, found.metric, cost):
                axes.legend(handles=marks, title="published*", title_fontsize=8, fontsize=8, loc="best")
            if min(value for each in shown for value in each.values(cost)) >= 0:
                axes.set_xlim(left=max(0.0, axes.get_xlim()[0]))
            axes.set_xlabel(f"{study.axis_label(cost)}{' of training' if cost == SECONDS else ''}")
        first.set_ylim(*limits(_reach(shown, found.metric, published)))
        runs = len(study.runs)
        per = sorted({len(each.networks) for each in found.generators})
        title = f"{shown_name(found.metric)} of the networks of {counted(len(found.generators), 'generator')}"
        lines = [
            f"Bars: mean ± std over the networks of a generator ({' or '.join(map(str, per))} each"
            f"{f', of {runs} runs' if runs > 1 else ''}{f', after {found.trained}' if found.trained else ''}); "
            "dots: single networks.",
            *(f"{counted(count, 'network')}: {reason}." for reason, count in found.missing.items()),
            sentence(study.table_line), *differences(reports), *study.caveats, *published_lines(published),
        ]  # fmt: skip
        caption(figure, [title, f"on {study.benchmark}"], lines)
    return figure


def _costs(study: Study, found: Spread) -> list[str]:
    """The memory of a network, or else what is known of its FLOPs or parameters; and the training time."""
    memory = [name for name in found.metrics if _MEMORY in name.lower().split("_")]
    known = [name for name in costs(study.first) if name in found.metrics]
    return [*(memory or known)[:1], SECONDS]


def _values(each: GeneratorNetworks, metric: str) -> Floats:
    return drawable(np.array(each.values(metric), dtype=np.float64))


def _spread(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _draw_sorted(axes: Axes, shown: Sequence[GeneratorNetworks], metric: str, colours: Mapping[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator

    for place, each in enumerate(shown, start=1):
        values = _values(each, metric)
        _draw(axes, np.full(len(values), float(place)), values, colours[each.label])
    axes.set_xlim(0.3, len(shown) + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("generators, by their means")


def _draw_against(
    axes: Axes, shown: Sequence[GeneratorNetworks], metric: str, cost: str, colours: Mapping[str, str]
) -> None:
    for each in shown:
        x, y = _values(each, cost), _values(each, metric)
        if len(x) == len(y):  # a metric that some networks lack has no pairs
            _draw(axes, x, y, colours[each.label])


def _draw(axes: Axes, x: Floats, y: Floats, colour: str) -> None:
    """The networks of a generator, and their means with standard deviations."""
    axes.scatter(x, y, s=9, color=colour, alpha=0.35, linewidths=0, zorder=2)
    axes.errorbar(
        [x.mean()], [y.mean()], [_spread(y)], [_spread(x)], fmt="o", markersize=3.5, color=colour, linewidth=1.1,
        zorder=3,
    )  # fmt: skip


def _reach(shown: Sequence[GeneratorNetworks], metric: str, published: Sequence[Published]) -> list[float]:
    """What the vertical axis shows: all networks, their bars, and what is published of the metric."""
    found = [_values(each, metric) for each in shown]
    bars = [float(values.mean()) + side * _spread(values) for values in found for side in (-1, 1)]
    others = [each for each in published if each.metric == metric]
    return [
        *np.concatenate(found).tolist(),
        *bars,
        *(each.mean + side * (each.std or 0.0) for each in others for side in (-1, 1)),
    ]
