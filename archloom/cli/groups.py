"""What `search`, `compare` and `resume` share: a group of runs with its progress bar, and showing what came out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from archloom.cli import notes, options, output
from archloom.cli.forecast import Forecast
from archloom.cli.progress import ProgressView, what_begins
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError, StoreError, unknown
from archloom.runs.prepare import Request

if TYPE_CHECKING:
    from archloom.analysis.significance import Wanted
    from archloom.checkpoints.retention import Overrides
    from archloom.executors.backends import Backend
    from archloom.runs.budgets import Changes
    from archloom.runs.groups import Group
    from archloom.runs.prepare import Prepared, Preparer
    from archloom.runs.report import RunReport
    from archloom.types import PopulationSizes


def begin(
    group: Group,
    first: Prepared,
    backend: Backend,
    as_json: bool,
    quiet: bool,
    overrides: Overrides,
    preparer: Preparer,
    wanted: Wanted | None = None,
) -> int:
    """Announce a new group, and run it."""
    output.note_caveats(first.scenario)
    output.announce(group.path, quiet)
    with output.going_on(group.path):
        first.scenario.problem.prepare()
    return go_on(group, backend, as_json, quiet, overrides, preparer, wanted=wanted)


def go_on(
    group: Group, backend: Backend, as_json: bool, quiet: bool, overrides: Overrides, preparer: Preparer,
    table: Path | None = None, changed: bool = False, wanted: Wanted | None = None,
) -> int:  # fmt: skip
    """Run a group to its end and show it, a comparison with the `wanted` tests."""
    with output.going_on(group.path):
        by_label, failures = run_members(group, backend, quiet, table, changed, overrides, preparer)
    if group.comparison or len(by_label) > 1:  # groups of an earlier version do not record what they are
        code = show_comparison(by_label, group.path, as_json, wanted)
    else:
        code = show_runs([report for reports in by_label.values() for report in reports], group.path, as_json)
    if failures:
        raise StoreError("; ".join(failures))
    return code


def grow(
    group: Group, preparer: Preparer, limits: Changes, seeds: int | None, added: Sequence[str], settings: Sequence[str],
    changed: bool,
) -> Group:  # fmt: skip
    """The group with more of what was asked for, written down; InputError, and nothing written, if that cannot be."""
    if not (limits or seeds is not None or added):
        return group
    group.check(changed, preparer=preparer)
    grown = group.raised(limits) if limits else group
    if seeds is not None:
        grown = grown.with_seeds(options.check_seeds(seeds))
    labels = {_label(each, preparer): each.rpartition("=")[2] for each in added}
    if len(labels) < len(added):
        raise InputError(f"--add {' --add '.join(added)}: give each a label of its own, LABEL=STRATEGY")
    given = options.split_settings(settings)
    if given.space or given.task:
        raise InputError("--set space.NAME and task.NAME belong to the problem, which a group keeps: omit them")
    for label, own in settings_by_label(labels, given.strategy, preparer).items():
        grown = _with_strategy(grown, preparer, label, labels[label], own)
    grown.write()
    return grown


def _label(added: str, preparer: Preparer) -> str:
    label, _, strategy = added.rpartition("=")
    return options.check_label(label or preparer.find(strategy).name, f"--add {added}")


def settings_by_label(
    strategies: Mapping[str, str], given: Mapping[str, str], preparer: Preparer
) -> dict[str, dict[str, str]]:
    """The options of each strategy, by label: LABEL.NAME is one strategy's, NAME is that of all.

    InputError for a NAME that some of them do not have.
    """
    own: dict[str, dict[str, str]] = {label: {} for label in strategies}
    for setting, value in given.items():
        label, dot, option = setting.partition(".")
        if dot and label not in own:
            raise InputError(
                f"--set {setting}: expected {_prefixed(own, option)} for one strategy, or {option} for all "
                "(space.NAME and task.NAME are the problem's)"
            )
        if dot:
            continue
        check_shared(f"--set {setting}={value}", setting, strategies, preparer)
        for settings in own.values():
            settings[setting] = value
    for setting, value in given.items():
        label, dot, option = setting.partition(".")
        if dot:  # what is said of one strategy wins over what is said of all
            own[label][option] = value
    return own


def check_shared(said: str, option: str, strategies: Mapping[str, str], preparer: Preparer) -> None:
    """InputError if an option of all strategies, by label, is one that some of them do not have."""
    names = {label: preparer.find(strategy).option_names for label, strategy in strategies.items()}
    have = [label for label, known in names.items() if option in known]
    if not have:
        raise unknown(f"option of {' and '.join(names)}", option, {name for known in names.values() for name in known})
    if lacking := [label for label in names if label not in have]:
        raise InputError(
            f"{said}: {' and '.join(have)} {'have' if len(have) > 1 else 'has'} such an option, "
            f"{' and '.join(lacking)} {'have' if len(lacking) > 1 else 'has'} not; expected {_prefixed(have, option)}"
        )


def _prefixed(labels: Iterable[str], option: str) -> str:
    return " or ".join(f"{label}.{option}" for label in labels)


def _with_strategy(group: Group, preparer: Preparer, label: str, strategy: str, settings: Mapping[str, str]) -> Group:
    """The group with runs of one more strategy, on the problem, seeds and limits of the first.

    Its width is its own, unless results are told as completed: then all keep the same number of workers busy.
    """
    first = next(iter(group.members.values()))
    settings = preparer.fitted_options(strategy, settings, first.problem, _sizes_of(group, preparer))
    chosen = preparer.choose(strategy, settings)
    if first.warm_start is not None:
        chosen.check_warm_start(f", as the runs of {group.path} are")
    limits = {field.name: getattr(first.limits, field.name) for field in fields(first.limits)}
    width = limits.pop("width")
    given = {name: value for name, value in limits.items() if value is not None}
    bounds = chosen.limits({**given, "give_up": first.limits.give_up}, width)
    spec = chosen.spec(first.problem)
    seeds = sorted({request.seed for request in group.members.values()})
    requests = [preparer.absolute(Request(strategy, spec, seed, bounds, settings, first.warm_start)) for seed in seeds]
    try:
        prepared = preparer.check(requests[0])
    except InputError as error:
        objectives = ", ".join(preparer.scenario(first.problem).objectives)
        raise InputError(
            f"{error} (the runs of {group.path} have the objective {objectives}; for another, start a new comparison)"
        ) from None
    grown = group.with_strategy(label, requests, preparer.pinned(requests[0]))
    notes.note_plan(prepared)
    return grown


def _sizes_of(group: Group, preparer: Preparer) -> PopulationSizes | None:
    """Those of the first of a group's strategies that trains a population, so that budgets stay equal."""
    from archloom.strategies.base import SizedByData

    for request in group.members.values():
        chosen = preparer.choose(request.strategy, request.options)
        if issubclass(chosen.found.kind, SizedByData):
            return chosen.found.kind.sizes_of(chosen.options)
    return None


