from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from archloom.errors import ChangedError
from archloom.problems import ProblemSpec, open_scenario
from archloom.problems.begun import Begun, open_evaluator
from archloom.types import Arch, Proposal
from archloom.utils.seeds import stream

TEXT = """
import os, time, random, archloom
def value():
    import helper
    return helper.VALUE
problem = archloom.Problem(archloom.Categorical({{"a": {options}}}), lambda c: value(), goals={{"s": "max"}})
"""


def begun(folder: Path, options: str = "[1, 2]") -> tuple[ProblemSpec, Begun]:
    (folder / "mine.py").write_text(TEXT.format(options=options))
    (folder / "helper.py").write_text("VALUE = 1")
    spec = ProblemSpec(str(folder / "mine.py"))
    return spec, Begun.of(open_scenario(spec))


def test_what_has_not_changed_is_opened(tmp_path: Path) -> None:
    spec, known = begun(tmp_path)
    evaluator = open_evaluator(spec, (), known)
    assert evaluator.evaluate(Proposal(Arch((0,))), None, stream(0, "evaluate", 0))[0].scores == {"s": 1.0}
    assert set(known.files) == {str(tmp_path / "mine.py"), str(tmp_path / "helper.py")}


@pytest.mark.parametrize("file", ["mine.py", "helper.py"])
def test_code_that_has_changed_does_not_run(tmp_path: Path, file: str) -> None:
    spec, known = begun(tmp_path)
    (tmp_path / file).write_text("raise SystemExit('it ran')")
    with pytest.raises(ChangedError, match=f"{file} has changed since this run was started") as caught:
        open_evaluator(spec, (), known)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("[random.SystemRandom().random(), 2]", "a was one of 0"),
        ("sorted([time.perf_counter_ns(), 2])", "a was one of 2, "),
        ("os.environ.get('OPTIONS', 'ab').split(',')", "a was one of ab and is one of c, d"),
        ("sorted(os.listdir(os.path.dirname(__file__)))", "a was one of .*mine.py and is one of .*, new"),
    ],
)
def test_a_space_is_the_same_in_every_process(
    tmp_path: Path, options: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, known = begun(tmp_path, options)
    monkeypatch.setenv("OPTIONS", "c,d")
    (tmp_path / "new").touch()
    with pytest.raises(ChangedError, match=f"space 'table' is not the same in every process: {said}"):
        known.open(spec)


def test_a_table_that_was_replaced_is_not_used(tmp_path: Path, small_table: Path) -> None:
    table = shutil.copy(small_table, tmp_path / "table.npz")
    spec = ProblemSpec("nb201", str(table))
    known = Begun.of(open_scenario(spec))
    assert known.open(spec).objectives == open_scenario(spec).objectives
    other = Begun(data="0" * 64)
    with pytest.raises(ChangedError, match=r"table.npz has changed since this run was started \(sha256 0000"):
        other.open(spec)
