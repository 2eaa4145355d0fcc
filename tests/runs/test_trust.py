"""Looking at a run runs no code that is not what it was, and no genes that mean something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs import folders, record
from archloom.runs.budgets import Limits
from archloom.runs.prepare import Request
from archloom.runs.report import read_report
from archloom.runs.trust import check_called, check_code

MINE = """
import archloom, helper
space = archloom.Categorical({"op": OPTIONS, "width": [8, 16]})
problem = archloom.Problem(space, lambda c: helper.FACTOR * len(c["op"]), goals={"score": "max"})
"""
OPTIONS = ["conv", "pool", "skip_connect"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of a problem of one's own."""
    write(tmp_path, OPTIONS)
    (tmp_path / "helper.py").write_text("FACTOR = 2")
    request = Request("random", ProblemSpec(str(tmp_path / "mine.py")), 0, Limits(6))
    folders.run_folder(tmp_path / "run", request, isolate=False)
    return tmp_path / "run"


def write(folder: Path, options: list[str]) -> None:
    (folder / "mine.py").write_text(MINE.replace("OPTIONS", repr(options)))


def test_what_has_not_changed_is_run(run: Path) -> None:
    assert read_report(run, need_space=True).value == 24.0


@pytest.mark.parametrize("file", ["mine.py", "helper.py"])
def test_what_has_changed_is_run_only_if_whoever_looks_says_so(run: Path, file: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text((tmp_path / file).read_text() + f"\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(InputError, match=rf"{file} has changed since .*run was started, .* add --trust") as caught:
        read_report(run, need_space=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()
    assert read_report(run).value == 24.0, "the record needs no code"
    assert read_report(run, need_space=True, trust=True).value == 24.0
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["new", *OPTIONS], "is recorded as op=.*, but in space 'table' its genes are now op="),
        (OPTIONS[::-1], "is recorded as op=.*, but in space 'table' its genes are now op="),
        (OPTIONS[:1], ".* its genes are now nothing"),
    ],
)
def test_genes_that_mean_something_else_are_told(run: Path, options: list[str], said: str, tmp_path: Path) -> None:
    write(tmp_path, options)
    before = (run / "trials.jsonl").read_bytes()
    with pytest.raises(InputError, match=f"trial . {said}"):
        read_report(run, need_space=True, trust=True)
    with pytest.raises(InputError, match=f"trial . {said}"):
        folders.run_folder(run, changed=True, limits=Limits(6), isolate=False)
    assert (run / "trials.jsonl").read_bytes() == before


def test_an_option_at_the_end_changes_no_genes(run: Path, tmp_path: Path) -> None:
    write(tmp_path, [*OPTIONS, "more"])
    report = folders.run_folder(run, changed=True, limits=Limits(8), isolate=False)
    assert report.history.queries == 8
    assert all(line.arch.startswith("op=") for line in record.read_lines(run))


class _Source:
    file = None

    def called(self, spec: Any) -> dict[str, str]:
        return {"extractor": "os:getcwd"}


class _Spec:
    source = _Source()


def test_a_function_that_a_folder_names_is_called_only_if_whoever_looks_says_so(tmp_path: Path) -> None:
    spec: Any = _Spec()
    with pytest.raises(InputError, match=r"names code to call, task.extractor=os:getcwd: if you trust .*--trust"):
        check_called(tmp_path, spec, trust=False)
    check_called(tmp_path, spec, trust=True)
    check_called(tmp_path, spec, trust=False, given={"extractor"})


def test_which_functions_are_called() -> None:
    pytest.importorskip("torch", reason="the gan task needs PyTorch")
    for extractor, called in (("pixels", {}), ("my.module:make", {"extractor": "my.module:make"})):
        spec = ProblemSpec("gan:digits", task={"extractor": extractor})
        assert spec.source.called(spec) == called
    assert ProblemSpec("nb201").source.called(ProblemSpec("nb201")) == {}


def test_a_run_of_a_table_has_no_code(tmp_path: Path, small_table: Path) -> None:
    request = Request("random", ProblemSpec("nb201", str(small_table)), 0, Limits(3))
    folders.run_folder(tmp_path / "run", request)
    check_code(tmp_path / "run", record.read_manifest(tmp_path / "run"))
    assert read_report(tmp_path / "run", need_space=True).history.queries == 3


def test_a_strategy_that_changes_the_working_directory_moves_nothing(
    tmp_path: Path, small_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "walk.py").write_text(
        "import os\nfrom archloom.strategies.random_search import RandomSearch\n"
        "class Walk(RandomSearch):\n"
        f"    def propose(self):\n        os.chdir({str(tmp_path / 'elsewhere')!r})\n        return super().propose()\n"
    )
    monkeypatch.chdir(tmp_path)
    request = Request("walk.py:Walk", ProblemSpec("nb201", str(small_table)), 0, Limits(3))
    report = folders.run_folder(Path("run"), request)
    assert (Path.cwd(), report.path) == (tmp_path, Path("run"))
    assert not list((tmp_path / "elsewhere").iterdir())
    assert {"run.json", "trials.jsonl", "summary.json", "state.npz"} <= {file.name for file in Path("run").iterdir()}
