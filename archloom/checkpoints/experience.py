"""What agents experience in a chunk of training: whole episodes in one file, which later chunks map into memory.

In memory it may be in parts, whole episodes each, so that nobody has to join what files and memory hold.

The file is a safetensors file, uncompressed: the arrays of `Episodes` by name, the frames last. The header's metadata
has three keys: `crc32`, the CRC-32 of everything before the frames, as it is with `00000000` in that place;
`frames_crc32`, that of the frames, both in eight hexadecimal digits; and `archloom`: JSON with the format and whose
experience it is. Frames are most of it, gigabytes at full size: `load_episodes` reads all but these, and
`check_episodes` reads everything.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from archloom.checkpoints.store import Kind
from archloom.errors import InputError, StoreError
from archloom.utils.files import Writing, open_regular

FORMAT = 1

_BEFORE = b'{"__metadata__":{"crc32":"'
"""How a header begins; the checksum follows."""
_UNKNOWN = b"00000000"
_CHECKSUM_AT = 8 + len(_BEFORE)
"""The place of the checksum in the file, after the length of the header."""

_LONGEST_HEADER = 1 << 16

_BLOCK = 1 << 20
"""Bytes read or written at a time."""

_FOREIGN = "it was not written by archloom"

_CURE = "restore the file from a copy, or start a new run"


@dataclass(frozen=True, eq=False)
class Episodes:
    """Whole episodes: n steps in e episodes. An episode of T steps has T + 1 frames, the last one after its last step.

    InputError if shapes or types are others.
    """

    frames: NDArray[Any]
    """(n + e, c, h, w) uint8, or (n + e, d) float32: what was observed, each frame once, episode after episode."""
    actions: NDArray[np.float32]
    """(n, a), from -1 to 1."""
    rewards: NDArray[np.float32]
    """(n,), summed over repeats of the action."""
    discounts: NDArray[np.float32]
    """(n,): 1, or 0 after a step that ended in a true terminal, not for lack of time."""
    lengths: NDArray[np.int64]
    """(e,): the steps of each episode."""

    def __post_init__(self) -> None:
        try:
            self._check()
        except ValueError as error:
            raise InputError(f"episodes whose {error}") from None

    def _check(self) -> None:
        if self.lengths.ndim != 1 or self.lengths.dtype != np.int64 or (self.lengths < 1).any():
            raise ValueError(f"lengths are {_described(self.lengths)}: expected (e,) int64, each at least 1")
        steps, episodes = int(self.lengths.sum()), len(self.lengths)
        if (self.frames.ndim, self.frames.dtype) not in _FRAMES or len(self.frames) != steps + episodes:
            raise ValueError(
                f"frames are {_described(self.frames)}: expected {steps + episodes} of them, (c, h, w) uint8 or (d,) "
                "float32, one more in each episode than it has steps"
            )
        for name, ndim in (("actions", 2), ("rewards", 1), ("discounts", 1)):
            array = getattr(self, name)
            if array.ndim != ndim or array.dtype != np.float32 or len(array) != steps:
                raise ValueError(
                    f"{name} are {_described(array)}: expected {'(n, a)' if ndim == 2 else '(n,)'} float32, n = {steps}"
                )

    @property
    def transitions(self) -> int:
        """n, the steps of all episodes."""
        return len(self.rewards)

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    @classmethod
    def joined(cls, parts: Sequence[Episodes]) -> Episodes:
        """These, one after another, in memory of their own; there must be at least one."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


_FRAMES: set[tuple[int, np.dtype[Any]]] = {(4, np.dtype(np.uint8)), (2, np.dtype(np.float32))}
"""The dimensions and types that frames may have."""

_CODES: dict[np.dtype[Any], str] = {np.dtype(np.uint8): "U8", np.dtype(np.float32): "F32", np.dtype(np.int64): "I64"}
"""The format's name of each dtype."""

_DTYPES = {code: dtype for dtype, code in _CODES.items()}

_ORDER = ("lengths", "actions", "rewards", "discounts", "frames")
"""Arrays as they stand in a file: wide types first, so that each is aligned, and the frames last."""


def save_episodes(path: Path, parts: Sequence[Episodes], writing: Writing, owner: str) -> None:
    """Write episodes, those of one part after another, into a file that appears whole or not at all, and is on disk
    when this returns.

    There must be a part. StoreError if it cannot be written; then nothing has changed.
    """
    begin, frames = encoded(parts, owner)
    try:
        with writing(path, len(begin) + sum(map(len, frames))) as file:
            file.write(begin)
            for block in frames:
                file.write(block)
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror or error}; the experience was not written, and what was there before is intact"
        ) from error


def load_episodes(path: Path, owner: str) -> Sequence[Episodes]:
    """Read what `save_episodes` wrote, as one part; StoreError for any other file, for an incomplete or damaged one,
    and for one that says that it is another owner's.

    All arrays are mapped from the file, and cannot be written to: they take the memory of no process, but of the
    machine while there is room, once for all readers. All but the frames are checked. The file may be removed while its
    arrays are in use, but must not be truncated or written in place.
    """
    return (_read(path, owner, whole=False),)


def check_episodes(path: Path, owner: str) -> None:
    """The same check, of the frames too: it reads the whole file."""
    _read(path, owner, whole=True)


EXPERIENCE = Kind("experience", ".experience", load_episodes, save_episodes, "experience file", check_episodes)


