from __future__ import annotations

from pathlib import Path

import pytest

from archloom.data.cache import cache_dir, make_folder
from archloom.errors import InputError


def test_cache_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_dir({"ARCHLOOM_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}) == Path("/a")
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_dir({"XDG_CACHE_HOME": "/b", "HOME": "/c"}) == Path("/b/archloom")
    assert cache_dir({"HOME": "/c"}) == Path("/c/.cache/archloom")
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_dir({"HOME": "/c"}) == Path("/c/Library/Caches/archloom")
    monkeypatch.setattr("sys.platform", "win32")
    assert cache_dir({"LOCALAPPDATA": "/d"}) == Path("/d/archloom/Cache")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file.below: cannot be created \(.*set ARCHLOOM_CACHE to a writable folder"):
        make_folder(tmp_path / "file" / "below")
