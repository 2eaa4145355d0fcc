from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archloom.data.tables import Table, TableError, load_table, save_table
from archloom.data.tables import format as tables
from archloom.errors import InputError

Content = dict[str, Any]


def write_npz(path: Path, **arrays: Any) -> Path:
    """A table file as somebody else's numpy would write it, with nothing checked."""
    np.savez_compressed(path, **arrays)
    return path


def meta_of(content: Content, **changes: Any) -> dict[str, Any]:
    meta = {
        "space": content["space"],
        "genes": content["gene_names"],
        "options": content["options"],
        "goals": content["goals"],
        "source": content["source"],
        "units": content["units"],
    }
    return {key: value for key, value in (meta | changes).items() if value is not ...}


def raw_file(path: Path, content: Content, *, meta: Any = None, drop: str = "", **arrays: Any) -> Path:
    """The content as a file, with `meta` and single arrays replaced or dropped."""
    text = json.dumps(meta_of(content)) if meta is None else meta
    whole = {"genes": content["genes"], "meta": np.array(text), **content["metrics"], **arrays}
    return write_npz(path, **{name: value for name, value in whole.items() if name != drop})


def error_of(path: Path) -> str:
    """The message with which a file is refused: one line that names the file."""
    with pytest.raises(TableError) as caught:
        table = load_table(path)
        for name in table.metrics:
            table.metric(name)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


# --- what works -------------------------------------------------------------------------------------------


def test_round_trip(tmp_path: Path, content: Content) -> None:
    path = save_table(tmp_path / "small.npz", **content)
    table = load_table(path)
    assert (table.path, table.name, table.space) == (path, "small.npz", "table")
    assert table.gene_names == ("op", "width")
    assert table.options == (("conv", "pool"), ("8", "16", "32"))
    assert list(table.goals.items()) == [("valid", "max"), ("test", "max"), ("params", "min")]
    assert (table.source, table.units, len(table)) == ("made for a test", "percent", 6)
    np.testing.assert_array_equal(table.genes, content["genes"])
    for name, values in content["metrics"].items():
        assert table.metric(name).dtype == np.float32
        np.testing.assert_array_equal(table.metric(name), values.astype(np.float32))
    assert table.metrics == ("valid", "test", "params")


def test_reads_what_numpy_wrote_and_extra_meta(tmp_path: Path, content: Content) -> None:
    meta = json.dumps(meta_of(content, licence="MIT", note={"a": 1}))
    path = raw_file(tmp_path / "foreign.npz", content, meta=meta, test=content["metrics"]["test"].astype(">f2"))
    table = load_table(path)
    assert table.metric("test").tolist() == [11.0, 21.0, 31.0, 41.0, 51.0, 61.0]


def test_metrics_that_only_rank(tmp_path: Path, content: Content) -> None:
    name = next(iter(content["goals"]))
    save_table(tmp_path / "t.npz", **content, ordinal=[name])
    assert load_table(tmp_path / "t.npz").ordinal == (name,)
    plain = Table.from_arrays(**content)
    assert plain.ordinal == () and plain.sha256 != load_table(tmp_path / "t.npz").sha256
    for wrong in (["none"], name, [1]):
        meta = json.dumps(meta_of(content, ordinal=wrong))
        assert "meta['ordinal'] is" in error_of(raw_file(tmp_path / "wrong.npz", content, meta=meta))


def test_more_metrics_beside_those_of_a_table(content: Content) -> None:
    table = Table.from_arrays(**content, ordinal=[next(iter(content["goals"]))])
    values = np.arange(len(table), dtype=np.float32)
    more = table.with_metrics({"score": values}, {"score": "max"}, "ours", "points", ["score"])
    assert more.goals == {**table.goals, "score": "max"}
    assert np.array_equal(more.metric("score"), values)
    for name in table.metrics:
        assert np.array_equal(more.metric(name), table.metric(name), equal_nan=True)
    assert more.ordinal == (*table.ordinal, "score")
    assert (more.source, more.units) == (f"{table.source}; ours", f"{table.units}; points")
    assert np.array_equal(more.genes, table.genes) and more.seconds == table.seconds
    with pytest.raises(TableError, match=r"has a metric 'score'"):
        more.with_metrics({"score": values}, {"score": "max"}, "", "")


