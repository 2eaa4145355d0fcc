"""Episodes in files that are mapped into memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from archloom.checkpoints.budget import DiskBudget
from archloom.checkpoints.experience import EXPERIENCE, Episodes, check_episodes
from archloom.checkpoints.store import CheckpointFolder
from archloom.errors import InputError, StoreError

NAMES = ("frames", "actions", "rewards", "discounts", "lengths")


def episodes(lengths: list[int], seed: int = 0, shape: tuple[int, ...] = (3, 6, 5)) -> Episodes:
    rng, steps = np.random.default_rng(seed), sum(lengths)
    size = (steps + len(lengths), *shape)
    frames = rng.integers(0, 256, size, dtype=np.uint8) if len(shape) == 3 else rng.random(size, dtype=np.float32)
    return Episodes(
        frames,
        rng.random((steps, 2), dtype=np.float32),
        rng.random(steps, dtype=np.float32),
        np.ones(steps, dtype=np.float32),
        np.array(lengths, dtype=np.int64),
    )


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints", run="run").of(EXPERIENCE)


@pytest.mark.parametrize("shape", [(3, 6, 5), (4,)])
def test_episodes_come_back_mapped_bit_for_bit(folder: CheckpointFolder, shape: tuple[int, ...]) -> None:
    saved = episodes([3, 5, 1], shape=shape)
    folder.save(7, [saved])
    loaded = folder.load(7)[0]
    assert [path.name for path in folder.path.iterdir()] == ["000007.experience"]
    assert loaded.transitions == 9
    for name in NAMES:
        array = getattr(loaded, name)
        np.testing.assert_array_equal(array, getattr(saved, name), strict=True)
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
        assert array.flags.aligned


def test_the_file_is_a_safetensors_file(folder: CheckpointFolder) -> None:
    numpy_files = pytest.importorskip("safetensors.numpy", reason="the library that reads such files")
    saved = episodes([2, 2])
    folder.save(0, [saved])
    found = numpy_files.load(folder.file(0).read_bytes())
    assert sorted(found) == sorted(NAMES)
    np.testing.assert_array_equal(found["frames"], saved.frames)


def test_the_same_episodes_give_the_same_file(folder: CheckpointFolder) -> None:
    folder.save(0, [episodes([4, 2])])
    first = folder.file(0).read_bytes()
    folder.save(0, [Episodes.joined([episodes([4, 2])])])
    assert folder.file(0).read_bytes() == first


def test_there_may_be_no_episode_at_all(folder: CheckpointFolder) -> None:
    folder.save(0, [episodes([])])
    folder.check(0)
    loaded = folder.load(0)[0]
    assert (loaded.transitions, loaded.frames.shape, loaded.actions.shape) == (0, (0, 3, 6, 5), (0, 2))


def test_joined_episodes_stand_one_after_another() -> None:
    parts = [episodes([3], 1), episodes([1, 2], 2)]
    whole = Episodes.joined(parts)
    assert whole.lengths.tolist() == [3, 1, 2]
    np.testing.assert_array_equal(whole.frames[4:], parts[1].frames)


def _without_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _changed(place: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without_half, "its size is not what its header says"),
        (lambda content: b"", "it was not written by archloom"),
        (lambda content: b"\xff" * 100, "it was not written by archloom"),
        (lambda content: content.replace(b'"dtype":"F32"', b'"dtypo":"F32"', 1), "dtype"),
        (lambda content: content.replace(b'"owner', b'"other', 1), "its checksum does not match"),
        (_changed(35), "its checksum does not match"),
        (lambda content: _changed(content.index(b"}}  ") + 60)(content), "its checksum does not match"),
    ],
)
def test_damage_before_the_frames_is_seen_whenever_a_file_is_read(
    folder: CheckpointFolder, damage: Callable[[bytes], bytes], message: str
) -> None:
    folder.save(3, [episodes([3, 5])])
    folder.file(3).write_bytes(damage(folder.file(3).read_bytes()))
    with pytest.raises(StoreError, match=f"000003.experience is no complete file of experience .*{message}"):
        folder.load(3)


def test_damaged_frames_are_seen_by_the_check_of_the_whole(folder: CheckpointFolder) -> None:
    folder.save(3, [episodes([3, 5])])
    check_episodes(folder.file(3), "run/3")
    folder.file(3).write_bytes(_changed(-2)(folder.file(3).read_bytes() + b"\0")[:-1])
    folder.load(3)
    with pytest.raises(StoreError, match="the checksum of its frames does not match"):
        check_episodes(folder.file(3), "run/3")


def test_experience_of_another_trial_is_refused(folder: CheckpointFolder) -> None:
    folder.save(3, [episodes([3])])
    folder.file(3).rename(folder.file(4))
    with pytest.raises(StoreError, match="holds the experience of another trial, or of another run"):
        folder.load(4)
    with pytest.raises(StoreError, match=r"000003.experience is not there"):
        folder.load(3)


def test_it_counts_in_the_budget(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints"
    folder = CheckpointFolder(path, DiskBudget(path, 3_000), run="run").of(EXPERIENCE)
    folder.save(0, [episodes([10])])
    assert 10 * 90 < folder.file(0).stat().st_size < 3_000
    with pytest.raises(StoreError, match="no space for the next"):
        folder.save(1, [episodes([20])])
    assert [path.name for path in folder.path.iterdir()] == ["000000.experience"]


def test_size_is_that_of_the_numbers_each_frame_once(folder: CheckpointFolder) -> None:
    lengths = [50, 50]
    folder.save(0, [episodes(lengths, shape=(3, 84, 84))])
    frames = 102 * 21_168
    assert 0 <= folder.file(0).stat().st_size - frames - 100 * (2 + 1 + 1) * 4 - 16 < 1_000


def _with(name: str, array: NDArray[np.generic]) -> Episodes:
    good = episodes([2, 3])
    return Episodes(**{**{key: getattr(good, key) for key in NAMES}, name: array})


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("lengths", np.array([2, 0]), "lengths are (2,) int64: expected (e,) int64, each at least 1"),
        ("frames", np.zeros((6, 3, 6, 5), np.uint8), "frames are (6, 3, 6, 5) uint8: expected 7 of them"),
        ("frames", np.zeros((7, 3, 6, 5), np.float32), "frames are (7, 3, 6, 5) float32"),
        ("actions", np.zeros(5, np.float32), "actions are (5,) float32: expected (n, a) float32, n = 5"),
        ("rewards", np.zeros(5), "rewards are (5,) float64: expected (n,) float32, n = 5"),
    ],
)
def test_episodes_of_other_shapes_are_refused(name: str, array: NDArray[np.generic], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        _with(name, array)
