from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archloom.data.convert import packages
from archloom.data.convert.packages import NBGRAPH_GRAPHS, analog_nb201, nbgraph
from archloom.data.convert.unpickle import UnpickleError
from archloom.data.tables import Table, TableError, load_table
from archloom.errors import InputError, MissingExtraError
from archloom.spaces.nbgraph import OPERATIONS


def installed(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the package that brings {module} is not installed")


@pytest.fixture(scope="module")
def analog() -> Table:
    installed("analognasbench")
    return analog_nb201()


@pytest.fixture(scope="module")
def cora() -> Table:
    installed("nas_bench_graph")
    return nbgraph("cora")


# --- analog-nasbench --------------------------------------------------------------------------------------


def test_analog_has_every_cell_once_in_order(analog: Table) -> None:
    assert analog.space == "nb201"
    assert analog.gene_names == ("0->1", "0->2", "1->2", "0->3", "1->3", "2->3")
    assert set(analog.options) == {("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")}
    assert [tuple(row) for row in analog.genes.tolist()] == list(itertools.product(range(5), repeat=6))


def test_analog_metrics_are_percentages_to_maximise(analog: Table) -> None:
    assert analog.metrics[:5] == tuple(f"cifar10_{kind}" for kind in ("baseline", "ptq", "qat", "noisy", "analog"))
    assert "cifar10_analog_drift_30d" in analog.metrics
    accuracies = [name for name in analog.metrics if name not in ("cifar10_params_m", "cifar10_flops_m")]
    assert len(accuracies) == 13
    for name in accuracies:
        values = analog.metric(name)
        assert analog.goals[name] == "max"
        assert 7 < values.min() < 11, name
        assert 60 < values.max() < 95, name


def test_analog_counts_are_the_benchmarks(analog: Table) -> None:
    if "ARCHLOOM_DATA" not in os.environ:
        pytest.skip("ARCHLOOM_DATA is not set: no official table to compare with")
    official = load_table(Path(os.environ["ARCHLOOM_DATA"]) / "nb201.npz")
    rows = [official.row(genes) for genes in analog.genes]
    for name in ("cifar10_params_m", "cifar10_flops_m"):
        assert analog.goals[name] == "min"
        np.testing.assert_allclose(analog.metric(name), official.metric(name)[rows], rtol=1e-6)


def test_analog_drift_gets_worse_with_time(analog: Table) -> None:
    means = [float(analog.metric(f"cifar10_analog_drift_{time}").mean()) for time in ("1min", "1h", "1d", "30d")]
    assert means == sorted(means, reverse=True)


def test_analog_of_a_cell_without_any_path_is_chance(analog: Table) -> None:
    row = analog.row((0,) * 6)
    assert row is not None
    assert analog.metric("cifar10_baseline")[row] == 10.0


def test_analog_agrees_with_nas_bench_201(analog: Table, real_table: Callable[[str], Path]) -> None:
    reference = load_table(real_table("nb201.npz"))
    rows = [analog.row(genes) for genes in reference.genes]
    assert None not in rows
    ours = analog.metric("cifar10_baseline")[np.array(rows, dtype=int)]
    assert np.corrcoef(ours, reference.metric("cifar10_test_200"))[0, 1] > 0.999


def test_the_packages_are_not_imported(analog: Table, cora: Table) -> None:
    assert len(analog) + len(cora) == 15_625 + 26_206
    assert not {"analognasbench", "nas_bench_graph", "pkg_resources"} & set(sys.modules)


# --- nas-bench-graph --------------------------------------------------------------------------------------


def test_nbgraph_table(cora: Table) -> None:
    assert (cora.space, len(cora)) == ("nbgraph", 26_206)
    assert cora.gene_names == ("links", "op1", "op2", "op3", "op4")
    assert cora.options[0][3] == "0-0-1-2"
    assert cora.options[1] == cora.options[4] == OPERATIONS
    assert dict(cora.goals) == {
        "cora_valid": "max",
        "cora_test": "max",
        "cora_latency_s": "min",
        "cora_params_m": "min",
    }
    assert 80 < cora.metric("cora_valid").max() < 85
    assert 80 < cora.metric("cora_test").max() < 85
    assert cora.metric("cora_latency_s").max() < 0.01


def test_nbgraph_values_are_the_packages(cora: Table) -> None:
    """Hash 0 is four GATs on the input; hash 88,880 - 8 = 8_0000 is a chain that starts with gat."""
    row = cora.row((0, 0, 0, 0, 0))
    assert row is not None
    assert cora.metric("cora_valid")[row] == pytest.approx(77.3333, abs=1e-3)
    assert cora.metric("cora_test")[row] == pytest.approx(79.7, abs=1e-3)
    assert cora.metric("cora_params_m")[row] == pytest.approx(1.736711, abs=1e-6)
    assert cora.metric("cora_latency_s")[row] == pytest.approx(0.005922238, abs=1e-8)


def test_parameters_are_whole_numbers_in_millions(cora: Table) -> None:
    counts = cora.metric("cora_params_m").astype(float) * 1e6
    assert np.abs(counts - np.round(counts)).max() < 0.2  # float32 of a million


@pytest.mark.parametrize("graph", NBGRAPH_GRAPHS)
def test_every_graph_has_the_same_architectures(graph: str, cora: Table) -> None:
    table = nbgraph(graph)
    np.testing.assert_array_equal(table.genes, cora.genes)
    assert np.isfinite([table.metric(name) for name in table.metrics]).all()


def test_unknown_graph() -> None:
    with pytest.raises(InputError, match=r"no graph 'proteins'.*cora"):
        nbgraph("proteins")


# --- packages that are missing, damaged or hostile --------------------------------------------------------


def fake_package(root: Path, monkeypatch: pytest.MonkeyPatch, module: str, relative: str, data: bytes) -> None:
    """A package of this name that comes first on the path and brings this file."""
    file = root / module / relative
    file.parent.mkdir(parents=True)
    (root / module / "__init__.py").write_text("raise RuntimeError('imported')")
    file.write_bytes(data)
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(packages, "package_version", lambda package: "0.0")


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"analog-nasbench: pip install 'archloom\[bench\]'"):
        analog_nb201()
    with pytest.raises(MissingExtraError, match="nas-bench-graph"):
        nbgraph("cora")


