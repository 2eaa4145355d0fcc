from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.tasks.images.augment import AUGMENTATIONS, crop, flip, shift  # noqa: E402 - it needs PyTorch


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=rng(1)) * 2 - 1


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_is_determined_by_its_generator_and_leaves_its_argument_alone(name: str) -> None:
    x = images(16, 3, 8, 10)
    before = x.clone()
    one, same, other = (AUGMENTATIONS[name](x, rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(x, before)
    assert one.shape == x.shape
    assert torch.equal(one, same)
    assert torch.equal(one, other) == (name == "none")
    assert float(one.min()) >= -1
    assert float(one.max()) <= 1


def test_flipped_images_are_mirrored() -> None:
    x = images(200, 1, 3, 4)
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(flip(x, rng()), x, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(flip(x, rng()), x, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 70 < sum(mirrored) < 130


def test_shifted_images_are_moved_whole_and_black_comes_in() -> None:
    x = images(300, 2, 8, 16)
    seen = set()
    for before, after in zip(x, shift(x, rng()), strict=True):
        moves = []
        for down in (-1, 0, 1):
            for right in (-2, -1, 0, 1, 2):
                wanted = torch.full_like(before, -1.0)
                rows, columns = (slice(max(d, 0), n + min(d, 0)) for d, n in ((down, 8), (right, 16)))
                rows_from, columns_from = (slice(max(-d, 0), n + min(-d, 0)) for d, n in ((down, 8), (right, 16)))
                wanted[:, rows, columns] = before[:, rows_from, columns_from]
                if torch.equal(wanted, after):
                    moves.append((down, right))
        assert len(moves) == 1
        seen.add(moves[0])
    assert len(seen) == 15


def test_a_crop_is_a_part_of_the_image() -> None:
    """Of an image that is a slope, a crop is a gentler slope, of at least 3/4 of the height."""
    slope = torch.linspace(-1, 1, 16).repeat(50, 1, 16, 1)
    rise = crop(slope, rng())[:, 0, 8]
    steps = (rise[:, 12] - rise[:, 4]) / 8  # away from the borders
    whole = 2 / 15
    assert ((steps > 0.74 * whole) & (steps < 1.01 * whole)).all()
    assert float(steps.std()) > 0.01 * whole
    flat = torch.full((4, 3, 8, 8), 0.25)
    assert torch.allclose(crop(flat, rng()), flat)
