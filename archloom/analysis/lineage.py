"""Where the layers of a population come from: every choice of every member is followed back to the first population.

The data behind Figure 5 of PBT-NAS: a layer that trains further keeps its origin, one that is taken from another
member has that member's, and one that is reinitialised is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from archloom.analysis.layout import align, counted
from archloom.analysis.study import Reports, Study
from archloom.checkpoints.store import sources
from archloom.errors import InputError, StoreError
from archloom.runs.history import History
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.spaces.drawing import HasChoices
from archloom.strategies.population.note import MemberNote
from archloom.types import MIXED, REST, Inherit
from archloom.utils.options import NonNegativeInt
from archloom.utils.text import one_line

NEW = -1
"""The origin of layers that were reinitialised after the first population."""


# -- from a record ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Generation:
    """A population between two chunks: the number of epochs, and the trials by member."""

    epoch: int
    trials: Mapping[int, TrialRecord]


def member_of(line: TrialRecord) -> int | None:
    """The member whose chunk of training a trial is; None if there is none."""
    note = MemberNote.find(line.note)
    return note.member if note else None


def generations(lines: Sequence[TrialRecord]) -> list[Generation]:
    """The chunks of a run that are complete, in order; empty for a run that trained no population."""
    by_epoch: dict[int, dict[int, TrialRecord]] = {}
    for line in lines:
        member = member_of(line)
        if member is not None:
            by_epoch.setdefault(line.fidelity, {})[member] = line
    size = max((len(trials) for trials in by_epoch.values()), default=0)
    return [Generation(epoch, trials) for epoch, trials in sorted(by_epoch.items()) if len(trials) == size]


def giver(inherit: Inherit, gene: int) -> int | None:
    """The trial from whose state a choice's layer is taken; None if it is reinitialised."""
    return inherit.donors.get(gene, inherit.base)


def origins(lines: Sequence[TrialRecord]) -> dict[int, tuple[int, ...]]:
    """Trial -> for each of its choices the member of the first population whose layer it goes back to, or `NEW`."""
    found: dict[int, tuple[int, ...]] = {}
    for line in sorted(lines, key=lambda line: line.id):
        member, genes = member_of(line), range(len(line.genes))
        if member is None:
            continue
        if line.inherit is None:
            found[line.id] = tuple(member for _ in genes)
            continue
        givers = [giver(line.inherit, gene) for gene in genes]
        found[line.id] = tuple(
            NEW if trial is None else found[trial][gene] for gene, trial in zip(genes, givers, strict=True)
        )
    return found


def shares(lines: Sequence[TrialRecord]) -> tuple[NDArray[np.int64], dict[int, NDArray[np.float64]]]:
    """Epochs (g,), and for each origin its share (g,) of all choices of all members then.

    The one with the largest share at the end comes first; of equals the one that had more over the whole time.
    """
    history, found = generations(lines), origins(lines)
    counts = [
        Counter(origin for line in generation.trials.values() for origin in found[line.id]) for generation in history
    ]
    known = set().union(*counts)
    table = {origin: np.array([count[origin] / count.total() for count in counts]) for origin in known}
    order = sorted(known, key=lambda origin: (-table[origin][-1], -table[origin].sum(), origin))
    return np.array([generation.epoch for generation in history]), {origin: table[origin] for origin in order}


@dataclass(frozen=True)
class Birth:
    """A child that takes a member's place after `epoch` epochs: the trial of its first chunk, and those whose states
    it inherits. `donors` omits the base and reinitialised layers.

    `attempts`: that trial and, if it failed, those of later chunks in which the child was to be made again.
    """

    trial: int
    member: int
    epoch: int
    base: int
    donors: tuple[int, ...]
    attempts: tuple[int, ...]


def births(lines: Sequence[TrialRecord]) -> list[Birth]:
    """The children of a run, in the order of their trials."""
    by_id = {line.id: line for line in lines}
    found: list[Birth] = []
    latest: dict[int, int] = {}  # of each member, the place of its last birth in `found`
    for line in sorted(lines, key=lambda line: line.id):
        note = MemberNote.find(line.note)
        if note is None or note.parents is None or line.inherit is None:
            continue
        before = found[latest[note.member]] if note.member in latest else None
        if before is not None and by_id[before.trial].inherit == line.inherit:  # it failed, and is tried again
            found[latest[note.member]] = replace(before, attempts=(*before.attempts, line.id))
            continue
        donors = {trial for trial in line.inherit.donors.values() if trial is not None} - {line.inherit.base}
        base = by_id[line.inherit.base]
        latest[note.member] = len(found)
        found.append(Birth(line.id, note.member, base.fidelity, base.id, tuple(sorted(donors)), (line.id,)))
    return found


