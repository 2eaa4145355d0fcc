"""Paths on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from archloom.errors import InputError
from archloom.utils.files import from_home


class UserPath(click.Path):
    """A path. A leading ~ is the home folder also where no shell has expanded it: after `--out=`, and in a file."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(from_home(value) if isinstance(value, str) else value, param, ctx)


class NewFolder(UserPath):
    """A folder to write into. An empty name, as from an unset shell variable, does not mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            raise InputError("--out '': expected the name of a folder (omit --out for a new folder under runs/)")
        return super().convert(value, param, ctx)
