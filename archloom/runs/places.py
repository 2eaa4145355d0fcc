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

from archloom.errors import InputError
from archloom.utils.text import quoted
from archloom.utils.user_files import UserFile, sha256_of

FOLDER = "folder"
"""The entry of `run.json` and `group.json` for the folder's own path."""


def found_again(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `run.json` or `group.json` of the folder at `path`, with the present paths of its files."""
    began, now = content.get(FOLDER), path.resolve()
    if not isinstance(began, str) or not Path(began).is_absolute() or Path(began) == now:
        return dict(content)
    return {**Move(Path(began), now, _hashes(content)).of_content(content), FOLDER: str(now)}


def with_problem(path: Path, content: Mapping[str, Any], on: str, changed: bool = False) -> dict[str, Any]:
    """The content of `run.json` or `group.json` of the folder at `path`, whose problem is in another place now.

    `on` names that as `--on` does: FILE.py, or the folder of images. InputError for a file of other content, unless it
    may have `changed`. What stands beside the file is looked for beside it.
    """
    requests = [content["request"]] if "request" in content else list(content["members"].values())
    recorded = str(requests[0]["problem"]["on"])
    if (old := UserFile.parse(recorded)) is None:
        return _with_folder(path, content, recorded, on)
    new = UserFile.parse(on)
    if new is None or new.name not in (None, old.name) or not new.path.is_file():
        raise InputError(f"--on {on}: expected the file that {path} was made with, {old.path.name}, where it is now")
    file = new.path.resolve()
    known = content.get("file_sha256", content.get("made_with"))
    if not changed and known is not None and sha256_of(file) != known:
        raise InputError(
            f"--on {on} is not the file that {path} was made with (sha256 {known[:12]}): give that one, or accept the "
            f"change: archloom resume {quoted(path)} --on {on} --changed"
        )
    return Move(old.path.parent, file.parent, exactly={str(old.path): str(file)}).of_content(content)


def _with_folder(path: Path, content: Mapping[str, Any], recorded: str, on: str) -> dict[str, Any]:
    """The same for data that is named by its path: images:/a/b."""
    prefix, _, data = recorded.partition(":")
    if not data.startswith("/"):
        raise InputError(
            f"--on {on}: {path} is a run of {recorded}, which is found by its name; if it uses a table, --table FILE "
            "gives the place of that"
        )
    place = Path(on.removeprefix(f"{prefix}:")).resolve()
    if not place.exists():
        raise InputError(f"--on {on}: there is no {place}")
    return Move(Path(data).parent, place.parent, exactly={data: str(place)}).of_content(content)


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
    exactly: Mapping[str, str] = field(default_factory=dict)
    """The new paths of files that have another name now, by their old ones."""

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
        if path in self.exactly:
            return self.exactly[path]
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
