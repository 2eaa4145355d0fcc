from __future__ import annotations

import ast
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom import registry
from archloom.errors import InputError
from archloom.spaces.base import Buildable, HasModules, HasSource
from archloom.spaces.convnet import ACTIVATIONS, LAYERS, NORMS, ConvNet
from archloom.spaces.drawing import Drawable
from archloom.testing import check_space
from archloom.types import Arch
from archloom.utils import seeds

SPACE = ConvNet()
TEXT = "batch:conv_3+relu,id+tanh,residual_5+swish/layer:sep_conv_7+id,id+id,conv_5+tanh"

some_genes = st.tuples(*(st.integers(0, size - 1) for size in SPACE.sizes.tolist()))


@pytest.mark.parametrize("make", [ConvNet, partial(ConvNet, stages=3, layers=1, width=4, image_channels=1, classes=2)])
def test_contract(make: partial[ConvNet]) -> None:
    check_space(make)


def test_it_is_registered_and_can_all_that_training_needs() -> None:
    assert registry.load_space("convnet") is ConvNet
    for capability in (Buildable, HasModules, HasSource, Drawable):
        assert isinstance(SPACE, capability), capability


def test_genes() -> None:
    assert SPACE.gene_names[:4] == ("stage0.norm", "stage0.layer0", "stage0.activation0", "stage0.layer1")
    assert len(SPACE.gene_names) == 14
    assert (len(LAYERS), len(ACTIVATIONS), len(NORMS)) == (10, 4, 3)
    assert SPACE.format(SPACE.parse(TEXT)) == TEXT
    assert SPACE.stages_of(SPACE.parse(TEXT))[0] == (
        "batch",
        [("conv_3", "relu"), ("id", "tanh"), ("residual_5", "swish")],
    )


def test_layers_that_do_nothing_make_no_difference() -> None:
    one = SPACE.parse("batch:id+relu,conv_3+relu,id+id/none:id+id,id+id,conv_5+tanh")
    other = SPACE.parse("batch:conv_3+relu,id+id,id+swish/none:id+tanh,conv_5+tanh,id+id")
    assert SPACE.key(one) == SPACE.key(other) == "batch:conv_3+relu,id+id,id+id/none:conv_5+tanh,id+id,id+id"
    swapped = SPACE.parse("batch:conv_3+relu,conv_5+relu,id+id/none:id+id,id+id,id+id")
    back = SPACE.parse("batch:conv_5+relu,conv_3+relu,id+id/none:id+id,id+id,id+id")
    assert SPACE.key(swapped) != SPACE.key(back)


def test_the_size_counts_different_networks() -> None:
    small = ConvNet(stages=1, layers=2)
    rows = np.stack(np.meshgrid(*(np.arange(size) for size in small.sizes), indexing="ij"), axis=-1).reshape(-1, 5)
    keys = {small.key(Arch(tuple(row))) for row in rows.tolist()}
    assert len(keys) == small.size == 3 * (1 + 36 + 36**2)
    assert small.representative_rows(rows).sum() == small.size


@given(some_genes)
def test_canonical_keeps_what_does_something(genes: tuple[int, ...]) -> None:
    before = SPACE.stages_of(Arch(genes))
    after = SPACE.stages_of(SPACE.canonical(Arch(genes)))
    for (norm, layers), (norm_after, layers_after) in zip(before, after, strict=True):
        real = [layer for layer in layers if layer[0] != "id"]
        assert norm == norm_after
        assert layers_after == real + [("id", "id")] * (3 - len(real))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("batch:conv_3+relu", "2 stages joined by '/'"),
        (TEXT.replace("conv_3", "conv_9"), "stage0.layer0='conv_9'"),
        (TEXT.replace("+tanh", "+gelu"), "'gelu': expected one of id, tanh, relu, swish"),
        (TEXT.replace("batch", "group"), "stage0.norm='group'"),
        (TEXT.replace(":", "/"), "2 stages"),
    ],
)
def test_texts_that_are_no_architectures(text: str, says: str) -> None:
    with pytest.raises(InputError, match="expected") as caught:
        SPACE.parse(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "setting", [{"stages": 0}, {"layers": 0}, {"width": -1}, {"stride": 0}, {"image_channels": 0}, {"classes": 1}]
)
def test_settings_are_checked(setting: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(setting))}={next(iter(setting.values()))}: expected"):
        ConvNet(**setting)


def test_a_table_is_for_another_space() -> None:
    with pytest.raises(InputError, match="--on table"):
        ConvNet.for_table({"a": ["b"]}, np.zeros((1, 1), np.uint8))


def test_the_drawing_is_the_chain_without_idle_layers() -> None:
    drawing = SPACE.drawing(SPACE.parse(TEXT))
    assert drawing.nodes == ("3", "16", "16", "16", "32", "32", "32")
    assert [edge.label for edge in drawing.edges] == [
        "conv_3 batch", "conv_3 relu", "residual_5 swish", "conv_3 layer", "sep_conv_7 id", "conv_5 tanh",
    ]  # fmt: skip
    assert all(edge.target == edge.source + 1 for edge in drawing.edges)


