"""Benchmarks that Python packages bring, as tables.

The packages are never imported and their pickles never run: the data file is located by the import
system's finders and read by `unpickle.restricted_load`. The result is a `Table` in memory, which the caller saves.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np

from archloom.data.convert.unpickle import NUMPY_SCALARS, Allowed, Record, restricted_load
from archloom.data.tables import Table, TableError
from archloom.errors import InputError, MissingExtraError
from archloom.spaces import nb201
from archloom.spaces import nbgraph as nbgraph_space

ANALOG_PACKAGE, ANALOG_MODULE, ANALOG_FILE = "analog-nasbench", "analognasbench", "data.anb"
NBGRAPH_PACKAGE, NBGRAPH_MODULE = "nas-bench-graph", "nas_bench_graph"
EXTRA = "bench"


def package_version(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package_file(package: str, module: str, relative: str, purpose: str) -> Path:
    """A data file of an installed package, found without importing the package."""
    spec = importlib.util.find_spec(module)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise MissingExtraError(package, EXTRA, purpose)
    file = Path(folders[0], relative)
    if not file.is_file():
        raise TableError(
            f"{file}: the installed {package} {package_version(package)} does not contain this file; "
            f"reinstall it: pip install --force-reinstall {package}"
        )
    return file


def _unpickle_table(file: Path, allowed: Allowed) -> dict[object, object]:
    with file.open("rb") as stream:
        content = restricted_load(stream, allowed, label=str(file))
    if not isinstance(content, dict) or not content:
        raise TableError(f"{file}: holds a {type(content).__name__}; expected a table of architectures; reinstall it")
    return content


# --- NAS-Bench-201 cells: analog-nasbench -------------------------------------------------------------------

# The package's code -> our index into nb201.OPERATIONS; its edges are ordered by source, ours by destination.
_ANALOG_OPS = tuple(
    nb201.OPERATIONS.index(name) for name in ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
)
_ANALOG_EDGES = ("0->1", "0->2", "0->3", "1->2", "1->3", "2->3")
_ANALOG_ACCURACIES = {
    "cifar10_baseline": "baseline_accuracy",
    "cifar10_ptq": "ptq_accuracy",
    "cifar10_qat": "qat_accuracy",
    "cifar10_noisy": "noisy_accuracy",
    "cifar10_analog": "analog_accuracy",
}
_ANALOG_DRIFTS = {
    f"cifar10_{kind}_drift_{name}": f"{kind}_drift_{seconds}"
    for kind in ("baseline", "analog")
    for name, seconds in (("1min", 60), ("1h", 3600), ("1d", 86400), ("30d", 2592000))
}


class _Architecture(Record):
    """One cell: five accuracies (float) and eight `_Drift`."""


class _Drift(Record):
    """An accuracy after a time on drifting hardware: `value` +- `uncertainty`."""


def analog_nb201() -> Table:
    """All 15,625 NAS-Bench-201 cells from the package `analog-nasbench`, rows sorted by genes.

    `cifar10_baseline` is the digital network's CIFAR-10 test accuracy in percent (there is no validation
    accuracy); `ptq`/`qat` are quantised after / during training; `noisy` runs the digital and `analog` the
    noise-trained network on simulated analog hardware; `*_drift_<time>` is the mean accuracy after that time
    on it. `cifar10_params_m` and `cifar10_flops_m` are not the package's, but archloom's exact counts.
    Raises MissingExtraError if the package is not installed.
    """
    file = _package_file(ANALOG_PACKAGE, ANALOG_MODULE, ANALOG_FILE, "the NAS-Bench-201 table of CIFAR-10 accuracies")
    module = f"{ANALOG_MODULE}.data"
    records = _unpickle_table(file, {(module, "Architecture"): _Architecture, (module, "DriftMeasurement"): _Drift})
    rows = sorted(((_analog_genes(file, key), record) for key, record in records.items()), key=lambda row: row[0])
    accuracies = {
        name: [_number(file, record, field) for _, record in rows] for name, field in _ANALOG_ACCURACIES.items()
    }
    drifts = {
        name: [_number(file, getattr(record, field, None), "value") for _, record in rows]
        for name, field in _ANALOG_DRIFTS.items()
    }
    genes = np.array([genes for genes, _ in rows])
    costs = {"cifar10_params_m": nb201.parameters(genes) / 1e6, "cifar10_flops_m": nb201.macs(genes) / 1e6}
    metrics = accuracies | drifts | costs
    return Table.from_arrays(
        space="nb201",
        gene_names=nb201.GENES,
        options=[nb201.OPERATIONS] * len(nb201.GENES),
        genes=genes,
        metrics=metrics,
        goals={name: "min" if name in costs else "max" for name in metrics},
        source=f"{ANALOG_PACKAGE} {package_version(ANALOG_PACKAGE)} (AnalogNAS-Bench, NAS-Bench-201 cells)",
        units="CIFAR-10 test accuracy in percent; drift: mean after 1 min, 1 h, 1 d, 30 d; millions",
    )


def _analog_genes(file: Path, key: object) -> tuple[int, ...]:
    if (
        not isinstance(key, tuple)
        or len(key) != len(_ANALOG_EDGES)
        or not all(isinstance(code, int) and 0 <= code < len(_ANALOG_OPS) for code in key)
    ):
        raise TableError(f"{file}: architecture {str(key)[:80]!r}; expected 6 codes in 0..4; install the version 0.1.3")
    ops = {edge: _ANALOG_OPS[code] for edge, code in zip(_ANALOG_EDGES, key, strict=True)}
    return tuple(ops[edge] for edge in nb201.GENES)


def _number(file: Path, holder: object, name: str) -> float:
    value = getattr(holder, name, None)
    if not isinstance(value, int | float):
        raise TableError(f"{file}: {name} is {str(value)[:80]!r}; expected a number; install another version")
    return float(value)


# --- graph networks: nas-bench-graph ------------------------------------------------------------------------

NBGRAPH_GRAPHS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv")
"""The graphs with the nine operations; `proteins` has five and a different hash, and is omitted."""

_HASH_BASE = len(nbgraph_space.OPERATIONS) + 1  # the package counts one operation too many


def nbgraph(graph: str) -> Table:
    """The 26,206 graph networks of NAS-Bench-Graph on one of `NBGRAPH_GRAPHS`, rows sorted by genes.

    `<graph>_valid` and `<graph>_test` are accuracies in percent (mean of three seeds), `<graph>_latency_s` is
    in seconds, `<graph>_params_m` in millions. Raises InputError for another graph and MissingExtraError
    if the package `nas-bench-graph` is not installed.
    """
    if graph not in NBGRAPH_GRAPHS:
        raise InputError(f"no graph {graph!r} in NAS-Bench-Graph; expected one of {', '.join(NBGRAPH_GRAPHS)}")
    file = _package_file(NBGRAPH_PACKAGE, NBGRAPH_MODULE, f"light/{graph}.bench", f"NAS-Bench-Graph's {graph}")
    records = _unpickle_table(file, NUMPY_SCALARS)
    rows = sorted(((_nbgraph_genes(file, key), record) for key, record in records.items()), key=lambda row: row[0])
    columns = {
        f"{graph}_valid": ("valid_perf", 100.0, "max"),
        f"{graph}_test": ("perf", 100.0, "max"),
        f"{graph}_latency_s": ("latency", 1.0, "min"),
        f"{graph}_params_m": ("para", 1.0, "min"),
    }
    return Table.from_arrays(
        space="nbgraph",
        gene_names=nbgraph_space.GENES,
        options=nbgraph_space.NbGraph().options,
        genes=np.array([genes for genes, _ in rows]),
        metrics={name: [s * _item(file, record, key) for _, record in rows] for name, (key, s, _) in columns.items()},
        goals={name: goal for name, (_, _, goal) in columns.items()},
        source=f"{NBGRAPH_PACKAGE} {package_version(NBGRAPH_PACKAGE)} (NAS-Bench-Graph, Apache-2.0)",
        units="accuracy in percent, latency in seconds, parameters in millions",
    )


def _nbgraph_genes(file: Path, key: object) -> tuple[int, ...]:
    """Undo the package's hash: the link list, then four operations, as digits in base 10."""
    digits: list[int] = []
    rest = key if isinstance(key, int) else -1
    for _ in range(4):
        rest, digit = divmod(rest, _HASH_BASE)
        digits.append(digit)
    genes = (rest, *reversed(digits))
    if not 0 <= rest < len(nbgraph_space.LINKS) or max(digits) >= len(nbgraph_space.OPERATIONS):
        raise TableError(
            f"{file}: architecture {str(key)[:80]!r} is not a hash of this benchmark; install version 1.4.0"
        )
    return genes


def _item(file: Path, record: object, name: str) -> float:
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, int | float):
        raise TableError(f"{file}: {name} is {str(value)[:80]!r}; expected a number; install another version")
    return float(value)
