"""The folder of a training: what is in it, and what it was begun with.

training.json       what was asked for, sealed
state.safetensors   everything that the rest of the training depends on, as of the last checkpoint
agent.safetensors   the agent as of then (`learners.agent_file`)
log.csv             a row now and then (`agents.training_log`)
"""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path
from typing import Any

import msgspec

from archloom.errors import InputError, StoreError
from archloom.utils.documents import convert, is_sealed, read_json
from archloom.utils.files import unreadable
from archloom.utils.text import quoted

FORMAT = 1
MANIFEST, STATE, AGENT = "training.json", "state.safetensors", "agent.safetensors"


class Manifest(msgspec.Struct):
    """`training.json`."""

    format: int
    mark: str
    version: str
    on: str
    table: str | None
    metric: str
    data_name: str
    data_sha256: str
    options: dict[str, Any]
    seed: int
    tensorboard: bool
    start: str | None = None
    start_sha256: str | None = None
    start_steps: int = 0
    checksum: str | None = None


def is_training(out: Path) -> bool:
    """Whether a folder holds a training."""
    return (out / MANIFEST).is_file()


def check_free(out: Path, ours: Set[str] = frozenset()) -> None:
    """InputError for a folder that holds anything but `ours`, or that cannot be one."""
    from archloom.runs.record import check_free as check_free_of_runs

    check_free_of_runs(out)
    if out.is_dir() and not {entry.name for entry in out.iterdir()} <= ours:
        raise InputError(f"{out} is not empty: give another folder with --out")
    if os.path.lexists(out) and not out.is_dir():
        raise InputError(f"{out} is no folder: give another with --out")


Stamp = tuple[object, ...]

NOTHING: Stamp = (None, None)
"""That of a folder without a training."""


def stamp(out: Path) -> Stamp:
    """It changes whenever a training is begun there, extended, or makes a checkpoint: their files are replaced."""
    return tuple(_identity(out / name) for name in (MANIFEST, STATE))


def _identity(path: Path) -> Stamp | None:
    try:
        known = path.stat(follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns


def read_manifest(out: Path) -> Manifest:
    """What a training was begun with; InputError for a folder that holds none, StoreError for a damaged one."""
    path = out / MANIFEST
    try:
        content = read_json(path)
        written = content.get("format") if isinstance(content, dict) else None
        if isinstance(written, int) and written > FORMAT:
            raise StoreError(f"{path} has format {written}, and this archloom reads up to {FORMAT}: update archloom")
        manifest = convert(content, Manifest)
        whole = is_sealed(content)
    except FileNotFoundError:
        raise InputError(
            f"{out} holds no training: there is no {MANIFEST}; archloom agent train --out {quoted(out)} begins one"
        ) from None
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise StoreError(f"{path} is damaged ({error}); restore it from a copy") from None
    if not whole:
        raise StoreError(f"{path} was changed: its checksum does not match; restore it from a copy")
    if manifest.format != FORMAT:
        raise StoreError(f"{path} has format {manifest.format}, expected {FORMAT}; restore it from a copy")
    return manifest
