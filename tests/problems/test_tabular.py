from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom import registry
from archloom.constraints import criteria
from archloom.data.benchmarks import BENCHMARKS
from archloom.data.tables import Table, save_table
from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.problems import (
    Problem,
    ProblemSpec,
    TableProblem,
    open_scenario,
)
from archloom.spaces.base import Categorical
from archloom.spaces.nb201 import GENES, Nb201
from archloom.spaces.table import TableSpace
from archloom.types import Arch, Goal, Proposal, Result

Refuses = Callable[[ProblemSpec], str]

SPACE = Categorical({"kernel": [3, 5, 7], "width": [16, 32]})


def metrics(choices: Mapping[str, Any]) -> dict[str, float]:
    return {"acc": choices["kernel"], "size": choices["width"], "test": 1.0}


def test_any_table_is_plain_choices(small_table: Path) -> None:
    scenario = open_scenario(ProblemSpec("table", table=str(small_table)))
    assert isinstance(scenario.space, TableSpace)
    assert scenario.objectives == ("valid",)
    assert scenario.report == ("test",)
    assert evaluate(scenario.evaluator, Proposal(Arch((2,) * 6)), 0, 0) == Result({"valid": 71.0}, {"test": 70.0})


def test_a_benchmark_has_its_own_space_and_options(small_table: Path) -> None:
    plain = open_scenario(ProblemSpec("nb201", table=str(small_table))).space
    merged = open_scenario(ProblemSpec("nb201", table=str(small_table), space={"canonical": "true"})).space
    assert isinstance(plain, Nb201)
    assert isinstance(merged, Nb201)
    assert merged.size < plain.size == 729


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"on": "nb210"}, "unknown benchmark 'nb210'; did you mean 'nb201'"),
        ({"on": "image:digits"}, "(known: a file of yours, NAME.py, control:ENVIRONMENT, fitted:TABLE, gan:DATA,"),
        ({"on": "nb201", "space": {"canonicl": "1"}}, "unknown space option 'canonicl'; did you mean 'canonical'"),
        ({"on": "nb201", "space": {"canonical": "2"}}, "space option canonical=2: expected true or false"),
        (
            {"on": "table", "space": {"canonical": "1"}},
            "unknown space option 'canonical' (there are none here)",
        ),
        (
            {"on": "nbgraph:cora"},
            "--on nbgraph:cora needs one of 'nbgraph'; use --on table",
        ),
        ({"on": "table", "objectives": ("vlaid",)}, "unknown objective 'vlaid'; did you mean 'valid'"),
        (
            {"on": "table", "constraints": ("params<=-1",)},
            "no architecture in small.npz meets it (it runs from 0 to",
        ),
        (
            {"on": "table", "constraints": ("params<=0", "valid>=60")},
            "valid>=60: no architecture in small.npz meets it together with the others (it runs from 50 to 71)",
        ),
    ],
)
def test_what_does_not_fit_a_table_is_told(
    small_table: Path, asked: Mapping[str, Any], message: str, refuses: Refuses
) -> None:
    assert message in refuses(ProblemSpec(**{"table": str(small_table), **asked}))


def test_a_table_must_be_named(refuses: Refuses) -> None:
    assert refuses(ProblemSpec("table")) == "--on table needs --table FILE, a table in archloom's format"


def test_constraints_are_met_by_some_measured_architecture(small_table: Path, refuses: Refuses) -> None:
    """`holes` is measured only where the first edge is not `none`: there, at least 50.1."""
    open_scenario(ProblemSpec("table", table=str(small_table), objectives=("valid",), constraints=("valid<=50",)))
    asked = ProblemSpec("table", table=str(small_table), objectives=("holes",), constraints=("valid<=50",))
    assert "no architecture in small.npz meets it (it runs from 50.1 to 71)" in refuses(asked)


def test_a_metric_that_nobody_measured_is_no_objective(tmp_path: Path, refuses: Refuses) -> None:
    goals: dict[str, Goal] = {"valid": "max", "params": "min"}
    path = save_table(
        tmp_path / "t.npz", space="table", gene_names=["a"], options=[["x", "y"]], genes=np.array([[0], [1]]),
        metrics={"valid": [np.nan, np.nan], "params": [1.0, np.nan]}, goals=goals, source="", units="",
    )  # fmt: skip
    assert refuses(ProblemSpec("table", table=str(path))) == "objective valid: no architecture in t.npz has it measured"
    assert open_scenario(ProblemSpec("table", table=str(path), objectives=("params",))).objectives == ("params",)


def test_defaults_of_tables() -> None:
    def problem(*names: str) -> TableProblem:
        table = Table.from_arrays(
            space="table", gene_names=["a"], options=[["x", "y"]], genes=[[0], [1]],
            metrics={name: [1.0, 2.0] for name in names}, goals=dict.fromkeys(names, "max"), source="", units="",
        )  # fmt: skip
        return TableProblem(table, Categorical({"a": ("x", "y")}))

    twins = problem("size", "c10_valid_200", "c10_test_200", "c100_valid_200")
    assert twins.default_objectives() == ("c10_valid_200",)
    assert twins.default_report(("c10_valid_200",)) == ("c10_test_200",)
    assert twins.default_report(("c100_valid_200", "size", "c10_valid_200")) == ("c10_test_200",)
    assert problem("acc", "test").default_objectives() == ("acc",)
    assert problem("acc", "test").default_report(("acc",)) == ()


