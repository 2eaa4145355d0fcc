"""PyTorch's optimisers without its compiler.

PyTorch prepares the methods of its optimisers for `torch.compile`. The first call of any of them imports the compiler:
a second in every process that trains, although nothing is compiled here. The classes below have the methods as they
are within.
"""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import torch

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)

_PREPARED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def plain(kind: type[Kind]) -> type[Kind]:
    """A class of optimisers that computes what `kind` computes, without its option `differentiable`."""
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in _PREPARED}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), methods)


Adam = plain(torch.optim.Adam)
AdamW = plain(torch.optim.AdamW)
SGD = plain(torch.optim.SGD)
