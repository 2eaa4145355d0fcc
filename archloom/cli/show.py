"""`archloom status`, `best`, `plot` and `export`: read runs, finished or not, without changing them."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archloom.cli import options, output
from archloom.cli.exit_codes import Exit
from archloom.cli.paths import RunPath, UserPath, check_different
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import ArchloomError, InputError, StoreError, unknown
from archloom.utils.text import about, one_line, quoted

if TYPE_CHECKING:
    from archloom.runs.prepare import Request
    from archloom.runs.record import TrialRecord
    from archloom.runs.report import RunReport

MOST_REASONS = 5
"""How many reasons for failures `status` shows of a run."""

RUN = click.argument("run", type=RunPath())


@dataclass(frozen=True)
class Moved:
    """Where what a run was made with is now, if it was moved: its problem and its table."""

    on: str | None = None
    table: Path | None = None


NOT_MOVED = Moved()


def moved_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--on and --table, as the one argument `moved`."""

    @click.option("--on", default=None, metavar="FILE", help="The path of your problem, if it was moved.")
    @click.option("--table", type=click.Path(path_type=Path), default=None, metavar="FILE",
                  help="The path of the run's table, if it was moved.")  # fmt: skip
    @functools.wraps(function)
    def taking(*arguments: Any, on: str | None, table: Path | None, **named: Any) -> Any:
        return function(*arguments, **named, moved=Moved(on, table))

    return taking


@click.command()
@RUN
def status(run: Path) -> int:
    """Show the progress of RUN, and whether a process is working on it."""
    from archloom.runs.groups import members_of

    members, data, damaged = members_of(run), [], []
    checkpoints = _checkpoints_line(run)
    for path, request in members.items():
        try:
            lines, more = _status(path, request)
        except ArchloomError as error:
            if len(members) == 1:
                raise
            lines, more = [f"{one_line(str(path))}  {request.name} seed {request.seed}  cannot be read: {error}"], []
            damaged.append(path)
        output.say("\n".join(lines))
        data += more
    for line in dict.fromkeys(data):
        output.say(line)
    if checkpoints is not None:
        output.say(checkpoints)
    if damaged:
        raise StoreError(f"{run}: {len(damaged)} of its {len(members)} runs cannot be read, {damaged[0]} the first")
    return Exit.DONE


def _status(path: Path, request: Request) -> tuple[list[str], list[str]]:
    """What there is to say of one run, and of the data that it may share with others."""
    from archloom.analysis.lineage import mixed
    from archloom.runs import record
    from archloom.runs.lock import holder
    from archloom.runs.members import started
    from archloom.runs.whole import lost_trials

    has_begun = started(path, request)
    held, lines = holder(path), record.read_lines(path)
    asked, wanted = sum(line.query is not None for line in lines), request.limits.queries
    notes = [f"  {recipes}"] if (recipes := mixed(lines)) is not None else []
    if (lost := lost_trials(lines, request.limits)) is not None:
        notes.append(f"  note: {one_line(str(path))}/{record.TRIALS} {lost}")
    notes += _failures(path, lines)
    data = [] if request.warm_start is None else [f"warm started with {request.warm_start}"]
    if has_begun:
        manifest = record.read_manifest(path)
        data += [_data_line(request, manifest), *(f"note: {text}" for text in manifest.get("remarks", []))]
    state = f"working ({held})" if held else _resting(path, lines, wanted) if has_begun else "not started"
    share = str(asked) if wanted is None else f"{asked}/{wanted}"
    used, spent = _used(path, request) if has_begun else ("", 0)
    state += _left(path, request, lines, spent)
    return [f"{one_line(str(path))}  {request.name} seed {request.seed}  {share} queries{used}  {state}", *notes], data


def _failures(path: Path, lines: Sequence[TrialRecord]) -> list[str]:
    """The reasons for which trials failed, the most frequent first, each with what there is to read on its first."""
    from archloom.runs.failures import file_of, reasons

    found = reasons(lines)
    said = []
    for reason in found[:MOST_REASONS]:
        file = file_of(path, reason.first)
        where = one_line(str(file)) if file.is_file() else f"trial {reason.first}"
        said.append(f"  {reason.count} failed: {one_line(reason.text)} ({where})")
    if len(found) > MOST_REASONS:
        rest = sum(reason.count for reason in found[MOST_REASONS:])
        said.append(f"  {rest} failed for {len(found) - MOST_REASONS} other reasons")
    return said


def _resting(path: Path, lines: Sequence[TrialRecord], wanted: int | None) -> str:
    """How it stands with a run that nobody works on."""
    from archloom.runs.manifest import ending_of, read_summary
    from archloom.runs.record import WEIGHTS

    if (ending := ending_of(path, len(lines))) is not None:
        return ending
    before = read_summary(path).trials
    if before is not None and before > len(lines):
        # A population's earlier states are gone by then.
        cure = "restore it from a copy" if (path / WEIGHTS).is_dir() else "archloom resume runs them again"
        return f"{before - len(lines)} of {before} trials are no longer in the record: {cure}"
    if wanted is not None and sum(line.query is not None for line in lines) >= wanted:
        return "all queries asked, no summary yet: archloom resume writes it"
    return "stopped: archloom resume continues it"


