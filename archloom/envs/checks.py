"""Checks of what several environments take: counts, accuracies of a table, and parts of a state that was kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError

if TYPE_CHECKING:
    from archloom.data.tables import Table


def check_counts(**counts: object) -> None:
    """InputError that names the first argument that is not a whole number of at least 1."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise InputError(f"{name}={value!r}: expected a whole number of at least 1")


def percentages(
    values: NDArray[np.float64], metric: str, table: Table, notify: Callable[[str], None] | None = None
) -> NDArray[np.float64]:
    """(rows,) the values (rows,) of a table's metric as percentages, NaN for what is not measured.

    An accuracy is one; InputError for a metric that is none, or is not measured for all. A metric that only ranks
    (`Table.ordinal`) becomes the percentage of the other architectures that are worse; those without a value, as of a
    proxy that a network does not have, are the worst. `notify` is told of that.
    """
    if metric not in table.ordinal:
        check_accuracies(values, metric, table)
        return values
    if notify is not None:
        notify(f"{metric} only ranks: the value of an architecture is the percentage of the others that are worse")
    utilities = np.where(np.isnan(values), -np.inf, values if table.all_goals[metric] == "max" else -values)
    worse = np.searchsorted(np.sort(utilities), utilities)
    return 100.0 * worse / max(1, len(values) - 1)


def check_accuracies(values: NDArray[np.float64], metric: str, table: Table) -> None:
    """InputError unless the values (rows,) of a table's metric, NaN for what is not measured, are all in percent."""
    measured = np.isfinite(values)
    if not measured.all():
        raise InputError(
            f"{metric} in {table.name} is measured for {int(measured.sum()):,} of {len(values):,} cells: "
            "an environment needs all of them"
        )
    if table.all_goals[metric] != "max" or values.min() < 0 or values.max() > 100:
        raise InputError(f"{metric} in {table.name}: expected an accuracy in percent, to be maximised")


def loaded(state: Mapping[str, Any], name: str, like: NDArray[Any]) -> NDArray[Any]:
    """A copy of the array `name` of a state; InputError if it is missing or of another shape or type than `like`."""
    given = state.get(name)
    if not isinstance(given, np.ndarray) or given.shape != like.shape or given.dtype != like.dtype:
        what = f"{given.dtype} {given.shape}" if isinstance(given, np.ndarray) else "no array"
        raise InputError(
            f"state's {name} is {what}: expected {like.dtype} {like.shape}, "
            "as an environment with as many episodes and neighbours gives it"
        )
    return given.copy(order="C")