def test_fortran_order_and_stored_members(tmp_path: Path, content: Content) -> None:
    path = tmp_path / "stored.npz"
    np.savez(path, genes=np.asfortranarray(content["genes"]), meta=np.array(json.dumps(meta_of(content))),
             **content["metrics"])  # fmt: skip
    np.testing.assert_array_equal(load_table(path).genes, content["genes"])


def test_row_finds_every_row_and_nothing_else(content: Content) -> None:
    table = Table.from_arrays(**content)
    assert [table.row(genes) for genes in content["genes"]] == list(range(6))
    assert table.row((1, 2)) == 5
    assert table.row((2, 0)) is None
    assert table.row((0, -1)) is None
    with pytest.raises(TableError, match="asked for 3 genes; its rows have 2"):
        table.row((0, 0, 0))


def test_row_of_a_table_with_gaps(content: Content) -> None:
    keep = [5, 0, 2]
    content["genes"] = content["genes"][keep]
    content["metrics"] = {name: values[keep] for name, values in content["metrics"].items()}
    table = Table.from_arrays(**content)
    assert [table.row(genes) for genes in ((1, 2), (0, 0), (0, 2), (0, 1))] == [0, 1, 2, None]


def test_row_if_the_genes_do_not_fit_64_bits() -> None:
    rng = np.random.default_rng(0)
    genes = np.unique(rng.integers(0, 7, (500, 40)), axis=0)
    table = Table.from_arrays(
        space="table", gene_names=[f"g{i}" for i in range(40)], options=[list("abcdefg")] * 40, genes=genes,
        metrics={"valid": np.zeros(len(genes))}, goals={"valid": "max"}, source="", units="",
    )  # fmt: skip
    assert [table.row(row) for row in genes] == list(range(len(genes)))
    absent = genes[0].copy()
    absent[7] = (absent[7] + 1) % 7
    assert table.row(absent) is None


