from __future__ import annotations

import numpy as np
import pytest
import torch

from archloom.agents.memory import in_memory
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
