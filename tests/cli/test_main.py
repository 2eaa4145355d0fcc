"""The front door: every mistake is one line and exit code 2, whatever is typed."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archloom.cli.main import TRACEBACK, VERBS, Exit, LazyGroup, _show_warning, run
from archloom.errors import InputError, Notice, StoreError


@pytest.fixture
def archloom(process: Any) -> Any:
    """Starts an archloom command."""
    return lambda *arguments, **how: process("-m", "archloom", *arguments, **how)


# -- bad input ----------------------------------------------------------------------------------------------------

TABLE = object()  # stands for the small table below


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("serch", ["unknown command 'serch'", "did you mean 'search'"]),
        ("frobnicate", ["unknown command 'frobnicate'", "known: agent, best, compare"]),
        ("--frobnicate", ["unknown option '--frobnicate'"]),
        ("search", ["no table for nb201 on this machine"]),  # what is searched on, and how, have defaults
        ("search random --quires 3", ["unknown option '--quires'", "did you mean '--queries'"]),
        ("search random evolution", ["unexpected extra argument", "evolution"]),
        ("search random --queries", ["'--queries' requires an argument"]),
        ("search random --queries many", ["'many' is not a valid int"]),
        ("search random --queries 1.5", ["'1.5' is not a valid int"]),
        ("search randon TABLE", ["unknown strategy 'randon'", "did you mean 'random'"]),
        ("search random --on nb20", ["unknown benchmark 'nb20'", "did you mean 'nb201'"]),
        ("search random --on nbgraph", ["needs a dataset", "nbgraph:cora"]),
        ("search random", ["nb201", "archloom"]),
        ("search random --on missing.py", ["there is no file missing.py"]),
        ("search random --on table", ["--on table needs --table FILE"]),
        ("search random TABLE --objective vald", ["unknown objective 'vald'", "did you mean 'valid'"]),
        ("search random TABLE --objective valid --objective valid", ["each metric may be named once"]),
        ("search random TABLE --report tset", ["unknown metric to report 'tset'", "did you mean 'test'"]),
        ("search random TABLE --constraint parms<=3", ["metric in a constraint 'parms'", "did you mean 'params'"]),
        ("search random TABLE --constraint params<3", ["constraint 'params<3': expected METRIC<=NUMBER"]),
        ("search random TABLE --constraint params<=many", ["'many' is not a finite number"]),
        ("search random TABLE --constraint params<=nan", ["'nan' is not a finite number"]),
        ("search random TABLE --constraint params<=inf", ["'inf' is not a finite number"]),
        ("search random TABLE --constraint params<=-1", ["no architecture in", "meets it", "runs from 0 to 6"]),
        ("search random TABLE --constraint params<=0 --constraint valid>=60", ["together with the others"]),
        ("search random TABLE --queries 0", ["queries=0: expected a whole number of at least 1"]),
        ("search random TABLE --queries -1", ["queries=-1"]),
        ("search random TABLE --width 0", ["width=0"]),
        ("search random TABLE --max-repeats 0", ["max_repeats=0"]),
        ("search random TABLE --workers 0", ["--workers 0: expected at least 1"]),
        ("search random TABLE --workers -3", ["--workers -3"]),
        ("search random TABLE --seeds 0", ["--seeds 0: expected 1 to 10000"]),
        (f"search random TABLE --seeds {2**70}", ["expected 1 to 10000"]),
        ("search random TABLE --seed -1", ["seed -1: expected a whole number from 0"]),
        (f"search random TABLE --seed {2**70}", [f"seed {2**70}: expected a whole number from 0"]),
        ("search random TABLE --seed 1 --seeds 2", ["give only one of them"]),
        ("search random TABLE --set population=3", ["unknown strategy random option 'population'"]),
        ("search evolution TABLE --set populaton=3", ["'populaton'", "did you mean 'population'"]),
        ("search evolution TABLE --set population=many", ["population=many: expected a whole number"]),
        ("search evolution TABLE --set population=3", ["population=3, sample=10: expected sample <= population"]),
        (f"search evolution TABLE --set population={10**30}", ["expected a whole number from 1 to 1,000,000"]),
        ("search evolution TABLE --set population=30 --set population=40", ["is given twice: 30 and 40"]),
        ("search evolution TABLE --set population", ["expected NAME=VALUE"]),
        ("search evolution TABLE --set =", ["expected NAME=VALUE"]),
        ("search evolution TABLE --set population=", ["expected NAME=VALUE"]),
        ("search evolution TABLE --set space.canonicle=true", ["unknown space option", "did you mean 'canonical'"]),
        ("search evolution TABLE --set space.canonical=perhaps", ["canonical=perhaps: expected true or false"]),
        ("search random TABLE --out full", ["already holds a run", "archloom resume full"]),
        ("search random TABLE --seeds 2 --out full", ["already holds a run"]),
        ("search random TABLE --out group", ["already holds runs", "archloom resume group"]),
        ("search random TABLE --out file", ["file is a file", "--out"]),
        ("search random TABLE --out file/below", ["file is a file"]),
        ("compare", ["Missing argument '[LABEL=]STRATEGY...'"]),
        ("compare random random TABLE", ["each may be given once"]),
        ("compare random evolutoin TABLE", ["unknown strategy 'evolutoin'", "did you mean 'evolution'"]),
        ("compare random evolution TABLE --seeds 0", ["--seeds 0"]),
        (
            "compare random evolution TABLE --set population=5",
            ["evolution has such an option, random has not", "expected evolution.population"],
        ),
        (
            "compare random evolution TABLE --set cadem.x=5",
            ["expected random.x or evolution.x for one strategy"],
        ),
        (
            "compare random evolution TABLE --set popul=5",
            ["unknown option of random and evolution 'popul'"],
        ),
        ("compare random evolution TABLE --set random.population=5", ["unknown strategy random option 'population'"]),
        ("compare random TABLE --out full", ["already holds a run"]),
        ("compare random a=random A=random TABLE", ["each may be given once", "give labels: A other=random"]),
        ("compare a/b=random TABLE", ["a/b=random: expected LABEL=STRATEGY"]),
        ("compare =random TABLE", ["=random: expected LABEL=STRATEGY"]),
        ("compare ..=random TABLE", ["expected LABEL=STRATEGY"]),
        ("compare a=randon TABLE", ["unknown strategy 'randon'"]),
        ("search nb201", ["strategy 'nb201': that is no strategy but what to search on: --on nb201"]),
        ("search images:digits", ["what to search on: --on images:digits"]),
        ("compare random nbgraph:cora TABLE", ["what to search on: --on nbgraph:cora"]),
        ("compare space=random TABLE", ["--set space.NAME is an option of the space"]),
        (
            "compare a=evolution TABLE --set evolution.population=50",
            ["expected a.population for one strategy, or population for all"],
        ),
        ("resume group", ["group/group.json names no runs"]),
        ("resume missing", ["missing is not a run folder"]),
        ("resume file", ["file is a file: expected a run folder"]),
        ("resume other", ["other/run.json is not from an archloom run"]),
        ("resume full --workers 0", ["--workers 0"]),
        ("status missing", ["missing is not a run folder"]),
        ("status damaged", ["damaged/group.json is damaged"]),
        ("best missing", ["missing is not a run folder"]),
        ("best other", ["other/run.json is not from an archloom run"]),
        ("export full", ["Missing option '-o'"]),
        ("export full -o best.txt", ["expected a file ending in .py, .safetensors, .onnx, .json"]),
        ("export full -o nowhere/best.json", ["there is no folder nowhere"]),
        ("export full -o file/best.json", ["there is no folder file"]),
        ("plot full --kind anytme", ["unknown kind of plot 'anytme'", "did you mean 'anytime'"]),
        ("plot full -o x.jpg", ["x.jpg: expected a name that ends in .png"]),
        ("plot missing -o x.jpg", ["x.jpg: expected a name that ends in .png"]),
        ("list randm", ["unknown strategy, space, task or benchmark 'randm'", "did you mean 'random'"]),
        ("data verify missing.npz", ["missing.npz: no such file"]),
        ("data verify full", ["full: is a folder"]),
        ("data fetch nb2O1", ["unknown benchmark 'nb2O1'", "did you mean 'nb201'"]),
        ("data convert file -o out.txt", ["expected a file ending in .npz"]),
        ("data convert missing -o out.npz", ["missing"]),
        ("doctor now", ["unexpected extra argument"]),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    cli: Any, small_table: Path, command: str, says: list[str]
) -> None:
    home: Path = cli.home
    for folder, file, content in (
        ("full", "run.json", '{"format": 1}'),
        ("group", "group.json", '{"format": 1, "members": {}}'),
        ("damaged", "group.json", "not JSON"),
        ("other", "run.json", '{"name": "a package"}'),
    ):
        (home / folder).mkdir()
        (home / folder / file).write_text(content)
    (home / "file").write_text("mine")
    arguments: list[str] = []
    for word in command.split():
        arguments += ["--on", "nb201", "--table", str(small_table)] if word == "TABLE" else [word]
    cli.refuses(*arguments, says=says)


def test_an_empty_name_is_not_the_current_folder(cli: Any, small_table: Path) -> None:
    """As of a shell variable that is not set."""
    for verb in ("search", "compare"):
        cli.refuses(verb, "random", "--on", "nb201", "--table", small_table, "--out", "", says=["--out ''", "runs/"])
    cli.refuses("search", "random", "--on", "nb201", "--table", "", says=["--table ''"])


def damaged_tables(good: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "text": b"genes: 1 2 3",
        "cut": good[: len(good) // 2],
        "zeros": bytes(1000),
        "flipped": good[:200] + bytes([good[200] ^ 0xFF]) + good[201:],
    }


def test_a_damaged_table_is_bad_input(cli: Any, small_table: Path) -> None:
    for name, content in damaged_tables(small_table.read_bytes()).items():
        (cli.home / f"{name}.npz").write_bytes(content)
        for on in ("nb201", "table"):
            cli.refuses("search", "random", "--on", on, "--table", f"{name}.npz", says=[f"{name}.npz"])
    cli.refuses("search", "random", "--table", ".", says=["is a folder"])
    cli.refuses("search", "random", "--table", "missing.npz", says=["missing.npz: no such file"])


def test_a_table_of_the_wrong_shape_is_bad_input(cli: Any, small_table: Path) -> None:
    import numpy as np

    with np.load(small_table) as arrays:
        content = dict(arrays)
    for name, wrong in {
        "short": {"valid": content["valid"][:5]},
        "cube": {"valid": np.zeros((729, 2, 2))},
        "texts": {"valid": np.array(["a"] * 729)},
        "twice": {"genes": np.zeros_like(content["genes"])},
        "stray": {"more": content["valid"]},
        "meta": {"meta": np.array("{}")},
    }.items():
        np.savez(cli.home / f"{name}.npz", **{**content, **wrong})
        cli.refuses("search", "random", "--on", "nb201", "--table", f"{name}.npz", says=[f"{name}.npz"])
    missing = {name: array for name, array in content.items() if name != "genes"}
    np.savez(cli.home / "missing.npz", **missing)
    cli.refuses("search", "random", "--table", "missing.npz", says=["no array 'genes'"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("problem = 3", "problem in mine.py is a int: expected an archloom.Problem"),
        ("x = 3", "mine.py defines no 'problem'"),
        ("def problem():\n    raise OSError('no data')", "OSError: no data"),
        ("import sys\nsys.exit('done')", "SystemExit: done"),
        ("a b c", "SyntaxError"),
        ("problem = archloom.Problem(3, len, {'a': 'max'})", "expected a search space"),
        ("problem = archloom.Problem(archloom.Categorical({'a': [1]}), len, {'a': 'more'})", "'max' or 'min'"),
        ("problem = archloom.Problem(archloom.Categorical({}), len, {'a': 'max'})", "at least one choice"),
    ],
)
def test_a_problem_that_cannot_be_loaded_is_bad_input(cli: Any, content: str, says: str) -> None:
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        (cli.home / "mine.py").write_text(f"import archloom\n{content}\n")
        cli.refuses("search", "random", "--on", "mine.py", says=[says])
    finally:
        sys.dont_write_bytecode = before


# -- the fuzzer ---------------------------------------------------------------------------------------------------

words = st.sampled_from(
    ["random", "evolution", "randum", "nb201", "table", "TABLE", "mine.py", "run", "new", ".", "", "-", "--", "-1", "0",
     "1", "3", "1e3", "nan", str(2**70), "valid", "test", "valid<=3", "params>=1", "population=3", "space.canonical=1",
     "=", "a=b", "cell.py", "best.json", "x.png", "\udcff", "é", "a b", "nbgraph:cora", "anytime", "pareto"]
)  # fmt: skip
flags = st.sampled_from(
    ["--on", "--table", "--objective", "--report", "--constraint", "--queries", "--width", "--workers", "--set",
     "--max-repeats", "--out", "--seed", "--seeds", "--json", "--quiet", "--kind", "-o", "--help", "-h", "--version",
     "--frob", "-x", "--file", "--sha256", "--source"]
)  # fmt: skip
verbs = st.sampled_from(
    [*VERBS, "frob", "data verify", "data list", "data convert", "data fetch", "agent train", "agent evaluate",
     "agent resume", "agent show"]
)  # fmt: skip
pairs = st.tuples(flags, words).map(list)
rests = st.lists(pairs | words.map(lambda word: [word]), max_size=5)
lines = st.tuples(verbs.map(str.split), st.lists(words, max_size=2), rests)


@given(lines)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
def test_nothing_that_is_typed_is_a_traceback(
    cli: Any, small_table: Path, planted: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[Any, ...]
) -> None:
    verb, front, rest = line
    arguments = [*verb, *front, *itertools.chain.from_iterable(rest)]
    if verb[0] in ("search", "compare") and "--queries" not in arguments:
        arguments += ["--queries", "12"]
    if verb[0] == "compare" and "--seeds" not in arguments:
        arguments += ["--seeds", "2"]
    if verb[:2] == ["agent", "train"]:
        arguments += ["--set", "steps=20", "--set", "walkers=2"]
    arguments = [{"TABLE": str(small_table), "mine.py": str(planted)}.get(word, word) for word in arguments]
    if "--workers" in arguments and set(arguments) & {"3", str(2**70)}:
        arguments = [word for word in arguments if word != "--workers"]  # processes take their time
    try:
        said = cli(*arguments)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error}")
    assert said.code in set(Exit), said
    if said.code in (Exit.BAD_INPUT, Exit.STOPPED):
        last = said.err.splitlines()[-1]
        assert last.startswith("archloom: "), said
    if said.code == Exit.BAD_INPUT:
        assert said.out == "" and said.err.count("\n") == 1 + said.err.count("archloom: note: "), said


# -- what else may happen -----------------------------------------------------------------------------------------


def raising(error: BaseException) -> Callable[..., Any]:
    def raise_it(*_: Any, **__: Any) -> None:
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a value,\nexpected another"), 2, "archloom: a value, expected another\n"),
        (StoreError("disk full"), 3, "archloom: disk full\n"),
        (OSError(errno.EIO, "Input/output error", "file"), 3, "archloom: file: Input/output error\n"),
        (OSError("strange"), 3, "archloom: strange\n"),
        (
            KeyboardInterrupt(), 130,  # a new line first: the terminal shows ^C
            "\narchloom: interrupted\n",
        ),
    ],
)  # fmt: skip
def test_every_ending_has_its_code(
    cli: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    monkeypatch.setattr("archloom.data.catalog.installed", raising(error))
    said = cli("list")
    assert (said.code, said.err) == (code, line)


def test_help_and_version(cli: Any) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        said = cli(*arguments)
        assert said.code == 0 and all(verb in said.out for verb in VERBS) and said.err == ""
    for verb in VERBS:
        said = cli(verb, "--help")
        assert said.code == 0 and f"archloom {verb}" in said.out
    assert cli("--version").out.startswith("archloom, version ")


def test_help_imports_nothing_heavy() -> None:
    code = "import sys\nfrom archloom.cli.main import run\nrun(['--help'])\nprint('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_reader_that_goes_away_is_no_traceback(
    archloom: Any,
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with archloom("list", stdout=writer) as command:
        os.close(writer)
        _, err = command.communicate(timeout=60)
    assert err == "" and command.returncode == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_is_one_line(archloom: Any) -> None:
    with Path("/dev/full").open("w") as full, archloom("list", stdout=full) as command:
        _, err = command.communicate(timeout=60)
    assert err == "archloom: No space left on device\n" and command.returncode == 3


# -- the real thing -----------------------------------------------------------------------------------------------

SLOW = """
import time
import archloom
from archloom.testing import PlantedEvaluator, PlantedSpace
from pathlib import Path

