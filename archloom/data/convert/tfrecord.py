"""TFRecord files without TensorFlow: records one by one, every checksum verified.

A record is its length (8 bytes, little-endian), the masked CRC-32C of those 8 bytes, the content, and the masked
CRC-32C of the content (TensorFlow, "TFRecords format details").
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from archloom.data.progress import Progress
from archloom.data.tables import TableError
from archloom.errors import MissingExtraError

HEADER, FOOTER = 12, 4
_HEADER = struct.Struct("<QI")
LONGEST = 2**20
"""The largest content of a record, in bytes, by default."""

_MASK_DELTA = 0xA282EAD8
_BLOCK_BYTES = 2**22


def masked(crc: int) -> int:
    """A CRC-32C as TFRecord files store it."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def records(path: Path, *, longest: int = LONGEST, progress: Progress | None = None) -> Iterator[tuple[int, bytes]]:
    """(byte at which the record begins, its content) of every record, in file order.

    A record is yielded after its checksums are verified; about 10 MB of memory. `progress` is called with the number of
    bytes checked and the file's size, about every 4 MB and at the end. Raises TableError, with the byte, for a file
    that is truncated or damaged, that is not a TFRecord file, or that has a record of more than `longest` bytes;
    MissingExtraError without google-crc32c.
    """
    try:
        with path.open("rb", buffering=_BLOCK_BYTES) as stream:
            size = os.fstat(stream.fileno()).st_size
            told = after = 0
            for at, content in _checked(path, stream, longest):
                yield at, content
                after = at + HEADER + len(content) + FOOTER
                if progress is not None and after - told >= _BLOCK_BYTES:
                    progress(after, size)
                    told = after
            if progress is not None and after > told:
                progress(after, size)
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror or error}); check the disk and try again") from error


def _checked(path: Path, stream: BinaryIO, longest: int) -> Iterator[tuple[int, bytes]]:
    """What `records` yields and raises."""
    try:
        from google_crc32c import value as crc32c
    except ImportError:
        raise MissingExtraError("google-crc32c", "bench", "reading a TFRecord file") from None

    at = 0
    while header := stream.read(HEADER):
        if len(header) < HEADER:
            raise _cut_off(path, at, at + len(header))
        length, checksum = _HEADER.unpack(header)
        if masked(crc32c(header[:8])) != checksum:
            raise _wrong_length(path, at)
        if length > longest:
            raise _damaged(path, at, f"the record has {length} bytes, expected at most {longest}")
        rest = stream.read(length + FOOTER)
        if len(rest) < length + FOOTER:
            raise _cut_off(path, at, at + HEADER + len(rest))
        content = rest[:length]
        if masked(crc32c(content)) != int.from_bytes(rest[length:], "little"):
            raise _damaged(path, at, f"the record of {length} bytes has a wrong checksum")
        yield at, content
        at += HEADER + len(rest)


def _cut_off(path: Path, at: int, end: int) -> TableError:
    return TableError(
        f"{path}: ends at byte {end}, inside the record that begins at byte {at}; the file is truncated; download the "
        "rest of it, or all of it again"
    )


def _wrong_length(path: Path, at: int) -> TableError:
    if at == 0:
        return TableError(
            f"{path}: not a TFRecord file (byte 0: the first length has a wrong checksum); expected a .tfrecord file; "
            "name another file, or download this one again"
        )
    return _damaged(path, at, "the length of the record has a wrong checksum")


def _damaged(path: Path, at: int, what: str) -> TableError:
    return TableError(f"{path}: byte {at}: {what}; the file is damaged; download it again")
