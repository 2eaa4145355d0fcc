"""Whole runs and groups of runs: killed at any moment, on any number of workers, they come out the same."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from archloom.checkpoints.retention import RetentionPolicy
from archloom.errors import InputError, StoreError
from archloom.problems import Problem, ProblemSpec
from archloom.runs import folders, lock, record, search
from archloom.runs.budgets import Limits
from archloom.runs.lock import FolderLock
from archloom.runs.manifest import read_request
from archloom.runs.prepare import Request
from archloom.runs.record import TornTailWarning, TrialRecord, read_lines
from archloom.runs.report import RunReport, read_report, summarise
from archloom.testing import PlantedEvaluator
from archloom.utils import files

Listing = dict[str, bytes | None]


def request_for(
    table: Path, strategy: str = "random", queries: int = 40, width: int = 1, seed: int = 0, **more: Any
) -> Request:
    return Request(strategy, ProblemSpec("nb201", str(table), **more), seed, Limits(queries, width))


def request_of(strategy: Any, queries: int = 40, width: int = 1, seed: int = 0) -> Request:
    """A request of a strategy of the shared fixture."""
    return Request(strategy.name, strategy.problem, seed, Limits(queries, width), strategy.options)


def run_here(path: Path, request: Request | None = None, **how: Any) -> RunReport:
    """A run whose networks, if it trains any, are trained in this process."""
    return folders.run_folder(path, request, isolate=False, **how)


def recorded(path: Path) -> bytes:
    return (path / "trials.jsonl").read_bytes()


def resumed(path: Path, request: Request | None = None) -> RunReport:
    """Go on with a folder that may be torn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return run_here(path, request)


# -- one run ------------------------------------------------------------------------------------------------------


def test_a_run_finds_the_best_of_a_small_table(tmp_path: Path, small_table: Path) -> None:
    report = folders.run_folder(tmp_path / "run", request_for(small_table, "local_search", queries=200))
    assert report.value == 71.0 and report.rank == 1
    best = report.history.best()
    assert best is not None
    assert best.arch == "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|".replace("op", "nor_conv_3x3")
    assert best.report == {"test": 70.0} and best.scores == {"valid": 71.0}
    assert report.ending == "all queries asked" and report.trials >= 200
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary == summarise(report)
    assert summary["best"]["value"] == 71.0 and summary["queries"] == 200
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["table"]["path"] == str(small_table) and len(manifest["table"]["sha256"]) == 64
    assert not (tmp_path / "run" / "holder.json").exists()


def test_in_memory_is_the_same_run(tmp_path: Path, strategy: Any) -> None:
    request = request_of(strategy)
    kept = run_here(tmp_path / "run", request)
    fleeting = folders.run_in_memory(request)
    assert fleeting.history == kept.history and fleeting.path is None
    assert read_report(tmp_path / "run").history == kept.history


def test_the_same_request_gives_the_same_bytes(tmp_path: Path, strategy: Any) -> None:
    for name in ("one", "two"):
        run_here(tmp_path / name, request_of(strategy))
    assert recorded(tmp_path / "one") == recorded(tmp_path / "two")
    run_here(tmp_path / "other", request_of(strategy, seed=1))
    assert recorded(tmp_path / "one") != recorded(tmp_path / "other")


def test_a_mistake_writes_nothing(tmp_path: Path, small_table: Path) -> None:
    for wrong in (
        replace(request_for(small_table), strategy="randon"),
        replace(request_for(small_table), seed=-1),
        replace(request_for(small_table), seed=2**70),
        replace(request_for(small_table), options={"population": 3}),
        request_for(small_table, objectives=("vallid",)),
        request_for(small_table, constraints=("params<=-1",)),
        request_for(tmp_path / "missing.npz"),
    ):
        with pytest.raises(InputError):
            folders.run_folder(tmp_path / "run", wrong)
        assert not (tmp_path / "run").exists()


