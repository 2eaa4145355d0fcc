"""Evaluations on a real Ray cluster of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from archloom.checkpoints.retention import parse_overrides
from archloom.checkpoints.store import CheckpointFolder
from archloom.errors import InputError, StoreError
from archloom.executors import ray as executor_module
from archloom.executors.base import Job
from archloom.executors.ray import RayCluster, RayExecutor
from archloom.executors.ray_actor import Token
from archloom.problems import ProblemSpec, open_evaluator
from archloom.runs.budgets import Limits
from archloom.runs.folders import limits_for, run_folder
from archloom.runs.groups import Group, run_group
from archloom.runs.prepare import Request
from archloom.runs.record import WEIGHTS, TrialRecord, read_lines
from archloom.runs.report import RunReport
from archloom.types import Arch, Inherit, Proposal
from archloom.workers import cluster as cluster_module
from archloom.workers.cluster import import_ray
from archloom.workers.pool import WorkerError

if find_spec("ray") is None:  # importing it here would make it talkative
    pytest.skip("evaluating on Ray needs the extra ray", allow_module_level=True)
ray: Any = import_ray()
pytestmark = pytest.mark.xdist_group("ray")  # one cluster, and one serial run to compare with, for all of them

PROBLEM = """
import os
import archloom
from pathlib import Path

