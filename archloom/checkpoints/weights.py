"""What is done to trained weights between two chunks of training: layers mixed, matrices mutated, members averaged.

A state is never changed here. A tensor that is taken as it is shares its memory with the state that it comes from;
dicts, lists and plain data are the new state's own.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from archloom.checkpoints.state import Average, Optimiser, Tensors, TrainingState
from archloom.errors import InputError
from archloom.types import REST

LARGEST_WEIGHT = 1e6
"""Mutated weights are cut to at most this magnitude."""


Source = Literal["base", "donor", "fresh", "missing", "dropped"]


class Origin(NamedTuple):
    """Where a tensor was taken from.

    `base`: the base. `donor`: the donor of `gene`. `fresh`: the new network, as the recipe says for `gene`. `missing`:
    the new network, because the donor of `gene` (the base, where `gene` is None) has no such tensor, or has it in
    another shape or type. `dropped`: the base has it, the child has not.
    """

    source: Source
    gene: int | None = None


BASE, DROPPED = Origin("base"), Origin("dropped")


@dataclass(frozen=True)
class MixReport:
    """What was taken from where, tensor by tensor.

    Names are `NETWORK.NAME`, `AVERAGE.NAME` and, for the slots of a parameter, `OPTIMISER.NETWORK.NAME`.
    """

    networks: Mapping[str, Origin]
    averages: Mapping[str, Origin]
    slots: Mapping[str, Origin]

    @property
    def counts(self) -> dict[str, int]:
        """How many tensors of networks have each source."""
        return dict(Counter(origin.source for origin in self.networks.values()))

    def to_json(self) -> dict[str, Any]:
        """What a record keeps: the counts, and where tensors are `missing`, gene by gene as `shared_prefixes`.

        The key of a gene is its number as a text, "base" for tensors that should have been the base's.
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

    `fresh` is the state of a newly begun training of the child; its networks and averages say what tensors there are,
    and of what shape. `modules` maps every gene to the prefixes that it owns (`HasModules`). A tensor that a gene in
    `donors` owns becomes `shrink * donor + perturb * fresh`, or the fresh one where the donor is None; every other
    tensor is the base's. Exceptions:

    - Tensors of integers or booleans are the donor's (the fresh ones for shrink 0 and perturb 1).
    - Averages (and target networks) are the donor's without shrink-perturb.
    - Optimisers are the base's: settings, and slots of those parameters that the child has in the same shape, by name.
      So a replaced layer of equal shape keeps the base's moments, as in the original, which matches by position.
    - `arrays` and `rest` are the base's, random streams included: who trains the child must seed it anew.
    - What neither can give in the child's shape and type is fresh. A replaced layer never falls back on the base.

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
        averages[copy] = Average(average.of, {}, average.target)
        for name, new in average.tensors.items():
            label = f"{average.of}.{name}"
            averages[copy].tensors[name], of_averages[f"{copy}.{name}"] = recipe.averaged(label, copy, name, new)
    optimisers, of_slots = _optimisers(base, fresh)
    child = _with(base, networks, averages, optimisers)
    left = {copy: average.tensors for copy, average in base.averages.items()}
    return child, MixReport(
        of_networks | dict.fromkeys(_labels(base.networks).keys() - of_networks.keys(), DROPPED),
        of_averages | dict.fromkeys(_labels(left).keys() - of_averages.keys(), DROPPED),
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
                raise InputError(
                    f"gene {gene} has a donor and no modules: expected one of {_listed(modules)} or {REST}"
                )
        self._donors = donors
        self._genes: dict[str, list[int]] = {}
        for gene, prefixes in modules.items():
            for prefix in prefixes:
                _check_prefix(prefix, networks, f"gene {gene} owns {prefix!r}")
                self._genes.setdefault(prefix, []).append(gene)

    def replaced(self, label: str) -> int | None:
        """The gene in `donors` that owns `NETWORK.NAME`; None where the tensor stays the base's."""
        owners = [gene for prefix in _prefixes(label) for gene in self._genes.get(prefix, ())]
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


def _check_prefix(prefix: str, networks: Iterable[str], what: str) -> None:
    if set(networks).isdisjoint(_prefixes(prefix)):
        raise InputError(
            f"{what}, which is in no network: expected NETWORK.module.path with one of the networks {_listed(networks)}"
        )


def _prefixes(label: str) -> list[str]:
    """ "a.b.c" -> "a", "a.b", "a.b.c"."""
    return list(accumulate(label.split("."), "{}.{}".format))


def _labels(networks: Mapping[str, Tensors]) -> dict[str, Tensor]:
    """Tensors by `NETWORK.NAME`."""
    return {f"{network}.{name}": tensor for network, tensors in networks.items() for name, tensor in tensors.items()}


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names)) or "(there are none)"


def shared_prefixes(origins: Mapping[str, Origin]) -> dict[str, Origin]:
    """Origins in short: each stands at the shortest dotted prefix below which all tensors share it."""
    below: dict[str, set[Origin]] = {}
    for label, origin in origins.items():
        for prefix in _prefixes(label):
            below.setdefault(prefix, set()).add(origin)
    return {
        next(prefix for prefix in _prefixes(label) if len(below[prefix]) == 1): origin
        for label, origin in origins.items()
    }


def shrink_perturb(donor: Tensor, fresh: Tensor, shrink: float, perturb: float) -> Tensor:
    """`shrink * donor + perturb * fresh` for floats, the donor's integers and booleans; Ash & Adams 2020.

    Shrink 1 and perturb 0 give the donor itself, shrink 0 and perturb 1 the fresh tensor itself. A factor of 0 leaves
    its term out, so that an infinite weight does not become NaN.
    """
    if (shrink, perturb) == (0, 1):
        return fresh
    if not _is_real(donor) or (shrink, perturb) == (1, 0):
        return donor
    terms = [tensor * factor for tensor, factor in ((donor, shrink), (fresh, perturb)) if factor != 0]
    return reduce(torch.add, terms) if terms else torch.zeros_like(donor)


