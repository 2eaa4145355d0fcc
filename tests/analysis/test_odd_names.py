"""Names that are markup, mathematics or commands in some language: they are shown as they are, and command nothing."""

from __future__ import annotations

import io
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from archloom.analysis.figures import save
from archloom.analysis.plots import KINDS
from archloom.analysis.report import format_best, format_comparison
from archloom.analysis.study import shown_name
from archloom.analysis.trade_off import trade_off
from archloom.analysis.trade_off_report import format_trade_off

NAMES = [
    "val/acc", "acc@5", "params (M)", "µ_s", "$x_1^2$", r"\frac{a}{b}", "a_b^c", "[bold]", "</text><script>", "&amp;",
    "_hidden", "{0}", "%s", "a=b", "it's \"x\"", "a\nb", "\x1b[31mred\x07", "a\tb", "x" * 300, "-", "#1",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_every_text_and_picture(name: str, make_two: Any, words: Any) -> None:
    arch = f"{name}, {name}"
    runs = {
        name: [make_two([(1.0, 2.0), (2.0, 3.0)], seed=s, names=(name, f"{name} 2"), arch=arch) for s in range(2)],
        "b": [make_two([(1.0, 2.0)], names=(name, f"{name} 2"), arch=arch, report=[{f"t {name}": 1.0}])],
    }
    for text in (format_comparison(runs), format_best(runs[name][0], name), format_best(runs["b"][0])):
        assert "\x1b" not in text and "\x07" not in text and "\t" not in text
        assert all(line.isprintable() for line in text.split("\n"))
    assert shown_name(name) in " ".join(format_comparison(runs).split())
    assert format_trade_off(trade_off(runs), runs).replace("\n", "").isprintable()
    for kind in ("anytime", "pareto", "sampled"):
        figure = KINDS[kind].draw(runs)
        shown = words(figure)
        assert shown_name(name) in shown
        assert [handle for handle in figure.axes[0].get_legend_handles_labels()[1] if shown_name(name) in handle]
        assert shown.isprintable()


def test_pictures_of_such_names_are_well_formed(make_two: Any, tmp_path: Path) -> None:
    for number, name in enumerate(["</text><script>", "&amp;$", r"\frac{a}{b}$"]):
        figure = KINDS["anytime"].draw({name: [make_two([(1.0, 2.0)], names=(name, "x"))]})
        for kind in ("svg", "pdf"):
            save(figure, tmp_path / f"{number}.{kind}")
        ET.fromstring((tmp_path / f"{number}.svg").read_bytes())  # noqa: S314 - it is our own file


def test_characters_that_the_font_lacks_are_said_once(make_two: Any, tmp_path: Path) -> None:
    figure = KINDS["anytime"].draw({"精度": [make_two([(1.0, 2.0)], names=("精度", "x"))]})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        save(figure, tmp_path / "plot.png")
    assert [str(warning.message) for warning in said] == [
        f"{tmp_path}/plot.png: the plot's font lacks 度 精, which are drawn as boxes"
    ]


@pytest.mark.parametrize("name", ["$", "$$", "^_^", "\\", "a$b$c"])
def test_no_name_is_mathematics(name: str, make_two: Any) -> None:
    reports = {name: [make_two([(1.0, 2.0), (2.0, 1.0)], names=(name, "x"), arch=name)]}
    for kind in ("box", "hypervolume"):
        KINDS[kind].draw(reports).savefig(io.BytesIO(), dpi=10)
