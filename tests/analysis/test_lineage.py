"""Layers followed back to the first population."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from archloom.analysis.lineage import (
    NEW,
    Birth,
    Lineage,
    ancestry,
    births,
    children,
    format_lineage,
    generations,
    mixed,
    origins,
    shares,
)
from archloom.errors import InputError, StoreError
from archloom.runs.record import TrialRecord
from archloom.types import MIXED, REST, Arch, Inherit, Proposal, Result, Trial


def line(
    trial: int, member: int, epoch: int, inherit: Inherit | None = None, parents: list[int] | None = None
) -> TrialRecord:
    note = {"member": member} | ({} if parents is None else {"parents": parents})
    proposal = Proposal(Arch((0, 0, 0)), epoch, inherit, note)
    return TrialRecord.of(Trial(trial, proposal, Result({"worth": 1.0})), "x", trial + 1, None)


FIRST = [line(member, member, 10) for member in range(3)]
SECOND = [
    line(3, 0, 20, Inherit(0)),
    line(4, 1, 20, Inherit(0, {1: 2}, 0.4, 0.1), [0, 2]),
    line(5, 2, 20, Inherit(2, {0: None, REST: 2})),
]
THIRD = [
    line(6, 0, 30, Inherit(4, {0: 5, 2: 5}), [1, 2]),
    line(7, 1, 30, Inherit(4)),
    line(8, 2, 30, Inherit(5, {0: None}), [2]),
]
ALL = [*FIRST, *SECOND, *THIRD]


def test_origins_follow_base_and_donors() -> None:
    found = origins([*THIRD, *FIRST, *SECOND])
    assert found[1] == (1, 1, 1)
    assert found[3] == (0, 0, 0)
    assert found[4] == (0, 2, 0)
    assert found[5] == (NEW, 2, 2)
    assert found[6] == (NEW, 2, 2), "from 4 its middle layer, which is of 2, from 5 the others"
    assert found[7] == (0, 2, 0)


def test_generations_are_complete_chunks() -> None:
    history = generations([*FIRST, *SECOND, THIRD[0]])
    assert [generation.epoch for generation in history] == [10, 20]
    assert [line.id for line in history[1].trials.values()] == [3, 4, 5]


def test_shares_of_every_origin_add_up_and_the_largest_at_the_end_is_first() -> None:
    epochs, table = shares(ALL)
    assert epochs.tolist() == [10, 20, 30]
    assert np.sum(list(table.values()), axis=0) == pytest.approx([1.0, 1.0, 1.0])
    assert list(table) == [2, 0, NEW, 1], "0 and new layers have as many at the end; 0 had more before"
    assert table[2] == pytest.approx([1 / 3, 3 / 9, 5 / 9])
    assert table[1] == pytest.approx([1 / 3, 0, 0])


def test_births_say_when_and_of_whom() -> None:
    assert births([*THIRD, *FIRST, *SECOND]) == [
        Birth(4, 1, 10, 0, (2,), (4,)),
        Birth(6, 0, 20, 4, (5,), (6,)),
        Birth(8, 2, 20, 5, (), (8,)),
    ]


def test_a_child_that_is_tried_again_is_born_once() -> None:
    recipe = Inherit(0, {1: 2}, reseed=True)
    again = [line(6, 0, 30, Inherit(3)), line(7, 1, 30, recipe, [0, 2]), line(8, 2, 30, Inherit(5))]
    known = [*FIRST, SECOND[0], line(4, 1, 20, recipe, [0, 2]), SECOND[2], *again]
    assert births(known) == [Birth(4, 1, 10, 0, (2,), (4, 7))]
    assert children(known).keys() == {4, 7}


def test_ancestry_says_which_layers_went_through_whom() -> None:
    assert ancestry(ALL, 6) == {
        0: {REST},
        2: {1, 2},
        4: {1, REST},
        5: {0, 2},
        6: {0, 1, 2, REST},
    }, "layer 0 began anew in trial 5"
    assert ancestry(ALL, 1) == {1: {0, 1, 2, REST}}


def test_a_run_without_a_population_has_none() -> None:
    plain = TrialRecord.of(Trial(0, Proposal(Arch((0,))), Result({"worth": 1.0})), "x", 1, None)
    assert generations([plain]) == []
    assert origins([plain]) == {}
    assert births([plain]) == []
    assert mixed([plain]) is None


# -- recipes


def with_recipe(trial: int, counts: dict[str, int], missing: dict[str, list[str]]) -> TrialRecord:
    details = {MIXED: {"counts": counts, "missing": missing} if missing else {"counts": counts}}
    result = Result({"worth": 1.0}, details=details)
    return TrialRecord.of(Trial(trial, Proposal(Arch((0,))), result), "x", trial + 1, None)


def test_what_recipes_could_not_take_is_one_line() -> None:
    lines = [
        with_recipe(3, {"base": 6, "donor": 2, "fresh": 9, "missing": 1, "dropped": 5}, {"2": ["net.a"]}),
        with_recipe(4, {"base": 7, "donor": 1, "missing": 3}, {"2": ["net.a"], "base": ["net.b", "net.c"]}),
        FIRST[0],
    ]
    found = mixed(lines)
    assert found is not None
    assert found.to_json() == {"states": 2, "tensors": 20, "missing": 4, "by_gene": {"2": 2, "base": 1}}
    assert str(found) == (
        "2 states mixed; 20 % of the tensors that were to be inherited (4 of 20) did not fit and were reinitialised"
    )


def test_recipes_that_fitted() -> None:
    assert str(mixed([with_recipe(3, {"base": 6}, {})])) == (
        "1 state mixed; every tensor that was to be inherited fitted"
    )


@pytest.mark.parametrize("own", [5, "yes", None, [], {}, {"counts": 3}, {"counts": {"base": "many"}}])
def test_details_that_an_evaluator_of_a_users_own_calls_mixed(own: object) -> None:
    line = TrialRecord(0, (0,), "x", 1, scores={"worth": 1.0}, details={MIXED: own})
    assert mixed([line]) is None
    assert mixed([line, with_recipe(3, {"base": 6}, {})]) == mixed([with_recipe(3, {"base": 6}, {})])


# -- a real run


def test_all_of_a_real_run_as_data(make_population: Any) -> None:
    known = Lineage.only({"pbt_nas": [make_population()]})
    content = known.to_json()
    assert content["epochs"] == [2, 4, 6, 8] and content["members"] == 8
    assert content["choices"] == [f"gene{i}" for i in range(8)]
    assert content["mixed"]["missing"] == 0 < content["mixed"]["states"]
    assert np.sum(list(content["shares"].values()), axis=0) == pytest.approx(np.ones(4))
    assert all(share[0] == pytest.approx(1 / 8) for share in content["shares"].values()), "at first all own themselves"
    trials = {trial["trial"]: trial for trial in content["trials"]}
    best = max(trials.values(), key=lambda trial: trial["value"])
    assert best["value"] == trials[content["winner"]]["value"]
    for trial in trials.values():
        if trial["taken_from"] is not None:
            sources = [trials[taken]["origins"][gene] for gene, taken in enumerate(trial["taken_from"])]
            assert trial["origins"] == sources
            assert trial["born_of"] is None or set(trial["taken_from"]) <= set(trial["born_of"])
    children = [trial for trial in trials.values() if trial["born_of"]]
    assert len(children) == len(births(known.lines)) == 3 * 2, "a quarter of eight dies between two chunks"


def test_rows_say_what_the_object_says(make_population: Any) -> None:
    known = Lineage.only({"pbt_nas": [make_population()]})
    rows, trials = list(known.rows()), known.to_json()["trials"]
    assert [row["origin"] for row in rows] == [origin for trial in trials for origin in trial["origins"]]
    assert [row["value"] for row in rows[::8]] == [trial["value"] for trial in trials]
    assert [row["child"] for row in rows[::8]] == [int(trial["born_of"] is not None) for trial in trials]
    assert rows[0] == {
        "epoch": 2, "member": 0, "trial": 0, "value": trials[0]["value"], "child": 0, "choice": "gene0",
        "taken_from": None, "origin": 0,
    }  # fmt: skip


def test_the_text_of_a_real_run(make_population: Any) -> None:
    known = Lineage.only({"pbt_nas": [make_population()]})
    head, columns, *rows, winner, recipes = format_lineage(known).splitlines()
    assert head.endswith("seed 0: 8 members through 4 chunks to 8 epochs, 6 children")
    assert columns.split("  ")[0] == "layers from" and columns.endswith("in the winner, of 8")
    assert sum(int(row.split()[-1]) for row in rows) == 8
    assert sum(float(row.split()[-3]) for row in rows) == pytest.approx(100, abs=0.5)
    assert known.winner is not None and known.winner.arch in winner
    assert "mixed; every tensor that was to be inherited fitted" in recipes


def test_one_run_of_a_population_is_needed(make_population: Any, make_report: Any) -> None:
    run = make_population()
    with pytest.raises(InputError, match="a lineage is that of one run, these are 2"):
        Lineage.only({"pbt_nas": [run, run]})
    with pytest.raises(
        InputError, match=r"4 complete chunks: .* needs 5; continue the run .*, or search with more epochs$"
    ):
        Lineage.only({"pbt_nas": [run]}, chunks=5)
    with pytest.raises(InputError, match="random has trained a population through 0 complete chunks"):
        Lineage.only({"random": [make_report([1, 2])]})


@pytest.mark.parametrize("lost", [0, 3, 8])
def test_a_record_that_lacks_trials_has_no_lineage(make_population: Any, lost: int) -> None:
    run = make_population()
    lines = tuple(line for line in run.history.lines if line.id != lost)
    torn = replace(run, history=replace(run.history, lines=lines))
    with pytest.raises(StoreError, match=r"inherits from trial \d+, which is not recorded before it"):
        Lineage.only({"pbt_nas": [torn]})


def test_a_record_of_other_genes_has_no_lineage(make_population: Any) -> None:
    run = make_population()
    first, *others = run.history.lines
    lines = (first, *(msgspec.structs.replace(line, genes=line.genes[1:]) for line in others))
    with pytest.raises(StoreError, match=r"trial 1 has \d+ genes, trial 0 has \d+: lines were changed"):
        Lineage.only({"pbt_nas": [replace(run, history=replace(run.history, lines=lines))]})
