"""Which converter reads which file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from archloom.data.convert import official as convert_module
from archloom.data.convert.official import convert
from archloom.data.tables import TableError
from archloom.errors import InputError, MissingExtraError


def test_unknown_files_say_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file or folder"):
        convert(tmp_path / "none")
    for name, data in (("a.txt", b"hello"), ("empty.pth", b""), ("b.zip", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(
            TableError,
            match=r"not a benchmark file .*nats-tss: .*nasbench201: NAS-Bench-201-v1_1.*nasbench101: nasbench_only108",
        ):
            convert(tmp_path / name)
    with pytest.raises(TableError, match="not a benchmark file"):
        convert(tmp_path)
    with pytest.raises(InputError, match=r"unknown kind of benchmark file 'nats'.*did you mean 'nats-tss'"):
        convert(tmp_path, kind="nats")


def test_an_official_name_is_enough_to_be_told_what_is_wrong(tmp_path: Path) -> None:
    for name, reason in (
        ("NATS-tss-v1_0-3ffb9-simple.tar", "damaged archive"),
        ("NAS-Bench-201-v1_1-096897.pth", "damaged pickle"),
    ):
        (tmp_path / name).write_bytes(b"hello, I am damaged")
        with pytest.raises(InputError, match=reason):
            convert(tmp_path / name)
    (tmp_path / "NATS-tss-v1_0-3ffb9").mkdir()
    with pytest.raises(TableError, match="not a benchmark file"):
        convert(tmp_path / "NATS-tss-v1_0-3ffb9")


def test_nas_bench_101_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "archloom.data.convert.nasbench101", None)
    (tmp_path / "a").touch()
    with pytest.raises(MissingExtraError, match=r"needs the package numba: pip install 'archloom\[bench\]'"):
        convert(tmp_path / "a", kind="nasbench101")


def test_every_converter_has_a_kind_of_its_own() -> None:
    kinds = [converter.kind for converter in convert_module.CONVERTERS]
    assert len(set(kinds)) == len(kinds) == 3
