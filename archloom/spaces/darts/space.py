"""`Darts`: the DARTS cells as a search space of archloom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.alignment import aligned
from archloom.spaces.base import says_otherwise, shown_one_by_one
from archloom.spaces.coordinates import Coordinates
from archloom.spaces.darts.alpha import ALPHA_SHAPE, discretise, one_hot
from archloom.spaces.darts.coordinates import DartsCoordinates
from archloom.spaces.darts.encoding import LABELS, WIDTH, encode
from archloom.spaces.darts.features import FLOW, LAYOUT, features, flow_batches
from archloom.spaces.darts.genotypes import (
    CELLS,
    EDGES,
    FIRST_EDGE,
    NODES,
    OPERATIONS,
    SHAPE,
    Genotypes,
    broken,
    canonical,
    checked,
    explain,
    random_genotypes,
    valid,
)
from archloom.spaces.darts.graph import GenotypeGrammar, genotype_of_graph, graph_of
from archloom.spaces.darts.moves import NEIGHBOURS, TUPLES, draw_neighbours, neighbours
from archloom.spaces.darts.texts import from_text, to_text
from archloom.spaces.darts.topology import depths, widths
from archloom.spaces.drawing import AlphaLayout, Drawing, DrawnEdge, Topology
from archloom.spaces.exports import exported
from archloom.spaces.features import FeatureLayout
from archloom.spaces.flow import Flow, FlowBatch
from archloom.spaces.graphs import Graph, GraphGrammar
from archloom.spaces.known import BenchmarkTable, Finding
from archloom.spaces.sizes import ImageSize, NetworkSizes, SizedNetworks
from archloom.spaces.walks import Shown
from archloom.types import Arch

if TYPE_CHECKING:
    from torch import nn

    from archloom.nets.supernets.base import Path, Sharing, Supernet

_LENGTH = math.prod(SHAPE)
_FAR = 2**31

OPTIONS: Mapping[str, tuple[str, ...]] = {
    f"{cell}_{2 + pair // 2}{'ab'[pair % 2]}_{what}": values
    for cell in CELLS
    for pair in range(2 * NODES)
    for what, values in (("from", tuple(map(str, range(pair // 2 + 2)))), ("op", OPERATIONS))
}
"""The genes of a table of this space and their options: `normal_2a_from`, `normal_2a_op`, `normal_2b_from`, ..."""

_EXPORT = '''"""A DARTS network, found with archloom.

{arch}
{found_by}

    from FILE import make_network

    network = make_network(seed=0, channels={channels}, layers={layers}, classes={classes})
