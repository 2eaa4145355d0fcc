"""PBT-NAS compared with its ablations and baselines, as in the paper's Tables 1, 2 and 3, at a size for two cores.

    python -m benchmarks.pbt_nas images      Tables 2 and 3 on small images of clothes: 12 members, 10 seeds
    python -m benchmarks.pbt_nas gan         Table 1, space gan_hard, on digits of 8 x 8 pixels: 5 seeds
    python -m benchmarks.pbt_nas planted     Tables 2 and 3 on a task whose answer is known: 30 seeds, a minute
    python -m benchmarks.pbt_nas images --record FILE    keep finished searches in FILE, and continue
    python -m benchmarks.pbt_nas images --json           one JSON object per row
    python -m benchmarks.pbt_nas images --smoke          one to three seeds, two chunks

Every row trains as many networks for as many epochs, from the same seeds. The value is the best that any member reached
at the end of a chunk, on the search's own metric.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from archloom.analysis.stats import bootstrap_interval, summarise
from archloom.data.images.labelled import open_images, save_images
from archloom.data.images.splits import Split, Splits
from archloom.problems import ProblemSpec
from archloom.runs.folders import limits_for, run_in_memory
from archloom.runs.prepare import Request
from archloom.utils import seeds
from benchmarks.recorded import outcomes, p_better, parser


@dataclass(frozen=True)
class Setting:
    """A row: a strategy with its options."""

    name: str
    strategy: str
    options: Mapping[str, str] = field(default_factory=dict)


DEFAULT = Setting("PBT-NAS", "pbt_nas")
NO_MIXING = Setting("no mixing: itself, shrink-perturbed", "pbt_nas", {"itself": "true"})
COPIED = Setting("copied exactly [1, 0]", "pbt_nas", {"shrink": "1", "perturb": "0"})
REINITIALISED = Setting("reinitialised [0, 1]", "pbt_nas", {"shrink": "0", "perturb": "1"})
SEARL = Setting("SEARL-like mutation", "searl")
RANDOM = Setting("random search", "random_population")
RANDOM_SHRUNK = Setting("random search, shrink-perturbed", "random_population", {"shrink_perturb": "true"})
EVERYTHING = (DEFAULT, NO_MIXING, COPIED, REINITIALISED, SEARL, RANDOM, RANDOM_SHRUNK)


@dataclass(frozen=True)
class Study:
    """What is trained, for how long, and which rows are compared: the first one with all others.

    `parts`, if given, is how many of the training, validation and test images are used.
    """

    on: str
    settings: tuple[Setting, ...]
    seeds: int
    members: int
    epochs: int
    options: Mapping[str, str] = field(default_factory=dict)
    space: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[int, int, int] | None = None
    size: int = 0


STUDIES = {
    "images": Study(
        "images:fashion", EVERYTHING, seeds=10, members=12,
        epochs=10, options={"steps_per_epoch": "30", "lr": "0.005"}, space={"width": "4"}, parts=(4_000, 1_000, 1_000),
        size=8,
    ),
    "gan": Study(
        "gan:digits", (DEFAULT, SEARL, RANDOM), seeds=5, members=8, epochs=16,
        options={"steps_per_epoch": "30", "generator_every": "1", "lr": "0.0005", "ema": "0.95", "samples": "1000",
                 "extractor": "pixels"},
        space={"channels": "16", "discriminator_channels": "16", "latent": "60"},
    ),
    "planted": Study(
        str(Path(__file__).with_name("planted.py")), EVERYTHING, seeds=30, members=12, epochs=20,
    ),
}  # fmt: skip

SMOKE = {
    "planted": replace(STUDIES["planted"], seeds=3, settings=(DEFAULT, NO_MIXING, RANDOM, RANDOM_SHRUNK)),
    "images": replace(STUDIES["images"], on="images:digits", parts=(200, 50, 50), seeds=2, members=4, epochs=2,
                      options={"steps_per_epoch": "2"}),
    "gan": replace(STUDIES["gan"], seeds=1, members=4, epochs=2,
                   options={**STUDIES["gan"].options, "steps_per_epoch": "2", "samples": "100"}),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """The result of one search: the best value of its metric, and the test accuracy of that network, if it has one."""

    setting: str
    seed: int
    metric: str
    goal: str
    value: float
    test: float | None
    seconds: float


@dataclass(frozen=True)
class Row:
    setting: str
    seeds: int
    mean: float
    std: float
    low: float
    high: float
    test_mean: float | None
    p_default_better: float | None
    """One-sided Wilcoxon signed-rank test over seeds that the default is better; None for the default itself."""
    p_corrected: float | None
    """The same after Bonferroni's correction for the number of other rows."""


