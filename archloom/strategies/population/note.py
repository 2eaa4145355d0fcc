"""What the record says of each chunk of training in a population."""

from __future__ import annotations

from archloom.strategies.note import Note


class MemberNote(Note, frozen=True):
    """`member`: whose chunk it is. `parents`: the members whose child it is, until it has trained through a chunk."""

    member: int
    parents: list[int] | None = None


class NetworkNote(MemberNote, frozen=True, kw_only=True):
    """Of several networks of one generator: `generator`: which of those that are trained, from 1. `network`: which of
    its networks, from 1."""

    generator: int
    network: int
