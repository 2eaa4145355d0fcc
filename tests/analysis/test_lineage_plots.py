"""Pictures of a population."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="plots need the extra plots")

from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch, Rectangle

from archloom.analysis.figures import COLOURS
from archloom.analysis.lineage import Lineage, ancestry, births, format_lineage, shares
from archloom.analysis.lineage_plots import family, lineage
from archloom.errors import InputError
from archloom.runs.report import RunReport
from archloom.types import REST


@pytest.fixture
def run(make_population: Any) -> RunReport:
    report: RunReport = make_population()
    return report


def legend(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


# -- whose layers survive


def test_the_shares_of_a_chunk_reach_back_to_its_beginning(run: RunReport) -> None:
    axes: Any = lineage({"pbt_nas": [run]}).axes[0]
    epochs, table = shares(run.history.lines)
    first = next(iter(table))
    outline = axes.collections[0].get_paths()[0].vertices  # the lowest band, from 0 up
    for begin, end, share in zip([0, *epochs], epochs, table[first], strict=False):
        assert [begin, 100 * share] in outline.tolist() and [end, 100 * share] in outline.tolist()
    assert axes.get_xlim() == (0, 8)


def test_the_key_is_in_the_order_of_the_stack(run: RunReport) -> None:
    axes: Any = lineage({"pbt_nas": [run]}).axes[0]
    _, table = shares(run.history.lines)
    said = legend(axes)
    assert [text.split(":")[0] for text in reversed(said)] == [f"member {origin}" for origin in table]
    assert said[-1] == f"member {next(iter(table))}: {100 * next(iter(table.values()))[-1]:.0f} %"
    assert said[0].endswith(": gone"), "somebody has lost all of its layers by then"


def test_many_founders_share_a_colour_and_new_layers_have_their_own(make_population: Any) -> None:
    axes: Any = lineage({"searl": [make_population("searl", population=12, epochs=12)]}).axes[0]
    said = legend(axes)
    assert said[0].startswith("reinitialised") and said[1].startswith("4 others")
    assert len(said) == len(COLOURS) + 2
    assert len({to_hex(band.get_facecolor()[0]) for band in axes.collections}) == len(said)


# -- who descends from whom


def test_a_row_for_each_member_the_best_at_the_end_on_top(run: RunReport) -> None:
    known = Lineage.only({"pbt_nas": [run]})
    axes: Any = family({"pbt_nas": [run]}).axes[0]
    rows = [int(label.get_text()) for label in axes.get_yticklabels()]
    worth = [known.generations[-1].trials[member].scores["worth"] for member in rows]
    assert worth == sorted(worth, reverse=True) and sorted(rows) == known.members
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(bars) == len(known.lines)
    late = {bar.get_x() for bar in bars if bar.get_width() < 2}
    assert late == {2.9, 4.9, 6.9}, "a child's first chunk begins where the lines of its parents end"


def test_a_line_from_every_parent_and_a_cross_for_every_death(run: RunReport) -> None:
    known = Lineage.only({"pbt_nas": [run]})
    axes: Any = family({"pbt_nas": [run]}).axes[0]
    rows = {int(label.get_text()): row for row, label in enumerate(axes.get_yticklabels())}
    member = {line.id: int(line.note["member"]) for line in known.lines}
    curves = [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    drawn = {(*map(tuple, curve.get_path().vertices[[0, -1]]), curve.get_linestyle() == "-") for curve in curves}
    born = births(known.lines)
    assert drawn == {
        ((birth.epoch, rows[member[parent]]), (birth.epoch + 0.9, rows[birth.member]), parent == birth.base)
        for birth in born
        for parent in (birth.base, *birth.donors)
    }
    crosses = next(marks for marks in axes.collections if len(marks.get_offsets()) == len(born))
    assert crosses.get_offsets().tolist() == [[birth.epoch, rows[birth.member]] for birth in born]


def test_the_winners_ancestors_are_as_wide_as_they_gave_layers(run: RunReport) -> None:
    known = Lineage.only({"pbt_nas": [run]})
    assert known.winner is not None
    carried = ancestry(known.lines, known.winner.id)
    axes: Any = family({"pbt_nas": [run]}).axes[0]
    widths = sorted(line.get_linewidth() for line in axes.lines)
    assert widths == pytest.approx(sorted(1 + 4 * len(genes - {REST}) / 8 for genes in carried.values()))
    assert {to_hex(line.get_color()) for line in axes.lines} == {COLOURS[1].lower()}
    star = axes.collections[-1].get_offsets().tolist()
    rows = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert star == [[known.winner.fidelity, rows.index(int(known.winner.note["member"]))]]


def test_nobody_is_born_where_nobody_is_replaced(make_population: Any) -> None:
    axes: Any = family({"random_population": [make_population("random_population")]}).axes[0]
    assert not [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    assert legend(axes) == ["best of its chunk", "worst of its chunk", "ancestors of the best one", "the best one"]
    assert len(axes.lines) == 4, "the winner goes back to itself"


@pytest.mark.parametrize(("members", "chunks", "widest"), [(6, 4, 8), (24, 30, 16)])
def test_it_stays_readable(members: int, chunks: int, widest: float, make_population: Any) -> None:
    figure = family({"pbt_nas": [make_population(population=members, epochs=chunks, step=1)]})
    figure.draw_without_rendering()
    axes: Any = figure.axes[0]
    width, height = figure.get_size_inches()
    assert 7 <= width <= widest and height / members > 0.28
    drawn = axes.get_window_extent()
    assert drawn.width > 0.85 * figure.bbox.width and drawn.height / figure.dpi / members > 0.2
    key = axes.get_legend().get_window_extent()
    assert key.x1 < figure.bbox.x1 and key.y0 >= drawn.y1 - 1, "the key is above the rows, within the figure"


FAILING = """
from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask
from archloom.testing import PlantedSpace

