"""A training state as one file: tensors as safetensors, everything else as JSON in its header. Nothing is pickled.

A tensor is called `networks/NETWORK/NAME`, `averages/AVERAGE/NAME`, `optimisers/OPTIMISER/PARAMETER/SLOT` or
`arrays/NAME` in the file; a "/" within a name is written `%2F`, a "%" `%25`. The header's metadata has two keys:
`crc32`, the CRC-32 of the whole file as it is with `00000000` in that place, in eight hexadecimal digits, and
`archloom`: JSON that lists the names in their order and holds all plain data, and says whose state it is. Files of
archloom 0.1.0 have no `crc32`, and say nothing of whose they are.
"""

from __future__ import annotations

import json
import math
import mmap
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor

from archloom.checkpoints.state import Average, Optimiser, Tensors, TrainingState
from archloom.errors import InputError, MissingExtraError, StoreError
from archloom.utils.files import Writing, open_regular, replacing

FORMAT = 1

_HEADER_KEY = "archloom"
_CHECKSUM_KEY = "crc32"

_BEFORE = b'{"__metadata__":{"crc32":"'
"""How a header with a checksum begins; the checksum follows."""
_UNKNOWN = b"00000000"
_CHECKSUM_AT = 8 + len(_BEFORE)
"""The place of the checksum in the file, after the length of the header."""

_BLOCK = 1 << 20
"""Bytes read at a time for the checksum."""

_CURE = "restore the file from a copy, or start a new run"

_CODES = {
    torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.uint16: "U16", torch.int16: "I16",
    torch.uint32: "U32", torch.int32: "I32", torch.uint64: "U64", torch.int64: "I64", torch.float16: "F16",
    torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64", torch.complex64: "C64",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip
"""The format's name of each dtype."""

_DTYPES = {code: dtype for dtype, code in _CODES.items()}


class _AverageLayout(msgspec.Struct):
    of: str
    tensors: list[str]
    target: bool = False
    measured: bool | None = None


class _OptimiserLayout(msgspec.Struct):
    groups: list[dict[str, Any]]
    slots: dict[str, list[str]]


class _Layout(msgspec.Struct):
    """A state without its tensors: their names, and all plain data."""

    format: int
    networks: dict[str, list[str]]
    averages: dict[str, _AverageLayout]
    optimisers: dict[str, _OptimiserLayout]
    arrays: list[str]
    rest: dict[str, Any]
    owner: str | None = None


def save_state(
    path: Path,
    state: TrainingState,
    writing: Writing = lambda path, _size: replacing(path),
    owner: str | None = None,
) -> None:
    """Write a state into a file that appears whole or not at all, and is on disk when this returns.

    `owner` is whose state it is, which `load_state` compares.

    Tensors come back bit for bit, whatever memory they share; tuples in plain data come back as lists. InputError
    if a value cannot be stored; StoreError if the file cannot be written. In both cases nothing has changed.
    """
    tensors = {key: tensor.detach() for key, tensor in _named(state)}
    # Wide dtypes first, so that each tensor is aligned when the file is mapped into memory.
    order = sorted(tensors, key=lambda key: (-tensors[key].element_size(), key))
    header = _header(_layout(state, owner), {key: tensors[key] for key in order})
    size = 8 + len(header) + sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    head = len(header).to_bytes(8, "little") + header
    try:
        with writing(path, size) as file:
            file.write(head)
            checksum = zlib.crc32(head)
            for key in order:
                # One tensor at a time: a second copy of a whole state may not fit into memory.
                content = _bytes(tensors[key])
                file.write(content)
                checksum = zlib.crc32(content, checksum)
            file.seek(_CHECKSUM_AT)
            file.write(_digits(checksum))
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror or error}; the checkpoint was not written, and what was there before is intact"
        ) from error


def load_state(path: Path, owner: str | None = None) -> TrainingState:
    """Read what `save_state` wrote; StoreError for any other file, for an incomplete or damaged one, and for one that
    says that it is another owner's.

    The file is read once, for its checksum, and mapped into memory, so a state takes no memory of its own until it is
    written to; that changes neither the file nor another load of it. The file may be replaced or removed while its
    tensors are in use, but must not be truncated or written in place.
    """
    try:
        found = read_state(path)
    except MissingExtraError:
        raise
    except ValueError as error:
        raise StoreError(f"{path} is not a complete checkpoint ({error}); {_CURE}") from None
    except FileNotFoundError:
        raise StoreError(f"{path} is not there; {_CURE}") from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}; {_CURE}") from error
    if owner is not None and found.owner not in (None, owner):
        raise StoreError(f"{path} holds the state of another trial, or of another run; {_CURE}")
    return found.state


