from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training needs the extra train")

from archloom.tasks.control.options import PUBLISHED, ControlOptions


def test_what_was_published() -> None:
    """The authors' configurations: epochs, steps, batches, rates, schedules and replays by environment."""
    options = {name: ControlOptions(**given) for name, given in PUBLISHED.items()}
    assert {name: (o.epochs, o.n_step, o.batch_size, o.lr, o.std_steps, o.capacity) for name, o in options.items()} == {
        "quadruped_run": (300, 3, 256, 1e-4, 500_000, 100_000),
        "walker_run": (300, 1, 512, 1e-4, 500_000, 1_000_000),
        "humanoid_run": (1500, 3, 256, 8e-5, 2_000_000, 1_000_000),
    }


def test_pictures_are_stacked_and_vectors_are_not() -> None:
    assert (ControlOptions().stacked, ControlOptions(pixels=False).stacked) == (3, 1)


def test_epochs_whose_experience_fills_the_replay() -> None:
    """Of 10,000 frames, so 5,000 transitions each."""
    assert ControlOptions().experience_epochs == 21
    assert ControlOptions(capacity=5_001).experience_epochs == 3
