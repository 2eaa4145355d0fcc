"""Notes are written as they are read, in the order of their entries; what another strategy noted is no note of ours."""

from __future__ import annotations

import msgspec
import pytest

from archloom.strategies.note import Note


class Counted(Note, frozen=True):
    place: int
    times: dict[int, int] | None = None
    share: float | None = None


def test_a_note_is_written_in_the_order_of_its_entries_without_those_that_have_their_default() -> None:
    assert msgspec.json.encode(Counted(2, {7: 1}, 0.5).to_note()) == b'{"place":2,"times":{"7":1},"share":0.5}'
    assert Counted(0).to_note() == {"place": 0}
    assert Counted(0, {}).to_note() == {"place": 0, "times": {}}


@pytest.mark.parametrize("note", [Counted(3), Counted(3, {0: 2, 12: 1}, 0.25), Counted(0, {}, 0.0)])
def test_a_note_survives_the_record(note: Counted) -> None:
    written = msgspec.json.decode(msgspec.json.encode(note.to_note()))
    assert Counted.of(written) == Counted.find(written) == note


@pytest.mark.parametrize("other", [{}, {"times": {"7": 1}}, {"place": "first"}, {"place": 1, "times": 3}])
def test_the_note_of_another_strategy_is_not_found(other: dict[str, object]) -> None:
    assert Counted.find(other) is None
    with pytest.raises(msgspec.ValidationError):
        Counted.of(other)


def test_entries_of_a_subclass_elsewhere_are_passed_over() -> None:
    assert Counted.find({"place": 1, "more": [2]}) == Counted(1)
