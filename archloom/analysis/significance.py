"""One-sided tests of whether one strategy's runs reached more than another's, over seeds and over settings.

Wilcoxon's signed-rank test where runs of one seed have something in common, Mann and Whitney's rank-sum test where they
have not. Both are exact, with ties too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archloom.errors import InputError
from archloom.utils.numbers import scaled
from archloom.utils.ranks import mean_ranks

Floats = NDArray[np.float64]

SIGNIFICANT = 0.05
_SAME = 1e-9
"""Differences below this share of the largest sample are ties: they are due to rounding only."""
_EXACT = 100
"""Up to so many values (of several settings the root of the sum of squares) the rank-sum test counts all divisions of
them; beyond, its distribution is normal to three digits."""

Sample = Mapping[tuple[int, int], float]
"""(number of the setting, seed) -> what the run reached, more is better; minus infinity if it found nothing."""


# -- the two tests ------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """What a test says: the number of values of either side (of pairs, if it pairs them), how many tie, the one-sided
    p, and the smallest p that so many values can have."""

    n: int
    n_worse: int
    ties: int
    p: float
    least: float


class Procedure(Protocol):
    """A one-sided test of two samples."""

    name: ClassVar[str]
    paired: ClassVar[bool]

    def __call__(self, better: Sample, worse: Sample) -> Found | None:
        """None if there is nothing to test."""
        ...


class SignedRank:
    """Wilcoxon (1945) on the differences of runs with the same setting and seed. `ties` are pairs without a difference,
    which are left out."""

    name: ClassVar[str] = "Wilcoxon signed-rank"
    paired: ClassVar[bool] = True

    def __call__(self, better: Sample, worse: Sample) -> Found | None:
        shared = [run for run in better if run in worse]
        if not shared:
            return None
        difference = _difference(np.array([better[run] for run in shared]), np.array([worse[run] for run in shared]))
        ties = int((difference == 0.0).sum())
        return Found(len(shared), len(shared), ties, signed_rank_p(difference), 0.5 ** len(shared))


class RankSum:
    """Mann and Whitney (1947); of several settings their rank sums are added (van Elteren 1960, unweighted), since runs
    of one setting are only compared with each other. `ties` are values of `better` that `worse` has, too."""

    name: ClassVar[str] = "Mann-Whitney"
    paired: ClassVar[bool] = False

    def __call__(self, better: Sample, worse: Sample) -> Found | None:
        settings = sorted({setting for setting, _ in better} & {setting for setting, _ in worse})
        if not settings:
            return None
        ours, theirs = ([_of_setting(sample, setting) for setting in settings] for sample in (better, worse))
        together = [_places(np.concatenate(both)) for both in zip(ours, theirs, strict=True)]
        counts = [len(values) for values in ours]
        ties = sum(int(np.isin(values[:n], values[n:]).sum()) for values, n in zip(together, counts, strict=True))
        least = math.prod(1 / math.comb(len(values), n) for values, n in zip(together, counts, strict=True))
        return Found(sum(counts), sum(map(len, theirs)), ties, _rank_sum_p(together, counts), least)


def signed_rank_p(difference: ArrayLike) -> float:
    """P(W+ >= the observed one) under random signs: the exact one-sided Wilcoxon signed-rank test.

    Zeros are dropped (Wilcoxon 1945) and ties take their mean rank; the distribution is computed given those ranks, so
    it is exact with ties too and for every n. With all differences above zero p = 2**-n; with none at all p = 1.
    """
    values = np.asarray(difference, dtype=np.float64)
    values = values[values != 0.0]
    ranks = (2 * mean_ranks(np.abs(values))).astype(np.int64)  # twice a mean rank is a whole number
    chances = np.ones(1)  # chances[w]: P(twice W+ = w) over the ranks so far
    for rank in ranks:
        grown = np.zeros(len(chances) + rank)
        grown[: len(chances)] += chances / 2
        grown[rank:] += chances / 2
        chances = grown
    observed = int(ranks[values > 0.0].sum())
    return min(1.0, float(chances[observed:].sum()))


def rank_sum_p(better: ArrayLike, worse: ArrayLike) -> float:
    """P(rank sum of `better` >= the observed one) under random division: the one-sided Mann-Whitney test.

    Ties take their mean rank; exact given those ranks up to 100 values, and from there on the normal approximation
    with the variance that ties leave.
    """
    ours = np.asarray(better, dtype=np.float64)
    return _rank_sum_p([np.concatenate([ours, np.asarray(worse, dtype=np.float64)])], [len(ours)])


def _rank_sum_p(settings: Sequence[Floats], counts: Sequence[int]) -> float:
    """That of several settings: all values of each, of which the first `counts` are the better one's."""
    ranks = [(2 * mean_ranks(values)).astype(np.int64) for values in settings]  # twice a mean rank is a whole number
    observed = sum(int(each[:n].sum()) for each, n in zip(ranks, counts, strict=True))
    if math.hypot(*map(len, ranks)) > _EXACT:
        return _normal_p(ranks, counts, observed)
    chances = np.ones(1)
    for each, n in zip(ranks, counts, strict=True):
        chances = np.convolve(chances, _sums(each, n))
    return min(1.0, float(chances[observed:].sum()))


