from __future__ import annotations

import re
from pathlib import Path

import pytest

from archloom.agents.training_folder import MANIFEST
from archloom.cli.paths import NewFolder, RunPath, UserPath
from archloom.errors import InputError


def test_a_leading_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert UserPath().convert("~/runs", None, None) == tmp_path / "runs"
    assert NewFolder().convert("~", None, None) == tmp_path
    assert UserPath().convert("a/~b", None, None) == Path("a/~b")


def test_an_empty_name_is_no_folder() -> None:
    with pytest.raises(InputError, match="expected the name of a folder"):
        NewFolder().convert("", None, None)


def test_a_training_is_no_run(tmp_path: Path) -> None:
    training = tmp_path / "an agent"
    training.mkdir()
    assert RunPath().convert(str(training), None, None) == training
    (training / MANIFEST).touch()
    says = f"{training} is the training of an agent, not a run: archloom agent show '{training}' and "
    with pytest.raises(InputError, match=re.escape(says)) as refused:
        RunPath().convert(str(training), None, None)
    assert str(refused.value).endswith(f"show what it has learned, '{training}/log.csv' how")
