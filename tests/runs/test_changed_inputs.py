"""What is read once is what it was, everywhere it is read again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from archloom.data.tables import load_table, save_table
from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs import folders, groups, record
from archloom.runs.budgets import Limits
from archloom.runs.prepare import Preparer, Request
from archloom.utils.user_files import sha256_of
from archloom.workers.pool import WorkerError

# At trial `at`, the file named CHANGES is replaced, and the worker dies if `dies`.
MINE = """
import os, archloom
from pathlib import Path
HERE = Path(__file__).parent
space = archloom.Categorical({"a": list(range(8))})

def evaluate(c):
    import helper
    at = HERE / "at"
    if at.exists() and c["a"] == int(at.read_text()):
        at.unlink()
        (HERE / "new.py").replace(HERE / "helper.py")
        if (HERE / "dies").exists():
            os._exit(1)
    return helper.value(c["a"])

problem = archloom.Problem(space, evaluate, goals={"score": "max"})
"""


def written(folder: Path, at: int, dies: bool) -> ProblemSpec:
    (folder / "mine.py").write_text(MINE)
    (folder / "helper.py").write_text("def value(a): return a")
    (folder / "new.py").write_text("def value(a): return -a")
    (folder / "at").write_text(str(at))
    if dies:
        (folder / "dies").touch()
    return ProblemSpec(str(folder / "mine.py"))


def scores(run: Path) -> dict[int, float]:
    return {int(line.genes[0]): line.scores["score"] for line in record.read_lines(run)}


def test_a_worker_that_is_replaced_runs_no_other_code(tmp_path: Path) -> None:
    request = Request("random", written(tmp_path, 3, dies=True), 0, Limits(8))
    with pytest.raises(WorkerError, match=r"helper.py has changed since this run was started") as caught:
        folders.run_folder(tmp_path / "run", request)
    assert "\n" not in str(caught.value)
    assert all(gene == score for gene, score in scores(tmp_path / "run").items())

    with pytest.raises(InputError, match=r"helper.py has changed since .*archloom resume .* --changed"):
        folders.run_folder(tmp_path / "run")
    shutil.copy(tmp_path / "helper.py", tmp_path / "new.py")
    (tmp_path / "helper.py").write_text("def value(a): return a")
    folders.run_folder(tmp_path / "run")
    assert scores(tmp_path / "run") == {gene: float(gene) for gene in range(8)}


def test_a_change_that_was_accepted_is_what_counts_from_then_on(tmp_path: Path) -> None:
    request = Request("random", written(tmp_path, 3, dies=True), 0, Limits(8))
    with pytest.raises(WorkerError):
        folders.run_folder(tmp_path / "run", request)
    folders.run_folder(tmp_path / "run", changed=True)
    found = json.loads((tmp_path / "run/run.json").read_bytes())["files"]
    assert found[str(tmp_path / "helper.py")] == sha256_of(tmp_path / "helper.py")
    (tmp_path / "helper.py").write_text("def value(a): return a")
    with pytest.raises(InputError, match=r"helper.py has changed"):
        folders.run_folder(tmp_path / "run", limits=Limits(9))


def test_what_is_imported_later_is_what_it_was_when_the_run_began(tmp_path: Path) -> None:
    request = Request("random", written(tmp_path, 0, dies=False), 0, Limits(8))
    folders.run_folder(tmp_path / "run", request)
    assert scores(tmp_path / "run") == {gene: float(gene) for gene in range(8)}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_members_of_a_group_run_the_same_code(tmp_path: Path, workers: int) -> None:
    spec = written(tmp_path, 3, dies=False)
    members = {f"seed-{seed}": Request("random", spec, seed, Limits(8)) for seed in range(4)}
    group = groups.Group.create(tmp_path / "group", members, first=Preparer().check(members["seed-0"]))
    assert str(tmp_path / "helper.py") in json.loads((tmp_path / "group/group.json").read_bytes())["files"]
    outcome = groups.run_group(group, workers)
    refused = [said for said in outcome if isinstance(said, str)]
    assert refused
    for said in refused:
        assert "helper.py has changed since this run was started" in said
    for path in group.paths:
        if (path / "run.json").exists():
            assert all(gene == score for gene, score in scores(path).items())


def test_a_table_that_is_replaced_during_a_group_is_noticed_at_once(tmp_path: Path, small_table: Path) -> None:
    table = Path(shutil.copy(small_table, tmp_path / "table.npz"))
    spec = ProblemSpec("nb201", str(table))
    members = {f"seed-{seed}": Request("random", spec, seed, Limits(5)) for seed in range(3)}
    group = groups.Group.create(tmp_path / "group", members, first=Preparer().check(members["seed-0"]))
    old = load_table(small_table)
    save_table(
        table, space=old.space, gene_names=old.gene_names, options=old.options, genes=old.genes,
        metrics={name: old.metric(name) + np.float32(1) for name in old.metrics}, source="another",
        goals=old.goals, units=old.units,
    )  # fmt: skip
    outcome = groups.run_group(group, 2)
    assert all(isinstance(said, str) and "table.npz has changed since this run was started" in said for said in outcome)
    assert not any((path / "run.json").exists() for path in group.paths)


def test_a_strategy_of_ones_own_is_pinned_with_what_it_imports(tmp_path: Path, small_table: Path) -> None:
    (tmp_path / "walk.py").write_text(
        "import archloom, helper\nfrom archloom.strategies.random_search import RandomSearch\n"
        "class Walk(RandomSearch):\n    pass\n"
    )
    (tmp_path / "helper.py").write_text("")
    request = Request(f"{tmp_path}/walk.py:Walk", ProblemSpec("nb201", str(small_table)), 0, Limits(5))
    folders.run_folder(tmp_path / "run", request)
    files = json.loads((tmp_path / "run/run.json").read_bytes())["files"]
    assert set(files) == {str(tmp_path / name) for name in ("walk.py", "helper.py")}
    (tmp_path / "helper.py").write_text("x = 1")
    with pytest.raises(InputError, match=r"helper.py has changed"):
        folders.run_folder(tmp_path / "run", limits=Limits(6))


def test_a_space_that_is_another_in_every_process_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import archloom, time\nspace = archloom.Categorical({'a': [time.perf_counter_ns(), 2]})\n"
        "problem = archloom.Problem(space, lambda c: 1, goals={'score': 'max'})\n"
    )
    request = Request("random", ProblemSpec(str(tmp_path / "mine.py")), 0, Limits(2))
    with pytest.raises(WorkerError, match="space 'table' is not the same in every process: a was one of"):
        folders.run_folder(tmp_path / "run", request)
    assert record.read_lines(tmp_path / "run") == []
    with pytest.raises(InputError, match=r"was started with another space 'table': a was one of .*--changed"):
        folders.run_folder(tmp_path / "run")


def test_runs_of_earlier_versions_go_on(tmp_path: Path) -> None:
    request = Request("random", written(tmp_path, 9, dies=False), 0, Limits(3))
    folders.run_folder(tmp_path / "run", request)
    manifest = json.loads((tmp_path / "run/run.json").read_bytes())
    for name in ("space_fingerprint", "files", "checksum"):
        manifest.pop(name, None)
    (tmp_path / "run/run.json").write_text(json.dumps(manifest))
    folders.run_folder(tmp_path / "run", limits=Limits(6))
    assert len(scores(tmp_path / "run")) == 6
