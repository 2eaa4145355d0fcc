"""The folders on this machine that data lie in: the user's, and the cache of what was downloaded or converted."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from archloom.errors import InputError

DATA_VARIABLE = "ARCHLOOM_DATA"
"""The environment variable that names the user's folder of data."""

CACHE_VARIABLE = "ARCHLOOM_CACHE"
"""The one that names the cache."""


def cache_dir(environ: Mapping[str, str]) -> Path:
    """The folder for what archloom converts and downloads; it may not exist yet."""
    chosen = environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "archloom"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "archloom" / "Cache"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "archloom"


def make_folder(path: Path) -> Path:
    """The folder, made where it is not there; InputError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be made ({error.strerror or error}); set {CACHE_VARIABLE} to a folder that may "
            "be written to"
        ) from error
    return path
