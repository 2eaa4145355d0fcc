"""The best of a search on a frozen supernet, measured again on all images (CADAM thesis, sections 4.2.3 and 4.4.1).

A search may measure on a part of the validation images. The thesis chose among its best K by test accuracy. This
chooses by all validation images unless it is told to do as the thesis did, and then everything it gives says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from archloom.analysis.published_supernets import PICKS
from archloom.analysis.sampled import Top, step_of
from archloom.analysis.stats import Estimate, spearman
from archloom.errors import InputError
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.types import Arch
from archloom.utils import seeds

VALID, TEST = "valid", "test"
"""The parts of the images."""

ON_VALIDATION = "all validation images"
ON_TEST = "the test set"
"""What a choice was made on, in words."""

TEST_CAVEAT = "the architecture was chosen on the test set, so its test accuracy is no unbiased estimate"


@runtime_checkable
class MeasuresParts(Protocol):
    """An evaluator that can measure an architecture on all images of a part, as those of frozen supernets do."""

    def measure(self, arch: Arch, part: str) -> tuple[float, float]:
        """Accuracy in percent and mean loss on all images of "valid" or "test"."""
        ...


@dataclass(frozen=True)
class Candidate:
    """One of the best K. `place` is its place among them in the search, `rank` that by its accuracy on all validation
    images, 1 for the best, ties in the order of their places. `test` is None unless the test set was used."""

    line: TrialRecord
    place: int
    rank: int
    in_search: float
    valid: tuple[float, float]
    test: tuple[float, float] | None

    def to_json(self) -> dict[str, Any]:
        test_accuracy, test_loss = self.test or (None, None)
        return {
            "arch": self.line.arch,
            "step": step_of(self.line),
            "rank": self.rank,
            "place": self.place,
            "in_search": self.in_search,
            "valid_accuracy": self.valid[0],
            "valid_loss": self.valid[1],
            "test_accuracy": test_accuracy,
            "test_loss": test_loss,
        }


@dataclass(frozen=True)
class Reranking:
    """The best K of a run, by rank. `metric` is what the search ranked them by."""

    metric: str
    candidates: tuple[Candidate, ...]
    on_test: bool

    @property
    def by_validation(self) -> Candidate:
        return self.candidates[0]

    @property
    def by_test(self) -> Candidate | None:
        """The best on the test set, of equals the one with the better rank; None unless it was used."""
        return max(self.candidates, key=_test_accuracy) if self.on_test else None

    @property
    def chosen(self) -> Candidate:
        return self.by_test or self.by_validation

    @property
    def chosen_on(self) -> str:
        return ON_TEST if self.on_test else ON_VALIDATION

    def correlations(self) -> dict[str, Estimate]:
        """Spearman's correlations over the candidates: the search with all validation images, and these with the
        test set if it was used."""
        valid = [each.valid[0] for each in self.candidates]
        columns = {"search and all validation images": [each.in_search for each in self.candidates]}
        if self.on_test:
            columns["all validation and test images"] = [_test_accuracy(each) for each in self.candidates]
        return {name: spearman(valid, column, seeds.stream(0, "bootstrap")) for name, column in columns.items()}

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "chosen_on": self.chosen_on,
            "caveat": TEST_CAVEAT if self.on_test else None,
            "chosen": self.chosen.to_json(),
            "by_validation": self.by_validation.to_json(),
            "by_test": None if self.by_test is None else self.by_test.to_json(),
            "correlations": {name: found.to_json() for name, found in self.correlations().items()},
            "candidates": [each.to_json() for each in self.candidates],
            "published": [each.to_json() for each in PICKS],
        }


def rerank(
    report: RunReport, top: Top, on_test: bool = False, measured: Callable[[int, int], None] = lambda _now, _all: None
) -> Reranking:
    """Measure the best of a run again; the run is not changed.

    `measured` is told after each how many of how many are done. InputError for a run on something else than a frozen
    supernet, and for one that found nothing.
    """
    evaluator = report.scenario.evaluator
    if not isinstance(evaluator, MeasuresParts):
        raise InputError(
            f"{report.request.problem.on}: its architectures cannot be measured on other images; expected a run on a "
            "frozen supernet, --on supernet:DATA"
        )
    lines = top.of(report)
    if not lines:
        raise InputError("no feasible architecture yet: nothing to rank")
    metric, found = report.scenario.objectives[0], []
    for place, line in enumerate(lines, start=1):
        arch = line.trial.proposal.arch
        valid = _pair(evaluator.measure(arch, VALID))
        test = _pair(evaluator.measure(arch, TEST)) if on_test else None
        found.append(Candidate(line, place, 0, line.scores[metric], valid, test))
        measured(place, len(lines))
    return Reranking(metric, _ranked(found), on_test)


def _ranked(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """By the accuracy on all validation images, ties by their places."""
    order = sorted(found, key=lambda each: (-each.valid[0], each.place))
    return tuple(
        Candidate(each.line, each.place, rank, each.in_search, each.valid, each.test)
        for rank, each in enumerate(order, start=1)
    )


def _pair(found: tuple[float, float]) -> tuple[float, float]:
    accuracy, loss = found
    return float(accuracy), float(loss)


def _test_accuracy(candidate: Candidate) -> float:
    assert candidate.test is not None  # noqa: S101 - asked only where the test set was used
    return candidate.test[0]
