"""The state of a training as a file: nested dicts with numpy arrays in them, which `checkpoints.state_file` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from archloom.checkpoints.state import TrainingState
from archloom.checkpoints.state_file import load_state, save_state

_ARRAY = "$array"
"""The only key of what stands for an array."""


def save(path: Path, state: Mapping[str, Any], owner: str) -> None:
    """Write nested dicts and lists of numbers, strings, booleans, None and arrays, whole or not at all."""
    arrays: list[NDArray[Any]] = []
    plain = _without_arrays(state, arrays)
    tensors = {str(number): torch.from_numpy(np.ascontiguousarray(array)) for number, array in enumerate(arrays)}
    save_state(path, TrainingState({}, arrays=tensors, rest=plain), owner=owner)


def load(path: Path, owner: str) -> dict[str, Any]:
    """What `save` wrote; StoreError for any other file, and for one of another owner.

    Arrays are views of the file: whoever changes one copies it first.
    """
    state = load_state(path, owner)
    found: dict[str, Any] = _with_arrays(state.rest, {name: tensor.numpy() for name, tensor in state.arrays.items()})
    return found


def _without_arrays(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {name: _without_arrays(item, arrays) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, arrays) for item in value]
    return value


def _with_arrays(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            return arrays[str(value[_ARRAY])]
        return {name: _with_arrays(item, arrays) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    return value
