from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("dm_control", reason="environments need the extra control")

from archloom.errors import InputError
from archloom.tasks.control.data import check_begins, read_environment
from archloom.tasks.control.simulation import EnvironmentSettings

VECTORS = EnvironmentSettings(pixels=False)


def test_what_is_known_of_an_environment() -> None:
    found = read_environment("cartpole_balance", VECTORS)
    assert (found.frame_shape, found.actions) == ((5,), 1)
    assert found.source.startswith("dm_control ") and ", mujoco " in found.source
    assert read_environment("cartpole_balance", VECTORS).sha256 == found.sha256
    assert replace(found, actions=2).sha256 != found.sha256


def test_an_environment_that_there_is_not() -> None:
    with pytest.raises(InputError, match="cartpole_fly"):
        read_environment("cartpole_fly", VECTORS)


def test_an_environment_that_cannot_begin(point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import gymnasium

    check_begins(point, VECTORS)
    monkeypatch.setattr(gymnasium.spec(point.removeprefix("gym:")).entry_point, "observed", lambda _: [1, 2])
    with pytest.raises(InputError, match=r"gym:Point-v0 observed \(2,\) numbers; its space says \(3,\)"):
        check_begins(point, VECTORS)


def test_pictures_that_are_too_large_to_render(pixels: None) -> None:
    with pytest.raises(
        InputError, match=r"pictures of 100000 x 100000 cannot be rendered with MUJOCO_GL=.*: use smaller"
    ):
        check_begins("cartpole_balance", EnvironmentSettings(size=8, render_size=100_000))
    check_begins("cartpole_balance", EnvironmentSettings(size=8, render_size=8))
