"""What commands print: JSON objects that other programs rely on, and text for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archloom.cli.exit_codes import Exit, Interrupted
from archloom.utils.json_text import dumps
from archloom.utils.text import one_line, printable, quoted

if TYPE_CHECKING:
    from archloom.analysis.comparison import Comparison
    from archloom.analysis.study import Study
    from archloom.problems import Scenario
    from archloom.runs.report import RunReport


@contextmanager
def going_on(path: Path) -> Iterator[None]:
    """A context for running what is in a folder: an interruption names the folder."""
    try:
        yield
    except KeyboardInterrupt:
        if not any((path / file).exists() for file in ("run.json", "group.json")):
            raise Interrupted("interrupted before anything was written") from None
        raise Interrupted(
            f"interrupted; everything finished so far is on disk; continue with: archloom resume {quoted(path)}"
        ) from None


def announce(path: Path, quiet: bool) -> None:
    """Print where a run is kept before it starts, for anyone who stops it."""
    if not quiet:
        say(f"run folder: {one_line(str(path))}", err=True)


def note(text: str) -> None:
    say(f"archloom: note: {one_line(text)}", err=True)


def note_caveats(scenario: Scenario) -> None:
    """Print the caveats of the metrics before a search."""
    for text in scenario.caveats:
        note(text)


def note_early_endings(by_label: Mapping[str, Sequence[RunReport]]) -> None:
    from archloom.analysis.comparison import early_endings

    for text in early_endings(by_label):
        note(text)


def search_object(reports: Sequence[RunReport], ddof: int = 1) -> dict[str, Any]:
    """The JSON object of one strategy's runs. `std` is the standard deviation over seeds (null for one), by default
    the sample's."""
    from archloom.analysis.networks import Spread, has_networks
    from archloom.analysis.stats import summarise as spread
    from archloom.analysis.study import Study
    from archloom.runs.report import summarise

    first = reports[0]
    study = Study.of({first.request.name: reports})
    table = first.scenario.problem.data
    values = [report.value for report in reports if report.value is not None]
    overall = spread(values, ddof) if values else None
    objectives = first.scenario.objectives
    return {
        "strategy": first.request.strategy,
        "options": dict(first.request.options),
        "on": first.request.problem.on,
        "table": table.name if table else None,
        "table_source": table.source if table else None,
        "table_sha256": table.sha256 if table else None,
        "objective": objectives[0] if len(objectives) == 1 else list(objectives),
        "constraints": [str(c) for c in first.scenario.criteria.constraints],
        "queries": first.request.limits.queries,
        "runs": [{**summarise(r), "curve": [[q, value] for q, value in r.history.curve()]} for r in reports],
        "mean": overall.mean if overall else None,
        "std": overall.std if overall else None,
        **({} if study.criteria.single else {"hypervolume": _hypervolume(study, ddof)}),
        "report": _reported(reports, ddof),
        **({"networks": Spread.of(study.reports).to_json(ddof)} if has_networks(reports) else {}),
    }


def _hypervolume(study: Study, ddof: int) -> dict[str, Any]:
    """Mean and std over seeds of the hypervolume, and the point from which all of them are measured."""
    from archloom.analysis.comparison import hypervolumes

    label = next(iter(study.reports))
    overall = hypervolumes(study, label, ddof)
    return {
        "mean": overall.mean if overall else None,
        "std": overall.std if overall else None,
        "reference_point": study.reference_point if study.found else None,
    }


def compare_object(by_strategy: Mapping[str, Sequence[RunReport]], comparison: Comparison) -> dict[str, Any]:
    """The JSON object of a comparison."""
    return {
        "results": [
            {**search_object(reports, comparison.ddof), "label": label} for label, reports in by_strategy.items()
        ],
        "tests": [test.to_json() for test in comparison.tests.results],
        "corrected_for": comparison.tests.corrected_for,
        "ddof": comparison.ddof,
    }


def best_object(winners: Mapping[str, RunReport]) -> dict[str, Any]:
    """The JSON object of the best runs, one for each label."""
    from archloom.runs.report import summarise

    return {"runs": [{**summarise(report), "label": label} for label, report in winners.items()]}


def print_json(content: Mapping[str, Any]) -> None:
    text = dumps(content)
    if _encoded(text, err=False) != text:
        text = dumps(content, ascii_only=True)
    click.echo(text)


def say(text: str, err: bool = False, nl: bool = True) -> None:
    """Print lines for people: nothing in them commands the terminal, and whatever its encoding they can be printed."""
    click.echo(_encoded(printable(text), err), err=err, nl=nl)


def _encoded(text: str, err: bool) -> str:
    """The text with escapes for what the stream's encoding lacks."""
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, errors="backslashreplace").decode(encoding)


def best_of(reports: Iterable[RunReport]) -> RunReport:
    """The run with the best feasible value, with several objectives the larger hypervolume; the first one if none has
    found anything. `reports` must not be empty."""
    return reduce(_better, reports)


def _better(first: RunReport, second: RunReport) -> RunReport:
    from archloom.analysis.study import Study

    one, other = first.history.best(), second.history.best()
    if one is None or other is None:
        return second if one is None and other is not None else first
    if first.scenario.criteria.single:
        return second if second.history.utility(other) > first.history.utility(one) else first
    both = Study.of({"": [first, second]})
    return second if both.hypervolume(second) > both.hypervolume(first) else first