def test_equal_codes_are_told_apart_by_their_genes(content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_weights", lambda sizes: (0,) * len(sizes))  # every row collides
    table = Table.from_arrays(**content)
    assert [table.row(genes) for genes in content["genes"]] == list(range(6))
    content["genes"][4] = content["genes"][1]
    with pytest.raises(TableError, match="rows 1 and 4 have the same genes"):
        Table.from_arrays(**content)


def test_unknown_metric_names_the_nearest(content: Content) -> None:
    with pytest.raises(TableError, match=r"no metric 'vaild'; did you mean 'valid'.*valid, test, params"):
        Table.from_arrays(**content).metric("vaild")


def test_tables_cannot_be_changed(tmp_path: Path, content: Content) -> None:
    for table in (Table.from_arrays(**content), load_table(save_table(tmp_path / "a.npz", **content))):
        for array in (table.genes, table.metric("valid")):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
    content["genes"][0] = 1  # the caller's arrays stay the caller's
    content["metrics"]["test"][0] = 99
    assert table.row((0, 0)) == 0
    assert table.metric("test")[0] == 11.0


def test_metrics_are_read_when_asked_for(tmp_path: Path, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = tables._Npz.array

    def array(npz: tables._Npz, name: str) -> Any:
        read.append(name)
        return original(npz, name)

    monkeypatch.setattr(tables._Npz, "array", array)
    table = load_table(save_table(tmp_path / "a.npz", **content))
    assert sorted(read) == ["genes", "meta"]
    table.metric("test")
    table.metric("test")
    assert read[2:] == ["test"]


def test_a_replaced_file_does_not_mix_two_tables(tmp_path: Path, content: Content) -> None:
    path = save_table(tmp_path / "a.npz", **content)
    table = load_table(path)
    digest = table.sha256
    content["metrics"]["test"] = content["metrics"]["test"] + 1
    save_table(path, **content)
    assert table.metric("test")[0] == 11.0
    assert table.sha256 == digest != load_table(path).sha256


def test_sha256(tmp_path: Path, content: Content) -> None:
    import hashlib

    path = save_table(tmp_path / "a.npz", **content)
    assert load_table(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    first = Table.from_arrays(**content).sha256
    assert first == Table.from_arrays(**content).sha256
    content["metrics"]["test"] = content["metrics"]["test"] + 1
    assert first != Table.from_arrays(**content).sha256


def test_pickles_without_its_caches(tmp_path: Path, content: Content) -> None:
    table = load_table(save_table(tmp_path / "a.npz", **content))
    before = len(pickle.dumps(table))
    table.metric("valid")
    assert table.row((1, 1)) == 4
    assert len(pickle.dumps(table)) == before
    copy = pickle.loads(pickle.dumps(table))
    assert copy.row((1, 1)) == 4
    assert copy.metric("params").tolist() == table.metric("params").tolist()


# --- writing ----------------------------------------------------------------------------------------------


def test_same_content_same_bytes_in_another_process(tmp_path: Path, content: Content) -> None:
    first = save_table(tmp_path / "a.npz", **content).read_bytes()
    again = load_table(tmp_path / "a.npz").save(tmp_path / "b.npz").read_bytes()
    assert first == again
    code = "import sys; from archloom.data.tables import load_table\nload_table(sys.argv[1]).save(sys.argv[2])"
    environment = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.npz", tmp_path / "c.npz"], check=True, env=environment)
    assert (tmp_path / "c.npz").read_bytes() == first


def test_writing_leaves_nothing_else_behind(tmp_path: Path, content: Content) -> None:
    save_table(tmp_path / "a.npz", **content)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_a_failed_write_keeps_the_old_table(tmp_path: Path, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_table(tmp_path / "a.npz", **content)
    before = path.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    content["source"] = "another"
    with pytest.raises(TableError, match=r"cannot be written .No space left on device"):
        save_table(path, **content)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_the_file_appears_by_one_rename(tmp_path: Path, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_table(tmp_path / "a.npz", **content)
    before = path.read_bytes()
    renamed: list[bytes] = []

    def refuse(source: Path, target: Path) -> None:
        renamed.append(source.read_bytes())  # whole before it takes the name
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refuse)
    content["source"] = "another"
    with pytest.raises(TableError, match="Operation not permitted"):
        save_table(path, **content)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(renamed[0])
    assert load_table(path).source == "another"


def test_writing_into_a_missing_folder(tmp_path: Path, content: Content) -> None:
    with pytest.raises(TableError, match="cannot be written"):
        save_table(tmp_path / "none" / "a.npz", **content)


def test_a_wrong_table_is_not_written(tmp_path: Path, content: Content) -> None:
    content["genes"][0, 1] = 3
    with pytest.raises(TableError, match=r"genes\[0, 1\] \('width'\) is 3; expected 0..2"):
        save_table(tmp_path / "a.npz", **content)
    assert list(tmp_path.iterdir()) == []


# --- what is refused --------------------------------------------------------------------------------------

GENES = np.array([[i, j] for i in range(2) for j in range(3)])

WRONG_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "genes of floats": ({"genes": GENES.astype(float)}, "expected .architectures, genes. of integers"),
    "genes of one dimension": ({"genes": GENES[:, 0]}, "expected .architectures, genes. of integers"),
    "genes of objects": ({"genes": GENES.astype(object)}, "of integers"),
    "no rows": ({"genes": GENES[:0]}, "empty"),
    "no columns": ({"genes": GENES[:, :0]}, "empty"),
    "too many columns": ({"genes": np.hstack([GENES, GENES])}, "4 columns, .* 2 names"),
    "gene too large": ({"genes": GENES + np.array([[0, 1]])}, r"genes\[2, 1\] \('width'\) is 3; expected 0..2"),
    "gene negative": ({"genes": GENES - np.array([[1, 0]])}, r"genes\[0, 0\] \('op'\) is -1; expected 0..1"),
    "same genes twice": ({"genes": GENES[[0, 1, 2, 3, 1, 5]]}, "rows 1 and 4 have the same genes"),
    "metric too short": ({"test": np.zeros(5)}, r"'test' is \(5,\); expected \(6,\)"),
    "metric of three dimensions": ({"test": np.zeros((6, 1, 1))}, r"expected \(6,\)"),
    "curve of nothing": ({"test": np.zeros((6, 0))}, r"expected \(6,\), one number per row, or \(6, e\)"),
    "metric of strings": ({"test": np.array(list("abcdef"))}, "'test' is <U1; expected float32"),
    "metric of objects": ({"test": np.zeros(6, dtype=object)}, "'test' is object; expected float32"),
    "metric of truths": ({"test": np.zeros(6, dtype=bool)}, "'test' is bool"),
    "complex metric": ({"test": np.zeros(6, dtype=complex)}, "'test' is complex128"),
    "infinite metric": ({"test": np.array([0, 1, np.inf, 3, 4, 5])}, r"test\[2\] is inf; expected a finite"),
    "metric too large": ({"test": np.array([0, 1, 2, -1e300, 4, 5])}, r"test\[3\] is -1e\+300"),
    "metric without goal": ({"extra": np.zeros(6)}, "'extra' has no goal"),
    "meta of bytes": ({"meta": np.array(b"{}")}, "expected one string"),
    "two metas": ({"meta": np.array(["{}", "{}"])}, "expected one string"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_ARRAYS)
def test_wrong_arrays(case: str, tmp_path: Path, content: Content) -> None:
    arrays, expected = WRONG_ARRAYS[case]
    arrays = dict(arrays)
    path = tmp_path / "wrong.npz"
    whole = {"genes": GENES, "meta": np.array(json.dumps(meta_of(content))), **content["metrics"], **arrays}
    write_npz(path, **whole)
    message = error_of(path)
    import re

    assert re.search(expected, message), message


WRONG_META: dict[str, tuple[dict[str, Any], str]] = {
    "no space": ({"space": ...}, "'space'"),
    "space a number": ({"space": 3}, "is 3; expected a string"),
    "space empty": ({"space": ""}, "expected a printable name"),
    "no source": ({"source": ...}, "'source'"),
    "units a list": ({"units": []}, "'units'"),
    "lone surrogate": ({"units": "\ud800"}, "'units'"),
    "too few names": ({"genes": ["op"]}, "meta.'options'. has 2, meta.'genes'. 1"),
    "too few options": ({"options": [["a", "b"]]}, "meta.'options'. has 1, meta.'genes'. 2"),
    "names twice": ({"genes": ["op", "op"]}, "'op' twice"),
    "option twice": ({"options": [["a", "a"], ["8", "16", "32"]]}, "'a' twice"),
    "no options": ({"options": [[], ["8", "16", "32"]]}, "is .. ; expected a list of names|is \\[\\]"),
    "option a number": ({"options": [["a", 1], ["8", "16", "32"]]}, "holds 1; expected a printable"),
    "options a text": ({"options": "ab"}, "'ab'"),
    "no goals": ({"goals": {}}, "'goals'"),
    "goals a list": ({"goals": ["valid"]}, "'goals'"),
    "goal of no metric": ({"goals": {"valid": "max", "test": "max", "params": "min", "x": "max"}}, "'x'"),
    "goal up": ({"goals": {"valid": "up", "test": "max", "params": "min"}}, "the goal of 'valid' is 'up'"),
    "goal a list": ({"goals": {"valid": ["max"], "test": "max", "params": "min"}}, "the goal of 'valid'"),
    "metric named genes": ({"goals": {"genes": "max"}}, "'genes' is not a valid name"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_META)
def test_wrong_meta(case: str, tmp_path: Path, content: Content) -> None:
    import re

    changes, expected = WRONG_META[case]
    message = error_of(raw_file(tmp_path / "wrong.npz", content, meta=json.dumps(meta_of(content, **changes))))
    assert re.search(expected, message), message


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "NaN", '"genes"', "[" * 100_000])
def test_meta_that_is_no_json_object(text: str, tmp_path: Path, content: Content) -> None:
    assert "meta" in error_of(raw_file(tmp_path / "wrong.npz", content, meta=text))


def test_meta_that_is_too_long(tmp_path: Path, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_table(tmp_path / "a.npz", **content)
    monkeypatch.setattr(tables, "MAX_META_BYTES", 100)
    assert "expected one string of at most 25 characters" in error_of(path)


@pytest.mark.parametrize("name", ["genes", "meta"])
def test_missing_array(name: str, tmp_path: Path, content: Content) -> None:
    assert f"no array '{name}'" in error_of(raw_file(tmp_path / "wrong.npz", content, drop=name))


def test_not_a_file(tmp_path: Path) -> None:
    assert "no such file" in error_of(tmp_path / "none.npz")
    assert "is a folder" in error_of(tmp_path)
    (tmp_path / "text.npz").write_text("hello")
    assert "not a table" in error_of(tmp_path / "text.npz")
    (tmp_path / "empty.npz").touch()
    assert "not a table" in error_of(tmp_path / "empty.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    assert "not a table" in error_of(tmp_path / "array.npy")
    with pytest.raises(TableError, match=r"cannot be read|no such file"):
        load_table("nul\0byte.npz")


def test_a_table_error_is_an_input_error_of_one_line() -> None:
    error = TableError("first\n second\tthird")
    assert str(error) == "first second third"
    assert isinstance(error, InputError)
    assert isinstance(error, ValueError)


def zip_of(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def npy_header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode()


def test_headers_that_lie_are_caught_before_anything_is_unpacked(tmp_path: Path) -> None:
    claims = "{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776, 1048576), }\n"
    path = zip_of(tmp_path / "lie.npz", {"genes.npy": npy_header(claims), "meta.npy": b""})
    assert "holds" in error_of(path) or "not a table" in error_of(path)


@pytest.mark.parametrize("length", [0, 23, 25, 48])
def test_a_metric_of_another_length_than_its_header_says(tmp_path: Path, content: Content, length: int) -> None:
    path = save_table(tmp_path / "a.npz", **content)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["test.npy"] = members["test.npy"][:-24] + bytes(length)
    zip_of(path, members)
    with pytest.raises(TableError, match=r"'test.npy' says \(6,\) float32, but holds"):
        load_table(path)  # before any metric is read


def test_a_bomb_is_refused_by_its_claim(tmp_path: Path, content: Content) -> None:
    rows = tables.MAX_ROWS + 1
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, 2), }}\n"
    meta = io.BytesIO()
    np.save(meta, np.array(json.dumps(meta_of(content))))
    members = {"genes.npy": npy_header(text) + bytes(2 * rows), "meta.npy": meta.getvalue()}
    path = zip_of(tmp_path / "bomb.npz", members)
    assert path.stat().st_size < rows / 100
    tracemalloc.start()
    try:
        assert "expected at most" in error_of(path)
        assert tracemalloc.get_traced_memory()[1] < rows / 10, "it is not unpacked"
    finally:
        tracemalloc.stop()


def test_odd_members(tmp_path: Path) -> None:
    assert "not an array" in error_of(zip_of(tmp_path / "a.npz", {"genes.txt": b"x"}))
    member = {"genes.npy": npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1), }\n") + b"\0"}
    assert "compressed by method" in error_of(zip_of(tmp_path / "b.npz", member, zipfile.ZIP_BZIP2))
    assert ".npy version" in error_of(zip_of(tmp_path / "c.npz", {"genes.npy": npy_header("{}", b"\x09\x00")}))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("genes.npy", member["genes.npy"])
        archive.writestr("genes.npy", member["genes.npy"])
    assert "twice" in error_of(tmp_path / "d.npz")


def test_a_damaged_metric_is_named_when_it_is_read(tmp_path: Path) -> None:
    values = np.arange(2000.0)
    arrays = {
        "space": "table", "gene_names": ["g"], "options": [[str(i) for i in range(2000)]],
        "goals": {"valid": "max", "test": "max"}, "source": "", "units": "",
    }  # fmt: skip
    path = tmp_path / "a.npz"
    meta = np.array(json.dumps(meta_of(arrays)))
    np.savez(path, genes=np.arange(2000)[:, None], meta=meta, valid=values, test=values + 0.5)
    raw = bytearray(path.read_bytes())
    at = raw.index(values[1990:1994].tobytes())
    raw[at + 7] ^= 1
    path.write_bytes(raw)
    table = load_table(path)
    assert table.metric("test")[0] == 0.5
    with pytest.raises(TableError, match=r"'valid' cannot be read .*CRC"):
        table.metric("valid")


# --- garbage ----------------------------------------------------------------------------------------------

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


def read_all(path: Path) -> None:
    """Load a file and every metric: either works or raises TableError; anything else fails the test."""
    try:
        table = load_table(path)
        for name in table.metrics:
            table.metric(name)
    except TableError as error:
        assert "\n" not in str(error)


@FUZZ
@given(data=st.binary(max_size=400), start=st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)]))
def test_random_bytes(tmp_path: Path, data: bytes, start: bytes) -> None:
    path = tmp_path / "fuzz.npz"
    path.write_bytes(start + data)
    with pytest.raises(TableError):
        load_table(path)