def test_who_is_killed_as_soon_as_there_is_a_run_goes_on_with_what_was_said_of_its_states(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = record.write_sealed

    def killed(path: Path, content: dict[str, Any]) -> None:
        real(path, content)
        if path.name == "run.json":
            raise KeyboardInterrupt

    monkeypatch.setattr(record, "write_sealed", killed)
    request = Request("random", ProblemSpec(str(trained)), 0, Limits(2))
    with pytest.raises(KeyboardInterrupt):
        folders.run_folder(tmp_path / "run", request, isolate=False, overrides={"keep": 2, "disk_budget": 5_000})
    assert read_request(tmp_path / "run").limits.queries == 2
    assert RetentionPolicy.read(tmp_path / "run") == RetentionPolicy(2, 5_000)


def test_a_folder_goes_on_with_its_own_request_only(tmp_path: Path, small_table: Path) -> None:
    request = request_for(small_table)
    folders.run_folder(tmp_path / "run", request)
    before = recorded(tmp_path / "run")
    folders.run_folder(tmp_path / "run", request)
    with pytest.raises(InputError, match="holds another run"):
        folders.run_folder(tmp_path / "run", replace(request, seed=1))
    assert recorded(tmp_path / "run") == before
    assert read_request(tmp_path / "run") == request


def test_a_finished_run_gives_its_result_again(tmp_path: Path, strategy: Any) -> None:
    first = run_here(tmp_path / "run", request_of(strategy))
    before = recorded(tmp_path / "run")
    heard: list[TrialRecord] = []
    again = run_here(tmp_path / "run", progress=heard.extend)
    assert again.history == first.history and again.ending == first.ending and heard == []
    assert again.seconds == pytest.approx(first.seconds, abs=1e-3), "nothing was searched"
    assert recorded(tmp_path / "run") == before


def test_what_evaluations_need_is_prepared_unless_nothing_is_left(
    tmp_path: Path, small_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[int] = []
    monkeypatch.setattr(Problem, "prepare", lambda problem: prepared.append(len(prepared)))
    request = request_for(small_table, queries=4)
    run_here(tmp_path / "run", request)
    assert prepared == [0]
    run_here(tmp_path / "run", request)
    assert prepared == [0], "the run has ended"
    run_here(tmp_path / "run", limits=Limits(6))
    assert prepared == [0, 1]


@pytest.mark.parametrize(
    ("strategy_name", "limits", "ending"),
    [
        ("random", Limits(10_000, max_repeats=10_000), "every architecture of the space asked"),
        ("random_walk", Limits(10_000, max_repeats=3), "the strategy asks only for architectures it knows"),
    ],
)
def test_an_ended_run_stays_ended(
    tmp_path: Path, small_table: Path, strategy_name: str, limits: Limits, ending: str
) -> None:
    request = replace(request_for(small_table, strategy_name), limits=limits)
    assert folders.run_folder(tmp_path / "run", request).ending == ending
    before = recorded(tmp_path / "run")
    assert folders.run_folder(tmp_path / "run").ending == ending
    (tmp_path / "run" / "state.npz").unlink()
    assert folders.run_folder(tmp_path / "run").ending == ending
    assert recorded(tmp_path / "run") == before


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("width", [1, 4])
def test_workers_change_nothing(tmp_path: Path, planted: Path, width: int, workers: int) -> None:
    request = Request("evolution", ProblemSpec(str(planted)), 3, Limits(24, width), {"population": 8, "sample": 3})
    serial = folders.run_folder(tmp_path / "serial", request)
    parallel = folders.run_folder(tmp_path / "parallel", request, workers=workers)
    assert parallel.history == serial.history
    assert read_lines(tmp_path / "parallel") == read_lines(tmp_path / "serial")
    assert folders.run_folder(tmp_path / "parallel").history == serial.history, "and others can go on with it"


# -- killed -------------------------------------------------------------------------------------------------------

KILLER = '''
"""Forks children that go on with a run, and kills each after a random number of trials and a random time. Answers each
line of JSON, a folder, a number of kills and requests, with a line that says what it saw."""
import json, os, random, signal, sys, time, warnings
from pathlib import Path

import msgspec
from archloom.runs import folders, record, search
from archloom.runs.prepare import Preparer, Request

record.COMMIT_EVERY_S = 0.0  # every trial is a commit of its own
search.SAVE_EVERY_S = 0.0  # and many a trial a checkpoint
search.SAVE_SHARE = 0.3
os.fsync = lambda file: None  # a kill loses nothing that was written, and a busy disk would make this take minutes
warnings.simplefilter("ignore")  # torn tails


def files_of(path):
    return {file.name: file.read_bytes() for file in path.glob("weights/*")}


def child(request, path, told, overrides):
    pid = os.fork()
    if pid:
        return pid
    try:
        folders.run_folder(
            path, request, isolate=False, overrides=overrides,
            progress=lambda lines: os.write(told, b"".join(b"%d " % x.id for x in lines)),
        )
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(1)


def killed_again_and_again(request, home, kills, overrides):
    started = time.monotonic()
    assert os.waitpid(child(request, home / "whole", os.open(os.devnull, os.O_WRONLY), {}), 0)[1] == 0
    whole = (home / "whole" / "trials.jsonl").read_bytes()
    each = (time.monotonic() - started) / whole.count(b"\\n")
    rng, killed, finished, torn, seen = random.Random(request.strategy), 0, 0, 0, []
    path = home / "run-0"
    while killed < kills:
        reader, writer = os.pipe()
        pid = child(request, path, writer, overrides)
        os.close(writer)
        told, wanted, more = b"", rng.randrange(1, 30) if len(seen) % 2 else 0, b" "
        while more and told.count(b" ") < wanted:
            told += (more := os.read(reader, 1 << 16))
        time.sleep(rng.uniform(0, 5 * each))
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        while more := os.read(reader, 1 << 16):
            told += more
        os.close(reader)
        content = (path / "trials.jsonl").read_bytes() if (path / "trials.jsonl").exists() else b""
        good = content[: content.rfind(b"\\n") + 1]
        torn += good != content
        seen.append(len(good))
        assert whole.startswith(good), "the record is not the beginning of the whole one"
        taken = sum(file.stat().st_size for file in path.glob("weights/*"))
        assert taken <= overrides.get("disk_budget", taken), "it has taken more room than it may"
        ids = {json.loads(line)["id"] for line in good.splitlines()}
        assert ids.issuperset(map(int, told.split())), "what was reported done is not on disk"
        if os.WIFSIGNALED(status):
            killed += 1
        else:
            assert os.WEXITSTATUS(status) == 0, "a run could not go on"
        if good == whole or killed == kills:
            assert os.waitpid(child(request, path, os.open(os.devnull, os.O_WRONLY), overrides), 0)[1] == 0
            assert (path / "trials.jsonl").read_bytes() == whole, "the record is another one"
            assert files_of(path) == files_of(home / "whole"), "states, or what else trials left, are others"
            finished += 1
            path = home / f"run-{finished}"
    return {"killed": killed, "finished": finished, "torn": torn, "lengths": len(set(seen))}


for line in sys.stdin:
    home, kills, requests, overrides = msgspec.json.decode(line, type=tuple[str, int, list[Request], dict[str, int]])
    Preparer().check(requests[0])  # imports before the forks
    homes = [Path(home) / str(number) for number in range(len(requests))]
    print(json.dumps([killed_again_and_again(*each, kills, overrides) for each in zip(requests, homes)]), flush=True)
'''


@pytest.fixture(scope="module")
def killer(process: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """What a process that kills saw. It is one for all strategies, as it takes seconds to import PyTorch: what it kills
    are children of its own."""
    errors = tmp_path_factory.mktemp("killer") / "errors"
    with errors.open("w") as stderr, process("-c", KILLER, stdin=subprocess.PIPE, stderr=stderr) as there:

        def ask(*what: Any) -> Any:
            there.stdin.write(f"{msgspec.json.encode(what).decode()}\n")
            there.stdin.flush()
            answer = there.stdout.readline()
            assert answer, errors.read_text()
            return json.loads(answer)

        yield ask


def test_killed_at_random_instants(killer: Callable[..., Any], tmp_path: Path, strategy: Any) -> None:
    """Over all strategies more than 100 kills; every run that was killed comes out byte for byte the same."""
    kills, requests = 4, [request_of(strategy, queries=100, width=width) for width in (1, 3)]
    for seen in killer(str(tmp_path), kills, requests, {}):
        assert seen["killed"] == kills and seen["finished"] >= 1
        assert seen["lengths"] > 2, f"the kills all came at the same point: {seen}"


def test_killed_while_it_leaves_experience_with_little_room(
    killer: Callable[..., Any], experienced: Path, tmp_path: Path
) -> None:
    """Killed 12 times in all, while collecting, learning and writing; its files come out the same, and never take more
    room than they may."""
    options = {"population": "4", "epochs": "20", "step": "2"}
    limits, problem = Limits(34, width=4), ProblemSpec(str(experienced))  # at the end of a training no experience stays
    requests = [
        Request("pbt_nas", problem, seed, limits, {**options, "experience": whose})
        for seed, whose in enumerate(("donor", "shared"))
    ]
    for seen in killer(str(tmp_path), 6, requests, {"disk_budget": 20_000}):
        assert seen["killed"] == 6 and seen["finished"] >= 1
        assert seen["lengths"] > 3, f"the kills all came at the same points: {seen}"


class Crash(BaseException):
    """The power is gone."""


class DyingOs:
    """The os module until call number `at` of write, fsync and ftruncate; that one and all later ones crash.

    A write that crashes has written a part of its bytes, an fsync all that was before it.
    """

    def __init__(self, at: int) -> None:
        self.calls, self._at = 0, at

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _live(self) -> bool:
        self.calls += 1
        return self.calls <= self._at

    def write(self, file: int, content: memoryview) -> int:
        if not self._live():
            if self.calls == self._at + 1:
                os.write(file, content[: len(content) * 2 // 3])
            raise Crash
        return os.write(file, content)

    def fsync(self, file: int) -> None:
        if not self._live():
            raise Crash

    def ftruncate(self, file: int, size: int) -> None:
        if not self._live():
            raise Crash
        os.ftruncate(file, size)


def use_os(monkeypatch: pytest.MonkeyPatch, proxy: DyingOs) -> None:
    for module in (record, files):
        monkeypatch.setattr(module, "os", proxy)


@pytest.mark.parametrize("width", [1, 3])
def test_crashed_at_every_commit_boundary(
    tmp_path: Path, strategy: Any, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "COMMIT_EVERY_S", 0.0)
    monkeypatch.setattr(search, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(search, "SAVE_SHARE", float("inf"))
    request = request_of(strategy, queries=4, width=width)
    counter = DyingOs(10**9)
    use_os(monkeypatch, counter)
    run_here(tmp_path / "whole", request)
    assert counter.calls > 20
    for at in range(counter.calls):
        path = tmp_path / f"run-{at}"
        use_os(monkeypatch, DyingOs(at))
        with pytest.raises(Crash), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            run_here(path, request)
        use_os(monkeypatch, DyingOs(10**9))
        resumed(path, request)
        assert recorded(path) == recorded(tmp_path / "whole"), f"crashed at call {at} of {counter.calls}"


def test_torn_at_random_offsets(tmp_path: Path, strategy: Any) -> None:
    """The record loses its tail, the checkpoint its end or everything: the run is the same.

    No crash tears as much: a run in which states are inherited could not go on from so far back, had it not kept all.
    """
    path, rng = tmp_path / "run", np.random.default_rng(0)
    run_here(path, request_of(strategy), overrides={"keep": None} if strategy.trains else {})
    whole, state = recorded(path), (path / "state.npz").read_bytes()
    for attempt in range(9):
        (path / "trials.jsonl").write_bytes(whole[: int(rng.integers(len(whole) + 1))])
        if attempt % 3 == 0:
            (path / "state.npz").unlink()
        else:
            (path / "state.npz").write_bytes(state[: int(rng.integers(len(state) + 1))] if attempt % 3 == 1 else state)
        resumed(path)
        assert recorded(path) == whole
    (path / "trials.jsonl").unlink()
    resumed(path)
    assert recorded(path) == whole


def test_a_torn_tail_is_told(tmp_path: Path, small_table: Path) -> None:
    folders.run_folder(tmp_path / "run", request_for(small_table))
    with (tmp_path / "run" / "trials.jsonl").open("ab") as file:
        file.write(b'{"id":40,')
    with pytest.warns(TornTailWarning, match=r"last 9 bytes were torn by a crash .* \d+ committed trials are intact"):
        folders.run_folder(tmp_path / "run")


def test_a_full_disk_stops_a_run_that_then_goes_on(
    tmp_path: Path, strategy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    request = request_of(strategy)
    run_here(tmp_path / "whole", request)
    monkeypatch.setattr(record, "COMMIT_EVERY_S", 0.0)
    real, room = os.write, [9]

    def write(file: int, content: memoryview) -> int:
        room[0] -= 1
        if room[0] < 0:
            real(file, content[:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, content)

    with monkeypatch.context() as patch:
        patch.setattr(record.os, "write", write)
        with pytest.raises(StoreError, match="No space left on device; free some space, then: archloom resume"):
            run_here(tmp_path / "run", request)
    assert len(read_lines(tmp_path / "run")) == 9, "what was committed is intact"
    assert read_report(tmp_path / "run").ending is None
    run_here(tmp_path / "run")  # no warning: there is no torn tail
    assert recorded(tmp_path / "run") == recorded(tmp_path / "whole")


# -- evaluators that misbehave ------------------------------------------------------------------------------------

MISBEHAVING = """
import os, signal, sys
import archloom
from pathlib import Path

HERE = Path(__file__).parent

def evaluate(choices):
    kind = choices["kind"]
    if kind == "nan":
        return float("nan")
    if kind == "inf":
        return float("inf")
    if kind == "raises":
        raise ValueError("two\\nlines")
    if kind == "exits":
        sys.exit(3)
    if kind == "text":
        return {"score": "high"}
    if kind == "nothing":
        return None
    if kind == "stray":
        return {"score": 1, "socre": 2}
    if kind == "absent":
        return {}
    if kind in ("dies", "killed", "once"):
        with open(HERE / kind, "a") as file:
            file.write("x")
        if kind == "dies":
            os._exit(7)
        if kind == "killed" or len((HERE / kind).read_text()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    return choices["number"]

problem = archloom.Problem(
    archloom.Categorical({"kind": %r, "number": [1, 2, 3]}), evaluate, {"score": "max"}
)
"""

REASONS = {
    "nan": "score is nan",
    "inf": "score is inf",
    "raises": "ValueError: two lines",
    "exits": "SystemExit: 3",
    "text": "InputError: metric 'score': expected a number, got a str (could not convert string to float: 'high')",
    "nothing": "InputError: the function returned None: return a number, or a dict of metrics",
    "stray": "InputError: metric 'socre' is neither in goals nor in report",
    "absent": "the evaluator gave no score named score",
    "fine": None,
}


def test_what_fails_is_a_failed_trial_and_never_the_best(tmp_path: Path) -> None:
    problem = tmp_path / "problem.py"
    problem.write_text(MISBEHAVING % list(REASONS))
    request = Request("random", ProblemSpec(str(problem)), 0, Limits(100))
    report = folders.run_folder(tmp_path / "run", request)
    assert report.ending == "every architecture of the space asked"
    found: dict[str, set[str | None]] = {}
    for line in report.history.lines:
        found.setdefault(line.arch.split(",")[0].removeprefix("kind="), set()).add(line.error)
    assert found == {kind: {reason} for kind, reason in REASONS.items()}
    assert report.value == 3.0 and len(report.history.failed) == 24
    assert all(line.scores == {} for line in report.history.failed)


def test_a_dead_worker_is_replaced_three_times_at_most(tmp_path: Path) -> None:
    problem = tmp_path / "problem.py"
    problem.write_text((MISBEHAVING % ["dies", "killed", "once", "fine"]).replace("[1, 2, 3]", "[1]"))
    request = Request("random", ProblemSpec(str(problem)), 0, Limits(4, width=2))
    report = folders.run_folder(tmp_path / "run", request, workers=2)
    errors = {line.arch: line.error for line in report.history.lines}
    assert errors == {
        "kind=dies, number=1": "the worker died 3 times: exit code 7, exit code 7, exit code 7",
        "kind=killed, number=1": "the worker died 3 times: killed by SIGKILL, killed by SIGKILL, killed by SIGKILL",
        "kind=once, number=1": None,
        "kind=fine, number=1": None,
    }
    assert [(tmp_path / kind).read_text() for kind in ("dies", "killed", "once")] == ["xxx", "xxx", "xx"]
    assert report.value == 1.0


def test_numbers_of_any_type_can_be_written_down(tmp_path: Path) -> None:
    """Evaluators of the user's own answer with numpy's numbers, NaN costs and reports of what was not measured."""
    problem = tmp_path / "problem.py"
    problem.write_text(
        """
import numpy as np
import archloom
from archloom.testing import PlantedEvaluator, PlantedSpace

class Mine(PlantedEvaluator):
    def evaluate(self, proposal, weights, rng):
        report = {"test": np.float32(1.5), "count": np.int64(3), "unmeasured": np.float64("nan")}
        return archloom.Result({"worth": np.float64(2.5)}, report, cost_s=float("nan")), None

problem = archloom.Problem(PlantedSpace(), Mine(), {"worth": "max"})
"""
    )
    request = Request("random", ProblemSpec(str(problem)), 0, Limits(3))
    folders.run_folder(tmp_path / "run", request)
    for line in read_lines(tmp_path / "run"):
        assert line.scores == {"worth": 2.5} and line.report == {"test": 1.5, "count": 3.0} and line.cost_s == 0.0


def test_an_evaluator_without_the_goal_is_refused() -> None:
    from archloom.problems import Problem
    from archloom.testing import PlantedSpace

    with pytest.raises(InputError, match="unknown goal 'wroth'; did you mean 'worth'"):
        Problem(PlantedSpace(), PlantedEvaluator(), {"wroth": "max"})


def test_a_request_is_plain_data(small_table: Path) -> None:
    request = request_for(small_table, constraints=("params<=3",))
    assert msgspec.json.decode(msgspec.json.encode(request), type=Request) == request


# -- what a run was made with --------------------------------------------------------------------------------------


def test_a_problem_file_imports_its_neighbours_in_workers_too(tmp_path: Path, mine: ProblemSpec) -> None:
    report = folders.run_folder(tmp_path / "run", Request("random", mine, 0, Limits(9)))
    assert report.value == 90.0 and not report.history.failed


def test_of_two_that_start_in_one_folder_the_second_is_told(
    tmp_path: Path, small_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one waits for the lock, as long as the first one takes to begin and end."""
    monkeypatch.setattr(lock, "GRACE_S", 60.0)
    request, path = request_for(small_table), tmp_path / "run"
    path.mkdir()
    taken = FolderLock.take(path)
    second: list[BaseException] = []

    def start() -> None:
        try:
            folders.run_folder(path, replace(request, seed=5))
        except InputError as error:
            second.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    time.sleep(0.1)
    (path / "run.json").write_text("{}")
    taken.release()
    thread.join()
    assert len(second) == 1 and "already holds a run" in str(second[0])
    assert (path / "run.json").read_text() == "{}", "nothing was written over"
