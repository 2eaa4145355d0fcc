"""Layers of several trainings mixed into the state that a child starts from.

Inputs are never changed. A tensor that is taken over unchanged shares its memory with the state that it comes from;
dicts, lists and plain data are copied.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from archloom.checkpoints.state import (
    Average,
    Optimiser,
    Tensors,
    TrainingState,
    check_prefix,
    is_real,
    labelled,
    listed,
    prefixes_of,
)
from archloom.errors import InputError
from archloom.types import REST

Source = Literal["base", "donor", "fresh", "missing", "dropped"]


class Origin(NamedTuple):
    """Where a tensor was taken from.

    `base`: the base. `donor`: the donor of `gene`. `fresh`: the new network, as the recipe says for `gene`. `missing`:
    the new network, because the donor of `gene` (the base, if `gene` is None) has no such tensor, or has it in
    another shape or dtype. `dropped`: the base has it, the child does not.
    """

    source: Source
    gene: int | None = None


BASE, DROPPED = Origin("base"), Origin("dropped")


@dataclass(frozen=True)
class MixReport:
    """Where each tensor was taken from.

    Names are `NETWORK.NAME`, `AVERAGE.NAME` and, for the slots of a parameter, `OPTIMISER.NETWORK.NAME`.
    """

    networks: Mapping[str, Origin]
    averages: Mapping[str, Origin]
    slots: Mapping[str, Origin]

    @property
    def counts(self) -> dict[str, int]:
        """The number of network tensors from each source."""
        return dict(Counter(origin.source for origin in self.networks.values()))

    def to_json(self) -> dict[str, Any]:
        """What a record keeps: the counts, and by gene the `shared_prefixes` of tensors that are `missing`.

        The key is the gene's number as a string, or "base" for tensors that should have been the base's.
        """
        missing: dict[str, list[str]] = {}
        for prefix, origin in shared_prefixes(self.networks).items():
            if origin.source == "missing":
                missing.setdefault("base" if origin.gene is None else str(origin.gene), []).append(prefix)
        counts = {source: self.counts[source] for source in get_args(Source) if source in self.counts}
        return {"counts": counts, "missing": missing} if missing else {"counts": counts}


def mix(
    base: TrainingState,
    donors: Mapping[int, TrainingState | None],
    fresh: TrainingState,
    modules: Mapping[int, Sequence[str]],
    shrink: float,
    perturb: float,
) -> tuple[TrainingState, MixReport]:
    """The state of a child: the base's, with the layers of some genes taken from donors, and where each came from.

    `fresh` is the state of a newly begun training of the child; its networks and averages determine which tensors
    there are, and their shapes. `modules` maps every gene to the prefixes that it owns (`HasModules`). A tensor that
    a gene in `donors` owns becomes `shrink * donor + perturb * fresh`, or the fresh one if the donor is None; every
    other tensor is the base's. Exceptions:

    - Tensors of integers or booleans are the donor's (the fresh ones for shrink 0 and perturb 1).
    - Averages (and target networks) are the donor's, without shrink-perturb.
    - Optimisers are the base's: settings, and slots of those parameters that the child has in the same shape, by name.
      So a replaced layer of equal shape keeps the base's moments, as in the original, which matches by position.
    - `arrays` and `rest` are the base's, random streams included: whoever trains the child must reseed it.
    - What is not available in the child's shape and dtype is fresh. A replaced layer never falls back on the base.

    Shrink-perturb is Ash & Adams 2020; mixing with it is Chebykin et al. 2023 (PBT-NAS), section 3.4 and Algorithm 2.
    Raises InputError for a gene without modules, a prefix in no network, a tensor that two genes with different donors
    own, and factors that are not finite or negative.
    """
    for name, factor in (("shrink", shrink), ("perturb", perturb)):
        if not (math.isfinite(factor) and factor >= 0):
            raise InputError(f"{name} is {factor}: expected a finite number from 0 up")
    recipe = _Recipe(base, donors, _Owners(modules, donors, list(fresh.networks)), shrink, perturb)
    networks: dict[str, Tensors] = {}
    averages: dict[str, Average] = {}
    of_networks: dict[str, Origin] = {}
    of_averages: dict[str, Origin] = {}
    for network, tensors in fresh.networks.items():
        networks[network] = {}
        for name, new in tensors.items():
            label = f"{network}.{name}"
            networks[network][name], of_networks[label] = recipe.weight(label, network, name, new)
    for copy, average in fresh.averages.items():
        averages[copy] = average.with_tensors({})
        for name, new in average.tensors.items():
            label = f"{average.of}.{name}"
            averages[copy].tensors[name], of_averages[f"{copy}.{name}"] = recipe.averaged(label, copy, name, new)
    optimisers, of_slots = _optimisers(base, fresh)
    child = base.with_weights(networks, averages, optimisers)
    left = {copy: average.tensors for copy, average in base.averages.items()}
    return child, MixReport(
        of_networks | dict.fromkeys(labelled(base.networks).keys() - of_networks.keys(), DROPPED),
        of_averages | dict.fromkeys(labelled(left).keys() - of_averages.keys(), DROPPED),
        of_slots,
    )


@dataclass(frozen=True)
class _Recipe:
    """How each tensor of the child is made."""

    base: TrainingState
    donors: Mapping[int, TrainingState | None]
    owners: _Owners
    shrink: float
    perturb: float

    def weight(self, label: str, network: str, name: str, new: Tensor) -> tuple[Tensor, Origin]:
        tensor, origin = self._take(label, new, lambda state: state.networks.get(network, {}).get(name))
        if origin.source == "donor":
            tensor = shrink_perturb(tensor, new, self.shrink, self.perturb)
        return tensor, origin

    def averaged(self, label: str, copy: str, name: str, new: Tensor) -> tuple[Tensor, Origin]:
        def find(state: TrainingState) -> Tensor | None:
            return state.averages[copy].tensors.get(name) if copy in state.averages else None

        return self._take(label, new, find)

    def _take(self, label: str, new: Tensor, find: Callable[[TrainingState], Tensor | None]) -> tuple[Tensor, Origin]:
        gene = self.owners.replaced(label)
        giver = self.base if gene is None else self.donors[gene]
        if giver is None:
            return new, Origin("fresh", gene)
        found = find(giver)
        if found is None or found.shape != new.shape or found.dtype != new.dtype:
            return new, Origin("missing", gene)
        return found, BASE if gene is None else Origin("donor", gene)


class _Owners:
    """Which replaced gene a tensor belongs to, by exact dotted prefixes."""

    def __init__(
        self, modules: Mapping[int, Sequence[str]], donors: Mapping[int, TrainingState | None], networks: Sequence[str]
    ) -> None:
        for gene in donors:
            if gene != REST and gene not in modules:
                raise InputError(f"gene {gene} has a donor but no modules: expected one of {listed(modules)} or {REST}")
        self._donors = donors
        self._genes: dict[str, list[int]] = {}
        for gene, prefixes in modules.items():
            for prefix in prefixes:
                check_prefix(prefix, networks, f"gene {gene} owns {prefix!r}")
                self._genes.setdefault(prefix, []).append(gene)

    def replaced(self, label: str) -> int | None:
        """The gene in `donors` that owns `NETWORK.NAME`; None if the tensor stays the base's."""
        owners = [gene for prefix in prefixes_of(label) for gene in self._genes.get(prefix, ())]
        if not owners:
            return REST if REST in self._donors else None
        replaced = [gene for gene in owners if gene in self._donors]
        if not replaced:
            return None
        for other in replaced[1:]:
            if self._donors[other] is not self._donors[replaced[0]]:
                raise InputError(
                    f"{label} belongs to genes {replaced[0]} and {other}, which have different donors: give both the "
                    "same one, or let one gene own it"
                )
        return replaced[0]