class _Array(msgspec.Struct):
    """What a header says of an array."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class _Metadata(msgspec.Struct):
    crc32: str
    frames_crc32: str
    archloom: str


class _Header(msgspec.Struct):
    metadata: _Metadata = msgspec.field(name="__metadata__")
    lengths: _Array
    actions: _Array
    rewards: _Array
    discounts: _Array
    frames: _Array


class _About(msgspec.Struct):
    format: int
    owner: str


def _read(path: Path, owner: str, whole: bool) -> Episodes:
    try:
        episodes, found = _mapped(path, whole)
    except FileNotFoundError:
        raise StoreError(f"{path} is not there; {_CURE}") from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}; {_CURE}") from error
    except ValueError as error:  # msgspec's errors are such, too
        raise StoreError(f"{path} is no complete file of experience ({error}); {_CURE}") from None
    if found != owner:
        raise StoreError(f"{path} holds the experience of another trial, or of another run; {_CURE}")
    return episodes


def _mapped(path: Path, whole: bool) -> tuple[Episodes, str]:
    """The episodes in a file and their owner; ValueError, whose message is the reason, if it is not as it was."""
    with open_regular(path) as file:
        if not file.read(_CHECKSUM_AT).endswith(_BEFORE):  # an empty file cannot be mapped
            raise ValueError(_FOREIGN)
        content = np.memmap(file, dtype=np.uint8, mode="r")
    return decoded(content, whole)


def encoded(parts: Sequence[Episodes], owner: str) -> tuple[bytes, list[memoryview]]:
    """What a file of these episodes consists of: all before the frames, and the frames a block at a time."""
    arrays = {name: [getattr(part, name) for part in parts] for name in _ORDER}
    small = {name: np.concatenate(arrays[name]) for name in _ORDER[:-1]}
    first, *others = arrays["frames"]
    if any(frames.shape[1:] != first.shape[1:] or frames.dtype != first.dtype for frames in others):
        raise InputError(f"episodes whose frames differ: expected all to be {first.shape[1:]} {first.dtype}")
    blocks = [block for frames in arrays["frames"] for block in _blocks(np.ascontiguousarray(frames))]
    shape = (sum(map(len, arrays["frames"])), *first.shape[1:])
    kinds = {**{name: (array.shape, array.dtype) for name, array in small.items()}, "frames": (shape, first.dtype)}
    head = _head(kinds, owner, _checksum(blocks))
    begin = head + b"".join(array.tobytes() for array in small.values())
    return begin[:_CHECKSUM_AT] + _digits(zlib.crc32(begin)) + begin[_CHECKSUM_AT + len(_UNKNOWN) :], blocks


def decoded(content: NDArray[np.uint8], whole: bool) -> tuple[Episodes, str]:
    """The episodes in the content of a file, and their owner; with `whole` the frames are checked, too.

    ValueError, whose message is the reason, if it is not as it was written.
    """
    length = int.from_bytes(content[:8].tobytes(), "little")
    header = content[8 : 8 + length].tobytes() if length <= _LONGEST_HEADER else b""
    if not header.startswith(_BEFORE):
        raise ValueError(_FOREIGN)
    about = msgspec.json.decode(header, type=_Header)
    start = 8 + length
    frames_at = start + about.frames.data_offsets[0]
    if len(content) != start + about.frames.data_offsets[1]:
        raise ValueError("its size is not what its header says")
    begin = content[:frames_at].tobytes()
    without = begin[:_CHECKSUM_AT] + _UNKNOWN + begin[_CHECKSUM_AT + len(_UNKNOWN) :]
    if _digits(zlib.crc32(without)).decode() != about.metadata.crc32:
        raise ValueError("its checksum does not match")
    if whole and _digits(_checksum(_blocks(content[frames_at:]))).decode() != about.metadata.frames_crc32:
        raise ValueError("the checksum of its frames does not match")
    said = msgspec.json.decode(about.metadata.archloom, type=_About)
    if said.format != FORMAT:
        raise ValueError(f"it has format {said.format}, this archloom reads format {FORMAT}")
    return Episodes(**{name: _array(content[start:], getattr(about, name)) for name in _ORDER}), said.owner


def _array(content: NDArray[np.uint8], found: _Array) -> NDArray[Any]:
    begin, end = found.data_offsets
    return content[begin:end].view(_DTYPES[found.dtype]).reshape(found.shape)


def _head(kinds: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], owner: str, frames_crc: int) -> bytes:
    """The length of the header, and the header, padded to a multiple of 8 bytes, without its own checksum.

    `kinds`: the shape and type of each array.
    """
    about: dict[str, Any] = {
        "__metadata__": {
            "crc32": _UNKNOWN.decode(),
            "frames_crc32": _digits(frames_crc).decode(),
            "archloom": json.dumps({"format": FORMAT, "owner": owner}),
        }
    }
    end = 0
    for name, (shape, dtype) in kinds.items():
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        about[name] = {"dtype": _CODES[dtype], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(about, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _blocks(array: NDArray[Any]) -> list[memoryview]:
    """Contiguous numbers as they are in memory, a block at a time."""
    content = array.reshape(-1).view(np.uint8).data
    return [content[at : at + _BLOCK] for at in range(0, len(content), _BLOCK)]


def _checksum(blocks: Iterable[memoryview]) -> int:
    found = 0
    for block in blocks:
        found = zlib.crc32(block, found)
    return found


def _digits(checksum: int) -> bytes:
    return b"%08x" % checksum


def _described(array: NDArray[Any]) -> str:
    return f"{array.shape} {array.dtype}"
