from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.tables import Table, TableError, load_table
from archloom.data.tables.fidelities import Fidelities
from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.evaluators.table import TableEvaluator
from archloom.spaces.base import Categorical, sample_valid
from archloom.spaces.nb201 import Nb201
from archloom.spaces.table import TableSpace
from archloom.testing import check_evaluator
from archloom.types import Arch, Proposal, Resource, Result
from archloom.utils import seeds

GENES = np.array(list(itertools.product(range(2), range(3))))[:5]  # (1, 2) is missing
TABLE = Table.from_arrays(
    space="table",
    gene_names=["op", "width"],
    options=[["conv", "pool"], ["8", "16", "32"]],
    genes=GENES,
    metrics={
        "valid": [91.6, 20.0, np.nan, 40.0, 50.0],
        "test": [11.0, np.nan, 31.0, 41.0, 51.0],
        "params": [1, 2, 3, 4, 5],
    },
    goals={"valid": "max", "test": "max", "params": "min"},
    source="made for a test",
    units="percent",
)
OPTIONS = dict(zip(TABLE.gene_names, TABLE.options, strict=True))


def space() -> TableSpace:
    return TableSpace(OPTIONS, TABLE.genes)


def evaluator() -> TableEvaluator:
    return TableEvaluator(TABLE, space(), ["params"], ["valid", "test"])


def with_holes() -> TableEvaluator:
    return TableEvaluator(TABLE, space(), ["valid"], ["test"])


def look_up(*genes: int, scores: Any = ("valid", "params"), report: Any = ("test",), on: Any = None) -> Result:
    return evaluate(TableEvaluator(TABLE, on or space(), scores, report), Proposal(Arch(genes)), 0, 0)


@pytest.mark.parametrize("make", [evaluator, with_holes])
def test_contract(make: Any) -> None:
    check_evaluator(make, space, samples=20)


def test_an_evaluation_is_a_row() -> None:
    assert look_up(0, 0) == Result({"valid": 91.6, "params": 1.0}, {"test": 11.0})
    assert look_up(1, 1) == Result({"valid": 50.0, "params": 5.0}, {"test": 51.0})


def test_goals_are_those_of_the_scores() -> None:
    assert TableEvaluator(TABLE, space(), ["params", "valid"]).goals == {"params": "min", "valid": "max"}


def test_what_was_not_measured_fails_as_a_score_and_is_left_out_of_a_report() -> None:
    assert look_up(0, 2).error == "valid of op=conv, width=32 is not measured"
    assert look_up(0, 1) == Result({"valid": 20.0, "params": 2.0}, {})


def test_a_missing_row_fails() -> None:
    assert look_up(1, 2, on=Categorical(OPTIONS)).error == "op=pool, width=32 is not in <table in memory>"


def test_unknown_metrics_are_told() -> None:
    for scores, report in ((["vaild"], []), (["valid"], ["tset"])):
        with pytest.raises(TableError, match=r"no metric '(vaild|tset)'; did you mean '(valid|test)'\?"):
            TableEvaluator(TABLE, space(), scores, report)


def test_the_canonical_cell_answers_for_its_class(small_table: Path) -> None:
    table = load_table(small_table)
    cells = Nb201.for_table(dict(zip(table.gene_names, table.options, strict=True)), table.genes, canonical=True)
    rng, differ = seeds.stream(0, "test"), 0
    lookup = TableEvaluator(table, cells, ["valid"])
    for _ in range(200):
        arch = sample_valid(cells, rng)
        row, fitness = table.row(arch.genes), table.row(cells.canonical(arch).genes)  # type: ignore[arg-type]
        assert evaluate(lookup, Proposal(arch), 0, 0).scores["valid"] == pytest.approx(table.metric("valid")[fitness])
        differ += table.metric("valid")[row] != table.metric("valid")[fitness]
    assert differ > 20


