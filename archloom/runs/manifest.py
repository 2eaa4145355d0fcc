"""`run.json` and `summary.json`: what a run was asked to do and made with, and whether that is still the same."""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from archloom.checkpoints.store import CheckpointFolder
from archloom.constraints import Winner
from archloom.errors import ArchloomError, InputError
from archloom.problems.begun import data_of
from archloom.problems.scenario import Scenario
from archloom.problems.spec import ProblemSpec
from archloom.runs import record
from archloom.runs.lock import now
from archloom.runs.prepare import Prepared, Preparer, Request
from archloom.spaces.fingerprint import Fingerprint, difference, fingerprint
from archloom.strategies.base import caveats_of
from archloom.types import Goal, Resource
from archloom.utils import seeds
from archloom.utils.documents import convert, read_document
from archloom.utils.options import NonNegativeInt
from archloom.utils.text import quoted
from archloom.utils.user_code import sha256_as_read
from archloom.utils.user_files import changed_since


class RecordedCriteria(msgspec.Struct):
    """The objectives, with their directions, and the constraints of a run."""

    objectives: Annotated[dict[str, Goal], msgspec.Meta(min_length=1)]
    constraints: tuple[str, ...] = ()


class RecordedData(msgspec.Struct):
    """The table of a run, or the data that its networks were trained on."""

    name: str
    sha256: str
    source: str
    path: str = ""
    trains: bool = True


class Manifest(msgspec.Struct):
    """What `run.json` says. Earlier versions did not write all of it."""

    format: int
    request: Request
    criteria: RecordedCriteria
    space: str
    report: tuple[str, ...]
    resource: Resource | None = None
    winner: Winner = Winner.AT_HIGHEST_FIDELITY
    table: RecordedData | None = None
    trained_on: RecordedData | None = None
    remarks: tuple[str, ...] = ()
    file_sha256: str | None = None
    files: dict[str, str] | None = None
    space_fingerprint: Fingerprint | None = None
    versions: dict[str, str] = {}
    created: str = ""


class Summary(msgspec.Struct):
    """What is read of `summary.json`."""

    ending: str | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0, le=sys.float_info.max)] = 0.0
    trials: NonNegativeInt | None = None


def manifest_of(prepared: Prepared, files: Mapping[str, str]) -> dict[str, Any]:
    """The content of `run.json`; `files` are the SHA-256 of the user's files, by path."""
    request, scenario = prepared.request, prepared.scenario
    data = scenario.problem.data
    return {
        "request": msgspec.to_builtins(request),
        "criteria": scenario.criteria.to_json(),
        "winner": scenario.criteria.winner.value,
        "resource": None if scenario.resource is None else msgspec.to_builtins(scenario.resource),
        "report": list(scenario.report),
        "space": scenario.space.name,
        "table": None if data is None else {"name": data.name, "path": str(Path(data.path or "").resolve()),
                                            "sha256": data.sha256, "source": data.source},
        "remarks": [*scenario.caveats, *caveats_of(prepared.strategy)],
        **identity_of(scenario, files),
        "versions": record.environment(),
        "created": now(),
    }  # fmt: skip


def identity_of(scenario: Scenario, files: Mapping[str, str]) -> dict[str, Any]:
    """What `run.json` says of the code and data of a run, so that a change is noticed.

    `files` are the SHA-256 of the user's files, by path.
    """
    file = scenario.spec.source.file
    return {
        "trained_on": _trained_on(scenario),
        "file_sha256": None if file is None else files[str(file.resolve())],
        "files": dict(files),
        "space_fingerprint": fingerprint(scenario.space),
    }


def mark_of(manifest: Mapping[str, Any]) -> str:
    """What tells a run's checkpoints from those of others: it stays if the run is moved, copied or extended.

    Equal runs have equal checkpoints, byte for byte.
    """
    request = msgspec.to_builtins(manifest["request"])
    told = [request["strategy"], request["options"], request["seed"], manifest["criteria"], manifest["space"]]
    if (warm_start := request.get("warm_start")) is not None:
        told.append(warm_start["sha256"])
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()[:16]


def checkpoints_of(path: Path) -> CheckpointFolder:
    """The checkpoints of the run at `path`, to read."""
    return CheckpointFolder(path / record.WEIGHTS, run=mark_of(record.read_manifest(path)))


def read_request(path: Path) -> Request:
    """What a run folder was asked to do."""
    return request_of(path, record.read_manifest(path))


def request_of(path: Path, manifest: Mapping[str, Any]) -> Request:
    """The request in the manifest of the run at `path`; InputError if that is damaged."""
    return parsed(path, manifest).request


def parsed(path: Path, manifest: Mapping[str, Any]) -> Manifest:
    """The manifest of the run at `path` as a value of its type; InputError if it is damaged."""
    try:
        content = convert(manifest, Manifest)
        seeds.check_seed(content.request.seed)
    except ValueError as error:
        raise InputError(f"{path}/run.json is damaged or not from an archloom run ({error})") from None
    return content


def read_summary(path: Path) -> Summary:
    """`summary.json` of a run folder; empty, with a warning, if there is none that can be read."""
    try:
        return read_document(path / "summary.json", Summary)
    except FileNotFoundError:
        return Summary()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        warnings.warn(
            f"{path}/summary.json cannot be read ({reason}): the run is shown as one that has not ended; archloom "
            "resume writes it again",
            stacklevel=2,
        )
        return Summary()


def ending_of(path: Path, trials: int) -> str | None:
    """How the run in a folder has ended, according to its summary; None for one that goes on.

    `trials`: how many its record has. One that has lost some since, by a person's hand, goes on.
    """
    summary = read_summary(path)
    return None if summary.trials is not None and trials < summary.trials else summary.ending


