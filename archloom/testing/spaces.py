"""The contract of `SearchSpace` and of what a space can do besides."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np

from archloom.errors import InputError
from archloom.spaces.base import (
    Buildable,
    HasAlpha,
    HasConditions,
    HasModules,
    HasNeighbours,
    HasSizes,
    HasUnitCube,
    SearchSpace,
    is_valid,
    listed,
    mutate_valid,
    sample_valid,
    size_of,
)
from archloom.spaces.drawing import HasChoices
from archloom.spaces.features import HasFeatures
from archloom.spaces.fingerprint import fingerprint
from archloom.spaces.flow import flow_of
from archloom.spaces.graphs import HasGrammar, HasGraph
from archloom.spaces.ownership import unowned
from archloom.spaces.walks import HasWalks
from archloom.testing.domains import check_conditions, check_unit_cube
from archloom.testing.features import check_features, check_flow
from archloom.testing.graphs import check_grammar, check_graph
from archloom.testing.raising import must_raise
from archloom.testing.randomness import check_independent
from archloom.testing.walks import check_walks
from archloom.types import Arch
from archloom.utils import seeds

MakeSpace = Callable[[], SearchSpace]

MOST_COUNTED = 5_000
"""Spaces of at most so many architectures are counted whole."""
MOST_OPTIONS = 200
"""How many options of each gene are written and read back."""


def check_space(make: MakeSpace, samples: int = 40) -> None:
    """Run the contract of `SearchSpace`, and of every capability that the space has."""
    space = make()
    rng = seeds.stream(0, "check")
    archs = [sample_valid(space, rng) for _ in range(samples)]
    for arch in archs:
        _check_arch(space, arch)
        _check_mutation(space, arch)
        if isinstance(space, HasNeighbours):
            _check_neighbours(space, arch)
        if isinstance(space, HasAlpha):
            _check_one_hot(space, arch)
    _check_keys(space, archs)
    _check_size(space, archs)
    _check_options(space, archs[0])
    _check_choices(space, archs[0])
    _check_modules(space, archs)
    for start in archs[:4]:
        _check_chain(space, start, wanted=len({space.key(arch) for arch in archs}) / 2)
    if isinstance(space, HasAlpha):
        _check_alpha(space)
    if isinstance(space, HasUnitCube):
        check_unit_cube(space, archs, seeds.stream(6, "check"))
    if isinstance(space, HasConditions):
        check_conditions(space, archs)
    if isinstance(space, HasWalks):
        check_walks(space, make(), archs, seeds.stream(8, "check"))
    _check_unparsable(space)
    if isinstance(space, HasGraph):
        check_graph(space, archs)
    if isinstance(space, HasGrammar):
        check_grammar(space, archs, seeds.stream(5, "check"))
    if isinstance(space, HasFeatures):
        check_features(space, archs, seeds.stream(7, "check"))
    flow = flow_of(space)
    if flow is not None:
        check_flow(flow, list(map(space.canonical, archs)))
    check_independent(partial(_draws, make), "sample")


def _draws(make: MakeSpace) -> list[str]:
    space, rng = make(), seeds.stream(3, "check")
    told = json.dumps(fingerprint(space), sort_keys=True)  # every gene with its options, in order
    archs = [sample_valid(space, rng) for _ in range(20)]
    return [told] + [space.format(arch) for arch in archs] + [space.key(space.mutate(arch, rng)) for arch in archs]


def _check_arch(space: SearchSpace, arch: Arch) -> None:
    assert all(type(gene) in (int, float) for gene in arch.genes), f"genes of {arch} are not plain numbers"
    back = msgspec.json.decode(msgspec.json.encode(arch), type=Arch)
    assert back == arch, f"{arch} does not survive JSON: {back}"
    text = space.format(arch)
    assert space.parse(text) == arch, f"parse(format) of {text!r} is {space.parse(text)}, not {arch}"
    canonical = space.canonical(arch)
    assert space.canonical(canonical) == canonical, f"canonical({canonical}) is not itself"
    assert space.key(canonical) == space.key(arch), f"{arch} and its canonical {canonical} have different keys"


def _check_keys(space: SearchSpace, archs: list[Arch]) -> None:
    canonical: dict[str, Arch] = {}
    for arch in archs:
        other = canonical.setdefault(space.key(arch), space.canonical(arch))
        assert other == space.canonical(arch), f"{arch} and {other} have one key, but are not the same"


def _check_size(space: SearchSpace, archs: list[Arch]) -> None:
    size, keys = size_of(space), {space.key(arch) for arch in archs}
    if size is None:
        return
    assert len(keys) <= size, f"size is {size}, but {len(keys)} different ones were drawn"
    every = listed(space) if size <= MOST_COUNTED else None
    if every is not None:
        there = {space.key(arch) for arch in every}
        assert len(there) == size, f"size is {size}, but there are {len(there)} different ones"
        stray = next((arch for arch in archs if space.key(arch) not in there), None)
        assert stray is None, f"{stray} was drawn, and is not among all the architectures of the space"


def _check_options(space: SearchSpace, arch: Arch) -> None:
    """Every option of every gene is written in a way that is read back as itself."""
    if not isinstance(space, HasSizes):
        return
    for gene, size in enumerate(space.sizes.tolist()):
        for option in range(min(size, MOST_OPTIONS)):
            other = Arch((*arch.genes[:gene], option, *arch.genes[gene + 1 :]))
            if is_valid(space, other):
                _check_written(space, other, f"architecture with option {option} of gene {gene},")


def _check_choices(space: SearchSpace, arch: Arch) -> None:
    """Nothing that a function does to the values it is given changes what the next one is given."""
    if not isinstance(space, HasChoices):
        return
    before = {name: repr(value) for name, value in space.choices(arch).items() if isinstance(value, _CHANGEABLE)}
    for value in space.choices(arch).values():
        if isinstance(value, _CLEARABLE):
            value.clear()
        elif isinstance(value, np.ndarray) and value.flags.writeable:
            value.fill(0)
    after = space.choices(arch)
    changed = next((name for name, value in before.items() if repr(after[name]) != value), None)
    assert changed is None, (
        f"choices gives out the space's own object for {changed!r}: a function that changes it changes what comes "
        "after it; give out copies"
    )


_CLEARABLE = (dict, list, set, bytearray)
_CHANGEABLE = (np.ndarray, *_CLEARABLE)
"""Types of options that a function may change in place."""


def _check_mutation(space: SearchSpace, arch: Arch) -> None:
    before = arch.genes
    mutant = space.mutate(arch, seeds.stream(1, "check"))
    assert arch.genes == before, "mutate changed its argument"
    assert mutant == space.mutate(arch, seeds.stream(1, "check")), "mutate is not determined by its generator"
    _check_written(space, mutant, "mutant")


def _check_written(space: SearchSpace, arch: Arch, what: str) -> None:
    try:
        back: Arch | None = space.parse(space.format(arch))
    except InputError:
        back = None
    assert back == arch, f"the {what} {arch} cannot be formatted and parsed again"


def _check_modules(space: SearchSpace, archs: list[Arch]) -> None:
    """What genes own exists in at least one network: a misspelled prefix owns nothing, silently."""
    if not (isinstance(space, HasModules) and isinstance(space, Buildable)):
        return
    if importlib.util.find_spec("torch") is None:
        return
    fault = unowned(space, archs)
    assert not fault, fault


def _check_chain(space: SearchSpace, start: Arch, wanted: float, length: int = 200) -> None:
    """From anywhere, a chain of valid mutations sees at least half as many architectures as some draws did."""
    arch, rng = start, seeds.stream(4, "check")
    seen = {space.key(arch)}
    for _ in range(length):
        arch = mutate_valid(space, arch, rng)
        seen.add(space.key(arch))
        if len(seen) >= wanted:
            return
    raise AssertionError(
        f"mutations get stuck: {length} in a row from {start} led to {len(seen)} different architectures, "
        f"expected at least {wanted:g}"
    )


def _check_neighbours(space: Any, arch: Arch) -> None:
    neighbours = list(space.neighbours(arch))
    assert arch not in neighbours, f"{arch} is its own neighbour"
    assert len(set(neighbours)) == len(neighbours), f"a neighbour of {arch} is listed twice"
    for near in neighbours:
        _check_written(space, near, "neighbour")
    assert neighbours == list(space.neighbours(arch)), "neighbours come in another order the second time"
    if getattr(space, "neighbours_are_valid", False):
        wrong = next((near for near in neighbours if not is_valid(space, near)), None)
        assert wrong is None, f"neighbours_are_valid is set, but {wrong} is not valid"


def _check_one_hot(space: Any, arch: Arch) -> None:
    matrix = space.one_hot(arch)
    assert matrix.shape == space.alpha_shape, f"one_hot has shape {matrix.shape}, alpha_shape is {space.alpha_shape}"
    back = space.discretise(matrix)
    assert space.key(back) == space.key(arch), f"discretise(one_hot) of {arch} is {back}"


def _check_alpha(space: Any) -> None:
    rng = seeds.stream(2, "check")
    for _ in range(20):
        arch = space.discretise(rng.random(space.alpha_shape))
        assert space.parse(space.format(arch)) == arch, f"alpha gave {arch}, which the space cannot write"
    rows, columns = space.alpha_shape
    with must_raise(InputError, "discretise of a wrong shape"):
        space.discretise(np.zeros((rows + 1, columns)))


def _check_unparsable(space: SearchSpace) -> None:
    for text in ("", "no architecture", "|~0|+|~0|~1|", "=", "a=b, c"):
        with must_raise(InputError, f"parse({text!r})"):
            space.parse(text)
