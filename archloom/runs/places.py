"""Where the files are now that a run names: its folder may have been moved together with them, or copied.

A run records absolute paths, and its own folder's (`folder`). If it is elsewhere now, each path is looked for at the
same place relative to the run, and taken from there if it is there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archloom.utils.user_files import sha256_of

FOLDER = "folder"
"""The entry of `run.json` and `group.json` for the folder's own path."""


def found_again(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `run.json` or `group.json` of the folder at `path`, with the present paths of its files."""
    began, now = content.get(FOLDER), path.resolve()
    if not isinstance(began, str) or not Path(began).is_absolute() or Path(began) == now:
        return dict(content)
    return {**Move(Path(began), now, _hashes(content)).of_content(content), FOLDER: str(now)}


def _hashes(content: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 that files had, by recorded path."""
    files = content.get("files")
    return {str(file): str(known) for file, known in files.items()} if isinstance(files, dict) else {}


@dataclass(frozen=True)
class Move:
    """A folder that was `began` and is `now`, with what was around it; `hashes` are the SHA-256 of files, by path."""

    began: Path
    now: Path
    hashes: Mapping[str, str] = field(default_factory=dict)

    def of_content(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The content of `run.json` or `group.json` with moved paths."""
        moved = dict(content)
        for name in ("request", "members"):
            if name in moved:
                moved[name] = self.of_value(moved[name])
        if isinstance(files := moved.get("files"), dict):
            moved["files"] = {self.of_text(file): known for file, known in files.items()}
        if isinstance(table := moved.get("table"), dict):
            moved["table"] = {**table, "path": self.of_value(table.get("path", ""))}
        return moved

    def of_value(self, value: Any) -> Any:
        """Plain data with moved paths."""
        if isinstance(value, dict):
            return {name: self.of_value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.of_value(item) for item in value]
        return self.of_text(value) if isinstance(value, str) else value

    def of_text(self, text: str) -> str:
        """A string that may be a path, or hold one: /a/b.npz, /a/mine.py:problem, images:/a/b, /a/x,/a/y."""
        for separator in (",", ":"):
            if separator in text:
                return separator.join(map(self.of_text, text.split(separator)))
        return self._of_path(text) if text.startswith("/") else text

    def _of_path(self, path: str) -> str:
        try:
            near = Path(os.path.normpath(self.now / os.path.relpath(path, self.began)))
            if not near.exists():
                return path
            known = self.hashes.get(path)
            if known is not None and near.is_file() and sha256_of(near) != known and Path(path).is_file():
                return path
        except (OSError, ValueError):  # what is no path
            return path
        return str(near)