def evaluate(choices):
    here = Path(__file__).parent
    with open(here / "workers", "a") as file:
        file.write(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']}\\n")
    if choices["number"] == 0:
        os._exit(4)
    if choices["number"] == 4 and not (here / "died").exists():
        (here / "died").touch()
        os._exit(5)
    print("loud")
    return float(choices["number"])

problem = archloom.Problem(archloom.Categorical({"number": [0, 1, 2, 3, 4]}), evaluate, {"score": "max"})
"""

STILLBORN = """
with open(__file__ + ".starts", "a") as file:
    file.write("x")
if len(Path(__file__ + ".starts").read_text()) <= {times}:
    os._exit(6)
"""


@pytest.fixture
def cluster(ray_cluster: RayCluster) -> RayCluster:
    return ray_cluster


@pytest.fixture
def factory(tmp_path: Path) -> partial[Any]:
    (tmp_path / "problem.py").write_text(PROBLEM)
    return partial(open_evaluator, ProblemSpec(str(tmp_path / "problem.py")))


def test_a_job_whose_worker_dies_is_tried_three_times_and_the_others_are_answered(
    cluster: RayCluster, factory: partial[Any], tmp_path: Path, capfd: pytest.CaptureFixture[str], evaluated: Any
) -> None:
    found = evaluated(RayExecutor(cluster, factory), [1, 0, 4, 3])
    assert found[1].error is not None and found[1].error.startswith(
        "the worker died 3 times: Worker unexpectedly exits"
    )
    assert {number: result.scores for number, result in found.items() if result.ok} == {
        0: {"score": 1.0}, 2: {"score": 4.0}, 3: {"score": 3.0},
    }  # fmt: skip
    assert (tmp_path / "died").exists(), "of which number 4 was told nothing"
    assert len((tmp_path / "workers").read_text().splitlines()) == 1 + 3 + 2 + 1
    assert capfd.readouterr() == ("", ""), "neither Ray nor its workers write to the terminal"


@pytest.mark.usefixtures("blind")
def test_a_worker_has_one_thread_and_a_state_that_is_gone_stops_the_run(
    cluster: RayCluster, factory: partial[Any], tmp_path: Path, evaluated: Any
) -> None:
    executor = RayExecutor(replace(cluster, workers=1), factory, checkpoints=CheckpointFolder(tmp_path / WEIGHTS))
    found = evaluated(executor, [1, 2, 3])
    assert [found[number].scores for number in range(3)] == [{"score": 1.0}, {"score": 2.0}, {"score": 3.0}]
    (worker,) = set((tmp_path / "workers").read_text().splitlines())
    assert worker.split()[1] == "1"
    executor = RayExecutor(replace(cluster, workers=1), factory, checkpoints=CheckpointFolder(tmp_path / WEIGHTS))
    executor.submit(Job(7, Proposal(Arch((1,)), 1, Inherit(3)), 0))
    with pytest.raises(StoreError, match="the checkpoint of trial 3 is not in the run's folder"):
        evaluated(executor, [])


def test_a_job_that_takes_too_long_is_ended_with_all_that_it_started(
    cluster: RayCluster, hanging: Path, evaluated: Any, wait_until: Any, is_gone: Any
) -> None:
    factory = partial(open_evaluator, ProblemSpec(str(hanging)))
    found = evaluated(RayExecutor(replace(cluster, workers=1), factory, timeout=0.5), [0, 1])
    assert found[0].error == "it took longer than 0.5 s (--trial-timeout)"
    assert found[1].scores == {"score": 1.0}
    wait_until(lambda: is_gone(Path(f"{hanging}.pid")))


def test_an_evaluator_that_cannot_be_made_stops_the_run_and_fails_no_trial(
    cluster: RayCluster, tmp_path: Path, evaluated: Any
) -> None:
    factory = partial(open_evaluator, ProblemSpec(str(tmp_path / "missing.py")))
    with pytest.raises(WorkerError, match=r"a Ray worker could not start: .*there is no file"):
        evaluated(RayExecutor(replace(cluster, workers=1), factory), [1, 2])


def test_workers_that_die_while_they_start_are_nobodys_task(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluated: Any
) -> None:
    """With two attempts each: the first two workers are too many, of the next two only one dies."""
    monkeypatch.setattr(executor_module, "MAX_ATTEMPTS", 2)
    file = tmp_path / "problem.py"
    file.write_text(f"from pathlib import Path\nimport os\n{STILLBORN.format(times=3)}{PROBLEM}")
    factory = partial(open_evaluator, ProblemSpec(str(file)))
    with pytest.raises(WorkerError, match=r"2 Ray workers died while they started: Worker unexpectedly exits"):
        evaluated(RayExecutor(cluster, factory), [1])
    assert evaluated(RayExecutor(cluster, factory), [1])[0].scores == {"score": 1.0}
    assert len((tmp_path / "problem.py.starts").read_text()) == 4


def test_workers_that_find_no_room_are_told_of(
    cluster: RayCluster, factory: partial[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "ROOM_WITHIN_S", 0.1)
    executor = RayExecutor(replace(cluster, gpus=0.5), factory)
    try:
        executor.submit(Job(0, Proposal(Arch((1,))), 0))
        with pytest.raises(UserWarning, match=r"1 of 2 Ray workers have not started .* which has 2 CPUs and 0 GPUs"):
            executor.wait()
    finally:
        executor.close()


@pytest.mark.parametrize("gpus", [-0.5, 1.5, float("nan"), float("inf")])
def test_shares_of_gpus_that_are_none(gpus: float) -> None:
    with pytest.raises(InputError, match=r"gpus=.*: expected a share of one GPU"):
        RayCluster(1, gpus=gpus)


# -- populations --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def population() -> Request:
    pytest.importorskip("torch", reason="networks need the extra train")
    pytest.importorskip("sklearn", reason="the digits, in the extra images")
    options = {"population": "4", "epochs": "3", "step": "1"}
    spec = ProblemSpec("images:digits", space={"width": "4"}, task={"steps_per_epoch": "2", "epochs": "3"})
    return Request("pbt_nas", spec, 0, limits_for("pbt_nas", options, None, None), options)


KEEP_ALL = parse_overrides("all", None)


@pytest.fixture(scope="module")
def serial(population: Request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run in this process, one evaluation after another, with all states."""
    path = tmp_path_factory.mktemp("serial") / "run"
    run_folder(path, population, isolate=False, overrides=KEEP_ALL)
    return path


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Workers do not see the run's folder, as on machines without shared storage."""

    @contextmanager
    def unseen(states: CheckpointFolder) -> Iterator[Token]:
        yield Token(tmp_path / "elsewhere", "token")

    monkeypatch.setattr(executor_module, "_token", unseen)


def record(path: Path) -> list[TrialRecord]:
    import msgspec

    lines = sorted(read_lines(path), key=lambda line: line.id)
    return [msgspec.structs.replace(line, cost_s=0.0) for line in lines]


def states(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((path / WEIGHTS).iterdir())}


def same(path: Path, serial: Path) -> None:
    assert record(path) == record(serial)
    assert len(states(serial)) == 12
    assert states(path) == states(serial)
    assert not [file for file in path.iterdir() if file.name.endswith(".tmp")], "the token is gone"


def test_workers_that_see_the_folder_end_in_the_files_of_the_serial_run(
    cluster: RayCluster, population: Request, serial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckpointFolder, "save_content", None)  # the driver must not write any
    run_folder(tmp_path / "run", population, cluster, overrides=KEEP_ALL)
    same(tmp_path / "run", serial)


@pytest.mark.usefixtures("blind")
def test_states_travel_to_workers_that_do_not_see_the_folder_and_are_written_in_turn_where_room_is_limited(
    cluster: RayCluster, population: Request, serial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each at most once, and none that the driver has just brought here; on what was begun in this process."""
    path = tmp_path / "run"
    limit = 8 * max(map(len, states(serial).values()))

    def stop(lines: Any) -> None:
        if len(read_lines(path)) >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_folder(path, population, 1, stop, isolate=False, overrides=parse_overrides(None, str(limit)))
    begun = set(states(path).values())
    put: list[bytes] = []
    real: Callable[[Any], Any] = ray.put
    monkeypatch.setattr(ray, "put", lambda content: put.append(content.tobytes()) or real(content))
    run_folder(path, None, cluster)
    assert 1 <= len(put) == len(set(put)) <= 5
    assert set(put) <= begun
    assert record(path) == record(serial)
    assert 4 <= len(states(path)) <= 8
    assert states(path).items() <= states(serial).items()


def test_what_trainings_leave_is_read_by_workers_that_see_the_folder(
    cluster: RayCluster, experienced: Path, tmp_path: Path
) -> None:
    options = {
        "population": "2",
        "epochs": "4",
        "step": "2",
        "parents": "1",
        "survivors": "0.5",
        "experience": "shared",
    }
    limits = replace(limits_for("pbt_nas", options), queries=3)
    wanted = Request("pbt_nas", ProblemSpec(str(experienced)), 0, limits, options)
    one, two = tmp_path / "one", tmp_path / "two"
    run_folder(one, wanted, isolate=False)
    run_folder(two, wanted, cluster)
    assert record(one) == record(two) and record(two)[2].report["files"] == 2
    assert states(one) == states(two)
    assert sum(name.endswith(".experience") for name in states(two)) == 2


def test_runs_of_a_group_go_one_after_another(cluster: RayCluster, planted: Path, tmp_path: Path) -> None:
    spec = ProblemSpec(str(planted))
    requests = {f"seed-{seed}": Request("random", spec, seed, Limits(3, width=2)) for seed in range(2)}
    found = run_group(Group.create(tmp_path / "group", requests), replace(cluster, workers=1))
    expected = [run_folder(tmp_path / name, request, isolate=False) for name, request in requests.items()]
    for report, other in zip(found, expected, strict=True):
        assert isinstance(report, RunReport)
        assert report.path is not None and other.path is not None
        assert record(report.path) == record(other.path)
