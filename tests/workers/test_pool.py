"""Worker processes that fail in every way there is."""

from __future__ import annotations

import importlib
import multiprocessing as mp
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from archloom.errors import InputError
from archloom.executors.backends import Processes
from archloom.workers import pool
from archloom.workers.pool import Answer, News, WorkerError, WorkerPool

WaitUntil = Callable[..., None]

WORKS = """
import multiprocessing, os, signal, sys, threading, time
from functools import partial
from pathlib import Path


def setup():
    return work


def setup_fails():
    raise RuntimeError("no table")


def setup_dies():
    os._exit(5)


def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return work


def work(payload, send):
    kind, value = payload
    if kind == "news":
        for number in range(value):
            send(number)
    if kind == "pid":
        return os.getpid()
    if kind == "print":
        print("loud", flush=True)
    if kind == "raise":
        raise ValueError(value)
    if kind == "exit":
        os._exit(value)
    if kind == "kill":
        os.kill(os.getpid(), value)
    if kind == "orphan":
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        child.start()
        os.setpgid(child.pid, child.pid)  # or it would be ended with its parent's group
        with open(value, "a") as file:
            file.write(f"{child.pid} ")
        os._exit(7)
    if kind == "subprocess":
        import subprocess

        child = subprocess.Popen(["sleep", "60"])
        Path(value).write_text(str(child.pid))
        child.wait()
    if kind == "method":
        return multiprocessing.get_start_method()
    if kind == "child":
        with multiprocessing.get_context("spawn").Pool(1) as own:
            return own.apply(abs, (-value,))
    if kind == "lambda":
        return lambda: value
    if kind == "half":
        pipe = next(c.cell_contents for c in send.__closure__ if hasattr(c.cell_contents, "fileno"))
        os.write(pipe.fileno(), b"\\0\\0\\1\\0half a message")
        os._exit(6)
    if kind == "once":
        with open(value, "a") as file:
            file.write("x")
        if Path(value).read_text() == "x":
            os._exit(1)
    if kind == "sleep":
        if value[0]:
            Path(value[0]).write_text(str(os.getpid()))
        time.sleep(value[1])
    return value
"""


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of work functions that spawned workers can import too: they are given this process's sys.path."""
    (tmp_path / "pool_works.py").write_text(WORKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "pool_works", raising=False)
    yield importlib.import_module("pool_works")
    sys.modules.pop("pool_works", None)


@pytest.fixture
def open_pool(works: Any) -> Iterator[Callable[..., WorkerPool]]:
    pools: list[WorkerPool] = []

    def make(workers: int = 1, setup: str = "setup") -> WorkerPool:
        pools.append(WorkerPool(getattr(works, setup), workers))
        return pools[-1]

    yield make
    for each in pools:
        each.close()


def everything(workers: WorkerPool) -> list[Answer | News]:
    events: list[Answer | News] = []
    while new := workers.wait():
        events += new
    return events


def test_answers_news_and_errors(open_pool: Callable[..., WorkerPool]) -> None:
    workers = open_pool()
    assert list(workers.wait()) == []
    workers.submit(7, ("news", 3))
    workers.submit(8, ("raise", "bad layer"))
    workers.submit(9, ("plain", {"a": [1, 2]}))
    events = everything(workers)
    assert events[:4] == [News(7, 0), News(7, 1), News(7, 2), Answer(7, 3)]
    failed = events[4]
    assert isinstance(failed, Answer) and failed.task == 8
    assert failed.error is not None and failed.error.startswith("ValueError: bad layer (work, line ")
    assert events[5:] == [Answer(9, {"a": [1, 2]})]


def test_one_worker_serves_many_tasks_and_no_more_are_started_than_needed(
    open_pool: Callable[..., WorkerPool],
) -> None:
    workers = open_pool(5)
    for task in range(3):
        workers.submit(task, ("pid", None))
        everything(workers)
    workers.submit(3, ("pid", None))
    (answer,) = everything(workers)
    assert isinstance(answer, Answer) and answer.value != os.getpid()
    assert len(workers._workers) == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (("exit", 0), "exit code 0"),
        (("exit", 9), "exit code 9"),
        (("kill", signal.SIGKILL), "killed by SIGKILL"),
        (("kill", signal.SIGRTMIN + 2), f"killed by signal {signal.SIGRTMIN + 2}"),
        (("half", None), "exit code 6"),
    ],
)
def test_a_task_that_kills_its_worker_is_tried_three_times(
    open_pool: Callable[..., WorkerPool], payload: tuple[str, Any], reason: str
) -> None:
    workers = open_pool()
    workers.submit(0, payload)
    workers.submit(1, ("plain", "fine"))
    assert everything(workers) == [
        Answer(0, error=f"the worker died 3 times: {reason}, {reason}, {reason}"),
        Answer(1, "fine"),
    ]


def test_a_task_that_kills_its_worker_once_succeeds(open_pool: Callable[..., WorkerPool], tmp_path: Path) -> None:
    workers = open_pool(2)
    workers.submit(0, ("once", str(tmp_path / "tries")))
    workers.submit(1, ("plain", 1))
    assert sorted(everything(workers), key=lambda e: e.task) == [Answer(0, str(tmp_path / "tries")), Answer(1, 1)]
    assert (tmp_path / "tries").read_text() == "xx"


