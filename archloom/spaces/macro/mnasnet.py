"""The macro space of Accel-NASBench (Ahmad et al. 2024, appendix B), after MnasNet (Tan et al. 2019): seven blocks.

Each block has four genes: how much its layers expand the channels, the kernel of their depthwise convolutions, how many
layers there are, and whether they have squeeze-excitation. Widths and strides are fixed. The benchmark itself draws up
to three layers a block and four in block 5 alone; here every block may have four.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces import graphs
from archloom.spaces.alignment import aligned
from archloom.spaces.base import Count
from archloom.spaces.drawing import Drawing, DrawnEdge
from archloom.spaces.known import BenchmarkTable, Finding, computed
from archloom.spaces.macro.mbconv import THOP, Chain, Frame, Places, build, costs, genes_of, side_of, source
from archloom.spaces.table import TableSpace
from archloom.types import Arch
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from torch import nn

WIDTHS = (16, 24, 40, 80, 112, 192, 320)
"""Channels after each block."""

STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Stride of the first layer of each block."""

BLOCKS = len(WIDTHS)

CHOICES: Mapping[str, tuple[int, ...]] = {
    "expansion": (1, 4, 6),
    "kernel": (3, 5),
    "layers": (1, 2, 3, 4),
    "se": (0, 1),
}
"""What is chosen for each block; `se` is squeeze-excitation."""

OPTIONS = {f"block{block}.{choice}": list(values) for block in range(BLOCKS) for choice, values in CHOICES.items()}
"""The 28 genes with their options, in order."""

_FIRST = range(0, len(OPTIONS), len(CHOICES))
"""Where each block's genes begin."""

_FITTING: Mapping[str, tuple[str, Callable[[int], bool]]] = {
    "expansion": ("a whole number from 1", lambda number: number >= 1),
    "kernel": ("an odd number", lambda number: number % 2 == 1 and number > 0),
    "layers": ("a whole number from 1", lambda number: number >= 1),
    "se": ("0 or 1", lambda number: number in (0, 1)),
}
"""What the options of each choice can be, in words and as a test."""

_TEXT = re.compile(r"e([0-9]+)_k([0-9]+)_l([0-9]+)_se([0-9]+)")
_SHAPE = "e6_k3_l2_se1"

FRAME = Frame(stem=32, head=1280, activation="silu")


