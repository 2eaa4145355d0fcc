"""qnehvi: Bayesian optimisation with BoTorch: Gaussian processes and noisy expected hypervolume improvement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from archloom.constraints import Criteria
from archloom.errors import MissingExtraError
from archloom.spaces.base import SearchSpace, is_valid, sample_valid
from archloom.strategies.batches.strategy import BatchOptions, BatchStrategy, Chosen, Known
from archloom.strategies.note import Note
from archloom.strategies.qnehvi.acquisition import NoisyImprovement, closed_room
from archloom.types import Arch, Resource
from archloom.utils.options import PositiveInt

SHOWN_DIGITS = 6
"""Of what notes say of a proposal."""


class QnehviNote(Note, frozen=True):
    """`log_improvement`: the acquisition function of the proposal when it was made."""

    log_improvement: float


@dataclass(frozen=True)
class QnehviOptions(BatchOptions):
    """initial: how many architectures are drawn at random first, less those whose results are given (`--warm-start`).
    batch: how many are chosen at once; all are awaited before the next batch, so that neither the width nor the workers
        show in what is found.
    budget: after how many units of the resource (epochs) architectures are evaluated; 0 is the highest there is.
    samples: over how many draws an expectation is averaged.
    restarts: from how many points gradients are followed for each architecture.
    raw: among how many quasi-random points those are the best; as many architectures are drawn as candidates, too.
    """

    samples: PositiveInt = 128
    restarts: PositiveInt = 4
    raw: PositiveInt = 64


class Qnehvi(BatchStrategy):
    """Propose the architectures with the largest noisy expected hypervolume improvement, one after the other.

    BoTorch's qLogNEHVI (Daulton et al. 2021; Ament et al. 2023), with a Gaussian process for each objective and each
    metric of a constraint; with a single objective its qLogNEI. Gradients are followed in the relaxed cube; where they
    end is rounded, and the best of the rounded, and of as many drawn at random, is chosen.
    """

    Options: ClassVar[type[Any]] = QnehviOptions
    options: QnehviOptions

    def __init__(
        self,
        space: SearchSpace,
        criteria: Criteria,
        rng: np.random.Generator,
        options: QnehviOptions | None = None,
        *,
        resource: Resource | None = None,
    ) -> None:
        if find_spec("botorch") is None:  # which takes seconds to import, so it is not done before it is needed
            raise MissingExtraError("botorch", "botorch", "strategy qnehvi")
        super().__init__(space, criteria, rng, options, resource=resource)

    def chosen(self, known: Known, count: int, rng: np.random.Generator) -> Sequence[Chosen]:
        with closed_room(_seed(rng)):
            improvement = NoisyImprovement(known.rows, known.targets, self.options.samples, _seed(rng))
            batch: list[Chosen] = []
            met = set[bytes]()
            while len(batch) < count and (found := self._best(improvement, met, rng)) is not None:
                arch, row, worth = found
                note = QnehviNote(float(f"{worth:.{SHOWN_DIGITS}g}"))
                batch.append((self.relaxation.coordinates.reseeded(arch, rng), note.to_note()))
                met.add(row.tobytes())
                if len(batch) < count:
                    improvement.add(row)
        return batch

    def _best(
        self, improvement: NoisyImprovement, met: set[bytes], rng: np.random.Generator
    ) -> tuple[Arch, np.ndarray[Any, np.dtype[np.float64]], float] | None:
        """The best open and valid architecture that is not in the batch, with its row and improvement."""
        rounded = [
            self.relaxation.at_row(row, rng)
            for row in improvement.maxima(self.options.restarts, self.options.raw, _seed(rng))
        ]
        drawn = [sample_valid(self.space, rng) for _ in range(self.options.raw)]
        archs = [arch for arch in rounded if is_valid(self.space, arch)] + drawn
        rows = self.relaxation.rows(archs)
        worth = improvement.of(rows)
        for place in np.argsort(-worth, kind="stable").tolist():
            if rows[place].tobytes() not in met and self.is_open(archs[place]):
                return archs[place], rows[place], float(worth[place])
        return None


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 31))
