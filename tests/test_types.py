from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from archloom.errors import InputError
from archloom.types import Arch, Inherit, PopulationSizes, Proposal, Resource, Result, Trial


def trial() -> Trial:
    proposal = Proposal(Arch((0, 2.5)), 4, Inherit(3, {0: 1, 1: None}, 0.4, 0.1), {"action": [1, "x", None]})
    return Trial(7, proposal, Result({"valid": 90.5}, {"test": 89.0}, 1.5, details={"mixed": {"counts": {"base": 2}}}))


def test_a_trial_survives_json() -> None:
    back = msgspec.json.decode(msgspec.json.encode(trial()), type=Trial)
    assert back == trial()
    assert type(back.proposal.arch.genes[0]) is int
    assert type(back.proposal.arch.genes[1]) is float
    assert back.proposal.inherit is not None
    assert back.proposal.inherit.donors == {0: 1, 1: None}
    assert msgspec.json.decode(b'{"base":3}', type=Inherit) == Inherit(3), "an older record has fewer fields"


@pytest.mark.parametrize("value", [trial(), trial().proposal, trial().result, trial().proposal.arch, Inherit(1)])
def test_values_are_frozen(value: object) -> None:
    name = dataclasses.fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)


def test_architectures_are_equal_by_their_genes() -> None:
    assert len({Arch((1, 2)), Arch((1, 2)), Arch((2, 1))}) == 2


def test_what_a_strategy_sees_has_no_report_and_no_details() -> None:
    seen = trial().without_report()
    assert seen.result.report == seen.result.details == {}
    assert seen.result.scores == {"valid": 90.5}
    assert seen.result.cost_s == 1.5
    assert (seen.id, seen.proposal) == (7, trial().proposal)
    assert trial().result.report == {"test": 89.0}


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("two\n  lines\tand a tab", "two lines and a tab"),
        ("", "unknown reason"),
        (" \n ", "unknown reason"),
        ("half a pair: \ud800", "half a pair: \\ud800"),
    ],
)
def test_a_failed_result_says_why_in_one_writable_line(reason: str, error: str) -> None:
    result = Result.failed(reason, 2.0)
    assert (result.error, result.cost_s, result.scores, result.ok) == (error, 2.0, {}, False)
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result


@pytest.mark.parametrize("unit", [None, "", " ", "epo\nchs", 3])
def test_a_unit_is_a_word(unit: Any) -> None:
    with pytest.raises(InputError, match=r"expected what is counted, in the plural, e\.g\. 'epochs'"):
        Resource(unit, 27)


def test_no_training_is_longer_than_can_be_added_up() -> None:
    with pytest.raises(InputError, match="1 <= minimum <= maximum <= 1,000,000,000,000"):
        Resource("steps", 10**30)
    with pytest.raises(InputError, match="fidelity 1000000000000001"):
        Resource("epochs", 9, open_ended=True).resolve(10**15 + 1)


def test_an_amount_of_a_resource_in_words() -> None:
    epochs = Resource("epochs", 2000)
    assert [epochs.amount(number) for number in (0, 1, 2, 1500)] == ["0 epochs", "1 epoch", "2 epochs", "1,500 epochs"]


def test_sizes_of_a_population_that_suit_what_is_asked_for() -> None:
    sizes = PopulationSizes(12, 50, 5)
    assert sizes.asked() == sizes
    assert sizes.asked(epochs=20) == PopulationSizes(12, 20, 2), "ten chunks"
    assert sizes.asked(epochs=4) == PopulationSizes(12, 4, 1)
    assert sizes.asked(epochs=300) == PopulationSizes(12, 300, 5)
    assert sizes.asked(step=10) == PopulationSizes(12, 100, 10)
    assert sizes.asked(step=1) == PopulationSizes(12, 50, 1)
    assert sizes.asked(epochs=7, step=3) == PopulationSizes(12, 7, 3)
    with pytest.raises(InputError, match="PopulationSizes: step=0: expected a whole number of at least 1"):
        PopulationSizes(12, 50, 0)
