"""Spaces: what is formatted is read back, sizes are counted by brute force, and nothing leaves its domain."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import archloom
from archloom.errors import InputError
from archloom.spaces.base import is_valid
from archloom.spaces.conditions import Above, AllOf, AnyOf, Below, Condition, Is
from archloom.types import Arch
from benchmarks.fuzz.harness import Kind

MOST_COUNTED = 3_000
"""Combinations of genes up to which a space is counted here."""


@dataclass(frozen=True)
class Gene:
    """A domain: its kind, its arguments, and when it counts: ("is" | "above" | ..., parent's number, value)."""

    name: str
    kind: str
    options: tuple[Any, ...] = ()
    low: float = 0
    high: float = 1
    step: float | None = None
    log: bool = False
    when: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Case:
    genes: tuple[Gene, ...]
    seed: int
    strange: tuple[Any, ...]
    text: str
    categorical: bool


OPTIONS = st.one_of(
    st.integers(-3, 3), st.booleans(), st.none(), st.sampled_from([0.1, 1.0, 1e-10, 1e22, "relu", "", " ", "1",
    "None"]),
    st.text(max_size=5), st.sampled_from([", b=2", "a=1", "x, y", ", a=", "=", "\n", "\x1b[1m", "[b]"]),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-5, 9), st.sampled_from([0.1, 0.3, 1e-8, 1e8, 1e-300, 1e300, 2**31, 2**40, -0.0, 0.5, 1.5, 3.3]),
    st.floats(-100, 100), st.floats(),
)  # fmt: skip


NAMES = st.one_of(st.sampled_from("abcdef"), st.text(min_size=1, max_size=4))


def _suits(value: Any) -> bool:
    """Whether this may be the name of a gene, or an option."""
    return str(value).isprintable() and "=" not in str(value) and ", " not in str(value)


@st.composite
def genes(draw: Any) -> tuple[Gene, ...]:
    """Mostly such as make a space; where one thing is strange, most others are not."""
    sane = st.integers(0, 14)
    names = draw(st.lists(NAMES.filter(_suits) if draw(sane) else NAMES, min_size=1, max_size=5, unique=True))
    options = OPTIONS.filter(_suits) if draw(sane) else OPTIONS
    unique = (lambda value: (str(value), value)) if draw(sane) else id
    found: list[Gene] = []
    for number, name in enumerate(names):
        kind = draw(st.sampled_from(["list", "list", "list", "Choice", "Integer", "Integer", "Real", "Seed"]))
        when: tuple[Any, ...] = ()
        if kind != "list" and number and draw(st.booleans()):
            parent = draw(st.integers(0, number - 1 if draw(sane) else len(names) - 1))
            how = draw(st.sampled_from(["is", "is", "one of", "above", "below", "both", "either"]))
            when = (how, parent, draw(st.one_of(st.integers(0, 5), OPTIONS) if not draw(sane) else st.integers(0, 5)))
        low, high, step, log = draw(NUMBERS), draw(NUMBERS), draw(st.sampled_from([None, 1, 0.1])), draw(st.booleans())
        if draw(sane) and kind == "Integer":
            low, step = draw(st.sampled_from([0, 1, 1, 2, -3])), draw(st.sampled_from([1, 1, 2, 3]))
            high = low + step * draw(st.integers(0, 6))
            log = log and low > 0
        elif draw(sane) and kind == "Real":
            low = draw(st.sampled_from([0.0, 0.1, 1e-4, 1e-300, -2.5, 3.0]))
            high = low + draw(st.sampled_from([1.0, 0.3, 5.5, 1e6]))
            step = draw(st.sampled_from([None, None, (high - low) / 4]))
            log = log and low > 0
        listed = tuple(draw(st.lists(options, min_size=1, max_size=4, unique_by=unique)))
        found.append(Gene(name, kind, listed, low, high, step, log, when))
    return tuple(found)


cases = st.builds(
    Case,
    genes=genes(),
    seed=st.integers(0, 2**31),
    strange=st.lists(
        st.one_of(st.integers(-2, 9), st.floats(), st.sampled_from([None, "0", "a", True, 2**80, 0.5, (), [1]])),
        max_size=5,
    ).map(tuple),
    text=st.one_of(st.text(max_size=30), st.sampled_from(["", "a=1", "a=1, b=2", ", a=", "a", "=", "a=1, a=1"])),
    categorical=st.booleans(),
)


def build(case: Case) -> Any:
    """The space of a case; InputError for one that is refused."""
    domains: dict[str, Any] = {}
    for gene in case.genes:
        when = _when(gene, case.genes)
        more = {} if when is None else {"when": when}
        if gene.kind == "list":
            domains[gene.name] = list(gene.options)
        elif gene.kind == "Choice":
            domains[gene.name] = archloom.Choice(gene.options, ordered=gene.log, **more)
        elif gene.kind == "Seed":
            domains[gene.name] = archloom.Seed(**more)
        elif gene.kind == "Real":
            domains[gene.name] = archloom.Real(gene.low, gene.high, log=gene.log, step=gene.step, **more)
        else:
            step = int(gene.step) if gene.step and gene.step >= 1 else 1
            domains[gene.name] = archloom.Integer(int(gene.low), int(gene.high), log=gene.log, step=step, **more)
    plain = case.categorical and all(gene.kind == "list" for gene in case.genes)
    return (archloom.Categorical if plain else archloom.Space)(domains)