def shared_prefixes(origins: Mapping[str, Origin]) -> dict[str, Origin]:
    """Origins in short: each is listed at the shortest dotted prefix below which all tensors share it."""
    below: dict[str, set[Origin]] = {}
    for label, origin in origins.items():
        for prefix in prefixes_of(label):
            below.setdefault(prefix, set()).add(origin)
    return {
        next(prefix for prefix in prefixes_of(label) if len(below[prefix]) == 1): origin
        for label, origin in origins.items()
    }


def shrink_perturb(donor: Tensor, fresh: Tensor, shrink: float, perturb: float) -> Tensor:
    """`shrink * donor + perturb * fresh` for floats, the donor's integers and booleans; Ash & Adams 2020.

    Shrink 1 and perturb 0 give the donor itself, shrink 0 and perturb 1 the fresh tensor itself. A factor of 0 omits
    its term, so that an infinite weight does not become NaN.
    """
    if (shrink, perturb) == (0, 1):
        return fresh
    if not is_real(donor) or (shrink, perturb) == (1, 0):
        return donor
    terms = [tensor * factor for tensor, factor in ((donor, shrink), (fresh, perturb)) if factor != 0]
    return reduce(torch.add, terms) if terms else torch.zeros_like(donor)


def _optimisers(base: TrainingState, fresh: TrainingState) -> tuple[dict[str, Optimiser], dict[str, Origin]]:
    """The base's optimisers without slots of parameters that the child does not have, or has in another shape."""
    before, after = labelled(base.networks), labelled(fresh.networks)
    fitting = {name for name in before.keys() & after.keys() if before[name].shape == after[name].shape}
    optimisers: dict[str, Optimiser] = {}
    origins: dict[str, Origin] = {}
    for name, new in fresh.optimisers.items():
        found = base.optimisers.get(name)
        if found is None:
            optimisers[name] = new.with_slots(new.slots)
            origins |= {f"{name}.{parameter}": Origin("missing") for parameter in new.slots}
            continue
        kept = [parameter for parameter in found.slots if parameter in fitting]
        optimisers[name] = found.with_slots(kept)
        origins |= {f"{name}.{parameter}": BASE if parameter in fitting else DROPPED for parameter in found.slots}
    for name in base.optimisers.keys() - fresh.optimisers.keys():
        origins |= {f"{name}.{parameter}": DROPPED for parameter in base.optimisers[name].slots}
    return optimisers, origins