def test_ranks_share_places() -> None:
    table = Table.from_arrays(
        space="table", gene_names=["a"], options=[list("vwxyz")], genes=[[i] for i in range(5)],
        metrics={"acc": [91.6, 95.1, 91.6, np.nan, 80.0], "size": [3, 1, 2, 2, np.nan]},
        goals={"acc": "max", "size": "min"}, source="", units="",
    )  # fmt: skip
    problem = TableProblem(table, Categorical({"a": list("vwxyz")}))
    assert [problem.rank("acc", utility) for utility in (95.1, 91.6, 80.0, 99.0)] == [1, 2, 4, 1]
    assert [problem.rank("size", -value) for value in (1.0, 2.0, 3.0)] == [1, 2, 4]


def test_nb201_is_found(nb201_table: Table) -> None:
    scenario = open_scenario(ProblemSpec("nb201"))
    assert scenario.objectives == ("cifar10_valid_200",)
    assert scenario.report == ("cifar10_test_200",)
    assert isinstance(scenario.space, Nb201)
    assert scenario.problem.table is not None
    assert scenario.problem.table.sha256 == nb201_table.sha256


def test_a_table_has_no_options_of_a_task(small_table: Path) -> None:
    for on in ("table", "nb201"):
        with pytest.raises(InputError, match=r"--set task\.epoch: only if networks are trained"):
            open_scenario(ProblemSpec(str(on), table=str(small_table), task={"epoch": "50"}))


def test_every_benchmark_is_of_a_kind_that_can_be_opened() -> None:
    assert {benchmark.kind for benchmark in BENCHMARKS.values()} == set(registry.BENCHMARK_KINDS)


def test_a_metric_that_is_not_there_sends_to_the_official_table_from_a_substitute_only(
    data_dir: Path, tmp_path: Path
) -> None:
    pytest.importorskip("numba", reason="NAS-Bench-101 cells need the extra bench")
    substitute = data_dir / "nb101_surrogate.npz"
    with pytest.raises(InputError, match="is not the official table: archloom data fetch nb101 gets that"):
        open_scenario(ProblemSpec("nb101", table=str(substitute), objectives=("valid_4_best_of_3",)))
    own = tmp_path / "only108.npz"
    own.symlink_to(substitute)
    with pytest.raises(InputError, match="unknown objective 'valid_4_best_of_3'") as error:
        open_scenario(ProblemSpec("nb101", table=str(own), objectives=("valid_4_best_of_3",)))
    assert "official" not in str(error.value)


def test_ranks_are_among_those_that_are_measured_and_answer() -> None:
    table = Table.from_arrays(
        space="table",
        gene_names=("a",),
        options=(("x", "y", "z"),),
        genes=np.array([[0], [1], [2]], dtype=np.uint8),
        metrics={"all": np.array([1, 2, 3], np.float32), "some": np.array([1, np.nan, 3], np.float32)},
        goals={"all": "max", "some": "max"},
        source="made up",
        units="none",
    )
    problem = TableProblem(table, TableSpace({"a": ("x", "y", "z")}, table.genes))
    assert (problem.ranked("all"), problem.ranked("some")) == (3, 2)
    assert (problem.rank("some", 1.0), problem.rank("all", 1.0)) == (2, 3)
    assert Problem(SPACE, metrics, {"acc": "max"}).ranked("acc") is None


def test_what_can_be_attained_is_measured_meets_the_constraints_and_answers() -> None:
    genes = np.array([[0], [1], [2], [3]], dtype=np.uint8)
    values = {"acc": np.array([1, 2, 3, np.nan], np.float32), "size": np.array([4, 5, np.nan, 1], np.float32)}
    goals: dict[str, Any] = {"acc": "max", "size": "min"}
    table = Table.from_arrays(
        space="table", gene_names=("a",), options=(("w", "x", "y", "z"),), genes=genes, metrics=values, goals=goals,
        source="made up", units="none",
    )  # fmt: skip

    class Merging(TableSpace):
        def representative_rows(self, genes: Any) -> Any:
            return np.array([False, True, True, True])

    def attained(kind: type[TableSpace], objectives: list[str], *constraints: str) -> list[list[float]]:
        problem = TableProblem(table, kind({"a": ("w", "x", "y", "z")}, genes))
        return problem.attainable(criteria(objectives, goals, constraints)).tolist()

    assert attained(TableSpace, ["acc"]) == [[1], [2], [3]]
    assert attained(TableSpace, ["size", "acc"]) == [[4, 1], [5, 2]]
    assert attained(TableSpace, ["acc"], "size<=4.5") == [[1]]
    assert attained(TableSpace, ["acc"], "size<=1") == []
    assert attained(Merging, ["size", "acc"]) == [[5, 2]]
    assert Problem(SPACE, metrics, {"acc": "max"}).attainable(criteria(["acc"], {"acc": "max"})) is None


def test_that_architectures_are_missing_is_a_caveat_but_in_a_space_of_rows() -> None:
    genes = np.stack(np.meshgrid(*[np.arange(2)] * 6), axis=-1).reshape(-1, 6).astype(np.uint8)
    operations = ("skip_connect", "nor_conv_3x3")

    def caveats(rows: Any, kind: Any) -> Any:
        table = Table.from_arrays(
            space="nb201", gene_names=GENES, options=(operations,) * 6, genes=rows, goals={"acc": "max"},
            metrics={"acc": np.arange(len(rows), dtype=np.float32)}, source="made up", units="none",
        )  # fmt: skip
        return TableProblem(table, kind.for_table(dict.fromkeys(GENES, operations), rows)).caveats(["acc"], [])

    assert caveats(genes, Nb201) == []
    assert caveats(genes[:8], TableSpace) == []
    (said,) = caveats(genes[:8], Nb201)
    assert "holds 8 of the 64 architectures of space nb201; trials of the others fail" in said
