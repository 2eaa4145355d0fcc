"""`Control`: the architectures of the networks of a DrQ-v2 agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from archloom.spaces.control import counts
from archloom.spaces.control.dimensions import Dimensions
from archloom.spaces.control.genes import FEATURES, LAYERS, ORIGINAL, parts
from archloom.spaces.control.source import source_of
from archloom.spaces.drawing import Drawing, DrawnEdge
from archloom.spaces.parted import PartedSpace
from archloom.types import Arch
from archloom.utils.options import PositiveInt

if TYPE_CHECKING:
    from archloom.nets.control import Chain, ControlNetworks, Trunk

Observation = Annotated[
    tuple[PositiveInt, ...], msgspec.Meta(description="channels, height and width; or the length of a vector")
]
Features = Annotated[tuple[PositiveInt, ...], msgspec.Meta(min_length=1)]


class Control(PartedSpace):
    """36 choices: 10 of the actor, 18 of the critic (its two chains of layers, and what they share), 8 of the encoder.

    They make 2^53 * 512,000 = 4.6117e21 architectures. Each of the four chains has a fixed first layer and three
    searched ones; those of kind `id` do nothing and have no activation. A norm concerns the first layer and the
    searched ones of its chain, neither trunk nor last layer. Every setting of the genes represents itself, even if two
    make networks that compute the same (an `id` in another place). Strings are `actor linear id id relu ... | q1 linear
    relu ... | q2 ... | critic 50 tanh none none | encoder conv_3 ...`.

    `observation` is the shape of what an agent sees, `actions` how many numbers it answers with. `width` is the number
    of channels of the encoder, `hidden` the width of the layers of actor and critic, `features` what there is to choose
    for their trunks. If an observation is a vector, there is no encoder, and there are no genes of one: 28 choices.

    A layer owns all of its tensors; `features` owns the trunk and the first layers after it, whose shapes it decides;
    activations and norms own nothing. No gene owns the encoder's first convolution, or the last layers.

    `original` is DrQ-v2. It differs from the published networks in the padding of the encoder's last three
    convolutions: theirs have none, so that of 84 x 84 pixels 35 x 35 are left, here 41 x 41, and the trunks read 53,792
    numbers instead of 39,200.

    With `as_published` the networks repeat a slip of PBT-NAS's code: layers with spectral normalisation begin with
    PyTorch's default weights instead of orthogonal ones.
    """

    name = "control"

    def __init__(
        self,
        observation: Observation = (9, 84, 84),
        actions: PositiveInt = 6,
        width: PositiveInt = 32,
        hidden: Annotated[int, msgspec.Meta(ge=2, multiple_of=2)] = 1024,
        features: Features = FEATURES,
        as_published: bool = False,
    ) -> None:
        self.dimensions = Dimensions(tuple(observation), actions, width, hidden, tuple(features))
        self.as_published = as_published
        super().__init__(parts(self.dimensions))

    @property
    def original(self) -> Arch:
        """DrQ-v2's architecture; its trunks have the number of features that is nearest to 50."""
        genes = list(ORIGINAL.genes[: len(self.options)])
        for gene, name in enumerate(self.gene_names):
            if name.endswith(".features"):
                genes[gene] = min(range(len(self.values[gene])), key=lambda i: abs(int(str(self.values[gene][i])) - 50))
        return Arch(tuple(genes))

    # -- networks -------------------------------------------------------------------------------------------------

    def build(self, arch: Arch, seed: int) -> ControlNetworks:
        """The networks as the children `encoder`, `actor` and `critic`, with weights from `seed` alone."""
        from archloom.nets.control import ControlNetworks

        size = self.dimensions
        plans = self.encoder_plan(arch), self.actor_plan(arch), self.critic_plan(arch)
        return ControlNetworks(
            *plans, seed, size.observation, size.actions, size.width, size.hidden, as_published=self.as_published
        )

    def source(self, arch: Arch, found_by: str) -> str:
        """`archloom/nets/control.py` with this architecture filled in: a file that needs PyTorch only."""
        plans = self.encoder_plan(arch), self.actor_plan(arch), self.critic_plan(arch)
        return source_of(*plans, self.dimensions, self.as_published, arch=self.format(arch), found_by=found_by)

    def encoder_plan(self, arch: Arch) -> Chain | None:
        """The encoder's layers; None for vectors."""
        chosen = self._chosen(arch).get("encoder")
        return None if chosen is None else _chain(chosen, chosen["norm"])

    def actor_plan(self, arch: Arch) -> tuple[Trunk, Chain]:
        """The actor's trunk and layers."""
        chosen = self._chosen(arch)["actor"]
        return _trunk(chosen), _chain(chosen, chosen["norm"])

    def critic_plan(self, arch: Arch) -> tuple[Trunk, Chain, Chain]:
        """The critic's trunk and the layers for both of its values."""
        chosen = self._chosen(arch)
        shared = chosen["critic"]
        return _trunk(shared), _chain(chosen["q1"], shared["norm_q1"]), _chain(chosen["q2"], shared["norm_q2"])

    def _bases(self) -> Mapping[str, int]:
        return counts.bases(self.dimensions)

    # -- pictures -------------------------------------------------------------------------------------------------

    def drawing(self, arch: Arch) -> Drawing:
        """A chain for the encoder, the actor and each value of the critic, whose trunk is drawn in both.

        Nodes are the channels or numbers between layers, edges the layers, without those of kind `id`.
        """
        encoder, (actor_trunk, policy), (critic_trunk, q1, q2) = (
            self.encoder_plan(arch), self.actor_plan(arch), self.critic_plan(arch),
        )  # fmt: skip
        hidden, size = str(self.dimensions.hidden), self.dimensions
        drawn = _Drawn()
        if encoder is not None:
            drawn.part("encoder", size.observation[0], _edges("conv_3", encoder, str(size.width)))
        values = [(name, critic_trunk, chain, ("linear", "value")) for name, chain in (("q1", q1), ("q2", q2))]
        for name, trunk, chain, end in [("actor", actor_trunk, policy, ("linear tanh", "action")), *values]:
            edges = [(f"linear {trunk[1]}", str(trunk[0])), *_edges("linear", chain, hidden), end]
            drawn.part(name, size.encoded, edges)
        return Drawing(tuple(drawn.nodes), tuple(drawn.edges), tuple(drawn.parts))


class _Drawn:
    """Chains that are being drawn, one after the other."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.edges: list[DrawnEdge] = []
        self.parts: list[tuple[str, int]] = []

    def part(self, name: str, start: int, edges: Sequence[tuple[str, str]]) -> None:
        """A chain from a node of `start` numbers, by the labels of its edges and of the nodes they lead to."""
        self.parts.append((name, len(self.nodes)))
        self.nodes.append(str(start))
        for label, node in edges:
            self.edges.append(DrawnEdge(len(self.nodes) - 1, len(self.nodes), label))
            self.nodes.append(node)


def _edges(first: str, chain: Chain, width: str) -> list[tuple[str, str]]:
    """The labels of a chain's layers, with the width that each makes."""
    activation, layers, spectral = chain
    suffix = " spectral" if spectral else ""
    return [(f"{kind} {name}{suffix}", width) for kind, name in ((first, activation), *layers) if kind != "id"]


def _chain(chosen: Mapping[str, Any], norm: str) -> Chain:
    layers = [(chosen[f"layer{i}"], chosen[f"activation{i}"]) for i in LAYERS]
    return chosen["activation0"], layers, norm == "spectral"


def _trunk(chosen: Mapping[str, Any]) -> Trunk:
    return chosen["features"], chosen["trunk"]