HOLD, HELD = (Path(__file__).parent / name for name in ("hold", "held"))

class Slow(PlantedEvaluator):
    evaluated = 0

    def evaluate(self, proposal, weights, rng):
        self.evaluated += 1
        while self.evaluated > 8 and HOLD.exists():
            HELD.touch()
            time.sleep(0.01)
        return super().evaluate(proposal, weights, rng)

problem = archloom.Problem(PlantedSpace(), Slow(), {"worth": "max"})
"""


def is_held(record: Path, problem: Path) -> bool:
    """Whether a worker has evaluated 8 and is at its ninth, and something is recorded."""
    return problem.with_name("held").exists() and record.exists() and record.stat().st_size > 0


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_resumed_from_the_command_line(
    archloom: Any, tmp_path: Path, wait_until: Callable[..., None], workers: int
) -> None:
    problem = tmp_path / "slow.py"
    problem.write_text(SLOW)
    asked = ["search", "evolution", "--on", problem, "--queries", 40, "--width", 2, "--set", "population=8",
             "--set", "sample=3", "--workers", workers, "--json"]  # fmt: skip
    with archloom(*asked, "--out", tmp_path / "whole") as command:
        expected = json.loads(command.communicate(timeout=60)[0])
    run, hold = tmp_path / "run", tmp_path / "hold"
    hold.touch()
    with archloom(*asked, "--out", run) as command:
        wait_until(lambda: is_held(run / "trials.jsonl", problem), command)
        with archloom("resume", run) as second:
            _, err = second.communicate(timeout=60)
        assert second.returncode == 3 and "Traceback" not in err
        assert f"is being written by process {command.pid} on {os.uname().nodename}" in err
        with archloom("status", run) as looking:
            assert f"working (process {command.pid} " in looking.communicate(timeout=60)[0]
        command.kill()
        command.wait()
        hold.unlink()
        with archloom("resume", run, "--workers", workers, "--json") as second:
            out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    found = json.loads(out)
    for result in (expected, found):
        for each in result["runs"]:
            del each["seconds"], each["out"]
    assert found == expected
    record, whole = ((folder / "trials.jsonl").read_bytes().splitlines() for folder in (run, tmp_path / "whole"))
    assert sorted(record) == sorted(whole) and (workers > 1 or record == whole)


@pytest.mark.parametrize("seeds", [(), ("--seeds", 2)])
def test_interrupted_from_the_keyboard(
    archloom: Any, tmp_path: Path, wait_until: Callable[..., None], seeds: tuple[object, ...]
) -> None:
    """The folder is told twice: at the start, and with what to type next, which goes on from there."""
    problem = tmp_path / "slow.py"
    problem.write_text(SLOW)
    (tmp_path / "hold").touch()
    folder = Path("runs") / "random-slow"
    run = tmp_path / folder / "seed-0" if seeds else tmp_path / folder
    with archloom("search", "random", "--on", problem, "--queries", 50, *seeds, cwd=tmp_path) as command:
        wait_until(lambda: is_held(run / "trials.jsonl", problem), command)
        command.send_signal(signal.SIGINT)
        _, err = command.communicate(timeout=60)
    assert command.returncode == 130
    begun, empty, told = err.splitlines()
    assert begun == f"run folder: {folder}" and empty == ""
    assert told == (
        f"archloom: interrupted; everything finished so far is on disk; continue with: archloom resume {folder}"
    )
    ids = [json.loads(line)["id"] for line in (run / "trials.jsonl").read_bytes().splitlines()]
    assert ids == list(range(len(ids))) and len(ids) >= 8


def test_interrupted_before_there_is_a_folder(
    cli: Any, small_table: Path, monkeypatch: pytest.MonkeyPatch, listing: Callable[[Path], Any]
) -> None:
    monkeypatch.setattr("archloom.runs.folders.run_folder", raising(KeyboardInterrupt()))
    said = cli("search", "random", "--on", "nb201", "--table", small_table, "--quiet", "--out", "run")
    assert (said.code, said.err) == (130, "\narchloom: interrupted before anything was written\n")
    assert listing(cli.home) == {}


def test_the_command_to_go_on_can_be_pasted(
    cli: Any, small_table: Path, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archloom.runs.groups.run_group", raising(KeyboardInterrupt()))
    said = cli("search", "random", "--on", planted, "--seeds", 2, "--out", "a run")
    assert said.err.endswith("continue with: archloom resume 'a run'\n") and said.err.startswith("run folder: a run\n")


LOUD = """
import ctypes
import os
import subprocess

