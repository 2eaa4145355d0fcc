"""How long searches will take, and how much room they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from archloom.checkpoints.chains import Leaving
from archloom.checkpoints.experience import EXPERIENCE
from archloom.runs import record
from archloom.runs.budgets import Limits
from archloom.runs.estimate import (
    Pace,
    average_size,
    checkpoints_at_once,
    files_at_once,
    left_of,
    share_done,
    units_in_all,
)
from archloom.runs.history import History
from archloom.runs.record import TrialRecord
from archloom.strategies.base import Plan
from archloom.strategies.population.pbt_nas import PbtNas, PbtNasOptions
from archloom.strategies.random_search import RandomSearch
from archloom.strategies.successive_halving import Asha
from archloom.testing import PLANTED_CRITERIA
from archloom.types import Inherit, Resource

EPOCHS = Resource("epochs", 9)


class Clock:
    """Gives the time that it is told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def line(number: int, fidelity: int = 0, base: int | None = None, cost_s: float = 0.0) -> TrialRecord:
    inherit = None if base is None else Inherit(base)
    return TrialRecord(number, (0,), "x", number + 1, fidelity=fidelity, inherit=inherit, cost_s=cost_s)


def test_the_share_that_is_done_is_that_of_the_nearest_limit() -> None:
    assert share_done([Limits(10), Limits(30)], 10, 0) == 0.25
    assert share_done([Limits(10, resource=100)], 2, 50) == 0.5
    assert share_done([Limits(None, resource=100)], 2, 150) == 1.0
    assert share_done([Limits(10), Limits(None, seconds=5)], 2, 0) is None


def test_the_rest_takes_as_long_as_what_was_done() -> None:
    clock = Clock()
    pace = Pace([Limits(20)], None, 2, clock)
    clock.now = 130.0
    pace.count(0, [line(0, cost_s=25.0)])
    assert pace.left is None, "one of two workers has answered"
    pace.count(0, [line(1, cost_s=25.0)])
    assert (pace.seconds, pace.left) == (25.0, 225.0), "workers started for 5 s"
    clock.now = 155.0
    pace.count(0, [line(2), line(3)])
    assert pace.left == 200.0


def test_a_resumed_run_goes_at_the_pace_of_this_session() -> None:
    clock = Clock()
    pace = Pace([Limits(20)], None, 1, clock)
    pace.add(0, History.of([line(number) for number in range(10)], PLANTED_CRITERIA))
    clock.now = 120.0
    pace.count(0, [line(10)])
    assert (pace.gained, pace.left) == (pytest.approx(0.05), pytest.approx(180.0)), "9 more"


def test_units_count_where_they_are_limited() -> None:
    clock = Clock()
    pace = Pace([Limits(None, resource=36)], EPOCHS, 1, clock)
    clock.now = 130.0
    pace.count(0, [line(0, 3), line(1, 9, base=0)])
    assert (pace.share, pace.left) == (0.25, 90.0)
    limited = Pace([Limits(20, seconds=50.0)], None, 1, clock)
    clock.now = 160.0
    limited.count(0, [line(0)])
    assert limited.left == 20.0, "its time will be up"


def test_queries_are_open_until_one_is_answered() -> None:
    clock = Clock()
    pace = Pace([Limits(20), Limits(10)], None, 3, clock)
    assert pace.open == 30
    pace.count(0, [line(0)])
    assert pace.open is None


def test_units_of_a_whole_run() -> None:
    plan = PbtNas.plan(PbtNasOptions())
    assert units_in_all(plan, False, Limits(720), EPOCHS) == 7_200
    assert units_in_all(plan, False, Limits(360), EPOCHS) == 3_600
    assert units_in_all(plan, False, Limits(720, resource=100), EPOCHS) == 100
    assert units_in_all(Plan(), False, Limits(20), EPOCHS) == 180
    assert units_in_all(Plan(), True, Limits(20), EPOCHS) is None, "depends on the results"
    assert units_in_all(Plan(), True, Limits(20, resource=50), EPOCHS) == 50
    assert units_in_all(plan, False, Limits(720), None) is None


def test_checkpoints_that_there_are_at_once(tmp_path: Path) -> None:
    population = PbtNas.plan(PbtNasOptions())
    assert checkpoints_at_once(PbtNas, population, Limits(720, 24), 1) == (25, 50)
    assert checkpoints_at_once(PbtNas, population, Limits(720, 24), None) == (720, 720), "--keep all"
    assert checkpoints_at_once(RandomSearch, Plan(), Limits(720, 4), 3) == (3, 7)
    assert checkpoints_at_once(Asha, Plan(inherits=True), Limits(90), 1) == (2, 90), "any may be promoted"
    assert average_size([tmp_path]) is None
    (tmp_path / "weights").mkdir()
    for name, size in (("0.safetensors", 10), ("1.safetensors", 30), ("0.experience", 7)):
        (tmp_path / "weights" / name).write_bytes(bytes(size))
    assert average_size([tmp_path, tmp_path / "other"]) == 20.0
    assert average_size([tmp_path], EXPERIENCE) == 7.0


def test_experience_that_there_is_at_once() -> None:
    """24 members in chunks of 10 of 300 epochs, of which 200 are read: 20 chunks of each, or of all."""
    leaves, plan = Leaving(EXPERIENCE, 200), PbtNas.plan(PbtNasOptions())
    assert files_at_once(PbtNas, plan, PbtNasOptions(), leaves) == {EXPERIENCE: 480}
    assert files_at_once(PbtNas, plan, PbtNasOptions(experience="shared"), leaves) == {EXPERIENCE: 44}
    assert files_at_once(PbtNas, plan, PbtNasOptions(epochs=50), leaves) == {EXPERIENCE: 96}, "no more chunks before"
    assert files_at_once(Asha, Plan(inherits=True, width=4), None, leaves) == {EXPERIENCE: 4}
    assert files_at_once(RandomSearch, Plan(), None, leaves) is files_at_once(PbtNas, plan, None, None) is None


def test_a_run_that_rests_has_a_pace_too(tmp_path: Path) -> None:
    lines = [line(number) for number in range(5)]
    assert left_of(tmp_path, Limits(20), lines, 0) is None, "no state was saved"
    (tmp_path / "state.npz").write_bytes(record.encode_state({"loop": {"seconds": 50.0}}))
    assert left_of(tmp_path, Limits(20), lines, 0) == 150.0
    assert left_of(tmp_path, Limits(20), [], 0) is None
    (tmp_path / "state.npz").write_bytes(b"torn")
    assert left_of(tmp_path, Limits(20), lines, 0) is None
