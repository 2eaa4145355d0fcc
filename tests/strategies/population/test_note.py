"""What populations note is what version 0.1.0 wrote."""

from __future__ import annotations

from archloom.strategies.population.note import MemberNote


def test_a_members_note() -> None:
    assert MemberNote(3).to_note() == {"member": 3}
    assert list(MemberNote(3, [0, 2]).to_note().items()) == [("member", 3), ("parents", [0, 2])]
    assert MemberNote.find({"member": 3, "parents": [0, 2]}) == MemberNote(3, [0, 2])
