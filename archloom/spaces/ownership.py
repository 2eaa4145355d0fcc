"""Whether what genes own (`HasModules`) is there: a misspelt prefix owns nothing, and weights would not be mixed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any

from archloom.errors import InputError, NoArchitectureError
from archloom.spaces.base import Buildable, HasModules, SearchSpace, sample_valid
from archloom.types import Arch
from archloom.utils import seeds

SAMPLES = 40
"""How many networks are looked at before a prefix is considered to be in none."""


def check_ownership(space: SearchSpace) -> None:
    """InputError if a gene owns a prefix below which no network of the space has a tensor.

    Networks are built without memory for their tensors if their code allows that. A space that builds no networks is
    not checked.
    """
    if not (isinstance(space, HasModules) and isinstance(space, Buildable)):
        return
    if importlib.util.find_spec("torch") is None:
        return
    rng = seeds.stream(0, "ownership")
    archs: list[Arch] = []
    with suppress(NoArchitectureError):
        archs = [sample_valid(space, rng) for _ in range(SAMPLES)]
    try:
        fault = unowned(space, archs)
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - networks that cannot be built fail their trials, which say why
        return
    if fault:
        raise InputError(f"space {space.name!r}: {fault}")


def unowned(space: Any, archs: Sequence[Arch]) -> str:
    """What is wrong with the prefixes that genes own, in words, or an empty string. `space` builds networks."""
    missing: dict[str, int] = {}
    for gene in range(len(archs[0].genes) if archs else 0):
        prefixes = space.modules(gene)
        if isinstance(prefixes, str):
            return f"modules({gene}) is the string {prefixes!r}: expected a sequence of prefixes, e.g. [{prefixes!r}]"
        missing |= {str(prefix): gene for prefix in prefixes}
    names: list[str] = []
    for arch in archs:
        names = list(_built(space, arch).state_dict())
        # What `build` returns is either all networks as children, or the one network that the prefixes begin with.
        there = {start for name in names for start in accumulate(name.split("."), "{}.{}".format)}
        missing = {p: gene for p, gene in missing.items() if p not in there and p.partition(".")[2] not in there}
        if not missing:
            return ""
    if not missing:
        return ""
    prefix, gene = next(iter(missing.items()))
    return (
        f"gene {gene} owns {prefix!r}, below which none of {len(archs)} networks has a tensor: is it misspelled? "
        f"Names are like {names[0] if names else None!r}, after NETWORK. if there is one network"
    )


def _built(space: Any, arch: Arch) -> Any:
    """The network, on the device "meta" if its code allows that.

    Nothing is drawn there: PyTorch draws no values on that device, but imports its compiler first, for a second.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Undrawn(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            drawing = function in (torch.Tensor.normal_, torch.Tensor.uniform_)
            return args[0] if drawing else function(*args, **(kwargs or {}))

    with suppress(Exception), torch.device("meta"), Undrawn():
        return space.build(arch, 0)
    return space.build(arch, 0)
