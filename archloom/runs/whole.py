"""Whether a record is whole: what a run cannot have written, and what it must have written besides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from archloom.errors import InputError, StoreError
from archloom.runs.budgets import Limits
from archloom.runs.record import TRIALS, TrialRecord
from archloom.spaces.base import SearchSpace
from archloom.utils.text import one_line, reason_of


def check_scores(path: Path, lines: Iterable[TrialRecord], metrics: Sequence[str]) -> None:
    """StoreError for a trial that neither failed nor has a value of each of these metrics."""
    for line in lines:
        missing = next((name for name in metrics if name not in line.scores), None)
        if line.error is None and missing is not None:
            raise StoreError(
                f"{path}/{TRIALS}: trial {line.id} has neither a value of {missing} nor an error: the record is "
                "damaged, or of another run; restore the file from a copy"
            )


def lost_trials(lines: Sequence[TrialRecord], limits: Limits) -> str | None:
    """What a record lacks, in words; None if it is as a run leaves it, however that ends.

    Of a run that was killed, trials in flight are missing: with those that had finished, at most `limits.width` in a
    row, or that many in all if results were told as completed.
    """
    if not lines:
        return None
    ids = sorted(line.id for line in lines)
    missing = ids[-1] + 1 - len(ids)
    if missing == 0:
        return None
    first = next(number for number, known in enumerate(ids) if number != known)
    if missing < limits.width and (limits.as_completed or ids[-1] - first < limits.width):
        return None
    others = f" and {missing - 1} others" if missing > 1 else ""
    return f"lacks trial {first}{others}, though later ones are there: lines were lost; restore the file from a copy"


MOST_COMPARED = 20_000
"""Of longer records, only so many architectures are compared, evenly spaced, and the last."""

_CLASS = re.compile(r"<class '(?:archloom_user_(\w+)_[0-9a-f]{8}\.)?([^']*)'>")
"""How archloom 0.1.0 wrote a class as an option."""


def check_strings(path: Path, lines: Sequence[TrialRecord], space: SearchSpace) -> None:
    """InputError if the genes of a trial are no longer the architecture that its string says.

    Genes are positions among the options of a space, so they mean others if options were inserted or swapped.
    """
    step = -(-len(lines) // MOST_COMPARED) or 1
    seen: set[tuple[int | float, ...]] = set()
    for line in [*lines[::step], *lines[-1:]]:
        if line.genes not in seen:
            seen.add(line.genes)
            check_string(path, line, space)


def check_string(path: Path, line: TrialRecord, space: SearchSpace) -> None:
    """The same for one trial."""
    try:
        now = space.format(line.trial.proposal.arch)
    except Exception as error:  # noqa: BLE001 - a user's space may raise anything for genes that it does not know
        now = f"nothing ({reason_of(error, 200)})"
    if now not in (line.arch, _as_now(line.arch)):
        raise InputError(
            f"{path}: trial {line.id} is recorded as {one_line(line.arch, 200)}, but in space {space.name!r} its genes "
            f"are now {one_line(now, 200)}: options were added, removed or moved; restore the space as it was, or "
            "start a new run"
        )


def _as_now(arch: str) -> str:
    return _CLASS.sub(lambda found: f"{found[1]}.{found[2]}" if found[1] else str(found[2]), arch)
