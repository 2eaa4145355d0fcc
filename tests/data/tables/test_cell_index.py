"""The index of all cells of NAS-Bench-101."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError

pytest.importorskip("numba", reason="NAS-Bench-101 cells need the extra bench")

from archloom.data.cache import CACHE_VARIABLE
from archloom.data.tables import cell_index as module
from archloom.spaces import nb101
from archloom.spaces.nb101.codes import unpack


@pytest.fixture
def content(cell_index: Any) -> bytes:
    """What the file of the index holds."""
    codes = cell_index.codes.view(np.int32)
    flat = np.concatenate([codes, cell_index.order, cell_index.offsets, cell_index.targets])
    stream = io.BytesIO()
    np.save(stream, flat)
    return stream.getvalue()


def test_neighbours_are_those_of_the_rules(cell_index: Any) -> None:
    assert len(cell_index) == 423_624
    for row in np.random.default_rng(0).integers(0, len(cell_index), 30):
        genes = unpack(cell_index.codes[row : row + 1])[0]
        expected = cell_index.rows_of(nb101.neighbours(genes))
        assert cell_index.neighbours(row).tolist() == expected.tolist()


def test_rows_are_in_the_official_order(cell_index: Any) -> None:
    assert nb101.md5_hashes(unpack(cell_index.codes[:1])) == ["00005c142e6f48ac74fdcf73e3439874"]
    some = np.sort(np.random.default_rng(0).integers(0, len(cell_index), 500))
    hashes = nb101.md5_hashes(unpack(cell_index.codes[some]))
    assert hashes == sorted(hashes)


def test_rows_of_any_matrix(cell_index: Any) -> None:
    rows = np.random.default_rng(0).integers(0, len(cell_index), 1_000)
    assert (cell_index.rows_of(unpack(cell_index.codes[rows])) == rows).all()


def test_a_code_that_is_no_cell_has_no_row(cell_index: Any) -> None:
    crowded = np.array([*[1] * 21, *[0] * 5], dtype=np.uint8)  # 21 edges
    unconnected = np.array([*[0] * 21, *[3] * 5], dtype=np.uint8)
    good = unpack(cell_index.codes[:1])[0]
    for cell in (crowded, unconnected):
        with pytest.raises(InputError, match="the cell in row 1 is not in NAS-Bench-101: expected an output that is"):
            cell_index.rows_of(np.stack([good, cell]))
    with pytest.raises(InputError, match="expected the canonical code of a cell"):
        cell_index.rows(np.array([0xFFFF_FFFF], dtype=np.uint32))


def test_opening_again_builds_nothing(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built, told = [], []
    monkeypatch.setattr(module, "build", lambda: built.append(1) or content)
    environ = {CACHE_VARIABLE: str(tmp_path)}
    first = module.open_index(environ, told.append)
    assert len(told) == 1
    second = module.open_index(environ, told.append)
    assert (len(built), len(told)) == (1, 1)
    assert (first.targets == second.targets).all()
    assert hashlib.sha256((tmp_path / module.FILE_NAME).read_bytes()).hexdigest() == module.SHA256


def test_a_damaged_file_is_built_again(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "build", lambda: content)
    file = tmp_path / module.FILE_NAME
    for damaged in (content[:-1], content[:1000] + b"\x00" + content[1001:], b""):
        file.write_bytes(damaged)
        assert len(module.open_index({CACHE_VARIABLE: str(tmp_path)})) == 423_624
        assert file.read_bytes() == content


def test_a_wrong_build_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "build", lambda: b"something else")
    with pytest.raises(InputError, match="not the expected one"):
        module.open_index({CACHE_VARIABLE: str(tmp_path)})


def test_of_several_at_once_one_builds(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    monkeypatch.setattr(module, "build", lambda: built.append(1) or content)
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: module.open_index({CACHE_VARIABLE: str(tmp_path)}), range(4)))
    assert len(built) == 1
    assert all((index.codes == opened[0].codes).all() for index in opened)


_KILLED = """
import os, signal, sys
from archloom.utils import files
from archloom.data.tables import cell_index

def killed(descriptor):
    os.kill(os.getpid(), signal.SIGKILL)

cell_index.build = lambda: b"half of it"
files.os.fsync = killed
cell_index.open_index(os.environ)
"""


def test_a_build_that_is_killed_leaves_no_index(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {**os.environ, CACHE_VARIABLE: str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _KILLED], env=environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / module.FILE_NAME).exists()
    assert len(list(tmp_path.glob(".*.tmp"))) == 1, "it was killed while it wrote"
    monkeypatch.setattr(module, "build", lambda: content)
    assert len(module.open_index({CACHE_VARIABLE: str(tmp_path)})) == 423_624
    assert not list(tmp_path.glob(".*.tmp")), "what the other left is gone"


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="set ARCHLOOM_CACHE"):
        module.open_index({CACHE_VARIABLE: str(tmp_path / "file" / "below")})


def test_a_cache_that_is_not_writable_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that stands in the way: the index's lock, or the index itself."""
    environ = {CACHE_VARIABLE: str(tmp_path)}
    (tmp_path / module.FILE_NAME).with_suffix(".lock").mkdir()
    with pytest.raises(InputError, match=r"cannot be kept there .*; set ARCHLOOM_CACHE to a writable folder") as error:
        module.open_index(environ)
    assert "\n" not in str(error.value)

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "FileLock", denied)
    with pytest.raises(InputError, match=r"cannot be kept there \(Permission denied\); set ARCHLOOM_CACHE"):
        module.open_index(environ)
    (tmp_path / module.FILE_NAME).mkdir()
    with pytest.raises(InputError, match=r"cannot be kept there \(Is a directory\); set ARCHLOOM_CACHE"):
        module.open_index(environ)
