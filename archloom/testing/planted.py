"""A task with a known answer: spaces with a planted architecture, and evaluators that score how much of it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from archloom.checkpoints.store import sources
from archloom.constraints import Criteria, Objective
from archloom.spaces.base import Categorical
from archloom.spaces.table import TableSpace
from archloom.types import Arch, Goal, Proposal, Resource, Result, Weights, resolve_fidelity
from archloom.utils import seeds


class PlantedSpace(Categorical):
    """Eight choices of four options; every gene that agrees with the planted architecture (all 1) is worth 1."""

    name = "planted"

    def __init__(self) -> None:
        super().__init__({f"gene{i}": list("abcd") for i in range(8)})

    def modules(self, gene: int) -> Sequence[str]:
        """The layer that a gene owns in the network of `tasks.planted`."""
        return (f"network.layers.{gene}",)


class ForbiddenSpace(PlantedSpace):
    """The planted space under a rule that no architecture satisfies."""

    name = "forbidden"

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return {"forbidden": 1.0}


class RuledSpace(PlantedSpace):
    """The planted space under a rule: the first two genes differ."""

    name = "ruled"

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return {"the first two genes are equal": float(arch.genes[0] == arch.genes[1])}


class SmallSpace(Categorical):
    """Two choices of three options: so few architectures that they are used up soon, or asked for again."""

    name = "small"

    def __init__(self) -> None:
        super().__init__({f"gene{i}": list("abc") for i in range(2)})

    def modules(self, gene: int) -> Sequence[str]:
        return (f"network.layers.{gene}",)


class SparseSpace(TableSpace):
    """A thousand architectures of the planted space, drawn once and for all; the others are not valid."""

    name = "sparse"

    def __init__(self) -> None:
        planted, rng = PlantedSpace(), seeds.stream(0, "sparse")
        drawn = sorted({planted.sample(rng).genes for _ in range(1_000)})
        super().__init__(dict(zip(planted.gene_names, planted.values, strict=True)), np.array(drawn, dtype=np.uint8))


class PlantedEvaluator:
    """Tells how much of the planted architecture is there, in percent."""

    goals: Mapping[str, Goal] = {"worth": "max"}
    resource: Resource | None = None

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        resolve_fidelity(self.resource, proposal.fidelity)
        return Result({"worth": planted_worth(proposal.arch)}), None


def planted_worth(arch: Arch) -> float:
    """How much of the planted architecture is there, in percent."""
    return 100.0 * sum(gene == 1 for gene in arch.genes) / len(arch.genes)


PLANTED_RESOURCE = Resource("epochs", 27, open_ended=True)


class PlantedCurves:
    """The same along a training: after 27 epochs, or more, it tells what `PlantedEvaluator` does.

    Before, networks are worth less, and are mistaken for better or worse ones: of the share of the training that is
    missing, half of the worth is missing too, and an error with a standard deviation of `ERROR` is added, which is the
    architecture's own and stays the same. After 1 epoch the correlation with the full worth is about 0.7. Where states
    are kept it needs those that a proposal inherits; the state of a training is the number of its epochs.
    """

    goals: Mapping[str, Goal] = {"worth": "max"}
    resource: Resource | None = PLANTED_RESOURCE
    ERROR = 8.0

    def evaluate(
        self, proposal: Proposal, weights: Mapping[int, Weights] | None, rng: np.random.Generator
    ) -> tuple[Result, Weights | None]:
        epochs = PLANTED_RESOURCE.resolve(proposal.fidelity)
        for trial in sources(proposal.inherit) if weights is not None else ():
            assert weights is not None and trial in weights, f"the state of trial {trial} is not there"
        missing = max(0.0, 1.0 - epochs / PLANTED_RESOURCE.maximum)
        error = seeds.stream(0, f"error of {proposal.arch.genes}").normal(0.0, self.ERROR)
        return Result({"worth": planted_worth(proposal.arch) * (1.0 - missing / 2) + missing * error}), epochs


PLANTED_CRITERIA = Criteria((Objective("worth", "max"),))


def is_planted(arch: Arch) -> bool:
    """Whether this is the architecture that `PlantedSpace` hides."""
    return all(gene == 1 for gene in arch.genes)


class PoisonedReport(dict[str, Any]):
    """A report, or details, that a strategy must not look into."""

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("the strategy read `report` or `details`, which are for people only")

    __getitem__ = __iter__ = __contains__ = items = values = keys = get = _refuse
