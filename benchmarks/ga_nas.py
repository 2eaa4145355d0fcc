"""GA-NAS against random search and evolution, as in the paper's Tables 2, 4, 5 and 6 and Figure 1, and its ablations.

python -m benchmarks.ga_nas nb101            what each part contributes: surrogate table, 500 queries, 10 seeds
python -m benchmarks.ga_nas nb301_parts      the same on NAS-Bench-301 (surrogate)
python -m benchmarks.ga_nas inception        Table 5: at most the parameters of a cell made by hand, which is the start:
                                             NAS-Bench-201, an Inception cell (bottleneck: a residual bottleneck;
                                             inception_nb101: NAS-Bench-101's Inception cell, surrogate), 10 seeds
python -m benchmarks.ga_nas cifar10          Table 4 (also cifar100), objective = test accuracy, 20 seeds
python -m benchmarks.ga_nas cifar10_valid    the same with objective = validation (also cifar100_valid)
python -m benchmarks.ga_nas nb101_1          Table 2, set-up 1 (nb101_2: set-up 2), on the surrogate table, 10 seeds
python -m benchmarks.ga_nas nb301            Figure 1, on a surrogate: 6,000 queries, 3 seeds
python -m benchmarks.ga_nas improve          Table 6: EfficientNet-B0 with at most its parameters, 5 seeds
                                             (improve_latency: at most its predicted latency)
python -m benchmarks.ga_nas choices          the effect of each choice that the paper leaves open, on CIFAR-100 test of
                                             NAS-Bench-201, 5 seeds
... --record FILE    keep finished searches in FILE, and continue from there
... --json           one JSON object per row
... --smoke          two seeds, few queries
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from archloom.analysis.stats import summarise
from archloom.problems import ProblemSpec
from archloom.runs.budgets import Limits
from archloom.runs.folders import run_in_memory
from archloom.runs.prepare import Request
from benchmarks.recorded import outcomes, p_better_unpaired, parser


@dataclass(frozen=True)
class Setting:
    """A row: a strategy with its options."""

    name: str
    strategy: str
    options: Mapping[str, str] = field(default_factory=dict)


RANDOM, EVOLUTION = Setting("random", "random"), Setting("evolution", "evolution")


def ga_nas(name: str = "GA-NAS", **options: object) -> Setting:
    return Setting(name, "ga_nas", {option: str(value) for option, value in options.items()})


PARTS = (
    ga_nas(),
    ga_nas("no likelihood (expert = 0)", expert=0.0),
    ga_nas("no discriminator", refit="accuracy", expert=0.0),
    ga_nas("no discriminator, rewards in %", refit="accuracy", expert=0.0, standardise=False),
    ga_nas("no discriminator, one update", refit="accuracy", expert=0.0, rounds=1, updates=1),
    ga_nas("no discriminator, with likelihood", refit="accuracy"),
    ga_nas("likelihood alone (KL)", refit="likelihood"),
    ga_nas("random generator", refit="random"),
    RANDOM,
    EVOLUTION,
)
"""GA-NAS, and what remains of it without each of its parts."""


@dataclass(frozen=True)
class Study:
    """A problem and the rows compared on it, the first with all others; values are taken at `budgets`."""

    on: str
    objective: str
    budgets: tuple[int, ...]
    seeds: int
    settings: tuple[Setting, ...]
    constraints: tuple[str, ...] = ()
    report: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The aim of the search, in one line."""
        return ", ".join([self.on, self.objective, *self.constraints, *map(str, self.budgets)])


def nb201(data: str, part: str) -> Study:
    test = (f"{data}_test_200",)
    return Study(
        "nb201", f"{data}_{part}_200", (150, 445), 20, (ga_nas(), RANDOM, EVOLUTION), report=test * (part != "test")
    )


def nb101(initial: int, batch_size: int, growth: int, top_k: int) -> Study:
    """One of the published set-ups, which determine the number of queries."""
    total = initial + sum(batch_size + t * growth for t in range(10))
    setting = ga_nas(initial=initial, batch_size=batch_size, growth=growth, top_k=top_k, iterations=10)
    return Study("nb101", "valid_108_surrogate", (500, total), 10, (setting, RANDOM, EVOLUTION))


