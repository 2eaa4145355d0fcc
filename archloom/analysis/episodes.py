"""Statistics of episodes of the incremental search problem: improvement, and the best by number of queries.

The statistics of Cassimon et al., section 4.1.2: Fig. 8 (improvement), Fig. 10 and Table 1 (best by queries).
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.analysis.layout import WIDTH, align
from archloom.analysis.published import is_test_metric
from archloom.analysis.published_episodes import PublishedEpisodes, episode_references
from archloom.analysis.stats import Floats, bootstrap_interval, summarise
from archloom.analysis.study import is_surrogate
from archloom.envs.episodes import EpisodeProblem, Episodes, Outcome, Plan
from archloom.errors import InputError
from archloom.problems import DataIdentity
from archloom.utils import seeds

SHARES = (50, 80, 95)
"""The percentages of the episodes in the symmetrical intervals around the median."""
BUDGETS = (50, 100, 150, 300)
"""Numbers of queries to report if nothing is published for a benchmark."""
MOST_REPETITIONS = 1_000


# -- improvement --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Improvement:
    """final - start of n episodes, in percentage points; `mean_end` is the mean of final, in percent.

    `skew` is that of Fisher and Pearson, m3 / m2**1.5 with the central moments m, None if all are equal.
    `intervals` are symmetrical in probability: that of 50 % goes from the 25th to the 75th percentile. `improved` and
    `worse` are shares of the episodes. `set_medians` has the median of each set of starts.
    """

    n: int
    median: float
    mean: float
    skew: float | None
    intervals: Mapping[int, tuple[float, float]]
    improved: float
    worse: float
    mean_end: float
    set_medians: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        intervals = [{"percent": share, "low": low, "high": high} for share, (low, high) in self.intervals.items()]
        return {
            **{name: getattr(self, name) for name in ("n", "median", "mean", "skew", "improved", "worse", "mean_end")},
            "intervals": intervals,
            "set_medians": list(self.set_medians),
        }


def improvement(episodes: Episodes, outcome: Outcome) -> Improvement:
    """How much one of the metrics of some episodes improved."""
    change = outcome.improvement
    return Improvement(
        n=len(change),
        median=float(np.median(change)),
        mean=float(change.mean()),
        skew=skew(change),
        intervals=MappingProxyType({share: _around_median(change, share) for share in SHARES}),
        improved=float((change > 0).mean()),
        worse=float((change < 0).mean()),
        mean_end=float(outcome.final.mean()),
        set_medians=tuple(float(np.median(change[episodes.set == number])) for number in np.unique(episodes.set)),
    )


def skew(values: Floats) -> float | None:
    """The Fisher-Pearson coefficient of skewness m3 / m2**1.5; None if all values are equal."""
    deviation = values - values.mean()
    variance = float((deviation**2).mean())
    scale = float(np.abs(values).max())
    if variance <= (1e-12 * scale) ** 2:  # only rounding errors
        return None
    return float((deviation**3).mean()) / (variance * math.sqrt(variance))


class CommonEnd(NamedTuple):
    """The most common final architecture: the number of one of the episodes that end there, and their share."""

    episode: int
    share: float


def common_end(episodes: Episodes) -> CommonEnd:
    """The final architecture of most episodes."""
    _, first, counts = np.unique(episodes.final_states, axis=0, return_index=True, return_counts=True)
    most = int(counts.argmax())
    return CommonEnd(int(first[most]), float(counts[most] / len(episodes)))


def _around_median(values: Floats, share: int) -> tuple[float, float]:
    low, high = np.percentile(values, (50 - share / 2, 50 + share / 2))
    return float(low), float(high)


# -- best by number of queries ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BestAfter:
    """The best accuracy after `queries` queries: mean and std over repetitions, and the mean's bootstrap interval.

    The interval is the 95 % one of 5,000 resamples; `std` is None for a single repetition.
    """

    queries: int
    repetitions: int
    mean: float
    std: float | None
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("queries", "repetitions", "mean", "std", "low", "high")}


def best_after(episodes: Episodes, queries: int, seed: int) -> BestAfter | None:
    """The best after a budget, over as many repetitions as the episodes allow, at most 1,000.

    A repetition runs episodes in random order until the budget is spent; the last one is cut short. No episode is in
    two repetitions. If several agents' episodes are pooled, each repetition is of one of them, and all have an equal
    part: who searches has one agent. None if the episodes do not suffice for one repetition.

    An architecture is found if a policy held it and knew its accuracy: the ends of episodes that cost one query each,
    and every architecture that a local search moved to, from the query that completed its step. That is the paper's
    rule: its local search "first must make 50 queries" before it improves, and between improvements it takes "the last
    preceding" one. The best is chosen by the metric that was climbed; then its metric for people is reported.
    """
    values = best_values(episodes, queries, seeds.stream(seed, f"best/{episodes.policy}", queries))
    if not len(values):
        return None
    summary = summarise(values.tolist())
    low, high = bootstrap_interval(values.tolist(), seeds.stream(seed, f"bootstrap/{episodes.policy}", queries))
    return BestAfter(queries, summary.n, summary.mean, summary.std, low, high)


def best_values(episodes: Episodes, queries: int, rng: np.random.Generator) -> Floats:
    """(r,) the metric for people of the best that each repetition found; see `best_after`."""
    return best_curves(episodes, queries, rng)[:, -1]


def best_curves(episodes: Episodes, queries: int, rng: np.random.Generator) -> Floats:
    """(r, queries) the same after 1, 2, ... queries of each repetition; NaN before its first find."""
    if queries < 1:
        raise InputError(f"queries={queries}: expected at least 1")
    players = episodes.by_player
    most = MOST_REPETITIONS // len(players) or 1
    curves = [curve for own in players for curve in _repeated(episodes, rng.permutation(own), queries, most)]
    return np.array(curves).reshape(len(curves), queries)


def _repeated(episodes: Episodes, order: NDArray[np.intp], queries: int, most: int) -> list[Floats]:
    """The curve (queries,) of each repetition that episodes in this order allow, `most` at most."""
    spent = np.concatenate([[0], np.cumsum(episodes.queries[order])])  # before each episode in this order
    first = np.searchsorted(episodes.episode, np.arange(len(episodes) + 1))  # of each episode's log entries
    climbed, shown = episodes.climbed.found, episodes.outcomes[-1].found
    grid = np.arange(1, queries + 1)
    curves: list[Floats] = []
    start = 0
    while len(curves) < most:
        stop = int(np.searchsorted(spent, spent[start] + queries))  # this many episodes reach the budget
        if stop >= len(spent):
            break
        entries = np.concatenate([np.arange(first[e], first[e + 1]) for e in order[start:stop]])
        before = np.repeat(spent[start:stop] - spent[start], [first[e + 1] - first[e] for e in order[start:stop]])
        better = np.diff(np.maximum.accumulate(climbed[entries]), prepend=-np.inf) > 0
        at = (before + episodes.query[entries])[better]
        latest = np.searchsorted(at, grid, side="right") - 1
        curves.append(np.where(latest >= 0, shown[entries[better]][latest], np.nan))
        start = stop
    return curves


# -- several agents -----------------------------------------------------------------------------------------------


def pooled(policy: str, parts: Sequence[Episodes]) -> Episodes:
    """All episodes of several policies as those of one, called `policy`; sets of starts keep their numbers.

    InputError for none, and for episodes whose metrics differ.
    """
    if not parts:
        raise InputError(f"no episodes to pool as {policy}: expected those of at least one policy")
    metrics = {tuple(outcome.metric for outcome in part.outcomes) for part in parts}
    if len(metrics) > 1:
        raise InputError(f"episodes to pool as {policy}: expected the same metrics, not {sorted(metrics)}")
    offsets = np.cumsum([0, *(len(part) for part in parts[:-1])])

    def joined(outcomes: Sequence[Outcome]) -> Outcome:
        columns = (np.concatenate([getattr(o, name) for o in outcomes]) for name in ("start", "final", "found"))
        return Outcome(outcomes[0].metric, *columns)

    climbed, *reported = (joined(outcomes) for outcomes in zip(*(part.outcomes for part in parts), strict=True))
    return Episodes(
        policy=policy,
        set=np.concatenate([part.set for part in parts]),
        moves=np.concatenate([part.moves for part in parts]),
        queries=np.concatenate([part.queries for part in parts]),
        final_states=np.concatenate([part.final_states for part in parts]),
        episode=np.concatenate([part.episode + offset for part, offset in zip(parts, offsets, strict=True)]),
        query=np.concatenate([part.query for part in parts]),
        climbed=climbed,
        reported=reported[0] if reported else None,
        player=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
    )


# -- all together -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PolicySummary:
    """Statistics of one policy's episodes; `improvements` by metric, the one for people last."""

    policy: str
    improvements: Mapping[str, Improvement]
    common_final: float
    mean_moves: float
    mean_queries: float
    best_after: tuple[BestAfter, ...]
    published: PublishedEpisodes | None

    def to_json(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in ("policy", "common_final", "mean_moves", "mean_queries")},
            "improvement": {metric: found.to_json() for metric, found in self.improvements.items()},
            "best_after": [best.to_json() for best in self.best_after],
            "published": self.published.to_json() if self.published else None,
        }