class OwnedState(NamedTuple):
    """What a file holds."""

    state: TrainingState
    owner: str | None


def read_state(path: Path) -> OwnedState:
    """As `load_state`, but whoever calls says what the file should have been: OSError if it cannot be read,
    FileNotFoundError if there is none, ValueError, whose message is the reason, if it is no complete state."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise MissingExtraError("safetensors", "train", "saving checkpoints") from None

    with open_regular(path) as stream:
        head = stream.read(_CHECKSUM_AT + len(_UNKNOWN))
        _check(head, iter(lambda: stream.read(_BLOCK), b""))
    try:
        with safe_open(path, framework="pt") as file:
            layout = _read_layout(file.metadata())  # it has checked the header, offsets included
        tensors = _mapped(path)
    except (SafetensorError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None
    return OwnedState(_filled(layout, tensors), layout.owner)


def _mapped(path: Path) -> Tensors:
    """The tensors of a file whose header was checked, on memory that the file is mapped into, changed by nobody else.

    ValueError for a type of numbers that no state has. The library's `get_tensor` would do, but loses some sixty bytes
    a tensor each time (safetensors 0.8, PyTorch 2.13): a search whose every step reads the state of a supernet would
    grow by a quarter of a megabyte a step.
    """
    with open_regular(path) as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
        memory = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    header.pop("__metadata__", None)
    tensors = {}
    for key, about in header.items():
        if about["dtype"] not in _DTYPES:
            raise ValueError(f"{key} holds numbers of type {about['dtype']}")
        dtype, shape, begin = _DTYPES[about["dtype"]], about["shape"], about["data_offsets"][0]
        count = math.prod(shape)
        if count:
            flat = torch.frombuffer(memory, dtype=dtype, count=count, offset=8 + length + begin)
            tensors[key] = flat.reshape(shape)
        else:
            tensors[key] = torch.empty(shape, dtype=dtype)
    return tensors


def check_content(content: memoryview, where: str) -> None:
    """StoreError, which names `where`, if these bytes of a state's file do not match their checksum."""
    cut = _CHECKSUM_AT + len(_UNKNOWN)
    try:
        _check(bytes(content[:cut]), [content[cut:]])
    except ValueError as error:
        raise StoreError(f"{where} arrived damaged ({error}); archloom resume evaluates it again") from None


def network_bytes(state: TrainingState, found_by: str) -> bytes:
    """The networks that were measured (`TrainingState.measured`) as the content of a safetensors file, for use without
    archloom.

    Names are those of the network's `state_dict`, prefixed by `NETWORK.` if there are several. InputError if the state
    does not say which networks were measured.
    """
    from safetensors.torch import save

    networks = state.measured()
    tensors = {
        name if len(networks) == 1 else f"{network}.{name}": tensor.contiguous()
        for network, tensors in networks.items()
        for name, tensor in tensors.items()
    }
    content: bytes = save(tensors, {"found_by": found_by})
    return content


def _named(state: TrainingState) -> Iterator[tuple[str, Tensor]]:
    """Every tensor with its name in the file."""
    groups: Iterator[tuple[tuple[str, ...], Tensors]] = chain(
        ((("networks", name), tensors) for name, tensors in state.networks.items()),
        ((("averages", name), average.tensors) for name, average in state.averages.items()),
        (
            (("optimisers", name, parameter), slots)
            for name, optimiser in state.optimisers.items()
            for parameter, slots in optimiser.slots.items()
        ),
        [(("arrays",), state.arrays)],
    )
    for group, tensors in groups:
        for name, tensor in tensors.items():
            yield _key(*group, name), tensor


