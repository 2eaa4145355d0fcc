"""Plots of a population that trains together: whose layers survive, and who descends from whom."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from archloom.analysis.figures import COLOURS, INK, caption, new_figure, sentence, styled
from archloom.analysis.layout import counted
from archloom.analysis.lineage import (
    NEW,
    Birth,
    Generation,
    Lineage,
    ancestry,
    births,
    children,
    giver,
    member_of,
    name_of,
    shares,
)
from archloom.analysis.study import Reports, Study
from archloom.analysis.timeline import Time, Timeline
from archloom.runs.record import TrialRecord
from archloom.strategies.population.note import MemberNote
from archloom.types import REST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OTHERS, _REINITIALISED = "#DDDDDD", "#8C8C8C"
_SHADES = ("#DEE8F0", "#B9CFE0", "#7FA6C6", "#3F74A3", "#123F6B")
"""From the worst member of a chunk to its best."""
_FAILED = "#FFFFFF"
_LINE = "#9A9A9A"
_ACCENT = COLOURS[1]
_DASHES = (0, (2.2, 1.4))
_ROW = 0.28
"""The height of a member's row, in inches."""
_BAR = 0.5
"""The share of it that is filled."""
_WIDEST = 4.0
"""How much wider the line of an ancestor that gave all layers is than that of one that gave none, in points."""
_TURN = 0.45
"""The share of a chunk's width over which a child's line runs from its parents."""


# -- whose layers survive -----------------------------------------------------------------------------------------


def lineage(reports: Reports, over: Time = "resource") -> Figure:
    """Stacked over time: the first members whose layers make up the population. One run at a time."""
    known = Lineage.only(reports, chunks=2)
    _, table = shares(known.lines)
    times = Timeline.of(known.report, known.generations, over)
    founders = [origin for origin in table if origin != NEW]
    named = founders[: len(COLOURS)]
    rest = founders[len(COLOURS) :]
    layers = [(name_of(origin), colour, table[origin]) for origin, colour in zip(named, COLOURS, strict=False)]
    if rest:
        layers.append((f"{len(rest)} others", _OTHERS, np.sum([table[origin] for origin in rest], axis=0)))
    if NEW in table:
        layers.append((name_of(NEW), _REINITIALISED, table[NEW]))
    with styled():
        figure = new_figure(7.6, 4.6)
        axes = figure.add_subplot()
        # A population is the same for a whole chunk: its shares reach from the end of the chunk before to its own.
        axes.stackplot(
            [0, *times.ends], *[100 * np.concatenate([share[:1], share]) for _, _, share in layers], step="pre",
            labels=[f"{name}: {_percent(share[-1])}" for name, _, share in layers],
            colors=[colour for _, colour, _ in layers], alpha=0.85, linewidth=0,
        )  # fmt: skip
        axes.set_xlim(0, times.ends[-1])
        axes.set_ylim(0, 100)
        axes.set_xlabel(times.label)
        axes.set_ylabel("layers of the population (%)")
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(
            handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.01, 0.5), title="layers from, at the end"
        )
        _finish(
            figure, known, "Whose layers survive",
            f"{counted(len(known.members), 'member')}; a layer counts for the member of the first population that it "
            "goes back to.",
        )  # fmt: skip
    return figure


def _percent(share: float) -> str:
    if share == 0:
        return "gone"
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"


# -- who descends from whom ---------------------------------------------------------------------------------------


def family(reports: Reports, over: Time = "resource") -> Figure:
    """Members as rows over time, shaded by their rank in each chunk, with a line from each parent to its child.

    The ancestors of the run's best trial stand out, the wider the more of its layers they passed on. One run at a time.
    """
    tree = _Tree(Lineage.only(reports, chunks=2), over)
    with styled():
        width = float(np.clip(0.4 * len(tree.times.ends) + 2.6, 7.0, 16.0))
        figure = new_figure(width, _ROW * len(tree.order) + 2.2)
        axes = figure.add_subplot()
        _draw_lives(axes, tree)
        _draw_births(axes, tree)
        if tree.known.winner is not None:
            _draw_ancestry(axes, tree, tree.known.winner)
        _frame(axes, tree)
        _draw_key(figure, axes, tree)
        _finish(figure, tree.known, "Who descends from whom", _told(tree))
    return figure


