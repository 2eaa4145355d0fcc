"""What final evaluations of several runs are judged by; tests/cli/test_evaluate.py has the evaluations."""

from __future__ import annotations

from pathlib import Path

import pytest

from archloom.deploy.final_groups import Entry, Judge, judged_by, nothing_measured
from archloom.errors import InputError

RUN = Path("runs/one")
MEASURED = Entry(RUN / "seed-0", "pbt_nas", 0, metrics={"fid": 12.5, "speed": 3.0}, goals={"fid": "min"})


@pytest.mark.parametrize(
    ("text", "judge"),
    [
        ("fid", Judge("fid")),
        ("fid:min", Judge("fid", "min")),
        ("a:b:max", Judge("a:b", "max")),
        ("a:b", Judge("a:b")),
        (":max", Judge(":max")),
    ],
)
def test_a_judge_is_a_metric_and_perhaps_what_is_better(text: str, judge: Judge) -> None:
    assert Judge.parse(text) == judge


def test_judges_are_metrics_of_which_it_is_known_what_is_better() -> None:
    MEASURED.check([Judge("fid"), Judge("speed", "max")])
    with pytest.raises(InputError, match="--metric speed: which is better"):
        MEASURED.check([Judge("speed")])
    with pytest.raises(InputError, match="--metric fids: expected one of fid, speed"):
        MEASURED.check([Judge("fids", "min")])
    assert judged_by([MEASURED], []) == ["fid"]
    assert judged_by([MEASURED], [Judge("speed", "max")]) == ["speed"]


def test_why_nothing_was_measured_is_counted() -> None:
    missing = [Entry(RUN / f"seed-{seed}", "pbt_nas", seed, missing="not started") for seed in range(2)]
    lost = Entry(RUN / "seed-2", "pbt_nas", 2, missing="its checkpoint is not kept")
    assert nothing_measured(RUN, [*missing, lost]) == (
        "runs/one: nothing was measured (2 of its runs: not started; 1 of its runs: its checkpoint is not kept)"
    )
