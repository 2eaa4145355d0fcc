from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom import registry
from archloom.errors import InputError
from archloom.nets.gan.plans import ProjectionPlan
from archloom.spaces.base import Buildable, HasModules
from archloom.spaces.gan import ADVERSARIALNAS_CIFAR10, Gan, GanHard, GanSpace
from archloom.testing import MakeSpace, check_space
from archloom.types import Arch
from archloom.utils import options

SMALL = {"image_size": 8, "image_channels": 1, "channels": 2, "discriminator_channels": 2, "latent": 6}
GAN, GAN_HARD = Gan(), GanHard()


def genes_of(space: GanSpace) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*(st.integers(0, size - 1) for size in space.sizes.tolist()))


@pytest.mark.parametrize("make", [partial(Gan, **SMALL), partial(GanHard, **SMALL)])
def test_contract(make: MakeSpace) -> None:
    """The defaults are tested with all registered spaces."""
    check_space(make, samples=10)


def test_they_are_registered() -> None:
    assert registry.load_space("gan") is Gan
    assert registry.load_space("gan_hard") is GanHard


def test_as_many_architectures_as_the_options_allow() -> None:
    """The paper (section 4.2) prints 3.4e19 and 2.9e53: the mantissas are right, the exponents are not."""
    assert len(GAN.gene_names) == 21
    assert GAN.size == 3**6 * 7**15 == 3_460_972_340_748_447
    generators, discriminators = 36 * 72**2 * GAN.size, (5**3 * 7**4) * (7**7) ** 3 * (2 * 8**2) ** 4
    assert len(GAN_HARD.gene_names) == 72
    assert GAN_HARD.size == generators * discriminators == 29064744805785532203881706814130106923056021635072000
    assert f"{generators:.3e} {discriminators:.3e} {GAN_HARD.size:.4e}" == "6.459e+20 4.500e+31 2.9065e+52"


# -- strings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [GAN, GAN_HARD])
@given(data=st.data())
def test_a_text_is_read_back(space: GanSpace, data: st.DataObject) -> None:
    one, other = (Arch(data.draw(genes_of(space))) for _ in range(2))
    text = space.format(one)
    assert space.parse(text) == one
    assert space.parse("  " + text.replace(" | ", "|") + "\n") == one
    assert (space.key(one) == space.key(other)) == (one == other)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cell1 ", "cell2 ", "the parts cell1 with 7, cell2 with 7, cell3 with 7 options"),
        (" |", "", "expected PART OPTION ... joined by ' | '"),
        ("none |", "|", "expected PART OPTION"),
        ("cell3", "| cell3", "expected PART OPTION"),
        ("cell1 nearest", "cell1 conv_1x1", "cell1.up0='conv_1x1': expected one of nearest, bilinear, ConvTranspose"),
        ("cell3 nearest nearest none", "cell3 nearest nearest dil", "cell3.c0='dil': expected one of none, skip_"),
    ],
)
def test_another_text_is_told(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        GAN.parse(GAN.format(Arch((0,) * 21)).replace(old, new))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# -- options ------------------------------------------------------------------------------------------------------


def test_the_papers_configurations() -> None:
    for kind in (Gan, GanHard):
        cifar10, stl10 = kind.cifar10().dimensions, kind.stl10().dimensions
        assert (cifar10.image_size, cifar10.bottom, cifar10.channels) == (32, 4, 256)
        assert (stl10.image_size, stl10.bottom, stl10.channels) == (48, 6, 270)
        for dimensions in (cifar10, stl10):
            assert (dimensions.image_channels, dimensions.discriminator_channels, dimensions.latent) == (3, 128, 120)
    any_arch = Arch((0,) * 21)
    assert [plan.target for plan in Gan.cifar10().projection_plans(any_arch)] == [4, 8, 16]
    assert [plan.target for plan in Gan.stl10().projection_plans(any_arch)] == [6, 12]


def test_options_on_the_command_line() -> None:
    given = {"image_size": "8", "latent_parts": "2", "as_published": "true"}
    made = Gan(**options.convert_all("space", options.of_space(Gan), given))
    assert made.dimensions.bottom == 1 and made.as_published
    assert len(made.projection_plans(Arch((0,) * 21))) == 2
    with pytest.raises(InputError, match="latent_parts=4: expected 1 to 3"):
        Gan(latent_parts=4)


def test_the_space_of_a_table() -> None:
    table = dict(zip(GAN.gene_names, GAN.options, strict=True))
    made = Gan.for_table(table, np.zeros((1, 21), dtype=np.uint8), image_size=16)
    assert made.dimensions.image_size == 16
    with pytest.raises(InputError, match=r"gan table, cell2\.c0: expected 21 genes in order, the first cell1\.up0"):
        Gan.for_table({**table, "cell2.c0": ("none",)}, np.zeros((1, 21), dtype=np.uint8))
    with pytest.raises(InputError, match="gan table, 20 genes"):
        Gan.for_table(dict(list(table.items())[:-1]), np.zeros((1, 20), dtype=np.uint8))


def test_searched_projections() -> None:
    text = GAN_HARD.format(Arch((0,) * 72))
    text = text.replace("projection1 whole_bottom nearest 0.0", "projection1 part_prev bilinear 0.1")
    text = text.replace("projection3 False whole_bottom nearest 0.0", "projection3 True part_bottom nearest 0.2")
    assert GAN_HARD.projection_plans(GAN_HARD.parse(text)) == [
        ProjectionPlan(0, 40, 2, 4, "bilinear", 0.1),
        ProjectionPlan(0, 120, 4, 8, "nearest", 0.0, enabled=False),
        ProjectionPlan(80, 120, 4, 16, "nearest", 0.2),
    ]


# -- modules and counts -------------------------------------------------------------------------------------------


def test_a_gene_owns_the_prefix_of_its_layer() -> None:
    assert isinstance(GAN_HARD, HasModules) and isinstance(GAN_HARD, Buildable)
    owned = {name: GAN_HARD.modules(gene) for gene, name in enumerate(GAN_HARD.gene_names)}
    assert owned["cell1.c1"] == ("generator.cells.0.c1",)
    assert owned["cell3.up0"] == ("generator.cells.2.up0",)
    assert owned["projection2.linear"] == ("generator.projections.1.linear",)
    assert owned["block3.down0"] == ("discriminator.blocks.2.down0",)
    assert {name.partition(".")[2] for name, prefixes in owned.items() if not prefixes} == {
        *("if_enabled", "up_mode", "dropout", "downsample")
    }
    assert GAN.modules(GAN.gene_names.index("cell2.c4")) == ("generator.cells.1.c4",)


def test_the_published_generator_has_8_8_million_parameters() -> None:
    counts = GAN.parameters(np.array([ADVERSARIALNAS_CIFAR10.genes]))
    assert {network: count.tolist() for network, count in counts.items()} == {
        "generator": [8_846_851],
        "discriminator": [1_053_824],
    }


def test_pytorch_is_not_needed_before_a_network_is_built() -> None:
    code = "import sys; from archloom.spaces.gan import Gan, GanHard; Gan(), GanHard(); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
