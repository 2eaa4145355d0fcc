"""Encoder, actor and critic as a file of code, for `archloom export`."""

from __future__ import annotations

from archloom.spaces.control.dimensions import Dimensions
from archloom.spaces.exports import exported

_EXPORT = '''"""The networks of an agent for continuous control, found with archloom.

{arch}
{found_by}

    from FILE import make_network

    networks = make_network(seed=0)

Their weights are freshly initialised. Load the trained ones (archloom export RUN -o weights.safetensors) by

    from safetensors.torch import load_file

    networks.load_state_dict(load_file("weights.safetensors"))
    networks.eval()

The policy takes observations {observation} and gives actions (B, {actions}) of values in [-1, 1]:

    with torch.no_grad():
        actions = networks(observations)
"""

{code}

ENCODER_FOUND: Chain | None = {encoder}
"""The encoder's layers; None if observations are vectors, which have no encoder."""

ACTOR_FOUND: tuple[Trunk, Chain] = {actor}
"""The actor's trunk and layers."""

CRITIC_FOUND: tuple[Trunk, Chain, Chain] = {critic}
"""The critic's trunk and the layers for both of its values."""


def make_network(seed: int = 0) -> ControlNetworks:
    """Encoder, actor and critic with freshly drawn weights."""
    return ControlNetworks(
        ENCODER_FOUND,
        ACTOR_FOUND,
        CRITIC_FOUND,
        seed,
        observation={shape},
        actions={actions},
        width={width},
        hidden={hidden},
        as_published={as_published},
    )
'''


def source_of(
    encoder: object,
    actor: object,
    critic: object,
    dimensions: Dimensions,
    as_published: bool,
    *,
    arch: str,
    found_by: str,
) -> str:
    """A file that needs PyTorch only. The networks are literals of what `nets.control.ControlNetworks` takes."""
    shape = ", ".join(map(str, dimensions.observation))
    told = (
        f"(B, {shape}), bytes of frames one after the other, the oldest first,"
        if dimensions.pixels
        else f"(B, {shape})"
    )
    return exported(
        _EXPORT,
        "control",
        arch=arch,
        found_by=found_by,
        encoder=encoder,
        actor=actor,
        critic=critic,
        observation=told,
        shape=dimensions.observation,
        actions=dimensions.actions,
        width=dimensions.width,
        hidden=dimensions.hidden,
        as_published=as_published,
    )