def _sums(ranks: NDArray[np.int64], n: int) -> Floats:
    """[s]: the share of the subsets of `n` ranks that add up to s."""
    total = int(ranks.sum())
    ways = np.zeros((n + 1, total + 1))
    ways[0, 0] = 1.0
    for rank in ranks.tolist():
        ways[1:, rank:] += ways[:-1, : total + 1 - rank]
    return np.asarray(ways[n] / math.comb(len(ranks), n))


def _normal_p(ranks: Sequence[NDArray[np.int64]], counts: Sequence[int], observed: int) -> float:
    mean = sum(n * float(each.mean()) for each, n in zip(ranks, counts, strict=True))
    # Of n values drawn from N without replacement.
    variance = sum(
        n * (len(each) - n) / (len(each) - 1) * float(each.var()) for each, n in zip(ranks, counts, strict=True)
    )
    if variance == 0.0:
        return 1.0
    return 0.5 * math.erfc((observed - 1 - mean) / math.sqrt(2 * variance))  # 1: half a rank, of twice the ranks


def _of_setting(sample: Sample, setting: int) -> Floats:
    return np.array([value for (its, _), value in sample.items() if its == setting])


def _difference(a: Floats, b: Floats) -> Floats:
    """a - b, with differences due to rounding set to zero; minus infinity equals itself."""

    def rounded(both: Floats) -> Floats:
        step = _step(both)
        difference = np.zeros(len(a))
        np.subtract(both[0], both[1], out=difference, where=both[0] != both[1])
        return np.asarray(np.round(difference / step) * step)

    return np.asarray(scaled(rounded, np.stack([a, b])))


def _step(values: Floats) -> float:
    return _SAME * (float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0)


def _places(values: Floats) -> Floats:
    """The place of each among them, from the lowest; values whose difference is due to rounding share one."""
    known = np.isfinite(values)
    sized = values[known] / (float(np.abs(values[known]).max(initial=0.0)) or 1.0)
    order = np.argsort(sized)
    steps = np.diff(sized[order], prepend=sized[order][:1]) > _SAME
    found = np.empty(len(sized))
    found[order] = np.cumsum(steps)
    places = np.full(len(values), -1.0)  # minus infinity is below all
    places[known] = found
    return places