def next_steps(path: Path, reports: Sequence[RunReport]) -> str:
    """What to type next; for a single run, also what can be done with its architecture."""
    from archloom.analysis.networks import has_networks
    from archloom.spaces.base import HasSource
    from archloom.strategies.population.note import MemberNote

    typed = quoted(path)
    if all(report.history.best() is None for report in reports):  # nothing to draw or to export
        return f"run folder: {one_line(str(path))}\nnext: archloom status {typed}"
    lines = [f"run folder: {one_line(str(path))}", f"next: archloom plot {typed}"]
    objectives = len(reports[0].scenario.criteria.objectives)
    if objectives > 1:
        lines.append(f"      archloom plot {typed} --kind {'pareto' if objectives == 2 else 'hypervolume'}")
    problem = reports[0].scenario.problem
    if problem.shares_weights:
        lines += [f"      archloom plot {typed} --kind sampled"] if problem.trains else []
        lines += [f"      archloom pareto {typed}"] if _knows_costs(reports[0]) else []
    if len(reports) == 1:
        single = reports[0]
        acts = problem.leaves is not None  # trainings that leave experience are those of agents
        written, weights = ("policy.py", "policy.safetensors") if acts else ("cell.py", "weights.safetensors")
        lines.append(f"      archloom plot {typed} --kind cell -o cell.png")
        has_source = isinstance(single.scenario.space, HasSource)
        lines.append(f"      archloom export {typed} -o {written if has_source else 'best.json'}")
        if problem.shares_weights and not problem.trains:
            lines.append(f"      archloom rerank {typed}")
        if problem.trains and not problem.shares_weights:
            lines.append(f"      archloom export {typed} -o {weights}")
            lines.append(f"      archloom evaluate {typed}{' --video episode.gif' if acts else ''}")
        networks = has_networks(reports)
        if networks:
            lines.append(f"      archloom plot {typed} --kind networks")
        members = any(line.note and MemberNote.find(line.note) for line in single.history.lines)
        fidelities = {single.history.fidelity(line) for line in single.history.feasible()}
        if len(fidelities) > 1 and not members and not problem.shares_weights:
            lines.append(f"      archloom plot {typed} --kind budgets")
        if members:
            lines.append(f"      archloom plot {typed} --kind population")
            if not networks and any(line.inherit is not None for line in single.history.lines):
                lines.append(f"      archloom plot {typed} --kind lineage")
                lines.append(f"      archloom plot {typed} --kind family")
            if not networks:  # networks of a generator trade no layers, and each has a wiring of its own
                lines.append(f"      archloom soup {typed}")
    else:
        lines.append(f"      archloom best {typed}")
        if problem.trains and not problem.shares_weights:
            lines.append(f"      archloom evaluate {typed}")
    return "\n".join(lines)


def _knows_costs(report: RunReport) -> bool:
    """Whether a run maximises something, an accuracy, and knows what its architectures cost."""
    from archloom.analysis.sampled import costs

    return report.scenario.criteria.objectives[0].goal == "max" and bool(costs(report))


def note_failures(path: Path, reports: Sequence[RunReport]) -> None:
    """Print notes on what failed: where the first failure can be read, and how runs that gave up may go on."""
    from archloom.runs.budgets import Ending
    from archloom.runs.failures import first_file

    failed = [report for report in reports if report.history.failed]
    found = next((file for report in failed if (file := first_file(report.path, report.history.failed))), None)
    if found is not None:
        count = sum(len(report.history.failed) for report in failed)
        which = "1 trial failed; its" if count == 1 else f"{count} trials failed; the first one's"
        note(f"{which} traceback and output: {found}")
    if any(report.ending == Ending.GAVE_UP.value for report in failed):
        note(
            "stopped early because the first trials all failed for the same reason; fix that and start a new run, or "
            f"continue anyway: archloom resume {quoted(path)} --give-up none"
        )


def note_unmixed(reports: Sequence[RunReport]) -> None:
    """Print a note if architectures were chosen by surrogates whose chains have not mixed."""
    from archloom.strategies.mobo.note import MoboNote

    lines = [line for report in reports for line in report.history.lines if line.note]
    notes = [found for line in lines if (found := MoboNote.find(line.note)) is not None]
    reasons = [found.unmixed for found in notes if found.unmixed]
    if reasons:
        note(
            f"{len(reasons)} of {len(notes)} architectures were chosen although {reasons[-1]}: what the model says of "
            "uncertainty is rough; --set keep_every=100, or more results, may help"
        )


def exit_code(reports: Sequence[RunReport]) -> int:
    """0, or 1 if trials failed or a run found nothing feasible."""

    clean = all(report.value is not None and not report.history.failed for report in reports)
    return Exit.DONE if clean else Exit.FAILURES


def _reported(reports: Sequence[RunReport], ddof: int) -> dict[str, Any]:
    """Mean and std over seeds of the reported metrics of the best architectures; `n` of them have it."""
    from archloom.analysis.comparison import summaries_by_name

    found = summaries_by_name([best.report for report in reports if (best := report.history.best())], ddof)
    return {name: {"mean": overall.mean, "std": overall.std, "n": overall.n} for name, overall in found.items()}