def _used(path: Path, request: Request) -> tuple[str, int]:
    """How much of its resource a run has used, if that is limited: in words, and as a number."""
    from archloom.runs.report import recorded_report

    limit = request.limits.resource
    if limit is None:
        return "", 0
    history = recorded_report(path).history
    if history.resource is None:
        return "", 0
    return f", {history.resource_used:,}/{limit:,} {history.resource.unit}", history.resource_used


def _left(path: Path, request: Request, lines: Sequence[TrialRecord], used: int) -> str:
    """How long a run that has not ended will still take, after a comma, if its pace so far tells."""
    from archloom.runs.estimate import left_of
    from archloom.runs.manifest import ending_of

    if not lines or ending_of(path, len(lines)) is not None:
        return ""
    left = left_of(path, request.limits, lines, used)
    return f", {about(left)} left at its pace so far" if left else ""


@click.command()
@RUN
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@moved_options
def best(run: Path, as_json: bool, moved: Moved) -> int:
    """Show the best architecture of RUN; of several runs, the best of each strategy."""
    winners: dict[str, RunReport] = {}
    for label, report in _each_report(run, moved=moved):  # one after another: a comparison may hold thousands
        winners[label] = output.best_of([winners[label], report] if label in winners else [report])
    if as_json:
        output.print_json(output.best_object(winners))
    else:
        from archloom.analysis.report import format_best

        output.say("\n\n".join(format_best(report, label) for label, report in winners.items()))
    return max(output.exit_code([report]) for report in winners.values())


@click.command()
@click.argument("runs", type=RunPath(), nargs=-1, required=True, metavar="RUN...")
@click.option("--kind", default="anytime", show_default=True,
              help="anytime, box, pareto, hypervolume, sampled (the running mean of what was sampled), topology (width "
                   "and depth of the best cells), state (the mean of the best as a heat map), surrogate (graph_bo's "
                   "model), levels (GA-NAS), population, lineage or family (of a population), networks (of "
                   "generators), budgets (results after short and long trainings), gain (the best among random "
                   "samples), or cell.")  # fmt: skip
@click.option("--over", default=None, metavar="AXIS",
              help="Of curves (anytime, hypervolume): queries (the default), resource, seconds. Of populations "
                   "(population, lineage, family): chunks, resource (the default), seconds. The resource has the name "
                   "of what it counts, too: epochs.")  # fmt: skip
@click.option("--against", multiple=True, metavar="METRIC",
              help="Of pareto and hypervolume: show the first objective against METRIC. Default: the objectives, or "
                   "the FLOPs and parameters that a run knows.")  # fmt: skip
@click.option("--band", default=None, metavar="WIDTH",
              help="Of population, over several seeds: interval (95 %, of the mean; the default) or std.")  # fmt: skip
@click.option("--top", default=None, metavar="N",
              help="Of state and topology: the best N architectures (64), or a share of all (5%).")  # fmt: skip
@click.option("--samples", default=None, metavar="LABEL",
              help="Of gain: the strategy whose results are the random samples (random).")  # fmt: skip
@click.option("--window", type=click.IntRange(min=1), default=None, metavar="N",
              help="Of sampled: how many steps a mean is over (50).")  # fmt: skip
@click.option("-o", "--output", "target", type=UserPath(), default=None,
              help="File: .png, .pdf or .svg. Default: KIND.png in the (first) run folder.")  # fmt: skip
@moved_options
@options.trust_option
def plot(runs: Sequence[Path], kind: str, target: Path | None, trust: bool, moved: Moved, **given: Any) -> int:
    """Draw RUN, or several on the same problem in one picture: a space each, say. Published numbers for the same
    benchmark are shown beside ours.
    """
    from archloom.analysis.figures import check_path, save
    from archloom.analysis.plots import KINDS
    from archloom.analysis.several import together

    if kind not in KINDS:
        raise unknown("kind of plot", kind, KINDS)
    if target is not None:
        check_path(target)
    chosen = {name: value for name, value in given.items() if value}
    draw = KINDS[kind].with_options(chosen)
    over = chosen.get("over")
    path = target or runs[0] / (f"{kind}.png" if over is None else f"{kind}-{over}.png")
    check_different(runs)
    found = {run: read_reports(run, KINDS[kind].needs_space, moved=moved, trust=trust) for run in runs}
    save(draw(together(found)), path)
    output.say(str(path))
    return 0


