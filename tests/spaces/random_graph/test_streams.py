from __future__ import annotations

import pytest

from archloom.spaces.random_graph.streams import Stream


def test_the_numbers_of_a_label_are_these_for_ever() -> None:
    """All networks there are follow from them."""
    stream = Stream("graph/0//0")
    assert [stream.random() for _ in range(3)] == [0.9521870663687886, 0.5872034216802902, 0.41695258258239065]
    assert [stream.below(10) for _ in range(8)] == [4, 9, 1, 3, 2, 1, 5, 9]


def test_a_label_is_a_stream_of_its_own() -> None:
    first, again, other = ([Stream(label).random() for _ in range(1)] for label in ("a", "a", "b"))
    assert first == again != other


def test_numbers_are_uniform() -> None:
    stream = Stream("uniform")
    numbers = [stream.random() for _ in range(4_000)]
    assert min(numbers) >= 0 and max(numbers) < 1
    assert sum(numbers) / 4_000 == pytest.approx(0.5, abs=0.02)  # four standard errors
    counts = [0] * 5
    for _ in range(5_000):
        counts[stream.below(5)] += 1
    assert counts == pytest.approx([1_000] * 5, abs=120)


def test_choices_are_in_proportion_to_weights() -> None:
    stream, counts = Stream("weights"), [0] * 5
    for _ in range(4_000):
        counts[stream.choice([0.0, 1.0, 0.0, 3.0, 0.0])] += 1
    assert counts == pytest.approx([0, 1_000, 0, 3_000, 0], abs=120)
    assert counts[0] == counts[2] == counts[4] == 0
