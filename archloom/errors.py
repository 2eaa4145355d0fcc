"""Errors for people: each message is one line with the value, what was expected and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ArchloomError(Exception):
    """The base of every error that archloom raises on purpose."""


class InputError(ArchloomError, ValueError):
    """Something the user gave cannot be used. The command line answers with exit code 2 and writes nothing."""


class MissingExtraError(InputError, ImportError):
    """An optional package is needed that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}: pip install 'archloom[{extra}]'")


class StoreError(ArchloomError):
    """A run folder cannot be read or written; what was committed before is intact."""


class ChangedError(ArchloomError):
    """Something that a run was begun with is another now, while the run goes on; what was committed is intact."""


class TrainingError(ArchloomError):
    """A training cannot go on: its numbers are no longer finite, say. What was committed before is intact."""


class NoArchitectureError(InputError):
    """A space gave no valid architecture within a bounded number of tries."""


class Notice(UserWarning):
    """Said of what is as it should be, but is worth knowing while it happens: that it takes long, say."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not among `known`, with the nearest one that is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    listing = f"known: {', '.join(names)}" if names else "there are none here"
    return InputError(f"unknown {kind} {name!r}{hint} ({listing})")
