"""What costs one file: each of these is defined here, and nothing of archloom knows of it.

A space with real numbers; a multi-fidelity strategy; an evaluator that stands on a file; a training that every query
goes on with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archloom
from archloom.strategies.base import BaseStrategy, Plan, pack_trials, unpack_trials
from archloom.testing import PlantedSpace, check_space
from archloom.types import Arch, Goal, Inherit, Proposal, Resource, Result, Trial, Weights

# -- a space with real numbers --------------------------------------------------------------------------------------


class Ring:
    """Points of a circle, by their angle in turns: 0 and 1 are the same point."""

    name = "ring"

    def sample(self, rng: np.random.Generator) -> Arch:
        return self.canonical(Arch((float(rng.random()),)))

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        return self.canonical(Arch((arch.genes[0] + float(rng.normal(0.0, 0.05)),)))

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return {"no turn": float(not 0.0 <= arch.genes[0] < 1.0)}

    def canonical(self, arch: Arch) -> Arch:
        return Arch((round(arch.genes[0] % 1.0, 9) % 1.0,))

    def key(self, arch: Arch) -> str:
        return self.format(self.canonical(arch))

    def format(self, arch: Arch) -> str:
        return f"turn={arch.genes[0]!r}"

    def parse(self, text: str) -> Arch:
        name, _, number = text.partition("=")
        try:
            return self.canonical(Arch((float(number) if name == "turn" else float("x"),)))
        except ValueError:
            raise archloom.errors.InputError(f"{text!r}: expected turn=NUMBER") from None  # type: ignore[attr-defined]


def height(arch: Arch) -> float:
    return float(np.cos(2 * np.pi * (arch.genes[0] - 0.99)))


def test_a_space_with_real_numbers() -> None:
    check_space(Ring)
    problem = archloom.Problem(Ring(), height, {"height": "max"})
    found = archloom.run("evolution", on=problem, queries=120, population=20, sample=5)
    assert found.best is not None and min(abs(found.best.genes[0] - 0.99), abs(found.best.genes[0] + 0.01)) < 0.02


# -- a multi-fidelity strategy --------------------------------------------------------------------------------------


class Halving(BaseStrategy):
    """Nine architectures at random; the best third of a rung goes on for three times as long."""

    FIRST, ETA = 9, 3

    @classmethod
    def plan(cls, options: Any) -> Plan:
        return Plan(inherits=True)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.queue = [Proposal(self.sample_valid(), 1) for _ in range(self.FIRST)]
        self.rung: list[Trial] = []
        self.waiting = 0

    def propose(self) -> Proposal | None:
        if not self.queue:
            return None
        self.waiting += 1
        return self.queue.pop(0)

    def learn(self, trial: Trial) -> None:
        self.rung.append(trial)
        self.waiting -= 1
        if self.waiting or self.queue:
            return
        order = np.argsort(-self.criteria.fitness([t.result for t in self.rung]), kind="stable")
        best = [self.rung[i] for i in order[: len(self.rung) // self.ETA] if self.rung[i].result.ok]
        self.queue = [Proposal(t.proposal.arch, t.proposal.fidelity * self.ETA, Inherit(t.id)) for t in best]
        self.rung = []

    def dump(self) -> dict[str, Any]:
        queue = [[list(p.arch.genes), p.fidelity, p.inherit.base if p.inherit else -1] for p in self.queue]
        return {"queue": queue, "rung": pack_trials(self.rung), "waiting": self.waiting}

    def restore(self, own: dict[str, Any]) -> None:
        self.queue = [
            Proposal(Arch(tuple(genes)), fidelity, Inherit(base) if base >= 0 else None)
            for genes, fidelity, base in own["queue"]
        ]
        self.rung, self.waiting = unpack_trials(own["rung"]), own["waiting"]


def promoted(lines: Sequence[Any]) -> list[int]:
    assert [line.error for line in lines] == [None] * len(lines)
    return [line.fidelity for line in lines]


RUNGS = [1] * 9 + [3] * 3 + [9]


def test_a_multi_fidelity_strategy_trains_on(tmp_path: Path) -> None:
    """It does not say which states it needs, so all of them are there to go on with."""
    pytest.importorskip("torch", reason="training needs the extra train")
    from archloom.tasks.planted import PlantedTask

    problem = archloom.TaskProblem(PlantedSpace(), PlantedTask())
    found = archloom.run(Halving, on=problem, queries=50)
    assert promoted(found.history.lines) == RUNGS
    assert found.history.resource_used == 9 + 3 * 2 + 6, "a promotion trains for what is missing"
    best = found.best
    assert best is not None and best.fidelity == 9


def test_the_same_strategy_on_a_surrogate(nb301_file: Path) -> None:
    found = archloom.run(Halving, on=archloom.scenario("nb301", table=nb301_file), queries=50)
    assert promoted(found.history.lines) == RUNGS
    assert found.best is not None and found.best.fidelity == 9


def test_the_same_strategy_on_a_function() -> None:
    def evaluate(choices: Any, rng: Any, report: Any) -> None:
        for epoch in range(1, 10):
            report(epoch, sum(v == "b" for v in choices.values()) * epoch)

    problem = archloom.Problem(PlantedSpace(), evaluate, {"worth": "max"}, resource=Resource("epochs", 9))
    found = archloom.run(Halving, on=problem, queries=50)
    assert promoted(found.history.lines) == RUNGS
    assert found.history.resource_used == 9 + 3 * 3 + 9, "a function starts over"


# -- an evaluator on a file -----------------------------------------------------------------------------------------


class Frozen:
    """Scores architectures with numbers that were learnt before and stand in a file, as a frozen supernet would."""

    goals: Mapping[str, Goal] = {"score": "max"}
    resource = None

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self.weights = arrays["weights"]

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        genes = np.array(proposal.arch.genes)
        return Result({"score": float(self.weights[np.arange(len(genes)), genes].sum())}), None


def test_an_evaluator_on_a_file(tmp_path: Path) -> None:
    path = tmp_path / "frozen.npz"
    weights = np.random.default_rng(0).random((8, 4))
    np.savez(path, weights=weights)
    problem = archloom.Problem(PlantedSpace(), Frozen(path), {"score": "max"})
    found = archloom.run("local_search", on=problem, queries=200)
    assert found.best is not None and found.best.genes == tuple(weights.argmax(axis=1).tolist())


# -- a training that every query goes on with -----------------------------------------------------------------------


class Chain(BaseStrategy):
    """Trains one network on and on: every query goes on from the state that the last one left."""

    @classmethod
    def plan(cls, options: Any) -> Plan:
        return Plan(inherits=True, unique=True, needs_training=True)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.last = -1
        self.epochs = 0
        self.waiting = False

    def propose(self) -> Proposal | None:
        if self.waiting:
            return None
        self.waiting = True
        self.epochs += 1
        return Proposal(self.sample_valid(), self.epochs, Inherit(self.last) if self.last >= 0 else None)

    def learn(self, trial: Trial) -> None:
        self.waiting = False
        if trial.result.ok:
            self.last = trial.id
        else:
            self.epochs -= 1

    def needed(self) -> set[int]:
        return {self.last}

    def dump(self) -> dict[str, Any]:
        return {"last": self.last, "epochs": self.epochs, "waiting": self.waiting}

    def restore(self, own: dict[str, Any]) -> None:
        self.last, self.epochs, self.waiting = own["last"], own["epochs"], own["waiting"]


def test_a_training_that_every_query_goes_on_with() -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    from archloom.tasks.planted import PlantedTask

    problem = archloom.TaskProblem(PlantedSpace(), PlantedTask())
    found = archloom.run(Chain, on=problem, queries=12)
    lines = found.history.lines
    assert [line.fidelity for line in lines] == list(range(1, 13))
    assert [line.inherit.base if line.inherit else None for line in lines] == [None, *range(11)]
    assert found.history.resource_used == 12, "an epoch a query"
    assert all(line.error is None for line in lines)
