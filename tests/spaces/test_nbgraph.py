from __future__ import annotations

import importlib.util
import itertools

import numpy as np
import pytest

from archloom.data.convert.packages import nbgraph
from archloom.data.tables import Table
from archloom.errors import InputError
from archloom.spaces import nbgraph as space_module
from archloom.spaces.nbgraph import CLASSES, GENES, LINKS, OPERATIONS, NbGraph
from archloom.testing import check_space
from archloom.types import Arch

SPACE = NbGraph()


@pytest.fixture(scope="module")
def cora() -> Table:
    if importlib.util.find_spec("nas_bench_graph") is None:
        pytest.skip("the package nas-bench-graph is not installed")
    return nbgraph("cora")


def test_contract() -> None:
    check_space(NbGraph)


def test_every_combination_maps_onto_exactly_the_stored_rows(cora: Table) -> None:
    stored = {tuple(row) for row in cora.genes.tolist()}
    archs = [Arch(genes) for genes in itertools.product(range(9), repeat=5)]
    reached = {SPACE.canonical(arch).genes for arch in archs if not SPACE.violations(arch)}
    assert reached == stored
    assert len(stored) == CLASSES == SPACE.size


def test_canonical_is_idempotent(cora: Table) -> None:
    for genes in cora.genes[::7].tolist():
        arch = Arch(tuple(genes))
        assert SPACE.canonical(arch) == arch


def test_the_order_of_the_nodes_does_not_matter() -> None:
    """Every numbering of a tree's nodes, also those that give none of the nine trees, has one representative."""
    rng = np.random.default_rng(1)
    for parents in itertools.product(range(1), range(2), range(3), range(4)):
        for ops in rng.integers(0, 9, (20, 4)).tolist():
            expected = space_module._canonical(parents, tuple(ops))
            assert expected[0] in range(9)
            for order in itertools.permutations(range(1, 5)):
                place = {0: 0} | {node: at + 1 for at, node in enumerate(order)}
                renumbered = tuple(place[parents[node - 1]] for node in order)
                if all(parent <= at for at, parent in enumerate(renumbered)):
                    assert space_module._canonical(renumbered, tuple(ops[n - 1] for n in order)) == expected


@pytest.mark.parametrize(
    ("links", "ops", "expected"),
    [
        # four nodes on the input: any order
        ("0-0-0-0", "sage gcn gat gin", ("0-0-0-0", "gat gcn gin sage")),
        # two chains of two: they change places together
        ("0-0-1-2", "gin gat fc gcn", ("0-0-1-2", "gat gin gcn fc")),
        # a skip with a child is an identity: it moves behind the input
        ("0-1-2-3", "gcn gat skip fc", ("0-1-2-3", "skip gcn gat fc")),
        # an only child that is a skip: the same
        ("0-1-2-3", "gcn gat fc skip", ("0-1-2-3", "skip gcn gat fc")),
        # a skip from the input to the output hands over raw features: it does not count
        ("0-0-0-0", "gcn gat fc skip", ("0-1-1-1", "skip gat gcn fc")),
        # a leaf skip beside a sibling stays: it adds its parent's features to the output
        ("0-1-1-1", "gcn gat fc skip", ("0-1-1-1", "gcn gat fc skip")),
        ("0-1-2-3", "skip skip skip skip", ("0-1-2-3", "skip skip skip skip")),
    ],
)
def test_canonical_by_hand(links: str, ops: str, expected: tuple[str, str]) -> None:
    operations = ops.split()
    text = ", ".join(f"{gene}={value}" for gene, value in zip(GENES, [links, *operations], strict=True))
    found = SPACE.choices(SPACE.canonical(SPACE.parse(text)))
    assert list(found.values()) == [expected[0], *expected[1].split()]


def test_a_network_of_skips_is_not_valid() -> None:
    skip = OPERATIONS.index("skip")
    for links in range(len(LINKS)):
        assert SPACE.violations(Arch((links, skip, skip, skip, skip)))
        assert not SPACE.violations(Arch((links, skip, skip, skip, 0)))


def test_neighbours_are_other_networks_each_once() -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        arch = SPACE.sample(rng)
        neighbours = SPACE.neighbours(arch)
        keys = [SPACE.key(near) for near in neighbours]
        assert len(set(keys)) == len(keys) > 10
        assert SPACE.key(arch) not in keys
        assert not any(SPACE.violations(near) for near in neighbours)


def test_other_options_are_refused() -> None:
    with pytest.raises(InputError, match="expected links, op1, op2, op3, op4"):
        NbGraph({"links": ["a", "b"]})


def wrong(table: Table) -> list[str]:
    return [finding.what for finding in NbGraph.known_answers(table) if not finding.ok]


def test_rows_must_be_representatives() -> None:
    options = NbGraph().options
    genes = [[0, 0, 1, 2, 3], [0, 1, 0, 2, 3]]  # the same four nodes on the input, in two orders
    table = Table.from_arrays(
        space="nbgraph", gene_names=["links", "op1", "op2", "op3", "op4"], options=options, genes=genes,
        metrics={"valid": [1.0, 2.0]}, goals={"valid": "max"}, source="", units="",
    )  # fmt: skip
    assert wrong(table) == [
        "2 architectures, expected 26206",
        "1 rows are not the representative of their architecture, expected 0",
    ]


def test_a_table_with_other_genes_is_a_finding() -> None:
    table = Table.from_arrays(
        space="nbgraph", gene_names=["a", "b"], options=[["x"], ["y"]], genes=[[0, 0]],
        metrics={"valid": [1.0]}, goals={"valid": "max"}, source="", units="",
    )  # fmt: skip
    assert any("expected links, op1" in what for what in wrong(table))


def test_statistics_are_those_of_the_tree() -> None:
    """Leaves are gcn, which hangs on the input, and gat and skip, which hang on fc."""
    _, stats = SPACE.features([SPACE.parse("links=0-0-1-1, op1=fc, op2=gcn, op3=gat, op4=skip")])
    found = {name: value for name, value in zip(SPACE.feature_layout.stats, stats[0].tolist(), strict=True) if value}
    assert found == {
        **{f"{name}: live": 1 for name in ("gcn", "fc", "gat", "skip")},
        **{f"{name}: most on a path": 1 for name in ("gcn", "fc", "gat")},
        "gcn: mean on a path": pytest.approx(1 / 3),
        "gat: mean on a path": pytest.approx(1 / 3),
        "fc: mean on a path": pytest.approx(2 / 3),
        "paths (log2)": pytest.approx(np.log2(3)),
        "longest path": 2,
        "shortest path": 1,
        "mean path": pytest.approx(4 / 3),
        "live edges": 7,
    }


def test_genes_of_one_network_have_the_same_features() -> None:
    rng = np.random.default_rng(0)
    archs = [SPACE.sample(rng) for _ in range(200)]
    for one, other in zip(SPACE.features(archs), SPACE.features(list(map(SPACE.canonical, archs))), strict=True):
        assert np.array_equal(one, other)
