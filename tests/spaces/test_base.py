from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.errors import InputError, NoArchitectureError
from archloom.spaces.base import (
    MAX_TRIES,
    Buildable,
    Categorical,
    HasAlpha,
    HasNeighbours,
    HasSize,
    HasSource,
    HasSupernet,
    SearchSpace,
    is_valid,
    listed,
    mutate_valid,
    sample_valid,
    size_of,
)
from archloom.spaces.graphs import HasGrammar
from archloom.spaces.nb201 import Nb201
from archloom.spaces.nbgraph import NbGraph
from archloom.testing import ForbiddenSpace, RuledSpace, check_space
from archloom.testing.graphs import draw_graphs
from archloom.types import Arch
from archloom.utils import seeds

NETWORK = {"kernel": [3, 5, 7], "width": [16, 32], "norm": ("batch",), "shape": ((1, 2), (3, 4))}

option_texts = st.text("ab=, ()", min_size=1, max_size=5)
spaces = st.lists(st.lists(option_texts, min_size=1, max_size=4, unique=True), min_size=1, max_size=4).map(
    lambda options: Categorical({f"choice {i}": texts for i, texts in enumerate(options)})
)


def network() -> Categorical:
    return Categorical(NETWORK)


class LateRule(Categorical):
    """Every fourth architecture that is looked at is valid."""

    def __init__(self) -> None:
        super().__init__(NETWORK)
        self.looked = 0

    def violations(self, arch: Arch) -> Mapping[str, float]:
        self.looked += 1
        return {} if self.looked % 4 == 0 else {"patience": 1.0}


def test_contract() -> None:
    check_space(network)


def test_capabilities_are_seen() -> None:
    space = network()
    for capability in (SearchSpace, HasNeighbours, HasAlpha, HasGrammar, HasSize):
        assert isinstance(space, capability)
    for capability in (Buildable, HasSource):
        assert not isinstance(space, capability)


def test_choices_are_a_chain_of_which_any_combination_can_be_drawn() -> None:
    space = network()
    labels = space.to_graph(Arch((2, 0, 0, 1))).labels
    assert [space.graph_labels[label] for label in labels] == ["kernel=7", "width=16", "norm=batch", "shape=(3, 4)"]
    graphs = draw_graphs(space.grammar(), len(space.graph_labels), 200, seeds.stream(0, "test"))
    assert len({space.from_graph(graph) for graph in graphs}) == space.size
    with pytest.raises(InputError, match=r"gene kernel is \[1\]: expected the index of one of its 3 options"):
        space.format(Arch(([1], 0, 0, 1)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="gene kernel is 3: expected the index of one of its 3 options"):
        space.to_graph(Arch((3, 0, 0, 1)))


@given(space=spaces, seed=st.integers(0, 99))
def test_whatever_options_are_called_texts_are_read_back(space: Categorical, seed: int) -> None:
    arch = space.sample(seeds.stream(seed, "test"))
    assert space.parse(space.format(arch)) == arch


def test_texts_and_choices() -> None:
    space = network()
    arch = Arch((2, 0, 0, 1))
    assert space.format(arch) == "kernel=7, width=16, norm=batch, shape=(3, 4)"
    assert space.parse("kernel=7, width=16, norm=batch, shape=(3, 4)") == arch
    assert space.choices(arch) == {"kernel": 7, "width": 16, "norm": "batch", "shape": (3, 4)}
    assert space.size == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kernel=7", "expected NAME=VALUE for kernel, width in this order"),
        ("width=16, kernel=7", "expected NAME=VALUE for kernel, width in this order"),
        ("x, kernel=7, width=16", "expected NAME=VALUE for kernel, width in this order"),
        ("kernel=7, kernel=5, width=16", "kernel='7, kernel=5': expected one of 3, 5, 7"),
        ("kernel=7, width=16, width=16", "width='16, width=16': expected one of 16, 32"),
        ("kernel=9, width=16", "kernel='9': expected one of 3, 5, 7"),
        ("kernel=7, width=16 ", "width='16 ': expected one of 16, 32"),
        ("kernel=7,width=16", "expected NAME=VALUE for kernel, width in this order"),
    ],
)
def test_only_what_format_writes_is_read(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Categorical({"kernel": [3, 5, 7], "width": [16, 32]}).parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"a": []}, {"a": ["x", "x"]}, {"a": [1, "1"]}])
def test_unusable_options_are_told(options: dict[str, list[object]]) -> None:
    with pytest.raises(
        InputError, match=r"expected at least one, each different|is there twice|needs at least one choice"
    ):
        Categorical(options)


