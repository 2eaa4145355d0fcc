"""Reading other people's pickles without running them.

A pickle is a program: it names functions and calls them. `restricted_load` admits only the names it is given
and maps each to one of ours, so a hostile file ends in an error that names what it asked for, and none of its
code runs. Waste remains possible: a pickle within the size bound may still take memory and time, so the caller
sets the bound for the file at hand.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

from archloom.errors import InputError

Allowed = Mapping[tuple[str, str], Callable[..., object]]
"""(module, name) as the pickle spells it -> what stands in for it."""

_BUFFER_BYTES = 1 << 18


class UnpickleError(InputError):
    """A pickle that was refused or is damaged. One line: the file, what it asked for, what was expected."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class Record:
    """Stands in for a foreign class: an object with the attributes that the pickle gives it, and nothing else.

    Defining `__setstate__` closes two holes: BUILD cannot set attributes on anything but an instance (on the
    class itself the call lacks an argument), and a state that is not a plain mapping of names is refused.
    """

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise UnpickleError(f"{type(self).__name__} has a state of {type(state).__name__}; expected named values")
        for name, value in state.items():
            if name.startswith("__"):
                raise UnpickleError(f"{type(self).__name__} has a value named {name!r}; expected plain names")
            self.__dict__[name] = value


_NUMBERS = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i"}


class _Dtype:
    """Stands in for `numpy.dtype` of a little-endian number; every other type is refused."""

    __slots__ = ("layout",)

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or code not in _NUMBERS:
            raise UnpickleError(f"a numpy scalar of type {str(code)[:80]!r}; expected one of {', '.join(_NUMBERS)}")
        self.layout = _NUMBERS[code]

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] != "<":
            raise UnpickleError(f"a numpy type with state {str(state)[:80]}; expected a little-endian number")


def _scalar(dtype: object, data: object) -> float | int:
    """`numpy.core.multiarray.scalar` for one number, as a Python number."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes) or len(data) != struct.calcsize(dtype.layout):
        raise UnpickleError("a numpy scalar that is not one number of its type; expected plain numbers")
    return cast("float | int", struct.unpack(dtype.layout, data)[0])


def _encode(value: object, encoding: object = "latin1") -> bytes:
    """`_codecs.encode` as protocol 2 uses it to write bytes."""
    if not isinstance(value, str) or encoding not in ("latin1", "latin-1"):
        raise UnpickleError(f"bytes written with the encoding {encoding!r}; expected latin1")
    return value.encode("latin1")


NUMPY_SCALARS: Allowed = {
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,  # as numpy 2 spells it
    ("_codecs", "encode"): _encode,
}
"""What a pickle needs to hold numpy numbers; they come out as Python numbers."""


class _Sealed:
    """A callable that a pickle may call and not change: BUILD would set a function's attributes."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *args: object) -> object:
        return self._function(*args)

    def __setstate__(self, state: object) -> None:
        raise UnpickleError("the pickle tries to change a function; expected data only")


class _Bounded(io.RawIOBase):
    """A stream that ends the reading once more than `limit` bytes were taken from it."""

    def __init__(self, stream: BinaryIO, limit: int, label: str) -> None:
        self._stream = stream
        self._left = limit
        self._limit = limit
        self._label = label

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise UnpickleError(f"{self._label}: more than {self._limit} bytes of pickle; expected a smaller file")
        buffer[: len(data)] = data
        return len(data)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, allowed: Allowed, label: str) -> None:
        super().__init__(stream)
        self._allowed = allowed
        self._label = label

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise UnpickleError(
                f"{self._label}: refused: the pickle asks for {module}.{name}, which this file does not need; "
                "it is not the expected file, or it is hostile; nothing of it was run"
            )
        found = self._allowed[module, name]
        return found if isinstance(found, type) else _Sealed(found)

    def persistent_load(self, pid: object) -> Any:
        raise UnpickleError(f"{self._label}: refused: the pickle refers to data outside itself; expected plain data")


def restricted_load(stream: BinaryIO, allowed: Allowed, *, label: str = "pickle", max_bytes: int = 2**28) -> object:
    """The object in the pickle that `stream` holds, made from builtin data and the `allowed` names only.

    Reads at most `max_bytes`. Raises UnpickleError for any other name, for a longer stream and for a damaged
    one.
    """
    return restricted_load_all(stream, allowed, count=1, label=label, max_bytes=max_bytes)[0]


def restricted_load_all(
    stream: BinaryIO, allowed: Allowed, *, count: int, label: str = "pickle", max_bytes: int = 2**28
) -> list[object]:
    """The first `count` pickles of a stream that holds several, one after the other.

    See `restricted_load`.
    """
    reader = io.BufferedReader(_Bounded(stream, max_bytes, label), _BUFFER_BYTES)  # C reads ahead where it can peek
    try:
        return [_Unpickler(cast(BinaryIO, reader), allowed, label).load() for _ in range(count)]
    except UnpickleError as error:
        if str(error).startswith(label):
            raise
        raise UnpickleError(f"{label}: refused: {error}") from error
    except Exception as error:  # a damaged pickle can raise almost any kind
        raise UnpickleError(
            f"{label}: damaged pickle ({type(error).__name__}: {str(error)[:120]}); download it again"
        ) from error