def children(lines: Sequence[TrialRecord]) -> dict[int, Birth]:
    """Trial -> the birth that it is an attempt at."""
    return {trial: birth for birth in births(lines) for trial in birth.attempts}


def ancestry(lines: Sequence[TrialRecord], trial: int) -> dict[int, frozenset[int]]:
    """Trials that gave something to `trial` -> which of its choices' layers they had, `REST` among them.

    It includes `trial` itself, with everything, and goes back to trials of the first chunk or of reinitialised layers.
    """
    by_id = {line.id: line for line in lines}
    carried: dict[int, set[int]] = {trial: {*range(len(by_id[trial].genes)), REST}}
    for number in sorted(by_id, reverse=True):
        inherit = by_id[number].inherit
        if number not in carried or inherit is None:
            continue
        for gene in carried[number]:
            source = giver(inherit, gene)
            if source is not None:
                carried.setdefault(source, set()).add(gene)
    return {number: frozenset(genes) for number, genes in sorted(carried.items())}


# -- layers that did not fit --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mixed:
    """How completely states were inherited in a run.

    `states`: how many were mixed. `tensors`: how many they were to inherit from a base or a donor, of which `missing`
    were not there, or had another shape, and were reinitialised. `by_gene`: in how many states each gene (a number as a
    string; "base" for those without a donor) lacked something.
    """

    states: int
    tensors: int
    missing: int
    by_gene: Mapping[str, int]

    def __str__(self) -> str:
        """In one line."""
        if not self.missing:
            return f"{counted(self.states, 'state')} mixed; every tensor that was to be inherited fitted"
        share = 100 * self.missing / self.tensors
        return (
            f"{counted(self.states, 'state')} mixed; {share:.2g} % of the tensors that were to be inherited "
            f"({self.missing} of {self.tensors}) did not fit and were reinitialised"
        )

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "by_gene": dict(self.by_gene)}


class _MixReport(msgspec.Struct):
    """What is read here of `checkpoints.mix.MixReport.to_json`."""

    counts: dict[str, NonNegativeInt]
    missing: dict[str, Any] = {}


def _mix_report(details: Mapping[str, Any]) -> _MixReport | None:
    """What a trial's details say of its mixing; None if nothing: an evaluator of a user's own may call anything so."""
    try:
        return msgspec.convert(details.get(MIXED), _MixReport)
    except msgspec.ValidationError:
        return None


def mixed(lines: Sequence[TrialRecord]) -> Mixed | None:
    """The sum over a run's trials, from their details; None if nothing was mixed, or it was not recorded."""
    reports = [report for line in lines if (report := _mix_report(line.details)) is not None]
    if not reports:
        return None
    counts = sum((Counter(report.counts) for report in reports), Counter())
    lacking = Counter(gene for report in reports for gene in report.missing)
    inherited = counts["base"] + counts["donor"] + counts["missing"]
    return Mixed(len(reports), inherited, counts["missing"], dict(sorted(lacking.items())))


