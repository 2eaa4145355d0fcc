"""What a run was made with: whether it is still the same when the run is resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs import folders
from archloom.runs.budgets import Limits
from archloom.runs.earlier import warm_start
from archloom.runs.manifest import mark_of
from archloom.runs.prepare import Preparer, Request
from archloom.runs.record import read_manifest
from archloom.runs.report import read_report


def test_another_table_under_the_same_name_is_noticed(tmp_path: Path, small_table: Path) -> None:
    from archloom.data.tables import load_table, save_table

    mine = tmp_path / "mine.npz"
    mine.write_bytes(small_table.read_bytes())
    folders.run_folder(tmp_path / "run", Request("random", ProblemSpec("nb201", str(mine)), 0, Limits(40)))
    table = load_table(mine)
    save_table(
        mine, space="nb201", gene_names=table.gene_names, options=table.options, genes=table.genes,
        metrics={"valid": np.zeros(729), "test": np.zeros(729)}, goals={"valid": "max", "test": "max"},
        source="another", units="percent",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"was made with table .* put the original file back"):
        folders.run_folder(tmp_path / "run")


def test_a_problem_file_that_changed_is_noticed(tmp_path: Path, mine: ProblemSpec) -> None:
    folders.run_folder(tmp_path / "run", Request("random", mine, 0, Limits(9)))
    code = tmp_path / "code" / "mine.py"
    code.write_text(code.read_text() + "# better")
    for file in ("nothing", "summary.json"):  # a finished run evaluates nothing more, and yet would run the file
        (tmp_path / "run" / file).unlink(missing_ok=True)
        with pytest.raises(InputError, match=r"mine.py has changed since .*archloom resume .* --changed"):
            folders.run_folder(tmp_path / "run")
    assert folders.run_folder(tmp_path / "run", changed=True).value == 90.0


def test_a_problem_that_asks_something_else_now_is_refused(tmp_path: Path, mine: ProblemSpec) -> None:
    folders.run_folder(tmp_path / "run", Request("random", mine, 0, Limits(9)))
    code = tmp_path / "code" / "mine.py"
    code.write_text(code.read_text().replace('"max"', '"min"'))
    with pytest.raises(InputError, match=r"was made for .*'max'.* its problem is now .*'min'"):
        folders.run_folder(tmp_path / "run", changed=True)


def test_a_table_may_have_moved(tmp_path: Path, small_table: Path) -> None:
    old, new = tmp_path / "old.npz", tmp_path / "new.npz"
    old.write_bytes(small_table.read_bytes())
    made = folders.run_folder(tmp_path / "run", Request("random", ProblemSpec("nb201", str(old)), 0, Limits(9)))
    old.rename(new)
    with pytest.raises(InputError, match=r"old.npz, which is not there; .*--table FILE"):
        folders.run_folder(tmp_path / "run")
    with pytest.warns(UserWarning, match="ranks are unknown"):
        seen = read_report(tmp_path / "run")
    assert seen.value == made.value and seen.rank is None
    assert folders.run_folder(tmp_path / "run", table=new).rank == made.rank is not None


def test_checkpoints_are_marked_by_what_makes_a_run_what_it_is(tmp_path: Path, mine: ProblemSpec) -> None:
    wanted, preparer = Request("random", mine, 0, Limits(3)), Preparer()
    folders.run_folder(tmp_path / "earlier", wanted)
    known = warm_start([tmp_path / "earlier"], mine, [], preparer)
    others = {
        "again": wanted,
        "longer": Request("random", mine, 0, Limits(5)),
        "seed": Request("random", mine, 1, Limits(3)),
        "strategy": Request("evolution", mine, 0, Limits(3)),
        "warm start": Request("graph_bo", mine, 0, Limits(3), {}, known),
        "colder": Request("graph_bo", mine, 0, Limits(3)),
        "constraint": Request("random", mine.changed(constraints=("score>=0",)), 0, Limits(3)),
    }
    marks = {}
    for name, request in {"run": wanted, **others}.items():
        folders.run_folder(tmp_path / name, request, preparer=preparer)
        marks[name] = mark_of(read_manifest(tmp_path / name))
    assert marks["run"] == marks["again"] == marks["longer"]
    assert len({marks[name] for name in ("run", "seed", "strategy", "constraint", "warm start", "colder")}) == 6
