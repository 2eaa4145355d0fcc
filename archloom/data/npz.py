"""What an `.npz` file says of its arrays, without unpacking them.

A deflated member may expand a thousandfold, and a header may promise any shape: so sizes are looked at before anything
is allocated.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_ARRAYS = 4096
_HEADER_BYTES = 4096
_SUFFIX = ".npy"


class NpzError(Exception):
    """What is wrong with an archive of arrays, in words; the caller says which file it is."""


@dataclass(frozen=True)
class Header:
    """The header of an array inside the zip."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int  # bytes before the data

    @property
    def data_bytes(self) -> int:
        # Python integers: a header that claims 2**80 elements does not wrap around
        return math.prod(self.shape) * self.dtype.itemsize


def read_headers(archive: zipfile.ZipFile) -> dict[str, Header]:
    """The headers of all arrays by name. NpzError for what is no archive of arrays, or not one that numpy writes.

    A damaged archive may raise almost anything else, as `zipfile` and `numpy` do.
    """
    members = archive.infolist()
    _check_members(members)
    return {member.filename.removesuffix(_SUFFIX): _header(archive, member) for member in members}


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if len(names) > MAX_ARRAYS:
        raise NpzError(f"holds {len(names)} arrays; at most {MAX_ARRAYS}; split it")
    for member in members:
        if not member.filename.endswith(_SUFFIX):
            raise NpzError(
                f"holds {member.filename!r}, which is not an array; expected only .npy members; "
                "save it again with numpy.savez_compressed"
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NpzError(
                f"{member.filename!r} is compressed by method {member.compress_type}; expected none "
                "or deflate; save it again with numpy.savez_compressed"
            )
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise NpzError(f"holds {twice!r} twice; save it again with numpy.savez_compressed")


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    # Only the first bytes are unpacked: numpy's reader would trust a length field of up to 4 GB.
    with archive.open(member) as stream:
        head = io.BytesIO(stream.read(_HEADER_BYTES))
    version = np.lib.format.read_magic(head)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise NpzError(
            f"array {member.filename!r} has .npy version {version}; expected 1.0 or 2.0; "
            "save it again with numpy.savez_compressed"
        )
    shape, fortran, dtype = readers[version](head)
    header = Header(tuple(shape), fortran, dtype, head.tell())
    if not dtype.hasobject and header.offset + header.data_bytes != member.file_size:
        raise NpzError(
            f"array {member.filename!r} says {shape} {dtype}, but holds {member.file_size} "
            "bytes; the file is damaged; download or convert it again"
        )
    return header