class _Tree:
    """The layout of a family tree: rows are members, the best of the last chunk first."""

    def __init__(self, known: Lineage, over: Time) -> None:
        self.known = known
        self.times = Timeline.of(known.report, known.generations, over)
        self.lines = {line.id: line for line in known.lines}
        self.births = births(known.lines)
        self.children = children(known.lines)
        self.turns = {birth.trial for birth in self.births}
        epochs = [generation.epoch for generation in known.generations]
        self._chunks = dict(zip(epochs, zip(self.times.begins, self.times.ends, strict=True), strict=True))
        self.fitness: dict[int, float] = {}  # from 0, the worst of its chunk, to 1
        for generation in known.generations:
            self.fitness |= _places(known, generation)
        last = known.generations[-1].trials
        self.order = sorted(last, key=lambda member: (-self.fitness[last[member].id], member))
        self._rows = {member: row for row, member in enumerate(self.order)}

    def row(self, trial: int) -> int:
        return self._rows[MemberNote.of(self.lines[trial].note).member]

    def begin(self, trial: int) -> float:
        """When a trial's chunk begins."""
        return self._chunks[self.lines[trial].fidelity][0]

    def span(self, trial: int) -> tuple[float, float]:
        """The x range in which a trial is drawn: a child's first chunk begins where the lines of its parents end."""
        begin, end = self._chunks[self.lines[trial].fidelity]
        return begin + _TURN * (end - begin) * (trial in self.turns), end


def _places(known: Lineage, generation: Generation) -> dict[int, float]:
    """Trial -> its rank in its chunk, by the rule of the search itself; ties share one."""
    lines = list(generation.trials.values())
    fitness = known.report.scenario.criteria.fitness(lines)
    worse = np.searchsorted(np.sort(fitness), fitness)
    return {line.id: float(place) for line, place in zip(lines, worse / max(len(lines) - 1, 1), strict=True)}


def _draw_lives(axes: Axes, tree: _Tree) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shade = LinearSegmentedColormap.from_list("fitness", _SHADES)
    spans = [tree.span(trial) for trial in tree.lines]
    colours = [_FAILED if line.error else shade(tree.fitness[trial]) for trial, line in tree.lines.items()]
    axes.barh(
        [tree.row(trial) for trial in tree.lines], [end - begin for begin, end in spans],
        left=[begin for begin, _ in spans], height=_BAR, color=colours, linewidth=0, zorder=2,
    )  # fmt: skip
    for trial, line in tree.lines.items():
        if line.error:
            begin, end = tree.span(trial)
            axes.barh(tree.row(trial), end - begin, left=begin, height=_BAR, fill=False, edgecolor=_LINE, hatch="////",
                      linewidth=0.6, zorder=2.1)  # fmt: skip


def _draw_births(axes: Axes, tree: _Tree) -> None:
    """A line from each parent to its child, and a mark where the member that it replaces ended."""
    for birth in tree.births:
        for parent in (birth.base, *birth.donors):
            _draw_descent(axes, tree, parent, birth, color=INK, linewidth=0.6, alpha=0.55, zorder=3)
    ends = [(tree.begin(birth.trial), tree.row(birth.trial)) for birth in tree.births]
    if ends:
        x, y = zip(*ends, strict=True)
        axes.scatter(x, y, marker="x", s=16, color=INK, linewidths=1.0, zorder=4)


