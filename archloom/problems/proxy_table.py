"""A table of zero-cost proxies: every architecture of a space, or of another table, is scored once.

What is scored is kept beside the table, in a file of lines that ends in `.part`, until the table is written: a command
that was killed goes on where it stopped, and makes the same table.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.data.tables import Table, load_table
from archloom.errors import InputError, StoreError
from archloom.evaluators.base import Evaluator
from archloom.evaluators.proxies.evaluator import FAILED
from archloom.executors.backends import Evaluations, Processes
from archloom.executors.base import Done, Executor, Job
from archloom.problems.proxy import ProxyProblem
from archloom.problems.proxy_part import Scored, open_part
from archloom.problems.spec import ProblemSpec
from archloom.spaces.base import Categorical, listed
from archloom.types import Arch, Proposal

UNITS = "proxies: scores that only rank"

AHEAD = 4
"""Architectures that are given to each worker beforehand."""


@dataclass(frozen=True)
class Rows:
    """The architectures of a table to be: genes (n, g), with their names and options."""

    space: str
    gene_names: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]
    genes: NDArray[np.integer[Any]]

    @property
    def archs(self) -> Iterator[Arch]:
        return (Arch(tuple(row)) for row in self.genes.tolist())


class ProxyTable:
    """A table to be made at `target`: `open` it, `run` it.

    `spec` is a problem of proxies (`--on proxy:...`); with a table, the proxies are added to its rows and metrics.
    InputError for a space whose architectures cannot be listed, and for a table that has such metrics.
    """

    def __init__(self, spec: ProblemSpec, target: Path) -> None:
        opened = spec.source.open(spec)
        assert isinstance(opened, ProxyProblem)  # noqa: S101 - the command makes no other spec
        self._spec = spec.source.absolute(spec)
        self._target = target
        self._problem = opened
        self._base = None if spec.table is None else load_table(spec.table)
        self._rows = _rows_of(self._base) if self._base is not None else listed_rows(opened)
        twice = [name for name in opened.proxies if self._base is not None and name in self._base.all_goals]
        if twice:
            raise InputError(f"{spec.table} has a metric {twice[0]} already; name other proxies, or another table")

    def __len__(self) -> int:
        return len(self._rows.genes)

    @property
    def part(self) -> Path:
        """Where what is scored is kept until the table is written."""
        return self._target.with_name(f"{self._target.name}.part")

    def run(self, workers: int, progress: Callable[[int], object]) -> Made:
        """Score what is not scored yet, and write the table. `progress` is told how many more are done.

        InputError if what is kept is of other settings, or another process is at it; StoreError if the disk refuses.
        """
        with open_part(self.part, self._identity()) as kept:
            progress(len(kept.scored))
            executor = Processes(workers, isolate=False).executor(
                Evaluations(lambda: _evaluator(self._problem), partial(_open_evaluator, self._spec))
            )
            try:
                for done in _answers(executor, self._missing(kept.scored), AHEAD * workers):
                    kept.add(self._scored(done))
                    progress(1)
            finally:
                executor.close()
            made = self._made(kept.scored)
            made.table.save(self._target)
            kept.remove()
        return Made(load_table(self._target), made.failures)

    def _missing(self, scored: Mapping[int, Scored]) -> Iterator[Job]:
        for row, arch in enumerate(self._rows.archs):
            if row not in scored:
                yield Job(row, Proposal(arch), 0)

    def _made(self, scored: Mapping[int, Scored]) -> Made:
        """The table of the architectures that were scored, which are all."""
        names = self._problem.proxies
        metrics = {
            name: np.array([scored[row].values.get(name, np.nan) for row in range(len(self))], dtype=np.float32)
            for name in names
        }
        goals = {name: self._problem.goals[name] for name in names}
        if self._base is not None:
            table = self._base.with_metrics(metrics, goals, self._said(), UNITS, names)
        else:
            rows = self._rows
            table = Table.from_arrays(
                space=rows.space, gene_names=rows.gene_names, options=rows.options, genes=rows.genes, metrics=metrics,
                goals=goals, source=self._said(), units=UNITS, ordinal=names,
            )  # fmt: skip
        failures = {name: Counter(one.failed[name] for one in scored.values() if name in one.failed) for name in names}
        return Made(table, {name: dict(found) for name, found in failures.items() if found})

    def _scored(self, done: Done) -> Scored:
        """An answer as it is kept; StoreError for one that should not be, as a process that was killed gives."""
        result = done.result
        if result.error is not None:
            arch = self._problem.space.format(Arch(tuple(self._rows.genes[done.trial_id].tolist())))
            raise StoreError(f"{arch} cannot be scored: {result.error}; what was scored is in {self.part}")
        return Scored(done.trial_id, dict(result.report), dict(result.details.get(FAILED, {})))

    def _said(self) -> str:
        """Where the scores come from, in a line."""
        images = self._problem.trained_on
        seen = "no images" if images is None else f"images of {images.name} ({images.source})"
        chosen = {**self._problem.sizes, **self._spec.task}
        given = ", ".join(f"{name}={value}" for name, value in sorted(chosen.items()))
        return f"zero-cost proxies {', '.join(self._problem.proxies)} of untrained networks, {seen}; {given}"

    def _identity(self) -> str:
        """Equal for two commands that make the same table."""
        images = self._problem.trained_on
        told = {
            "proxies": self._problem.proxies,
            "space": [self._rows.space, self._rows.gene_names, self._rows.options],
            "rows": hashlib.sha256(np.ascontiguousarray(self._rows.genes, dtype="<i8").tobytes()).hexdigest(),
            "settings": [self._problem.sizes, self._problem.settings],
            "images": None if images is None else images.sha256,
            "table": None if self._base is None else self._base.sha256,
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class Made:
    """A table that was made, and how many architectures have no score, by proxy and reason."""

    table: Table
    failures: Mapping[str, Mapping[str, int]]


def _evaluator(problem: ProxyProblem) -> Evaluator:
    """What scores a row: everything is reported, so that a proxy that fails fails alone."""
    return problem.evaluator((), problem.proxies)


def _open_evaluator(spec: ProblemSpec) -> Evaluator:
    """The same in another process."""
    opened = spec.source.open(spec)
    assert isinstance(opened, ProxyProblem)  # noqa: S101 - see ProxyTable
    return _evaluator(opened)


def _answers(executor: Executor, jobs: Iterator[Job], ahead: int) -> Iterator[Done]:
    """The answers to all jobs, of which at most `ahead` are in flight."""
    flying = 0
    for job in jobs:
        executor.submit(job)
        flying += 1
        while flying >= ahead:
            done = executor.wait()
            flying -= len(done)
            yield from done
    while flying:
        done = executor.wait()
        flying -= len(done)
        yield from done


def _rows_of(table: Table) -> Rows:
    return Rows(table.space, table.gene_names, table.options, table.genes)


def listed_rows(problem: ProxyProblem) -> Rows:
    """All architectures of a space of choices."""
    space = problem.space
    everything = listed(space) if isinstance(space, Categorical) else None
    if everything is None:
        raise InputError(
            f"space {space.name}: its architectures cannot be listed, or are too many; name a table whose rows are "
            "scored with --table FILE"
        )
    assert isinstance(space, Categorical)  # noqa: S101 - it was listed
    genes = np.array([arch.genes for arch in everything], dtype=np.int64)
    return Rows(space.name, tuple(space.gene_names), space.options, genes)