import archloom

libc = ctypes.CDLL(None)


def shout(where):
    print("python", where)
    os.write(1, f"descriptor {where}\\n".encode())
    subprocess.run(["echo", "child", where], check=True)
    libc.printf(f"library {where}\\n".encode())  # stays in the library's buffer for now


shout("loading")


def evaluate(choices):
    shout("evaluating")
    return choices["a"]


problem = archloom.Problem(archloom.Categorical({"a": [1, 2, 3]}), evaluate, {"score": "max"})
"""


@pytest.mark.parametrize("more", [(), ("--seeds", 2), ("--seeds", 2, "--workers", 2)])
def test_the_object_is_alone_on_standard_output(
    archloom: Any, tmp_path: Path, more: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a user's code, its libraries and its children write."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # it would have the C library write at once
    (tmp_path / "loud.py").write_text(LOUD)
    for asked in (
        ("search", "random", "--on", "loud.py", "--queries", 2, "--out", "run", "--json", *more),
        ("best", "run", "--json"),
        ("resume", "run", "--json"),
    ):
        with archloom(*asked, cwd=tmp_path) as command:
            out, err = command.communicate(timeout=60)
        assert command.returncode == 0, err
        assert out.count("\n") == 1 and json.loads(out)["runs"][0]["best"]["value"] >= 1
        for who in ("python", "descriptor", "child", "library"):
            assert asked[0] != "search" or f"{who} evaluating" in err, err


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, resource.RLIM_INFINITY))
from archloom.cli.main import main
main()
"""


