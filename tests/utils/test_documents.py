"""JSON files of a type: a right value or one line, whatever stands in them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.utils.documents import (
    CHECKSUM,
    MOST_BYTES,
    MOST_LEVELS,
    is_sealed,
    read_document,
    read_json,
    write_sealed,
)


class Inner(msgspec.Struct):
    seed: int = 0


class Outer(msgspec.Struct):
    name: str
    inner: Inner
    listed: list[int] = []


def test_a_file_is_a_value_and_what_it_has_besides_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text('{"name": "x", "inner": {"seed": 3, "new": 1}, "more": null}')
    assert read_document(file, Outer) == Outer("x", Inner(3))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        ("\xff", "not valid JSON: "),
        ("[]", "expected object, got array"),
        ("null", "expected object, got null"),
        ('{"name": "x"}', "object missing required field inner"),
        ('{"name": null, "inner": {}}', "name: expected str, got null"),
        ('{"name": "x", "inner": {"seed": null}}', "inner.seed: expected int, got null"),
        ('{"name": "x", "inner": {"seed": 1e30}}', "inner.seed: expected int, got float"),
        ('{"name": "x", "inner": {"seed": Infinity}}', "inner.seed: expected int, got float"),
        ('{"name": "x", "inner": {}, "listed": [1, "2"]}', "listed[1]: expected int, got str"),
        ("[" * 200 + "]" * 200, "nested more than 100 levels deep"),
        ("[" * 100_000, "nested more than 100 levels deep"),
        ('{"a":' * 100_000, "nested more than 100 levels deep"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_field(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        read_document(file, Outer)
    assert str(caught.value).startswith(says) and "\n" not in str(caught.value)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder", "none"):
        with pytest.raises(OSError, match=r"is no regular file|is a folder|No such file"):
            read_json(tmp_path / name)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text().filter(lambda name: name != CHECKSUM), plain, max_size=4))
def test_what_was_written_is_sealed(tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]) -> None:
    file = tmp_path_factory.mktemp("sealed") / "file.json"
    write_sealed(file, content)
    read = read_json(file)
    assert is_sealed(read) and {name: value for name, value in read.items() if name != CHECKSUM} == content
    write_sealed(file, {**read, "added": 1})
    assert is_sealed(read_json(file)), "sealed again, with what was added"
    assert not is_sealed({**read, "added": 1})
    assert is_sealed(content), "what earlier versions wrote has no checksum"


def test_each_change_of_a_sealed_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    write_sealed(file, {"seed": 0, "names": ["a", "b"], "none": None})
    read = read_json(file)
    changes = [{"seed": 1}, {"seed": False}, {"seed": 0.0}, {"names": ["b", "a"]}, {"none": "None"}, {"more": 1}]
    assert [is_sealed({**read, **change}) for change in changes] == [False] * len(changes)
    assert not is_sealed({name: value for name, value in read.items() if name != "none"})
    assert is_sealed(json.loads(json.dumps(read, indent=7, sort_keys=True))), "the layout does not matter"


def test_numbers_that_are_no_json_are_sealed_as_they_are_read_back(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    write_sealed(file, {"a": float("inf"), "b": [float("nan"), 1], "c": (1, 2)})
    content = read_json(file)
    assert is_sealed(content) and content["a"] is None and content["b"] == [None, 1] and content["c"] == [1, 2]


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"{}")
    os.truncate(path, MOST_BYTES + 1)  # sparse
    with pytest.raises(ValueError, match=r"^longer than 32 MB$"):
        read_json(path)


def test_how_deep_a_file_may_be(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for levels in (MOST_LEVELS, MOST_LEVELS + 1):
        path.write_text("[" * levels + "1" + "]" * levels)
        if levels == MOST_LEVELS:
            assert read_json(path) is not None
        else:
            with pytest.raises(ValueError, match=f"nested more than {MOST_LEVELS} levels deep"):
                read_json(path)