class Setting(NamedTuple):
    """The problem and the plan of some episodes."""

    on: str
    plan: Plan
    metric: str
    reported: str | None
    data: DataIdentity | None

    @property
    def words(self) -> str:
        plan = self.plan
        sets = f"{plan.sets} set{'s' if plan.sets > 1 else ''} of {plan.starts:,} random starts"
        return f"{sets}, at most {plan.steps} steps, at most {plan.neighbours} neighbours shown, seed {plan.seed}"

    @property
    def data_line(self) -> str:
        return f"{self.data.name}: {self.data.source}" if self.data else f"own problem {self.on}"

    @property
    def caveats(self) -> list[str]:
        """What a reader must know to interpret the numbers."""
        shown = [name for name in (self.metric, self.reported) if name is not None]
        predicted = ", ".join(name for name in shown if is_surrogate(name))
        notes = [f"Values of {predicted} are predictions of a surrogate, not measurements."] if predicted else []
        if self.plan.free_start:
            notes.append("Starts are not counted as queries: policies that compare pay for neighbours alone.")
        if is_test_metric(self.on, self.metric):
            notes.append(f"Policies climbed a test metric ({self.metric}).")
        return notes


@dataclass(frozen=True)
class EpisodesReport:
    """The summaries of policies with the same start states."""

    setting: Setting
    budgets: tuple[int, ...]
    policies: tuple[PolicySummary, ...]

    def to_json(self) -> dict[str, Any]:
        setting, data, plan = self.setting, self.setting.data, self.setting.plan
        return {
            "on": setting.on,
            "table": data.name if data else None,
            "table_source": data.source if data else None,
            "table_sha256": data.sha256 if data else None,
            "objective": setting.metric,
            "report": setting.reported,
            **{name: getattr(plan, name) for name in ("sets", "starts", "steps", "neighbours", "seed", "free_start")},
            "policies": [policy.to_json() for policy in self.policies],
            "notes": setting.caveats,
        }


