from __future__ import annotations

import numpy as np
import pytest

from archloom.data.tables import Table
from archloom.envs.checks import check_counts, percentages
from archloom.errors import InputError


def test_counts_of_any_integer_type() -> None:
    check_counts(slots=1, steps=np.int64(3))


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "2", None])
def test_the_first_that_is_none_is_named(value: object) -> None:
    with pytest.raises(InputError, match=f"^steps={value!r}: expected a whole number of at least 1$"):
        check_counts(slots=1, steps=value, depth=0)


def table(goal: str = "max", ordinal: tuple[str, ...] = ("score",)) -> Table:
    return Table.from_arrays(
        space="table", gene_names=["a"], options=[list("vwxyz")], genes=np.arange(5)[:, None],
        metrics={"score": [3.0, np.nan, 700.0, 3.0, -1.0]}, goals={"score": goal}, source="", units="", ordinal=ordinal,
    )  # fmt: skip


def test_a_metric_that_only_ranks_becomes_percentages() -> None:
    """Of the four others so many are worse; what has no value is worse than all."""
    said: list[str] = []
    values = table().metric("score").astype(np.float64)
    assert percentages(values, "score", table(), said.append).tolist() == [50, 0, 100, 50, 25]
    assert said == ["score only ranks: the value of an architecture is the percentage of the others that are worse"]
    assert percentages(values, "score", table("min")).tolist() == [50, 0, 25, 50, 100]
    assert percentages(np.array([7.0]), "score", table()).tolist() == [0]


def test_any_other_metric_must_be_an_accuracy() -> None:
    with pytest.raises(InputError, match=r"an environment needs all of them"):
        percentages(table().metric("score").astype(np.float64), "score", table(ordinal=()))
    accuracies = np.array([0.0, 50.0, 100.0])
    assert percentages(accuracies, "score", table(ordinal=())) is accuracies
