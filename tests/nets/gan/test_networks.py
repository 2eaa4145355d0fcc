"""Both networks as the spaces build them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archloom.spaces.gan import ADVERSARIALNAS_CIFAR10, Gan, GanHard, GanSpace
from archloom.types import Arch
from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="networks need PyTorch")

from torch import Tensor, nn  # noqa: E402

from archloom.nets.gan.losses import discriminator_loss, generator_loss  # noqa: E402
from archloom.nets.gan.networks import GanNetworks, weights_from  # noqa: E402

SMALL = {"image_size": 16, "image_channels": 1, "channels": 2, "discriminator_channels": 2, "latent": 6}
SPACES = {"gan": Gan(**SMALL), "gan_hard": GanHard(**SMALL)}
Noise = Callable[..., Tensor]
Shapes = dict[str, tuple[int, ...]]


def shapes(networks: nn.Module) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in networks.state_dict().items()}


def counts(networks: nn.Module) -> dict[str, int]:
    return {name: sum(p.numel() for p in child.parameters()) for name, child in networks.named_children()}


def owned_by(prefixes: tuple[str, ...], tensors: Shapes) -> Shapes:
    return {name: shape for name, shape in tensors.items() if any(name.startswith(f"{p}.") for p in prefixes)}


def step(networks: GanNetworks, space: GanSpace, noise: Noise, batch: int = 2) -> tuple[float, float]:
    """The losses of both networks, after a backward pass of each."""
    size = space.dimensions
    images = networks.generator(noise(batch, size.latent))
    assert images.shape == (batch, size.image_channels, size.image_size, size.image_size)
    assert images.abs().max() <= 1
    real = noise(*images.shape, seed=1).clamp(-1, 1)
    d_loss = discriminator_loss(networks.discriminator(real), networks.discriminator(images.detach()))
    d_loss.backward()
    g_loss = generator_loss(networks.discriminator(images))
    g_loss.backward()
    gradients = [p.grad for p in networks.parameters() if p.grad is not None]
    assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)
    return d_loss.item(), g_loss.item()


def every_option(space: GanSpace) -> list[Arch]:
    """Architectures that have each option of each gene at least once, and as many again beside other genes."""
    rng, widest = seeds.stream(0, "test"), int(space.sizes.max())
    shifts = rng.integers(0, widest, size=(3, len(space.sizes)))
    return [Arch(tuple(((option + shift) % space.sizes).tolist())) for shift in shifts for option in range(widest)]


@pytest.mark.parametrize("name", SPACES)
def test_every_option_of_every_gene(name: str, noise: Noise) -> None:
    """It builds, trains and has as many parameters as counted; its option alone decides which tensors a gene owns."""
    space, seen, free = SPACES[name], {}, []
    for arch in every_option(space):
        networks = space.build(arch, seed=0)
        expected = space.parameters(np.array([arch.genes]))
        assert counts(networks) == {network: int(count[0]) for network, count in expected.items()}
        step(networks, space, noise)
        tensors = shapes(networks)
        for gene, option in enumerate(arch.genes):
            own = owned_by(space.modules(gene), tensors)
            assert seen.setdefault((gene, option), own) == own, space.gene_names[gene]
            tensors = {key: shape for key, shape in tensors.items() if key not in own}
        free.append(tensors)
    assert len(seen) == space.sizes.sum()
    assert all(tensors == free[0] for tensors in free)
    for gene in range(len(space.sizes)):
        has_tensors = any(seen[gene, option] for option in range(space.sizes[gene]))
        assert has_tensors == bool(space.modules(gene)), space.gene_names[gene]


def test_tensors_that_no_gene_owns() -> None:
    space = SPACES["gan_hard"]
    prefixes = tuple(prefix for gene in range(72) for prefix in space.modules(gene))
    assert len(set(prefixes)) == len(prefixes) == 72 - 3 - 6 + 1 - 4  # dropout, up_mode, if_enabled, downsample
    tensors = shapes(space.build(space.sample(seeds.stream(0, "test")), seed=0))
    free = {name.rpartition(".")[0] for name in tensors.keys() - owned_by(prefixes, tensors).keys()}
    assert free == {
        *(f"generator.cells.{cell}.skips.{i}" for cell, i in ((1, 0), (2, 0), (2, 1))),
        *("generator.to_rgb.0", "generator.to_rgb.2", "discriminator.linear"),
    }


def test_tensors_that_are_mixed_have_the_published_names() -> None:
    space = SPACES["gan_hard"]
    names = shapes(space.build(Arch((5,) + (0,) * 71), seed=0))
    assert {name for name in names if name.startswith("discriminator.blocks.0.c1.")} == {
        f"discriminator.blocks.0.c1.conv.{tensor}" for tensor in ("weight_orig", "weight_u", "weight_v", "bias")
    }
    assert names["generator.projections.0.linear.weight"] == (2 * 2 * 2, 2)


def test_as_published_is_passed_on_to_both_networks(noise: Noise) -> None:
    space, published = SPACES["gan_hard"], GanHard(**SMALL, as_published=True)
    arch = space.sample(seeds.stream(1, "test"))
    networks = published.build(arch, seed=0)
    assert all(cell.as_published for cell in networks.generator.cells)
    assert all(block.as_published for block in networks.discriminator.blocks)
    plain = space.build(arch, seed=0)
    assert not any(part.as_published for part in (*plain.generator.cells, *plain.discriminator.blocks))
    assert shapes(plain) == shapes(networks)
    step(networks, published, noise)


@pytest.mark.parametrize("size", [8, 24, 40])
@pytest.mark.parametrize("kind", [Gan, GanHard])
def test_other_sizes(kind: type[Gan] | type[GanHard], size: int, noise: Noise) -> None:
    space = kind(**(SMALL | {"image_size": size}))
    for seed in range(3):
        step(space.build(space.sample(seeds.stream(seed, "test")), seed), space, noise)


# -- seeds and states ---------------------------------------------------------------------------------------------


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    space = SPACES["gan_hard"]
    arch = space.sample(seeds.stream(2, "test"))
    only_its_seed(lambda seed: space.build(arch, seed=seed))


def test_the_generator_is_left_alone_after_a_failure() -> None:
    before = torch.get_rng_state()
    with pytest.raises(KeyError), weights_from(3):
        torch.randn(1)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)


def test_training_goes_on_from_plain_tensors(noise: Noise) -> None:
    """A state without PyTorch's metadata, as files of tensors keep it, is enough."""
    space = SPACES["gan_hard"]
    arch = space.sample(seeds.stream(3, "test"))
    one, other = space.build(arch, seed=0), space.build(arch, seed=1)
    step(one, space, noise)
    other.load_state_dict({name: tensor.clone() for name, tensor in one.state_dict().items()})
    images = noise(2, 1, 16, 16)
    for _ in range(2):
        assert torch.equal(one.discriminator(images), other.discriminator(images))
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())