def search(study: Study, on: str, setting: Setting, seed: int) -> Found:
    """One search, in memory. A step is an epoch."""
    options = {"population": str(study.members), "epochs": str(study.epochs), "step": "1", **setting.options}
    limits = limits_for(setting.strategy, options, None, None)
    spec = ProblemSpec(on, space=study.space, task=study.options)
    started = time.monotonic()
    report = run_in_memory(Request(setting.strategy, spec, seed, limits, options))
    seconds, objective = time.monotonic() - started, report.scenario.criteria.objectives[0]
    if report.best is None:
        raise RuntimeError(f"{setting.name}, seed {seed}: every training failed")
    return Found(
        setting.name, seed, objective.metric, objective.goal, report.best.scores[objective.metric],
        report.best.report.get("test_accuracy"), round(seconds, 1),
    )  # fmt: skip


def prepared(study: Study, folder: Path) -> str:
    """The `on` of a study: a file with its images, if it uses only some of a set."""
    if study.parts is None:
        return study.on
    task, _, images = study.on.partition(":")
    whole, rng = open_images(images, os.environ, study.size), np.random.default_rng(0)

    def some(split: Split, count: int) -> Split:
        return split.take(np.sort(rng.permutation(len(split))[:count]))

    train, valid, test = map(some, (whole.train, whole.valid, whole.test), study.parts)
    path = folder / f"{images}.npz"
    save_images(Splits(train, valid, test, whole.classes), path)
    return f"{task}:{path}"


def rows(study: Study, found: Sequence[Found]) -> list[Row]:
    def of(setting: Setting, value: Callable[[Found], float | None]) -> list[float]:
        return [known for f in found if f.setting == setting.name and (known := value(f)) is not None]

    default = of(study.settings[0], lambda f: f.value)
    sign = {"max": 1.0, "min": -1.0}[found[0].goal]
    table = []
    for setting in study.settings:
        values, tests = of(setting, lambda f: f.value), of(setting, lambda f: f.test)
        stats = summarise(values)
        low, high = bootstrap_interval(values, seeds.stream(0, "bootstrap"))
        p = p_better(default, values, sign) if setting is not study.settings[0] else None
        corrected = None if p is None else min(1.0, p * (len(study.settings) - 1))
        test = summarise(tests).mean if tests else None
        table.append(Row(setting.name, len(values), stats.mean, stats.std or 0.0, low, high, test, p, corrected))
    return table


def main() -> None:
    arguments = parser(__doc__, STUDIES, smoke="small sizes").parse_args()
    study = (SMOKE if arguments.smoke else STUDIES)[arguments.study]
    study = replace(study, seeds=arguments.seeds or study.seeds)
    with tempfile.TemporaryDirectory() as folder:
        on = prepared(study, Path(folder))
        # Every setting of a seed before the next seed.
        jobs = (((s.name, seed), (study, on, s, seed)) for seed in range(study.seeds) for s in study.settings)
        found = outcomes(
            Found, search, jobs, arguments.workers, arguments.record, f"{study.on}, {study.members}, {study.epochs}"
        )
    table = rows(study, found)
    if arguments.json:
        print(json.dumps([asdict(row) for row in table]))
        return
    show(study, found, table)


def show(study: Study, found: Sequence[Found], table: Sequence[Row]) -> None:
    each = study.epochs * study.members
    print(f"{Path(study.on).name}, {study.members} members, {each} epochs in all, {study.options}")
    print(f"{'setting':<38}{'seeds':>6}{found[0].metric:>18}{'95 % interval':>18}{'test':>8}{'p':>8}{'corrected':>11}")
    for row in table:
        value, interval = f"{row.mean:.2f} ± {row.std:.2f}", f"{row.low:.2f} to {row.high:.2f}"
        test = "" if row.test_mean is None else f"{row.test_mean:.2f}"
        p, corrected = ("" if p is None else f"{p:.3f}" for p in (row.p_default_better, row.p_corrected))
        print(f"{row.setting:<38}{row.seeds:>6}{value:>18}{interval:>18}{test:>8}{p:>8}{corrected:>11}")


if __name__ == "__main__":
    main()
