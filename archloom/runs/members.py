"""Whether the folders of a group's members hold what `group.json` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from archloom import registry
from archloom.errors import StoreError
from archloom.runs.manifest import read_request
from archloom.runs.prepare import Request
from archloom.runs.record import TRIALS


def started(path: Path, asked: Request) -> bool:
    """Whether the member at `path` has been started; StoreError if that is another run than was asked for, or if its
    `run.json` is lost."""
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path} is no folder: expected that of a run; restore it from a copy, or remove it")
    if not (path / "run.json").exists():
        if (path / TRIALS).exists():
            raise StoreError(
                f"{path} has a record, {TRIALS}, and no run.json: restore that from a copy, or remove the folder to "
                "run it again"
            )
        return False
    different = next(differences(asked, read_request(path)), None)
    if different is not None:
        raise StoreError(
            f"{path} holds another run than group.json says: {different}; put the right folder there, or remove this "
            "one to run it again"
        )
    return True


def differences(asked: Request, found: Request) -> Iterator[str]:
    """In what a run differs from what was asked for, in words. Its limits may be raised, and its files may move."""
    pairs: dict[str, tuple[Any, Any]] = {
        "seed": (asked.seed, found.seed),
        "strategy": (asked.strategy, found.strategy),
        "problem": (asked.problem.on, found.problem.on),
        "space": (asked.problem.space_name, found.problem.space_name),
        "objectives": (asked.problem.objectives, found.problem.objectives),
        "constraints": (asked.problem.constraints, found.problem.constraints),
        "width": (asked.limits.width, found.limits.width),
        "as_completed": (asked.limits.as_completed, found.limits.as_completed),
        "warm start": (_copy_of(asked), _copy_of(found)),
    }
    for name, (one, other) in pairs.items():
        if _placeless(one) != _placeless(other):
            yield f"its {name} is {other}, not {one}"
    for owner, one, other in (
        ("", _renamed(asked), _renamed(found)),
        ("space.", asked.problem.space, found.problem.space),
        ("task.", asked.problem.task, found.problem.task),
    ):
        for name in dict.fromkeys([*one, *other]):
            if _placeless(one.get(name)) != _placeless(other.get(name)):
                yield f"its option {owner}{name} is {other.get(name)}, not {one.get(name)}"


def _copy_of(request: Request) -> str | None:
    """The SHA-256 of the trials that a request is warm started with."""
    return None if request.warm_start is None else request.warm_start.sha256


def _placeless(value: Any) -> str:
    """A value as it is compared: of paths, the names alone."""
    if isinstance(value, list | tuple):
        return ",".join(map(_placeless, value))
    return ":".join(Path(part).name if part.startswith("/") else part for part in str(value).split(":"))


def _renamed(request: Request) -> Mapping[str, Any]:
    """A strategy's options by their present names: either request may be of an earlier version."""
    if not request.options or request.strategy not in registry.STRATEGIES:
        return request.options
    renamed = getattr(registry.STRATEGIES.load(request.strategy).Options, "RENAMED", {})
    return {renamed.get(name, name): value for name, value in request.options.items()}
