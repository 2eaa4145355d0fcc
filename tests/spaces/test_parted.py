"""Choices in named parts, on a space of two networks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.parted import Gene, PartedSpace
from archloom.testing import check_space
from archloom.types import Arch


class Two(PartedSpace):
    """A network with two layers, and one with one, whose size is an option."""

    name = "two"

    def __init__(self, size: int = 2) -> None:
        layer = Gene("deep", ("none", "dense", "wide"), ("deep.0", "deep.norm"), (0, 10, 20))
        shape = Gene("flat", (size, 3 * size), ("flat.0",), (size, 3 * size))
        super().__init__({"a": {"layer": layer, "norm": Gene("deep", (False, True), (), (0, 0))}, "b": {"size": shape}})

    def _bases(self) -> Mapping[str, int]:
        return {"deep": 100, "flat": 7}


SPACE = Two()


def test_contract() -> None:
    check_space(Two, samples=10)


def test_a_string_has_a_piece_for_each_part() -> None:
    assert SPACE.gene_names == ("a.layer", "a.norm", "b.size")
    assert SPACE.format(Arch((1, 0, 1))) == "a dense False | b 6"
    assert SPACE.parse(" a dense  False|b 6\n") == Arch((1, 0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b 6 | a dense False", "parts b with 1, a with 2; expected PART OPTION ... joined by ' | ', the parts a with"),
        ("a dense False b 6", "parts a with 4; expected"),
        ("a dense | b 6", "a with 2, b with 1 options"),
        ("a dense False | b 6 |", "expected PART OPTION"),
        ("a dense maybe | b 6", "a.norm='maybe': expected one of False, True"),
        ("a dense False | b 4", "b.size='4': expected one of 2, 6"),
    ],
)  # fmt: skip
def test_another_string_is_told(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        SPACE.parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_are_a_base_and_a_sum_over_genes() -> None:
    counts = SPACE.parameters(np.array([[0, 1, 0], [1, 0, 0], [2, 0, 1]]))
    assert {name: count.tolist() for name, count in counts.items()} == {"deep": [100, 110, 120], "flat": [9, 9, 13]}
    with pytest.raises(InputError, match=r"genes of shape \(3,\): expected \(n, 3\)"):
        SPACE.parameters(np.zeros(3, dtype=int))
    with pytest.raises(InputError, match=r"gene b\.size of row 1 is 2: expected the index of one of its 2 options"):
        SPACE.parameters(np.array([[0, 0, 0], [2, 1, 2]]))


def test_genes_own_what_they_say() -> None:
    assert [SPACE.modules(gene) for gene in range(3)] == [("deep.0", "deep.norm"), (), ("flat.0",)]


def test_the_space_of_a_table_has_the_same_options() -> None:
    table = {"a.layer": ("none", "dense", "wide"), "a.norm": (False, True), "b.size": (4, 12)}
    rows = np.zeros((1, 3), dtype=np.uint8)
    assert Two.for_table(table, rows, size=4).options == Two(4).options
    with pytest.raises(InputError, match=r"two table, b\.size: expected 3 genes in order, the first a\.layer with"):
        Two.for_table(table, rows)
