"""The log of a training: what is written can be read, and a training that is resumed has no row twice."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from archloom.agents.training_log import EVENTS, LOG, TrainingLog, TrainingRow, check_tensorboard, read_log
from archloom.errors import MissingExtraError, StoreError

FIRST = TrainingRow(
    steps=100, updates=0, seconds=0.25, episodes=0, best=None, steps_per_second=400.0, mean_value=61.5, mean_end=None,
    episode_length=None, stopped=None, td_error=None, loss=None,
)  # fmt: skip
SECOND = TrainingRow(
    steps=200, updates=3, seconds=0.6, episodes=4, best=72.125, steps_per_second=1 / 3, mean_value=65.25,
    mean_end=70.1, episode_length=12.5, stopped=0.25, td_error=0.1, loss=0.004,
)  # fmt: skip
THIRD = replace(SECOND, steps=300, seconds=0.9)


def written(folder: Path, *rows: TrainingRow, after: int | None = None, tensorboard: bool = False) -> None:
    with TrainingLog(folder, after, tensorboard) as log:
        for row in rows:
            log.add(row)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written(tmp_path, FIRST, SECOND)
    assert read_log(tmp_path) == [FIRST, SECOND]
    head, first, second = (tmp_path / LOG).read_text().splitlines()
    assert head == (
        "steps,updates,seconds,episodes,best,steps_per_second,mean_value,mean_end,episode_length,stopped,td_error,loss"
    )
    assert first == "100,0,0.25,0,,400.0,61.5,,,,,"
    assert second.startswith("200,3,0.6,4,72.125,0.3333333333333333,")


def test_a_row_is_there_while_the_log_is_open(tmp_path: Path) -> None:
    with TrainingLog(tmp_path) as log:
        log.add(FIRST)
        assert read_log(tmp_path) == [FIRST]


def test_after_a_resume_no_row_is_there_twice(tmp_path: Path) -> None:
    written(tmp_path, FIRST, SECOND, THIRD)
    written(tmp_path, SECOND, replace(THIRD, seconds=2.5), after=100)
    assert read_log(tmp_path) == [FIRST, SECOND, replace(THIRD, seconds=2.5)]


def test_the_row_at_the_checkpoint_stays(tmp_path: Path) -> None:
    written(tmp_path, FIRST, SECOND)
    before = (tmp_path / LOG).read_bytes()
    written(tmp_path, after=200)
    assert (tmp_path / LOG).read_bytes() == before


def test_a_new_training_begins_a_new_log(tmp_path: Path) -> None:
    written(tmp_path, FIRST, SECOND)
    written(tmp_path, FIRST)
    assert read_log(tmp_path) == [FIRST]


def test_a_log_that_is_gone_begins_again(tmp_path: Path) -> None:
    written(tmp_path, THIRD, after=200)
    assert read_log(tmp_path) == [THIRD]


def test_a_row_that_was_cut_short_is_dropped(tmp_path: Path) -> None:
    written(tmp_path, FIRST, SECOND)
    whole = (tmp_path / LOG).read_bytes()
    (tmp_path / LOG).write_bytes(whole[:-3])
    assert read_log(tmp_path) == [FIRST]
    written(tmp_path, SECOND, after=100)
    assert (tmp_path / LOG).read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is not the log of a training"),
        ("step,loss\n1,2\n", "is not the log of a training"),
        ("{head}\n100,0\n", "line 2 is damaged"),
        ("{head}\n100,0,0.25,0,,400.0,61.5,,,,,\n100,,0.25,0,,400.0,61.5,,,,,\n", "line 3 is damaged"),
        ("{head}\n100,0,0.25,0,,fast,61.5,,,,,\n", "line 2 is damaged"),
    ],
)
def test_what_is_no_log_is_told(tmp_path: Path, content: str, says: str) -> None:
    written(tmp_path)
    head = (tmp_path / LOG).read_text().rstrip("\n")
    (tmp_path / LOG).write_text(content.format(head=head))
    for action in (lambda: read_log(tmp_path), lambda: TrainingLog(tmp_path, after=100)):
        with pytest.raises(StoreError, match=says) as error:
            action()
        assert "\n" not in str(error.value)
    assert (tmp_path / LOG).read_text() == content.format(head=head)


def test_nothing_is_read_or_written_through_a_link(tmp_path: Path) -> None:
    written(tmp_path, FIRST)
    elsewhere = tmp_path / "elsewhere.csv"
    (tmp_path / LOG).rename(elsewhere)
    (tmp_path / LOG).symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    with pytest.raises(StoreError, match="symbolic link"):
        TrainingLog(tmp_path, after=100)
    assert elsewhere.read_bytes() == before


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        TrainingLog(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="No such file"):
        read_log(tmp_path / "nowhere")


def test_events_have_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    check_tensorboard()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    written(tmp_path, FIRST, SECOND, tensorboard=True)
    written(tmp_path, replace(SECOND, loss=0.5), THIRD, after=100, tensorboard=True)
    events = EventAccumulator(str(tmp_path / EVENTS))
    events.Reload()
    ends = events.Scalars("training/mean_end")
    assert [(event.step, event.value) for event in ends] == [(200, pytest.approx(70.1)), (300, pytest.approx(70.1))]
    losses = events.Scalars("training/loss")
    assert [(event.step, event.value) for event in losses] == [(200, 0.5), (300, pytest.approx(0.004))]
    assert [event.step for event in events.Scalars("training/mean_value")] == [100, 200, 300]
    assert "training/steps" not in events.Tags()["scalars"]
    assert read_log(tmp_path) == [FIRST, replace(SECOND, loss=0.5), THIRD]


def test_events_without_the_package_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"archloom\[tensorboard\]"):
        TrainingLog(tmp_path, tensorboard=True)
    assert not list(tmp_path.iterdir())