def _is_real(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _optimisers(base: TrainingState, fresh: TrainingState) -> tuple[dict[str, Optimiser], dict[str, Origin]]:
    """The base's optimisers without the slots of parameters that the child has not, or in another shape."""
    before, after = _labels(base.networks), _labels(fresh.networks)
    fitting = {name for name in before.keys() & after.keys() if before[name].shape == after[name].shape}
    optimisers: dict[str, Optimiser] = {}
    origins: dict[str, Origin] = {}
    for name, new in fresh.optimisers.items():
        found = base.optimisers.get(name)
        if found is None:
            optimisers[name] = _own(new, new.slots)
            origins |= {f"{name}.{parameter}": Origin("missing") for parameter in new.slots}
            continue
        kept = [parameter for parameter in found.slots if parameter in fitting]
        optimisers[name] = _own(found, kept)
        origins |= {f"{name}.{parameter}": BASE if parameter in fitting else DROPPED for parameter in found.slots}
    for name in base.optimisers.keys() - fresh.optimisers.keys():
        origins |= {f"{name}.{parameter}": DROPPED for parameter in base.optimisers[name].slots}
    return optimisers, origins


def _own(optimiser: Optimiser, parameters: Iterable[str]) -> Optimiser:
    """A copy with the slots of these parameters; the tensors are shared."""
    return Optimiser(deepcopy(optimiser.groups), {name: dict(optimiser.slots[name]) for name in parameters})


def _with(
    state: TrainingState,
    networks: dict[str, Tensors],
    averages: dict[str, Average],
    optimisers: dict[str, Optimiser] | None = None,
) -> TrainingState:
    """The state with other weights. Its data is copied: a child is seeded anew, and that must not reach its parent."""
    if optimisers is None:
        optimisers = {name: _own(optimiser, optimiser.slots) for name, optimiser in state.optimisers.items()}
    return TrainingState(networks, averages, optimisers, dict(state.arrays), deepcopy(state.rest))


def mutate_weights(state: TrainingState, rng: np.random.Generator) -> TrainingState:
    """SEARL's weight mutation as PBT-NAS's baseline does it: some rows' worth of weights of some matrices are changed.

    Candidates are the tensors of floats with at least two dimensions and no "norm" in the name, in all networks and
    in all target networks (`Average.target`; a running average is left as it is). From one to all of them are drawn.
    In each, with r rows (its first dimension) and k uniform on 0 ... ceil(r / 10) - 1, each weight w changes with
    probability k / r: in 5 % of cases by N(0, |10 w|), in 5 % to N(0, 1), else by N(0, |w / 10|) (standard
    deviations); it is then cut to 10^6 in magnitude. After SEARL (Franke et al. 2021), which mutates 2-D tensors of
    the actor alone, and exactly as many weights as it draws. InputError where there is no candidate.
    """
    networks = {name: dict(tensors) for name, tensors in state.networks.items()}
    averages = {
        name: Average(average.of, dict(average.tensors), average.target) for name, average in state.averages.items()
    }
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
    return _with(state, networks, averages)


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


def average(states: Sequence[TrainingState], parts: Sequence[str] | None = None) -> TrainingState:
    """The uniform mean of members of one genome: Wortsman et al. 2022 (model soups), as PBT-NAS cooks them.

    Floats are averaged (in double precision), integers are the sum's floor division. Only tensors below the prefixes
    `parts` are averaged (`NETWORK.module.path`; None: all), and those of averages of these networks. Everything else is
    the first state's: spectral norm's vectors (names that end in "._u" or "._v"), booleans, optimisers, arrays, rest.
    InputError where there is no state, or where names or shapes differ.
    """
    if not states:
        raise InputError("there is no state to average: give at least one")
    first = states[0]
    check_parts(first, parts or ())

    def blend(label: str, tensors: Sequence[Tensor]) -> Tensor:
        wanted = parts is None or not set(parts).isdisjoint(_prefixes(label))
        return _mean(tensors) if wanted and not label.endswith(("._u", "._v")) else tensors[0]

    networks = {
        name: _blended(name, [state.networks.get(name, {}) for state in states], blend) for name in first.networks
    }
    averages = {
        name: Average(copied.of, _blended(copied.of, [_copy(state, name) for state in states], blend), copied.target)
        for name, copied in first.averages.items()
    }
    return _with(first, networks, averages)


def check_parts(state: TrainingState, parts: Iterable[str]) -> None:
    """InputError for a part that is to be averaged below which the state has no tensor."""
    below = {prefix: None for label in _labels(state.networks) for prefix in _prefixes(label)}
    for part in parts:
        _check_prefix(part, state.networks, f"{part!r} is to be averaged")
        if part not in below:
            near = difflib.get_close_matches(part, below, n=1, cutoff=0.0)
            raise InputError(f"{part!r} is to be averaged, and nothing is below it; expected e.g. {', '.join(near)}")


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
    if not _is_real(first):
        total = sum((tensor.to(torch.int64) for tensor in tensors[1:]), first.to(torch.int64))
        return torch.div(total, len(tensors), rounding_mode="floor").to(first.dtype)
    wide = torch.complex128 if first.is_complex() else torch.float64
    return (sum(tensors[1:], first.to(wide)) / len(tensors)).to(first.dtype)
