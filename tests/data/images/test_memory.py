from __future__ import annotations

import pytest

from archloom.data.images.memory import check_fits
from archloom.errors import InputError


def test_what_fits_is_said_by_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: 10**9)
    check_fits("photos", 700_000_000)
    with pytest.raises(InputError, match=r"^photos: 900\.0 GB of pixels; this machine has 1\.0 GB of memory"):
        check_fits("photos", 900 * 10**9)


def test_a_machine_that_does_not_say_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: None)
    check_fits("photos", 10**18)
