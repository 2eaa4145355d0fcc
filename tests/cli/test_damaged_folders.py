"""Every file of a run and of a group, damaged in every way, under every command: a right answer or one line.

Exit code 0 to 3, no traceback and no last resort, nothing that hangs, nothing touched outside the folder.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archloom.problems import ProblemSpec
from archloom.runs import folders, groups
from archloom.runs.budgets import Limits
from archloom.runs.prepare import Request

COMMANDS: Mapping[str, Callable[[Path], list[object]]] = {
    "status": lambda run: ["status", run],
    "best": lambda run: ["best", run],
    "plot": lambda run: ["plot", run, "-o", "plot.png"],
    "export": lambda run: ["export", run, "-o", "found.json"],
    "resume": lambda run: ["resume", run, "--quiet"],
    "weights": lambda run: ["export", run, "-o", "weights.safetensors"],
    "soup": lambda run: ["soup", run],
    "evaluate": lambda run: ["evaluate", run, "--quiet"],
    "lineage": lambda run: ["lineage", run],
}
OF_ALL_RUNS = ("status", "best", "plot", "export", "resume")

RUN_FILES = ("run.json", "trials.jsonl", "state.npz", "summary.json", "lock", "holder.json", "keeping.json")
GROUP_FILES = ("group.json", "lock", "seed-0", "seed-0/run.json", "seed-0/trials.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, small_table: Path) -> Path:
    """A finished run, `run`, and a group, `group`, whose second seed has not started."""
    home = tmp_path_factory.mktemp("whole")
    request = Request("random", ProblemSpec("nb201", str(small_table)), 0, Limits(3))
    folders.run_folder(home / "run", request)
    members = {f"seed-{seed}": Request("random", request.problem, seed, request.limits) for seed in range(2)}
    group = groups.Group.create(home / "group", members)
    groups.run_group(group, 1)
    shutil.rmtree(home / "group" / "seed-1")
    return home


@contextmanager
def in_time(seconds: int = 10) -> Iterator[None]:
    """What takes longer hangs."""

    def hangs(*_: object) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def to_fifo(place: Path, outside: Path) -> None:
    os.mkfifo(place)


def to_link(place: Path, outside: Path) -> None:
    place.symlink_to(outside / place.name)


def to_device(place: Path, outside: Path) -> None:
    place.symlink_to("/dev/zero")


def to_folder(place: Path, outside: Path) -> None:
    place.mkdir()
    (place / "inside").write_text("something")


def to_deep_nesting(place: Path, outside: Path) -> None:
    place.write_text('{"format": ' + "[" * 50_000 + "]" * 50_000 + "}\n")


def to_noise(place: Path, outside: Path) -> None:
    place.write_bytes(bytes(range(256)) * 4 + b"\n")


DAMAGES = (to_fifo, to_link, to_device, to_folder, to_deep_nesting, to_noise)


def check(cli: Any, command: str, run: Path) -> Any:
    """The result of a command, which is one line if it is an error."""
    with in_time():
        said = cli(*COMMANDS[command](run))
    told = [line for line in said.err.splitlines() if not line.startswith(("archloom: note: ", "archloom: warning: "))]
    assert said.code in (0, 1, 2, 3), said
    assert "Traceback" not in said.err and "unexpected" not in said.err, said
    assert len(told) <= 1, said
    assert said.code < 2 or told or "cannot be read" in said.out, said
    return said


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    ("run", "name"), [*(("run", name) for name in RUN_FILES), *(("group", name) for name in GROUP_FILES)]
)
def test_each_file_damaged_in_each_way(
    cli: Any, whole: Path, run: str, name: str, damage: Callable[[Path, Path], None],
    listing: Callable[[Path], dict[str, bytes | None]],
) -> None:  # fmt: skip
    outside = cli.home / "outside"
    shutil.copytree(whole / run, cli.home / "copy" / run)
    place = cli.home / "copy" / run / name
    put(damage, place, outside)
    before = listing(outside)
    for command in OF_ALL_RUNS:
        if command == "plot" and damage is not to_fifo:
            continue  # drawing takes its time, and reads what `best` reads
        check(cli, command, cli.home / "copy" / run)
        assert listing(outside) == before, f"{command} touched what is outside"


def put(damage: Callable[[Path, Path], None], place: Path, outside: Path) -> None:
    """Damage a file or folder, of which `outside` gets a copy that a link may lead to."""
    outside.mkdir()
    if place.is_dir():
        shutil.copytree(place, outside / place.name)
        shutil.rmtree(place)
    elif place.exists():
        shutil.copy(place, outside / place.name)
        place.unlink()
    else:
        (outside / place.name).write_bytes(b"mine")
    damage(place, outside)


@pytest.mark.parametrize("damage", [to_fifo, to_link, to_folder, to_noise])
def test_checkpoints_and_what_belongs_to_them(
    cli: Any, trained: Path, damage: Callable[[Path, Path], None], listing: Callable[[Path], dict[str, bytes | None]]
) -> None:
    options = {"population": "2", "epochs": "250", "step": "1"}
    request = Request("pbt_nas", ProblemSpec(str(trained)), 0, Limits(4, 2), options)
    folders.run_folder(cli.home / "whole", request, isolate=False, overrides={"disk_budget": 10**7, "runs": 1})
    checkpoint = max((cli.home / "whole" / "weights").iterdir()).name
    for number, name in enumerate(("weights.json", "weights.lock", "weights", f"weights/{checkpoint}")):
        run, outside = cli.home / f"run-{number}", cli.home / f"outside-{number}"
        shutil.copytree(cli.home / "whole", run)
        put(damage, run / name, outside)
        before = listing(outside)
        for command in ("status", "weights", "soup", "evaluate", "lineage", "resume"):
            check(cli, command, run)
            assert listing(outside) == before, f"{command} touched what is outside"


def fields(content: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """The path of every field of a JSON value."""
    if path:
        yield path
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from fields(value, *path, key)


def replaced(content: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A JSON value with one field replaced."""
    copy = json.loads(json.dumps(content))
    target = copy
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return copy


