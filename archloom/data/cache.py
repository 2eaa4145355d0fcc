"""The folders on this machine that hold data: the user's own, and the cache of downloads and conversions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from archloom.errors import InputError

DATA_VARIABLE = "ARCHLOOM_DATA"
"""The environment variable that names the user's data folder."""

CACHE_VARIABLE = "ARCHLOOM_CACHE"
"""The environment variable that names the cache."""


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
    """Create the folder if it is missing, and return it; InputError if that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be created ({error.strerror or error}); set {CACHE_VARIABLE} to a writable folder"
        ) from error
    return path
