"""Trained weights mutated at random, as in SEARL. The input is never changed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from archloom.checkpoints.state import TrainingState
from archloom.errors import InputError

LARGEST_WEIGHT = 1e6
"""Mutated weights are clipped to this magnitude."""


def mutate_weights(state: TrainingState, rng: np.random.Generator) -> TrainingState:
    """SEARL's weight mutation as PBT-NAS's baseline does it: in some matrices, some rows' worth of weights change.

    Candidates are the tensors of floats with at least two dimensions and no "norm" in the name, in all networks and
    in all target networks (`Average.target`; a running average is left as it is). From one to all of them are drawn.
    In each, with r rows (its first dimension) and k uniform on 0 ... ceil(r / 10) - 1, each weight w changes with
    probability k / r: in 5 % of cases by N(0, |10 w|), in 5 % to N(0, 1), else by N(0, |w / 10|) (standard
    deviations); it is then clipped to 10^6 in magnitude. After SEARL (Franke et al. 2021), which mutates 2-D tensors of
    the actor alone, and exactly as many weights as it draws. InputError if there is no candidate.
    """
    networks = {name: dict(tensors) for name, tensors in state.networks.items()}
    averages = {name: average.with_tensors(dict(average.tensors)) for name, average in state.averages.items()}
    places = [*networks.values(), *(average.tensors for average in averages.values() if average.target)]
    candidates = [
        (tensors, name)
        for tensors in places
        for name, tensor in tensors.items()
        if tensor.dim() >= 2 and tensor.is_floating_point() and "norm" not in name
    ]
    if not candidates:
        raise InputError("this training has no weights to mutate: expected a tensor of two dimensions or more")
    chosen = rng.choice(len(candidates), size=int(rng.integers(1, len(candidates) + 1)), replace=False)
    for index in sorted(chosen.tolist()):
        tensors, name = candidates[index]
        tensors[name] = _mutated(tensors[name], rng)
    return state.with_weights(networks, averages)


def _mutated(tensor: Tensor, rng: np.random.Generator) -> Tensor:
    rows = len(tensor)
    k = int(rng.integers(-(-rows // 10))) if rows else 0
    if k == 0:
        return tensor
    changed = np.flatnonzero(rng.random(tensor.numel()) < k / rows)  # (c,)
    where = torch.from_numpy(changed)
    result = tensor.detach().clone(memory_format=torch.contiguous_format)
    weights = result.view(-1)[where].to(torch.float64).numpy()
    kind, noise = rng.random(len(weights)), rng.standard_normal(len(weights))
    new = np.select(
        [kind < 0.05, kind < 0.10],
        [weights + np.abs(10 * weights) * noise, noise],
        weights + np.abs(0.1 * weights) * noise,
    )
    largest = min(LARGEST_WEIGHT, torch.finfo(tensor.dtype).max)
    result.view(-1)[where] = torch.from_numpy(new.clip(-largest, largest)).to(tensor.dtype)
    return result