def _when(gene: Gene, genes: Sequence[Gene]) -> Condition | None:
    if not gene.when:
        return None
    kind, number, value = gene.when
    parent = genes[number]
    if parent.kind in ("list", "Choice") and isinstance(value, int):
        value = parent.options[value % len(parent.options)]
    made: Mapping[str, Any] = {
        "is": lambda: Is(parent.name, value),
        "one of": lambda: Is(parent.name, [value, *parent.options[:1]]),
        "above": lambda: Above(parent.name, value),
        "below": lambda: Below(parent.name, value),
        "both": lambda: AllOf((Is(parent.name, value), Is(genes[0].name, genes[0].options[0]))),
        "either": lambda: AnyOf((Is(parent.name, value), Is(genes[0].name, genes[0].options[0]))),
    }
    found: Condition = made[kind]()
    return found


def check(_: None, case: Case, place: Path) -> list[str]:
    try:
        space = build(case)
    except InputError as error:
        return [f"a message of {len(str(error))} characters: {str(error)[:300]!r}"] if len(str(error)) > 4000 else []
    faults = _counted(space)
    rng = np.random.default_rng(case.seed)
    drawn = [space.sample(rng) for _ in range(6)]
    for arch in drawn:
        faults += _one(space, arch, rng)
    faults += _strange(space, case, drawn[0])
    again = build(case)
    if [again.format(arch) for arch in drawn] != [space.format(arch) for arch in drawn]:
        faults.append("the same space made twice formats differently")
    return faults


def _one(space: Any, arch: Arch, rng: np.random.Generator) -> list[str]:
    """Faults of one architecture that the space has drawn."""
    faults = []
    text = space.format(arch)
    if not is_valid(space, arch):
        faults.append(f"drew the invalid {arch}")
    if space.canonical(arch) != arch:
        faults.append(f"drew {arch}, which is not canonical")
    try:
        read = space.parse(text)
        if read != arch or list(map(type, read.genes)) != list(map(type, arch.genes)):
            faults.append(f"{text!r} is read as {read}, not as {arch}")
    except InputError as error:
        faults.append(f"does not read its own {text!r}: {error}")
    plain = json.loads(json.dumps(arch.genes))
    if space.key(Arch(tuple(plain))) != space.key(arch):
        faults.append(f"{arch} is another after a record: {plain}")
    point = space.to_unit(arch)
    if not ((point >= 0) & (point <= 1)).all() or space.from_unit(point) != arch:
        faults.append(f"{arch} is at {point}, where {space.from_unit(point)} is")
    mutant = space.mutate(arch, rng)
    near = space.neighbours(arch)
    if not is_valid(space, mutant) or not all(is_valid(space, other) for other in near):
        faults.append(f"invalid mutants or neighbours of {arch}")
    if len({space.key(other) for other in near}) < len(near) or space.key(arch) in {space.key(other) for other in near}:
        faults.append(f"neighbours of {arch} twice, or itself")
    return faults


def _counted(space: Any) -> list[str]:
    """Sizes and keys by brute force, where that is possible."""
    sizes = [domain.size for domain in space.domains]
    if None in sizes:
        return [] if space.size is None else [f"has the size {space.size}, and real numbers"]
    if math.prod(sizes) > MOST_COUNTED:
        return []
    places = [[(j + 0.5) / size for j in range(size)] for size in sizes]
    values = [
        dict.fromkeys(domain.values() if getattr(domain, "log", False) else map(domain.from_unit, at))
        for domain, at in zip(space.domains, places, strict=True)
    ]
    seen: dict[str, Any] = {}
    faults = []
    for genes in itertools.product(*values):
        arch = space.canonical(Arch(genes))
        key = space.key(arch)
        chosen = space.choices(arch)
        if repr(seen.setdefault(key, chosen)) != repr(chosen):
            faults.append(f"{key!r} is both {seen[key]} and {chosen}")
        if space.parse(space.format(arch)) != arch:
            faults.append(f"{space.format(arch)!r} is read as {space.parse(space.format(arch))}, not as {arch}")
    different = {repr(sorted(chosen.items(), key=lambda item: item[0])) for chosen in seen.values()}
    if space.size is not None and space.size != len(seen):
        faults.append(f"has {len(seen)} architectures, and says {space.size}")
    if len(different) != len(seen):
        faults.append(f"{len(seen)} keys for {len(different)} architectures")
    return faults[:3]


def _strange(space: Any, case: Case, arch: Arch) -> list[str]:
    """Genes and strings of strangers are refused with InputError, or valid."""
    faults = []
    genes = (*case.strange, *arch.genes)[: len(arch.genes)] if case.seed % 2 else case.strange
    broken = space.violations(Arch(genes))
    try:
        space.format(Arch(genes))
        refused = False
    except InputError:
        refused = True
    if refused != any(amount > 0 for amount in broken.values()):
        faults.append(f"genes {genes} are {'refused' if refused else 'taken'}, with violations {broken}")
    text = space.format(arch)
    for written in (case.text, text + case.text, case.text + text, text.replace("=", case.text, 1), text[:-1]):
        try:
            read = space.parse(written)
        except InputError:
            continue
        if not is_valid(space, read) or space.canonical(read) != space.parse(space.format(read)):
            faults.append(f"{written!r} is read as {read}")
    return faults


KIND = Kind("spaces", 2.0, cases, lambda home: None, check)
