"""The protocol's tables beside the published ones: improvement (section 4.1.2), the best by number of queries (Tables 1
and 2), and whether improvements are normally distributed (section 4.2.2)."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.spaces.nb101.codes import ABSENT, PAIRS, VERTICES
from benchmarks.apex.figures import save
from benchmarks.apex.study import Study
from benchmarks.apex.walks import Walked, walk

MONTE_CARLO = 1_000
"""Samples from the fitted distribution, as in the paper."""
TESTED = 10_000
"""Episodes whose t-distribution is tested: of all of them a thousand samples would take gigabytes."""
EDGES = len(PAIRS)
"""Genes that are edges; the others are labels of vertices."""
SIGNIFICANT = 5e-3
PUBLISHED_P_OF_T = {"apex": 9.99e-4, "local_search": 9.99e-4, "random_walk": 9.99e-4, "random": 1.998e-3}


def improvements(arguments: argparse.Namespace, on: str) -> list[dict[str, Any]]:
    """How much episodes improve, with the pictures of Figs. 7 to 10 or 12 to 15.

    `end`: the mean accuracy of the ends by the metric that was climbed; the rest is of its test counterpart, if any.
    """
    walked = walk(arguments, on)
    _draw(arguments, walked.together)
    rows = []
    for policy in walked.report.policies:
        *_, ours = policy.improvements.values()
        episodes = walked.by_policy[policy.policy]
        published = policy.published
        rows.append({
            "policy": policy.policy, "episodes": ours.n, "median": round(ours.median, 3), "mean": round(ours.mean, 3),
            "skew": None if ours.skew is None else round(ours.skew, 3), "improved": round(ours.improved, 4),
            "worse": round(ours.worse, 4), "end": round(float(episodes.climbed.final.mean()), 3),
            "common_end": round(policy.common_final, 4), "moves": round(policy.mean_moves, 2),
            "queries": round(policy.mean_queries, 1), "published_median": published and published.median,
            "published_skew": published and published.skew,
        })  # fmt: skip
    return rows


def _draw(arguments: argparse.Namespace, walked: Walked) -> None:
    from archloom.analysis.best_by_queries import best_by_queries
    from archloom.analysis.episode_figures import FIGURES

    if arguments.out is None:
        return
    on, found = walked.problem.on, walked.report
    for kind, figure in FIGURES.items():
        save(arguments, f"{kind}-{on}", partial(figure.draw, walked.problem, found, walked.by_policy))
    if max(found.budgets) > 300:  # the paper's Fig. 14 is the beginning of its Fig. 15
        save(arguments, f"queries-{on}-300", partial(best_by_queries, found, walked.by_policy, 300))


def best(arguments: argparse.Namespace, on: str) -> list[dict[str, Any]]:
    """The best after so many queries. `apart`: its interval is above those of all others at as many queries."""
    from archloom.analysis.published_episodes import quoted_table

    found = walk(arguments, on).together.report
    rows = []
    for policy in found.policies:
        published = policy.published.best_after if policy.published else {}
        for after in policy.best_after:
            others = [
                each.high for other in found.policies if other is not policy for each in other.best_after
                if each.queries == after.queries
            ]  # fmt: skip
            apart = after.low > max(others, default=np.inf)
            mean, std = published.get(after.queries, (None, None))
            rows.append({
                "policy": policy.policy, "queries": after.queries, "mean": round(after.mean, 3),
                "std": None if after.std is None else round(after.std, 3), "low": round(after.low, 3),
                "high": round(after.high, 3), "repetitions": after.repetitions, "apart": apart,
                "published_mean": mean, "published_std": std,
            })  # fmt: skip
    quoted = quoted_table(on)
    blank = dict.fromkeys(("mean", "std", "low", "high", "repetitions", "apart"))
    return [
        *rows,
        *(
            {"policy": each.method, "queries": each.queries, **blank, "published_mean": each.mean,
             "published_std": each.std}
            for each in (quoted.rows if quoted else ())
        ),
    ]  # fmt: skip


def normality(arguments: argparse.Namespace, on: str) -> list[dict[str, Any]]:
    """Tests that the improvements are normally distributed, and that they follow a t-distribution."""
    from scipy.stats import goodness_of_fit, normaltest

    from benchmarks.apex.t_distribution import QUICK_T

    samples, tested = (50, 60) if arguments.smoke else (MONTE_CARLO, TESTED)
    rows = []
    for policy, episodes in walk(arguments, on).together.by_policy.items():
        changes = episodes.outcomes[-1].improvement
        rng = np.random.default_rng(0)
        part = rng.choice(changes, min(tested, len(changes)), replace=False)
        fit = goodness_of_fit(QUICK_T, part, n_mc_samples=samples, rng=rng)
        rows.append({
            "policy": policy, "episodes": len(changes), "p_normal": float(normaltest(changes).pvalue),
            "tested": len(part), "p_t": float(fit.pvalue), "freedom": round(float(fit.fit_result.params.df), 2),
            "samples": samples, "rejected": bool(fit.pvalue < SIGNIFICANT), "published_p_t": PUBLISHED_P_OF_T[policy],
        })  # fmt: skip
    return rows


# -- why a random walk beats random search ------------------------------------------------------------------------

BEST_OF = 50


def walk_sizes(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """How large the cells are that random search and random walks end with on NAS-Bench-101, and how good.

    The third row is random search whose cells were drawn again so that their numbers of vertices are the walks':
    what of the difference between the others is due to sizes. The paper leaves it unexplained (section 4.1.2).
    """
    walked = walk(arguments, "nb101")
    sizes, finals = {}, {}
    for policy in ("random", "random_walk"):
        episodes = walked.by_policy[policy]
        genes = walked.problem.neighbourhood.genes(episodes.final_states)
        sizes[policy] = 2 + (genes[:, EDGES:] != ABSENT).sum(axis=1)
        finals[policy] = episodes.outcomes[-1].final
    rng = np.random.default_rng(0)
    own, wanted = (np.bincount(each, minlength=VERTICES + 1) for each in sizes.values())
    share = np.divide(wanted, own, out=np.zeros(VERTICES + 1), where=own > 0)[sizes["random"]]
    again = rng.choice(len(share), len(share), p=share / share.sum())
    alike = "random, sizes as of random_walk"
    sizes[alike], finals[alike] = sizes["random"][again], finals["random"][again]
    return [
        {
            "policy": policy, "vertices": round(float(sizes[policy].mean()), 3), "mean": round(float(values.mean()), 3),
            f"best_of_{BEST_OF}": round(float(_groups(rng.permutation(values)).max(axis=1).mean()), 3),
            **{f"{n}": round(float((sizes[policy] == n).mean()), 4) for n in range(2, VERTICES + 1)},
        }
        for policy, values in finals.items()
    ]  # fmt: skip


def _groups(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """As many groups of `BEST_OF` values as there are."""
    return values[: len(values) // BEST_OF * BEST_OF].reshape(-1, BEST_OF)


STUDIES = {
    "nb101": Study("improvement of episodes, NAS-Bench-101: Figs. 7 to 10", partial(improvements, on="nb101")),
    "nb301": Study("the same on NAS-Bench-301: Figs. 12 to 15", partial(improvements, on="nb301")),
    "nb201": Study("the same on NAS-Bench-201, which the paper does not have", partial(improvements, on="nb201")),
    "table1": Study("the best by number of queries, NAS-Bench-101: Table 1", partial(best, on="nb101")),
    "table2": Study("the same on NAS-Bench-301: Table 2", partial(best, on="nb301")),
    "table_nb201": Study("the same on NAS-Bench-201", partial(best, on="nb201")),
    "walk_sizes": Study("sizes of the cells that random walks end with, NAS-Bench-101", walk_sizes),
    "normality": Study("tests of the improvements' distribution, NAS-Bench-301", partial(normality, on="nb301")),
}