# -- tests of many strategies -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tested:
    """Is `better` better than `worse` by `metric`? `p` is one-sided; `p_corrected` is `p` times the number of tests
    (Bonferroni), at most 1.

    `n` and `n_worse` count the values of either, or, if the test is `paired`, the pairs; `ties` is as `test` counts
    them.
    """

    better: str
    worse: str
    test: str
    paired: bool
    n: int
    n_worse: int
    ties: int
    p: float
    p_corrected: float
    metric: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a comparison: tests of `pairs` (better, worse), or of every ordered pair of strategies.

    `corrected_for`: for how many tests p is corrected, if others are made elsewhere. `procedure`: the same one for all
    pairs; by default SIGNED_RANK for strategies whose runs of a seed have something in common, RANK_SUM for others.
    `ddof` is that of standard deviations (see `stats.summarise`).
    """

    pairs: tuple[tuple[str, str], ...] | None = None
    corrected_for: int | None = None
    procedure: Procedure | None = None
    ddof: int = 1

    @classmethod
    def parse(
        cls, pairs: Sequence[str], corrected_for: int | None = None, paired: bool | None = None, ddof: int = 1
    ) -> Wanted:
        """From BETTER:WORSE each; InputError for anything else, and for a correction for fewer tests."""
        chosen = []
        for text in pairs:
            better, colon, worse = text.partition(":")
            if not (better and colon and worse) or better == worse:
                raise InputError(f"--test {text}: expected BETTER:WORSE, e.g. pbt_nas:random_population")
            chosen.append((better, worse))
        if len(set(chosen)) < len(chosen):
            raise InputError(f"--test {' --test '.join(pairs)}: expected each test once")
        if corrected_for is not None and corrected_for < max(1, len(chosen)):
            raise InputError(
                f"--correct-for {corrected_for}: expected at least the number of tests made, {max(1, len(chosen))}"
            )
        procedure = None if paired is None else SIGNED_RANK if paired else RANK_SUM
        return cls(tuple(chosen) or None, corrected_for, procedure, ddof)

    def check(self, labels: Sequence[str], where: str = "") -> None:
        """InputError for a test of a strategy that is not there."""
        for label in (label for pair in self.pairs or () for label in pair):
            if label not in labels:
                expected = f": expected one of {', '.join(labels)}" if labels else ""
                raise InputError(f"--test names {label}{where}{expected}")

    def of(self, labels: Sequence[str]) -> list[tuple[str, str]]:
        """The pairs to test among these strategies."""
        return list(permutations(labels, 2)) if self.pairs is None else list(self.pairs)


SIGNED_RANK, RANK_SUM = SignedRank(), RankSum()
EVERY = Wanted()


@dataclass(frozen=True)
class Tests:
    """Tests, what p is corrected for, and the smallest corrected p that any of them could have had; `skipped` are the
    wanted ones that have no values to compare."""

    results: tuple[Tested, ...]
    corrected_for: int
    least: float
    skipped: tuple[tuple[str, str], ...] = ()


def run_tests(
    samples: Sequence[tuple[str, Mapping[str, Sample]]], wanted: Wanted = EVERY,
    pairs_seeds: Callable[[str, str], bool] = lambda better, worse: True,
) -> Tests:  # fmt: skip
    """The wanted tests of `samples`, metrics each with strategy -> its sample, corrected for all of them.

    `pairs_seeds` says whether runs of two strategies with the same seed have something in common. InputError for NaN or
    plus infinity, for a test of a strategy that is not there, and for a correction for fewer tests than these.
    """
    made: list[tuple[str, str, str, Procedure, Found]] = []
    skipped: dict[tuple[str, str], None] = {}
    for metric, by_label in samples:
        for label, sample in by_label.items():
            _check(label, sample)
        wanted.check(list(by_label))
        for better, worse in wanted.of(list(by_label)):
            one, other = by_label[better], by_label[worse]
            pairing = any(run in other for run in one) and pairs_seeds(better, worse)
            procedure = wanted.procedure or (SIGNED_RANK if pairing else RANK_SUM)
            if (found := procedure(one, other)) is not None:
                made.append((metric, better, worse, procedure, found))
            else:
                skipped[better, worse] = None
    factor = wanted.corrected_for or len(made)
    if factor < len(made):
        raise InputError(f"--correct-for {factor}: expected at least the number of tests made, {len(made)}")
    results = tuple(
        Tested(
            better, worse, how.name, how.paired, found.n, found.n_worse, found.ties, found.p,
            min(1.0, found.p * factor), metric,
        )
        for metric, better, worse, how, found in made
    )  # fmt: skip
    least = min((min(1.0, factor * found.least) for *_, found in made), default=1.0)
    return Tests(results, factor, least, tuple(skipped))


def _check(label: str, sample: Sample) -> None:
    values = np.array(list(sample.values()), dtype=np.float64)
    if np.isnan(values).any() or np.isposinf(values).any():
        raise InputError(f"sample {label!r}: expected numbers, none of them NaN or infinite")