def test_cut_off_anywhere(tmp_path: Path, content: Content) -> None:
    raw = save_table(tmp_path / "whole.npz", **content).read_bytes()
    path = tmp_path / "cut.npz"
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(TableError):
            load_table(path)


@FUZZ
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bits(tmp_path: Path, content: Content, flips: list[tuple[float, int]]) -> None:
    raw = bytearray(save_table(tmp_path / "whole.npz", **content).read_bytes())
    for place, mask in flips:
        raw[int(place * len(raw))] ^= mask
    path = tmp_path / "flipped.npz"
    path.write_bytes(raw)
    read_all(path)


@FUZZ
@given(
    meta=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["space", "genes", "options", "goals", "source", "units", "valid", "x"]),
                inner,
                max_size=6,
            )
        ),
        max_leaves=8,
    ),
    replace=st.sampled_from(["space", "genes", "options", "goals", "source", "units", ""]),
)
def test_any_json(tmp_path: Path, content: Content, meta: Any, replace: str) -> None:
    whole = meta_of(content, **{replace: meta}) if replace else meta
    read_all(raw_file(tmp_path / "meta.npz", content, meta=json.dumps(whole)))


@FUZZ
@given(
    name=st.sampled_from(["genes", "meta", "valid"]),
    kind=st.sampled_from(["i1", ">i8", "f2", "f4", "M8[s]", "S3", "U2", "c8", "?", "V4"]),
    shape=st.lists(st.integers(0, 6), max_size=3),
)
def test_any_array(tmp_path: Path, content: Content, name: str, kind: str, shape: list[int]) -> None:
    arrays: dict[str, Any] = {name: np.zeros(shape, dtype=kind)}
    read_all(raw_file(tmp_path / "array.npz", content, **arrays))


@FUZZ
@given(text=st.text(alphabet="{}()[]'\":, descrfotan_shape0123456789TrueFals<|i4u\\x-\n", max_size=120))
def test_any_header(tmp_path: Path, text: str) -> None:
    path = zip_of(tmp_path / "header.npz", {"genes.npy": npy_header(text)})
    with pytest.raises(TableError):
        load_table(path)


# --- real tables ------------------------------------------------------------------------------------------


def test_nb201_finds_its_rows(real_table: Callable[[str], Path]) -> None:
    table = load_table(real_table("nb201.npz"))
    assert table.row((4, 2, 1, 2, 1, 1)) == 0
    assert table.metric("cifar10_valid_200")[0] == pytest.approx(81.982666)


def test_nb101_finds_its_rows(real_table: Callable[[str], Path]) -> None:
    table = load_table(real_table("nb101_surrogate.npz"))
    assert len(table) == 423_624
    for row in (0, 1, 211_812, 423_623):
        assert table.row(table.genes[row]) == row
    assert table.genes.nbytes == 423_624 * 26


def test_a_file_of_weights_is_no_table(real_table: Callable[[str], Path]) -> None:
    assert "no array 'genes'" in error_of(real_table("nb301_surrogate.npz"))