class Failing(PlantedTask):
    def begin(self, arch, seed):
        if arch.genes[0] in {failing}:
            raise ValueError("no room")
        return super().begin(arch, seed)

problem = TaskProblem(PlantedSpace(), Failing())
"""


@pytest.mark.parametrize(("failing", "winner"), [((3,), True), ((0, 1, 2, 3), False)])
def test_failed_chunks_are_marked(failing: tuple[int, ...], winner: bool, make_population: Any, trained: Path) -> None:
    trained.write_text(FAILING.replace("{failing}", str(failing)))
    run = make_population()
    failed = [line for line in run.history.lines if line.error]
    assert failed
    axes: Any = family({"pbt_nas": [run]}).axes[0]
    hatched = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    assert len(hatched) == len(failed)
    assert "failed chunk" in legend(axes) and ("the best one" in legend(axes)) == winner
    assert ("winner: " in format_lineage(Lineage.only({"pbt_nas": [run]}))) == winner


ONLY_CHILDREN = """
from archloom.evaluators.train import TrainingEvaluator
from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask
from archloom.testing import PlantedSpace

class Failing(TrainingEvaluator):
    def evaluate(self, proposal, weights, rng):
        if proposal.fidelity == 4 or (proposal.fidelity == 6 and "parents" not in proposal.note):
            raise MemoryError("no room on the GPU")
        return super().evaluate(proposal, weights, rng)

class Trained(TaskProblem):
    def evaluator(self, scores, report):
        return Failing(self.task, self.space, scores, report)

problem = Trained(PlantedSpace(), PlantedTask())
"""


def test_the_ancestry_of_a_child_that_was_tried_again_is_whole(make_population: Any, trained: Path) -> None:
    """From the end of its parents' chunk, over the one in which it failed."""
    trained.write_text(ONLY_CHILDREN)
    run = make_population(epochs=6)
    known = Lineage.only({"pbt_nas": [run]})
    assert known.winner is not None
    (birth,) = (birth for birth in births(known.lines) if known.winner.id in birth.attempts)
    assert birth.attempts == (known.winner.id - 8, known.winner.id)
    axes: Any = family({"pbt_nas": [run]}).axes[0]
    rows = {int(label.get_text()): row for row, label in enumerate(axes.get_yticklabels())}
    spans = [line.get_xdata().tolist() for line in axes.lines if line.get_ydata()[0] == rows[birth.member]]
    assert [2.9, pytest.approx(6, abs=0.1)] in spans


# -- both


@pytest.mark.parametrize("draw", [lineage, family])
def test_one_run_of_a_population_is_needed(draw: Any, run: RunReport, make_report: Any) -> None:
    with pytest.raises(InputError, match="that of one run, these are 2"):
        draw({"pbt_nas": [run, run]})
    with pytest.raises(InputError, match="through 0 complete chunks: a lineage needs 2"):
        draw({"random": [make_report([1])]})


@pytest.mark.parametrize("draw", [lineage, family])
def test_the_data_are_named_in_a_sentence(draw: Any, run: RunReport) -> None:
    text = draw({"pbt_nas": [run]}).get_supxlabel().replace("\n", " ")
    assert text.startswith("8 members") and "Own problem " in text and text.endswith("trained.py.")
