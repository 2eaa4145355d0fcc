from __future__ import annotations

import collections
import copy
import enum
import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.spaces.domains import Choice, Real
from archloom.spaces.space import Space
from archloom.types import Arch
from archloom.utils.user_files import UserFile


class Net:
    """A class at the top level of a module."""


def conv(x: int) -> int:
    return x


class Plain:
    def method(self) -> None: ...


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Block:
    """An object with a string of its own that can be changed in place."""

    def __init__(self, width: int) -> None:
        self.width = width

    def __repr__(self) -> str:
        return f"Block({self.width})"


class Uncopied:
    """One that cannot be copied."""

    def __repr__(self) -> str:
        return "Uncopied"

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("no copies")


class Mute:
    """One that fails when it is asked for its string."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def local() -> Any:
    def inner() -> None: ...

    return inner


HERE = __name__


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ([Net, int], [f"{HERE}.Net", "int"]),
        ([conv, len, math.sin], [f"{HERE}.conv", "len", "math.sin"]),
        ([functools.partial(conv, x=1), functools.partial(Net, 2, "a")],
         [f"{HERE}.conv(x=1)", f"functools.partial(<class '{HERE}.Net'>, 2, 'a')"]),
        (Colour, ["Colour.RED", "Colour.BLUE"]),
        ([math, copy], ["math", "copy"]),
        ([[3, 5], (3, 5, 7), {"k": 1}], ["[3, 5]", "(3, 5, 7)", "{'k': 1}"]),
        ([Block(1), Block(2)], ["Block(1)", "Block(2)"]),
        ({"a": 1, "b": 2}, ["a", "b"]),
        ({"a": 1, "b": 2}.keys(), ["a", "b"]),
        ({"a": 1, "b": 2}.values(), ["1", "2"]),
        (range(2), ["0", "1"]),
        (np.array([1, 2]), ["1", "2"]),
        (np.array([[1, 2], [3, 4]]), ["[1 2]", "[3 4]"]),
        (["", " ", "a, b", "=", "π, 层", "a  b"], ["", " ", "a, b", "=", "π, 层", "a  b"]),
        ([b"x", None, 1.5], ["b'x'", "None", "1.5"]),
        ([frozenset({1}), ()], ["frozenset({1})", "()"]),
    ],
)  # fmt: skip
def test_options_have_strings(options: Any, texts: list[str]) -> None:
    assert list(Choice(options).strings) == texts
    space = Categorical({"x": options, "y": [1, 2]})
    for gene in range(len(texts)):
        assert space.parse(space.format(Arch((gene, 1)))) == Arch((gene, 1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({1, 2}, "a set has no order"),
        (frozenset("ab"), "a frozenset has no order"),
        ({"a": 1}.keys() - {"b"}, "a set has no order"),
        ((n for n in range(3)), "from a generator, which can be read only once"),
        (iter([1, 2]), "from a list_iterator, which"),
        (map(str, [1]), "from a map, which"),
        ("relu", "'relu': a string is not a list of options; write ['relu']"),
        (b"relu", "a string is not a list of options"),
        ([1, "1"], "'1' is there twice"),
        (["a", "a"], "'a' is there twice"),
        ([1, 1.0], "1 and 1.0 are equal"),
        ([0, False], "0 and False are equal"),
        ([Net, Net], "is there twice"),
        ([np.float32(0.5), 0.5], "'0.5' is there twice"),
        ([lambda x: x], "a lambda, or what is defined in a function, has no name"),
        ([local()], "local.<locals>.inner: a lambda, or what"),
        ([functools.partial(lambda x: x, 1)], "a lambda, or what"),
        ([object()], "its string holds an address in memory"),
        ([[object()]], "its string holds an address in memory"),
        ([[conv]], "its string holds an address in memory"),
        ([Plain().method], "its string holds an address in memory"),
        ([{"a", "b"}], "a set has no order"),
        ([({"k": frozenset("ab")},)], "a frozenset has no order"),
        ([Uncopied()], "it cannot be copied (TypeError: no copies)"),
        ([Mute()], "it has no string (RuntimeError: no words)"),
        ([(n for n in range(2))], "it cannot be copied"),
        (["a\nb"], "line breaks or control characters"),
        (["\x1b[31m"], "line breaks or control characters"),
        (["a\u2028b"], "line breaks or control characters"),
        (["\ud800"], "line breaks or control characters"),
        ([np.zeros((2, 2))], "line breaks or control characters"),
        ([], "expected at least one"),
        (range(10**9), "expected at most 100,000"),
        (range(2**70), "Integer(low, high)"),
        (3, "expected a domain"),
    ],
)  # fmt: skip
def test_options_that_could_be_taken_for_others_are_refused(options: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Space({"x": options})
    assert said in str(caught.value)
    assert str(caught.value).startswith("x: ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("domains", "said"),
    [
        ({"x": ["1", "2, y=3"], "y": [1]}, "option '2, y=3' reads like a value of the gene y"),
        ({"a=b": [1]}, "'a=b' as the name of a gene"),
        ({"a, b": [1]}, "'a, b' as the name of a gene"),
        ({"a\nb": [1]}, "as the name of a gene"),
        ({"": [1]}, "'' as the name of a gene"),
        ({1: [1], "1": [2]}, "genes 1, 1: expected each name once"),
    ],
)
def test_names_and_options_that_read_like_others_are_refused(domains: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Space(domains)
    assert said in str(caught.value)


def test_classes_of_a_users_file_have_the_same_names_wherever_it_is(tmp_path: Path) -> None:
    texts = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "blocks.py").write_text("class Conv: pass\ndef pool(): pass\n")
        (tmp_path / folder / "mine.py").write_text("import blocks\nclass Own: pass\n")
        module = UserFile(tmp_path / folder / "mine.py").load()
        texts.append(Choice([module.Own, module.blocks.Conv, module.blocks.pool, [module.Own]]).strings)
    assert texts == [("mine.Own", "blocks.Conv", "blocks.pool", "[<class 'mine.Own'>]")] * 2


def test_an_option_that_is_refused_is_named_as_its_author_knows_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Net: pass\n")
    module = UserFile(tmp_path / "mine.py").load()
    with pytest.raises(InputError, match=r"option <mine\.Net object at 0x"):
        Space({"x": [module.Net()]})


def test_what_a_function_changes_in_place_changes_no_other_trial() -> None:
    given_options: dict[str, Any] = {
        "dict": [{"width": 8}, {"width": 16}], "list": [[1], [2]], "array": [np.array([1]), np.array([2])],
        "object": [Block(1), Block(2)], "nested": [({"a": [1]},)], "deque": [collections.deque([1])],
    }  # fmt: skip
    for space in (Categorical(given_options), Space({**given_options, "real": Real(0, 1)})):
        arch = space.canonical(Arch((0,) * len(space.gene_names)))
        first = space.choices(arch)
        before = copy.deepcopy(first)
        first["dict"]["width"] = first["list"][0] = first["array"][0] = first["object"].width = 99
        first["nested"][0]["a"].append(2)
        first["deque"].clear()
        given_options["list"][0].append(3)
        again = space.choices(arch)
        given_options["list"][0].remove(3)
        assert again["object"].width == 1
        assert {**again, "object": None} == {**before, "object": None}
        assert space.format(arch) == space.format(arch)


def test_what_cannot_change_is_not_copied() -> None:
    options = ["a", 1.5, None, Net, conv, Colour.RED, (1, "b"), b"x"]
    space = Categorical({"x": options})
    assert all(space.choices(Arch((gene,)))["x"] is option for gene, option in enumerate(options))


TEXTS = st.text(st.sampled_from("ab, =y\n\t(è1"), max_size=6)
VALUES = st.one_of(
    TEXTS, st.integers(-2, 2), st.floats(allow_nan=False, width=16), st.booleans(), st.none(),
    st.lists(st.integers(0, 2), max_size=2), st.tuples(TEXTS), st.dictionaries(TEXTS, st.integers(0, 1), max_size=1),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(TEXTS, st.lists(VALUES, min_size=1, max_size=3), min_size=1, max_size=4), st.booleans())
def test_what_is_accepted_is_read_back(domains: dict[str, list[Any]], conditional: bool) -> None:
    made: dict[str, Any] = dict(domains)
    names = list(made)
    try:
        if conditional and len(names) > 1:
            made[names[1]] = Choice(made[names[1]], when={names[0]: made[names[0]][0]})
        space = Space(made) if conditional else Categorical(made)
    except InputError as error:
        assert "\n" not in str(error)
        return
    rng = np.random.Generator(np.random.PCG64(0))
    for _ in range(5):
        arch = space.sample(rng)
        assert space.parse(space.format(arch)) == arch
        assert space.key(arch) == space.key(space.parse(space.format(arch)))
