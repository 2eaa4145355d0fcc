"""Files in the official layout, written small, and what can be wrong with them."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="hashes of cells are computed by code that numba compiles")
pytest.importorskip("google_crc32c", reason="checksums need the extra bench")

from archloom.data.convert.nasbench101 import nasbench101
from archloom.data.convert.official import convert, is_nasbench101
from archloom.data.tables import Table, TableError, load_table
from archloom.problems import ProblemSpec, open_scenario
from archloom.spaces.nb101 import Nb101, md5_hashes

SHORT = {"matrix": "0100", "operations": "input,output"}
CHAIN = {"matrix": "010001000", "operations": "input,conv1x1-bn-relu,output"}
CHAIN_GENES = [1, 0, 0, 0, 0, 0, 1, *[0] * 14, 1, 3, 3, 3, 3]


@pytest.fixture
def cells(official: Any) -> list[dict[str, Any]]:
    """Three cells in the order of their hashes; parameters are made up."""
    short = SHORT | {"module_hash": official.SHORT_HASH, "parameters": 2_000_000}
    chain = CHAIN | {"module_hash": md5_hashes(np.array([CHAIN_GENES], dtype=np.uint8))[0], "parameters": 3_000_001}
    others = sorted([short, chain], key=lambda cell: str(cell["module_hash"]))
    return [{"module_hash": official.HASH, "parameters": 8_555_530}, *others]


def final(cell: int, epochs: int, run: int) -> tuple[float, float, float, float]:
    """(seconds, train, valid, test), another number for everything that could be mixed up."""
    level = 0.5 + cell / 10 + epochs / 1000 + run / 100
    return float(1000 * (cell + 1) + epochs + run), level + 0.003, level + 0.001, level + 0.002


def rows(official: Any, cells: list[dict[str, Any]], budgets: tuple[int, ...] = (108,), runs: int = 3) -> list[bytes]:
    """Runs outside, cells inside and last first: in no way the order of the table."""
    return [
        official.row(**cells[cell], epochs=epochs, final=final(cell, epochs, run))
        for run in range(runs)
        for epochs in budgets
        for cell in reversed(range(len(cells)))
    ]


METRICS = ("valid", "test", "train", "train_seconds")
LARGEST, SMALLER = ("valid", "test"), ("valid", "test", "train_seconds")


def names(epochs: int, means: tuple[str, ...] = METRICS, by_run: tuple[str, ...] = METRICS) -> list[str]:
    runs = [f"{metric}_{epochs}_run{run}" for metric in by_run for run in range(3)]
    return [*(f"{metric}_{epochs}" for metric in means), *runs]


def check(table: Table, budgets: tuple[int, ...]) -> None:
    """Every metric that the table has is the mean, or the run, that its name says."""
    assert (table.space, len(table)) == ("nb101", 3)
    assert all((table.goals[name] == "min") == ("seconds" in name or "params" in name) for name in table.metrics)
    Nb101.for_table(dict(zip(table.gene_names, table.options, strict=True)), table.genes)  # which knows its genes
    checked = {"params_m"}
    for epochs in budgets:
        for place, metric in ((0, "train_seconds"), (1, "train"), (2, "valid"), (3, "test")):
            scale = 1 if place == 0 else 100
            runs = np.array([[scale * final(cell, epochs, run)[place] for run in range(3)] for cell in range(3)])
            columns = {f"{metric}_{epochs}": runs.mean(axis=1)}
            columns |= {f"{metric}_{epochs}_run{run}": runs[:, run] for run in range(3)}
            for name in columns.keys() & set(table.metrics):
                np.testing.assert_allclose(table.metric(name), columns[name], rtol=2e-7)
                checked.add(name)
    assert checked == set(table.metrics)


def test_only108(official: Any, cells: list[dict[str, Any]], tmp_path: Path) -> None:
    table = convert(official.write(tmp_path / "nasbench_only108.tfrecord", rows(official, cells)))
    check(table, (108,))
    assert list(table.metrics) == [*names(108), "params_m"]
    assert table.genes[0].tolist() == list(official.GENES)
    assert {tuple(row) for row in table.genes[1:].tolist()} == {tuple(CHAIN_GENES), (1, *[0] * 20, *[3] * 5)}
    assert table.metric("params_m").tolist() == [np.float32(cell["parameters"] / 1e6) for cell in cells]
    assert md5_hashes(table.genes) == [cell["module_hash"] for cell in cells]
    assert "measured" in table.source and "108 epochs" in table.source


def test_full_in_whatever_order_its_budgets_come(official: Any, cells: list[dict[str, Any]], tmp_path: Path) -> None:
    file = official.write(tmp_path / "a.tfrecord", rows(official, cells, (4, 108, 12, 36)))
    table = convert(file)
    check(table, (108, 36, 12, 4))
    smaller = [name for epochs in (36, 12, 4) for name in names(epochs, SMALLER, ())]
    assert list(table.metrics) == [*names(108, METRICS, LARGEST), *smaller, "params_m"]


def test_the_layout_is_that_of_the_real_table(real_table: Any) -> None:
    table = load_table(real_table("nb101_surrogate.npz"))
    assert table.space == "nb101"
    Nb101.for_table(dict(zip(table.gene_names, table.options, strict=True)), table.genes)


def test_published_numbers_of_the_first_cell(official: Any, real_table: Any, tmp_path: Path) -> None:
    """Its three trainings as public listings of the official file give them; one of them is in our sample."""
    runs = [
        (1769.1279296875, 1.0, 0.9241786599159241, 0.9211738705635071),
        (1768.2509765625, 1.0, 0.9245793223381042, 0.9190705418586731),
        (1768.9759521484375, 1.0, 0.9304887652397156, 0.9215745329856873),
    ]
    table = nasbench101(official.write(tmp_path / "a.tfrecord", [official.row(final=run) for run in runs]))
    sample = load_table(real_table("nb101_surrogate.npz"))
    row = sample.row(table.genes[0])
    assert row == 0
    assert max(table.metric(f"valid_108_run{run}")[0] for run in range(3)) == sample.metric("valid_108_best_of_3")[row]
    assert table.metric("train_seconds_108_run2")[0] == sample.metric("train_seconds_108")[row]
    assert table.metric("params_m")[0] == sample.metric("params_m")[row]
    assert table.metric("test_108")[0] == np.float32(100 * np.mean([run[3] for run in runs]))


def test_validation_is_searched_and_test_reported(official: Any, cells: list[dict[str, Any]], tmp_path: Path) -> None:
    path = convert(official.write(tmp_path / "a.tfrecord", rows(official, cells))).save(tmp_path / "nb101.npz")
    problem = open_scenario(ProblemSpec("nb101", table=str(path))).problem
    assert problem.default_objectives() == ("valid_108",)
    assert problem.default_report(("valid_108",)) == ("test_108",)


def test_missing_runs_are_not_measured(official: Any, cells: list[dict[str, Any]], tmp_path: Path) -> None:
    some = [
        official.row(**cells[0], final=final(0, 108, 0)),
        official.row(**cells[0], final=final(0, 108, 1)),
        official.row(**cells[1], epochs=4, final=final(1, 4, 0)),
    ]
    table = convert(official.write(tmp_path / "a.tfrecord", some))
    assert len(table) == 2
    mean = 50 * (final(0, 108, 0)[2] + final(0, 108, 1)[2])
    np.testing.assert_allclose(table.metric("valid_108"), [mean, np.nan], rtol=1e-7)
    assert np.isnan(table.metric("valid_108_run2")).all()
    assert np.isnan(table.metric("test_4")).tolist() == [True, False]
    assert np.isnan(table.metric("valid_108_run0")).tolist() == [False, True]


def test_progress_in_bytes(official: Any, cells: list[dict[str, Any]], tmp_path: Path) -> None:
    file = official.write(tmp_path / "a.tfrecord", rows(official, cells))
    seen: list[tuple[int, int | None]] = []
    convert(file, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(file.stat().st_size, file.stat().st_size)]


def test_what_else_a_message_may_hold(official: Any, tmp_path: Path) -> None:
    """Unknown fields of every wire type are skipped, known ones of another type count as unknown."""
    unknown = official.message([(7, 5), (8, 2.5), (9, b"text"), (3000, 2**63)]) + b"\xad\x06abcd"  # 101: fixed32
    evaluations = [official.message([(1, official.evaluation(0.0, 1.0, 0.1, 0.1, 0.1) + unknown)]) for _ in range(2)]
    last = official.message([(1, official.evaluation(108.0, 7.0, 0.75, 0.5, 0.25) + unknown), (1, 9), (2, 4.0)])
    message = unknown + b"".join(evaluations) + last + official.message([(2, 123)])
    table = convert(official.write(tmp_path / "a.tfrecord", [official.row(message=message)]))
    found = [table.metric(f"{name}_108")[0] for name in ("train_seconds", "train", "valid", "test")]
    assert found == [7.0, 75.0, 50.0, 25.0]
    assert table.metric("params_m")[0] == np.float32(123 / 1e6)


# --- what is refused --------------------------------------------------------------------------------------

MATRIX = "0100110001000000010010000010000001000000010000000"
NAN, INFINITE = float("nan"), float("inf")
BAD_ROWS: list[tuple[dict[str, Any], str]] = [
    ({"module_hash": "0" * 31}, "module hash '0+', expected 32"),
    ({"module_hash": "A" * 32}, "module hash 'A+', expected 32"),
    ({"module_hash": "0" * 30 + "\n "}, "module hash .*, expected 32"),
    ({"module_hash": 7}, "expected a list of hash, epochs"),
    ({"epochs": 36.0}, "expected a list of hash, epochs"),
    ({"epochs": True}, "expected a list of hash, epochs"),
    ({"epochs": 10**4000, "message": b""}, "a training of 10{79}... epochs, expected"),
    ({"epochs": 100}, "a training of 100 epochs, expected one of 108, 36, 12, 4"),
    ({"matrix": MATRIX[:-1]}, "matrix '.*', expected the digits"),
    ({"matrix": ""}, "matrix '', expected the digits"),
    ({"matrix": "0"}, "matrix '0', expected the digits"),
    ({"matrix": "0" * 64}, "2x2 to 7x7"),
    ({"matrix": MATRIX.replace("1", "2")}, "expected the digits 0 and 1"),
    ({"matrix": "1" + MATRIX[1:]}, "does not lead forward"),
    ({"matrix": MATRIX[:7] + "1" + MATRIX[8:]}, "does not lead forward"),
    ({"matrix": "01111110011110" + MATRIX[14:]}, "at most 9 edges"),
    ({"matrix": "0000110" + MATRIX[7:]}, "every vertex between input and output"),
    ({"matrix": MATRIX[:7] + "0" * 7 + MATRIX[14:]}, "every vertex between input and output"),
    ({"operations": "input,output"}, "operations 'input,output' of 7 vertices"),
    ({"operations": "input"}, "operations 'input' of 7 vertices"),
    ({"operations": "input" + ",conv5x5-bn-relu" * 5 + ",output"}, "expected input, 5 of conv3x3-bn-relu"),
    ({"operations": "conv3x3-bn-relu," * 6 + "output"}, "expected input, 5 of"),
    ({"operations": "input" + ",maxpool3x3" * 6}, "expected input, 5 of"),
    ({"metrics": "?" * 8}, "metrics that are not base64"),
    ({"metrics": "AAA"}, "metrics that are not base64"),
    ({"metrics": "é"}, "metrics that are not base64"),
    ({"metrics": ""}, "None trainable parameters"),
    ({"message": b"\x08"}, "metrics that end inside a number"),
    ({"message": b"\xff" * 20}, "metrics that end inside a number"),
    ({"message": b"\x0a\x05abc"}, "metrics that end inside a field"),
    ({"message": b"\x09abc"}, "metrics that end inside a field"),
    ({"message": b"\x0b"}, "metrics with the wire type 3"),
    ({"parameters": 0}, "0 trainable parameters, expected a positive number"),
    ({"parameters": 2**64 - 5}, "trainable parameters, expected a positive number"),
    ({"final": (1.0, 1.01, 0.9, 0.9)}, "train is 1.01, expected a number from 0 to 1"),
    ({"final": (1.0, 1.0, -0.1, 0.9)}, "valid is -0.1, expected a number from 0 to 1"),
    ({"final": (1.0, 1.0, 0.9, NAN)}, "test is nan, expected a number from 0 to 1"),
    ({"final": (1.0, 1.0, 0.9, 90.1)}, "test is 90.1, expected a number from 0 to 1"),
    ({"final": (-1.0, 1.0, 0.9, 0.9)}, r"train_seconds is -1.0, expected a number from 0 to 1e\+09"),
    ({"final": (INFINITE, 1.0, 0.9, 0.9)}, "train_seconds is inf"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_ROWS)
def test_a_record_that_is_not_as_published(
    official: Any, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    good = official.row()
    file = official.write(tmp_path / "a.tfrecord", [good, official.row(**changes)])
    with pytest.raises(TableError, match=f"byte {len(good) + 16}: .*{message}.*download the file again") as caught:
        convert(file)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400 + len(str(file))


@pytest.mark.parametrize(
    "content", [b"", b"[", b"\xff\xfe", b"[" * 100_000, b"{}", b"[]", b'["a", 1, "", ""]', b"NaN", b"null"]
)
def test_a_record_of_another_kind(official: Any, tmp_path: Path, content: bytes) -> None:
    file = official.write(tmp_path / "a.tfrecord", [official.row(), content])
    with pytest.raises(TableError, match=r"not JSON|expected a list of hash, epochs"):
        convert(file)


def test_evaluations_that_are_not_there(official: Any, tmp_path: Path) -> None:
    evaluation = official.evaluation(1.0, 2.0, 0.5, 0.5, 0.5)
    two = official.message([(1, evaluation), (1, evaluation), (2, 5)])
    with pytest.raises(TableError, match="2 evaluations, expected one before"):
        convert(official.write(tmp_path / "a.tfrecord", [official.row(message=two)]))
    empty = official.message([(1, evaluation), (1, evaluation), (1, b""), (2, 5)])
    with pytest.raises(TableError, match="valid is None"):
        convert(official.write(tmp_path / "a.tfrecord", [official.row(message=empty)]))


def test_records_that_contradict_each_other(official: Any, cells: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "a.tfrecord"
    official.write(file, [official.row(), official.row(**(SHORT | {"module_hash": official.HASH}))])
    with pytest.raises(TableError, match=f"another cell than before under the hash {official.HASH}"):
        convert(file)
    official.write(file, [official.row(), official.row(parameters=5)])
    with pytest.raises(TableError, match=f"5 trainable parameters for the hash {official.HASH}, 8555530 before"):
        convert(file)
    official.write(file, [official.row()] * 4)
    with pytest.raises(TableError, match=f"more than 3 trainings of 108 epochs for the hash {official.HASH}"):
        convert(file)
    official.write(file, [official.row(module_hash="0" * 32)])
    with pytest.raises(TableError, match=f"the cell under the hash 0+ has the hash {official.HASH}"):
        convert(file)


def test_a_damaged_file(official: Any, cells: list[dict[str, Any]], tmp_path: Path) -> None:
    file = official.write(tmp_path / "a.tfrecord", rows(official, cells))
    whole = file.read_bytes()
    second = 16 + struct.unpack_from("<Q", whole)[0]
    file.write_bytes(whole[:second] + bytes([whole[second] ^ 4]) + whole[second + 1 :])
    with pytest.raises(TableError, match=f"byte {second}: the length of the record has a wrong checksum"):
        convert(file)
    file.write_bytes(whole[: second + 100] + bytes([whole[second + 100] ^ 4]) + whole[second + 101 :])
    with pytest.raises(TableError, match=rf"byte {second}: the record of \d+ bytes has a wrong checksum"):
        convert(file)
    file.write_bytes(whole[:-1])
    with pytest.raises(TableError, match="the file is truncated"):
        convert(file)


@pytest.mark.parametrize("at", [0, 9, 12, 13])
def test_a_damaged_beginning_is_reported_if_the_name_is_official(official: Any, tmp_path: Path, at: int) -> None:
    """Of the length, of its checksum, and of the content by which the file would be recognised."""
    named, other = tmp_path / "nasbench_only108.tfrecord", tmp_path / "file.bin"
    data = bytearray(official.write(named, [official.row()]).read_bytes())
    data[at] ^= 1
    for file in (named, other):
        file.write_bytes(data)
    with pytest.raises(TableError, match=r"byte 0: the .*wrong checksum.*download"):
        convert(named)
    unread = (
        "not a benchmark file .*if it is one of these, name it with --kind" if at >= 12 else "byte 0: the first length"
    )
    with pytest.raises(TableError, match=unread):
        convert(other)
    with pytest.raises(TableError, match=r"byte 0: the .*wrong checksum"):
        convert(other, kind="nasbench101")


def test_recognised_by_content(official: Any, tmp_path: Path) -> None:
    assert is_nasbench101(official.write(tmp_path / "renamed.bin", [official.row()]))
    for other in (b"", b"an example of another data set", b'["tooshort", 108]'):
        assert not is_nasbench101(official.write(tmp_path / "other.tfrecord", [other]))
    (tmp_path / "empty").touch()
    assert not is_nasbench101(tmp_path / "empty") and not is_nasbench101(tmp_path)
    with pytest.raises(TableError, match="holds no records; expected nasbench_only108"):
        convert(tmp_path / "empty", kind="nasbench101")
    (tmp_path / "text").write_text("this is no TFRecord file at all")
    with pytest.raises(TableError, match=r"not a TFRecord file .*byte 0"):
        convert(tmp_path / "text", kind="nasbench101")


# --- from the command line --------------------------------------------------------------------------------


def test_data_convert(cli: Any, official: Any, cells: list[dict[str, Any]]) -> None:
    file = official.write(cli.home / "a.tfrecord", rows(official, cells))
    said = cli("data", "convert", file, "-o", "mine.npz")
    assert said.code == 0 and said.out == "mine.npz\n"
    check(load_table(cli.home / "mine.npz"), (108,))
    file.write_bytes(file.read_bytes()[:-5])
    said = cli("data", "convert", file, "-o", "other.npz")
    assert said.code == 2 and said.err.count("\n") == 1, "the reason stands alone"
    assert "the file is truncated" in said.err
    assert not (cli.home / "other.npz").exists()


def test_data_fetch_of_a_file_that_is_here(
    cli: Any, official: Any, cells: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = official.write(cli.home / "nasbench_only108.tfrecord", rows(official, cells))
    said = cli("data", "fetch", "nb101", "--file", file)
    assert said.code == 2 and "sha256 of the file is" in said.err and "README" in said.err
    file = file.rename(cli.home / "renamed.tfrecord")
    assert "sha256 of the file is" in cli("data", "fetch", "nb101", "--file", file).err, "whatever it is called"
    vouched = ("--sha256", hashlib.sha256(file.read_bytes()).hexdigest())
    said = cli("data", "fetch", "nb101", "--file", file, *vouched)
    assert said.code == 2 and "not the whole nb101: 3 architectures, expected 423624" in said.err
    assert not (tmp_path / "cache" / "nb101.npz").exists()
    monkeypatch.setattr("archloom.data.tables.verify.verify", lambda table: [])
    said = cli("data", "fetch", "nb101", "--file", file, *vouched)
    assert said.code == 0 and said.out.strip() == str(tmp_path / "cache" / "nb101.npz")
    check(load_table(tmp_path / "cache" / "nb101.npz"), (108,))