def is_over(path: Path, request: Request) -> bool:
    """Whether the run at `path` has ended, and has no new limits in `request`: resumed, it evaluates nothing.

    One that is damaged is not over: whoever resumes it is told what is wrong.
    """
    try:
        return read_summary(path).ending is not None and read_request(path).limits == request.limits
    except ArchloomError:
        return False


def reopen(
    path: Path, manifest: Mapping[str, Any], table: Path | None, changed: bool, preparer: Preparer
) -> tuple[Request, ProblemSpec]:
    """A folder's request, and its problem on the same table or file that it was made with, opened.

    Unless `changed`, nothing of a user's is run that is not what the run was started with.
    """
    request, made_with = request_of(path, manifest), manifest.get("table")
    check_there(path, request.problem)
    if not changed:
        check_files(path, pinned_files(request, manifest))
    if made_with is None:
        if table is not None:
            raise InputError(f"--table {table}: {path} is a run of {request.problem.on}, which does not use a table")
        problem = _as_begun(request.problem, manifest)
        scenario = preparer.scenario(problem)
        if not changed and _trained_on(scenario) != manifest.get("trained_on"):
            raise InputError(
                f"{path} was trained on other data than {problem.on} is now; put the old data back, start a new run, "
                f"or accept the change: archloom resume {quoted(path)} --changed"
            )
    else:
        problem = _on_table(path, _as_begun(request.problem, manifest), made_with, table, preparer)
        scenario = preparer.scenario(problem)
    if scenario.criteria.to_json() != manifest.get("criteria"):
        raise InputError(
            f"{path} was made for {manifest.get('criteria')}, and its problem is now {scenario.criteria.to_json()}: "
            "restore it, or start a new run"
        )
    if not changed:
        check_files(path, pinned_files(request, manifest), again=False)  # as it was opened
        check_space(path, manifest.get("space_fingerprint"), scenario)
    return request, problem


def check_there(path: Path, problem: ProblemSpec) -> None:
    """InputError if the file that defines the problem of a run, or group of runs, is not there."""
    file = problem.source.file
    if file is not None and not file.is_file():
        raise InputError(
            f"{path} was made with {file}, which is not there; put it back, or give its path: "
            f"archloom resume {quoted(path)} --on FILE"
        )


def _as_begun(problem: ProblemSpec, manifest: Mapping[str, Any]) -> ProblemSpec:
    """The problem with the objectives that a run was started with, including those chosen by default then."""
    try:
        return problem.changed(objectives=tuple(manifest["criteria"]["objectives"]))
    except (KeyError, TypeError):
        return problem


def _on_table(
    path: Path, problem: ProblemSpec, made_with: Mapping[str, Any], table: Path | None, preparer: Preparer
) -> ProblemSpec:
    """The problem on the given table, else on the recorded one, else on the one found by name; checked by SHA-256."""
    places = [str(table)] if table else [problem.table, made_with["path"]]
    place = next((p for p in places if p and Path(p).exists()), None)  # a surrogate may be a folder
    if place is None and (table is not None or problem.table):
        raise InputError(
            f"{path} was made with table {made_with['path']}, which is not there; put it back, or give its path: "
            f"archloom resume {quoted(path)} --table FILE"
        )
    problem = problem if place is None else problem.source.on_table(problem, Path(place))
    found = preparer.scenario(problem).problem.data
    if found is None or found.sha256 != made_with["sha256"]:
        raise InputError(
            f"{path} was made with table {made_with['name']} (sha256 {made_with['sha256'][:12]}), and "
            f"{place or problem.on} is now {found.sha256[:12] if found else 'another'}: put the original file "
            f"back, give its path (archloom resume {quoted(path)} --table FILE), or start a new run"
        )
    return problem


def pinned_files(request: Request, manifest: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 that each of the user's files had when a run was started, by its path."""
    files, file = dict(manifest.get("files") or {}), request.problem.source.file
    known = manifest.get("file_sha256")
    return {str(file): known, **files} if file is not None and known is not None else files


def check_files(path: Path, files: Mapping[str, str], again: bool = True) -> None:
    """InputError for the first file that has changed; one that is gone is reported when it is opened.

    `again`: as they are now; otherwise as this process has read those that it runs.
    """
    if (file := changed_since(files, again)) is not None:
        raise InputError(
            f"{file} has changed since {path} was started, so new trials would not be comparable to old ones; put "
            f"the old file back, start a new run, or accept the change: archloom resume {quoted(path)} --changed"
        )


def check_space(path: Path, known: Fingerprint | None, scenario: Scenario) -> None:
    """InputError if the space is not the one that a run, or group of runs, was started with."""
    if known is not None and (said := difference(known, fingerprint(scenario.space))) is not None:
        raise InputError(
            f"{path} was started with another space {scenario.space.name!r}: {said}; restore it, start a new run, or "
            f"accept the change: archloom resume {quoted(path)} --changed"
        )


def _trained_on(scenario: Scenario) -> dict[str, str | bool] | None:
    """The data that networks are trained on, if it is known by name."""
    data = scenario.problem.trained_on
    if data is None:
        return None
    said: dict[str, str | bool] = {"name": data.name, "sha256": data.sha256, "source": data.source}
    return said if data.trains else {**said, "trains": False}


def sha256_behind(scenario: Scenario) -> str | None:
    """The SHA-256 of the table or surrogate, of the data of trainings, or of the user's file behind a scenario."""
    file = scenario.spec.source.file
    known = None if file is None else sha256_as_read(str(file.resolve()))
    return data_of(scenario) or known
