"""Where checkpoints are kept: in memory and in folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archloom.checkpoints.store import CheckpointFolder, sources
from archloom.errors import StoreError
from archloom.types import Inherit

pytest.importorskip("torch", reason="states of trainings need the extra train")


def test_what_is_saved_is_loaded(checkpoints: Any, state: Any, there: Any) -> None:
    checkpoints.save(3, state(1.5))
    checkpoints.save(3, state(2.5))
    assert checkpoints.load(3).networks["network"]["weight"].item() == 2.5
    assert there(checkpoints) == {3}


def test_dropping_spares_what_is_kept_and_what_is_yet_to_be_told(checkpoints: Any, state: Any, there: Any) -> None:
    for trial in range(10):
        checkpoints.save(trial, state(trial))
    checkpoints.drop(6, {2, 4})
    assert there(checkpoints) == {2, 4, 7, 8, 9}


def test_what_a_killed_writer_left_goes_with_its_trial(tmp_path: Path, state: Any) -> None:
    folder = CheckpointFolder(tmp_path / "weights")
    folder.save(1, state(1.0))
    for name in (".000000.safetensors.ab12.tmp", ".000007.safetensors.cd34.tmp"):
        (folder.path / name).write_bytes(b"half")
    (folder.path / "notes.txt").write_text("mine")
    folder.drop(5, {1})
    assert sorted(path.name for path in folder.path.iterdir()) == [
        ".000007.safetensors.cd34.tmp", "000001.safetensors", "notes.txt",
    ]  # fmt: skip


def test_sources_of_a_recipe() -> None:
    assert sources(None) == set()
    assert sources(Inherit(4, {0: 7, 1: None, 2: 7})) == {4, 7}


def test_a_state_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="000004"):
        CheckpointFolder(tmp_path).load(4)


def test_nothing_half_written_is_left_at_the_beginning(tmp_path: Path, state: Any) -> None:
    folder = CheckpointFolder(tmp_path / "weights")
    folder.save(1, state(1.0))
    for name in (".000001.safetensors.ab12.tmp", ".000007.safetensors.cd34.tmp"):
        (folder.path / name).write_bytes(b"half")
    folder.drop_all_but({1, 7})
    assert [path.name for path in folder.path.iterdir()] == ["000001.safetensors"]


def test_what_a_killed_writer_left_goes_also_where_its_trial_stays(tmp_path: Path, state: Any) -> None:
    folder = CheckpointFolder(tmp_path / "weights")
    folder.save(1, state(1.0))
    (folder.path / ".000001.safetensors.ab12.tmp").write_bytes(b"half")
    folder.drop(1, {1})
    assert [path.name for path in folder.path.iterdir()] == ["000001.safetensors"]