def test_samples_are_uniform() -> None:
    space, rng = network(), seeds.stream(0, "test")
    genes = np.array([space.sample(rng).genes for _ in range(6000)])
    for column, size in enumerate(space.sizes.tolist()):
        counts = np.bincount(genes[:, column], minlength=size)
        assert len(counts) == size
        assert abs(counts / 6000 - 1 / size).max() < 5 * math.sqrt(0.25 / 6000)


@given(space=spaces, seed=st.integers(0, 99))
def test_neighbours_and_mutants_differ_in_one_choice(space: Categorical, seed: int) -> None:
    rng = seeds.stream(seed, "test")
    arch = space.sample(rng)
    neighbours = space.neighbours(arch)
    assert len(neighbours) == len(set(neighbours)) == sum(space.sizes - 1)
    for near in neighbours:
        assert sum(a != b for a, b in zip(arch.genes, near.genes, strict=True)) == 1
        assert arch in space.neighbours(near)
    mutant = space.mutate(arch, rng)
    assert mutant in neighbours or (not neighbours and mutant == arch)


def test_every_neighbour_is_a_mutant_and_genes_mutate_equally_often() -> None:
    space, rng, arch = network(), seeds.stream(0, "test"), Arch((0, 0, 0, 0))
    mutants = [space.mutate(arch, rng) for _ in range(3000)]
    assert set(mutants) == set(space.neighbours(arch))
    changed = np.array([np.flatnonzero(mutant.genes)[0] for mutant in mutants])
    for gene in (0, 1, 3):
        assert abs((changed == gene).mean() - 1 / 3) < 5 * math.sqrt(2 / 9 / 3000)


def test_alpha_stands_for_the_largest_entry_that_exists() -> None:
    space = network()
    assert space.alpha_shape == (4, 3)
    alpha = np.array([[0.1, 0.9, 0.2], [0.3, 0.2, 0.9], [-5.0, 0.9, 0.9], [0.5, 0.5, 0.9]])
    assert space.discretise(alpha) == Arch((1, 0, 0, 0))
    assert space.one_hot(Arch((1, 0, 0, 1))).tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]]
    with pytest.raises(InputError, match=r"alpha of shape \(3, 4\): expected \(4, 3\)"):
        space.discretise(alpha.T)


# -- valid architectures ------------------------------------------------------------------------------------------


def test_rules_that_are_kept_or_left_by_a_margin_are_no_violations() -> None:
    class Margins(Categorical):
        def violations(self, arch: Arch) -> Mapping[str, float]:
            return {"kept exactly": 0.0, "margin": -3.0, "broken": float(arch.genes[0])}

    space = Margins({"a": [0, 1]})
    assert is_valid(space, Arch((0,)))
    assert not is_valid(space, Arch((1,)))


def test_draw_and_vary_pass_over_invalid_architectures() -> None:
    space, rng = RuledSpace(), seeds.stream(0, "test")
    arch = sample_valid(space, rng)
    for _ in range(200):
        arch = mutate_valid(space, arch, rng)
        assert arch.genes[0] != arch.genes[1]
        assert sample_valid(space, rng).genes[:2] not in {(i, i) for i in range(4)}