"""

{code}

NORMAL = {normal}
REDUCE = {reduce}
"""The (operation, source) pairs of the two cells that were found."""


def make_network(
    seed: int = 0,
    channels: int = {channels},
    layers: int = {layers},
    classes: int = {classes},
    auxiliary: bool = {auxiliary},
    drop_path: float = 0.0,
    images: Images = {images},
    image_channels: int = {image_channels},
) -> DartsNetwork:
    """The network with freshly drawn weights, for images of shape (B, image_channels, H, W).

    images=CIFAR is made for images of 32 x 32, images=IMAGENET for those of 224 x 224; both take other sizes too. With
    auxiliary=True it has DARTS's auxiliary head, for training by network.with_auxiliary(x).
    """
    return DartsNetwork(
        NORMAL, REDUCE, seed, channels, layers, classes, auxiliary, drop_path, images, image_channels
    )
'''


class Darts(SizedNetworks):
    """The cells of DARTS and NAS-Bench-301: a normal and a reduction cell.

    Genes are a genotype (2, 8, 2) row by row: cell, pair, (source, operation). The two pairs of a node have no order,
    so the earlier source comes first in the canonical form. Nodes are not relabelled: cells that differ only in the
    names of their nodes compute the same up to the order of channels, but the benchmarks tell them apart.

    Networks are DARTS's evaluation networks of `cells` cells in all, `channels` channels wide in the first ones, for
    images of `image_channels` channels and `image_size` pixels in `classes` classes. The `stem` "cifar" is one
    convolution, "imagenet" three that reduce images to an eighth. `auxiliary` gives them their auxiliary head.
    """

    name = "darts"
    graph_labels = LABELS
    encoding = "darts"
    encoding_bits = WIDTH
    supernet_sizes: Mapping[str, int] = {"channels": 16, "cells": 6}
    proxy_sizes: Mapping[str, int] = {"channels": 8, "cells": 6}

    def __init__(
        self,
        options: Mapping[str, Sequence[object]] | None = None,
        channels: int = 36,
        cells: int = 20,
        classes: int = 10,
        image_channels: int = 3,
        image_size: ImageSize = 32,
        stem: Literal["cifar", "imagenet"] = "cifar",
        auxiliary: bool = False,
    ) -> None:
        self.network_sizes = NetworkSizes(channels, cells, classes, image_channels, image_size, stem)
        self.auxiliary = auxiliary
        given = {} if options is None else {gene: tuple(map(str, values)) for gene, values in options.items()}
        if options is not None and list(given.items()) != list(OPTIONS.items()):
            wrong = next((gene for gene in given if given[gene] != OPTIONS.get(gene)), f"{len(given)} genes")
            raise InputError(
                f"darts table, {wrong}: expected the 32 genes {', '.join(list(OPTIONS)[:3])}, ... in order"
            )

    @classmethod
    def for_table(
        cls, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]], **settings: Any
    ) -> Darts:
        """The space of a table whose genes are `OPTIONS`."""
        return cls(options, **settings)

    @classmethod
    def known_answers(cls, table: BenchmarkTable) -> Iterator[Finding]:
        """Every row a genotype that keeps the rules, and metrics in the rows of their genotypes."""
        try:
            cls(dict(zip(table.gene_names, table.options, strict=True)))
        except InputError as error:
            yield Finding(False, str(error))
            return
        broken_rows = int((~valid(table.genes.reshape(-1, *SHAPE))).sum())
        yield Finding(broken_rows == 0, f"{broken_rows} rows are no genotypes, expected 0")
        yield from aligned(table)

    def representative_rows(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """(n,) which rows (n, 32) are their own canonical architecture."""
        same: NDArray[np.bool_] = (canonical(rows.reshape(-1, *SHAPE)).reshape(rows.shape) == rows).all(axis=1)
        return same

    @property
    def size(self) -> int:
        """Node k = 0..3 chooses two of k + 2 sources and an operation for each."""
        cell = math.prod(math.comb(node + 2, 2) * len(OPERATIONS) ** 2 for node in range(NODES))
        return cell**2

    def sample(self, rng: np.random.Generator) -> Arch:
        return to_arch(random_genotypes(1, rng)[0])

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """One of the 120 neighbours, drawn uniformly."""
        return self.neighbours(arch)[int(rng.integers(2 * NEIGHBOURS))]

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        """The 120 architectures that differ in one operation or one source of one cell; the normal cell's come first.

        Each is canonical. (`archloom.spaces.darts.draw_neighbours` moves both cells at once.)
        """
        genotype = _valid(arch)
        near = np.tile(canonical(genotype), (2, NEIGHBOURS, 1, 1, 1))  # (2, 60, 2, 8, 2)
        for cell, changed in enumerate(neighbours(genotype)):
            near[cell, :, cell] = changed
        return [Arch(tuple(genes)) for genes in near.reshape(2 * NEIGHBOURS, _LENGTH).tolist()]

    def encode(self, genes: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Both cells with operations on vertices; see `encoding`."""
        return encode(genes.reshape(-1, *SHAPE))

    def show_neighbours(self, genes: NDArray[np.integer[Any]], most: int, rng: np.random.Generator) -> Shown:
        """Up to `most` of the 3,600 in which both cells have moved (`moves`), other than those of `neighbours`."""
        if says_otherwise(self, Darts):
            return shown_one_by_one(self, genes, most, rng)
        shown = draw_neighbours(genes.reshape(-1, *SHAPE), min(most, TUPLES), rng)
        return Shown(shown.reshape(*shown.shape[:2], _LENGTH), np.full(len(shown), shown.shape[1]))

    def violations(self, arch: Arch) -> Mapping[str, float]:
        """How often each rule is broken: sources that are equal or come too late, operations that do not exist."""
        return {rule: float(times) for rule, times in broken(genotype_of(arch)).items()}

    def canonical(self, arch: Arch) -> Arch:
        return to_arch(canonical(genotype_of(arch)))

    def key(self, arch: Arch) -> str:
        """Source and operation of every canonical pair: two digits a pair, a cell a word."""
        normal, reduce = canonical(_valid(arch)).reshape(2, -1).tolist()
        return f"{''.join(map(str, normal))} {''.join(map(str, reduce))}"

    def format(self, arch: Arch) -> str:
        return to_text(_valid(arch))

    def parse(self, text: str) -> Arch:
        return to_arch(from_text(text))

    @property
    def alpha_shape(self) -> tuple[int, int]:
        return ALPHA_SHAPE

    def discretise(self, alpha: NDArray[np.floating]) -> Arch:
        """For each node the best entry of alpha (28, 7) and the best one of another edge; see `alpha.discretise`."""
        return to_arch(discretise(alpha[None])[0])

    def one_hot(self, arch: Arch) -> NDArray[np.float32]:
        matrix: NDArray[np.float32] = one_hot(genotype_of(arch)[None])[0]
        return matrix

    @property
    def alpha_layout(self) -> AlphaLayout:
        """Both cells, their edges as "source→node": inputs k-2 and k-1 (the two cells before), nodes 2 to 5."""
        sources = ("k-2", "k-1", *map(str, range(2, 2 + NODES)))
        edges = tuple(f"{sources[source]}→{node + 2}" for node in range(NODES) for source in range(node + 2))
        nodes = tuple(cell * EDGES + first for cell in range(len(CELLS)) for first in FIRST_EDGE[1:])
        parts = tuple((f"{cell} cell", number * EDGES) for number, cell in enumerate(CELLS))
        return AlphaLayout(len(CELLS) * edges, OPERATIONS, nodes, parts)

    def coordinates(self) -> Coordinates:
        """For each node its two sources, and the operation of either."""
        return DartsCoordinates(_valid)

    def topology(self, archs: Sequence[Arch]) -> Mapping[str, Topology]:
        """Of the normal and the reduction cells; see `topology`."""
        genotypes = _genotypes(archs)
        wide, deep = widths(genotypes), depths(genotypes)
        return {cell: Topology(wide[:, number], deep[:, number]) for number, cell in enumerate(CELLS)}

    def to_graph(self, arch: Arch) -> Graph:
        """Both cells side by side, 30 vertices, with operations on vertices; see `graph`."""
        return graph_of(_valid(arch))

    @property
    def flow(self) -> Flow:
        """`skip_connect` is the identity."""
        return FLOW

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        """The normal cells, and the reduction cells."""
        return flow_batches(_genotypes(archs))

    @property
    def feature_layout(self) -> FeatureLayout:
        """A group of codes for each node of both cells; statistics of the flow, and how many nodes no node reads."""
        return LAYOUT

    def features(self, archs: Sequence[Arch]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return features(_genotypes(archs))

    def from_graph(self, graph: Graph) -> Arch:
        return to_arch(genotype_of_graph(graph))

    def grammar(self) -> GraphGrammar:
        return GenotypeGrammar()

    def build(self, arch: Arch, seed: int) -> nn.Module:
        """The evaluation network; by default as published for CIFAR-10, without auxiliary head."""
        from archloom.nets.darts import DartsNetwork

        normal, reduce = _pairs(arch)
        return DartsNetwork(normal, reduce, seed, auxiliary=self.auxiliary, **self._settings())

    def supernet(self, seed: int, sharing: Sharing) -> Supernet:
        """The search network of DARTS, or of PC-DARTS with `sharing.partial`, which must divide the channels."""
        from archloom.nets.supernets.darts import DartsSupernet

        self._check_partial(sharing)
        return DartsSupernet(seed, sharing, **self._settings())

    def path(self, arch: Arch) -> Path:
        """(normal, reduce): eight (operation, source) each, in canonical order."""
        return tuple(tuple(pairs) for pairs in _pairs(self.canonical(arch)))

    def plain(self, arch: Arch, seed: int, sharing: Sharing) -> nn.Module:
        """The evaluation network but for normalised pools (and partial channels), without auxiliary head."""
        from archloom.nets.supernets.darts import plain_network

        self._check_partial(sharing)
        return plain_network(self.path(arch), seed, sharing, **self._settings())

    def _settings(self) -> dict[str, Any]:
        """What the networks and the supernet are made with."""
        from archloom.nets.darts import STEMS

        return {
            "channels": self.channels,
            "layers": self.cells,
            "classes": self.classes,
            "images": STEMS[self.stem],
            "image_channels": self.image_channels,
        }

    def _check_partial(self, sharing: Sharing) -> None:
        if sharing.partial < 1 or self.channels % sharing.partial:
            raise InputError(
                f"partial {sharing.partial} with {self.channels} channels: expected a divisor of the channels; "
                f"choose another, or other channels (space.channels)"
            )

    def source(self, arch: Arch, found_by: str) -> str:
        """`archloom/nets/darts.py` with these cells filled in: a file that needs PyTorch only."""
        normal, reduce = _pairs(arch)
        return exported(
            _EXPORT,
            "darts",
            arch=self.format(arch),
            found_by=found_by,
            normal=normal,
            reduce=reduce,
            channels=self.channels,
            layers=self.cells,
            classes=self.classes,
            auxiliary=self.auxiliary,
            images=self.stem.upper(),  # a name in the module's code
            image_channels=self.image_channels,
        )

    def drawing(self, arch: Arch) -> Drawing:
        """Both cells: inputs k-2 and k-1 (the two cells before), nodes 2 to 5, and the output k.

        Their titles give width and depth (see `topology`).
        """
        nodes: list[str] = []
        edges: list[DrawnEdge] = []
        parts: list[tuple[str, int]] = []
        shapes = zip(widths(_valid(arch))[0].tolist(), depths(_valid(arch))[0].tolist(), strict=True)
        for cell, pairs, (width, depth) in zip(CELLS, _pairs(arch), shapes, strict=True):
            start = len(nodes)
            parts.append((f"{cell} cell, width {width:g}, depth {depth}", start))
            nodes += ["k-2", "k-1", "2", "3", "4", "5", "k"]
            edges += [
                DrawnEdge(start + source, start + 2 + pair // 2, name) for pair, (name, source) in enumerate(pairs)
            ]
            edges += [DrawnEdge(start + 2 + node, start + 2 + NODES) for node in range(NODES)]
        return Drawing(tuple(nodes), tuple(edges), tuple(parts))


def to_arch(genotype: NDArray[np.integer[Any]]) -> Arch:
    """The genes of one genotype (2, 8, 2)."""
    return Arch(tuple(genotype.reshape(-1).tolist()))


def genotype_of(arch: Arch) -> NDArray[np.int64]:
    """The genotype (2, 8, 2) of genes that may break rules; InputError unless they are 32 whole numbers."""
    genes = arch.genes
    if len(genes) != _LENGTH or not all(map(_is_whole, genes)):
        raise InputError(f"genes {_shown(genes)}: expected {_LENGTH} whole numbers, (source, operation) of 2 x 8 pairs")
    return np.array(genes, dtype=np.int64).reshape(SHAPE)


def _genotypes(archs: Sequence[Arch]) -> Genotypes:
    """(n, 2, 8, 2) valid genotypes; InputError for what is none."""
    try:
        rows = [bytes(arch.genes) for arch in archs]  # type: ignore[arg-type]  # floats are refused, and read below
        if any(len(row) != _LENGTH for row in rows):
            raise ValueError
    except (TypeError, ValueError):
        return checked(np.array([genotype_of(arch) for arch in archs]))
    return checked(np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, *SHAPE))


def _is_whole(gene: object) -> bool:
    """Whether a gene is a whole number that fits an array; 3.0 is one, True is none."""
    if isinstance(gene, bool) or not isinstance(gene, (int, float)):
        return False
    return -_FAR < gene < _FAR and float(gene).is_integer()


def _shown(genes: Sequence[object]) -> str:
    text = str(genes)
    return text if len(text) <= 120 else f"{text[:120]}..."


def _valid(arch: Arch) -> NDArray[np.int64]:
    genotype = genotype_of(arch)
    if fault := explain(genotype):
        raise InputError(f"genotype: {fault}")
    return genotype


def _pairs(arch: Arch) -> list[list[tuple[str, int]]]:
    """(operation, source) of the pairs of both cells."""
    return [[(OPERATIONS[operation], source) for source, operation in cell] for cell in _valid(arch).tolist()]
