from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.tasks.images.augment import (  # noqa: E402 - it needs PyTorch
    AUGMENTATIONS,
    AugmentSettings,
    crop,
    cutout,
    flip,
    shift,
)


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


def test_what_a_shift_uncovers_has_the_value_of_black_in_each_channel() -> None:
    x, black = torch.ones(50, 2, 8, 8), torch.tensor([-0.5, -3.0])[:, None, None]
    moved = shift(x, rng(), AugmentSettings(black))
    for channel, value in enumerate((-0.5, -3.0)):
        assert set(moved[:, channel].unique().tolist()) == {value, 1.0}


@pytest.mark.parametrize(
    ("length", "shape", "whole"), [(0, (8, 12), (4, 6)), (3, (9, 9), (3, 3)), (20, (6, 6), (6, 6))]
)
def test_cutout_blanks_a_square_around_any_pixel(length: int, shape: tuple[int, int], whole: tuple[int, int]) -> None:
    cut = cutout(torch.ones(400, 2, *shape), rng(), AugmentSettings(cutout=length))
    assert torch.equal(cut[:, 0], cut[:, 1])
    sides, first = set(), set()
    for image in cut[:, 0]:
        rows, columns = torch.where(image == 0)
        height, width = (int(found.max() - found.min()) + 1 for found in (rows, columns))
        assert len(rows) == height * width  # all of a rectangle
        sides.add((height, width))
        first.add((int(rows.min()), int(columns.min())))
    assert max(height for height, _ in sides) == whole[0] and max(width for _, width in sides) == whole[1]
    assert (0, 0) in first


def test_cutout_covers_the_rows_of_the_published_one() -> None:
    """Of 32 pixels around pixel c, DARTS blanks max(0, c - 8) to min(32, c + 8) - 1."""
    blank = cutout(torch.ones(500, 1, 32, 32), rng(), AugmentSettings(cutout=16))[:, 0] == 0
    rows = {tuple(torch.where(image.any(dim=1))[0].tolist()) for image in blank}
    assert rows == {tuple(range(max(0, c - 8), min(32, c + 8))) for c in range(32)}
