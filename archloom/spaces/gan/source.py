"""A generator and its discriminator as a file of code, for `archloom export`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from json import dumps

from archloom.nets.gan.plans import BlockPlan, ProjectionPlan
from archloom.spaces.exports import exported
from archloom.spaces.gan.dimensions import Dimensions

_MODULES = ("gan/plans", "gan/operators", "gan/generator", "gan/discriminator", "gan/networks")

_EXPORT = '''"""A generator of images and its discriminator, found with archloom.

{arch}
{found_by}

    from FILE import make_network

    networks = make_network(seed=0)

Their weights are freshly initialised. Load the trained ones (archloom export RUN -o weights.safetensors) by

    from safetensors.torch import load_file

    networks.load_state_dict(load_file("weights.safetensors"))
    networks.eval()

The generator makes images of values in [-1, 1] from latent vectors with the standard normal distribution:

    images = networks.generator(torch.randn(64, {latent}))  # {generated}
    pixels = (images * 127.5 + 127.5).clamp(0, 255).round().byte()

and the discriminator scores such images, real ones as x / 127.5 - 1, where x is their bytes:

    scores = networks.discriminator(images)  # (64, 1), higher for those that look real
"""

{code}

CELLS_FOUND: Sequence[Mapping[str, str]] = [
{cells}
]
"""The operations of the generator's cells."""

PROJECTIONS_FOUND: Sequence[ProjectionPlan] = [
{projections}
]
"""How the latent vector enters the generator: cell by cell, from the first on."""
{blocks}

def make_network(seed: int = 0) -> GanNetworks:
    """Both networks with freshly drawn weights, for latent vectors (B, {latent}) and images {images}."""
    with weights_from(seed):
        generator = Generator(CELLS_FOUND, PROJECTIONS_FOUND, {channels}, {image_channels}, as_published={as_published})
        return GanNetworks(generator, {discriminator})
'''

_BLOCKS = '''
BLOCKS_FOUND: Sequence[BlockPlan] = [
{blocks}
]
"""The discriminator's blocks."""
'''


def source_of(
    cells: Sequence[Mapping[str, str]],
    projections: Sequence[ProjectionPlan],
    blocks: Sequence[BlockPlan] | None,
    dimensions: Dimensions,
    as_published: bool,
    *,
    arch: str,
    found_by: str,
) -> str:
    """A file that needs PyTorch only; the discriminator is AutoGAN's if `blocks` is None."""
    size = dimensions
    shape = f"{size.image_channels}, {size.image_size}, {size.image_size}"
    if blocks is None:
        discriminator = f"autogan_discriminator({size.image_channels}, {size.discriminator_channels})"
    else:
        sizes = f"{size.image_channels}, {size.discriminator_channels}, as_published={as_published}"
        discriminator = f"searched_discriminator(BLOCKS_FOUND, {sizes})"
    return exported(
        _EXPORT,
        *_MODULES,
        arch=arch,
        found_by=found_by,
        cells=_lines(map(dumps, cells)),
        projections=_lines(map(repr, projections)),
        blocks="" if blocks is None else _BLOCKS.format(blocks=_lines(map(_block, blocks))),
        latent=size.latent,
        images=f"(B, {shape})",
        generated=f"(64, {shape})",
        image_channels=size.image_channels,
        channels=size.channels,
        as_published=as_published,
        discriminator=discriminator,
    )


def _lines(items: Iterable[str]) -> str:
    return "\n".join(f"    {item}," for item in items)


def _block(plan: BlockPlan) -> str:
    return f"BlockPlan({dumps(plan.operations)}, downsample={plan.downsample})"
