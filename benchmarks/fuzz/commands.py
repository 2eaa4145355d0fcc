"""Commands that run in this process, what each of them promises, and what they change on disk."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from archloom.cli.exit_codes import Exit
from archloom.cli.main import run


@dataclass(frozen=True)
class Ended:
    """A command that has ended. `code` is None if an exception came out."""

    arguments: tuple[str, ...]
    code: int | None
    out: str
    err: str

    @property
    def said(self) -> str:
        """The command with its last words, for messages."""
        return f"archloom {' '.join(self.arguments)!r:.300} -> {self.code}: {self.err[-300:]!r}"

    @property
    def json(self) -> Any:
        """What it printed, as strict JSON; ValueError for anything else."""
        return strict_json(self.out)


def strict_json(text: str) -> Any:
    """Read JSON without the numbers that Python adds to it."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def archloom(*words: object) -> Ended:
    """Run a command in this process; what is written to its descriptors 1 and 2 is taken."""
    arguments = tuple(map(str, words))
    code: int | None = None
    with _taken(1) as out, _taken(2) as err:
        try:
            code = run(arguments)
        except BaseException:  # noqa: BLE001 - nothing may come out
            os.write(2, traceback.format_exc().encode())
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    return Ended(arguments, code, out.getvalue().decode(errors="replace"), err.getvalue().decode(errors="replace"))


@contextmanager
def _taken(descriptor: int) -> Iterator[io.BytesIO]:
    """Send a descriptor to a file meanwhile; what was written is in the result afterwards."""
    content = io.BytesIO()
    name = {1: "stdout", 2: "stderr"}[descriptor]
    before = getattr(sys, name), getattr(sys, f"__{name}__")
    before[0].flush()
    saved = os.dup(descriptor)
    file = os.memfd_create(name)
    os.dup2(file, descriptor)
    stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)
    try:
        yield content
    finally:
        with suppress(OSError, ValueError):
            stream.flush()
        setattr(sys, name, before[0])
        setattr(sys, f"__{name}__", before[1])
        os.dup2(saved, descriptor)
        os.close(saved)
        os.lseek(file, 0, os.SEEK_SET)
        with os.fdopen(file, "rb") as read:
            content.write(read.read())


_SOFT = ("archloom: note:", "archloom: warning:")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def promises(ended: Ended, users_code: bool = False) -> list[str]:
    """What every command promises, whatever it was given: the faults. `users_code` may print what it likes."""
    faults = []
    said = ended.err if not users_code else ended.err.replace("archloom:", "\narchloom:")  # after what it printed
    ours = "\n".join(line for line in said.splitlines() if line.startswith("archloom:") or not users_code)
    if "Traceback (most recent call last)" in ours + ended.out:
        faults.append("a traceback")
    elif ended.code not in (Exit.DONE, Exit.FAILURES, Exit.BAD_INPUT, Exit.STOPPED):
        faults.append(f"exit code {ended.code}")
    if ended.code in (Exit.BAD_INPUT, Exit.STOPPED):
        lines = said.splitlines()
        errors = [line for line in lines if line.startswith("archloom:") and not line.startswith(_SOFT)]
        if len(errors) != 1 or lines[-1:] != errors:
            faults.append(f"{len(errors)} lines that say what is wrong")
        elif errors[0].startswith("archloom: unexpected "):
            faults.append("nobody has thought of this")
        elif len(errors[0]) > MOST_OF_A_LINE:
            faults.append(f"a message of {len(errors[0])} characters")
        if ended.code == Exit.BAD_INPUT and ended.out:
            faults.append("bad input, and something on standard output")
    asks_for_json = "--json" in ended.arguments and not {"--help", "-h", "--version"} & {*ended.arguments}
    shown = ours if asks_for_json else ended.out + ours  # JSON has every string as it is
    if _CONTROL.search(shown):
        faults.append("control characters on the terminal")
    if asks_for_json and ended.code in (Exit.DONE, Exit.FAILURES):
        try:
            _ = ended.json
        except ValueError as error:
            faults.append(f"--json prints no JSON ({error})")
    return [f"{fault}: {ended.said}" for fault in faults]


MOST_OF_A_LINE = 4000
"""The characters that a message may have: one line is for people."""


# -- files --------------------------------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Everything in a folder: type and content of each path, links not followed."""
    found: dict[str, tuple[Any, ...]] = {}
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            found[str(path.relative_to(folder))] = _what(path)
    return found


def _what(path: Path) -> tuple[Any, ...]:
    if path.is_symlink():
        return ("link", str(path.readlink()))
    if path.is_dir():
        return ("folder",)
    if path.is_file():
        return ("file", path.read_bytes())
    return ("special",)


def changes(before: Mapping[str, Any], after: Mapping[str, Any], *allowed: str) -> list[str]:
    """The paths that differ, but for those whose last part is allowed."""
    differ = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return [path for path in differ if Path(path).name not in allowed]
