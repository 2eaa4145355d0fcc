from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="networks need the extra train")

from benchmarks.nago.samples import SPACES, row, sample_of, show, times


@pytest.mark.parametrize("space", SPACES)
def test_networks_of_every_generator_train_and_keep_their_limit(space: str) -> None:
    samples = [sample_of(space, seed) for seed in range(5)]
    assert [each.failure for each in samples] == [""] * 5
    assert all(0 < each.share <= 1 and 0.8 < each.paper_share <= 1 < each.operations for each in samples)


def test_failures_are_counted_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """And a network has the same weights in another process, from its string alone."""
    sample = sample_of("rnag", 0)
    made = row("rnag", [sample, replace(sample, seed=1, failure="something is wrong")])
    assert (made.samples, made.failures, made.other_weights) == (2, 1, 0)
    assert made.operations == (sample.operations,) * 3
    show(made, [replace(sample, failure="something is wrong")])
    said = capsys.readouterr().out
    assert "rnag: 2 samples, 1 failures" in said and f"  something is wrong: {sample.arch}" in said


def test_a_network_that_cannot_be_made_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.nago.samples.PIXELS", -1)
    assert "RuntimeError: " in sample_of("rnag", 0).failure


def test_times_of_large_networks() -> None:
    assert all(seconds > 0 for seconds in times(180, 1).values())
