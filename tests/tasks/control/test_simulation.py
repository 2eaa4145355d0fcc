"""Settings of environments."""

from __future__ import annotations

import pytest

from archloom.errors import InputError
from archloom.tasks.control.simulation import EnvironmentSettings


def test_shadows_and_reflections_are_for_full_size() -> None:
    assert EnvironmentSettings().with_effects
    assert not EnvironmentSettings(size=42).with_effects
    assert EnvironmentSettings(size=42, effects=True).with_effects
    assert not EnvironmentSettings(effects=False).with_effects


def test_pictures_are_averaged_down_only() -> None:
    with pytest.raises(InputError, match="size=96: expected at most render_size, 84; set both"):
        EnvironmentSettings(size=96)
    assert EnvironmentSettings(size=96, render_size=96).size == 96
