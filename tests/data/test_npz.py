from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from archloom.data.npz import Header, NpzError, read_headers


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipFile:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return zipfile.ZipFile(io.BytesIO(buffer.getvalue()))


def array_bytes(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_headers_are_those_of_the_arrays() -> None:
    arrays = {"a": np.zeros((2, 3), dtype=np.float32), "b": np.asfortranarray(np.ones((4, 2), dtype=np.int8))}
    found = read_headers(zipped({f"{name}.npy": array_bytes(array) for name, array in arrays.items()}))
    assert found["a"] == Header((2, 3), False, np.dtype(np.float32), found["a"].offset)
    assert (found["b"].shape, found["b"].fortran, found["b"].data_bytes) == ((4, 2), True, 8)


def promising(rows: int) -> bytes:
    """An array of a few bytes whose header promises more."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (rows,)})
    return buffer.getvalue() + b"1234"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"notes.txt": b"x"}, "'notes.txt', which is not an array"),
        ({"a.npy": promising(10**12)}, r"says \(1000000000000,\) uint8, but holds"),
        ({"a.npy": promising(2**70)}, "but holds"),
    ],
)
def test_what_is_no_archive_of_arrays_is_said_before_anything_is_allocated(
    members: dict[str, bytes], said: str
) -> None:
    with pytest.raises(NpzError, match=said):
        read_headers(zipped(members))


def test_other_compressions_are_refused() -> None:
    with pytest.raises(NpzError, match="compressed by method 12"):
        read_headers(zipped({"a.npy": array_bytes(np.zeros(3))}, zipfile.ZIP_BZIP2))
