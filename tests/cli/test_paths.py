from __future__ import annotations

from pathlib import Path

import pytest

from archloom.cli.paths import NewFolder, UserPath
from archloom.errors import InputError


def test_a_leading_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert UserPath().convert("~/runs", None, None) == tmp_path / "runs"
    assert NewFolder().convert("~", None, None) == tmp_path
    assert UserPath().convert("a/~b", None, None) == Path("a/~b")


def test_an_empty_name_is_no_folder() -> None:
    with pytest.raises(InputError, match="expected the name of a folder"):
        NewFolder().convert("", None, None)