def _draw_descent(axes: Axes, tree: _Tree, parent: int, birth: Birth, **how: Any) -> None:
    """A curve from the end of a parent's chunk to the beginning of its child; dashed unless it is the base."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    start, end = tree.begin(birth.trial), tree.span(birth.trial)[0]
    middle = (start + end) / 2
    above, below = tree.row(parent), tree.row(birth.trial)
    path = Path([(start, above), (middle, above), (middle, below), (end, below)], [Path.MOVETO, *[Path.CURVE4] * 3])
    dashes = "-" if parent == birth.base else _DASHES
    axes.add_patch(PathPatch(path, fill=False, linestyle=dashes, capstyle="butt", **how))


def _draw_ancestry(axes: Axes, tree: _Tree, winner: TrialRecord) -> None:
    """The winner's ancestors and their births, the wider the more of its layers they passed on."""
    carried = ancestry(tree.known.lines, winner.id)
    hair = 0.002 * tree.times.ends[-1]  # so that no seam shows between two chunks

    def width(genes: Collection[int]) -> float:
        return 1.0 + _WIDEST * len(set(genes) - {REST}) / len(winner.genes)

    for trial, genes in carried.items():
        inherit, birth = tree.lines[trial].inherit, tree.children.get(trial)
        begin, end = tree.span(trial if birth is None else birth.trial)[0], tree.span(trial)[1]
        row = tree.row(trial)
        axes.plot(
            [begin, end + hair], [row, row], color=_ACCENT, linewidth=width(genes), solid_capstyle="butt", zorder=5
        )
        if inherit is None or birth is None:
            continue
        for parent in (birth.base, *birth.donors):
            given = {gene for gene in genes if giver(inherit, gene) == parent}
            if given:
                _draw_descent(axes, tree, parent, birth, color=_ACCENT, linewidth=width(given), zorder=5)
    axes.scatter(tree.span(winner.id)[1], tree.row(winner.id), marker="*", s=150, color=_ACCENT, edgecolor="white",
                 linewidths=0.8, zorder=7, clip_on=False)  # fmt: skip


def _frame(axes: Axes, tree: _Tree) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, tree.times.ends[-1])
    axes.set_ylim(len(tree.order) - 0.4, -0.6)
    axes.set_yticks(range(len(tree.order)), [str(member) for member in tree.order])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    axes.set_xlabel(tree.times.label)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_ylabel("member")


def _draw_key(figure: Figure, axes: Axes, tree: _Tree) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    key: list[Any] = [
        Patch(color=_SHADES[-1], label="best of its chunk"),
        Patch(color=_SHADES[0], label="worst of its chunk"),
    ]
    if any(line.error for line in tree.lines.values()):
        key.append(Patch(facecolor=_FAILED, edgecolor=_LINE, hatch="////", label="failed chunk"))
    if tree.births:
        key.append(Line2D([], [], color=_LINE, linewidth=1.2, label="base of a child"))
        if any(birth.donors for birth in tree.births):
            key.append(Line2D([], [], color=_LINE, linewidth=1.2, linestyle=_DASHES, label="donor of layers"))
        key.append(Line2D([], [], color=INK, marker="x", markersize=5, linestyle="", label="dies"))
    if tree.known.winner is not None:
        key.append(Line2D([], [], color=_ACCENT, linewidth=3.5, label="ancestors of the best one"))
        key.append(Line2D([], [], color=_ACCENT, marker="*", markersize=11, markeredgecolor="white", linestyle="",
                          label="the best one"))  # fmt: skip
    width = figure.get_figwidth()
    columns = len(key) if width > 1.75 * len(key) else int(width / 2.2)
    axes.legend(handles=key, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.1, ncols=columns, frameon=False)


def _told(tree: _Tree) -> str:
    born = counted(len(tree.births), "child", "children")
    text = f"{counted(len(tree.order), 'member')}, the best at the end on top; {born}."
    if (winner := tree.known.winner) is not None:
        text += (
            f" The best one is member {member_of(winner)} after {tree.known.reached(winner)}; the more of its "
            "layers a line passed on, the wider it is."
        )
    return text


# -- both ---------------------------------------------------------------------------------------------------------


def _finish(figure: Figure, known: Lineage, title: str, note: str) -> None:
    request = known.report.request
    study = Study.of({request.name: [known.report]})
    caption(
        figure, [f"{title}: {request.name} on {study.benchmark}, seed {request.seed}"],
        [note, sentence(study.table_line)],
    )  # fmt: skip