# -- the paper's sizes --------------------------------------------------------------------------------------------

HARD = (
    "projection1 part_prev bilinear 0.1 | projection2 True part_target nearest 0.2 | projection3 True whole_prev "
    "bilinear 0.0 | cell1 nearest ConvTranspose conv_3x3 skip_connect none dil_conv_3x3 conv_1x1 | cell2 bilinear "
    "nearest none none conv_1x1 none skip_connect | cell3 nearest nearest none conv_1x1 skip_connect none none | "
    "block1 conv_1x1 conv_3x3 conv_3x3 skip_connect none conv_3x3 conv_1x1 True avg_pool_input avg_pool | "
    "block2 none conv_3x3 skip_connect none none none none True max_pool conv_3x3 | "
    "block3 conv_1x1 none none none none none none True avg_pool avg_pool | "
    "block4 skip_connect conv_3x3 none conv_1x1 none skip_connect none False conv_3x3 max_pool"
)


@pytest.mark.parametrize(
    ("space", "text", "generator", "discriminator"),
    [
        (Gan.cifar10(), Gan().format(ADVERSARIALNAS_CIFAR10), 8_846_851, 1_053_824),
        (Gan.stl10(), Gan().format(ADVERSARIALNAS_CIFAR10), 8_881_923, 1_053_824),
        (GanHard.cifar10(), HARD, None, None),
        (GanHard.stl10(), HARD, None, None),
    ],
)
def test_the_papers_networks(
    space: GanSpace, text: str, generator: int | None, discriminator: int | None, noise: Noise
) -> None:
    arch = space.parse(text)
    networks = space.build(arch, seed=0)
    counted = {name: int(count[0]) for name, count in space.parameters(np.array([arch.genes])).items()}
    assert counts(networks) == counted
    if generator is not None:
        assert counted == {"generator": generator, "discriminator": discriminator}
    d_loss, g_loss = step(networks, space, noise)
    assert np.isfinite([d_loss, g_loss]).all()
