from __future__ import annotations

import numpy as np
import pytest
import torch

from archloom.agents.memory import check_memory, in_memory
from archloom.agents.options import ApexOptions
from archloom.errors import InputError, TrainingError


@pytest.mark.parametrize("allocate", [lambda: np.zeros(2**55), lambda: torch.empty(2**55)])
@pytest.mark.parametrize("error", [InputError, TrainingError])
def test_the_options_that_need_it_are_named(allocate, error):
    wanted = pytest.raises(error, match=r"too little memory for walkers=7, .*, buffer=25000, .*width=64")
    with wanted, in_memory(ApexOptions(walkers=7), error):
        allocate()


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match="shapes"), in_memory(ApexOptions()):
        raise RuntimeError("shapes")


@pytest.mark.parametrize(
    ("changes", "largest"),
    [
        ({"buffer": 10**9, "steps": 10**9}, "buffer=1000000000, max_neighbours=50"),
        ({"walkers": 10**9}, "walkers=1000000000, n_step=3, max_neighbours=50"),
        ({"batch_size": 10**9, "buffer": 10**9}, "batch_size=1000000000, max_neighbours=50"),
        ({"width": 10**6}, "a network of about 5,000,414,000,000 weights"),
    ],
)
def test_what_needs_most_is_named_before_it_is_tried(monkeypatch, changes, largest):
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: 10**10)
    with pytest.raises(InputError, match=f"GB; this machine has 10.0 GB of memory; most of it is for ({largest}); exp"):
        check_memory(ApexOptions(**changes), state_bytes=4, bits=30)


def test_the_papers_training_fits_in_a_few_gigabytes(monkeypatch):
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: 4 * 10**9)
    options = ApexOptions(
        width=512, layers=2, feedforward=512, walkers=256, batch_size=512, buffer=1_000_000, steps=10**7
    )
    check_memory(options, state_bytes=4, bits=56)
