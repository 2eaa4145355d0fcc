from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.utils import optimisers  # noqa: E402 - it imports PyTorch

MADE: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True},
    "Adam": {"lr": 0.1, "eps": 1e-4},
    "AdamW": {"lr": 0.1, "weight_decay": 0.1, "fused": True},
}


def trained(make: Callable[..., Any], settings: dict[str, Any]) -> tuple[Any, Any]:
    """A parameter and its optimiser's state after steps, half of which another optimiser took, and a new group."""
    parameter, later = (torch.nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2))
    optimiser = make([parameter], **settings)
    for step in range(6):
        if step == 3:
            kept = optimiser.state_dict()
            optimiser = make([parameter], **settings)
            optimiser.load_state_dict(kept)
            optimiser.add_param_group({"params": [later], "lr": 0.5})
        optimiser.zero_grad()
        ((parameter - step) ** 2 + later.sin()).sum().backward()
        optimiser.step()
    return torch.stack([parameter.detach(), later.detach()]), optimiser.state_dict()


@pytest.mark.parametrize("name", MADE)
def test_they_compute_what_those_of_pytorch_compute(name: str) -> None:
    (ours, own), (theirs, other) = (
        trained(getattr(module, name), MADE[name]) for module in (optimisers, torch.optim)
    )  # fmt: skip
    assert torch.equal(ours, theirs)
    assert own["param_groups"] == other["param_groups"]
    assert own["state"].keys() == other["state"].keys() == {0, 1}
    for one, same in zip(own["state"].values(), other["state"].values(), strict=True):
        assert one.keys() == same.keys()
        assert all(torch.equal(torch.as_tensor(one[entry]), torch.as_tensor(same[entry])) for entry in one)


USED = """
import sys
import torch
from archloom.utils.optimisers import SGD, Adam, AdamW

parameter = torch.nn.Parameter(torch.ones(3))
for kind in (SGD, Adam, AdamW):
    optimiser = kind([parameter], lr=0.1)
    optimiser.zero_grad()
    parameter.square().sum().backward()
    optimiser.step()
    optimiser.load_state_dict(optimiser.state_dict())
print("torch._dynamo" in sys.modules)
"""


def test_the_compiler_is_not_imported() -> None:
    done = subprocess.run([sys.executable, "-c", USED], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
