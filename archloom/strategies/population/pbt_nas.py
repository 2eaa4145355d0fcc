"""PBT-NAS: a population whose worst networks are replaced by mixes of the best, layer by layer.

The paper's Algorithms 1 and 2; what it leaves open is as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from archloom.errors import NoArchitectureError
from archloom.spaces.base import MAX_TRIES, is_valid
from archloom.strategies.population.base import Child, Member, SelectingStrategy, Selection
from archloom.types import Arch, Inherit
from archloom.utils.options import UnitInterval


@dataclass(frozen=True)
class PbtNasOptions(Selection):
    """Of the paper: `crossover_prob`: the chance of a choice to come from the other parent. `shrink` and `perturb`
    (lambda and gamma): a layer from there enters as shrink * layer + perturb * fresh layer.

    `itself`: mix the better parent with itself (the ablation "no mixing"): no choice changes, shrink-perturb stays.
    [shrink, perturb] = [1, 0] copies layers exactly, [0, 1] initialises them again.

    `experience`: what networks that collect experience and learn from it (those that control something) learn from: a
    member from its own, a child from its better parent's ("own") or from its other parent's ("donor", as published for
    replay buffers that are not shared), or all from that of all ("shared").
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"p": "crossover_prob"}

    crossover_prob: UnitInterval = 0.25
    shrink: float = 0.4
    perturb: float = 0.1
    itself: bool = False
    experience: Literal["own", "donor", "shared"] = "donor"


class PbtNas(SelectingStrategy):
    """Population-based training that also mixes architectures.

    A child is the better of two of the best members, drawn uniformly; each of its choices comes, with probability
    `crossover_prob`, from the other one, with that layer's weights, shrunk and perturbed, even if the choice is
    the same.
    """

    Options: ClassVar[type[Any]] = PbtNasOptions
    options: PbtNasOptions

    def offspring(self, parents: Sequence[Member], fitness: Mapping[int, float]) -> Child:
        base, donor = self.fitter(*self.two(parents), fitness)
        if self.options.itself:
            donor = base
        for _ in range(MAX_TRIES):
            taken = (self.rng.random(len(base.arch.genes)) < self.options.crossover_prob).nonzero()[0].tolist()
            genes = list(base.arch.genes)
            for gene in taken:
                genes[gene] = donor.arch.genes[gene]
            arch = Arch(tuple(genes))
            if is_valid(self.space, arch):
                break
        else:
            raise NoArchitectureError(f"none of {MAX_TRIES} mixes of two members is valid in space {self.space.name!r}")
        assert base.trial is not None  # noqa: S101 - parents have been evaluated
        inherit = Inherit(base.trial, dict.fromkeys(taken, donor.trial), self.options.shrink, self.options.perturb)
        return Child(arch, inherit, (base.id, donor.id), donor.trial)
