from __future__ import annotations

import struct
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google_crc32c", reason="checksums need the extra bench")

from google_crc32c import value as crc32c

from archloom.data.convert import tfrecord
from archloom.data.convert.tfrecord import masked, records
from archloom.data.tables import TableError
from archloom.errors import MissingExtraError

CONTENTS = [b"first", b"", bytes(range(256)) * 3, b"last"]
STARTS = [0, 21, 37, 37 + 16 + 768]


@pytest.fixture
def file(official: Any, tmp_path: Path) -> Path:
    path: Path = official.write(tmp_path / "a.tfrecord", CONTENTS)
    return path


def test_every_record_with_its_byte(file: Path) -> None:
    assert list(records(file)) == list(zip(STARTS, CONTENTS, strict=True))


def test_progress_is_told_every_few_bytes_and_at_the_end(
    official: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [bytes([i]) * (i * 37 % 61) for i in range(250)]  # records of 16 to 76 bytes
    path = official.write(tmp_path / "a.tfrecord", contents)
    size = path.stat().st_size
    for block in (76, 77, 100, 1001, size):
        monkeypatch.setattr(tfrecord, "_BLOCK_BYTES", block)
        seen: list[tuple[int, int | None]] = []
        found = list(records(path, longest=60, progress=lambda done, total, seen=seen: seen.append((done, total))))
        assert [content for _, content in found] == contents
        assert [path.read_bytes()[at + 12 : at + 12 + len(content)] for at, content in found] == contents
        assert seen[-1] == (size, size)
        steps = [after - before for (before, _), (after, _) in pairwise([(0, size), *seen])]
        assert all(block <= step < block + 76 for step in steps[:-1]) and steps[-1] > 0


@pytest.mark.parametrize("cut", [1, 7, 11, 12, 14, 17, 20])
def test_a_file_that_is_cut_off(file: Path, cut: int) -> None:
    whole = file.read_bytes()
    for start, content in zip(STARTS, CONTENTS, strict=True):
        file.write_bytes(whole[: start + min(cut, len(content) + 15)])
        with pytest.raises(TableError, match=rf"ends at byte \d+, inside the record .* byte {start}; .*again"):
            list(records(file))


def test_any_flipped_bit_is_found_and_its_record_named(official: Any, tmp_path: Path) -> None:
    whole = official.write(tmp_path / "whole", [b"first", b"second"]).read_bytes()
    path = tmp_path / "a.tfrecord"
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        start = 0 if bit < 8 * 21 else 21
        with pytest.raises(TableError, match=rf"byte {start}: the .*wrong checksum") as caught:
            list(records(path))
        assert ("not a TFRecord file" in str(caught.value)) == (bit < 8 * 12)
        assert "download" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [101, 2**40, 2**63, 2**64 - 1])
def test_a_length_that_is_too_long_though_its_checksum_is_right(official: Any, tmp_path: Path, length: int) -> None:
    header = struct.pack("<Q", length)
    path = tmp_path / "a.tfrecord"
    path.write_bytes(official.frame(b"fine") + header + official.checksum(header) + b"x" * 200)
    with pytest.raises(TableError, match=f"byte 20: the record has {length} bytes, expected at most 100"):
        list(records(path, longest=100))


def test_records_before_the_fault_are_given_out(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    found = []
    with pytest.raises(TableError, match="the record of 4 bytes has a wrong checksum"):
        found.extend(content for _, content in records(file))
    assert found == CONTENTS[:3]


def test_no_record_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert list(records(tmp_path / "empty")) == []
    with pytest.raises(TableError, match=r"none: cannot be read \(No such file"):
        list(records(tmp_path / "none"))


def test_without_the_package(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    with pytest.raises(MissingExtraError, match=r"needs the package google-crc32c: pip install 'archloom\[bench\]'"):
        list(records(file))


@pytest.mark.parametrize(
    ("data", "crc"),
    [  # RFC 3720, appendix B.4, and the usual check value
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_checksums(official: Any, data: bytes, crc: int) -> None:
    assert crc32c(data) == crc
    assert masked(crc) == int.from_bytes(official.checksum(data), "little")
