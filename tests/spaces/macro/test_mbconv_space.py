from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.problems import ProblemSpec, open_scenario
from archloom.spaces.drawing import Drawable
from archloom.spaces.macro.efficientnet_b0 import EfficientNetB0
from archloom.spaces.macro.mbconv_space import KINDS, ZERO, MbconvSpace, widened
from archloom.spaces.macro.proxyless import Proxyless
from archloom.testing import check_space
from archloom.types import Arch, Proposal
from archloom.utils import seeds

SPACES = [EfficientNetB0, Proxyless]
SMALLEST = 0.01
"""A width at which all channels are 8."""


@pytest.fixture(params=SPACES)
def space(request: pytest.FixtureRequest) -> MbconvSpace:
    made: MbconvSpace = request.param()
    return made


def some_genes(space: MbconvSpace, count: int, seed: int = 0) -> np.ndarray:
    """The first and the last option of every layer, and random ones."""
    between = seeds.stream(seed, "test").integers(0, space.sizes, size=(count, len(space.sizes)))
    return np.concatenate([np.zeros_like(space.sizes)[None], space.sizes[None] - 1, between])


def count(network: Any) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("make", SPACES)
def test_contract(make: Callable[[], MbconvSpace]) -> None:
    check_space(make, samples=20)


# -- counts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1.0, 0.3])
def test_a_space_counts_its_networks(space: MbconvSpace, counted: Callable[..., int], width: float) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space = type(space)(width=width, image_channels=1, classes=9)
    genes = some_genes(space, 3)
    with torch.device("meta"):
        networks = [space.build(Arch(tuple(row)), seed=0) for row in genes.tolist()]
        assert [counted(network, (1, 75, 75)) for network in networks] == space.macs(genes, 75).tolist()
    assert [count(network) for network in networks] == space.parameters(genes).tolist()
    assert space.parameters(genes).dtype == space.macs(genes).dtype == np.int64


def test_one_row_and_lists_and_no_rows_are_counted_too(space: MbconvSpace) -> None:
    genes = some_genes(space, 1)
    for same in (genes.tolist(), genes.astype(np.uint8)):
        assert space.parameters(same).tolist() == space.parameters(genes).tolist()
    assert space.macs(genes[1]).tolist() == space.macs(genes).tolist()[1:2]
    assert space.parameters(genes[:0]).shape == (0,)


def test_what_cannot_be_counted_is_told(space: MbconvSpace) -> None:
    genes = some_genes(space, 1)
    size = len(space.sizes)
    for wrong, said in [
        (genes[:, 1:], rf"type int64: expected integers \(n, {size}\)"),
        (genes * 1.0, rf"type float64: expected integers \(n, {size}\)"),
        ([[0] * size, [0]], rf"different lengths: expected integers \(n, {size}\)"),
        (genes - 1, rf"gene {space.gene_names[0]} of row 0 is -1: expected the index of one of its "),
        (genes + 1, r"expected the index of one of its "),
    ]:
        for counts in (space.parameters, space.macs):
            with pytest.raises(InputError, match=said):
                counts(wrong)
    for resolution in (0, 22.5):
        with pytest.raises(InputError, match=f"resolution {resolution}: expected a whole number of at least 1 pixel"):
            space.macs(genes, resolution)  # type: ignore[arg-type]


def test_widths_are_rounded_as_mobilenets_rounds_them() -> None:
    base = (32, 16, 24, 40, 80, 96, 192, 320, 1280)
    assert [widened(channels, 1.35) for channels in base] == [40, 24, 32, 56, 112, 128, 256, 432, 1728]
    assert [widened(channels, 1.12) for channels in base] == [40, 24, 32, 48, 88, 104, 216, 360, 1432]
    assert [widened(channels, 1.0) for channels in base] == list(base)
    assert {widened(channels, SMALLEST / 10) for channels in base} == {8}


# -- texts and options --------------------------------------------------------------------------------------------


def test_a_text_names_the_layers_of_stages(space: MbconvSpace) -> None:
    arch = Arch(tuple(some_genes(space, 0)[1].tolist()))
    text = space.format(arch)
    assert [len(stage.split(",")) for stage in text.split("/")] == [
        len(stage.layers) for stage in space.plan if any(len(kinds) > 1 for kinds in stage.layers)
    ]
    assert space.parse(f" {text}\n") == arch
    for other in (text.replace("/", ",", 1), text + "/e6_k3", text.replace(",", ", ", 1), text.replace("e6", "e5", 1)):
        with pytest.raises(InputError, match="expected") as caught:
            space.parse(other)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 0.0}, "width=0.0: expected a number above 0"),
        ({"width": float("inf")}, "width=inf: expected a number above 0"),
        ({"width": float("nan")}, "width=nan: expected a number above 0"),
        ({"image_channels": 0}, "image_channels=0: expected a whole number from 1"),
        ({"classes": 1}, "classes=1: expected at least 2 classes"),
    ],
)
def test_options_that_no_network_has_are_told(space: MbconvSpace, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=rf"^{space.name} option {said}"):
        type(space)(**options)


