"""What a search space is, what it may also be able to do, and the plain categorical space most others build on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from operator import contains
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError, NoArchitectureError
from archloom.spaces.domains import Choice, Domain
from archloom.spaces.drawing import AlphaLayout
from archloom.spaces.graphs import Chain, Graph, GraphGrammar
from archloom.spaces.options import fresh
from archloom.spaces.space import Space
from archloom.spaces.walks import ChoiceWalks, Genes, Shown, draw_listed, encoding_of
from archloom.types import Arch

if TYPE_CHECKING:
    from torch import nn

    from archloom.nets.supernets.base import Path, Sharing, Supernet
    from archloom.spaces.known import BenchmarkTable, Finding

Count = Callable[[NDArray[np.integer[Any]]], NDArray[np.floating[Any]]]
"""Genes (n, g) to numbers (n,); InputError for genes that are no options."""

MAX_TRIES = 1_000
"""How many architectures are drawn before a space is considered to have no valid one."""


@runtime_checkable
class SearchSpace(Protocol):
    """The set of architectures a strategy may propose."""

    name: str

    def sample(self, rng: np.random.Generator) -> Arch:
        """Draw an architecture at random (it may be invalid; see `sample_valid`)."""
        ...

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A random small change of `arch`."""
        ...

    def violations(self, arch: Arch) -> Mapping[str, float]:
        """How far each rule of the space is broken; empty or all <= 0: valid."""
        ...

    def canonical(self, arch: Arch) -> Arch:
        """The one architecture that represents all that are the same as `arch`."""
        ...

    def key(self, arch: Arch) -> str:
        """Equal exactly for architectures that are the same; a query is one unique key."""
        ...

    def format(self, arch: Arch) -> str:
        """A readable string that `parse` reads back."""
        ...

    def parse(self, text: str) -> Arch:
        """The architecture written by `format`; InputError for anything else."""
        ...


