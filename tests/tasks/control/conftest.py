"""What tests of environments have in common."""

from __future__ import annotations

import pytest

from archloom.errors import InputError


@pytest.fixture(scope="session")
def pixels() -> None:
    """MuJoCo renders here."""
    pytest.importorskip("mujoco", reason="environments need the extra control")
    from archloom.tasks.control import rendering

    try:
        rendering.start()
    except InputError as error:
        pytest.skip(str(error))
