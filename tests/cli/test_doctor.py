"""`archloom doctor`."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from archloom.cli import doctor


def test_a_healthy_machine(cli: Any) -> None:
    said = cli("doctor")
    assert said.code == 0 and said.err == ""
    assert "ok   Python 3." in said.out and "FAULT" not in said.out
    assert "is writable; a durable write takes" in said.out
    assert "no   nb201 not here: archloom data list shows how to get it" in said.out
    assert list(cli.home.iterdir()) == [], "it leaves nothing behind"


def test_a_folder_that_cannot_be_written_is_a_fault(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    said = cli("doctor")
    assert said.code == 1
    assert f"FAULT {cli.home} is not writable (Read-only file system): use --out" in said.out


def test_a_missing_package_comes_with_its_cure(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "nothing_of_that_name", ("train", "a test"))
    said = cli("doctor")
    assert said.code == 0, "an extra is no fault"
    assert "no   nothing_of_that_name for a test: pip install 'archloom[train]'" in said.out