def test_version_of_what_is_not_installed() -> None:
    assert packages.package_version("no-such-distribution-anywhere") is None
    assert packages.package_version("numpy") == importlib.metadata.version("numpy")


def test_a_hostile_package_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"cposix\nsystem\n(S'echo boo'\ntR."
    fake_package(tmp_path, monkeypatch, "nas_bench_graph", "light/cora.bench", data)
    with pytest.raises(UnpickleError, match=r"cora.bench: refused: .*posix\.system"):
        nbgraph("cora")


RECORD = {"valid_perf": 0.5, "perf": 0.5, "latency": 0.1, "para": 1.0}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], "holds a list"),
        ({}, "expected a table of architectures"),
        ({90_000: RECORD}, "90000' is not a hash"),
        ({9: RECORD}, "'9' is not a hash"),
        ({-1: RECORD}, "is not a hash"),
        ({"x": RECORD}, "is not a hash"),
        ({0: {"valid_perf": 0.5}}, "perf is 'None'; expected a number"),
        ({0: None}, "valid_perf is 'None'"),
    ],
)
def test_a_package_file_in_another_layout(
    content: object, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_package(tmp_path, monkeypatch, "nas_bench_graph", "light/cora.bench", pickle.dumps(content, 3))
    with pytest.raises(TableError, match=expected):
        nbgraph("cora")


def test_a_package_without_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_package(tmp_path, monkeypatch, "nas_bench_graph", "light/other.bench", b"")
    with pytest.raises(TableError, match="does not contain this file"):
        nbgraph("cora")
