"""The 36 genes of the control space in the order of PBT-NAS's code: what is chosen, and which tensors a choice owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archloom.spaces.control import counts
from archloom.spaces.control.dimensions import Dimensions
from archloom.spaces.parted import Gene
from archloom.types import Arch

LAYERS = (1, 2, 3)
"""The numbers of the searched layers of a chain; layer 0 is fixed."""

LINEAR_LAYERS = ("id", "linear", "residual_05", "residual_2")
CONV_LAYERS = ("id", *(f"{kind}_{kernel}" for kind in ("conv", "residual", "sep_conv") for kernel in (3, 5, 7)))
ACTIVATIONS = ("id", "tanh", "relu", "swish")
NORMS = ("none", "spectral")

Part = Mapping[str, Gene]


def parts(dimensions: Dimensions) -> dict[str, Part]:
    """The genes of every part by its name, in the order of genes; no `encoder` for vectors."""
    made: dict[str, Part] = {
        "actor": {**_actor_chain(dimensions), **_shared(dimensions, "actor", ("policy",)), **_norm("actor")},
        "q1": _critic_chain(dimensions, "q1"),
        "q2": _critic_chain(dimensions, "q2"),
        "critic": {
            **_shared(dimensions, "critic", ("q1", "q2")),
            **_norm("critic", "norm_q1"),
            **_norm("critic", "norm_q2"),
        },
    }
    if dimensions.pixels:
        layers = {f"layer{i}": _conv_layer(dimensions, i) for i in LAYERS}
        made["encoder"] = {**layers, **_activations("encoder", (0, *LAYERS)), **_norm("encoder")}
    return made


def _actor_chain(dimensions: Dimensions) -> Part:
    layers = {f"layer{i}": _linear_layer(dimensions, "actor", "policy", i) for i in LAYERS}
    return {**layers, **_activations("actor", (0, *LAYERS))}


def _critic_chain(dimensions: Dimensions, chain: str) -> Part:
    """Each layer with its activation; that of the first layer comes last."""
    genes: dict[str, Gene] = {}
    for i in LAYERS:
        genes |= {f"layer{i}": _linear_layer(dimensions, "critic", chain, i), **_activations("critic", (i,))}
    return {**genes, **_activations("critic", (0,))}


def _linear_layer(dimensions: Dimensions, network: str, chain: str, number: int) -> Gene:
    costs = tuple(counts.of_linear_layer(dimensions.hidden, option) for option in LINEAR_LAYERS)
    return Gene(network, LINEAR_LAYERS, (f"{network}.{chain}.{number}",), costs)


def _conv_layer(dimensions: Dimensions, number: int) -> Gene:
    costs = tuple(counts.of_conv_layer(dimensions.width, option) for option in CONV_LAYERS)
    return Gene("encoder", CONV_LAYERS, (f"encoder.convnet.{number}",), costs)


def _shared(dimensions: Dimensions, network: str, chains: Sequence[str]) -> Part:
    """How many features there are shapes the trunk and the first layers of the chains after it; and its activation."""
    modules = (f"{network}.trunk", *(f"{network}.{chain}.0" for chain in chains))
    actions = dimensions.actions if network == "critic" else 0
    costs = tuple(counts.of_features(dimensions, count, len(chains), actions) for count in dimensions.features)
    return {"features": Gene(network, dimensions.features, modules, costs), "trunk": _weightless(network, ACTIVATIONS)}


def _activations(network: str, numbers: Sequence[int]) -> Part:
    return {f"activation{i}": _weightless(network, ACTIVATIONS) for i in numbers}


def _norm(network: str, name: str = "norm") -> Part:
    return {name: _weightless(network, NORMS)}


def _weightless(network: str, options: tuple[str, ...]) -> Gene:
    return Gene(network, options, (), (0,) * len(options))


FEATURES = (25, 50, 100, 150)
"""How many features a trunk may have."""

_CHAIN = (1, 2, 0, 0, 0, 0, 2)  # one linear layer after the first; ReLU
_ACTOR = (1, 0, 0, 2, 2, 0, 0, 1, 1, 0)  # the same; 50 features, tanh
_ENCODER = (1, 1, 1, 2, 2, 2, 2, 0)  # three 3x3 convolutions after the first; ReLU
ORIGINAL = Arch((*_ACTOR, *_CHAIN, *_CHAIN, 1, 1, 0, 0, *_ENCODER))
"""The networks of DrQ-v2 (Yarats et al. 2021), but for the padding of the encoder's convolutions: see `Control`."""
