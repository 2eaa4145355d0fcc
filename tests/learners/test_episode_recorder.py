from __future__ import annotations

import numpy as np

from archloom.learners.episode_recorder import EpisodeRecorder


def test_an_episode_as_it_is_observed_and_as_it_is_kept() -> None:
    frames = np.arange(5 * 3 * 2 * 2, dtype=np.uint8).reshape(5, 3, 2, 2)
    actions = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
    recorder = EpisodeRecorder(stack=3)
    for _ in range(2):  # what is begun again begins with nothing
        seen = [recorder.begin(frames[0])]
        seen += [recorder.add(actions[step], float(step), float(step != 3), frames[step + 1]) for step in range(4)]
        expected = [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
        np.testing.assert_array_equal(seen, [np.concatenate(frames[numbers]) for numbers in expected])
        kept = recorder.episode()
        np.testing.assert_array_equal(kept.frames, frames)
        np.testing.assert_array_equal(kept.actions, actions)
        assert (kept.rewards.tolist(), kept.discounts.tolist()) == ([0, 1, 2, 3], [1, 1, 1, 0])
        assert kept.lengths.tolist() == [4]


def test_vectors() -> None:
    recorder = EpisodeRecorder(stack=2)
    first = recorder.begin(np.array([1, 2], np.float32))
    second = recorder.add(np.zeros(1, np.float32), 0.5, 1.0, np.array([3, 4], np.float32))
    assert (first.tolist(), second.tolist()) == ([1, 2, 1, 2], [1, 2, 3, 4]) and second.dtype == np.float32
