from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from archloom.problems.fitted import FittedSource
from archloom.problems.in_memory import InMemory
from archloom.problems.own_file import OwnFile
from archloom.problems.spec import IN_MEMORY, ProblemSource, ProblemSpec, names_problem, parse
from archloom.problems.tabular import AnyTable, BenchmarkSource
from archloom.problems.task import TaskSource


@pytest.mark.parametrize(
    ("on", "kind", "name", "stem", "trains"),
    [
        ("nb201", BenchmarkSource, "nb201", "nb201", False),
        ("darts", BenchmarkSource, "nb301", "darts", False),
        ("nb301", BenchmarkSource, "nb301", "nb301", False),
        ("nbgraph:cora", BenchmarkSource, "nbgraph:cora", "nbgraph:cora", False),
        ("unheard:of", BenchmarkSource, "unheard:of", "unheard:of", False),
        ("table", AnyTable, "table", "table", False),
        ("fitted:mnasnet", FittedSource, "fitted:mnasnet", "fitted:mnasnet", False),
        ("images:digits", TaskSource, "images:digits", "images:digits", True),
        ("gan:/data/faces.npz", TaskSource, "gan:/data/faces.npz", "faces", True),
        ("a/mine.py", OwnFile, "a/mine.py", "mine", False),
        ("a/mine.py:make", OwnFile, "a/mine.py:make", "mine", False),
        (IN_MEMORY, InMemory, IN_MEMORY, IN_MEMORY, False),
    ],
)
def test_what_on_names(on: str, kind: type[ProblemSource], name: str, stem: str, trains: bool) -> None:
    source = parse(on)
    assert type(source) is kind
    assert (source.on, source.name, source.stem, source.trains) == (on, name, stem, trains)
    assert source.file == (Path("a/mine.py") if kind is OwnFile else None)
    assert source.reopens == (kind is not InMemory)


@pytest.mark.parametrize("name", ["nb201", "darts", "nbgraph:cora", "images", "gan:x", "fitted:mine", "table"])
def test_names_for_on(name: str) -> None:
    assert names_problem(name)


@pytest.mark.parametrize("name", ["graph_bo", "convnet", "nb2O1", "", ":cora", "mine.py"])
def test_other_names(name: str) -> None:
    assert not names_problem(name)


def test_a_spec_is_parsed_once_and_stays_plain_data() -> None:
    spec = ProblemSpec("nb201", objectives=("valid",))
    before = msgspec.json.encode(spec)
    assert spec.source is spec.source
    assert msgspec.json.encode(spec) == before
    assert msgspec.json.decode(before, type=ProblemSpec) == spec


def test_a_table_found_by_another_name_of_a_benchmark_is_that_benchmarks() -> None:
    """`darts` with a table would be a table of that space."""
    found = ProblemSpec("darts")
    assert found.source.on_table(found, Path("/a/nb301.npz")) == ProblemSpec("nb301", "/a/nb301.npz")
    asked = ProblemSpec("darts", "old.npz")
    assert asked.source.on_table(asked, Path("/a/new.npz")) == ProblemSpec("darts", "/a/new.npz")
