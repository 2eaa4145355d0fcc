"""The folder of a training: what is in it, and what it was begun with.

training.json       what was asked for, sealed
state.safetensors   everything that the rest of the training depends on, as of the last checkpoint
agent.safetensors   the agent as of then (`learners.agent_file`)
log.csv             a row now and then (`agents.training_log`)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from archloom.errors import StoreError
from archloom.utils.documents import convert, is_sealed, read_json
from archloom.utils.files import unreadable

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


def read_manifest(out: Path) -> Manifest:
    """What a training was begun with; StoreError for a folder that holds none, or a damaged one."""
    path = out / MANIFEST
    try:
        content = read_json(path)
        manifest = convert(content, Manifest)
        whole = is_sealed(content)
    except FileNotFoundError:
        raise StoreError(f"{out} holds no training: there is no {MANIFEST}") from None
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise StoreError(f"{path} is damaged ({error}); restore it from a copy") from None
    if not whole:
        raise StoreError(f"{path} was changed: its checksum does not match; restore it from a copy")
    if manifest.format != FORMAT:
        raise StoreError(f"{path} has format {manifest.format}, and this archloom knows {FORMAT}: update it")
    return manifest
