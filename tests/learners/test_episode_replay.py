from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

pytest.importorskip("torch", reason="agents need the extra train")

import torch

from archloom.checkpoints.experience import EXPERIENCE, Episodes
from archloom.errors import InputError
from archloom.learners.episode_replay import Batch, EpisodeReplay, n_step_returns
from archloom.utils.files import replacing

GAMMA = 0.9


def numbered(number: int, length: int, terminates: bool = False, vectors: bool = False) -> Episodes:
    """One episode, whose frames say its number and which of the episode's they are."""
    rng = np.random.default_rng(number)
    frames = np.stack([np.full(length + 1, number), np.arange(length + 1)], 1)
    pixels = np.broadcast_to(frames[:, :, None, None], (length + 1, 2, 3, 2))
    discounts = np.ones(length, np.float32)
    discounts[-1] = not terminates
    return Episodes(
        frames.astype(np.float32) if vectors else pixels.astype(np.uint8),
        rng.uniform(-1, 1, (length, 2)).astype(np.float32),
        rng.standard_normal(length).astype(np.float32),
        discounts,
        np.array([length]),
    )


def replay_of(*sources: Episodes, capacity: int = 1000, n_step: int = 3, stack: int = 3) -> EpisodeReplay:
    return EpisodeReplay(sources, capacity, n_step, GAMMA, stack)


def numbers(observations: Any) -> NDArray[Any]:
    """(B, stack, 2) episode and frame that observations show, of pixels that agree."""
    pixels = observations.numpy().astype(int)
    if pixels.ndim == 4:
        assert (pixels == pixels[:, :, :1, :1]).all()
        pixels = pixels[:, :, 0, 0]
    shown: NDArray[Any] = pixels.reshape(len(pixels), -1, 2)
    return shown


def drawn(batch: Batch) -> list[tuple[int, int]]:
    """The episode and the step with which each transition begins."""
    return list(map(tuple, numbers(batch.observations)[:, -1].tolist()))


def check(batch: Batch, episodes: Sequence[Episodes], n_step: int, stack: int = 3) -> None:
    """Against `_sample` of DrQ-v2's replay_buffer.py, which ends with the episode if that terminates."""
    seen, following = numbers(batch.observations), numbers(batch.next_observations)
    for row, (number, start) in enumerate(drawn(batch)):
        episode = episodes[number]
        length = len(episode.rewards)
        reward, discount, end = 0.0, 1.0, start
        for step in range(start, start + n_step):
            if step < length:
                reward += discount * episode.rewards[step]
                discount *= episode.discounts[step] * GAMMA
                end = step + 1
        assert end == start + n_step or discount == 0.0
        for shown, last in ((seen[row], start), (following[row], end)):
            assert shown.tolist() == [[number, max(last - back, 0)] for back in reversed(range(stack))]
        np.testing.assert_array_equal(batch.actions[row], episode.actions[start])
        np.testing.assert_allclose(batch.rewards[row], reward, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(batch.discounts[row], discount, rtol=1e-6)


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("vectors", [False, True])
def test_transitions_are_those_of_a_slow_reference(n_step: int, vectors: bool) -> None:
    kinds = [(4, False), (7, True), (2, False), (2, True), (3, False), (1, True)]
    episodes = [numbered(number, *kind, vectors) for number, kind in enumerate(kinds)]
    replay = replay_of(Episodes.joined(episodes[:3]), *episodes[3:], n_step=n_step)
    batch = replay.sample(300, np.random.default_rng(0))
    check(batch, episodes, n_step)
    starts = {(number, step) for number, (length, ends) in enumerate(kinds)
              for step in range(length if ends else length - n_step + 1)}  # fmt: skip
    assert {*drawn(batch)} == starts and replay.starts == len(starts)
    kind, shape = (torch.float32, (300, 6)) if vectors else (torch.uint8, (300, 6, 3, 2))
    assert batch.observations.dtype == batch.next_observations.dtype == kind
    assert tuple(batch.observations.shape) == tuple(batch.next_observations.shape) == shape


def test_more_steps_than_an_episode_has_cost_nothing() -> None:
    rewards, discounts = np.array([1, 2], np.float32), np.array([1, 0], np.float32)
    far = n_step_returns(rewards, discounts, np.array([2]), 10**15, 0.5)
    for mine, other in zip(far, n_step_returns(rewards, discounts, np.array([2]), 2, 0.5), strict=True):
        assert mine.tolist() == other.tolist()


def test_episodes_are_drawn_alike_and_then_their_starts() -> None:
    replay = replay_of(numbered(0, 12), numbered(1, 4), numbered(2, 2))
    counts = Counter(drawn(replay.sample(12_000, np.random.default_rng(3))))
    expected = {(0, step): 600 for step in range(10)} | {(1, step): 3000 for step in range(2)}
    assert counts.keys() == expected.keys()
    p = stats.chisquare([counts[start] for start in expected], [*expected.values()]).pvalue
    assert 0.001 < p < 0.999


def test_samples_are_functions_of_the_generator() -> None:
    replay = replay_of(numbered(0, 12), numbered(1, 9))
    first, second, other = (replay.sample(20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert drawn(first) == drawn(second) != drawn(other)
    assert drawn(first) == sorted(drawn(first)), "in the order of the files"


def test_the_oldest_episodes_go_when_there_is_no_room() -> None:
    replay = replay_of(Episodes.joined([numbered(0, 5), numbered(1, 4)]), numbered(2, 6), capacity=12)
    assert len(replay) == 10
    held = lambda: {number for number, _ in drawn(replay.sample(300, np.random.default_rng(0)))}  # noqa: E731
    assert held() == {1, 2}
    replay.add(numbered(3, 3))
    assert len(replay) == 9 and held() == {2, 3}
    replay.add(numbered(4, 30))
    assert len(replay) == 30 and held() == {4}, "the latest stays, however long it is"


def test_live_episodes_are_drawn_like_those_of_files(tmp_path: Path) -> None:
    parts = [Episodes.joined([numbered(0, 5), numbered(1, 4)]), Episodes.joined([numbered(2, 8, True), numbered(3, 6)])]
    for number, part in enumerate(parts):
        EXPERIENCE.save(tmp_path / f"{number}", [part], lambda path, size: replacing(path), "whose")
    mapped = replay_of(*(part for number in range(2) for part in EXPERIENCE.load(tmp_path / f"{number}", "whose")))
    live = replay_of()
    for episode in (numbered(0, 5), numbered(1, 4), numbered(2, 8, True), numbered(3, 6)):
        live.add(episode)
    for mine, others in zip(*(replay.sample(50, np.random.default_rng(1)) for replay in (live, mapped)), strict=True):
        assert torch.equal(mine, others)


def test_what_cannot_be_used_is_said() -> None:
    for wrong in ({"capacity": 0}, {"n_step": 0}, {"stack": 0}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))}=0: expected at least 1"):
            replay_of(**wrong)
    with pytest.raises(InputError, match=r"gamma=1\.5: expected a number from 0 to 1"):
        EpisodeReplay([], 10, 3, 1.5)
    replay = replay_of(numbered(0, 2))
    assert replay.starts == 0
    with pytest.raises(InputError, match="a sample from 1 episodes without a transition: expected one of at least 3"):
        replay.sample(1, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"frames \(2,\) float32 and actions \(2,\): expected \(2, 3, 2\) uint8"):
        replay.add(numbered(1, 5, vectors=True))
    assert len(replay) == 2
