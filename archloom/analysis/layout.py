"""Text for people: counts with their nouns, columns, wrapped notes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from archloom.utils.text import one_line

WIDTH = 100
"""Notes are wrapped at this many characters; tables are as wide as necessary."""


def counted(n: int, what: str, several: str = "") -> str:
    """A count with its noun: "1 seed", "2 seeds"; `several` is the plural if it is not regular."""
    return f"{n:,} {what if n == 1 else several or what + 's'}"


def align(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> list[str]:
    """Rows of cells as lines with aligned columns: the first and those in `left` flush left, all others flush right."""
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if j == 0 or j in left else cell.rjust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def pairs(facts: Mapping[str, str]) -> list[str]:
    """A line for each fact: its name, and what it is, each in one line whatever is in them."""
    shown = {one_line(name): one_line(text) for name, text in facts.items()}
    width = max(len(name) for name in shown)
    return [f"{name.ljust(width)}  {text}" for name, text in shown.items()]


def wrap(text: str) -> str:
    """A note in lines of at most `WIDTH` characters, if its words allow."""
    return textwrap.fill(one_line(text), WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
