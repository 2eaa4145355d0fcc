"""Weights of several members averaged (model soups). Inputs are never changed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from archloom.checkpoints.state import (
    Tensors,
    TrainingState,
    check_prefix,
    is_real,
    labelled,
    prefixes_of,
)
from archloom.errors import InputError

_SINGULAR = ("._u", "._v", ".norm.u", ".norm.v")
"""How the names of spectral norms' vectors end: PyTorch's parametrisation's, and those of `nets.control`."""


def average(states: Sequence[TrainingState], parts: Sequence[str] | None = None) -> TrainingState:
    """The uniform mean of members of one genome: Wortsman et al. 2022 (model soups), as PBT-NAS makes them.

    Floats are averaged (in double precision), integers are the sum's floor division. Only tensors below the prefixes
    `parts` are averaged (`NETWORK.module.path`; None: all), and those of averages of these networks. Everything else is
    the first state's: spectral norms' vectors (`_SINGULAR`), booleans, optimisers, arrays, rest.
    InputError if there is no state, or if names or shapes differ.
    """
    if not states:
        raise InputError("there are no states to average: give at least one")
    first = states[0]
    check_parts(first, parts or ())

    def blend(label: str, tensors: Sequence[Tensor]) -> Tensor:
        wanted = parts is None or not set(parts).isdisjoint(prefixes_of(label))
        return _mean(tensors) if wanted and not label.endswith(_SINGULAR) else tensors[0]

    networks = {
        name: _blended(name, [state.networks.get(name, {}) for state in states], blend) for name in first.networks
    }
    averages = {
        name: copied.with_tensors(_blended(copied.of, [_copy(state, name) for state in states], blend))
        for name, copied in first.averages.items()
    }
    return first.with_weights(networks, averages)


def check_parts(state: TrainingState, parts: Iterable[str]) -> None:
    """InputError for a part below which the state has no tensor."""
    below = {prefix: None for label in labelled(state.networks) for prefix in prefixes_of(label)}
    for part in parts:
        check_prefix(part, state.networks, f"{part!r} is to be averaged")
        if part not in below:
            near = difflib.get_close_matches(part, below, n=1, cutoff=0.0)
            raise InputError(
                f"{part!r} is to be averaged, but there is nothing below it; expected e.g. {', '.join(near)}"
            )


def _copy(state: TrainingState, name: str) -> Tensors:
    return state.averages[name].tensors if name in state.averages else {}


def _blended(network: str, members: Sequence[Tensors], blend: Callable[[str, Sequence[Tensor]], Tensor]) -> Tensors:
    shapes = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in members]
    for index, other in enumerate(shapes):
        differing = sorted(name for name in shapes[0].keys() | other.keys() if shapes[0].get(name) != other.get(name))
        if differing:
            raise InputError(
                f"state {index} of the average differs from the first in {network}.{differing[0]}: expected members "
                "with the same genome"
            )
    return {name: blend(f"{network}.{name}", [tensors[name] for tensors in members]) for name in members[0]}


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    first = tensors[0]
    if first.dtype == torch.bool:
        return first
    if not is_real(first):
        total = sum((tensor.to(torch.int64) for tensor in tensors[1:]), first.to(torch.int64))
        return torch.div(total, len(tensors), rounding_mode="floor").to(first.dtype)
    wide = torch.complex128 if first.is_complex() else torch.float64
    return (sum(tensors[1:], first.to(wide)) / len(tensors)).to(first.dtype)
