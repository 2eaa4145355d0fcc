"""Published numbers, against what the thesis prints."""

from __future__ import annotations

import json

from archloom.analysis.published_supernets import PICKS, correlations_and_slopes


def test_tables_of_the_thesis() -> None:
    correlations, slopes = correlations_and_slopes("darts")
    assert {each.label: (each.cifar10, each.cifar100) for each in correlations} == {
        "RS": (0.964, 1.0), "DDAS-NL": (0.881, 0.826), "DDAS-G": (0.886, 0.810), "DDAS-4S": (0.886, 0.600),
    }  # fmt: skip
    assert [each.slope for each in slopes] == [2.86, 2.123, 4.03, 3.196]
    assert [each.rank for each in PICKS] == [1, 416, 1, 129, 1, 8]
    assert all(by_test.test > by_valid.test for by_valid, by_test in zip(PICKS[::2], PICKS[1::2], strict=True))
    assert "Table 4.4" in json.dumps([each.to_json() for each in PICKS])


def test_nothing_is_published_of_other_spaces() -> None:
    assert correlations_and_slopes("nb201") == ((), ())
