"""Where the chunks of a population end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from archloom.analysis.lineage import generations
from archloom.analysis.timeline import Timeline
from archloom.errors import InputError
from archloom.runs.history import History
from archloom.runs.report import RunReport
from archloom.types import Resource


def timed(report: RunReport, seconds: float, unit: str) -> RunReport:
    """The same run, each of whose trials took so long, and whose fidelities count something else."""
    lines = [with_fields(line, cost_s=seconds) for line in report.history.lines]
    return replace(report, history=History.of(lines, report.history.criteria, Resource(unit, 8, open_ended=True)))


def test_ends_of_chunks_over_all_that_they_take(make_population: Any) -> None:
    run = timed(make_population(), 0.5, "frames")
    chunks = generations(run.history.lines)
    assert Timeline.of(run, chunks, "chunks") == Timeline([1, 2, 3, 4], "chunks of training")
    assert Timeline.of(run, chunks) == Timeline([2, 4, 6, 8], "frames")
    seconds = Timeline.of(run, chunks, "seconds")
    assert (seconds.ends, seconds.begins) == ([4.0, 8.0, 12.0, 16.0], [0, 4.0, 8.0, 12.0]), "8 members"
    with pytest.raises(InputError, match="no record of the seconds it used: draw it over chunks"):
        Timeline.of(timed(run, 0.0, "frames"), generations(timed(run, 0.0, "frames").history.lines), "seconds")
