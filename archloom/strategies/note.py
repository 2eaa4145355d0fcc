"""What strategies write in the `note` of their proposals, as types: the record's JSON has a home in code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import msgspec


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """A strategy's message to itself (`Proposal.note`), which the record keeps for people too.

    A subclass lists its entries in the order in which they are written; entries that have their default are omitted.
    """

    def to_note(self) -> dict[str, Any]:
        """The JSON object for `Proposal.note`."""
        built: dict[str, Any] = msgspec.to_builtins(self, str_keys=True)
        return built

    @classmethod
    def of(cls, note: Mapping[str, Any]) -> Self:
        """The note that `to_note` wrote; msgspec.ValidationError for any other."""
        return msgspec.convert(note, cls, str_keys=True)

    @classmethod
    def find(cls, note: Mapping[str, Any]) -> Self | None:
        """The same for the note of any strategy: None unless it has the entries of this class."""
        try:
            return cls.of(note)
        except msgspec.ValidationError:
            return None