class TabularSpace(SearchSpace, Protocol):
    """A space that gives a table's genes a meaning; made by its class method `for_table`.

    A space whose published tables have epochs in the names of metrics ("valid_108") may say so with a class attribute
    `epochs_in_names`, a pattern whose first group finds the number; a table that says it of itself needs no such thing.
    """

    def representative_rows(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """(n,) which rows (n, g) of a table are their own canonical architecture."""
        ...


# Capabilities that a space may also have. A strategy names those it needs, and is refused a space without them.


@runtime_checkable
class HasNeighbours(Protocol):
    """Local search, walks and the incremental agent move over neighbours.

    A space whose neighbours are valid by construction may say so with `neighbours_are_valid = True`; they are then not
    checked again. A subclass with rules of its own must set it to False.
    """

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        """Every architecture one small step away, each once, without `arch` itself, in a fixed order."""
        ...


@runtime_checkable
class HasAlpha(Protocol):
    """Continuous architecture parameters: one row per decision, one column per option."""

    @property
    def alpha_shape(self) -> tuple[int, int]: ...

    def discretise(self, alpha: NDArray[np.floating]) -> Arch:
        """The architecture that `alpha`, of shape `alpha_shape`, stands for."""
        ...

    def one_hot(self, arch: Arch) -> NDArray[np.float32]:
        """The 0/1 matrix of shape `alpha_shape` that discretises to `arch`."""
        ...


@runtime_checkable
class HasSizes(Protocol):
    """Spaces of choices: gene j is one of `sizes[j]` options, and any combination has a meaning."""

    @property
    def sizes(self) -> NDArray[np.integer[Any]]:
        """(genes,) how many options each gene has."""
        ...


@runtime_checkable
class HasUnitCube(Protocol):
    """Every architecture is a point of the unit cube: what model-based optimisers work on."""

    @property
    def unit_size(self) -> int:
        """How many coordinates a point has."""
        ...

    def to_unit(self, arch: Arch) -> NDArray[np.float64]:
        """(unit_size,) the point that stands for `arch`, each coordinate from 0 to 1."""
        ...

    def from_unit(self, places: NDArray[np.floating[Any]]) -> Arch:
        """The architecture at a point; that of `to_unit(arch)` is the same as `arch`. InputError outside the cube."""
        ...


@runtime_checkable
class HasConditions(Protocol):
    """Spaces with genes that only count under some condition: architectures that differ there alone are one."""

    def active(self, arch: Arch) -> Sequence[bool]:
        """For each gene whether it counts."""
        ...


@runtime_checkable
class Buildable(Protocol):
    """Everything that trains."""

    def build(self, arch: Arch, seed: int) -> nn.Module:
        """The PyTorch network of `arch`, its weights drawn from `seed` alone."""
        ...


@runtime_checkable
class HasSupernet(Protocol):
    """Spaces with a network that holds the weights of all architectures, of which one runs at a time."""

    supernet_sizes: Mapping[str, int]
    """Options of the space (channels, cells, ...) with the sizes that such networks usually have."""

    def supernet(self, seed: int, sharing: Sharing) -> Supernet:
        """The network at the space's own sizes, its weights drawn from `seed` alone; InputError if it has no such."""
        ...

    def path(self, arch: Arch) -> Path:
        """The path of `arch` in it, the same for all architectures that are the same; InputError for invalid ones."""
        ...

    def plain(self, arch: Arch, seed: int, sharing: Sharing) -> nn.Module:
        """The network of `arch` on its own; it takes the state of `Supernet.standalone`."""
        ...


@runtime_checkable
class HasModules(Protocol):
    """Networks that can be mixed: which of their parts each gene decides."""

    def modules(self, gene: int) -> Sequence[str]:
        """What a gene owns: exact dotted prefixes `NETWORK.module.path`; none for a gene without weights.

        A prefix owns the module of that path and everything below it: "net.cells.1" owns "net.cells.1.weight" and not
        "net.cells.10.weight". It need not exist in every network (an identity has no tensors), but in some, which is
        checked when a strategy that mixes weights starts (`spaces.ownership`). A gene that shapes
        tensors of several modules (a width) owns all of them.
        """
        ...


@runtime_checkable
class HasSource(Protocol):
    """Networks that can be shipped as a file of code."""

    def source(self, arch: Arch, found_by: str) -> str:
        """A Python file that defines the network of `arch` and needs PyTorch only; `found_by` goes into its header."""
        ...


@runtime_checkable
class HasCounts(Protocol):
    """Networks whose parameters or operations are counted without building them."""

    def counts(self) -> Mapping[str, Count]:
        """By the name of the metric: a function that gives the number of each architecture, (n,), of genes (n, g)."""
        ...


@runtime_checkable
class HasDetails(Protocol):
    """Spaces whose networks have properties that the text of an architecture does not tell."""

    def details(self, arch: Arch) -> Mapping[str, Any]:
        """Small JSON-serialisable facts about the network; the details of a training's result have them."""
        ...


@runtime_checkable
class HasKnownAnswers(Protocol):
    """Classes of spaces that public benchmarks hold: what is known of such a table, whatever genes it has."""

    def known_answers(self, table: BenchmarkTable) -> Iterable[Finding]:
        """A class method: the table compared with what is published or can be computed; faults in it raise nothing."""
        ...


@runtime_checkable
class HasSize(Protocol):
    """Spaces that can tell how many different architectures they hold."""

    @property
    def size(self) -> int | None:
        """None for infinitely many, as with real numbers, and if it is not known."""
        ...


def check_whole(space: str, partial: int) -> None:
    """InputError for partial channels in the supernet of a space whose has none."""
    if partial != 1:
        raise InputError(f"partial {partial} on {space}: only the supernet of darts has partial channels; expected 1")


def is_valid(space: SearchSpace, arch: Arch) -> bool:
    return all(amount <= 0.0 for amount in space.violations(arch).values())


def sample_valid(space: SearchSpace, rng: np.random.Generator) -> Arch:
    """A valid architecture from `space.sample`; after `MAX_TRIES` draws in vain one from the list of all, if there is.

    NoArchitectureError if none is found.
    """
    found = _first_valid(space, lambda: space.sample(rng))
    if isinstance(found, Arch):
        return found
    everything = listed(space)
    if everything:
        return everything[int(rng.integers(len(everything)))]
    broken = ", ".join(f"{rule} by {amount:g}" for rule, amount in found.items() if amount > 0)
    drawn = f"none of {MAX_TRIES} architectures drawn" if everything is None else "no architecture"
    raise NoArchitectureError(
        f"space {space.name!r}: {drawn} is valid (the last breaks {broken}); "
        "loosen the rule or use a space that satisfies it more often"
    )


def mutate_valid(space: SearchSpace, arch: Arch, rng: np.random.Generator) -> Arch:
    """A valid mutant of `arch`; after `MAX_TRIES` mutations in vain another valid architecture (`sample_valid`)."""
    found = _first_valid(space, lambda: space.mutate(arch, rng))
    return found if isinstance(found, Arch) else sample_valid(space, rng)


def _first_valid(space: SearchSpace, candidate: Callable[[], Arch]) -> Arch | Mapping[str, float]:
    """The first candidate that is valid, of `MAX_TRIES` at most; what the last one breaks if none is."""
    broken: Mapping[str, float] = {}
    for _ in range(MAX_TRIES):
        arch = candidate()
        broken = space.violations(arch)
        if all(amount <= 0.0 for amount in broken.values()):
            return arch
    return broken


_RULES = ("violations", "canonical", "key")
"""What decides how many different architectures there are."""


def says_size(space: SearchSpace) -> bool:
    """Whether the space's own `size` is that of its valid architectures.

    It is not if a subclass of the class that says it has rules of its own.
    """
    for kind in type(space).__mro__:
        if "size" in vars(kind):
            return True
        if any(rule in vars(kind) for rule in _RULES):
            return False
    return hasattr(space, "size")


def size_of(space: SearchSpace) -> int | None:
    """How many different valid architectures there are; None for infinitely many, and if that is not known.

    What a space says itself counts (`says_size`); otherwise its architectures are listed, if they are few enough.
    """
    if isinstance(space, HasSize) and says_size(space):
        return space.size
    everything = listed(space)
    return None if everything is None else len(everything)


def listed(space: SearchSpace) -> Sequence[Arch] | None:
    """Every valid architecture in its canonical form, each once; None if the space cannot tell, or they are many."""
    return space.listed if isinstance(space, Space) else None


def shown_one_by_one(space: Any, genes: Genes, most: int, rng: np.random.Generator) -> Shown:
    """`HasWalks.show_neighbours` of a space by its `neighbours`, architecture after architecture."""
    archs = [Arch(tuple(row)) for row in genes.tolist()]
    near = [[other.genes for other in space.neighbours(arch) if is_valid(space, other)] for arch in archs]
    return draw_listed([np.array(each, genes.dtype).reshape(-1, genes.shape[1]) for each in near], most, rng)


def says_otherwise(space: object, kind: type[Any]) -> bool:
    """Whether a space's class has neighbours or rules of its own, other than those of `kind`, which it comes from."""
    own = type(space)
    return own.neighbours is not kind.neighbours or own.violations is not kind.violations  # type: ignore[attr-defined]


class Categorical(Space):
    """Independent choices: gene j is the index of one of `options[j]`.

    `options` maps a choice's name to its options, in the order of the genes. Strings read `kernel=3, width=64`.
    Neighbours differ in exactly one choice; alpha has a row per choice and a column per option, rows with fewer options
    than the widest use the first columns only. As a graph it is a chain with a vertex per choice.
    """

    name = "table"

    def __init__(self, options: Mapping[str, Sequence[object]]) -> None:
        super().__init__(options)
        choices = [choice for choice in self.domains if _is_plain(choice)]
        if len(choices) < len(self.domains):
            other = next(name for name, domain in zip(options, self.domains, strict=True) if not _is_plain(domain))
            raise InputError(f"{other}: {options[other]}: a Categorical has independent choices only; use a Space")
        self.values: tuple[tuple[object, ...], ...] = tuple(tuple(choice.options) for choice in choices)
        self.options = tuple(choice.strings for choice in choices)
        self._indices = tuple(range(len(values)) for values in self.options)

    @classmethod
    def for_table(
        cls, options: Mapping[str, Sequence[object]], rows: NDArray[np.integer[Any]], **settings: Any
    ) -> Categorical:
        """The space that gives a table's genes a meaning; `settings` are the space's own options."""
        return cls(options, **settings)

    @cached_property
    def sizes(self) -> NDArray[np.integer[Any]]:
        """(genes,) how many options each choice has."""
        return np.array([len(values) for values in self.options])

    @property
    def size(self) -> int:
        return math.prod(len(values) for values in self.options)

    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch(tuple(rng.integers(0, self.sizes).tolist()))

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """Change one choice, drawn uniformly among those that have an alternative, to a different option."""
        open_genes = np.flatnonzero(self.sizes > 1)
        if not len(open_genes):
            return arch
        gene = int(open_genes[rng.integers(len(open_genes))])
        step = int(rng.integers(1, self.sizes[gene]))
        return self._with(arch, gene, (int(arch.genes[gene]) + step) % int(self.sizes[gene]))

    def violations(self, arch: Arch) -> Mapping[str, float]:
        """Empty for a whole number for every choice that is the index of one of its options."""
        genes = arch.genes
        if len(genes) == len(self._indices) and all(map(contains, self._indices, genes)):
            return {}
        strange = sum(gene not in indices for gene, indices in zip(genes, self._indices, strict=False))
        lacking = abs(len(genes) - len(self._indices))
        return {"genes that are no option": float(strange), "genes too many or too few": float(lacking)}

    def indices(self, arch: Arch) -> tuple[int, ...]:
        """The genes as the whole numbers they are; InputError if there are too few or too many, or one is no option."""
        if Categorical.violations(self, arch):
            self._settled(arch)  # says which gene does not fit
        return tuple(map(int, arch.genes))

    def canonical(self, arch: Arch) -> Arch:
        return arch

    def representative_rows(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """(n,) which rows (n, g) are their own canonical architecture: here all of them."""
        return np.ones(len(rows), dtype=bool)

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        return [
            self._with(arch, gene, option)
            for gene, size in enumerate(self.sizes.tolist())
            for option in range(size)
            if option != arch.genes[gene]
        ]

    @property
    def encoding(self) -> str:
        return encoding_of(self.gene_names, self.options)

    @cached_property
    def _walks(self) -> ChoiceWalks:
        return ChoiceWalks(self.sizes)

    @property
    def encoding_bits(self) -> int:
        return self._walks.bits

    def encode(self, genes: Genes) -> NDArray[np.uint8]:
        return self._walks.encode(genes)

    def show_neighbours(self, genes: Genes, most: int, rng: np.random.Generator) -> Shown:
        """Up to `most` valid `neighbours` of each."""
        if self._all_walk:
            return self._walks.show(genes, most, rng)
        return shown_one_by_one(self, genes, most, rng)

    @cached_property
    def _all_walk(self) -> bool:
        """Whether the neighbours are those that differ in one choice, all of them valid: no subclass says otherwise."""
        return not says_otherwise(self, Categorical)

    @property
    def alpha_shape(self) -> tuple[int, int]:
        return len(self.options), int(self.sizes.max())

    @property
    def alpha_layout(self) -> AlphaLayout:
        """A row for each choice; columns have the names of the options, or their numbers if choices differ in them."""
        common = len(set(self.options)) == 1
        return AlphaLayout(self.gene_names, self.options[0] if common else tuple(map(str, range(self.alpha_shape[1]))))

    def discretise(self, alpha: NDArray[np.floating]) -> Arch:
        """The largest entry of each row; ties go to the first. CADAM thesis, Algorithm 3."""
        if alpha.shape != self.alpha_shape:
            raise InputError(f"alpha of shape {alpha.shape}: expected {self.alpha_shape}")
        exists = np.arange(alpha.shape[1]) < self.sizes[:, None]
        return Arch(tuple(np.where(exists, alpha, -np.inf).argmax(axis=1).tolist()))

    def one_hot(self, arch: Arch) -> NDArray[np.float32]:
        matrix = np.zeros(self.alpha_shape, dtype=np.float32)
        matrix[np.arange(len(arch.genes)), np.array(self.indices(arch), dtype=np.int64)] = 1.0
        return matrix

    def _columns(self, archs: Sequence[Arch]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        shape = len(archs), len(self.sizes)
        try:
            given = np.array([arch.genes for arch in archs], dtype=np.float64).reshape(shape)
        except ValueError:  # rows of other lengths
            given = np.full(shape, np.nan)
        if not ((given >= 0) & (given < self.sizes) & (given == np.floor(given))).all():
            given = np.array([self.indices(arch) for arch in archs])  # says which gene does not fit
        return given.astype(np.intp), np.ones(shape, dtype=bool)

    @cached_property
    def chain(self) -> Chain:
        """The choices as a chain of vertices."""
        return Chain(self.options, self.gene_names)

    @property
    def graph_labels(self) -> tuple[str, ...]:
        """What a vertex of `to_graph` can be."""
        return self.chain.labels

    def to_graph(self, arch: Arch) -> Graph:
        return self.chain.graph(self.indices(arch))

    def from_graph(self, graph: Graph) -> Arch:
        return Arch(self.chain.genes(graph))

    def grammar(self) -> GraphGrammar:
        """Any combination of options can be drawn."""
        return self.chain.grammar()

    def choices(self, arch: Arch) -> dict[str, Any]:
        parts = zip(self.gene_names, self.values, self.indices(arch), strict=True)
        return {name: fresh(values[index]) for name, values, index in parts}

    def format(self, arch: Arch) -> str:
        written = self._written_options
        try:
            if len(arch.genes) == len(written):
                return ", ".join([options[gene] for options, gene in zip(written, arch.genes, strict=True)])
        except (KeyError, TypeError):  # no option, or nothing that could be one
            pass
        self.indices(arch)  # says which gene does not fit
        raise AssertionError(f"{arch} fits and cannot be written")

    @cached_property
    def _written_options(self) -> tuple[Mapping[int | float, str], ...]:
        """Each option as `format` writes it, by its gene: a run may have hundreds of thousands of architectures."""
        named = zip(self.gene_names, self.options, strict=True)
        return tuple({gene: f"{name}={option}" for gene, option in enumerate(options)} for name, options in named)

    @staticmethod
    def _with(arch: Arch, gene: int, option: int) -> Arch:
        genes = list(arch.genes)
        genes[gene] = option
        return Arch(tuple(genes))


def _is_plain(domain: Domain) -> TypeGuard[Choice]:
    """Whether this is a choice that always counts, its options in no order."""
    return isinstance(domain, Choice) and not domain.ordered and domain.when is None


class AbsentSpace:
    """A space of which only the name is known: its architectures can be read from a record, nothing more."""

    def __init__(self, name: str) -> None:
        self.name = name

    def missing(self, *_: Any) -> Any:
        """Takes the place of everything that needs the space itself."""
        raise InputError(f"space {self.name!r}: the table or file of this run is missing; put it back where it was")

    sample = mutate = violations = canonical = key = format = parse = missing

    def evaluate(self, arch: Arch, report: Any) -> Any:
        """Stands for the function that evaluates its architectures."""
        self.missing()
