"""Episodes on disk before their chunk has ended, for those who live them and for others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from archloom.checkpoints import drafts
from archloom.checkpoints.budget import DiskBudget
from archloom.checkpoints.drafts import EpisodeDraft
from archloom.checkpoints.experience import EXPERIENCE, Episodes
from archloom.checkpoints.store import STATE, CheckpointFolder, Kind, Place

LARGE = 80
"""Steps of an episode that is mapped."""


def episode(number: int, steps: int = LARGE) -> Episodes:
    rng = np.random.default_rng(number)
    frames = rng.integers(0, 256, (steps + 1, 3, 20, 20), dtype=np.uint8)
    numbers = np.full(steps, number, np.float32)
    return Episodes(frames, np.zeros((steps, 1), np.float32), numbers, np.ones_like(numbers), np.array([steps]))


def folder(path: Path, live: bool = False, limit: int | None = None) -> CheckpointFolder:
    return CheckpointFolder(path, None if limit is None else DiskBudget(path, limit), run="run", live=live)


def draft(store: CheckpointFolder, trial: int, read: Sequence[int] = ()) -> EpisodeDraft:
    return EpisodeDraft(Place(store, trial), read)


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def numbers(found: Sequence[Episodes]) -> list[float]:
    return [each.rewards[0].item() for each in found]


def test_what_is_added_comes_back_mapped_and_goes_with_the_draft(tmp_path: Path) -> None:
    with draft(folder(tmp_path), 3) as ours:
        found = [ours.add(episode(number)) for number in range(3)]
        small = episode(9, 2)
        assert ours.add(small) is small
        assert len(names(tmp_path)) == 1
    assert not names(tmp_path)
    for number, each in enumerate(found):  # whoever has mapped it still reads it
        for field in fields(Episodes):
            array = getattr(each, field.name)
            np.testing.assert_array_equal(array, getattr(episode(number), field.name), strict=True)
            assert isinstance(array, np.memmap) and array.flags.aligned and not array.flags.writeable
    assert not ours.news()


def test_the_file_that_is_made_of_a_draft_is_that_of_what_is_in_memory(tmp_path: Path) -> None:
    store = folder(tmp_path).of(EXPERIENCE)
    parts = [episode(number) for number in range(3)]
    store.save(0, parts)
    with draft(store, 0) as ours:
        store.save(1, [ours.add(part) for part in parts])
    store.save(2, [Episodes.joined(parts)])
    one, other, third = (store.file(trial).read_bytes() for trial in range(3))
    assert len(one) == len(other) and one[300:] == other[300:] == third[300:], "the owner is in the header"


def test_a_killed_workers_draft_goes_when_its_trial_is_tried_again(tmp_path: Path) -> None:
    for trial in (2, 3):
        (tmp_path / f".{trial:06d}.draft.0123.tmp").touch()
    with draft(folder(tmp_path), 3):
        assert [name[:7] for name in names(tmp_path)] == [".000002"]
    folder(tmp_path).drop_all_but([])
    assert not names(tmp_path)


def test_a_draft_goes_when_none_of_its_episodes_is_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "_LONG", 2 * episode(0).nbytes)
    with draft(folder(tmp_path), 3) as ours:
        for number in range(6):
            ours.add(episode(number))
        assert len(names(tmp_path)) == 3
        ours.drop()
        assert len(names(tmp_path)) == 3
        ours.drop()
        assert len(names(tmp_path)) == 2


def test_others_see_whole_episodes_once_each_and_files_of_those_that_have_ended(tmp_path: Path) -> None:
    store = folder(tmp_path, live=True)
    files = store.of(EXPERIENCE)
    files.save(0, [episode(100)])  # read anyway
    files.save(1, [episode(101)])
    with draft(store, 3, (0,)) as ours, draft(store, 4, (0,)) as theirs:
        assert numbers(ours.news()) == [101] and not ours.news()
        theirs.add(episode(4))
        theirs.add(episode(5, 2))
        ours.add(episode(3))
        assert numbers(ours.news()) == [4, 5] and numbers(theirs.news()) == [101, 3]
        theirs.add(episode(6))
        theirs.__exit__()
        files.save(4, [episode(number) for number in (4, 5, 6)])
        assert numbers(ours.news()) == [6] and not ours.news(), "the last of its draft, and not its file as well"
        files.save(5, [episode(7)])
        (tmp_path / "000006.experience").symlink_to(tmp_path / "gone")
        assert numbers(ours.news()) == [7], "what has just been removed is nobody's loss"


def test_half_an_episode_is_seen_by_nobody(tmp_path: Path) -> None:
    store = folder(tmp_path, live=True)
    with draft(store, 3) as ours, draft(store, 4) as theirs:
        theirs.add(episode(4))
        whole = next(tmp_path.glob(".000004*")).read_bytes()
        theirs.add(episode(5))
        file = next(tmp_path.glob(".000004*"))
        both = file.read_bytes()
        second = len(both) - (len(whole) + 63) // 64 * 64
        for missing in (second - 8, second // 2, 1):  # nothing but its size; half of it; all but its last byte
            file.write_bytes(both[: len(both) - missing] + bytes(missing))
            assert numbers(ours.news()) == ([4] if missing == second - 8 else [])
        file.write_bytes(both)
        assert numbers(ours.news()) == [5]


def test_nothing_is_heard_unless_it_is_shared(tmp_path: Path) -> None:
    with draft(folder(tmp_path), 3) as ours, draft(folder(tmp_path), 4) as theirs:
        theirs.add(episode(4))
        assert not ours.news()


def _bytes(path: Path, value: int, writing: object, owner: str) -> None:
    with writing(path, value) as file:  # type: ignore[operator]
        file.write(bytes(value))


def test_a_draft_takes_what_room_there_is_and_gives_it_back(tmp_path: Path) -> None:
    """Room for two episodes, and as much as the largest state on top; then episodes are in memory."""
    size = episode(0).nbytes
    store = folder(tmp_path / "weights", limit=int(4.5 * size))
    states = store.of(Kind(STATE.name, STATE.suffix, lambda *_: None, _bytes, "state"))
    states.path.mkdir()
    states.save(0, size)
    with draft(store, 1) as ours:
        kept = [isinstance(ours.add(episode(number)).frames, np.memmap) for number in range(4)]
        assert kept == [True, True, False, False]
        states.save(1, size)
        assert len(names(states.path)) == 3
        states.save(2, size)  # it has to go
        assert names(states.path) == ["000000.safetensors", "000001.safetensors", "000002.safetensors"]
        assert not isinstance(ours.add(episode(5)).frames, np.memmap)


def test_a_full_disk_leaves_episodes_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with draft(folder(tmp_path), 1) as ours:
        monkeypatch.setattr(os, "pwrite", full)
        lived = episode(0)
        assert ours.add(lived) is lived
