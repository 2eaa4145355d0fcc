"""The rows of a study, and its tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.pbt_nas.searches import Found
from benchmarks.pbt_nas.studies import BOHB, DEFAULT, NO_MIXING, RANDOM, STUDIES
from benchmarks.pbt_nas.tables import Comparison, rows


def test_rows_are_tested_as_the_study_says() -> None:
    study = replace(STUDIES["chain"], settings=(DEFAULT, NO_MIXING, RANDOM))
    values = {DEFAULT.name: (5, 6, 7, 8, 9), NO_MIXING.name: (4, 5, 6, 7, 8), RANDOM.name: (5.5, 5, 5, 5, 5)}
    found = [
        Found(name, seed, "explained", "max", value, None, 0.1, value + 1, [value])
        for name, each in values.items()
        for seed, value in enumerate(each)
    ]
    default, no_mixing, random = rows(study, found)
    assert (default.mean, default.std, default.tested) == (7, pytest.approx(2.5**0.5), None)
    assert (default.best_ever, random.best_ever) == (8, pytest.approx(6.1))
    assert no_mixing.tested == Comparison(DEFAULT.name, 1, 1, 1, 1 / 32, 2 / 32)
    assert random.tested is not None and random.tested.low < random.tested.by < random.tested.high
    assert (random.tested.by, random.tested.p) == (pytest.approx(1.9), 2 / 32)
    assert random.published.fid == "16.79 ± 0.97"
    less_is_better = [replace(each, goal="min") for each in found]
    assert [row.tested.p for row in rows(study, less_is_better) if row.tested] == [1.0, 31 / 32]


def test_seeds_pair_bohb_only_where_they_are_the_same_teachers() -> None:
    """Of three and three values all of which are better: 1 in 20 if nothing pairs them, else 1 in 8."""
    for name, p in (("gan-bohb", 1 / 20), ("bohb", 1 / 8)):
        study = replace(STUDIES[name], settings=(DEFAULT, BOHB))
        values = {DEFAULT.name: (1, 2, 3), BOHB.name: (4, 5, 6)}
        found = [
            Found(row, seed, "loss", "min", value, None, 0.1, value + 1, [value])
            for row, each in values.items()
            for seed, value in enumerate(each)
        ]
        tested = rows(study, found)[1].tested
        assert tested is not None and tested.p == pytest.approx(p) and tested.by == 3


def test_sizes_are_tested_against_the_next_larger_and_against_random_networks() -> None:
    study = STUDIES["scaling"]
    assert study.beaten_by == {
        "PBT-NAS, 6 members": "PBT-NAS, 12 members",
        "PBT-NAS, 12 members": "PBT-NAS",
        "random search, 6 members": "PBT-NAS, 6 members",
        "random search, 12 members": "PBT-NAS, 12 members",
        "random search": "PBT-NAS",
    }
    assert study.text == STUDIES["chain"].text, "they share records"
    assert study.text != STUDIES["moving"].text
