from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training needs the extra train")

from archloom.errors import InputError
from archloom.tasks.control.options import OTHER_SIZES, PUBLISHED, SIZES, ControlOptions


def test_what_was_published() -> None:
    """The authors' configurations: steps, batches, rates, schedules and replays by environment; epochs and chunks."""
    options = {name: ControlOptions(**given) for name, given in PUBLISHED.items()}
    assert {name: (o.n_step, o.batch_size, o.lr, o.std_steps, o.capacity) for name, o in options.items()} == {
        "quadruped_run": (3, 256, 1e-4, 500_000, 100_000),
        "walker_run": (1, 512, 1e-4, 500_000, 1_000_000),
        "humanoid_run": (3, 256, 8e-5, 2_000_000, 1_000_000),
    }
    sizes = {name: OTHER_SIZES.get(name, SIZES) for name in PUBLISHED}
    assert {name: (size.population, size.epochs, size.step) for name, size in sizes.items()} == {
        "quadruped_run": (12, 300, 10), "walker_run": (12, 300, 10), "humanoid_run": (12, 1500, 100),
    }  # fmt: skip


def test_pictures_are_stacked_and_vectors_are_not() -> None:
    assert (ControlOptions().stacked, ControlOptions(pixels=False).stacked) == (3, 1)


def test_epochs_whose_experience_fills_the_replay() -> None:
    """Of 10,000 frames, so 5,000 transitions each."""
    assert ControlOptions().experience_epochs == 21
    assert ControlOptions(capacity=5_001).experience_epochs == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, []),
        ({"seed_frames": 199}, []),
        ({"seed_frames": 200}, ["seed_frames=200 of 200 frames in all: agents never learn"]),
        ({"update_every": 100}, ["update_every=100 steps of 200 frames in all: agents never learn"]),
        ({"update_every": 99, "n_step": 4, "episode_frames": 7}, []),
        ({"n_step": 5, "episode_frames": 7}, ["n_step=5, and episodes have 4 steps: agents learn from terminals only"]),
    ],
)
def test_options_with_which_nothing_is_learnt(options: dict[str, int], said: list[str]) -> None:
    assert ControlOptions(epochs=2, epoch_frames=100, **{"seed_frames": 0, **options}).remarks == said


def test_frames_that_the_first_convolution_cannot_read() -> None:
    with pytest.raises(InputError, match="size=2: expected a whole number of at least 3"):
        ControlOptions(size=2)