def improving(on: str, objective: str, budgets: tuple[int, ...], start: str, constraint: str) -> Study:
    """From an architecture made by hand, under a bound that it satisfies. Evolution alone is not given it."""
    return Study(
        on, objective, budgets, 10,
        (
            ga_nas(start=start),
            ga_nas("no likelihood (expert = 0)", start=start, expert=0.0),
            ga_nas("likelihood alone (KL)", start=start, refit="likelihood"),
            replace(RANDOM, options={"start": start}),
            EVOLUTION,
        ),
        (constraint,),
    )  # fmt: skip


NB101_INCEPTION = "1=conv3x3(in) 2=conv1x1(in) 3=maxpool3x3(in) 4=conv3x3(in) 5=conv3x3(4) out(1,2,3,5)"
"""The Inception-like cell of NAS-Bench-101, 2.694282 M parameters: 1x1, 3x3, two 3x3 in place of a 5x5, pooling."""

INCEPTION = "|nor_conv_1x1~0|+|avg_pool_3x3~0|none~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_1x1~2|"
"""An Inception module as a cell of NAS-Bench-201, 0.400346 M: 1x1; 1x1 and 3x3; pooling and 1x1."""

BOTTLENECK = "|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
"""A residual bottleneck, 0.372346 M: 1x1, 3x3 and 1x1 in a row, and a skip."""

EFFICIENTNET_B0 = (
    "e1_k3_l1_se1-e6_k3_l2_se1-e6_k5_l2_se1-e6_k3_l3_se1-e6_k5_l3_se1-e6_k5_l4_se1-e6_k3_l1_se1"
)  # fmt: skip
"""5.288548 M parameters."""


def improve(constraint: str) -> Study:
    rows = (ga_nas(start=EFFICIENTNET_B0), replace(RANDOM, options={"start": EFFICIENTNET_B0}), EVOLUTION)
    return Study("fitted:mnasnet", "valid_top1_fitted", (150, 445, 1_000), 5, rows, (constraint,))


