"""What a run or a group was begun with, for every process that opens the same: nothing may have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from archloom.errors import ChangedError
from archloom.evaluators.base import Evaluator
from archloom.problems.scenario import Scenario, open_scenario
from archloom.problems.spec import ProblemSpec
from archloom.spaces.fingerprint import Fingerprint, difference, fingerprint
from archloom.utils.user_files import changed_since


@dataclass(frozen=True)
class Begun:
    """What the problem of a run was when it was begun; None for what is not known.

    `files`: the SHA-256 of the user's files, by path. `data`: that of the table or surrogate, or of the data that
    networks are trained on. `space`: its fingerprint.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    data: str | None = None
    space: Fingerprint | None = None

    @classmethod
    def of(cls, scenario: Scenario) -> Begun:
        """What a scenario is now, as it was opened."""
        # Of a table's space the table says what it is.
        space = None if scenario.problem.data is not None else fingerprint(scenario.space)
        return cls(scenario.spec.source.hashes(scenario.spec), data_of(scenario), space)

    def open(self, spec: ProblemSpec) -> Scenario:
        """The scenario of a spec; ChangedError in one line if it is no longer what it was."""
        if (file := changed_since(self.files, again=True)) is not None:
            raise ChangedError(_changed(file))  # before it runs
        scenario = open_scenario(spec)
        if (said := self.change(scenario)) is not None:
            raise ChangedError(said)
        return scenario

    def change(self, scenario: Scenario) -> str | None:
        """What is different about a scenario that was opened, in one line."""
        if (file := changed_since(self.files)) is not None:
            return _changed(file)
        data = data_of(scenario)
        if self.data is not None and data is not None and data != self.data:
            return (
                f"{_place(scenario)} has changed since this run was started (sha256 {self.data[:12]} then, {data[:12]} "
                "now): put the old one back, and resume the run"
            )
        said = None if self.space is None else difference(self.space, fingerprint(scenario.space))
        if said is not None:
            return (
                f"space {scenario.space.name!r} is not the same in every process: {said}; what it is made of must not "
                "depend on the time, random numbers, environment variables, the order of a folder's files, or sets"
            )
        return None


def open_evaluator(spec: ProblemSpec, metrics: tuple[str, ...] = (), begun: Begun | None = None) -> Evaluator:
    """The evaluator of a spec: what a worker process needs. `metrics` are those of `Scenario`.

    ChangedError if it is no longer what the run was `begun` with.
    """
    scenario = open_scenario(spec) if begun is None else begun.open(spec)
    return replace(scenario, metrics=metrics).evaluator


def data_of(scenario: Scenario) -> str | None:
    """The SHA-256 of the table or surrogate behind a scenario, or of the data that its networks are trained on."""
    data = scenario.problem.data or scenario.problem.trained_on
    return None if data is None else data.sha256


def _place(scenario: Scenario) -> str:
    data = scenario.problem.data
    return str(scenario.spec.on if data is None or data.path is None else data.path)


def _changed(file: str) -> str:
    return (
        f"{file} has changed since this run was started, so further trials would not be comparable: put the old file "
        "back and resume the run, or accept the change: archloom resume RUN --changed"
    )
