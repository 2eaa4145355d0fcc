"""A space of one's own: named genes, each with its domain, some of which count only under a condition."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.conditions import Condition
from archloom.spaces.domains import Choice, Domain, as_domain
from archloom.spaces.features import FeatureLayout, GeneFeatures
from archloom.spaces.flow import HasFlow, flow_of
from archloom.types import Arch

_MOST_CASES = 100_000
"""How many combinations of the values that conditions are about are gone through to count a space."""
_MOST_KNOWN = 256
"""How many genes of a domain are remembered."""
MOST_LISTED = 100_000
"""How many combinations of all values are gone through to list a space."""


class Space:
    """Named genes with their domains: `Real`, `Integer`, `Choice` (or just a list of options) and `Seed`.

    A gene whose condition (`when`) does not hold does not count: `choices` and `format` omit it, and architectures
    that differ there alone are one. Its place is then filled by the middle of its domain (`Domain.default`), in
    canonical architectures and in the unit cube. Real numbers are distinguished to ten digits. Whatever the space
    draws, changes or reads is canonical.

    A subclass adds what it can do besides (`build`, `modules`) and rules of its own (`violations`).
    """

    name = "space"

    def __init__(self, domains: Mapping[str, Domain | Sequence[object]]) -> None:
        if not domains:
            raise InputError(
                "a space needs at least one choice or number, e.g. {'kernel': [3, 5, 7], 'width': Integer(8, 64)}"
            )
        self.gene_names = tuple(map(_gene_name, domains))
        if len(set(self.gene_names)) < len(self.gene_names):
            raise InputError(f"genes {', '.join(self.gene_names)}: expected each name once (1 and '1' are the same)")
        self.domains = tuple(as_domain(str(gene), given) for gene, given in domains.items())
        self._refuse_confusing_options()
        self._conditions = self._fitted_conditions()
        self._always = {name for name, when in zip(self.gene_names, self._conditions, strict=True) if when is None}
        self._defaults = tuple(domain.default for domain in self.domains)
        self._order = self._parents_first()
        self._parents = {parent for condition in self._conditions if condition for parent in condition.parents}
        self._known: tuple[dict[int | float, tuple[int | float, Any]], ...] = tuple({} for _ in self.domains)

    def _refuse_confusing_options(self) -> None:
        """Raise InputError for an option that reads like the beginning of another gene."""
        marks = {f", {name}=": name for name in self.gene_names}
        for name, domain in zip(self.gene_names, self.domains, strict=True):
            for text in domain.strings if isinstance(domain, Choice) else ():
                if ", " in text and (other := next((marks[mark] for mark in marks if mark in text), None)):
                    raise InputError(
                        f"{name}: option {text!r} reads like a value of the gene {other}; rename one of the two"
                    )

    def _fitted_conditions(self) -> tuple[Condition | None, ...]:
        """When each gene counts; InputError for conditions that are about unknown genes or values."""
        known = dict(zip(self.gene_names, self.domains, strict=True))
        fitted: list[Condition | None] = []
        for name, domain in zip(self.gene_names, self.domains, strict=True):
            try:
                fitted.append(None if domain.condition is None else domain.condition.fitted(known))
            except InputError as error:
                raise InputError(f"{name}: {error}") from None
        return tuple(fitted)

    def _parents_first(self) -> list[int]:
        """The genes, each behind those that its condition is about; InputError for circles."""
        order: dict[int, None] = {}

        def place(gene: int, above: tuple[str, ...]) -> None:
            name, condition = self.gene_names[gene], self._conditions[gene]
            if name in above:
                circle = " -> ".join([*above[above.index(name) :], name])
                raise InputError(f"{name}: its condition depends on itself ({circle}); leave one of these out")
            if gene not in order:
                for parent in condition.parents if condition else ():
                    place(self.gene_names.index(parent), (*above, name))
                order[gene] = None

        for gene in range(len(self.domains)):
            place(gene, ())
        return list(order)

    # -- which genes count ----------------------------------------------------------------------------------------

    def _read(self, genes: Sequence[Any]) -> tuple[list[int | float], dict[str, Any], list[int]]:
        """The canonical genes, the values of those that count, and those that are not of their domains."""
        settled, values, wrong = list(self._defaults), dict[str, Any](), list[int]()
        for gene in self._order:
            condition = self._conditions[gene]
            if condition is not None and not condition.holds(values):
                continue
            found = self._gene(gene, genes[gene])
            if found is None:
                wrong.append(gene)
            else:
                settled[gene], values[self.gene_names[gene]] = found
        return settled, values, wrong

    def _gene(self, place: int, gene: Any) -> tuple[int | float, Any] | None:
        """A gene's canonical form and its value; None if it is not of its domain. A domain of few is read once."""
        known = self._known[place]
        plain = type(gene) is int or type(gene) is float
        if plain and (found := known.get(gene)) is not None:
            return found
        domain = self.domains[place]
        if not domain.holds(gene):
            return None
        canonical = domain.canonical(gene)
        found = canonical, domain.value(canonical)
        if plain and len(known) < _MOST_KNOWN:
            known[gene] = found
        return found

    def _settled(self, arch: Arch) -> tuple[list[int | float], dict[str, Any]]:
        """The same of an architecture; InputError if a gene that counts is not in its domain."""
        if len(arch.genes) != len(self.domains):
            raise InputError(f"{len(arch.genes)} genes: expected {len(self.domains)}, one for each choice or number")
        settled, values, wrong = self._read(arch.genes)
        if wrong:
            gene = min(wrong)
            raise InputError(
                f"gene {self.gene_names[gene]} is {arch.genes[gene]!r}: expected {self.domains[gene].expected}"
            )
        return settled, values

    def _canonical(self, genes: Sequence[int | float]) -> Arch:
        return Arch(tuple(self._read(genes)[0]))

    def active(self, arch: Arch) -> list[bool]:
        """For each gene whether it counts."""
        values = self._settled(arch)[1]
        return [name in values for name in self.gene_names]

    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(self._settled(arch)[0]))

    def violations(self, arch: Arch) -> Mapping[str, float]:
        """Empty if every gene that counts is one of its domain: a number in its bounds and on its grid."""
        lacking = abs(len(arch.genes) - len(self.domains))
        wrong = [] if lacking else self._read(arch.genes)[2]
        if not lacking and not wrong:
            return {}
        return {"genes out of their domains": float(len(wrong)), "genes too many or too few": float(lacking)}

    # -- drawing and changing -------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Arch:
        """Uniform in the unit cube."""
        return self.from_unit(rng.random(len(self.domains)))

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """Change one gene that counts, drawn uniformly among those that have an alternative.

        A choice becomes any other option, a number moves by a normally distributed share of its range (a standard
        deviation of `domains.SPREAD`). Genes that begin to count are drawn at random.
        """
        settled, values = self._settled(arch)
        open_genes = [
            gene for gene, name in enumerate(self.gene_names) if name in values and self.domains[gene].size != 1
        ]
        if not open_genes:
            return Arch(tuple(settled))
        gene = open_genes[int(rng.integers(len(open_genes)))]
        settled[gene] = self.domains[gene].mutate(settled[gene], rng)
        for other, name in enumerate(self.gene_names):
            if name not in values:
                settled[other] = self.domains[other].from_unit(rng.random())
        return self._canonical(settled)

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        """One gene that counts is changed: to any other option, or by `domains.SHARES` of a number's range both ways.

        Numbers on a grid also go to the next ones, whatever the share. Bounds are kept. Genes that begin to count are
        in the middle of their domains.
        """
        settled, values = self._settled(arch)
        found: list[Arch] = []
        for gene, (name, domain) in enumerate(zip(self.gene_names, self.domains, strict=True)):
            for other in domain.neighbours(settled[gene]) if name in values else ():
                genes = [*settled[:gene], domain.canonical(other), *settled[gene + 1 :]]
                found.append(self._canonical(genes) if name in self._parents else Arch(tuple(genes)))
        return found

    # -- the unit cube --------------------------------------------------------------------------------------------

    @property
    def unit_size(self) -> int:
        return len(self.domains)

    def to_unit(self, arch: Arch) -> NDArray[np.float64]:
        """(unit_size,) the place of each gene in its domain, from 0 to 1; of one that does not count, the middle's.

        Numbers lie in proportion, or by their logarithms; option j of k, and number j of a grid of k that is not
        logarithmic, at (j + 1/2) / k.
        """
        settled = self._settled(arch)[0]
        places = [domain.to_unit(gene) for domain, gene in zip(self.domains, settled, strict=True)]
        return np.array(places, dtype=np.float64)

    def from_unit(self, places: NDArray[np.floating[Any]]) -> Arch:
        """The canonical architecture at a point of the unit cube; that of `to_unit(arch)` is `canonical(arch)`."""
        at = np.asarray(places, dtype=np.float64)
        if at.shape != (len(self.domains),) or not ((at >= 0) & (at <= 1)).all():
            raise InputError(f"point {at.tolist()}: expected {len(self.domains)} numbers from 0 to 1")
        genes = [domain.from_unit(place) for domain, place in zip(self.domains, at.tolist(), strict=True)]
        return self._canonical(genes)

    # -- features -------------------------------------------------------------------------------------------------

    @cached_property
    def feature_layout(self) -> FeatureLayout:
        """A group of codes for each gene with alternatives (not for seeds); statistics of the flow, then of genes."""
        genes, flow = self._gene_features, self._flow
        return FeatureLayout(genes.groups, genes.widths, (() if flow is None else flow.flow.names) + genes.names)

    def features(self, archs: Sequence[Arch]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Codes (n, c) and statistics (n, s) of canonical forms; see `spaces.features`. InputError for wrong genes."""
        flow = self._flow
        plain = flow is None and type(self).canonical is Space.canonical  # `_columns` does that itself
        canonical = archs if plain else [self.canonical(arch) for arch in archs]
        genes, counting = self._columns(canonical)
        codes, stats = self._gene_features.codes(genes, counting), self._gene_features.statistics(genes, counting)
        if flow is not None:
            stats = np.concatenate([flow.flow.statistics(flow.flow_batches(canonical)), stats], axis=1)
        return codes, stats

    @cached_property
    def _gene_features(self) -> GeneFeatures:
        return GeneFeatures(self.gene_names, self.domains, self._counted_genes())

    def _counted_genes(self) -> Sequence[int]:
        """The genes whose shared options are counted: none if the flow tells of them."""
        return range(len(self.domains)) if self._flow is None else ()

    @cached_property
    def _flow(self) -> HasFlow | None:
        return flow_of(self)

    def _columns(self, archs: Sequence[Arch]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """(n, g) canonical genes, and which of them count; InputError if one that counts is not in its domain."""
        read = [self._settled(arch) for arch in archs]
        shape = len(archs), len(self.domains)
        genes = np.array([settled for settled, _ in read], dtype=np.float64).reshape(shape)
        counting = [[name in values for name in self.gene_names] for _, values in read]
        return genes, np.array(counting, dtype=bool).reshape(shape)

    # -- reading and writing --------------------------------------------------------------------------------------

    def choices(self, arch: Arch) -> dict[str, Any]:
        """The values by name, of the genes that count: options as the space was given them (copies of those that can be
        changed in place), and numbers."""
        values = self._settled(arch)[1]
        domains = zip(self.gene_names, self.domains, strict=True)
        return {name: domain.fresh(values[name]) for name, domain in domains if name in values}

    def key(self, arch: Arch) -> str:
        return self.format(self.canonical(arch))

    def format(self, arch: Arch) -> str:
        settled, values = self._settled(arch)
        written = zip(self.gene_names, self.domains, settled, strict=True)
        return ", ".join(f"{name}={domain.text_of(gene)}" for name, domain, gene in written if name in values)

    def parse(self, text: str) -> Arch:
        given = self._cut(text)
        if not self._always.issubset(given):
            raise InputError(f"architecture {text!r}: expected {self._written}")
        genes = list(self._defaults)
        for gene, name in enumerate(self.gene_names):
            if name in given:
                genes[gene] = self.gene_of(gene, given[name])
        if len(self._always) < len(genes):
            self._check_given(text, given, self._read(genes)[1])
        return Arch(tuple(genes))

    def _check_given(self, text: str, given: Mapping[str, str], values: Mapping[str, Any]) -> None:
        """Raise InputError if not exactly the genes that count are given."""
        for name, condition in zip(self.gene_names, self._conditions, strict=True):
            if name in given and name not in values:
                raise InputError(f"architecture {text!r}: {name} counts only if {condition}; omit it")
            if name in values and name not in given:
                raise InputError(f"architecture {text!r}: {name} is missing, which counts if {condition}")

    def gene_of(self, gene: int, text: str) -> int | float:
        """The gene that a string gives: the index of an option, or a number; InputError otherwise."""
        try:
            return self.domains[gene].parse(text)
        except InputError as error:
            raise InputError(f"{self.gene_names[gene]}={text!r}: {error}") from None

    def _cut(self, text: str) -> dict[str, str]:
        """The names of genes in a string, with the string that each is given.

        It is cut at ", NAME=" rather than at every comma: an option may hold commas itself, as (3, 5) does.
        """
        given: dict[str, str] = {}
        name, rest = "", f", {text}"
        for later in self.gene_names:
            before, mark, after = rest.partition(f", {later}=")
            if not mark:
                continue
            if name:
                given[name] = before
            elif before:
                break
            name, rest = later, after
        if not name:
            raise InputError(f"architecture {text!r}: expected {self._written}")
        given[name] = rest
        return given

    @property
    def _written(self) -> str:
        return f"NAME=VALUE for {', '.join(self.gene_names)} in this order"

    # -- counting -------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int | None:
        """How many architectures the domains allow; None for infinitely many, and if conditions are too many.

        A subclass with rules of its own (`violations`, `canonical`) may have fewer: `base.size_of` counts them.
        """
        return self._size

    def candidates(self) -> Iterable[Arch] | None:
        """All that the domains allow, each once; None if they are infinitely many, or more than `MOST_LISTED`."""
        allowed = self._size
        return None if allowed is None or allowed > MOST_LISTED else map(self._filled, self._combinations(0, {}, {}))

    def _combinations(
        self, place: int, genes: dict[int, int | float], values: dict[str, Any]
    ) -> Iterator[dict[int, int | float]]:
        """Every way to fill the genes from this place of the order on that count, given those before them."""
        if place == len(self._order):
            yield genes
            return
        gene = self._order[place]
        name, domain, condition = self.gene_names[gene], self.domains[gene], self._conditions[gene]
        if condition is not None and not condition.holds(values):
            yield from self._combinations(place + 1, genes, values)
            return
        for one in domain.genes():
            yield from self._combinations(place + 1, {**genes, gene: one}, {**values, name: domain.value(one)})

    def _filled(self, genes: Mapping[int, int | float]) -> Arch:
        return Arch(tuple(genes.get(gene, default) for gene, default in enumerate(self._defaults)))

    @cached_property
    def listed(self) -> tuple[Arch, ...] | None:
        """Every valid architecture in its canonical form, each once; None if they cannot be gone through."""
        candidates = self.candidates()
        if candidates is None:
            return None
        found: dict[str, Arch] = {}
        for arch in candidates:
            if all(amount <= 0.0 for amount in self.violations(arch).values()):
                found.setdefault(self.key(arch), self.canonical(arch))
        return tuple(found.values())

    @cached_property
    def _size(self) -> int | None:
        """Conditions tie some genes together; the others multiply the count."""
        parents = self._parents
        sizes = [domain.size for domain in self.domains]
        known = [size for size in sizes if size is not None]
        if len(known) < len(sizes):
            return None
        cases = math.prod(size for size, name in zip(known, self.gene_names, strict=True) if name in parents)
        if cases > _MOST_CASES:
            return None
        tied = [g for g in self._order if self._conditions[g] is not None or self.gene_names[g] in parents]
        free = math.prod(size for gene, size in enumerate(known) if gene not in tied)
        return free * self._count(tied, {}, parents)

    def _count(self, genes: Sequence[int], values: dict[str, Any], parents: set[str]) -> int:
        """How many ways there are to fill these genes, given the values of the parents before them."""
        if not genes:
            return 1
        gene, rest = genes[0], genes[1:]
        name, domain, condition = self.gene_names[gene], self.domains[gene], self._conditions[gene]
        if condition is not None and not condition.holds(values):
            return self._count(rest, values, parents)
        if name not in parents:
            return (domain.size or 0) * self._count(rest, values, parents)
        return sum(self._count(rest, {**values, name: value}, parents) for value in domain.values())


def _gene_name(given: object) -> str:
    """A gene's name as a string; InputError for one that strings of architectures could not hold."""
    name = str(given)
    if not name.strip() or "=" in name or ", " in name or not name.isprintable():
        raise InputError(f"{name!r} as the name of a gene: expected no '=', no ', ', no line breaks, and not nothing")
    return name