# -- networks -----------------------------------------------------------------------------------------------------


def owned(space: ConvNet, gene: int, tensor: str) -> bool:
    """Whether a gene owns a tensor, by the rule of `HasModules`."""
    return any(f"network.{tensor}".startswith(f"{prefix}.") for prefix in space.modules(gene))


def shapes(space: ConvNet, arch: Arch) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in space.build(arch, 0).state_dict().items()}


def test_every_tensor_has_at_most_one_owner() -> None:
    pytest.importorskip("torch", reason="networks need the extra train")
    space = ConvNet(stages=2, layers=11, width=2)  # eleven: "layers.1" is not the owner of "layers.10"
    arch = Arch(tuple(1 for _ in space.options))
    genes = range(len(space.options))
    for name in shapes(space, arch):
        owners = [gene for gene in genes if owned(space, gene, name)]
        fixed = ".entry." in name or name.startswith("head.")
        assert len(owners) == (0 if fixed else 1), (name, owners)
    owners_of_nothing = [space.gene_names[gene] for gene in genes if not space.modules(gene)]
    assert all(".norm" in name or ".activation" in name for name in owners_of_nothing)
    assert len(owners_of_nothing) == 2 + 22


def test_another_option_changes_its_own_tensors_alone() -> None:
    pytest.importorskip("torch", reason="networks need the extra train")
    space, rng = ConvNet(stages=2, layers=2, width=2), seeds.stream(0, "test")
    for _ in range(3):
        arch = space.sample(rng)
        before = shapes(space, arch)
        for gene, size in enumerate(space.sizes.tolist()):
            for option in range(size):
                genes = list(arch.genes)
                genes[gene] = option
                after = shapes(space, Arch(tuple(genes)))
                changed = [name for name in {*before, *after} if before.get(name) != after.get(name)]
                assert all(owned(space, gene, name) for name in changed), (space.gene_names[gene], changed)


@pytest.mark.parametrize("stride", [1, 2])
def test_counts_are_those_of_the_network(stride: int) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space, rng = ConvNet(width=4, stride=stride, image_channels=2, classes=5), seeds.stream(1, "test")
    for _ in range(5):
        arch, macs = space.sample(rng), []

        def count(module: torch.nn.Module, _: object, out: torch.Tensor, macs: list[int] = macs) -> None:
            macs.append(module.weight.numel() * (out.shape[2] * out.shape[3] if out.ndim == 4 else 1))

        network = space.build(arch, 0)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.register_forward_hook(count)
        network(torch.zeros(2, 2, 9, 14))
        assert space.parameters(arch) == sum(parameter.numel() for parameter in network.parameters())
        assert space.macs(arch, 9, 14) == sum(macs)


def test_the_exported_file_builds_the_same_network(exported: Any) -> None:
    space = ConvNet(width=4, stride=2, image_channels=1, classes=7)
    exported(space, space.parse(TEXT), (3, 1, 12, 10))


def test_the_exported_file_says_how_trained_weights_get_in(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="networks need the extra train")
    from safetensors.torch import save_file

    arch = SPACE.parse(TEXT)
    (tmp_path / "net.py").write_text(SPACE.source(arch, "a test"))
    save_file(SPACE.build(arch, 7).state_dict(), tmp_path / "weights.safetensors")
    said = ast.get_docstring(ast.parse((tmp_path / "net.py").read_text())) or ""
    recipe = [line.strip().replace("FILE", "net") for line in said.splitlines() if line.startswith("    ")]
    check = "print(float(sum(t.double().sum() for t in network.state_dict().values())), network.training)"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*recipe, check])], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    total = sum(tensor.double().sum().item() for tensor in SPACE.build(arch, 7).state_dict().values())
    found, training = done.stdout.split()
    assert (float(found), training) == (pytest.approx(total), "False")


def test_features_count_the_layers_that_are_there() -> None:
    layout = SPACE.feature_layout
    codes, stats = SPACE.features([SPACE.parse(TEXT)])
    told = {name: value for name, value in zip(layout.stats, stats[0].tolist(), strict=True) if value}
    assert told == {
        **{f"{kind}: count": 1 for kind in ("conv_3", "residual_5", "sep_conv_7", "conv_5")},
        "stage0 length": 2,
        "stage1 length": 2,
        **{f"{norm}: count in stage0.norm to stage1.norm": 1 for norm in ("batch", "layer")},
        **{f"{name}: count in stage0.activation0 to stage1.activation2": 1 for name in ("relu", "swish", "id", "tanh")},
    }
    ends = np.cumsum(layout.widths)
    group = layout.groups.index("stage0.activation2")  # of the layer that is not there
    assert not codes[0, ends[group - 1] : ends[group]].any()


@given(some_genes)
def test_features_are_those_of_the_network(genes: tuple[int, ...]) -> None:
    arch = Arch(genes)
    for one, other in zip(SPACE.features([arch]), SPACE.features([SPACE.canonical(arch)]), strict=True):
        assert one.tolist() == other.tolist()