def setting_of(problem: EpisodeProblem, plan: Plan) -> Setting:
    return Setting(problem.on, plan, problem.metric, problem.reported, problem.data)


def report(setting: Setting, by_policy: Mapping[str, Episodes]) -> EpisodesReport:
    """Summarise every policy's episodes, with what was published beside it."""
    published = episode_references(setting.on)
    budgets = tuple(sorted({queries for known in published.values() for queries in known.best_after})) or BUDGETS
    summaries = []
    for policy, episodes in by_policy.items():
        bests = [best_after(episodes, queries, setting.plan.seed) for queries in budgets]
        summaries.append(
            PolicySummary(
                policy=policy,
                improvements={outcome.metric: improvement(episodes, outcome) for outcome in episodes.outcomes},
                common_final=common_end(episodes).share,
                mean_moves=float(episodes.moves.mean()),
                mean_queries=float(episodes.queries.mean()),
                best_after=tuple(best for best in bests if best is not None),
                published=published.get(policy),
            )
        )
    return EpisodesReport(setting, budgets, tuple(summaries))


# -- text ---------------------------------------------------------------------------------------------------------

_PUBLISHED = "  published*"


def format_report(found: EpisodesReport, more: Sequence[str] = ()) -> str:
    """Tables for people, with published numbers in separate rows; `more` notes stand below them."""
    setting = found.setting
    metrics = list(found.policies[0].improvements)
    lines = [f"{setting.words}; on {setting.on}"]
    for metric in metrics:
        title = f"improvement of {metric} over an episode (final - start, percentage points)"
        if metric != metrics[-1]:
            title += ": what the policies saw"
        lines += ["", title, *align(_improvement_rows(found, metric, with_published=metric == metrics[-1]))]
    repetitions = [best.repetitions for policy in found.policies for best in policy.best_after]
    if repetitions:
        title = f"best {metrics[-1]} by number of queries (%), mean ± std [95 % bootstrap interval of the mean]"
        lines += ["", title, *align(_best_rows(found))]
    notes = [f"Repetitions behind each number: {min(repetitions):,} to {max(repetitions):,}."] if repetitions else []
    below = [f"data: {setting.data_line}", *_notes(found, [*notes, *more])]
    return "\n".join([*lines, "", *(_wrap(line) for line in below)])


