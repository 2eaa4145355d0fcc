"""Metrics at several fidelities: by names, by declaration, and as curves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.tables import Table, TableError, load_table, save_table
from archloom.data.tables.fidelities import NO_FIDELITIES, Fidelities

GENES = np.array([[0], [1], [2]])
EPOCHS = re.compile(r"_(12|200)$")


def content(**more: Any) -> dict[str, Any]:
    return {
        "space": "table", "gene_names": ["op"], "options": [["a", "b", "c"]], "genes": GENES,
        "metrics": {"valid_12": [1.0, 2.0, 3.0], "valid_200": [10.0, 30.0, 20.0], "size": [1.0, 1.0, 2.0]},
        "goals": {"valid_12": "max", "valid_200": "max", "size": "min"}, "source": "made up", "units": "percent",
        **more,
    }  # fmt: skip


def declared(**more: Any) -> dict[str, Any]:
    return {"metrics": {"valid": {"12": "valid_12", "200": "valid_200"}}, **more}


def test_names_that_differ_in_a_number_are_one_metric() -> None:
    goals = dict.fromkeys(["size", "valid_12", "valid_200", "test_200", "valid_12_run0"], "max")
    found = Fidelities.from_names(goals, EPOCHS)  # type: ignore[arg-type]
    assert found == Fidelities("epochs", {"valid": {12: "valid_12", 200: "valid_200"}}, {})
    assert list(found.goals(goals)) == ["size", "valid", "valid_12", "valid_200", "test_200", "valid_12_run0"]  # type: ignore[arg-type]
    assert found.levels("valid") == (12, 200) and found.levels("size") == ()
    assert found.level_of("valid_12") == 12 and found.level_of("test_200") is None


@pytest.mark.parametrize(
    "goals",
    [
        {"valid_12": "max", "valid_200": "min"},
        {"valid": "max", "valid_12": "max", "valid_200": "max"},
        {"_12": "max", "_200": "max"},
        {"valid_64": "max", "valid_32": "max"},
    ],
)
def test_names_that_are_no_metric_together(goals: Any) -> None:
    assert not Fidelities.from_names(goals, EPOCHS).metrics


def test_a_declared_metric_has_values_at_its_fidelities(tmp_path: Path) -> None:
    path = save_table(tmp_path / "t.npz", **content(fidelities=declared(unit="steps"), seconds="size"))
    table = load_table(path)
    assert list(table.all_goals) == ["valid", "valid_12", "valid_200", "size"]
    assert table.metric("valid").tolist() == table.metric("valid", 200).tolist() == [10.0, 30.0, 20.0]
    assert table.metric("valid", 12).tolist() == [1.0, 2.0, 3.0]
    assert table.metric("size", 12).tolist() == [1.0, 1.0, 2.0], "what is counted is the same after any training"
    with pytest.raises(TableError, match=r"valid after 7 steps; it is measured after 12, 200"):
        table.metric("valid", 7)
    assert table.seconds == "size" and table.fidelities.unit == "steps"
    assert table.save(tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_a_table_that_says_nothing_has_none() -> None:
    table = Table.from_arrays(**content())
    assert table.fidelities == NO_FIDELITIES and table.seconds is None
    with pytest.raises(TableError, match="no metric 'valid'"):
        table.metric("valid")


@pytest.mark.parametrize("levels", [None, [5, 10]])
def test_a_curve_has_a_value_in_each_column(tmp_path: Path, levels: list[int] | None) -> None:
    curve = np.array([[1.0, 4.0], [2.0, np.nan], [3.0, 6.0]])
    said = {} if levels is None else {"fidelities": {"curves": {"valid": levels}}}
    table = load_table(
        save_table(
            tmp_path / "t.npz",
            **content(metrics={"valid": curve, "size": [1.0, 1.0, 2.0]}, goals={"valid": "max", "size": "min"}, **said),
        )
    )
    first, last = levels or (1, 2)
    assert table.fidelities.levels("valid") == (first, last)
    assert table.metric("valid", first).tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(table.metric("valid"), [4.0, np.nan, 6.0])
    assert not table.metric("valid").flags.writeable
    with pytest.raises(TableError, match="valid after 3 epochs"):
        table.metric("valid", 3)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"fidelities": {"unit": 3}}, r"meta\['fidelities'\]: .*expected e\.g\. {\"unit\": \"epochs\""),
        ({"fidelities": {"levels": {}}}, "unknown field `levels`"),
        ({"fidelities": {"metrics": {"valid": {"0": "valid_12"}}}}, "'valid' after 0 is 'valid_12'; expected a number"),
        ({"fidelities": {"metrics": {"valid": {"12": "valid_13"}}}}, "'valid' after 12 is 'valid_13'"),
        ({"fidelities": {"metrics": {"valid": {}}}}, "gives 'valid' 0 arrays"),
        ({"fidelities": {"metrics": {"size": {"12": "valid_12"}}}}, "expected a name that no array has"),
        ({"fidelities": {"metrics": {"valid": {"12": "valid_12", "200": "size"}}}}, "different goals"),
        ({"fidelities": {"curves": {"valid_12": [1]}}}, r"'valid_12' is \(3,\), and .* names 1 columns"),
        ({"fidelities": {"curves": {"loss": [1]}}}, "the columns of 'loss'"),
        ({"fidelities": {"curves": {"valid_12": [2, 1]}}}, "ascending numbers"),
        ({"seconds": "time"}, r"meta\['seconds'\] is 'time'; expected the name of a metric"),
    ],
)
def test_what_is_declared_wrongly(said: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        Table.from_arrays(**content(**said))


def test_a_curve_is_no_array_of_one_fidelity() -> None:
    metrics = {"valid_12": np.ones((3, 2)), "valid_200": [1.0, 2.0, 3.0], "size": [1.0, 1.0, 2.0]}
    with pytest.raises(TableError, match="'valid_12' is a curve; expected an array with one number per row"):
        Table.from_arrays(**content(metrics=metrics, fidelities=declared()))


def test_the_infinite_place_of_a_curve_is_told() -> None:
    metrics = {"valid": [[1.0, 2.0], [1.0, np.inf], [1.0, 2.0]]}
    with pytest.raises(TableError, match=re.escape("valid[1, 1] is inf")):
        Table.from_arrays(**content(metrics=metrics, goals={"valid": "max"}))


def test_what_is_declared_stands_in_the_file(tmp_path: Path) -> None:
    path = save_table(tmp_path / "t.npz", **content(fidelities=declared()))
    with np.load(path) as arrays:
        meta = json.loads(str(arrays["meta"]))
    assert meta["fidelities"]["metrics"] == declared()["metrics"]