def test_draw_takes_no_more_than_it_needs() -> None:
    space = LateRule()
    sample_valid(space, seeds.stream(0, "test"))
    assert space.looked == 4


@pytest.mark.parametrize("way", ["sample", "mutate"])
def test_looking_for_a_valid_architecture_is_bounded(way: str) -> None:
    class Counting(ForbiddenSpace):
        looked = 0

        def violations(self, arch: Arch) -> Mapping[str, float]:
            Counting.looked += 1
            return super().violations(arch)

    space, rng = Counting(), seeds.stream(0, "test")
    with pytest.raises(NoArchitectureError) as caught:
        sample_valid(space, rng) if way == "sample" else mutate_valid(space, Arch((0,) * 8), rng)
    assert Counting.looked <= 2 * MAX_TRIES + 4**8, "two rounds of draws, and once all there are"
    assert str(caught.value) == (
        "space 'forbidden': no architecture is valid (the last breaks forbidden by 1); "
        "loosen the rule or use a space that satisfies it more often"
    )


def test_a_space_too_large_to_list_says_how_many_were_drawn() -> None:
    class Large(Categorical):
        def violations(self, arch: Arch) -> Mapping[str, float]:
            return {"none": 1.0}

    with pytest.raises(NoArchitectureError, match=f"none of {MAX_TRIES} architectures drawn is valid"):
        sample_valid(Large({f"g{i}": range(10) for i in range(6)}), seeds.stream(0, "test"))


# -- how many there are -----------------------------------------------------------------------------------------------

FOUR = {name: [0, 1, 2, 3] for name in "abc"}


class Even(Categorical):
    """Half of the combinations break a rule."""

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return super().violations(arch) or {"odd": float(sum(arch.genes) % 2)}


class Unordered(Categorical):
    """Sets of three: 20 with repetition of 4."""

    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(sorted(arch.genes)))


class Stated(Unordered):
    @property
    def size(self) -> int:
        return 7


class Both(Stated):
    def violations(self, arch: Arch) -> Mapping[str, float]:
        return super().violations(arch) or {"odd": float(sum(arch.genes) % 2)}


class Equal(Categorical):
    """One combination in 1,000 is valid, and none is a change away from another."""

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return super().violations(arch) or {"different": float(len(set(arch.genes)) - 1)}


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (Categorical(FOUR), 64),
        (Even(FOUR), 32),
        (Unordered(FOUR), 20),
        (Stated(FOUR), 7),
        (Both(FOUR), 10),
        (Equal({name: range(10) for name in "abcd"}), 10),
        (Even({name: range(10) for name in "abcdef"}), None),
        (Categorical({name: range(10) for name in "abcdef"}), 1_000_000),
    ],
)
def test_rules_of_a_subclass_are_counted_unless_its_size_is_its_own(space: Any, size: int | None) -> None:
    assert size_of(space) == size
    if size is not None and not isinstance(space, Stated) and size < 1_000:
        every = listed(space)
        assert every is not None
        assert len({space.key(arch) for arch in every}) == len(every) == size
        assert all(is_valid(space, arch) and space.canonical(arch) == arch for arch in every)


def test_rare_architectures_are_found_among_all() -> None:
    space, rng = Equal({name: range(10) for name in "abcd"}), seeds.stream(0, "test")
    drawn = [sample_valid(space, rng) for _ in range(40)]
    assert all(is_valid(space, arch) for arch in drawn)
    assert len(set(drawn)) > 5
    assert len({mutate_valid(space, drawn[0], rng) for _ in range(10)}) > 2, "although no mutant is valid"


