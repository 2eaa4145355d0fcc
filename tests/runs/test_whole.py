"""What is missing from a record is said, and what a killed run leaves is not taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from archloom.errors import StoreError
from archloom.runs.budgets import Limits
from archloom.runs.record import RunFolder, TrialRecord, encode_line, read_lines
from archloom.runs.whole import check_scores, lost_trials


def lines(*ids: int) -> list[TrialRecord]:
    return [TrialRecord(number, (number,), f"cell {number}", number + 1, scores={"valid": 0.5}) for number in ids]


@pytest.mark.parametrize(
    ("ids", "width", "as_completed", "lost"),
    [
        ((), 1, False, None),
        ((0, 1, 2), 1, False, None),
        ((2, 0, 1), 3, False, None),
        ((0, 2), 1, False, "lacks trial 1,"),
        ((1,), 1, False, "lacks trial 0,"),
        ((0, 2), 2, False, None),  # trial 1 was in flight
        ((0, 2, 3), 2, False, "lacks trial 1,"),  # it would have been waited for
        ((0, 2, 3), 3, False, None),
        ((0, 3), 3, False, None),
        ((0, 4), 3, False, "lacks trial 1 and 2 others,"),
        ((0, *range(2, 900)), 2, True, None),  # told as completed: the slowest is still in flight
        ((0, 2, 4), 2, True, "lacks trial 1 and 1 others,"),
        ((0, 10**15), 4, True, "lacks trial 1 and"),
    ],
)
def test_gaps_that_no_unfinished_worker_explains_are_lost_lines(
    ids: tuple[int, ...], width: int, as_completed: bool, lost: str | None
) -> None:
    found = lost_trials(lines(*ids), Limits(10, width, as_completed=as_completed))
    assert found is None if lost is None else found is not None and found.startswith(lost)


def test_a_trial_without_its_score_is_said(tmp_path: Path) -> None:
    failed = TrialRecord(1, (1,), "x", 2, error="it broke")
    check_scores(tmp_path, [*lines(0), failed], ["valid"])
    with pytest.raises(StoreError, match=r"trials\.jsonl: trial 0 has neither a value of latency nor an error"):
        check_scores(tmp_path, [failed, *lines(0)], ["valid", "latency"])


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ([TrialRecord(0, (1,), "x", 2)], "trial 0 is damaged: it cannot have query 2"),
        ([TrialRecord(0, (1,), "x", 0)], "trial 0 is damaged: it cannot have query 0"),
        ([TrialRecord(0, (1,), "x", 10**30)], "cannot have query"),
        ([TrialRecord(-1, (1,), "x", None)], "trial -1 is damaged"),
        ([TrialRecord(1, (1,), "x", None, 1)], "same 1;"),
        ([TrialRecord(0, (1,), "x", 1, fidelity=-3)], "fidelity -3"),
        ([TrialRecord(1, (1,), "x", 1), TrialRecord(2, (1,), "x", 1)], "holds query 1 twice"),
    ],
)
def test_numbers_that_no_run_writes_are_said(tmp_path: Path, written: list[TrialRecord], says: str) -> None:
    (tmp_path / "trials.jsonl").write_bytes(b"".join(map(encode_line, written)))
    with pytest.raises(StoreError, match=says):
        read_lines(tmp_path)


@pytest.mark.parametrize("field", ["id", "genes", "arch", "query", "scores", "note", "report", "cost_s", "details"])
@pytest.mark.parametrize("value", ["null", "1e30", "[[[]]]", "[" * 9999 + "]" * 9999, "1e999"])
def test_a_sealed_line_of_other_types_is_one_line(tmp_path: Path, field: str, value: str) -> None:
    """Whoever can write a line can seal it."""
    import json
    import zlib

    content = json.loads(encode_line(lines(0)[0]))
    plain = {**{name: item for name, item in content.items() if name != "crc"}, field: "@"}
    body = json.dumps(plain).replace('"@"', value)[:-1].encode()
    (tmp_path / "trials.jsonl").write_bytes(body + b',"crc":"%08x"}\n' % zlib.crc32(body))
    try:
        (line,) = read_lines(tmp_path)
    except StoreError as error:
        assert "trials.jsonl line 1 is damaged" in str(error) or "cannot have query" in str(error)
        assert "\n" not in str(error)
    else:
        assert (field, value) in {("query", "null"), ("cost_s", "1e30")} or field in ("note", "details"), line


def test_lines_are_checked_when_a_folder_is_opened_too(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", {}).close()
    (tmp_path / "run" / "trials.jsonl").write_bytes(encode_line(TrialRecord(0, (1,), "x", 7)))
    with pytest.raises(StoreError, match="cannot have query 7"):
        RunFolder.open(tmp_path / "run")
