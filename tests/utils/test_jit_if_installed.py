from __future__ import annotations

import sys

import pytest

from archloom.utils.jit_if_installed import compiled


def doubled(value: int) -> int:
    return 2 * value


def test_with_numba_a_function_is_machine_code() -> None:
    pytest.importorskip("numba")
    kernel = compiled(doubled)
    assert kernel(4) == 8
    assert kernel.nopython_signatures  # type: ignore[attr-defined]


def test_without_numba_it_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "archloom.utils.jit", raising=False)
    assert compiled(doubled) is doubled


def test_that_another_module_is_missing_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setitem(sys.modules, "archloom.utils.threads", None)
    monkeypatch.delitem(sys.modules, "archloom.utils.jit", raising=False)
    with pytest.raises(ModuleNotFoundError, match="threads"):
        compiled(doubled)