# -- as data and as text ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lineage:
    """One run's population over all complete chunks."""

    report: RunReport
    generations: Sequence[Generation]

    @classmethod
    def only(cls, reports: Reports, chunks: int = 1) -> Lineage:
        """The lineage of the only run.

        InputError if there are several, or if it did not train a population for this many complete chunks.
        """
        Study.of(reports)
        runs = [report for found in reports.values() for report in found]
        if len(runs) != 1:
            raise InputError(
                f"a lineage is that of one run, these are {len(runs)}: name the folder of one of them{_example(runs)}"
            )
        (report,) = runs
        found = generations(report.history.lines)
        if len(found) < chunks:
            other = (
                "search with more epochs" if found else "take one of a strategy that trains a population, e.g. pbt_nas"
            )
            raise InputError(
                f"{report.request.name} has trained a population through {counted(len(found), 'complete chunk')}: "
                f"a lineage needs {chunks}; continue the run (archloom resume), or {other}"
            )
        known = cls(report, found)
        _check_whole(known.lines, report)
        return known

    @cached_property
    def lines(self) -> list[TrialRecord]:
        """The trials of all complete chunks, chunk by chunk."""
        return [line for generation in self.generations for _, line in sorted(generation.trials.items())]

    @cached_property
    def members(self) -> list[int]:
        return sorted(self.generations[0].trials)

    @cached_property
    def origins(self) -> dict[int, tuple[int, ...]]:
        return origins(self.lines)

    @cached_property
    def winner(self) -> TrialRecord | None:
        """The best trial of complete chunks; None if none succeeded and met the constraints."""
        return History.of(self.lines, self.report.scenario.criteria).best()

    def reached(self, line: TrialRecord) -> str:
        """How long the network of a trial had been trained, in words: "20 epochs"."""
        resource = self.report.history.resource
        return counted(line.fidelity, "epoch") if resource is None else resource.amount(line.fidelity)

    @property
    def metric(self) -> str:
        return self.report.scenario.criteria.objectives[0].metric

    @cached_property
    def choices(self) -> list[str]:
        """The names of the choices; their numbers if the space does not name them, or is not available."""
        space = self.report.scenario.space
        if isinstance(space, HasChoices):
            return list(space.choices(self.lines[0].trial.proposal.arch))
        return [str(gene) for gene in range(len(self.lines[0].genes))]

    def to_json(self) -> dict[str, Any]:
        """The JSON object of `archloom lineage`."""
        epochs, table = shares(self.lines)
        found = mixed(self.lines)
        request = self.report.request
        born = children(self.lines)
        return {
            "strategy": request.strategy,
            "on": request.problem.on,
            "seed": request.seed,
            "objective": self.metric,
            "members": len(self.members),
            "epochs": epochs.tolist(),
            "choices": self.choices,
            "shares": {name_of(origin): share.tolist() for origin, share in table.items()},
            "mixed": found.to_json() if found else None,
            "winner": self.winner.id if self.winner else None,
            "trials": [self._trial(line, born.get(line.id)) for line in self.lines],
        }

    def _trial(self, line: TrialRecord, birth: Birth | None) -> dict[str, Any]:
        genes = range(len(line.genes))
        return {
            "trial": line.id,
            "epoch": line.fidelity,
            "member": member_of(line),
            "arch": line.arch,
            "value": line.scores.get(self.metric),
            "born_of": [birth.base, *birth.donors] if birth else None,
            "taken_from": [giver(line.inherit, gene) for gene in genes] if line.inherit else None,
            "origins": [None if origin == NEW else origin for origin in self.origins[line.id]],
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """The origin of every layer over time: a row for each choice of each trial."""
        born = children(self.lines)
        for line in self.lines:
            for gene, (choice, origin) in enumerate(zip(self.choices, self.origins[line.id], strict=True)):
                taken = giver(line.inherit, gene) if line.inherit else None
                yield {
                    "epoch": line.fidelity,
                    "member": member_of(line),
                    "trial": line.id,
                    "value": line.scores.get(self.metric),
                    "child": int(line.id in born),
                    "choice": choice,
                    "taken_from": taken,
                    "origin": None if origin == NEW else origin,
                }


def format_lineage(lineage: Lineage) -> str:
    """For people: the first members whose layers survive, how many, and how completely states were inherited."""
    epochs, table = shares(lineage.lines)
    winner, request = lineage.winner, lineage.report.request
    final = Counter(lineage.origins[winner.id]) if winner else Counter[int]()
    rows = [
        [name_of(origin), f"{100 * share[0]:.1f} %", f"{100 * share[-1]:.1f} %", str(final[origin])]
        for origin, share in table.items()
        if share[-1] > 0 or final[origin]
    ]
    born = counted(len(births(lineage.lines)), "child", "children")
    lines = [
        f"{request.name} on {request.problem.on}, seed {request.seed}: {counted(len(lineage.members), 'member')} "
        f"through {counted(len(epochs), 'chunk')} to {lineage.reached(lineage.lines[-1])}, {born}",
        *align([["layers from", "first", "last", f"in the winner, of {len(lineage.choices)}"], *rows]),
    ]
    if winner is not None:
        lines.append(f"winner: member {member_of(winner)} after {lineage.reached(winner)}, {one_line(winner.arch)}")
    found = mixed(lineage.lines)
    return "\n".join([*lines, *([str(found)] if found else [])])


def _check_whole(lines: Sequence[TrialRecord], report: RunReport) -> None:
    """StoreError for a trial that inherits from one that is not recorded before it, in a complete chunk, and for one
    that has more or fewer genes than others."""
    known: set[int] = set()
    where = report.path or report.request.name
    for line in lines:
        if len(line.genes) != len(lines[0].genes):
            raise StoreError(
                f"{where}: trial {line.id} has {counted(len(line.genes), 'gene')}, trial {lines[0].id} has "
                f"{len(lines[0].genes)}: lines were changed; restore the record from a copy"
            )
    for line in sorted(lines, key=lambda line: line.id):
        missing = sources(line.inherit) - known
        if missing:
            raise StoreError(
                f"{where}: trial {line.id} inherits from trial {min(missing)}, which is "
                "not recorded before it, or its chunk is not complete: lines were lost or changed; restore the record "
                "from a copy"
            )
        known.add(line.id)


def _example(reports: Sequence[RunReport]) -> str:
    path = next((report.path for report in reports if report.path), None)
    return f", e.g. {path}" if path else ""


def name_of(origin: int) -> str:
    """The description of an origin."""
    return "reinitialised" if origin == NEW else f"member {origin}"
