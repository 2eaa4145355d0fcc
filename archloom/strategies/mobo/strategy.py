"""mobo: uncertainty-aware multi-objective search with Bayesian neural networks, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from archloom.learners.bnn import fit
from archloom.spaces.base import sample_valid
from archloom.strategies.batches.strategy import BatchStrategy, Chosen, Known
from archloom.strategies.mobo.acquisition import beta_at, log_volume
from archloom.strategies.mobo.beliefs import SPREADS, Beliefs
from archloom.strategies.mobo.candidates import CheapProblem
from archloom.strategies.mobo.note import MoboNote
from archloom.strategies.mobo.nsga2 import nsga2
from archloom.strategies.mobo.options import ACQUISITIONS, MoboOptions
from archloom.strategies.mobo.penaliser import HardPenaliser, lipschitz_constants

SHOWN_DIGITS = 6
"""Of what notes say of a proposal."""


class Mobo(BatchStrategy):
    """Propose the most uncertain of the architectures that are a front by the acquisition functions of all objectives.

    NAGO's (Ru et al. 2020, section 2.2; appendices C and D), after USeMO (Belakaria et al. 2020): each objective has a
    Bayesian neural network and an acquisition function of its own; NSGA-II finds the front of these, and what has been
    evaluated is left out. Of the rest a batch is collected: the largest uncertainty first, then that of the others
    times the penalisers of those that are in the batch. A metric that constraints name has a network, too;
    architectures that break a bound by its mean come after all that do not. With a single objective, whose front is one
    architecture, the acquisition function itself is penalised. The networks are fitted once for each batch.
    """

    Options: ClassVar[type[Any]] = MoboOptions
    options: MoboOptions

    def chosen(self, known: Known, count: int, rng: np.random.Generator) -> Sequence[Chosen]:
        options = self.options
        posterior = fit(known.rows, known.targets.values, options.network, rng)
        beliefs = Beliefs(posterior, known, SPREADS[options.uncertainty])
        beta = beta_at(self.batches, self.relaxation.width) if options.beta is None else options.beta
        acquisition = ACQUISITIONS[options.acquisition](options)
        cheap = CheapProblem(self.space, self.relaxation, beliefs, acquisition, beta, rng)
        start = [sample_valid(self.space, rng) for _ in range(options.population)]
        nsga2(cheap.judge, beliefs.objectives, self.relaxation.points(start), options.evaluations, rng)
        found = cheap.candidates(self.is_open, count)
        uncertainty = log_volume(found.deviation, beta)
        worth = uncertainty if beliefs.objectives > 1 else acquisition.log_worth(found.acquisition[:, 0])
        lipschitz = lipschitz_constants(beliefs.slopes, self.relaxation.width, options.restarts, rng)
        unmixed = posterior.mixing.reason
        batch: list[Chosen] = []
        while len(batch) < min(count, len(found.archs)):
            best = int(np.argmax(worth))
            note = MoboNote(float(f"{uncertainty[best]:.{SHOWN_DIGITS}g}"), unmixed)
            batch.append((self.relaxation.coordinates.reseeded(found.archs[best], rng), note.to_note()))
            penaliser = HardPenaliser.around(
                found.rows[best], found.mean[best], found.deviation[best], cheap.best, lipschitz
            )
            worth = worth + penaliser.log_penalty(found.rows)
            worth[best] = -np.inf
        return batch
