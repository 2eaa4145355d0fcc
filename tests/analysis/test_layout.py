from __future__ import annotations

from archloom.analysis.layout import align, counted, pairs, wrap


def test_align() -> None:
    assert align([["a", "b", "c"], ["long", "1", "x"]], left=(2,)) == ["a     b  c", "long  1  x"]


def test_counted() -> None:
    assert (counted(1, "seed"), counted(2, "seed"), counted(2_000, "child", "children")) == (
        "1 seed", "2 seeds", "2,000 children",
    )  # fmt: skip


def test_facts_and_notes_command_no_terminal() -> None:
    assert pairs({"a\x1b[31m": "x\ny\x07", "long": "z"}) == ["a     x y", "long  z"]
    assert wrap("note: \x1b]0;title\x07a\nb") == "note: a b"