def run_members(
    group: Group,
    backend: Backend,
    quiet: bool,
    table: Path | None,
    changed: bool,
    overrides: Overrides,
    preparer: Preparer,
) -> tuple[dict[str, list[RunReport]], list[str]]:
    """Run every member: the reports by label, and the errors of members that have none."""
    from archloom.runs import groups, record
    from archloom.runs.history import History

    with stdout_guard():
        scenario = group.check(changed, overrides, preparer).scenario
    limits = [request.limits.queries for request in group.members.values()]
    total = None if None in limits else sum(limit for limit in limits if limit is not None)
    label = " ".join(dict.fromkeys(groups.label_of(name, request) for name, request in group.members.items()))
    runs = dict(zip(group.paths, group.members.values(), strict=True))
    forecast = Forecast(runs, scenario.resource, backend, preparer, scenario.problem.leaves)
    with ProgressView(label, total, scenario.criteria, quiet, forecast, what_begins(scenario, runs)) as view:
        for run, path in enumerate(group.paths):
            with suppress(StoreError):  # a damaged record is that member's failure, reported in its turn
                view.add(History.of(record.read_lines(path), scenario.criteria, scenario.resource), run)
        outcome = groups.run_group(group, backend, view, table, changed, overrides, preparer)
    by_label: dict[str, list[RunReport]] = {}
    failures = []
    for name, found in zip(group.members, outcome, strict=True):
        if isinstance(found, str):
            place = f"{group.path / name}: "  # what was found wrong in its folder begins so
            failures.append(place + found.removeprefix(place))
        else:
            by_label.setdefault(groups.label_of(name, found.request), []).append(found)
    if not by_label:
        raise StoreError("; ".join(failures))
    return by_label, failures


def show_runs(reports: Sequence[RunReport], path: Path, as_json: bool) -> int:
    """Print the outcome of one strategy's runs: over all seeds, and the best of them."""
    output.note_early_endings({reports[0].request.name: reports})
    if as_json:
        output.print_json(output.search_object(reports))
    else:
        from archloom.analysis.networks import Spread, format_networks, has_networks
        from archloom.analysis.report import format_best, format_comparison

        if len(reports) > 1:
            output.say(format_comparison({reports[0].request.name: reports}) + "\n")
        output.say(format_best(output.best_of(reports)))
        if has_networks(reports):
            output.say("\n" + format_networks(Spread.of({reports[0].request.name: reports})))
        output.say(output.next_steps(path, reports))
    output.note_failures(path, reports)
    output.note_unmixed(reports)
    return output.exit_code(reports)


def show_comparison(
    by_label: Mapping[str, Sequence[RunReport]], path: Path, as_json: bool, wanted: Wanted | None
) -> int:
    """Print a comparison."""
    from archloom.analysis.comparison import compare as put_side_by_side
    from archloom.analysis.report import format_comparison
    from archloom.analysis.significance import EVERY

    everything = [report for reports in by_label.values() for report in reports]
    output.note_early_endings(by_label)
    if as_json:
        output.print_json(output.compare_object(by_label, put_side_by_side(by_label, wanted or EVERY)))
    else:
        output.say(format_comparison(by_label, wanted or EVERY))
        output.say(output.next_steps(path, everything))
    output.note_failures(path, everything)
    output.note_unmixed(everything)
    return max(output.exit_code(reports) for reports in by_label.values())