def test_a_table_is_refused(space: MbconvSpace) -> None:
    with pytest.raises(InputError, match=f"{space.name} trains its networks and reads no table; use --on table"):
        type(space).for_table({"a": [1]}, np.zeros((1, 1), int))


def test_genes_that_are_no_options_are_told(space: MbconvSpace) -> None:
    for genes in [(9,) * len(space.sizes), (0,), (0.5,) * len(space.sizes)]:
        uses: list[Callable[[Arch], object]] = [space.format, space.key, space.stages_of, space.drawing]
        for use in (*uses, lambda arch: space.build(arch, 0), lambda arch: space.source(arch, "")):
            with pytest.raises(InputError, match="expected"):
                use(Arch(genes))


# -- networks -----------------------------------------------------------------------------------------------------


def test_a_network_has_the_kinds_of_its_architecture(space: MbconvSpace) -> None:
    for row in some_genes(space, 5).tolist():
        kinds, stages = space.kinds_of(Arch(tuple(row))), space.stages_of(Arch(tuple(row)))
        for planned, names, stage in zip(space.plan, kinds, stages, strict=True):
            for place, (name, layer) in enumerate(zip(names, stage, strict=True)):
                if layer is None:
                    assert name == ZERO and place > 0
                else:
                    stride = planned.stride if place == 0 else 1
                    assert layer == (planned.width, *(KINDS[name] or ()), stride, space.gated)


def test_every_gene_owns_one_layer_and_changes_nothing_else(space: MbconvSpace) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space = type(space)(width=SMALLEST)
    first = Arch((0,) * len(space.sizes))

    def shapes(arch: Arch) -> dict[str, tuple[int, ...]]:
        with torch.device("meta"):
            return {f"network.{name}": tuple(t.shape) for name, t in space.build(arch, 0).state_dict().items()}

    before, owned = shapes(first), set()
    for gene, size in enumerate(space.sizes.tolist()):
        (prefix,) = space.modules(gene)
        own = {name for name in before if name.startswith(f"{prefix}.")}
        assert own and not own & owned
        owned |= own
        after = shapes(Arch((*first.genes[:gene], size - 1, *first.genes[gene + 1 :])))
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        assert changed and all(name.startswith(f"{prefix}.") for name in changed)
    fixed = {name.split(".")[1] for name in before if name not in owned}
    assert fixed >= {"stem", "head"}


def test_the_exported_file_builds_the_same_network(space: MbconvSpace, exported: Any) -> None:
    space = type(space)(width=SMALLEST, image_channels=2, classes=5)
    ours, made = exported(space, Arch(tuple(some_genes(space, 1)[2].tolist())), (2, 2, 40, 24))
    assert type(made).__name__ == type(ours).__name__
    assert ours.head[-1].out_features == 5


def test_a_drawing_is_a_chain_of_the_layers_that_are_there(space: MbconvSpace) -> None:
    assert isinstance(space, Drawable)
    arch = Arch(tuple(some_genes(space, 1)[2].tolist()))
    there = [kind for kinds in space.kinds_of(arch) for kind in kinds if kind != ZERO]
    drawing = space.drawing(arch)
    assert [edge.label for edge in drawing.edges] == there
    assert [(edge.source, edge.target) for edge in drawing.edges] == [(i, i + 1) for i in range(len(there))]
    assert (drawing.nodes[0], drawing.nodes[-1], len(drawing.nodes)) == ("32", "320", len(there) + 1)


def test_a_training_on_images_takes_the_space(space: MbconvSpace) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    spec = ProblemSpec(
        "images:digits",
        objectives=("valid_accuracy", "params_m"),
        space_name=space.name,
        space={"width": "0.01"},
        task={"steps_per_epoch": "1", "epochs": "1"},
    )
    scenario = open_scenario(spec)
    made = scenario.space
    assert isinstance(made, type(space))
    assert (made.frame.channels, made.frame.classes) == (1, 10)
    arch = Arch(tuple(some_genes(space, 1)[2].tolist()))
    result, _ = scenario.evaluator.evaluate(Proposal(arch), None, seeds.stream(0, "test"))
    assert result.error is None
    assert result.scores["params_m"] == made.parameters(np.array(arch.genes))[0] / 1e6


# -- features -----------------------------------------------------------------------------------------------------


def test_features_count_kinds_and_the_layers_of_stages() -> None:
    space = Proxyless()
    rest = "e6_k5,zero,zero,zero"
    arch = space.parse(f"e3_k3,zero,e6_k7,zero/e3_k3,e3_k3,e3_k3,e6_k7/{rest}/{rest}/{rest}/e3_k7")
    codes, stats = space.features([arch])
    assert codes.shape == (1, sum(space.sizes))
    assert dict(zip(space.feature_layout.stats, stats[0].tolist(), strict=True)) == {
        "e3_k3: count": 4,
        "e6_k3: count": 0,
        "e3_k5: count": 0,
        "e6_k5: count": 3,
        "e3_k7: count": 1,
        "e6_k7: count": 2,
        **{f"stage{stage} length": length for stage, length in enumerate((2, 4, 1, 1, 1, 1), start=1)},
    }
