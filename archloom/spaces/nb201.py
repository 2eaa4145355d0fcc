"""NAS-Bench-201 (Dong & Yang 2020): cells of 4 nodes whose 6 edges each carry one of 5 operations.

Genes are ordered by destination: 0->1, 0->2, 1->2, 0->3, 1->3, 2->3, as in the benchmark's own architecture strings
`|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`. The option names come from the table, so the same space serves cells with other
operations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.types import Arch

if TYPE_CHECKING:
    from torch import nn

EDGES: tuple[tuple[int, int], ...] = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, destination) of each gene."""

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The benchmark's operations in its own order."""

_TEXT = re.compile(r"^\|([^|~]+)~0\|\+\|([^|~]+)~0\|([^|~]+)~1\|\+\|([^|~]+)~0\|([^|~]+)~1\|([^|~]+)~2\|$")

_ZERO = frozenset({"none"})
_IDENTITY = frozenset({"skip_connect"})


class Nb201(Categorical):
    """The cell space of NAS-Bench-201.

    With `canonical=True` isomorphic cells count as one (see `signature`): 6,466 classes of the 15,625 cells. The first
    cell of a class in the order of genes answers for all of it.
    """

    name = "nb201"

    def __init__(self, options: Mapping[str, Sequence[object]] | None = None, canonical: bool = False) -> None:
        given = options or {f"{a}->{b}": OPERATIONS for a, b in EDGES}
        if tuple(given) != tuple(f"{a}->{b}" for a, b in EDGES):
            raise InputError(f"nb201 genes {', '.join(given)}: expected 0->1, 0->2, 1->2, 0->3, 1->3, 2->3")
        super().__init__(given)
        self._merge = canonical
        self._representatives: dict[str, Arch] = {}

    @property
    def size(self) -> int:
        return len(self._classes()) if self._merge else super().size

    def format(self, arch: Arch) -> str:
        a, b, c, d, e, f = (texts[int(i)] for texts, i in zip(self.options, arch.genes, strict=True))
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def parse(self, text: str) -> Arch:
        match = _TEXT.match(text.strip())
        if match is None:
            raise InputError(f"cell {text!r}: expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        return Arch(tuple(self.option_index(gene, option) for gene, option in enumerate(match.groups())))

    def canonical(self, arch: Arch) -> Arch:
        return self._classes()[self.signature(arch)] if self._merge else arch

    def signature(self, arch: Arch) -> str:
        """A text that is equal for isomorphic cells, by the rule of the benchmark (Dong & Yang 2020, section 2.1).

        A node is the sorted sum of its incoming terms: a skip brings the source's own text, `none` the zero "#", as
        does anything applied to a bare zero; any other operation wraps the source's text.
        """
        nodes = ["0"]
        for terms in ((0,), (1, 2), (3, 4, 5)):
            texts = [self._term(self.options[gene][int(arch.genes[gene])], nodes[EDGES[gene][0]]) for gene in terms]
            nodes.append("+".join(sorted(texts)))
        return nodes[3]

    @staticmethod
    def _term(operation: str, source: str) -> str:
        if operation in _ZERO or source == "#":
            return "#"
        # The benchmark's own spelling: a skip of a sum joins the outer sum, and whether two such sums come out equal
        # depends on how their terms sort as text. Any other spelling gives another number of classes.
        return source if operation in _IDENTITY else f"({source})@{operation}"

    def build(self, arch: Arch, seed: int) -> nn.Module:
        """The benchmark's CIFAR network around this cell (16 channels, 3 x 5 cells, 10 classes)."""
        from archloom.nets.nb201 import Nb201Network

        operations = [texts[int(i)] for texts, i in zip(self.options, arch.genes, strict=True)]
        return Nb201Network(operations, seed=seed)

    def _classes(self) -> dict[str, Arch]:
        """Signature -> the first cell that has it; made on first use (0.1 s)."""
        if not self._representatives:
            for index in range(super().size):
                arch = self._nth(index)
                self._representatives.setdefault(self.signature(arch), arch)
        return self._representatives

    def _nth(self, index: int) -> Arch:
        """Cell number `index` in the order of genes."""
        genes = []
        for size in reversed(self.sizes.tolist()):
            index, gene = divmod(index, size)
            genes.append(gene)
        return Arch(tuple(reversed(genes)))
