"""Known answers of public benchmarks: what a space can say of a table that claims to hold one of it.

A space with `HasKnownAnswers` yields a `Finding` for each thing that it checks; what several spaces check is here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError

_FLOAT32 = 2.0**-23
"""The relative error of a number stored as float32 is at most half of this."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: in order or not, and in one line what was expected and found."""

    ok: bool
    what: str


class BenchmarkTable(Protocol):
    """What is looked at of an `archloom.data.tables.Table`, which need not be of the space's genes."""

    @property
    def gene_names(self) -> tuple[str, ...]: ...

    @property
    def options(self) -> tuple[tuple[str, ...], ...]: ...

    @property
    def genes(self) -> NDArray[np.integer[Any]]:
        """(n, g) row i is architecture i."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]: ...

    def metric(self, name: str) -> NDArray[np.float32]:
        """(n,) values, NaN where not measured; InputError for damaged ones."""
        ...

    def __len__(self) -> int: ...


def row_count(table: BenchmarkTable, expected: int) -> Finding:
    """Whether the table holds so many architectures."""
    return Finding(len(table) == expected, f"{len(table)} architectures, expected {expected}")


def best_values(table: BenchmarkTable, published: Mapping[str, float], tolerance: float) -> Iterator[Finding]:
    """The largest value of each of these metrics that the table has, against the published one."""
    for name, expected in published.items():
        values = readable(table, name)
        if values is not None and np.isfinite(values).any():
            best = float(np.nanmax(values))
            yield Finding(abs(best - expected) <= tolerance, f"best {name} {best:.2f}, published {expected:.2f}")


def computed(
    table: BenchmarkTable,
    name: str,
    counts: NDArray[Any],
    unit: float = 1e6,
    rounded: float = 0.0,
    whole: bool = False,
) -> Iterator[Finding]:
    """The rows of a metric that are not what was computed of their architectures, (n,) in units of `unit`.

    Nothing if the table has no such metric. What is not measured is wrong only if the metric should be `whole`.
    `rounded` is how far published values are from exact ones.
    """
    values = readable(table, name)
    if values is None:
        return
    expected = counts / unit
    wrong = np.abs(values - expected) > rounded + _FLOAT32 * np.abs(expected)  # False where not measured
    if whole:
        wrong |= np.isnan(values)
    what = f"{name}: {int(wrong.sum())} rows differ from their network's, expected 0"
    if wrong.any():
        row = int(wrong.argmax())
        what += f"; the first is row {row} with {values[row]:.9g}, its network has {expected[row]:.9g}"
    yield Finding(not wrong.any(), what)


def readable(table: BenchmarkTable, name: str) -> NDArray[np.float32] | None:
    """(n,) values of a metric; None if the table has no such metric, or a damaged one, which is reported elsewhere."""
    try:
        return table.metric(name) if name in table.metrics else None
    except InputError:
        return None
