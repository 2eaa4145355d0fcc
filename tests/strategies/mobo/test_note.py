from __future__ import annotations

from archloom.strategies.mobo.note import MoboNote


def test_a_note_says_whether_chains_have_mixed_only_if_they_have_not() -> None:
    assert MoboNote(-1.5).to_note() == {"log_uncertainty": -1.5}
    note = MoboNote(-1.5, "they have not")
    assert note.to_note() == {"log_uncertainty": -1.5, "unmixed": "they have not"}
    assert MoboNote.find(note.to_note()) == note
    assert MoboNote.find({}) is None
