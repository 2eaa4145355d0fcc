"""The spaces `hnag`, `rnag`, `hnag_aug1` and `hnag_aug2`: hyper-parameters of generators of networks, and a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.base import Count
from archloom.spaces.domains import Domain, Real, Seed
from archloom.spaces.drawing import NestedDrawing
from archloom.spaces.random_graph.counts import check_memory, parameters
from archloom.spaces.random_graph.generator import Generator, Weights
from archloom.spaces.random_graph.plan import AREAS, CONVOLUTIONS, MERGES, STAGES, Plan, stages_of
from archloom.spaces.random_graph.settings import (
    HeadWidth,
    Millions,
    NetworkOptions,
    RealRange,
    StemName,
    WholeRange,
    probabilities,
    shown,
    whole_numbers,
)
from archloom.spaces.random_graph.source import source_of
from archloom.spaces.random_graph.wiring import ErdosRenyi, Model, Path, WattsStrogatz
from archloom.spaces.sizes import ImageSize
from archloom.spaces.space import Space
from archloom.types import Arch

if TYPE_CHECKING:
    from torch import nn

GRAPH_SEED = "graph_seed"
"""The gene of the seed that all graphs of a network follow from. No model sees it."""
CHANNEL_RATIOS = (1.0, 2.0, 4.0)
_SUMS: Weights = {"sum": 1.0}
_CONV3: Weights = {"conv3x3": 1.0}

Merge = Literal["sum", "concat", "attention"]
Operation = Literal["conv3x3", "conv5x5", "conv1x1", "conv3x1", "conv1x3", "avg_pool_3", "avg_pool_5"]


class RandomGraphSpace(Space, ABC):
    """What the spaces share: an architecture is a generator of networks and the seed of one network of it.

    `params_m` limits the weights of a network's operations, in millions, by its channels. A stem, "small" or "large"
    (which reduces images to a fourth), is chosen by `image_size` if it is "auto": "large" from 40 pixels on.
    `head_width`: the channels of the last convolution. `auxiliary`: whether networks have a second head that helps to
    train them.
    """

    proxy_sizes: Mapping[str, float] = {"params_m": 0.2, "head_width": 128}

    def __init__(self, domains: Mapping[str, Domain], networks: NetworkOptions) -> None:
        super().__init__({**domains, GRAPH_SEED: Seed()})
        self.networks = networks

    @classmethod
    def for_table(
        cls, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]], **settings: Any
    ) -> NoReturn:
        """This space trains its networks. InputError, which says how to search a table."""
        raise InputError(
            f"{cls.name} trains its networks and reads no table; use --on table to search a table's choices"
        )

    def plan(self, arch: Arch) -> Plan:
        """The network of an architecture as plain data. InputError for genes out of their domains."""
        values = self.choices(arch)
        graph = self.generator(values).draw(values[GRAPH_SEED])
        stages = stages_of(graph.wiring.nodes, self.stage_ratios(values))
        networks = self.networks
        return Plan(graph, stages, self.channel_ratios(values), networks.limit, networks.image, networks.chosen_stem)

    @abstractmethod
    def generator(self, values: Mapping[str, Any]) -> Generator:
        """The generator with these values of genes."""

    def stage_ratios(self, values: Mapping[str, Any]) -> tuple[float, ...]:
        """How many top nodes the stages have, relative to one another."""
        return (1.0,) * STAGES

    def channel_ratios(self, values: Mapping[str, Any]) -> tuple[float, ...]:
        """How many channels the stages have, relative to the one with the fewest."""
        return CHANNEL_RATIOS

    def details(self, arch: Arch) -> dict[str, Any]:
        """What the text of an architecture does not tell of its network; results of trainings have it.

        `joined_graphs`: how many graphs were never drawn connected. `operation_params_m` are the weights, in millions,
        that the limit `params_m` is for; `over_limit` is there, and true, if even a multiplier of 1 is too much.
        """
        plan = self.plan(arch)
        return {
            "operations": len(plan.graph.operations),
            "joined_graphs": len(plan.joined),
            "multiplier": plan.multiplier,
            "operation_params_m": plan.weights / 1e6,
            **({"over_limit": True} if plan.over_limit else {}),
        }

    def parameters(self, arch: Arch) -> int:
        """The exact number of parameters of the network, its stem and its heads included."""
        return parameters(self.plan(arch), self.networks)

    def counts(self) -> Mapping[str, Count]:
        """Parameters in millions; a few milliseconds for each architecture."""

        def params_m(genes: NDArray[np.number[Any]]) -> NDArray[np.float64]:
            return np.array([self.parameters(Arch(tuple(row))) / 1e6 for row in genes.tolist()], dtype=np.float64)

        return {"params_m": params_m}

    def build(self, arch: Arch, seed: int) -> nn.Module:
        """The network, for images of shape (B, image_channels, H, W), its weights drawn from `seed` alone.

        InputError for one that this machine's memory cannot hold.
        """
        from archloom.nets.random_graph import RandomGraphNetwork

        plan, networks = self.plan(arch), self.networks
        check_memory(self.format(arch), parameters(plan, networks))
        return RandomGraphNetwork(
            plan.literal(),
            seed,
            image_channels=networks.image_channels,
            classes=networks.classes,
            head_width=networks.head_width,
            auxiliary=networks.auxiliary,
        )

    def source(self, arch: Arch, found_by: str) -> str:
        """The network as a file that needs PyTorch only."""
        return source_of(self.plan(arch), self.networks, arch=self.format(arch), found_by=found_by)

    def nested_drawing(self, arch: Arch) -> NestedDrawing:
        """The three levels, the top nodes with their channels and the size of their images."""
        plan = self.plan(arch)
        joined = len(plan.joined)
        return NestedDrawing(
            plan.graph.drawn,
            tuple(f"stage {stage + 1}" for stage in plan.stages),
            tuple(
                f"{channels} channel{'' if channels == 1 else 's'}, {size.height} x {size.width}"
                for channels, size in zip(plan.channels, plan.sizes, strict=True)
            ),
            (
                f"{plan.weights / 1e6:.3g} of {self.networks.params_m:g} million weights in operations, "
                f"multiplier {plan.multiplier}; {parameters(plan, self.networks) / 1e6:.3g} million parameters in all",
                *(["above the limit: even a multiplier of 1 is too much"] if plan.over_limit else []),
                *([f"graphs that were never drawn connected, and were joined: {joined}"] if joined else []),
            ),
        )


class Hnag(RandomGraphSpace):
    """NAGO's hierarchical generator (Ru et al. 2020): a Watts-Strogatz graph whose nodes are Erdős-Rényi graphs, whose
    nodes are Watts-Strogatz graphs of 3x3 convolutions; inputs are summed.

    Ranges of genes are the paper's. Stages have equal shares of the top nodes, and channels as 1 to 2 to 4.
    """

    name = "hnag"

    def __init__(
        self,
        top_nodes: WholeRange = (3, 10),
        top_neighbours: WholeRange = (2, 5),
        top_rewiring: RealRange = (0.1, 0.9),
        mid_nodes: WholeRange = (1, 10),
        mid_edge: RealRange = (0.1, 0.9),
        bottom_nodes: WholeRange = (3, 10),
        bottom_neighbours: WholeRange = (2, 5),
        bottom_rewiring: RealRange = (0.1, 0.9),
        params_m: Millions = 4.0,
        image_channels: int = 3,
        classes: int = 10,
        image_size: ImageSize = 32,
        stem: StemName = "auto",
        head_width: HeadWidth = 1280,
        auxiliary: bool = False,
    ) -> None:
        name = self.name
        domains = {
            "top_nodes": whole_numbers(name, "top_nodes", top_nodes, 1),
            "top_neighbours": whole_numbers(name, "top_neighbours", top_neighbours, 2),
            "top_rewiring": probabilities(name, "top_rewiring", top_rewiring),
            "mid_nodes": whole_numbers(name, "mid_nodes", mid_nodes, 1),
            "mid_edge": probabilities(name, "mid_edge", mid_edge),
            "bottom_nodes": whole_numbers(name, "bottom_nodes", bottom_nodes, 1),
            "bottom_neighbours": whole_numbers(name, "bottom_neighbours", bottom_neighbours, 2),
            "bottom_rewiring": probabilities(name, "bottom_rewiring", bottom_rewiring),
            **self.more_domains(),
        }
        networks = NetworkOptions(name, params_m, image_channels, classes, image_size, stem, head_width, auxiliary)
        super().__init__(domains, networks)

    def more_domains(self) -> Mapping[str, Domain]:
        """Genes between those of the graphs and the seed."""
        return {}

    def generator(self, values: Mapping[str, Any]) -> Generator:
        bottom = _watts_strogatz(values, "bottom_{}")
        mid = ErdosRenyi(values["mid_nodes"], values["mid_edge"])
        return Generator(
            _watts_strogatz(values, "top_{}"), mid, (bottom,), self.merges(values), self.operations(values)
        )

    def merges(self, values: Mapping[str, Any]) -> Weights:
        """How likely each way to merge inputs is."""
        return _SUMS

    def operations(self, values: Mapping[str, Any]) -> Weights:
        """How likely each operation is."""
        return _CONV3


class HnagAug1(Hnag):
    """`hnag`, of which nodes also draw how they merge inputs and what they do, in proportion to weights that are genes.

    `merges` and `operations` are those that have a gene, of 0 to 1. If all of a kind are 0, each is as likely as the
    next. The outputs of bottom graphs draw among convolutions only.
    """

    name = "hnag_aug1"

    def __init__(
        self,
        top_nodes: WholeRange = (3, 10),
        top_neighbours: WholeRange = (2, 5),
        top_rewiring: RealRange = (0.1, 0.9),
        mid_nodes: WholeRange = (1, 10),
        mid_edge: RealRange = (0.1, 0.9),
        bottom_nodes: WholeRange = (3, 10),
        bottom_neighbours: WholeRange = (2, 5),
        bottom_rewiring: RealRange = (0.1, 0.9),
        merges: tuple[Merge, ...] = ("sum", "concat"),
        operations: tuple[Operation, ...] = ("conv1x1", "conv3x3", "conv5x5", "avg_pool_3", "avg_pool_5"),
        params_m: Millions = 4.0,
        image_channels: int = 3,
        classes: int = 10,
        image_size: ImageSize = 32,
        stem: StemName = "auto",
        head_width: HeadWidth = 1280,
        auxiliary: bool = False,
    ) -> None:
        self._merges = _named(self.name, "merges", merges, MERGES)
        self._operations = _named(self.name, "operations", operations, tuple(AREAS))
        if not set(self._operations) & set(CONVOLUTIONS):
            raise InputError(
                f"{self.name} option operations={','.join(self._operations)}: expected a convolution among them, "
                "for the nodes at the end of graphs"
            )
        super().__init__(
            top_nodes, top_neighbours, top_rewiring, mid_nodes, mid_edge,
            bottom_nodes, bottom_neighbours, bottom_rewiring,
            params_m, image_channels, classes, image_size, stem, head_width, auxiliary,
        )  # fmt: skip

    def more_domains(self) -> Mapping[str, Domain]:
        return {name: Real(0.0, 1.0) for name in (*map(_merge_gene, self._merges), *self._operations)}

    def merges(self, values: Mapping[str, Any]) -> Weights:
        return {name: values[_merge_gene(name)] for name in self._merges}

    def operations(self, values: Mapping[str, Any]) -> Weights:
        return {name: values[name] for name in self._operations}


class HnagAug2(Hnag):
    """`hnag`, of which the stages' shares of top nodes and of channels are genes, as numbers relative to one another.

    The stage with the fewest channels has as many as the multiplier says, another one its ratio to that times as many,
    rounded down.
    """

    name = "hnag_aug2"
    _nodes: ClassVar[tuple[str, ...]] = tuple(f"stage_{stage + 1}" for stage in range(STAGES))
    _channels: ClassVar[tuple[str, ...]] = tuple(f"channels_{stage + 1}" for stage in range(STAGES))

    def more_domains(self) -> Mapping[str, Domain]:
        return {name: Real(0.1, 1.0) for name in (*self._nodes, *self._channels)}

    def stage_ratios(self, values: Mapping[str, Any]) -> tuple[float, ...]:
        return tuple(values[name] for name in self._nodes)

    def channel_ratios(self, values: Mapping[str, Any]) -> tuple[float, ...]:
        fewest = min(values[name] for name in self._channels)
        return tuple(values[name] / fewest for name in self._channels)


class Rnag(RandomGraphSpace):
    """The flat generator of randomly wired networks (Xie et al. 2019): a Watts-Strogatz graph of 3x3 convolutions for
    each of three stages; channels are as 1 to 2 to 4.

    `nodes`, `neighbours` and `rewiring` are the ranges of all three graphs. As in NAGO's hierarchy, the graphs are the
    nodes of a Watts-Strogatz graph of three, which is always a triangle: the first also feeds the last. With `sequence`
    each feeds only the next.
    """

    name = "rnag"

    def __init__(
        self,
        nodes: WholeRange = (10, 40),
        neighbours: WholeRange = (2, 5),
        rewiring: RealRange = (0.1, 0.9),
        sequence: bool = False,
        params_m: Millions = 4.0,
        image_channels: int = 3,
        classes: int = 10,
        image_size: ImageSize = 32,
        stem: StemName = "auto",
        head_width: HeadWidth = 1280,
        auxiliary: bool = False,
    ) -> None:
        if type(sequence) is not bool:
            raise InputError(f"{self.name} option sequence={sequence}: expected true or false")
        domains: dict[str, Domain] = {}
        for stage in range(1, STAGES + 1):
            domains[f"nodes_{stage}"] = whole_numbers(self.name, "nodes", nodes, 1)
            domains[f"neighbours_{stage}"] = whole_numbers(self.name, "neighbours", neighbours, 2)
            domains[f"rewiring_{stage}"] = probabilities(self.name, "rewiring", rewiring)
        self._top: Model = Path(STAGES) if sequence else WattsStrogatz(STAGES, 2, 0.0)
        networks = NetworkOptions(self.name, params_m, image_channels, classes, image_size, stem, head_width, auxiliary)
        super().__init__(domains, networks)

    def generator(self, values: Mapping[str, Any]) -> Generator:
        bottoms = tuple(_watts_strogatz(values, f"{{}}_{stage}") for stage in range(1, STAGES + 1))
        return Generator(self._top, ErdosRenyi(1, 0.0), bottoms, _SUMS, _CONV3)


def _watts_strogatz(values: Mapping[str, Any], name: str) -> WattsStrogatz:
    """The model whose parameters are genes with such names, of which {} is the parameter."""
    nodes, neighbours, rewiring = (values[name.format(gene)] for gene in ("nodes", "neighbours", "rewiring"))
    return WattsStrogatz(nodes, neighbours, rewiring)


def _merge_gene(merge: str) -> str:
    return f"merge_{merge}"


def _named(space: str, option: str, given: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Names as they were given; InputError for none, for unknown and for repeated ones."""
    names = given if isinstance(given, list | tuple) else ()
    wrong = [name for name in names if name not in known]
    if wrong or not names or len(set(names)) < len(names):
        raise InputError(
            f"{space} option {option}={shown(given)}: expected one or more of {', '.join(known)}, each once"
        )
    return tuple(names)
