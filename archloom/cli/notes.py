"""Notes before a run begins: what of its plan is probably not meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archloom.cli.output import note

if TYPE_CHECKING:
    from archloom.executors.backends import Backend
    from archloom.problems.spec import ProblemSpec
    from archloom.runs.budgets import Changes
    from archloom.runs.prepare import Prepared

EPOCHS = "epochs"
"""The option of a task that a strategy may decide."""

BOUNDS = frozenset({"queries", "resource", "seconds"})
"""Limits of which one is needed for a run to end."""


def note_plan(prepared: Prepared) -> None:
    """Print what a strategy says of itself, and a note for each limit of a run that does not do what it seems to."""
    from archloom.strategies.base import caveats_of

    for text in caveats_of(prepared.strategy):
        note(text)
    note_cut(prepared)
    _note_random(prepared)
    _note_too_little(prepared)
    _note_unreachable(prepared)


def note_fitted(planned: Mapping[str, tuple[Mapping[str, Any], Prepared]], asked: ProblemSpec) -> None:
    """Print what was chosen to fit the data: options of strategies, by label, that were not given, and those of the
    task and the space that were not `asked` for."""
    labels: dict[str, list[str]] = {}
    problem: dict[str, Any] = {}
    for label, (given, prepared) in planned.items():
        renamed = getattr(prepared.chosen.found.kind.Options, "RENAMED", {})
        known, spec = {renamed.get(name, name) for name in given}, prepared.request.problem
        if own := _listed({name: value for name, value in prepared.request.options.items() if name not in known}):
            labels.setdefault(own, []).append(label)
        decides = prepared.chosen.plan.epochs is not None  # its epochs are the task's
        problem |= {
            f"task.{n}": v for n, v in spec.task.items() if n not in asked.task and not (decides and n == EPOCHS)
        }
        problem |= {f"space.{n}": v for n, v in spec.space.items() if n not in asked.space}
    said = [own if len(of) == len(planned) else f"{own} ({', '.join(of)})" for own, of in labels.items()]
    if said := [*said, *filter(None, [_listed(problem)])]:
        note(
            f"chosen to fit the data: {'; '.join(said)}. --set NAME=VALUE chooses another; configurations "
            "have the papers' (archloom list configs)"
        )


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def note_defaults(prepared: Prepared, typed: Changes, named: bool) -> None:
    """Print how much a search will ask for if nobody has said so, and its strategy is the default or it trains."""
    planned = prepared.chosen.plan.trials is not None
    if planned or not BOUNDS.isdisjoint(typed) or (named and not prepared.scenario.problem.trains):
        return
    epochs, resource = prepared.epochs_in_all, prepared.scenario.resource
    trained = "" if epochs is None or resource is None else f", {resource.amount(epochs)} of training in all"
    name, queries = prepared.chosen.name, prepared.request.limits.queries
    note(
        f"{'' if named else 'no strategy is named: '}{name} will ask for {queries} architectures{trained}; --queries N "
        "or --time 1h sets another limit"
    )


def _note_random(prepared: Prepared) -> None:
    """If a strategy will have learned nothing by the end."""
    first, queries = prepared.chosen.plan.random, prepared.request.limits.queries
    if queries is not None and queries <= first and prepared.request.warm_start is None:
        name = prepared.chosen.name
        note(
            f"--queries {queries}: {name} draws its first {first} architectures at random, so this run is random "
            f"search; give more queries, or let it begin earlier (archloom list {name} shows its options)"
        )


def _note_too_little(prepared: Prepared) -> None:
    """If not even one evaluation will be affordable."""
    limit, resource = prepared.request.limits.resource, prepared.scenario.resource
    if limit is None or resource is None or prepared.chosen.plan.epochs is not None:
        return
    least = resource.minimum if prepared.chosen.needs_resource else resource.maximum
    if limit < least:
        note(
            f"--resource {limit}: a single evaluation takes {least:,} {resource.unit}, so there will be none; "
            f"give at least {least}"
        )


def _note_unreachable(prepared: Prepared) -> None:
    """If no trial will be long enough to count for the target."""
    target, resource, highest = prepared.request.limits.target, prepared.scenario.resource, prepared.chosen.plan.highest
    if target is None or resource is None or resource.open_ended or not 0 < highest < resource.maximum:
        return
    note(
        f"--target {target:g} cannot be reached: it counts for trainings of {resource.maximum} {resource.unit}, and "
        f"{prepared.chosen.name} trains for {highest} at most; omit --set maximum, or limit something else"
    )


def note_warm_start(prepared: Prepared) -> None:
    """Print what a run is warm started with."""
    if (known := prepared.request.warm_start) is not None:
        note(f"warm started with {known}")


def note_idle(backend: Backend, width: int, runs: int) -> None:
    """Print a note if some workers will have nothing to do."""
    one_at_a_time = runs == 1 or backend.runs_at_once == 1
    if one_at_a_time and backend.workers > width:
        note(f"--width {width} keeps only {width} of {backend.workers} workers busy")


def note_cut(prepared: Prepared) -> None:
    """Print a note if a run will end while a population is in the middle of a chunk of training."""
    plan, queries = prepared.chosen.plan, prepared.request.limits.queries
    if plan.epochs is None or plan.trials is None or queries is None:
        return
    if queries < plan.trials and queries % plan.width:
        note(
            f"--queries {queries} ends {prepared.chosen.name} inside a chunk of its {plan.width} members: "
            f"give a multiple of {plan.width}; {plan.trials} train them all to the end"
        )


def note_budgets(planned: Mapping[str, Prepared]) -> None:
    """Print a note if the strategies of a comparison, by label, would train for different numbers of epochs."""
    epochs = {label: prepared.epochs_in_all for label, prepared in planned.items()}
    if len(set(epochs.values())) > 1:
        totals = {label: "depends on the results" if total is None else f"{total:,}" for label, total in epochs.items()}
        listed = ", ".join(f"{label} {total}" for label, total in totals.items())
        note(
            f"epochs of training per run: {listed}; the budgets are not equal. random_population is random search with "
            "the budget of pbt_nas; --queries and task.epochs set the budgets of others; --resource N limits all alike"
        )
