"""Whether a record is whole: what a run cannot have written, and what it must have written besides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from archloom.errors import StoreError
from archloom.runs.budgets import Limits
from archloom.runs.record import TRIALS, TrialRecord


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
