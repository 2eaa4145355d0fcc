"""What a study is, and how its rows are shown."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """A study by its title in one line; `run` takes the command's arguments and returns rows of the same columns."""

    title: str
    run: Callable[[argparse.Namespace], Sequence[Row]]


def show(rows: Sequence[Row]) -> None:
    """Print rows as a table for people."""
    columns = list(zip(rows[0], *(map(_shown, row.values()) for row in rows), strict=True))
    widths = [max(map(len, column)) for column in columns]
    for line in zip(*columns, strict=True):
        print("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
