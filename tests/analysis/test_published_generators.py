"""NAGO's tables."""

from __future__ import annotations

import pytest

from archloom.analysis.published import references
from archloom.analysis.published_generators import (
    DATA,
    GENERATORS,
    IMAGENET,
    NETWORKS,
    SEARCHES,
    SURROGATES,
    TRAINING_TIMES,
)  # fmt: skip
from archloom.analysis.published_rows import IMAGENET_TOP1


def test_tables_2_4_6_and_7_stand_beside_runs_on_the_same_images() -> None:
    valid = {p.label: (p.source[-7:], p.mean) for p in references("images:cifar10", "valid_accuracy")}
    assert valid == {
        "RNAG-BOHB": ("Table 2", 93.5), "HNAG-BOHB": ("Table 2", 95.6), "HNAG-AugV1-BOHB": ("Table 6", 94.7),
        "HNAG-AugV2-BOHB": ("Table 7", 95.7),
    }  # fmt: skip
    found = references("images:cifar100", "test_accuracy")
    assert [(p.label, p.mean, p.std) for p in found][:2] == [("HNAG-BOHB", 79.3, 0.31), ("HNAG-MOBO", 77.6, 0.45)]
    assert {p.label: p.mean for p in references("images:flowers102", "memory_mb")}["HNAG-RS"] == 211.2
    assert references("images:digits", "test_accuracy") == []


def test_table_5() -> None:
    best = references("hnag", IMAGENET_TOP1)[0]
    assert (best.label, best.mean) == ("HNAG-BOHB", 76.8) and IMAGENET[0].params_m == 5.7


def test_tables_have_a_row_for_every_data_set() -> None:
    assert all(tuple(each.data for each in search.found) == DATA for search in SEARCHES)
    assert list(SURROGATES) == list(TRAINING_TIMES) == list(DATA) and SURROGATES["mit67"].nll == (7.23, -0.92)
    assert [len([n for n in NETWORKS if n.data == data]) for data in DATA] == [5] * 5


def test_generators_of_table_3_use_the_memory_of_table_4() -> None:
    known = {(each.label, each.data): each.memory_mb for each in NETWORKS}
    for each in GENERATORS:
        if each.data in DATA:
            assert each.memory_mb == pytest.approx(known[each.search, each.data], abs=1.0)
    assert GENERATORS[0].arch(7) == (
        "top_nodes=8, top_neighbours=5, top_rewiring=0.6, mid_nodes=1, mid_edge=0.7, bottom_nodes=5, "
        "bottom_neighbours=4, bottom_rewiring=0.2, graph_seed=7"
    )
