from __future__ import annotations

import pytest

from archloom.utils.memory import memory_bytes, too_large


def test_this_machine_has_some() -> None:
    assert (memory_bytes() or 10**9) >= 10**8


def test_what_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: 10**9)
    assert too_large(8 * 10**8) is None
    assert too_large(9 * 10**8, " of numbers") == "0.9 GB of numbers; this machine has 1.0 GB of memory"


def test_a_machine_that_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: None)
    assert too_large(10**30) is None