class Mnasnet(TableSpace):
    """Macro architectures of seven blocks: all 48**7, or those of a table, searched as `TableSpace` does.

    `options` names the 28 genes of `OPTIONS` in order (others are an InputError); kernels may be any odd numbers,
    expansions and layers any whole numbers from 1. Strings are blocks like e6_k3_l2_se1 joined by "-". Any two settings
    of the genes are different networks, so every architecture represents itself: a layer more, a larger kernel, a wider
    expansion or squeeze-excitation is always there in the network.
    """

    name = "mnasnet"

    def __init__(
        self, options: Mapping[str, Sequence[object]] | None = None, rows: NDArray[np.integer[Any]] | None = None
    ) -> None:
        given = options or OPTIONS
        if tuple(given) != tuple(OPTIONS):
            raise InputError(f"mnasnet genes {', '.join(given)}: expected {', '.join(OPTIONS)}")
        for gene, values in given.items():
            for value in values:
                _check_option(gene, str(value))
        super().__init__(given, rows)

    @classmethod
    def known_answers(cls, table: BenchmarkTable) -> Iterator[Finding]:
        """Counts of every network, and metrics in the rows of their networks; published is a sample of the space."""
        try:
            space = cls(dict(zip(table.gene_names, table.options, strict=True)))
        except InputError as error:
            yield Finding(False, str(error))
            return
        if table.options == cls().options:
            for name, count in space.counts().items():
                yield from computed(table, name, count(table.genes), unit=1.0)
        yield from aligned(table)

    def format(self, arch: Arch) -> str:
        return "-".join(self.labels(arch))

    def parse(self, text: str) -> Arch:
        parts = text.strip().split("-")
        matches = [_TEXT.fullmatch(part) for part in parts]
        found = [match.groups() for match in matches if match is not None]
        if not len(matches) == len(found) == BLOCKS:
            what = f"{len(parts)} blocks"
            if len(parts) == BLOCKS:
                first = matches.index(None)
                what = f"block {first} is {one_line(parts[first], 40)!r}"
            raise InputError(
                f"architecture {one_line(text, 160)!r}: {what}; expected {BLOCKS} blocks as {_SHAPE}, joined by '-'"
            )
        options = [option for groups in found for option in groups]
        return Arch(tuple(self.gene_of(gene, option) for gene, option in enumerate(options)))

    def labels(self, arch: Arch) -> list[str]:
        """The seven blocks as strings."""
        return [_name(*block) for block in self.blocks(arch)]

    def blocks(self, arch: Arch) -> list[tuple[int, int, int, bool]]:
        """Expansion, kernel, layers and squeeze-excitation of each block; InputError for genes that are no options."""
        numbers = [int(strings[i]) for strings, i in zip(self.options, self.indices(arch), strict=True)]
        return [(e, k, layers, bool(se)) for e, k, layers, se in zip(*(numbers[i::4] for i in range(4)), strict=True)]

    def stages_of(self, arch: Arch) -> list[Chain]:
        """The layers of each block: what `MbconvNetwork` is built from."""
        return [_chain(block, *choices) for block, choices in enumerate(self.blocks(arch))]

    @cached_property
    def chain(self) -> graphs.Chain:
        """The seven blocks as a chain: a block is the same label wherever it is."""
        return graphs.Chain(
            [[_name(*map(int, choices)) for choices in product(*self.options[first : first + 4])] for first in _FIRST]
        )

    def to_graph(self, arch: Arch) -> graphs.Graph:
        return self.chain.graph(self._codes(np.array([self.indices(arch)]))[0].tolist())

    def from_graph(self, graph: graphs.Graph) -> Arch:
        blocks = zip(_FIRST, self.chain.genes(graph), strict=True)
        found = [np.unravel_index(code, tuple(self.sizes[first : first + 4])) for first, code in blocks]
        return Arch(tuple(int(gene) for block in found for gene in block))

    def grammar(self) -> graphs.GraphGrammar:
        return self.chain.grammar() if self._complete else graphs.RowsGrammar(self.chain, self._codes(self._rows))

    def _codes(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """(n, 7) which of its options each block is, of genes (n, 28)."""
        columns = [
            np.ravel_multi_index(tuple(rows[:, first : first + 4].T), tuple(self.sizes[first : first + 4]))
            for first in _FIRST
        ]
        return np.stack(columns, axis=1)

    def counts(self) -> Mapping[str, Count]:
        """As the benchmark's table has them, in millions, over `OPTIONS`."""
        return {"params_m": lambda genes: parameters(genes) / 1e6, "macs_m": lambda genes: macs(genes) / 1e6}

    def build(self, arch: Arch, seed: int) -> nn.Module:
        """The benchmark's ImageNet network (1000 classes)."""
        return build(self.stages_of(arch), FRAME, seed)

    def source(self, arch: Arch, found_by: str) -> str:
        """The network as a file that needs PyTorch only."""
        title = "An Accel-NASBench (MnasNet-like) network"
        return source(self.stages_of(arch), FRAME, title, self.format(arch), found_by)

    def drawing(self, arch: Arch) -> Drawing:
        """A chain: nodes are the channels between blocks, edges the blocks."""
        edges = [DrawnEdge(block, block + 1, label) for block, label in enumerate(self.labels(arch))]
        return Drawing(tuple(str(width) for width in (FRAME.stem, *WIDTHS)), tuple(edges))


def _name(expansion: int, kernel: int, layers: int, se: int) -> str:
    return f"e{expansion}_k{kernel}_l{layers}_se{int(se)}"


def _check_option(gene: str, text: str) -> None:
    """A number that a network can be built with, written in the one way that `parse` reads."""
    number = int(text) if re.fullmatch(r"0|[1-9][0-9]*", text) else -1
    wanted, fits = _FITTING[gene.partition(".")[2]]
    if not fits(number):
        raise InputError(f"mnasnet option {gene}={text!r}: expected {wanted}")


def _chain(block: int, expansion: int, kernel: int, layers: int, gated: bool) -> Chain:
    """The layers of a block; the first has its stride."""
    return tuple((WIDTHS[block], expansion, kernel, 1 if layer else STRIDES[block], gated) for layer in range(layers))


# -- counts -------------------------------------------------------------------------------------------------------

_PLACES: Places = tuple(
    tuple(_chain(block, e, k, layers, bool(se)) for e, k, layers, se in product(*CHOICES.values()))
    for block in range(BLOCKS)
)
"""What each block can be, in the order of its four genes, the last of which varies fastest."""


def parameters(genes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """(n,) exact parameter counts of the ImageNet networks of genes (n, 28) over `OPTIONS`.

    InputError for genes of another shape or type, or that are no options.
    """
    return _counts(genes, 224, 0)


def macs(genes: NDArray[np.integer[Any]], resolution: int = 224) -> NDArray[np.int64]:
    """(n,) operations of the ImageNet networks of genes (n, 28) over `OPTIONS` for one square image.

    Counted as the benchmark counts, with the package thop (0.1.1): a multiply-add of a convolution (without bias) or of
    the classifier is 1, batch normalisation 4 a value, an average over p values p + 1; activations and the gates'
    products are free. At 224 pixels, the benchmark's resolution, these are its table's `macs_m`.
    """
    return _counts(genes, side_of(resolution), 1)


def _counts(genes: NDArray[np.integer[Any]], resolution: int, which: int) -> NDArray[np.int64]:
    sizes = [len(values) for values in OPTIONS.values()]
    digits = genes_of(genes, tuple(OPTIONS), sizes).reshape(-1, BLOCKS, len(CHOICES))
    codes = np.ravel_multi_index(tuple(np.moveaxis(digits, 2, 0)), sizes[: len(CHOICES)])
    base, table = costs(FRAME, _PLACES, resolution, THOP)
    counts: NDArray[np.int64] = base[which] + table[np.arange(BLOCKS), codes, which].sum(axis=1)
    return counts
