from __future__ import annotations

import math
from typing import Any

import pytest

from archloom.errors import InputError
from archloom.strategies.ddas.noise import Gaussian, OnStagnation, Uniform
from archloom.strategies.ddas.options import DdasOptions


@pytest.mark.parametrize(
    ("setting", "lengths", "noises", "windows"),
    [
        ("random", [1500], [None], [10**6]),
        ("noiseless", [500, 1000, 0], [None, Uniform, OnStagnation], [10**6, 10**6, 500]),
        ("gaussian", [500, 1000, 0], [None, Gaussian, OnStagnation], [10**6, 10**6, 500]),
        ("four_stage", [500, 500, 500], [None, Gaussian, OnStagnation], [10**6, 10**6, 500]),
    ],
)
def test_the_settings_of_table_3_3(setting: Any, lengths: list[int], noises: list[Any], windows: list[int]) -> None:
    options = DdasOptions(setting=setting)
    stages = options.stages()
    assert [stage.steps for stage in stages] == lengths and options.steps == 1500
    assert [stage.noise if stage.noise is None else type(stage.noise) for stage in stages] == noises
    assert [stage.window for stage in stages] == windows


def test_lengths_may_be_given() -> None:
    lengths = {"explore": 3, "exploit": 4, "fourth": 5}
    assert [stage.steps for stage in DdasOptions(**lengths).stages()] == [3, 4, 5]  # type: ignore[arg-type]
    assert [stage.steps for stage in DdasOptions(setting="random", **lengths).stages()] == [12]  # type: ignore[arg-type]
    assert [stage.steps for stage in DdasOptions(setting="four_stage", explore=0).stages()] == [0, 500, 500]


@pytest.mark.parametrize(
    "option",
    [
        {"setting": "loud"}, {"explore": -1}, {"batch_size": 0}, {"gamma": 1.0}, {"soft_update": 1.5}, {"hidden": ()},
        {"actor_lr": 0.0}, {"noise_sigma": math.nan}, {"similar": 2.0}, {"weights": "zero"}, {"ou_dt": 0.0},
    ],
)  # fmt: skip
def test_impossible_options_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"^(DdasOptions option )?{next(iter(option))}="):
        DdasOptions(**option)


def test_options_that_leave_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="no reward is left"):
        DdasOptions(accuracy_weight=0.0, loss_weight=0.0)
    with pytest.raises(InputError, match="expected at least one step"):
        DdasOptions(explore=0, exploit=0)