@click.command()
@RUN
@click.option("-o", "--output", "target", type=UserPath(), required=True,
              help="FILE.py: the network as PyTorch code, if the space supports it. FILE.safetensors: its weights, if "
                   "it was trained. FILE.onnx: both, for ONNX Runtime and the like. FILE.json: its genes.")  # fmt: skip
@moved_options
@options.trust_option
def export(run: Path, target: Path, trust: bool, moved: Moved) -> int:
    """Write the best architecture of RUN to a file that does not need archloom."""
    from archloom.analysis.study import Study
    from archloom.deploy.export import format_of
    from archloom.utils.files import replace_file

    chosen = format_of(target)
    if not target.parent.is_dir():
        raise InputError(f"-o {target}: there is no folder {target.parent}; create it, or give another file")
    study = Study.of(read_reports(run, chosen.needs_space, not chosen.needs_space, moved, trust))
    if not study.found:
        raise InputError(f"{run} has no feasible architecture yet: nothing to export")
    _, report = study.best
    if not study.criteria.single:
        output.note(f"of several objectives the first counts: this is the architecture with the best {study.metric}")
    with stdout_guard():
        content = chosen.content(report, trust)
    try:
        replace_file(target, content)
    except OSError as error:
        raise InputError(f"-o {target}: {error.strerror}; give a writable file") from error
    output.say(str(target))
    return 0


def read_reports(
    run: Path, need_space: bool = False, record_only: bool = False, moved: Moved = NOT_MOVED, trust: bool = False
) -> dict[str, list[RunReport]]:
    """Every started run below a folder, by label.

    `need_space` opens what they were run on, `record_only` nothing but the folder. `trust`: see `read_report`.
    """
    by_label: dict[str, list[RunReport]] = {}
    for label, report in _each_report(run, need_space, record_only, moved, trust):
        by_label.setdefault(label, []).append(report)
    return by_label


def _each_report(
    run: Path, need_space: bool = False, record_only: bool = False, moved: Moved = NOT_MOVED, trust: bool = False
) -> Iterator[tuple[str, RunReport]]:
    """The label and the report of every started run below a folder; InputError if there is none."""
    from archloom.runs.groups import label_of, members_of
    from archloom.runs.members import started
    from archloom.runs.prepare import Preparer
    from archloom.runs.report import read_report, recorded_report

    preparer = Preparer()
    read = (
        recorded_report
        if record_only
        else partial(read_report, need_space=need_space, table=moved.table, preparer=preparer, on=moved.on, trust=trust)
    )
    members = members_of(run)
    labels = {path: label_of(str(path.relative_to(run)), request) for path, request in members.items()}
    begun = {path: labels[path] for path, request in members.items() if started(path, request)}
    if not begun:
        raise InputError(f"{run}: none of its runs has started; archloom resume {quoted(run)} starts them")
    known = Counter(labels.values())
    if waiting := known - Counter(begun.values()):
        listed = ", ".join(f"{count:,} of {known[label]:,} runs of {label}" for label, count in waiting.items())
        output.note(f"not shown, because not started: {listed}")
    for path, label in begun.items():
        with stdout_guard():
            report = read(path)
        yield label, report


def _data_line(request: Request, manifest: Mapping[str, Any]) -> str:
    """The data of a run, from the manifest: the table itself may be large, or elsewhere by now."""
    from archloom.analysis.study import named_source
    from archloom.problems.base import USES

    table, trained_on = manifest.get("table"), manifest.get("trained_on")
    if isinstance(table, dict):
        return f"data: table {table.get('name')} (sha256 {str(table.get('sha256'))[:12]}): {table.get('source')}"
    if isinstance(trained_on, dict):
        use = USES[trained_on.get("trains") is not False]
        return f"data: {use} {named_source(str(trained_on.get('name')), str(trained_on.get('source')))}"
    return f"data: own problem {request.problem.on}"


def _checkpoints_line(run: Path) -> str | None:
    """The disk usage of the checkpoints below a folder, of what else trials have left, and the policy for them; None if
    there are none."""
    from archloom.analysis.layout import counted
    from archloom.checkpoints.budget import disk_usage, format_bytes
    from archloom.checkpoints.experience import EXPERIENCE
    from archloom.checkpoints.retention import RetentionPolicy
    from archloom.checkpoints.store import STATE
    from archloom.runs.groups import members_of
    from archloom.runs.record import WEIGHTS

    folders = [path / WEIGHTS for path in members_of(run) if (path / WEIGHTS).is_dir()]
    if not folders:
        return None
    parts = []
    for name, kind in (("checkpoints", STATE), (EXPERIENCE.name, EXPERIENCE)):
        files, size = map(sum, zip(*(disk_usage(folder, kind.suffix) for folder in folders), strict=True))
        if files or kind is STATE:
            parts.append(f"{name}: {counted(files, 'file')}, {format_bytes(size)}")
    return f"{'; '.join(parts)} ({RetentionPolicy.read(run)})"