def test_a_worker_killed_between_tasks_costs_nothing(open_pool: Callable[..., WorkerPool]) -> None:
    workers = open_pool()
    workers.submit(0, ("pid", None))
    (answer,) = everything(workers)
    assert isinstance(answer, Answer)
    os.kill(answer.value, signal.SIGKILL)
    workers._workers[0].process.join()
    workers.submit(1, ("plain", "fine"))
    assert everything(workers) == [Answer(1, "fine")]


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        ("setup_fails", "could not start: RuntimeError: no table"),
        ("setup_dies", r"died while it started \(exit code 5\).*__main__"),
    ],
)
def test_a_worker_that_cannot_start_is_nobodys_task(
    open_pool: Callable[..., WorkerPool], setup: str, message: str
) -> None:
    workers = open_pool(setup=setup)
    workers.submit(0, ("plain", 1))
    with pytest.raises(WorkerError, match=message):
        everything(workers)


def test_a_worker_may_have_children_of_its_own(open_pool: Callable[..., WorkerPool]) -> None:
    workers = open_pool()
    workers.submit(0, ("child", 7))
    assert everything(workers) == [Answer(0, 7)]


def test_an_answer_that_cannot_be_sent_is_the_tasks_error(open_pool: Callable[..., WorkerPool]) -> None:
    workers = open_pool()
    workers.submit(0, ("lambda", 1))
    workers.submit(1, ("plain", "fine"))
    first, second = everything(workers)
    assert isinstance(first, Answer) and (first.error or "").startswith("the answer cannot be sent")
    assert second == Answer(1, "fine"), "and the worker lives on"


def test_what_a_task_prints_is_not_standard_output(
    open_pool: Callable[..., WorkerPool], capfd: pytest.CaptureFixture[str]
) -> None:
    workers = open_pool()
    workers.submit(0, ("print", None))
    everything(workers)
    workers.close()
    captured = capfd.readouterr()
    assert captured.out == "" and "loud" in captured.err


def test_closing_ends_workers_at_work_even_stubborn_ones(
    open_pool: Callable[..., WorkerPool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    monkeypatch.setattr(pool, "END_WITHIN_S", 0.2)
    for setup in ("setup", "stubborn"):
        workers = open_pool(setup=setup)
        started = tmp_path / setup
        workers.submit(0, ("sleep", (str(started), 60)))
        wait_until(partial(written, started))
        process = workers._workers[0].process
        workers.close()
        assert not process.is_alive()
        assert list(workers.wait()) == []


def test_no_workers_is_an_error(works: Any) -> None:
    with pytest.raises(InputError, match="workers=0: expected at least 1"):
        WorkerPool(works.setup, 0)


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
if __name__ == "__main__":
    import pool_works
    from archloom.workers.pool import WorkerPool
    workers = WorkerPool(pool_works.setup, 1)
    workers.submit(0, ("sleep", (sys.argv[2], 60)))
    workers.wait()
"""


def test_workers_end_with_a_parent_that_was_killed(works: Any, tmp_path: Path, wait_until: WaitUntil) -> None:
    script, started = tmp_path / "parent.py", tmp_path / "started"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path), str(started)], start_new_session=True)
    try:
        wait_until(lambda: written(started), parent)
        worker = int(started.read_text())
        parent.kill()
        parent.wait()
        wait_until(lambda: not alive(worker))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()


def written(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_dead_worker_is_noticed_though_its_child_holds_the_pipe(
    open_pool: Callable[..., WorkerPool], tmp_path: Path
) -> None:
    workers = open_pool()
    workers.submit(0, ("orphan", str(tmp_path / "orphans")))
    (answer,) = everything(workers)
    assert isinstance(answer, Answer) and (answer.error or "").startswith("the worker died 3 times: exit code 7")
    orphans = [int(pid) for pid in (tmp_path / "orphans").read_text().split()]
    assert len(orphans) == 3 and all(map(alive, orphans)), "they hold their pipes still"
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)


def test_nothing_that_a_worker_started_outlives_it(
    open_pool: Callable[..., WorkerPool], tmp_path: Path, wait_until: WaitUntil
) -> None:
    workers = open_pool()
    workers.submit(0, ("subprocess", str(tmp_path / "pid")))
    wait_until(lambda: written(tmp_path / "pid"))
    child = int((tmp_path / "pid").read_text())
    os.kill(child, 0)
    workers.close()
    wait_until(lambda: not alive(child))


def test_workers_start_their_children_as_their_parent_would(open_pool: Callable[..., WorkerPool]) -> None:
    import multiprocessing

    workers = open_pool()
    workers.submit(0, ("method", None))
    assert everything(workers) == [Answer(0, multiprocessing.get_all_start_methods()[0])]


def test_a_daemonic_process_is_told_that_it_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mp.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    for start in (partial(WorkerPool, int, 1), Processes(2).ready):
        with pytest.raises(InputError, match="this is a daemonic process of multiprocessing, which may not start"):
            start()
    Processes(1).ready()


def test_workers_start_where_the_main_module_was_standard_input(
    monkeypatch: pytest.MonkeyPatch, open_pool: Callable[..., WorkerPool]
) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__spec__", None)
    monkeypatch.setattr(main, "__file__", "<stdin>", raising=False)
    workers = open_pool()
    workers.submit(0, ("pid", None))
    (answer,) = workers.wait()
    assert isinstance(answer, Answer) and answer.error is None
    assert main.__file__ == "<stdin>"


def test_files_in_the_working_directory_take_no_modules_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("types", "random", "json", "threading", "logging"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('it hides the standard library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    pool = WorkerPool(environment, 1)
    pool.submit(0, "PYTHONSAFEPATH")
    assert [answer.value for answer in pool.wait() if isinstance(answer, Answer)] == [None], "as it was before"
    pool.close()


def environment() -> Callable[[str, Any], str | None]:
    return lambda payload, send: os.environ.get(payload)