ODD: tuple[Any, ...] = (None, -1, 1e30, float("inf"), "", [])


@pytest.mark.parametrize("value", ODD, ids=map(str, ODD))
@pytest.mark.parametrize(
    ("run", "name"),
    [("run", "run.json"), ("run", "summary.json"), ("group", "group.json"), ("group", "seed-0/run.json")],
)
def test_each_field_of_another_type(cli: Any, whole: Path, run: str, name: str, value: Any) -> None:
    folder = cli.home / "copy" / run
    shutil.copytree(whole / run, folder)
    content = json.loads((folder / name).read_text())
    content.pop("checksum", None)
    content.pop("versions", None)
    paths = list(fields(content))
    # Each value meets every field under one command, the commands in turn.
    commands = ["status", "best", "export", "resume"]
    for number, path in enumerate(paths, ODD.index(value)):
        (folder / name).write_text(json.dumps(replaced(content, path, value)))
        command = commands[number % len(commands)]
        check(cli, command, folder)
        if command == "resume":
            shutil.rmtree(folder)
            shutil.copytree(whole / run, folder)


def test_a_changed_seed_is_not_reported(cli: Any, whole: Path) -> None:
    for run, name in (("run", "run.json"), ("group", "group.json"), ("group", "seed-0/run.json")):
        folder = cli.home / "copy" / run
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole / run, folder)
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace('"seed": 0', '"seed": 5'))
        assert text.count('"seed": 0') == 1
        for command in OF_ALL_RUNS:
            said = check(cli, command, folder)
            if command == "resume" and name.startswith("seed-0"):
                continue  # the other seed is run, and this one's error is told at the end
            assert said.code == 3 and "has changed since archloom wrote it" in said.err + said.out, (command, said)
