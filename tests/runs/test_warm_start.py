"""The copy of earlier runs' trials in a run's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import StoreError
from archloom.runs.record import EARLIER, TrialRecord
from archloom.runs.warm_start import Earlier, Source, TakenRun, WarmStart
from archloom.types import Arch, Inherit, Proposal, Result, Trial

WANTED = Criteria((Objective("valid", "max"), Objective("params", "min")), (Constraint("params", 1 / 3),))
LINES = (
    TrialRecord(0, (1, 0.1), "one", 1, scores={"valid": 0.1 + 0.2}, report={"test": 7.0}, details={"mixed": 1}),
    TrialRecord(1, (2, 0.2), "two", 2, fidelity=3, inherit=Inherit(0, {1: None}), note={"a": [1]}, error="no GPU"),
)
EARLIER_RUNS = Earlier.of([TakenRun(WANTED, True, LINES), TakenRun(Criteria((Objective("error", "min"),)), False, ())])


def test_what_a_strategy_gets_is_what_was_recorded_without_reports() -> None:
    one, other = EARLIER_RUNS.runs
    assert (one.criteria, one.same_problem) == (WANTED, True)
    assert one.trials == (
        Trial(0, Proposal(Arch((1, 0.1))), Result({"valid": 0.1 + 0.2})),
        Trial(1, Proposal(Arch((2, 0.2)), 3, Inherit(0, {1: None}), {"a": [1]}), Result(error="no GPU")),
    )
    assert other.criteria.metrics == ("error",) and other.trials == () and not other.same_problem
    assert b"test" not in EARLIER_RUNS.content and b"mixed" not in EARLIER_RUNS.content
    assert EARLIER_RUNS.content.count(b"\n") == 4  # a line for each run, and for each trial


def test_the_copy_is_read_as_it_was_written(tmp_path: Path) -> None:
    EARLIER_RUNS.write(tmp_path)
    read = Earlier.read(tmp_path, WarmStart((), EARLIER_RUNS.sha256))
    assert read == EARLIER_RUNS
    assert [path.name for path in tmp_path.iterdir()] == [EARLIER]


def test_a_copy_of_another_version_stays_what_it_is(tmp_path: Path) -> None:
    spaced = EARLIER_RUNS.content.replace(b'"trials":2', b'"trials": 2, "newer": 1')
    (tmp_path / EARLIER).write_bytes(spaced)
    read = Earlier.read(tmp_path, WarmStart((), hashlib.sha256(spaced).hexdigest()))
    (tmp_path / "member").mkdir()
    read.write(tmp_path / "member")
    assert read.runs == EARLIER_RUNS.runs and (tmp_path / "member" / EARLIER).read_bytes() == spaced


def test_a_copy_that_is_lost_or_has_changed_is_refused(tmp_path: Path) -> None:
    known = WarmStart((), EARLIER_RUNS.sha256)
    with pytest.raises(StoreError, match=r"earlier.jsonl is lost; it holds the trials of the warm start: restore"):
        Earlier.read(tmp_path, known)
    (tmp_path / EARLIER).write_bytes(EARLIER_RUNS.content.replace(b"0.1", b"0.3", 1))
    with pytest.raises(StoreError, match=r"earlier.jsonl has changed since archloom wrote it; it holds the trials"):
        Earlier.read(tmp_path, known)
    (tmp_path / EARLIER).unlink()
    (tmp_path / EARLIER).mkdir()
    with pytest.raises(StoreError, match="is a folder; expected a file; restore it"):
        Earlier.read(tmp_path, known)


@pytest.mark.parametrize("content", [b"7\n", b"\xff\n", EARLIER_RUNS.content.rpartition(b'{"id":1')[0], b"[" * 99_999])
def test_a_copy_that_no_archloom_wrote_is_refused_even_if_the_request_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / EARLIER).write_bytes(content)
    with pytest.raises(StoreError, match=r"earlier.jsonl cannot be read \(.+\); it holds"):
        Earlier.read(tmp_path, WarmStart((), hashlib.sha256(content).hexdigest()))


def test_in_words() -> None:
    known = WarmStart((Source("/home/me/runs/a", 1, True, best=0.25), Source("/home/me/b", 2_000)), "")
    assert known.short == "1 trial of a (the same problem, best value 0.25), 2,000 trials of b (another problem)"
    assert str(known).startswith("1 trial of /home/me/runs/a (the same problem, best value 0.25), ")
    assert str(known).endswith(", 2,000 trials of /home/me/b (another problem)")