STUDIES = {
    "cifar10": nb201("cifar10", "test"),
    "cifar100": nb201("cifar100", "test"),
    "cifar10_valid": nb201("cifar10", "valid"),
    "cifar100_valid": nb201("cifar100", "valid"),
    "nb101_1": nb101(initial=50, batch_size=100, growth=50, top_k=25),
    "nb101_2": nb101(initial=100, batch_size=200, growth=100, top_k=50),
    "nb101": Study("nb101", "valid_108_surrogate", (150, 500), 10, PARTS),
    "nb301_parts": Study("nb301", "valid_surrogate", (150, 500), 10, PARTS),
    "inception": improving("nb201", "cifar10_test_200", (150, 445), INCEPTION, "cifar10_params_m<=0.4004"),
    "bottleneck": improving("nb201", "cifar10_test_200", (150, 445), BOTTLENECK, "cifar10_params_m<=0.3724"),
    "inception_nb101": improving("nb101", "valid_108_surrogate", (150, 500), NB101_INCEPTION, "params_m<=2.6943"),
    "nb301": Study(
        "nb301", "valid_surrogate", (1_000, 3_000, 6_000), 3,
        (ga_nas(initial=100, batch_size=100, top_k=50), RANDOM, EVOLUTION),
    ),
    "improve": improve("params_m<=5.2886"),
    "improve_latency": improve("imagenet_latency_zcu102_ms_fitted<=8.397"),
    "choices": replace(nb201("cifar100", "test"), seeds=5, settings=(
        ga_nas(),
        ga_nas("one round, as printed", rounds=1, pair_steps=60, updates=8),
        ga_nas("three rounds, more of each", rounds=3, pair_steps=50, updates=5),
        ga_nas("reward log(D/(1-D))", reward="logit"),
        ga_nas("reward D", reward="probability"),
        ga_nas("entropy 0.1", entropy=0.1),
        ga_nas("expert 0", expert=0.0),
        ga_nas("expert 0.25, as You et al.", expert=0.25),
        ga_nas("expert 4", expert=4.0),
        ga_nas("K = 25", top_k=25),
        ga_nas("|X_t| = |X_t-1| + 50, from 100", batch_size=100, growth=50),
        ga_nas("the level rises by 0.1", delta=0.1),
    )),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """The result of one search: the best value after each budget and its rank, when it was found, and its other scores.

    `scores` are the best architecture's at the end: objective, constraints and reported metrics. `seconds` is the
    processor time of the whole search, on one core.
    """

    setting: str
    seed: int
    values: list[float]
    ranks: list[int | None]
    found_at: int
    arch: str
    scores: dict[str, float]
    feasible: bool
    seconds: float


@dataclass(frozen=True)
class Row:
    """One setting at one budget, over seeds; `p` that the first setting is better (one-sided Mann-Whitney)."""

    setting: str
    queries: int
    seeds: int
    mean: float
    std: float
    worst: float
    rank: float | None
    found_at: float
    reported: float | None
    feasible: int
    seconds: float
    p: float | None


def search(study: Study, setting: Setting, seed: int) -> Found:
    spec = ProblemSpec(study.on, objectives=(study.objective,), constraints=study.constraints, report=study.report)
    started = time.process_time()
    report = run_in_memory(Request(setting.strategy, spec, seed, Limits(study.budgets[-1]), setting.options))
    seconds = time.process_time() - started
    best, problem = report.best, report.scenario.problem
    if best is None:
        raise RuntimeError(f"{setting.name}, seed {seed}: nothing was found")
    criteria = report.scenario.criteria
    utility = criteria.objectives[0].utility
    curve = {int(query): value for query, value in report.curve}
    values = [_best_after(curve, budget) for budget in study.budgets]
    found = min(query for query, value in curve.items() if value == values[-1])
    ranks = [None if math.isnan(value) else problem.rank(study.objective, utility(value)) for value in values]
    return Found(
        setting.name, seed, values, ranks, found, best.arch, {**best.scores, **best.report},
        criteria.feasible(best.trial.result), round(seconds, 1),
    )  # fmt: skip


def _best_after(curve: Mapping[int, float], budget: int) -> float:
    """The best value after this many queries; NaN if nothing was feasible by then."""
    before = [query for query in curve if query <= budget]
    return curve[max(before)] if before else math.nan


def rows(study: Study, found: Sequence[Found]) -> list[Row]:
    """Every setting at every budget."""
    table = []
    for at, budget in enumerate(study.budgets):
        by_setting = {s.name: [f for f in found if f.setting == s.name] for s in study.settings}
        first = [f.values[at] for f in by_setting[study.settings[0].name]]
        for name, runs in by_setting.items():
            values = [f.values[at] for f in runs]
            stats = summarise(values)
            ranks = [rank for f in runs if (rank := f.ranks[at]) is not None]
            reported = [f.scores[metric] for f in runs for metric in study.report if metric in f.scores]
            last = at == len(study.budgets) - 1
            table.append(
                Row(
                    name,
                    budget,
                    len(runs),
                    round(stats.mean, 3),
                    round(stats.std or 0.0, 3),
                    round(stats.min, 3),
                    round(summarise(ranks).mean, 2) if ranks else None,
                    round(summarise([f.found_at for f in runs]).mean),
                    round(summarise(reported).mean, 3) if reported and last else None,
                    sum(f.feasible for f in runs),
                    round(summarise([f.seconds for f in runs]).mean, 1),
                    None if name == study.settings[0].name else p_better_unpaired(first, values),
                )
            )
    return table


def main() -> None:
    arguments = parser(__doc__, STUDIES, smoke="two seeds, 80 queries").parse_args()
    study = STUDIES[arguments.study]
    study = replace(study, seeds=arguments.seeds or study.seeds)
    if arguments.smoke:
        study = replace(study, seeds=2, budgets=(60, 80), settings=study.settings[:2])
    jobs = (((s.name, seed), (study, s, seed)) for seed in range(study.seeds) for s in study.settings)
    table = rows(study, outcomes(Found, search, jobs, arguments.workers, arguments.record, study.text))
    if arguments.json:
        print(json.dumps([asdict(row) for row in table]))
    else:
        show(study, table)


def show(study: Study, table: Sequence[Row]) -> None:
    print(f"{study.on}, {study.objective}{''.join(f', {c}' for c in study.constraints)}")
    print(
        f"{'setting':<34}{'queries':>8}{'seeds':>6}{'best':>18}{'worst':>9}{'rank':>9}{'found at':>9}"
        f"{'reported':>9}{'s a run':>8}{'p':>8}"
    )
    for row in table:
        rank, reported = ("" if x is None else f"{x:.2f}" for x in (row.rank, row.reported))
        p = "" if row.p is None else f"{row.p:.4f}"
        print(
            f"{row.setting:<34}{row.queries:>8}{row.seeds:>6}{f'{row.mean:.3f} ± {row.std:.3f}':>18}{row.worst:>9.3f}"
            f"{rank:>9}{row.found_at:>9.0f}{reported:>9}{row.seconds:>8.1f}{p:>8}"
        )


if __name__ == "__main__":
    main()
