"""The contract of evaluators catches who breaks it: every offender below breaks exactly one promise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.testing import (
    PlantedEvaluator,
    PlantedSpace,
    check_evaluator,
)
from archloom.types import Goal, Proposal, Resource, Result, resolve_fidelity


class Answers(PlantedEvaluator):
    """Answers with a score, a report and nothing else."""

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": 1.0})

    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, None]:
        resolve_fidelity(self.resource, proposal.fidelity)
        return self.answer(proposal, rng), None


class NoGoals(Answers):
    goals: Mapping[str, Goal] = {}


class OddGoals(Answers):
    goals: Mapping[str, Goal] = {"worth": "up"}  # type: ignore[dict-item]


class MissesAScore(Answers):
    goals: Mapping[str, Goal] = {"worth": "max", "size": "min"}


class NotANumber(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": float("nan")})


class StrayScore(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": 1.0, "test": 1.0}, {"test": 1.0})


class ChangesTheProposal(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        proposal.note["seen"] = True  # type: ignore[index]
        return Result({"worth": 1.0})


class GlobalNoise(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": np.random.rand()})  # noqa: NPY002


class DependsOnTheProcess(Answers):
    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": float(os.getpid())})


class Remembers(Answers):
    """Something is left of each evaluation."""

    calls = 0

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        self.calls += 1
        return Result({"worth": float(self.calls)})


class Outlives(Answers):
    """A second fresh one answers differently, from its first evaluation on."""

    made: ClassVar[list[int]] = [0]

    def __init__(self) -> None:
        self.made[0] += 1
        self.number = self.made[0]

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": float(self.number)})


class AnyFidelity(Answers):
    """What there is not is answered, too."""

    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, None]:
        return self.answer(proposal, rng), None


class WordyResource(Answers):
    resource: Any = "epochs"


class OneFidelity(Answers):
    """Its resource has more than it answers to."""

    resource: Resource | None = Resource.at("epochs", [4, 12, 36])

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        if proposal.fidelity not in (0, 36):
            raise InputError("36 epochs only")
        return super().answer(proposal, rng)


class IgnoresFidelity(Answers):
    resource: Resource | None = Resource("epochs", 9)


class AnotherMaximum(Answers):
    """With 0 it goes on for longer."""

    resource: Resource | None = Resource("epochs", 9)

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": float(proposal.fidelity or 10)})


class GapsAreFilled(Answers):
    """Between its levels it answers as well."""

    resource: Resource | None = Resource.at("epochs", [4, 12, 36])

    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, None]:
        if proposal.fidelity and not 4 <= proposal.fidelity <= 36:
            raise InputError("4 to 36 epochs")
        return Result({"worth": float(proposal.fidelity or 36)}), None


class NoneOnly(Answers):
    """In a run it is given an empty mapping where nothing is inherited."""

    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, None]:
        resolve_fidelity(self.resource, proposal.fidelity)
        return Result({"worth": 1.0 if weights is None else 2.0}), None


class Trains(Answers):
    """Not an offender: it counts epochs, and goes on with a state that it is given."""

    resource: Resource | None = Resource("epochs", 9)

    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, Any]:
        epochs = resolve_fidelity(self.resource, proposal.fidelity)
        state = self.begun(proposal, weights)
        state["epochs"] += epochs - state["epochs"]
        return Result({"worth": float(state["epochs"])}), state

    def begun(self, proposal: Proposal, weights: Any) -> dict[str, int]:
        return {"epochs": 0} if proposal.inherit is None else dict(weights[proposal.inherit.base])


class TrainsInPlace(Trains):
    def begun(self, proposal: Proposal, weights: Any) -> dict[str, int]:
        begun: dict[str, int] = {"epochs": 0} if proposal.inherit is None else weights[proposal.inherit.base]
        return begun


class CannotGoOn(Trains):
    def evaluate(self, proposal: Proposal, weights: Any, rng: np.random.Generator) -> tuple[Result, Any]:
        result, state = super().evaluate(proposal, weights, rng)
        return (Result.failed("no way") if proposal.inherit else result), state


class Noisy(Answers):
    """Not an offender: noise from the trial's own stream, and a report that is not always measured."""

    def answer(self, proposal: Proposal, rng: np.random.Generator) -> Result:
        return Result({"worth": rng.normal()}, {"test": float("nan")})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NoGoals, "goals is empty"),
        (OddGoals, "expected max or min"),
        (MissesAScore, "a result without error is not usable: the evaluator gave no score named size"),
        (NotANumber, "a result without error is not usable: worth is nan"),
        (StrayScore, "test is in scores, but not in goals"),
        (ChangesTheProposal, "evaluate changed the proposal"),
        (GlobalNoise, "the global random generator of numpy was used"),
        (DependsOnTheProcess, "evaluate differs in a fresh process"),
        (Outlives, "evaluate depends on a global random seed"),
        (AnyFidelity, "fidelity -1, with the resource None did not raise InputError"),
        (WordyResource, "resource is 'epochs': expected a Resource or None"),
        (OneFidelity, "the resource is 4 or 12 or 36 epochs, and one of these is refused: 36 epochs only"),
        (IgnoresFidelity, "fidelities 1 and 9 give the same answers: is it ignored?"),
        (AnotherMaximum, "fidelity 0 is answered differently from the maximum, 9"),
        (GapsAreFilled, "fidelity 5, with the resource 4 or 12 or 36 epochs did not raise InputError"),
        (NoneOnly, "it answers differently for weights={} and weights=None"),
        (TrainsInPlace, "it changes the state that it inherits"),
        (CannotGoOn, "it cannot go on from its own state: no way"),
        (Remembers, "the same proposal is answered differently after others"),
    ],
)
def test_an_offending_evaluator_is_caught(kind: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_evaluator(kind, PlantedSpace)


@pytest.mark.parametrize("kind", [Noisy, Trains])
def test_what_is_no_offence(kind: Any) -> None:
    check_evaluator(kind, PlantedSpace)
