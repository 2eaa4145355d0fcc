"""Paths on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from archloom.agents.training_folder import is_training
from archloom.errors import InputError
from archloom.utils.files import from_home
from archloom.utils.text import quoted


class UserPath(click.Path):
    """A path. A leading ~ is the home folder also where no shell has expanded it: after `--out=`, and in a file."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(from_home(value) if isinstance(value, str) else value, param, ctx)


class RunPath(UserPath):
    """The path of a run, or of a folder of several. One of an agent's training is refused with what shows that."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        if is_training(path):
            from archloom.agents.training_log import LOG

            typed = quoted(path)
            raise InputError(
                f"{path} is the training of an agent, not a run: archloom agent show {typed} and archloom agent "
                f"evaluate {typed} show what it has learned, {quoted(path / LOG)} how"
            )
        return path


class NewFolder(UserPath):
    """A folder to write into. An empty name, as from an unset shell variable, does not mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            raise InputError("--out '': expected the name of a folder (omit --out for a new folder under runs/)")
        return super().convert(value, param, ctx)


def check_different(runs: Sequence[Path]) -> None:
    """InputError for a folder that is given twice: its runs would count twice."""
    known: set[Path] = set()
    for run in runs:
        if run.resolve() in known:
            raise InputError(f"{run} is given twice: expected each folder once")
        known.add(run.resolve())
