"""Benchmarks that Python packages bring, as tables.

The packages are never imported and their pickles never run: the data file is found through the import
system's finders and read by `unpickle.restricted_load`. What comes out is an in-memory `Table`; the caller
saves it.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from archloom.data.tables import Table, TableError
from archloom.data.unpickle import NUMPY_SCALARS, Allowed, Record, restricted_load
from archloom.errors import InputError, MissingExtraError

ANALOG_PACKAGE, ANALOG_MODULE, ANALOG_FILE = "analog-nasbench", "analognasbench", "data.anb"
NBGRAPH_PACKAGE, NBGRAPH_MODULE = "nas-bench-graph", "nas_bench_graph"
EXTRA = "bench"

NB201_EDGES = ("0->1", "0->2", "1->2", "0->3", "1->3", "2->3")
NB201_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


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
            f"{file}: the installed {package} {package_version(package)} does not bring this file; "
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

# The package's code -> our index into NB201_OPS; its edges are ordered by source, ours by destination.
_ANALOG_OPS = tuple(
    NB201_OPS.index(name) for name in ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
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
    on it. Raises MissingExtraError where the package is not installed.
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
    metrics = accuracies | drifts
    return Table.from_arrays(
        space="nb201",
        gene_names=NB201_EDGES,
        options=[NB201_OPS] * len(NB201_EDGES),
        genes=np.array([genes for genes, _ in rows]),
        metrics=metrics,
        goals=dict.fromkeys(metrics, "max"),
        source=f"{ANALOG_PACKAGE} {package_version(ANALOG_PACKAGE)} (AnalogNAS-Bench, NAS-Bench-201 cells)",
        units="CIFAR-10 test accuracy in percent; drift: mean after 1 min, 1 h, 1 d, 30 d",
    )


def _analog_genes(file: Path, key: object) -> tuple[int, ...]:
    if (
        not isinstance(key, tuple)
        or len(key) != len(_ANALOG_EDGES)
        or not all(isinstance(code, int) and 0 <= code < len(_ANALOG_OPS) for code in key)
    ):
        raise TableError(f"{file}: architecture {str(key)[:80]!r}; expected 6 codes in 0..4; install the version 0.1.3")
    ops = {edge: _ANALOG_OPS[code] for edge, code in zip(_ANALOG_EDGES, key, strict=True)}
    return tuple(ops[edge] for edge in NB201_EDGES)


def _number(file: Path, holder: object, name: str) -> float:
    value = getattr(holder, name, None)
    if not isinstance(value, int | float):
        raise TableError(f"{file}: {name} is {str(value)[:80]!r}; expected a number; install another version")
    return float(value)


# --- graph networks: nas-bench-graph ------------------------------------------------------------------------

NBGRAPH_GRAPHS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv")
"""The graphs with the nine operations; `proteins` has five and another hash, and is left out."""

NBGRAPH_LINKS: tuple[tuple[int, ...], ...] = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
"""The nine rooted trees: each of four nodes' parent (0 = the input), in the package's order."""

NBGRAPH_OPS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
NBGRAPH_GENES = ("links", "op1", "op2", "op3", "op4")
_SKIP = NBGRAPH_OPS.index("skip")
_HASH_BASE = len(NBGRAPH_OPS) + 1  # the package counts one operation more than there is
_LINK_INDEX = {links: index for index, links in enumerate(NBGRAPH_LINKS)}


def nbgraph(graph: str) -> Table:
    """The 26,206 graph networks of NAS-Bench-Graph on one of `NBGRAPH_GRAPHS`, rows sorted by genes.

    `<graph>_valid` and `<graph>_test` are accuracies in percent (mean of three seeds), `<graph>_latency_s` is
    in seconds, `<graph>_params_m` in millions. Raises InputError for another graph and MissingExtraError
    where the package `nas-bench-graph` is not installed.
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
        gene_names=NBGRAPH_GENES,
        options=[["-".join(map(str, links)) for links in NBGRAPH_LINKS], *[NBGRAPH_OPS] * 4],
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
    if not 0 <= rest < len(NBGRAPH_LINKS) or max(digits) >= len(NBGRAPH_OPS):
        raise TableError(f"{file}: architecture {str(key)[:80]!r} is no hash of this benchmark; install version 1.4.0")
    return genes


def _item(file: Path, record: object, name: str) -> float:
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, int | float):
        raise TableError(f"{file}: {name} is {str(value)[:80]!r}; expected a number; install another version")
    return float(value)


def nbgraph_canonical(links: int, ops: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """The representative under which NAS-Bench-Graph stores an architecture: `(links, ops)`, indices both.

    A network is a rooted tree: the input (node 0) and four computing nodes, each with one parent and one
    operation; leaves are joined to the output. Nodes have no order. A `skip` is an identity, so it counts as
    absent where

    - it has children: they hang on its parent instead;
    - it is its parent's only child: the parent is then the leaf;
    - it is a leaf that would hand the raw input to the output (only skips above it).

    Each absent skip becomes one link of a chain right behind the input, where it changes nothing, and the
    rest hangs at the chain's end. Of all numberings of the nodes that give one of `NBGRAPH_LINKS`, the one
    with the smallest operations stands. A leaf skip with siblings stays: it adds its parent's features to the
    output.

    Every architecture maps onto one of the 26,206 stored ones but the four skips, `(8, (8, 8, 8, 8))`, which
    the benchmark does not hold.
    """
    if not 0 <= links < len(NBGRAPH_LINKS) or len(ops) != 4 or not all(0 <= op < len(NBGRAPH_OPS) for op in ops):
        raise InputError(f"({links}, {tuple(ops)}) is no architecture; expected links 0..8 and four operations 0..8")
    return canonical_tree(NBGRAPH_LINKS[links], tuple(ops))


@functools.lru_cache(maxsize=1 << 16)
def canonical_tree(parents: tuple[int, ...], ops: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """`nbgraph_canonical` for any parent list: node i+1 hangs on node `parents[i]` <= i."""
    parent = dict(enumerate(parents, start=1))
    op = dict(enumerate(ops, start=1))
    while (skip := _absent_skip(parent, op)) is not None:
        above = parent.pop(skip)
        parent = {node: above if hung == skip else hung for node, hung in parent.items()}
    chain = len(parents) - len(parent)
    return min(_numberings(parent, op, chain))


def _absent_skip(parent: Mapping[int, int], op: Mapping[int, int]) -> int | None:
    for node, above in parent.items():
        if op[node] != _SKIP:
            continue
        has_children = node in parent.values()
        only_child = list(parent.values()).count(above) == 1
        if has_children or only_child or _gives_raw_input(node, parent, op):
            return node
    return None


def _gives_raw_input(node: int, parent: Mapping[int, int], op: Mapping[int, int]) -> bool:
    while node != 0:
        if op[node] != _SKIP:
            return False
        node = parent[node]
    return True


def _numberings(parent: Mapping[int, int], op: Mapping[int, int], chain: int) -> list[tuple[int, tuple[int, ...]]]:
    """All ways to number the tree's nodes behind `chain` skips that give one of the nine link lists."""
    found = []
    for order in itertools.permutations(parent):
        number = {0: chain} | {node: chain + 1 + place for place, node in enumerate(order)}
        links = (*range(chain), *(number[parent[node]] for node in order))
        if links in _LINK_INDEX:
            found.append((_LINK_INDEX[links], (_SKIP,) * chain + tuple(op[node] for node in order)))
    return found
