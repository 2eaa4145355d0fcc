"""`archloom compare`: several strategies on one problem, over the same seeds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archloom.cli import options, output
from archloom.cli.aside import stdout_aside
from archloom.cli.config import Config
from archloom.errors import InputError

if TYPE_CHECKING:
    from archloom.executors.backends import Backend
    from archloom.problems import ProblemSpec
    from archloom.states import Said

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@click.command()
@click.argument("strategies", nargs=-1, required=True, metavar="[LABEL=]STRATEGY...")
@options.problem_options
@click.option("--seeds", type=int, default=10, show_default=True, metavar="K", help="Seeds 0 to K-1 for each.")
@options.backend_options
@options.state_options
@options.output_options
def compare(
    strategies: Sequence[str], on: str | None, table: str | None, objectives: Sequence[str], reports: Sequence[str],
    constraints: Sequence[str], space_name: str | None, queries: int | None, width: int | None,
    settings: Sequence[str], max_repeats: int,
    out: Path | None, seeds: int, as_json: bool, quiet: bool, config: Config,
    kept: Said, backend: Backend,
) -> int:  # fmt: skip
    """Run strategies on the same problem and seeds, and test their differences.

    Options of one strategy carry its name: --set evolution.population=50. To compare settings of one strategy, give
    each a label: LABEL=STRATEGY; options then carry the label. The tests are paired one-sided Wilcoxon signed-rank
    tests over seeds, p-values Bonferroni-corrected.

    \b
    archloom compare random evolution cadam --on nb201 --queries 300 --seeds 10 --out runs/cmp
    archloom compare cadam slow=cadam --set slow.critic_lr=1e-4
    """
    from archloom import groups, runs, store
    from archloom.cli.groups import begin

    labels = _by_label(strategies)
    options.check_seeds(seeds)
    filed = {
        label: options.by_owner(config.settings_for(strategy, label, labels)) for label, strategy in labels.items()
    }
    given = options.split_settings(settings).over(replace(next(iter(filed.values())), strategy={}))
    typed = _settings_by_label(labels, given.strategy)
    own = {label: {**filed[label].strategy, **typed[label]} for label in labels}
    spec = options.spec_of(on, table, objectives, reports, constraints, space_name, given)
    specs = _specs(labels, own, spec)
    limits = {
        label: runs.limits_for(strategy, own[label], queries, width, max_repeats) for label, strategy in labels.items()
    }
    members = {
        f"{label}/seed-{seed}": runs.Request(strategy, specs[label], seed, limits[label], own[label])
        for label, strategy in labels.items()
        for seed in range(seeds)
    }
    with stdout_aside():
        first = {label: members[f"{label}/seed-0"] for label in labels}
        opened = {label: runs.check(request, kept) for label, request in first.items()}
    scenario = next(iter(opened.values()))
    path = out or options.free_folder(f"compare-{Path(spec.on).stem}")
    store.check_free(path)
    options.make_ready(backend)
    output.note_idle(backend, max(each.width for each in limits.values()), len(members))
    for request in first.values():
        output.note_cut(request)
    output.note_budgets({label: (request, opened[label]) for label, request in first.items()})
    group = groups.Group.create(path, members, True, scenario, kept)
    return begin(group, scenario, backend, as_json, quiet, kept)


def _specs(
    labels: Mapping[str, str], own: Mapping[str, Mapping[str, str]], spec: ProblemSpec
) -> dict[str, ProblemSpec]:
    """The problem for each. task.epochs is for the strategies that do not say themselves how long networks train."""
    from archloom import runs

    decides = {label: runs.plan_of(strategy, own[label]).epochs is not None for label, strategy in labels.items()}
    others = replace(spec, task={name: value for name, value in spec.task.items() if name != "epochs"})
    return {
        label: runs.spec_for(strategy, own[label], others if decides[label] and not all(decides.values()) else spec)
        for label, strategy in labels.items()
    }


def _by_label(named: Sequence[str]) -> dict[str, str]:
    """Label -> strategy; a name alone is its own label."""
    labels: dict[str, str] = {}
    for text in named:
        label, given, strategy = text.rpartition("=")
        if not given:
            label = strategy
        elif not _LABEL.fullmatch(label):
            raise InputError(
                f"{text}: expected LABEL=STRATEGY, the label, a folder's name, of up to 64 letters, digits, - and _"
            )
        if label in options.OWNERS:
            raise InputError(f"{text}: --set {label}.NAME is the {label}'s option; give another label")
        if label.lower() in map(str.lower, labels):  # some file systems take A and a for the same folder
            raise InputError(
                f"strategies {' '.join(named)}: each may be named once; to compare settings of one, give labels: "
                f"{label} other={strategy}"
            )
        labels[label] = strategy
    return labels


def _settings_by_label(labels: Iterable[str], given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    own: dict[str, dict[str, str]] = {label: {} for label in labels}
    for setting, value in given.items():
        label, dot, option = setting.partition(".")
        if not dot or label not in own:
            expected = ", ".join(f"{known}.{option or setting}" for known in own)
            raise InputError(
                f"--set {setting}: say whose option it is, e.g. {expected} (space.NAME and task.NAME are the problem's)"
            )
        own[label][option] = value
    return own
