from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.spaces.domains import Real
from archloom.spaces.featured import featured
from archloom.spaces.graphs import Graph
from archloom.spaces.space import Space
from archloom.types import Arch

OPERATIONS = ("conv", "skip", "none")


class Foreign:
    """What every space has, and `names` of another space."""

    name = "foreign"

    def __init__(self, behind: Any, *names: str) -> None:
        for name in ("sample", "mutate", "violations", "canonical", "key", "format", "parse", *names):
            setattr(self, name, getattr(behind, name))


class Chains(Categorical):
    graph_labels = OPERATIONS
    zero_labels = ("none",)
    identity_labels = ("skip",)

    def to_graph(self, arch: Arch) -> Graph:
        return Graph(np.array(self.indices(arch), dtype=np.int64), np.eye(2, k=1, dtype=np.uint8))


CHAINS = Chains({"first": OPERATIONS, "second": OPERATIONS})
ALPHA = ("alpha_shape", "discretise", "one_hot")
GRAPHS = ("graph_labels", "to_graph", "from_graph", "zero_labels", "identity_labels")


def test_a_space_with_features_is_itself() -> None:
    assert featured(CHAINS) is CHAINS


def test_rows_of_alpha_are_groups() -> None:
    found = featured(Foreign(CHAINS, *ALPHA))
    assert found.feature_layout.groups == ("alpha 0", "alpha 1")
    assert found.feature_layout.widths == (3, 3)
    codes, stats = found.features([Arch((0, 2)), Arch((1, 1))])
    half = math.sqrt(0.5)
    assert codes == pytest.approx(np.array([[half, 0, 0, 0, 0, half], [0, half, 0, 0, half, 0]]))
    assert stats.shape == (2, 0)


def test_coordinates_of_the_unit_cube_are_groups() -> None:
    behind = Space({"lr": Real(0.0, 1.0), "op": ["a", "b"]})
    found = featured(Foreign(behind, "unit_size", "to_unit", "from_unit"))
    assert found.feature_layout.widths == (1, 1)
    assert found.features([Arch((0.25, 1))])[0].tolist() == [[0.25, 0.75]]


def test_graphs_with_kinds_of_labels_give_statistics() -> None:
    found = featured(Foreign(CHAINS, *ALPHA, *GRAPHS))
    assert found.feature_layout.stats == CHAINS.feature_layout.stats
    archs = [Arch((0, 2)), Arch((1, 0))]
    assert found.features(archs)[1].tolist() == CHAINS.features(archs)[1].tolist()


def test_without_codes_statistics_tell_of_degrees_too() -> None:
    found = featured(Foreign(CHAINS, *GRAPHS))
    assert found.feature_layout.stats == (*CHAINS.feature_layout.stats, "edges from inputs", "edges to outputs")
    codes, stats = found.features([Arch((0, 0))])
    assert codes.shape == (1, 0)
    assert stats[0, -2:].tolist() == [1, 1]


def test_architectures_are_made_canonical() -> None:
    class Sorted(Categorical):
        def canonical(self, arch: Arch) -> Arch:
            return Arch(tuple(sorted(arch.genes)))

    codes, _ = featured(Foreign(Sorted({"a": [1, 2, 3], "b": [1, 2, 3]}), *ALPHA)).features(
        [Arch((2, 1)), Arch((1, 2))]
    )
    assert codes[0].tolist() == codes[1].tolist()


def test_no_architectures_have_no_rows() -> None:
    codes, stats = featured(Foreign(CHAINS, *ALPHA, *GRAPHS)).features([])
    assert codes.shape == (0, 6)
    assert stats.shape == (0, len(CHAINS.feature_layout.stats))


def test_a_space_that_shows_no_numbers_is_refused() -> None:
    with pytest.raises(InputError, match="space 'foreign' does not show its architectures as numbers: expected"):
        featured(Foreign(CHAINS))


@pytest.mark.parametrize(
    ("names", "method", "answer", "said"),
    [
        (ALPHA, "one_hot", np.zeros((3, 3)), "one_hot of first=conv, second=conv has 9 numbers; expected 6"),
        (("unit_size", "to_unit", "from_unit"), "to_unit", np.zeros(1), "to_unit of .* has 1 numbers; expected 2"),
        (GRAPHS, "to_graph", None, "to_graph returned NoneType; expected a graphs.Graph"),
        (GRAPHS, "to_graph", Graph(np.zeros(2, int), np.zeros((1, 2), np.uint8)), r"labels \(2,\) and adjacency"),
        (
            GRAPHS,
            "to_graph",
            Graph(np.zeros(2, int), np.array([[0, 0], [1, 0]], np.uint8)),
            "an edge leads from vertex 1 to vertex 0; expected vertices in topological order",
        ),
    ],
)
def test_what_a_space_shows_wrong_is_said(names: tuple[str, ...], method: str, answer: Any, said: str) -> None:
    space = Foreign(CHAINS, *names)
    setattr(space, method, lambda arch: answer)
    with pytest.raises(InputError, match=said):
        featured(space).features([Arch((0, 0))])
