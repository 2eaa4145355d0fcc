"""All of NAS-Bench-101 as a graph over row numbers, so that every move of a walk is a look-up.

Rows are the cells in the order of the published dataset. The index is built from the definition alone (about 20
seconds), kept in the cache and opened memory-mapped. Its content is known in advance: the file is named after its
SHA-256, and a file or a build that differs is refused.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from archloom.data.cache import CACHE_VARIABLE, cache_dir, make_folder
from archloom.errors import InputError
from archloom.spaces.nb101.cells import CELLS, official_codes
from archloom.spaces.nb101.codes import MAX_EDGES, UNCONNECTED, Codes, allowed_codes, pack
from archloom.spaces.nb101.moves import neighbour_codes
from archloom.utils.files import TEMPORARY, replace_file

NEIGHBOURS = 10_890_938
"""How many (cell, neighbour) pairs there are."""

SHA256 = "fc95d1374d6845b76449dba5eec583fe8262c705c9ab86c4c044646ff59bbc4b"
"""The digest of the file."""

FILE_NAME = f"nb101-neighbours-{SHA256[:16]}.npy"

Rows = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class CellIndex:
    """All cells and their neighbours.

    `codes` (423624,) are canonical codes (see `spaces.nb101.codes`) by row; `ascending` are the same codes sorted,
    and `order` the rows they belong to; the neighbours of row r are `targets[offsets[r]:offsets[r + 1]]`, in the order
    of their codes.
    """

    codes: Codes
    ascending: Codes
    order: Rows
    offsets: Rows
    targets: Rows

    def __len__(self) -> int:
        return len(self.codes)

    def neighbours(self, row: int) -> Rows:
        """The rows of a row's neighbours, each once."""
        return self.targets[self.offsets[row] : self.offsets[row + 1]]

    def rows(self, codes: Codes) -> Rows:
        """(n,) the rows of canonical codes (n,); InputError for a code that is not a cell."""
        at = np.minimum(np.searchsorted(self.ascending, codes), len(self.ascending) - 1)
        unknown = self.ascending[at] != codes
        if unknown.any():
            wrong = int(codes[unknown.argmax()])
            raise InputError(f"code {wrong}: expected the canonical code of a cell of NAS-Bench-101")
        return self.order[at]

    def rows_of(self, genes: NDArray[np.integer[Any]]) -> Rows:
        """(n,) the rows of cells (n, 26) in any matrix; InputError for genes that are not a cell."""
        codes = allowed_codes(pack(genes))
        if (codes == UNCONNECTED).any():
            raise InputError(
                f"the cell in row {int((codes == UNCONNECTED).argmax())} is not in NAS-Bench-101: expected an output "
                f"that is reachable from the input and at most {MAX_EDGES} edges after pruning"
            )
        return self.rows(codes)


def open_index(environ: Mapping[str, str], notify: Callable[[str], None] | None = None) -> CellIndex:
    """The index in the cache, built first if it is missing; `notify` is called with a message before that.

    Safe against other processes and kills: the file appears whole or not at all. InputError if the cache is not
    writable.
    """
    path = make_folder(cache_dir(environ)) / FILE_NAME
    try:
        found = _load(path) or _built(path, notify)
    except OSError as error:
        raise InputError(
            f"{path}: the neighbour index of NAS-Bench-101 cannot be kept there ({error.strerror or error}); set "
            f"{CACHE_VARIABLE} to a writable folder"
        ) from error
    if found is None:
        raise InputError(f"{path}: the index just built is not the expected one; this build of archloom is damaged")
    return found


def _built(path: Path, notify: Callable[[str], None] | None) -> CellIndex | None:
    """The index in a file, which is built if it is still missing; None if the result is not the expected one."""
    with FileLock(path.with_suffix(".lock")):
        found = _load(path)  # another process may have built it while we waited
        if found is not None:
            return found
        for left in path.parent.glob(TEMPORARY):
            if left.name.startswith(f".{path.name}."):
                left.unlink(missing_ok=True)  # left by a build that was killed
        if notify is not None:
            notify(f"building the neighbour index of NAS-Bench-101 in {path.parent} (once, about 20 seconds)")
        replace_file(path, build())
    return _load(path)


def build() -> bytes:
    """The content of the index file."""
    codes = official_codes()
    order = np.argsort(codes).astype(np.int32)
    found, counts = neighbour_codes(codes)
    targets = order[np.searchsorted(codes[order], found)]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    parts = [codes.view(np.int32), order, offsets.astype(np.int32), targets]
    stream = io.BytesIO()
    np.save(stream, np.concatenate(parts).astype("<i4", copy=False))
    return stream.getvalue()


def _load(path: Path) -> CellIndex | None:
    """The index in a file; None if there is no file, or its content differs."""
    try:
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != SHA256:
                return None
    except FileNotFoundError:
        return None
    flat = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    codes, order, offsets, targets = np.split(flat, np.cumsum([CELLS, CELLS, CELLS + 1]))
    codes = codes.view(np.uint32)
    return CellIndex(codes, codes[order], order, offsets, targets)
