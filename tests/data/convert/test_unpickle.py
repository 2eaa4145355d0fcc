from __future__ import annotations

import builtins
import io
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archloom.data.convert.unpickle import (
    NUMPY_SCALARS,
    Allowed,
    Record,
    UnpickleError,
    restricted_load,
    restricted_load_all,
)


class Cell(Record):
    """Stands in for a foreign class."""


class Foreign:
    """What the pickled object was where it was written."""

    def __init__(self) -> None:
        self.accuracy = 93.5


def reconstruct(kind: type, base: type, state: object) -> object:
    """Stands in for what the old protocols call to make an object."""
    return kind()


CELL: Allowed = {(__name__, "Foreign"): Cell, ("copyreg", "_reconstructor"): reconstruct}


def load(data: bytes, allowed: Allowed = NUMPY_SCALARS, **options: Any) -> object:
    return restricted_load(io.BytesIO(data), allowed, **options)


def call(function: Callable[..., Any], *arguments: object) -> object:
    """An object whose pickle calls the function when it is loaded."""

    class Caller:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
            return function, arguments

    return Caller()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data(protocol: int) -> None:
    data = {"a": [1, 2.5, None, True], (0, 1): "text", "big": 2**80, "tuple": (1, (2, 3))}
    assert load(pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_numbers_become_python_numbers(protocol: int) -> None:
    numbers = [np.float64(1.736711), np.float32(0.5), np.int64(-3), np.int32(7)]
    loaded = load(pickle.dumps(numbers, protocol))
    assert loaded == [1.736711, 0.5, -3, 7]
    assert [type(number) for number in loaded] == [float, float, int, int]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_foreign_class_becomes_a_record(protocol: int) -> None:
    loaded = load(pickle.dumps({"x": Foreign()}, protocol), CELL)
    assert isinstance(loaded, dict)
    assert type(loaded["x"]) is Cell
    assert vars(loaded["x"]) == {"accuracy": 93.5}


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("echo boo",), r"(posix|nt)\.system"),
        (builtins.eval, ("1",), r"builtins\.eval"),
        (builtins.getattr, (os, "system"), r"builtins\.getattr"),
        (builtins.__import__, ("os",), r"builtins\.__import__"),
        (OrderedDict, (), r"collections\.OrderedDict"),
    ],
)
def test_a_pickle_that_calls_a_function_is_refused_by_name(
    function: Callable[..., Any], arguments: tuple[Any, ...], named: str
) -> None:
    if arguments and arguments[0] is os:
        arguments = ("x", "y")
    data = pickle.dumps({"x": call(function, *arguments)}, 2).replace(b"c__builtin__", b"cbuiltins")
    with pytest.raises(UnpickleError, match=rf"^evil.pkl: refused: .*{named}.*nothing of it was run"):
        load(data, label="evil.pkl")


def test_nothing_runs(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    data = pickle.dumps(call(os.mkdir, str(victim)))
    with pytest.raises(UnpickleError, match="mkdir"):
        load(data)
    assert not victim.exists()
    pickle.loads(data)  # the pickle does what it says where nothing holds it back
    assert victim.exists()


def test_reduce_on_what_an_allowed_name_gave() -> None:
    """REDUCE calls whatever lies on the stack: what the stand-ins return cannot be called."""
    scalar = pickle.dumps(np.float64(1.0), 2)[2:-1]
    with pytest.raises(UnpickleError, match=r"damaged pickle .TypeError"):
        load(b"\x80\x02" + scalar + b")R.")
    with pytest.raises(UnpickleError, match=r"damaged pickle .TypeError"):
        load(b"\x80\x02}(U\x01aK\x01u)R.")  # a dict


def test_build_cannot_change_a_stand_in() -> None:
    name = f"c{__name__}\nForeign\n".encode()
    for state in (b"}(X\x01\x00\x00\x00xK\x01u", b"N}(X\x01\x00\x00\x00xK\x01u\x86"):  # __dict__ and slot state
        with pytest.raises(UnpickleError):
            load(b"\x80\x02" + name + state + b"b.", CELL)
    assert "x" not in vars(Cell)
    with pytest.raises(UnpickleError, match="tries to change a function"):
        load(b"\x80\x02cnumpy.core.multiarray\nscalar\n}(X\x01\x00\x00\x00xK\x01ub.")
    with pytest.raises(UnpickleError, match="'__class__'"):
        load(b"\x80\x02" + name + b")R}(X\x09\x00\x00\x00__class__K\x01ub.", CELL)


@pytest.mark.parametrize("array", [np.zeros(2), np.str_("x"), np.bool_(True), np.complex128(1)])
def test_other_numpy_things_are_refused(array: object) -> None:
    with pytest.raises(UnpickleError):
        load(pickle.dumps(array, 4))


def test_big_endian_numbers_are_refused() -> None:
    data = pickle.dumps(np.array([1.0]).astype(">f8")[0], 2).replace(b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00>")
    assert b"X\x01\x00\x00\x00>" in data
    with pytest.raises(UnpickleError, match="little-endian"):
        load(data)


def test_bytes_of_protocol_two() -> None:
    assert load(pickle.dumps(b"\x00\xff", 2)) == b"\x00\xff"
    with pytest.raises(UnpickleError, match="encoding 'rot13'"):
        load(
            pickle.dumps(b"\xff", 2)
            .replace(b"latin1", b"rot13")
            .replace(b"X\x06\x00\x00\x00rot", b"X\x05\x00\x00\x00rot")
        )


def test_persistent_references_are_refused() -> None:
    with pytest.raises(UnpickleError, match="data outside itself"):
        load(b"\x80\x02X\x01\x00\x00\x00xQ.")


def test_the_size_bound_holds() -> None:
    data = pickle.dumps(list(range(10_000)))
    assert load(data, max_bytes=len(data)) == list(range(10_000))
    with pytest.raises(UnpickleError, match=r"big.pkl: more than 100 bytes"):
        load(data, max_bytes=100, label="big.pkl")
    endless = io.BytesIO(b"\x80\x04" + b"N0" * 500_000 + b"N.")
    with pytest.raises(UnpickleError, match="more than 5000 bytes"):
        restricted_load(endless, {}, max_bytes=5000)
    assert endless.tell() <= 5001


def test_several_pickles_in_one_stream() -> None:
    stream = io.BytesIO(pickle.dumps(1) + pickle.dumps("two", 2) + pickle.dumps([3], 0))
    assert restricted_load_all(stream, {}, count=3) == [1, "two", [3]]
    with pytest.raises(UnpickleError, match=r"damaged pickle .EOFError"):
        restricted_load_all(io.BytesIO(pickle.dumps(1)), {}, count=2)


def test_cut_off_anywhere() -> None:
    data = pickle.dumps({"a": np.float64(1.0), "b": [1, 2, 3]}, 3)
    for length in range(len(data)):
        with pytest.raises(UnpickleError):
            load(data[:length])


@settings(max_examples=300, deadline=None, database=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_any_damage_is_an_unpickle_error(place: int, byte: int) -> None:
    data = bytearray(pickle.dumps({"a": np.float64(1.0), "b": [Foreign(), b"x"], (1, 2): "y"}, 3))
    assume(byte not in b"rp")  # a wild memo index: the one thing that can take gigabytes before it fails
    data[place % len(data)] = byte
    try:
        load(bytes(data), {**NUMPY_SCALARS, **CELL}, max_bytes=2**16)
    except UnpickleError as error:
        assert "\n" not in str(error)