def _notes(found: EpisodesReport, more: Sequence[str]) -> list[str]:
    sources = {(p.published.source, p.published.metric) for p in found.policies if p.published}
    starred = [f"* {source}: {metric}; other data than here." for source, metric in sorted(sources)]
    return [*starred, *(f"note: {note}" for note in [*more, *found.setting.caveats])]


def _improvement_rows(found: EpisodesReport, metric: str, with_published: bool) -> list[list[str]]:
    heads = ["policy", "median", "mean", "skew", *(f"{share} % of episodes" for share in SHARES), "improved", "worse",
             "mean end", "most common end", "moves", "queries"]  # fmt: skip
    rows = [heads]
    for policy in found.policies:
        ours = policy.improvements[metric]
        improved, worse, common = (f"{100 * s:.1f} %" for s in (ours.improved, ours.worse, policy.common_final))
        rows.append(
            [
                policy.policy, f"{ours.median:+z.2f}", f"{ours.mean:+z.2f}", _skew(ours.skew),
                *(f"{low:+z.2f} to {high:+z.2f}" for low, high in ours.intervals.values()),
                improved, worse, f"{ours.mean_end:.2f}", common,
                f"{policy.mean_moves:.1f}", f"{policy.mean_queries:,.1f}",
            ]
        )  # fmt: skip
        theirs = policy.published if with_published else None
        if theirs is not None and theirs.median is not None:
            blank = [""] * (len(SHARES) + 3)
            common = theirs.common_final or ""
            rows.append([_PUBLISHED, f"{theirs.median:+z.2f}", "", _skew(theirs.skew), *blank, common, "", ""])
    return rows


def _best_rows(found: EpisodesReport) -> list[list[str]]:
    rows = [["policy", *(f"{queries}" for queries in found.budgets)]]
    for policy in found.policies:
        ours = {best.queries: _best(best) for best in policy.best_after}
        rows.append([policy.policy, *(ours.get(queries, "-") for queries in found.budgets)])
        if policy.published is not None:
            rows.append([_PUBLISHED, *(_theirs(policy.published, queries) for queries in found.budgets)])
    return rows


def _theirs(published: PublishedEpisodes, queries: int) -> str:
    if queries not in published.best_after:
        return "-"
    (mean, std), (low, high) = published.best_after[queries], published.intervals[queries]
    return f"{mean:.2f} ± {std:.2f} [{low:.2f}, {high:.2f}]"


def _best(best: BestAfter) -> str:
    spread = "" if best.std is None else f" ± {best.std:.2f} [{best.low:.2f}, {best.high:.2f}]"
    return f"{best.mean:.2f}{spread}"


def _skew(value: float | None) -> str:
    return "-" if value is None else f"{value:+z.2f}"


def _wrap(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