def _key(*parts: str) -> str:
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def _layout(state: TrainingState, owner: str | None) -> _Layout:
    return _Layout(
        FORMAT,
        {name: list(tensors) for name, tensors in state.networks.items()},
        {
            name: _AverageLayout(average.of, list(average.tensors), average.target, average.measured)
            for name, average in state.averages.items()
        },
        {
            name: _OptimiserLayout(
                _plain(optimiser.groups, f"the groups of optimiser {name!r}"),
                {parameter: list(slots) for parameter, slots in optimiser.slots.items()},
            )
            for name, optimiser in state.optimisers.items()
        },
        list(state.arrays),
        _plain(state.rest, "rest"),
        owner,
    )


def _plain(value: Any, where: str) -> Any:
    """The value itself, if it survives JSON; a tuple becomes a list."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"{where} of a training's state has the key {key!r}: keys must be strings, as in JSON")
        return {key: _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    raise InputError(
        f"{where} of a training's state is of type {type(value).__name__}: expected numbers, strings, booleans and "
        "None in dicts and lists; put tensors into `arrays`"
    )


def _header(layout: _Layout, tensors: Mapping[str, Tensor]) -> bytes:
    """The safetensors header, padded to a multiple of 8 bytes."""
    about: dict[str, Any] = {
        "__metadata__": {
            _CHECKSUM_KEY: _UNKNOWN.decode(),
            _HEADER_KEY: json.dumps(layout, default=msgspec.structs.asdict, separators=(",", ":")),
        }
    }
    end = 0
    for key, tensor in tensors.items():
        if tensor.dtype not in _CODES or tensor.layout != torch.strided:
            raise InputError(f"{key} is a {tensor.layout} tensor of {tensor.dtype}: a state file cannot hold that")
        begin, end = end, end + tensor.numel() * tensor.element_size()
        about[key] = {"dtype": _CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(about, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def _bytes(tensor: Tensor) -> memoryview:
    """The numbers as they are in memory; copied only if there are gaps between them."""
    packed = tensor.cpu().contiguous()
    # Not view(-1): a contiguous tensor of at most one number may have any stride, which a view of bytes rejects.
    return packed.as_strided((packed.numel(),), (1,)).view(torch.uint8).numpy().data


def _digits(checksum: int) -> bytes:
    return b"%08x" % checksum


def _check(head: bytes, rest: Iterable[bytes | memoryview]) -> None:
    """ValueError unless the file that begins with `head`, up to its checksum, and goes on with `rest` matches it.

    A file without a checksum in that place is left to `_read_layout`.
    """
    if head[8:_CHECKSUM_AT] != _BEFORE:
        return
    found = zlib.crc32(head[:_CHECKSUM_AT] + _UNKNOWN)
    for block in rest:
        found = zlib.crc32(block, found)
    if _digits(found) != head[_CHECKSUM_AT:]:
        raise ValueError("its checksum does not match")


def _read_layout(metadata: Mapping[str, str] | None) -> _Layout:
    # Other keys: one of ours is damaged, and with the checksum's name the checksum would be gone, too.
    if not metadata or _HEADER_KEY not in metadata or not metadata.keys() <= {_HEADER_KEY, _CHECKSUM_KEY}:
        raise ValueError("it was not written by archloom")
    read = json.loads(metadata[_HEADER_KEY])
    written = read.get("format") if isinstance(read, dict) else None
    if written != FORMAT:
        raise ValueError(f"it has format {written}, this archloom reads format {FORMAT}")
    return msgspec.convert(read, _Layout)


def _filled(layout: _Layout, tensors: Tensors) -> TrainingState:
    """The state of that layout; ValueError unless these are exactly its tensors."""

    def take(names: list[str], *group: str) -> Tensors:
        keys = {name: _key(*group, name) for name in names}
        missing = [key for key in keys.values() if key not in tensors]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        return {name: tensors.pop(key) for name, key in keys.items()}

    state = TrainingState(
        {name: take(names, "networks", name) for name, names in layout.networks.items()},
        {
            name: Average(it.of, take(it.tensors, "averages", name), it.target, it.measured)
            for name, it in layout.averages.items()
        },
        {
            name: Optimiser(
                it.groups,
                {parameter: take(slots, "optimisers", name, parameter) for parameter, slots in it.slots.items()},
            )
            for name, it in layout.optimisers.items()
        },
        take(layout.arrays, "arrays"),
        layout.rest,
    )
    if tensors:
        raise ValueError(f"{min(tensors)} does not belong to it")
    return state