WRONG: dict[tuple[Any, ...], tuple[dict[str, float], str]] = {
    (0, 3): ({"genes that are no option": 1, "genes too many or too few": 0}, "gene width is 3: expected the index"),
    (-1, 0): ({"genes that are no option": 1, "genes too many or too few": 0}, "gene kernel is -1: expected the index"),
    (0.5, float("nan")): ({"genes that are no option": 2, "genes too many or too few": 0}, "gene kernel is 0.5"),
    ("a", None): ({"genes that are no option": 2, "genes too many or too few": 0}, "gene kernel is 'a'"),
    (0,): ({"genes that are no option": 0, "genes too many or too few": 1}, "1 genes: expected 2, one for each choice"),
    (0, 0, 0): ({"genes that are no option": 0, "genes too many or too few": 1}, "3 genes: expected 2"),
    (): ({"genes that are no option": 0, "genes too many or too few": 2}, "0 genes: expected 2"),
}


@pytest.mark.parametrize("genes", WRONG)
def test_genes_that_are_no_options_break_a_rule_and_are_not_written(genes: tuple[Any, ...]) -> None:
    space, (broken, said) = Categorical({"kernel": [3, 5], "width": [8, 16, 32]}), WRONG[genes]
    assert space.violations(Arch(genes)) == broken
    assert not is_valid(space, Arch(genes))
    for use in (space.format, space.key, space.choices, space.one_hot, space.indices):
        with pytest.raises(InputError, match=said) as error:
            use(Arch(genes))
        assert "\n" not in str(error.value)


def test_genes_that_are_options_break_no_rule() -> None:
    space = Categorical({"kernel": [3, 5], "width": [8, 16, 32]})
    for genes in ((1, 2), (1.0, 2.0), (True, np.int64(2))):
        assert space.violations(Arch(genes)) == {}
        assert space.indices(Arch(genes)) == (1, 2)
        assert space.format(Arch(genes)) == "kernel=5, width=32"


@pytest.mark.parametrize("space", [Nb201(), NbGraph()])
def test_every_space_of_choices_tells_genes_that_are_no_options(space: Any) -> None:
    for genes in ((99,) * len(space.sizes), (0,) * (len(space.sizes) + 1)):
        assert not is_valid(space, Arch(genes))
        with pytest.raises(InputError, match="expected"):
            space.key(Arch(genes))


def supernet_spaces() -> list[Any]:
    pytest.importorskip("numba", reason="the DARTS space needs the extra bench")
    from archloom.spaces.darts import Darts
    from archloom.spaces.nb101 import Nb101

    more = {"classes": 3, "image_channels": 1, "image_size": 8}
    return [Darts(channels=4, cells=3, **more), Nb201(channels=4, cells=1, **more), Nb101(channels=5, cells=1, **more)]


def test_spaces_with_supernets_have_paths_in_them_and_plain_networks() -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    from archloom.nets.supernets.base import Sharing

    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for space in supernet_spaces():
        assert isinstance(space, HasSupernet)
        assert set(space.supernet_sizes) == {"channels", "cells"}
        network, rng = space.supernet(0, Sharing()).eval(), seeds.stream(0, "test")
        for _ in range(3):
            arch = sample_valid(space, rng)
            path = space.path(arch)
            assert path == space.path(space.canonical(arch))
            network.select(path)
            plain = space.plain(arch, 1, Sharing()).eval()
            plain.load_state_dict(network.standalone(path))
            with torch.no_grad():
                logits = network(x)
                assert torch.allclose(plain(x), logits, rtol=0, atol=1e-6)
            assert logits.shape == (3, 3)


def test_sharing_that_a_space_does_not_have_is_refused_with_what_to_do() -> None:
    pytest.importorskip("torch", reason="networks need the extra train")
    from archloom.nets.supernets.base import Sharing

    darts, nb201, nb101 = supernet_spaces()
    for space in (nb201, nb101):
        with pytest.raises(InputError, match=f"partial 4 on {space.name}: only the supernet of darts"):
            space.supernet(0, Sharing(partial=4))
    for partial in (3, 0, -4):
        with pytest.raises(InputError, match=f"partial {partial} with 4 channels: expected a divisor"):
            darts.supernet(0, Sharing(partial=partial))