def test_known_answers_of_nb201(nb201_table: Table) -> None:
    """The best cells of NAS-Bench-201 (Dong & Yang 2020, table 5)."""
    cells = Nb201()
    lookup = TableEvaluator(nb201_table, cells, ["cifar10_test_200", "cifar100_test_200"])
    for metric, best in (("cifar10_test_200", 94.37), ("cifar100_test_200", 73.51)):
        row = int(np.nanargmax(nb201_table.metric(metric)))
        result = evaluate(lookup, Proposal(Arch(tuple(nb201_table.genes[row].tolist()))), 0, 0)
        assert round(result.scores[metric], 2) == best
        assert np.float32(result.scores[metric]) == nb201_table.metric(metric)[row]
        assert len(str(result.scores[metric])) <= 9, "as few digits as tell the number"


# -- fidelities -----------------------------------------------------------------------------------------------------


def after_epochs(**more: Any) -> Table:
    """Validation after 4 and 12 epochs and test after 12, with the seconds that took."""
    metrics = {
        "valid_4": [1.0, 2.0, 3.0, 4.0, 5.0], "valid_12": [50.0, 40.0, 30.0, 20.0, np.nan],
        "test_12": [5.0, 4.0, 3.0, 2.0, 1.0], "seconds": [[7.0, 20.0]] * 5, "params": [1, 2, 3, 4, 5],
    }  # fmt: skip
    return Table.from_arrays(
        space="table", gene_names=TABLE.gene_names, options=TABLE.options, genes=GENES, metrics=metrics,
        goals={name: "min" if name in ("seconds", "params") else "max" for name in metrics}, source="made", units="",
        fidelities={
            "metrics": {"valid": {4: "valid_4", 12: "valid_12"}, "test": {12: "test_12"}},
            "curves": {"seconds": [4, 12]},
        },
        seconds="seconds", **more,
    )  # fmt: skip


def at(fidelity: int, scores: Any = ("valid",), report: Any = ("test",)) -> Result:
    evaluator = TableEvaluator(after_epochs(), space(), scores, report)
    return evaluate(evaluator, Proposal(Arch((0, 1)), fidelity), 0, 0)


def test_each_fidelity_has_its_value_and_its_seconds() -> None:
    assert at(4) == Result({"valid": 2.0}, {}, 7.0), "test was not measured after 4 epochs"
    assert at(12) == at(0) == Result({"valid": 40.0}, {"test": 4.0}, 20.0)


def test_a_fidelity_that_it_has_not_is_told() -> None:
    assert at(5).error == "InputError: fidelity 5: expected 4 or 12 epochs, or 0 for the maximum"
    assert at(12, ["params"]).error == "InputError: fidelity 12: this evaluator has only one fidelity; expected 0"


def test_a_metric_that_names_its_fidelity_has_no_other() -> None:
    assert at(0, ["valid_4"]).scores == {"valid_4": 2.0}
    assert at(12, ["valid_4"]).error == "InputError: fidelity 12: expected 4 epochs, or 0 for the maximum"
    assert at(0, ["valid_12", "valid_4"]).scores == {"valid_12": 40.0, "valid_4": 2.0}


@pytest.mark.parametrize(
    ("scores", "resource"),
    [
        (["valid", "params"], Resource.at("epochs", [4, 12], cost_from_start=True)),
        (["valid", "test"], Resource.at("epochs", [12], cost_from_start=True)),
        (["valid", "valid_4"], Resource.at("epochs", [4, 12], cost_from_start=True)),
        (["valid", "valid_12"], Resource.at("epochs", [12], cost_from_start=True)),
        (["valid_4", "valid_12"], Resource.at("epochs", [12], cost_from_start=True)),
        (["params"], None),
    ],
)
def test_the_resource_is_what_all_scores_have(scores: list[str], resource: Resource | None) -> None:
    assert TableEvaluator(after_epochs(), space(), scores).resource == resource


def test_scores_that_have_no_fidelity_in_common_are_refused() -> None:
    table = after_epochs()
    early = Fidelities("epochs", {"valid": {4: "valid_4"}, "test": {12: "test_12"}}, {})
    with pytest.raises(InputError, match="measures valid after 4; test after 12 epochs: no fidelity has all of them"):
        TableEvaluator(table.with_fidelities(early), space(), ["valid", "test"])
    with pytest.raises(InputError, match="measures valid after 4 epochs and 12 that another metric names: no fidelity"):
        TableEvaluator(table.with_fidelities(early), space(), ["valid", "test_12"])
