"""When the chunks of a population end: after how many chunks, units of training, or seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from archloom.analysis.lineage import Generation
from archloom.errors import InputError
from archloom.runs.report import RunReport

Time = Literal["chunks", "resource", "seconds"]
"""The axis of a picture of a population: chunks of training, units of the resource that each member has used (epochs,
frames), or the seconds that all members have taken together."""


@dataclass(frozen=True)
class Timeline:
    """The ends of chunks, ascending, along an axis with a `label`."""

    ends: Sequence[float]
    label: str

    @property
    def begins(self) -> list[float]:
        return [0, *self.ends[:-1]]

    @classmethod
    def of(cls, report: RunReport, generations: Sequence[Generation], over: Time = "resource") -> Timeline:
        """InputError if a run did not record how long its trials took, and they are to be drawn over seconds."""
        resource = report.history.resource
        labels: Mapping[Time, str] = {
            "chunks": "chunks of training",
            "resource": "epochs" if resource is None else resource.unit,
            "seconds": "seconds of evaluation, one member after another",
        }
        ends: Mapping[Time, list[float]] = {
            "chunks": list(range(1, len(generations) + 1)),
            "resource": [generation.epoch for generation in generations],
            "seconds": list(accumulate(sum(line.cost_s for line in g.trials.values()) for g in generations)),
        }
        if generations and not ends[over][-1] > 0:
            raise InputError(f"this run has no record of the {over} it used: draw it over chunks")
        return cls(ends[over], labels[over])
