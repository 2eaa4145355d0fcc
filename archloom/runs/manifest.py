"""`run.json` and `summary.json`: what a run was asked to do and made with, and whether that is still the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from archloom.errors import InputError
from archloom.problems.scenario import Scenario
from archloom.problems.spec import ProblemSpec
from archloom.runs import record
from archloom.runs.lock import now
from archloom.runs.prepare import Prepared, Preparer, Request
from archloom.utils.user_files import sha256_of


def manifest_of(prepared: Prepared, files: Mapping[str, str]) -> dict[str, Any]:
    """The content of `run.json`; `files` are the SHA-256 of the user's files, by path."""
    request, scenario = prepared.request, prepared.scenario
    data, file = scenario.problem.data, request.problem.source.file
    return {
        "request": msgspec.to_builtins(request),
        "criteria": scenario.criteria.to_json(),
        "resource": None if scenario.resource is None else msgspec.to_builtins(scenario.resource),
        "report": list(scenario.report),
        "space": scenario.space.name,
        "table": None if data is None else {"name": data.name, "path": str(Path(data.path or "").resolve()),
                                            "sha256": data.sha256, "source": data.source},
        "trained_on": _trained_on(scenario),
        "remarks": list(scenario.caveats),
        "file_sha256": sha256_of(file) if file else None,
        "files": dict(files),
        "versions": record.environment(),
        "created": now(),
    }  # fmt: skip


def read_request(path: Path) -> Request:
    """What a run folder was asked to do."""
    return request_of(path, record.read_manifest(path))


def request_of(path: Path, manifest: Mapping[str, Any]) -> Request:
    """The request in the manifest of the run at `path`; InputError if it is damaged."""
    try:
        return msgspec.convert(manifest["request"], Request)
    except (KeyError, msgspec.ValidationError, InputError) as error:
        raise InputError(f"{path}/run.json is damaged or not from an archloom run ({error})") from None


def read_summary(path: Path) -> dict[str, Any]:
    """`summary.json` of a run folder; empty if there is none that can be read."""
    try:
        content = json.loads((path / "summary.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def reopen(
    path: Path, manifest: Mapping[str, Any], table: Path | None, changed: bool, preparer: Preparer,
    further: bool = False,
) -> tuple[Request, ProblemSpec]:  # fmt: skip
    """A folder's request, and its problem on the same table or file that it was made with, opened.

    `further`: the run is extended beyond its ending.
    """
    request, made_with = request_of(path, manifest), manifest.get("table")
    # A finished run evaluates nothing more.
    if not changed and (further or read_summary(path).get("ending") is None):
        check_files(path, _pinned(request, manifest))
    if made_with is None:
        if table is not None:
            raise InputError(f"--table {table}: {path} is a run of {request.problem.on}, which does not use a table")
        problem = _as_begun(request.problem, manifest)
        scenario = preparer.scenario(problem)
        if not changed and _trained_on(scenario) != manifest.get("trained_on"):
            raise InputError(
                f"{path} was trained on other data than {problem.on} is now; put the old data back, start a new run, "
                f"or accept the change: archloom resume {path} --changed"
            )
    else:
        problem = _on_table(path, _as_begun(request.problem, manifest), made_with, table, preparer)
        scenario = preparer.scenario(problem)
    if scenario.criteria.to_json() != manifest.get("criteria"):
        raise InputError(
            f"{path} was made for {manifest.get('criteria')}, and its problem is now {scenario.criteria.to_json()}: "
            "restore it, or start a new run"
        )
    return request, problem


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
            f"archloom resume {path} --table FILE"
        )
    problem = problem if place is None else problem.source.on_table(problem, Path(place))
    found = preparer.scenario(problem).problem.data
    if found is None or found.sha256 != made_with["sha256"]:
        raise InputError(
            f"{path} was made with table {made_with['name']} (sha256 {made_with['sha256'][:12]}), and "
            f"{place or problem.on} is now {found.sha256[:12] if found else 'another'}: put the original file "
            f"back, give its path (archloom resume {path} --table FILE), or start a new run"
        )
    return problem


def _pinned(request: Request, manifest: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 that each of the user's files had when a run was started, by its path."""
    files, file = dict(manifest.get("files") or {}), request.problem.source.file
    known = manifest.get("file_sha256")
    return {str(file): known, **files} if file is not None and known is not None else files


def check_files(path: Path, files: Mapping[str, str]) -> None:
    """InputError for the first file that has changed; one that is gone is reported when it is opened."""
    for file, known in files.items():
        if Path(file).is_file() and sha256_of(Path(file)) != known:
            raise InputError(
                f"{file} has changed since {path} was started, so new trials would not be comparable to old ones; put "
                f"the old file back, start a new run, or accept the change: archloom resume {path} --changed"
            )


def _trained_on(scenario: Scenario) -> dict[str, str] | None:
    """The data that networks are trained on, if it is known by name."""
    data = scenario.problem.trained_on
    return None if data is None else {"name": data.name, "sha256": data.sha256, "source": data.source}


def fingerprint(scenario: Scenario) -> str | None:
    """The SHA-256 of the table or the user's file behind a scenario."""
    if scenario.problem.data is not None:
        return scenario.problem.data.sha256
    file = scenario.spec.source.file
    return sha256_of(file) if file is not None else None
