"""Taking the trials of earlier runs, with which a new run on the same space is warm started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from archloom.errors import InputError, StoreError
from archloom.problems.begun import data_of
from archloom.problems.scenario import Scenario, absolute
from archloom.problems.spec import ProblemSpec
from archloom.runs import record
from archloom.runs.groups import Group
from archloom.runs.history import History
from archloom.runs.manifest import parsed, pinned_files
from archloom.runs.members import started
from archloom.runs.prepare import ChosenStrategy, Preparer
from archloom.runs.report import recorded_scenario
from archloom.runs.warm_start import Earlier, Source, TakenRun, WarmStart
from archloom.runs.whole import check_scores, check_strings, lost_trials
from archloom.spaces.fingerprint import difference, fingerprint
from archloom.utils.text import one_line
from archloom.utils.user_files import UserFile


def warm_start(
    paths: Sequence[Path], spec: ProblemSpec, strategies: Iterable[ChosenStrategy], preparer: Preparer
) -> WarmStart | None:
    """What new runs of these strategies are warm started with, if paths are given; the preparer takes the trials.

    A path is a run's folder, or that of several. InputError for a strategy that cannot use them, for a folder without
    trials, and for a run on another space; StoreError for a damaged record.
    """
    if not paths:
        return None
    for chosen in strategies:
        chosen.check_warm_start()
    made, earlier = take_runs(paths, preparer.scenario(spec))
    preparer.take(earlier)
    return made


def take_runs(paths: Sequence[Path], scenario: Scenario) -> tuple[WarmStart, Earlier]:
    """The trials of earlier runs for a new run on `scenario`."""
    taken: list[TakenRun] = []
    sources: list[Source] = []
    for path in paths:
        if (place := str(path.resolve())) in {source.run for source in sources}:
            raise InputError(f"--warm-start {path}: give each run once")
        found = [_taken(run, scenario) for run in _runs(path)]
        if not (trials := sum(len(run.lines) for run in found)):
            raise InputError(f"--warm-start {path}: it has no trials yet; expected a run that has, or omit it")
        taken += found
        sources.append(Source(place, trials, all(run.same_problem for run in found), _best(found, scenario)))
    earlier = Earlier.of(taken)
    return WarmStart(tuple(sources), earlier.sha256), earlier


def _best(runs: Sequence[TakenRun], scenario: Scenario) -> float | None:
    """The best value of the first objective in runs on the same problem; None if they did not record all metrics."""
    criteria = scenario.criteria
    lines = [
        line
        for run in runs
        if run.same_problem and set(criteria.metrics) <= set(run.criteria.metrics)
        for line in run.lines
    ]
    best = History.of(lines, criteria, scenario.resource).best()
    return None if best is None else best.scores[criteria.objectives[0].metric]


def _runs(path: Path) -> Iterator[Path]:
    """The folders of the runs, of those of a group that have started, at `path`."""
    if not (path / "group.json").exists():
        yield path
        return
    group = Group.open(path)
    yield from (path / name for name, request in group.members.items() if started(path / name, request))


def _taken(path: Path, scenario: Scenario) -> TakenRun:
    manifest = record.read_manifest(path)
    request, recorded = recorded_scenario(path)
    _check_space(path, manifest, scenario)
    lines = record.read_lines(path)
    check_scores(path, lines, recorded.criteria.metrics)
    if (lost := lost_trials(lines, request.limits)) is not None:
        raise StoreError(f"{path}/{record.TRIALS} {lost}")
    check_strings(path, lines, scenario.space)
    queries = tuple(line for line in lines if line.query is not None)  # repeats have the answers of others
    return TakenRun(recorded.criteria, _same_problem(manifest, path, recorded, scenario), queries)


def _check_space(path: Path, manifest: Mapping[str, Any], scenario: Scenario) -> None:
    """InputError if a run was not on the space of `scenario`."""
    made, now = parsed(path, manifest), scenario.space.name
    known = made.space_fingerprint
    said = None if known is None else difference(known, fingerprint(scenario.space))
    if made.space != now:
        raise InputError(
            f"--warm-start {path}: it searched space {one_line(made.space)!r}, and this run searches {now!r}; expected "
            "a run on the same space"
        )
    if said is not None:
        raise InputError(
            f"--warm-start {path}: it searched another space {now!r}: {said}; expected a run on the same space"
        )


def _same_problem(manifest: Mapping[str, Any], path: Path, recorded: Scenario, scenario: Scenario) -> bool:
    """Whether what answers now has answered then: the same data, or code, with the same options and fidelities."""
    was, now = recorded.spec, absolute(scenario.spec)
    alike = (
        "resource" in manifest  # early versions did not record it
        and recorded.resource == scenario.resource
        and was.space_name == now.space_name
        and _plain(was.space) == _plain(now.space)
        and _plain(was.task) == _plain(now.task)
    )
    if not alike:
        return False
    if now.source.file is not None:
        known = pinned_files(parsed(path, manifest).request, manifest)
        return _name(was) == _name(now) and _contents(now.source.hashes(now)) <= _contents(known)
    data = data_of(scenario)
    return _kind(was) == _kind(now) and data is not None and data_of(recorded) == data


def _kind(spec: ProblemSpec) -> tuple[str, str] | None:
    """What evaluates on its data: the kind of its source, and the benchmark's name; None if it cannot be parsed."""
    try:
        return type(spec.source).__qualname__, spec.source.name
    except InputError:  # of a package that is not here
        return None


def _name(spec: ProblemSpec) -> str | None:
    """The problem's name in its file."""
    file = UserFile.parse(spec.on)
    return None if file is None else file.name


def _contents(files: Mapping[str, str]) -> Counter[tuple[str, str]]:
    """Files by name and SHA-256, wherever they are."""
    return Counter((Path(file).name, sha256) for file, sha256 in files.items())


def _plain(settings: Mapping[str, Any]) -> dict[str, str]:
    """Options as they are typed."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()}