def test_a_disk_that_is_full_is_exit_code_3_and_the_run_goes_on(archloom: Any, tmp_path: Path, planted: Path) -> None:
    """A limit on the size of files: no room for the record's next line."""
    asked = [*map(str, ["search", "random", "--on", planted, "--queries", 200, "--quiet", "--json", "--out"])]
    with archloom(*asked, tmp_path / "whole") as command:
        command.communicate(timeout=60)
    limited = subprocess.run(
        [sys.executable, "-c", LIMITED, *asked, str(tmp_path / "run")], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert limited.returncode == 3 and limited.stdout == ""
    assert limited.stderr == f"archloom: {tmp_path / 'run'}: File too large; what was committed before is intact\n"
    with archloom("resume", tmp_path / "run", "--quiet", "--json") as command:
        _, err = command.communicate(timeout=60)
    assert command.returncode == 0 and err == "", "there was nothing torn"
    assert (tmp_path / "run" / "trials.jsonl").read_bytes() == (tmp_path / "whole" / "trials.jsonl").read_bytes()


# -- the last resort ----------------------------------------------------------------------------------------------


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def _raises(error: BaseException) -> click.Command:
    @click.command()
    def broken() -> int:
        raise error

    return broken


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RecursionError("maximum recursion depth exceeded"), "unexpected RecursionError: maximum recursion depth"),
        (KeyError("request"), "unexpected KeyError: 'request'"),
        (ZeroDivisionError("\x1b[2Jdivision\nby zero"), "unexpected ZeroDivisionError: division by zero"),
        (Unprintable(), "unexpected Unprintable (its message cannot be shown"),
        (SystemExit("enough"), "unexpected SystemExit: enough"),
        (MemoryError(), "unexpected MemoryError"),
    ],
)
def test_whatever_happens_is_one_line_and_a_stop(
    error: BaseException, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(TRACEBACK, raising=False)
    monkeypatch.setattr(LazyGroup, "get_command", lambda *_: _raises(error))
    assert run(["status"]) == Exit.STOPPED
    shown = capsys.readouterr().err
    assert shown.startswith(f"archloom: {says}")
    assert shown.count("\n") == 1
    assert f"{TRACEBACK}=1" in shown
    assert "in broken)" in shown


def test_those_who_ask_see_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(TRACEBACK, "1")
    monkeypatch.setattr(LazyGroup, "get_command", lambda *_: _raises(KeyError("request")))
    assert run(["status"]) == Exit.STOPPED
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.splitlines()[-1].startswith("archloom: unexpected KeyError")


def test_what_is_as_it_should_be_is_a_note_and_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    for category, said in ((Notice, "note"), (UserWarning, "warning")):
        _show_warning("it takes\nlong", category)
        assert capsys.readouterr().err == f"archloom: {said}: it takes long\n"
