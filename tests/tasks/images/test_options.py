from __future__ import annotations

from typing import Any

import pytest

from archloom.data.images.labelled import SplitRule
from archloom.errors import InputError

pytest.importorskip("torch", reason="training needs the extra train")

from archloom.tasks.images.optimisation import HORIZONS, OPTIMISERS, SCHEDULES, LearningRate
from archloom.tasks.images.options import ImagesOptions
from archloom.tasks.images.parts import NORMALISATIONS
from archloom.utils import options


@pytest.mark.parametrize(
    ("option", "known"),
    [
        ("optimiser", OPTIMISERS),
        ("schedule", SCHEDULES),
        ("schedule_until", HORIZONS),
        ("normalisation", NORMALISATIONS),
    ],
)
def test_names_are_those_that_there_are(option: str, known: dict[str, Any]) -> None:
    assert options.of_dataclass(ImagesOptions)[option].expected == f"one of {', '.join(known)}"


def test_what_options_say_together() -> None:
    chosen = ImagesOptions(valid_share=0.5, split_seed=2, train_images=40, valid_images=20)
    assert chosen.rule == SplitRule(0.5, 2, 40, 20)
    chosen = ImagesOptions(schedule="linear", lr=0.5, final_lr=0.1, warmup_epochs=5.0)
    assert chosen.learning_rate == LearningRate("linear", 0.5, 0.1, 5.0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"batch_size": 1},
            "batch_size=1: expected a whole number of at least 2; normalisation over a batch needs two images",
        ),
        ({"steps_per_epoch": -1}, "steps_per_epoch=-1"),
        ({"epochs": 0}, "epochs=0: expected a whole number of at least 1"),
        ({"lr": 0.0}, "lr=0.0: expected a finite number above 0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0"),
        ({"size": -1}, "size=-1"),
        ({"cutout": -1}, "cutout=-1"),
        ({"cutout": 4}, "cutout=4: add cutout to augment, as in augment=shift,flip,cutout"),
        ({"momentum": 1.0}, "momentum=1.0: expected a number from 0 to below 1"),
        ({"final_lr": 0.1, "lr": 0.01}, "final_lr=0.1: expected at most lr, 0.01"),
        ({"warmup_epochs": 3.0, "epochs": 3}, "warmup_epochs=3: expected fewer than epochs, 3"),
        ({"drop_path": 1.0}, "drop_path=1.0"),
        ({"max_grad_norm": -1.0}, "max_grad_norm=-1.0"),
        ({"valid_share": 0.0}, "valid_share=0.0"),
        ({"valid_share": 1.0}, "valid_share=1.0"),
        ({"train_images": -1}, "train_images=-1"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        ImagesOptions(**settings)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
