"""`archloom compare`: several strategies on one problem, over the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archloom.cli import notes, options
from archloom.cli.config import Config
from archloom.cli.stdout_guard import stdout_guard
from archloom.cli.supernet import make_first
from archloom.errors import InputError

if TYPE_CHECKING:
    from archloom.analysis.significance import Wanted
    from archloom.checkpoints.retention import Overrides
    from archloom.executors.backends import Backend
    from archloom.problems import ProblemSpec
    from archloom.runs.budgets import Changes
    from archloom.runs.prepare import ChosenStrategy, Preparer


@click.command()
@click.argument("strategies", nargs=-1, required=True, metavar="[LABEL=]STRATEGY...")
@options.problem_options
@click.option("--seeds", type=int, default=10, show_default=True, metavar="K", help="Seeds 0 to K-1 for each.")
@options.warm_start_option
@options.backend_options
@options.checkpoint_options
@options.test_options
@options.output_options
def compare(
    strategies: Sequence[str], on: str | None, table: str | None, objectives: Sequence[str], reports: Sequence[str],
    constraints: Sequence[str], space_name: str | None, settings: Sequence[str], limits: Changes,
    out: Path | None, seeds: int, earlier: Sequence[Path], as_json: bool, quiet: bool, config: Config,
    overrides: Overrides, backend: Backend, wanted: Wanted,
) -> int:  # fmt: skip
    """Run strategies on the same problem and seeds, and test their differences.

    An option that all of them have is set for all: --set population=12. That of one strategy carries its name: --set
    evolution.population=50. To compare settings of one strategy, give each a label: LABEL=STRATEGY; options then carry
    the label. Tests are one-sided, p-values Bonferroni-corrected; archloom test makes others later, over one folder or
    several.

    \b
    archloom compare random evolution cadam --on nb201 --queries 300 --seeds 10 --out runs/cmp
    archloom compare cadam slow=cadam --set slow.critic_lr=1e-4
    archloom compare pbt_nas searl random_population --on images:digits --set population=6 --set epochs=20
    archloom compare random mine=my_strategy.py:Blr --set mine.batch=8
    """
    from archloom.cli.groups import begin, check_shared, settings_by_label
    from archloom.runs import groups, record
    from archloom.runs.earlier import warm_start
    from archloom.runs.prepare import Preparer, Request, fitted

    preparer = Preparer()
    with stdout_guard():
        labels = _by_label(strategies, preparer)
    options.check_seeds(seeds)
    wanted.check(list(labels))
    filed = {
        label: options.by_owner(config.settings_for(preparer.find(strategy).name, label, labels))
        for label, strategy in labels.items()
    }
    given = options.split_settings(settings).over(replace(next(iter(filed.values())), strategy={}))
    typed = settings_by_label(labels, given.strategy, preparer)
    for name in config.shared:
        check_shared(f"{name} under [set]", name, labels, preparer)
    own = {label: {**filed[label].strategy, **typed[label]} for label in labels}
    spec = options.spec_of(on, table, objectives, reports, constraints, space_name, given)
    with stdout_guard():
        settled = {label: preparer.fitted_options(strategy, own[label], spec) for label, strategy in labels.items()}
        chosen = {label: preparer.choose(strategy, settled[label]) for label, strategy in labels.items()}
        make_first(spec, quiet)
        specs = {label: preparer.suited(fitted(each), chosen.values()) for label, each in _specs(chosen, spec).items()}
        bounds = {label: each.limits(limits, backend.workers) for label, each in chosen.items()}
        known = warm_start(earlier, next(iter(specs.values())), chosen.values(), preparer)
        members = {
            f"{label}/seed-{seed}": Request(strategy, specs[label], seed, bounds[label], settled[label], known)
            for label, strategy in labels.items()
            for seed in range(seeds)
        }
        checked = {label: preparer.check(members[f"{label}/seed-0"], overrides) for label in labels}
    first = next(iter(checked.values()))
    path = out or options.new_folder(f"compare-{spec.source.stem}")
    record.check_free(path)
    options.make_ready(backend)
    notes.note_idle(backend, max(each.width for each in bounds.values()), len(members))
    notes.note_fitted({label: (own[label], prepared) for label, prepared in checked.items()}, spec)
    for prepared in checked.values():
        notes.note_plan(prepared)
    notes.note_budgets(checked)
    notes.note_warm_start(first)
    group = groups.Group.create(path, members, True, first, overrides, preparer)
    return begin(group, first, backend, as_json, quiet, overrides, preparer, wanted)


def _specs(chosen: Mapping[str, ChosenStrategy], spec: ProblemSpec) -> dict[str, ProblemSpec]:
    """The problem for each label. task.epochs applies to strategies that do not decide themselves how long to train."""
    decides = {label: strategy.plan.epochs is not None for label, strategy in chosen.items()}
    others = spec.changed(task={name: value for name, value in spec.task.items() if name != "epochs"})
    return {
        label: strategy.spec(others if decides[label] and not all(decides.values()) else spec)
        for label, strategy in chosen.items()
    }


def _by_label(named: Sequence[str], preparer: Preparer) -> dict[str, str]:
    """Label -> strategy; without a label, the strategy's name."""
    labels: dict[str, str] = {}
    for text in named:
        label, given, strategy = text.rpartition("=")
        label = options.check_label(label if given else preparer.find(strategy).name, text)
        if label.lower() in map(str.lower, labels):  # some file systems take A and a for the same folder
            raise InputError(
                f"strategies {' '.join(named)}: each may be given once; to compare settings of one, give labels: "
                f"{label} other={strategy}"
            )
        labels[label] = strategy
    return labels
