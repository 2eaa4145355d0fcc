"""Spaces of several networks that train together: choices in named parts, each with the tensors that it owns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.types import Arch
from archloom.utils.text import one_line


class Gene(NamedTuple):
    """A choice of a part: the network that it shapes, its options, and what it owns there."""

    network: str
    options: tuple[object, ...]
    modules: tuple[str, ...]
    """The dotted prefixes of its tensors; () if no option of it has any."""
    parameters: tuple[int, ...]
    """How many parameters each option adds to the network, whatever the other genes are."""


class PartedSpace(Categorical, ABC):
    """Genes are called PART.CHOICE. A string has a piece for each part, its options in the order of genes, `PART OPTION
    OPTION ...`, joined by " | ". Every setting of the genes represents itself.
    """

    def __init__(self, parts: Mapping[str, Mapping[str, Gene]]) -> None:
        named = {f"{part}.{choice}": gene for part, genes in parts.items() for choice, gene in genes.items()}
        super().__init__({name: list(gene.options) for name, gene in named.items()})
        self._parts = {part: tuple(genes) for part, genes in parts.items()}
        self._modules = tuple(gene.modules for gene in named.values())
        self._networks = np.array([gene.network for gene in named.values()])
        self._costs = np.zeros(self.alpha_shape, dtype=np.int64)  # (genes, options of the widest gene)
        for row, gene in zip(self._costs, named.values(), strict=True):
            row[: len(gene.parameters)] = gene.parameters

    @classmethod
    def for_table(
        cls, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]], **settings: Any
    ) -> Self:
        """The space of a table whose genes and options are this space's own; InputError for others."""
        space = cls._of(settings)
        own = dict(zip(space.gene_names, space.options, strict=True))
        given = {name: tuple(map(str, values)) for name, values in options.items()}
        if list(given.items()) != list(own.items()):
            wrong = next((name for name in given if given[name] != own.get(name)), f"{len(given)} genes")
            first = f"{next(iter(own))} with the options {', '.join(next(iter(own.values())))}"
            raise InputError(f"{cls.name} table, {wrong}: expected {len(own)} genes in order, the first {first}")
        return space

    @classmethod
    def _of(cls, settings: Mapping[str, Any]) -> Self:
        """With options of the subclass's own constructor."""
        return cls(**settings)

    # -- strings ----------------------------------------------------------------------------------------------------

    def format(self, arch: Arch) -> str:
        strings = [options[int(i)] for options, i in zip(self.options, arch.genes, strict=True)]
        pieces, start = list[str](), 0
        for part, choices in self._parts.items():
            pieces.append(" ".join([part, *strings[start : start + len(choices)]]))
            start += len(choices)
        return " | ".join(pieces)

    def parse(self, text: str) -> Arch:
        pieces = [piece.split() for piece in text.split("|")]
        expected = [(part, len(choices)) for part, choices in self._parts.items()]
        if [(piece[0], len(piece) - 1) for piece in pieces if piece] != expected or not all(pieces):
            wanted = ", ".join(f"{name} with {count}" for name, count in expected)
            given = ", ".join(f"{one_line(piece[0], 20)} with {len(piece) - 1}" for piece in pieces[:9] if piece)
            raise InputError(
                f"architecture {one_line(text, 160)!r}: parts {given or 'none'}; expected PART OPTION ... "
                f"joined by ' | ', the parts {wanted} options"
            )
        options = [option for piece in pieces for option in piece[1:]]
        return Arch(tuple(self.gene_of(gene, option) for gene, option in enumerate(options)))

    def _chosen(self, arch: Arch) -> dict[str, dict[str, Any]]:
        """The option of every choice of every part, by their names."""
        chosen = self.choices(arch)
        return {
            part: {choice: chosen[f"{part}.{choice}"] for choice in choices} for part, choices in self._parts.items()
        }

    # -- what genes own -----------------------------------------------------------------------------------------------

    def modules(self, gene: int) -> tuple[str, ...]:
        """The prefixes of the tensors that gene number `gene` owns in the networks of `build`; () if it has none."""
        return self._modules[gene]

    def parameters(self, genes: NDArray[np.integer[Any]]) -> dict[str, NDArray[np.int64]]:
        """(n,) exact parameter counts of each network by its name, for genes (n, g).

        Layers that an architecture has and does not use are counted: they are built.
        """
        if genes.ndim != 2 or genes.shape[1] != len(self.sizes):
            raise InputError(f"genes of shape {genes.shape}: expected (n, {len(self.sizes)})")
        wrong = np.argwhere((genes < 0) | (genes >= self.sizes))
        if len(wrong):
            row, gene = wrong[0].tolist()
            raise InputError(
                f"gene {self.gene_names[gene]} of row {row} is {genes[row, gene]}: "
                f"expected the index of one of its {self.sizes[gene]} options"
            )
        costs = self._costs[np.arange(len(self.sizes)), genes]  # (n, g)
        return {
            network: base + costs[:, self._networks == network].sum(axis=1) for network, base in self._bases().items()
        }

    @abstractmethod
    def _bases(self) -> Mapping[str, int]:
        """The parameters of each network that no gene owns."""
