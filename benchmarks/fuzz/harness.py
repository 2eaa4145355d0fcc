"""Cases that are drawn from a seed, and forked processes that run and watch them."""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.commands import changes, tree

CaseT = TypeVar("CaseT")
ReadyT = TypeVar("ReadyT")

MOST_S = 20.0
"""How long a case may take before it counts as hanging."""
MOST_MEMORY = 6 << 30
"""The address space of a process: what allocates without checking gets a MemoryError."""


BATCH = 50
"""Cases that run in one process."""


@dataclass(frozen=True)
class Kind(Generic[CaseT, ReadyT]):
    """One kind of input.

    `cases` generates them: plain data, whose `repr` says everything. `prepare` makes what its cases share in a folder,
    once. `check` makes a case real in an empty folder, runs commands on it, and returns the faults it finds. `share` is
    this kind's part of all cases, relative to those of others.
    """

    name: str
    share: float
    cases: SearchStrategy[CaseT]
    prepare: Callable[[Path], ReadyT]
    check: Callable[[ReadyT, CaseT, Path], list[str]]


@dataclass(frozen=True)
class Outcome:
    """What became of a case: its faults, none if all is right."""

    kind: str
    number: int
    seconds: float
    faults: tuple[str, ...] = ()
    case: str = ""


# -- drawing ------------------------------------------------------------------------------------------------------


def drawn(kind: Kind[CaseT, Any], seed_of_all: int, number: int) -> CaseT:
    """The case that belongs to a seed, a kind and a number: the same one whenever it is asked for."""
    found: list[CaseT] = []
    path = f"{seed_of_all}/{kind.name}/{number}"

    @seed(int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big"))
    @settings(
        max_examples=2,  # the first is always the simplest; later ones are often mutants of those before
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.cases)
    def take(case: CaseT) -> None:
        found.append(case)

    take()
    return found[-1]


# -- processes that are watched -----------------------------------------------------------------------------------


@dataclass
class Surroundings:
    """What user code may change and commands must not: checked and put back after every case."""

    cwd: str = field(default_factory=lambda: str(Path.cwd()))
    path: list[str] = field(default_factory=lambda: list(sys.path))
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def restore(self) -> None:
        os.chdir(self.cwd)
        sys.path[:] = self.path
        os.environ.clear()
        os.environ.update(self.environ)


def run_cases(kind: Kind[Any, Any], numbers: Iterable[int], seed_of_all: int, home: Path) -> Iterator[Outcome]:
    """Run cases of a kind in forked processes, a batch in each; one that hangs or dies takes no other along."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    ready = kind.prepare(home)
    drawn(kind, seed_of_all, 0)  # hypothesis makes tables of characters at first, which takes seconds
    for _, together in groupby(numbers, lambda number: number // BATCH):
        left = list(together)
        while left:
            done = 0
            for outcome in _run_batch(kind, ready, left, seed_of_all, home):
                done += 1
                yield outcome
            left = left[max(done, 1) :]


def _run_batch(
    kind: Kind[Any, Any], ready: Any, batch: Sequence[int], seed_of_all: int, home: Path
) -> Iterator[Outcome]:
    """Outcomes of cases, in order, up to one that ends the process."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _serve(kind, ready, batch, seed_of_all, home, theirs)
    os.close(theirs)
    ended, started, at = 0, time.monotonic(), b""
    try:
        while ended < len(batch):
            heard = select.select([ours], [], [], MOST_S)[0]
            content = os.read(ours, 1 << 16) if heard else b""
            if not content:
                number = batch[ended]
                how = "its process died" if heard else f"hangs: more than {MOST_S:.0f} s, in {_stack(child, home)}"
                yield Outcome(kind.name, number, time.monotonic() - started, (how,), shown(kind, seed_of_all, number))
                return
            at += content
            *lines, at = at.split(b"\n")
            for line in lines:
                known = json.loads(line)
                yield Outcome(kind.name, batch[ended], known["seconds"], tuple(known["faults"]), known["case"])
                ended, started = ended + 1, time.monotonic()
    finally:
        os.close(ours)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _stack(child: int, home: Path) -> str:
    """Where a process is: the innermost calls of its main thread."""
    os.kill(child, signal.SIGUSR1)
    time.sleep(0.5)
    lines = (home / "stack").read_text().splitlines()
    return " <- ".join(line.strip().removeprefix("File ") for line in lines if line.startswith("  File"))[:800]


def shown(kind: Kind[Any, Any], seed_of_all: int, number: int) -> str:
    """A case as text."""
    return repr(drawn(kind, seed_of_all, number))[:4000]


def _serve(kind: Kind[Any, Any], ready: Any, batch: Sequence[int], seed_of_all: int, home: Path, out: int) -> NoReturn:
    """The forked process: check cases, and tell of each."""
    code = 1
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.RLIM_INFINITY))
        faulthandler.register(signal.SIGUSR1, (home / "stack").open("w"), all_threads=False)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        for descriptor in (1, 2):  # what user code prints; commands take their own
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        for number in batch:
            case = drawn(kind, seed_of_all, number)
            started = time.monotonic()
            faults = check_alone(kind, ready, case, home)
            told = {
                "seconds": time.monotonic() - started,
                "faults": faults,
                "case": repr(case)[:4000] if faults else "",
            }
            os.write(out, json.dumps(told).encode() + b"\n")
        code = 0
    finally:
        os._exit(code)


def check_alone(kind: Kind[CaseT, ReadyT], ready: ReadyT, case: CaseT, home: Path) -> list[str]:
    """The faults of one case, in an empty folder with a stranger's folder beside it, which must stay as it is."""
    place, outside = home / "case", home / "outside"
    for folder in (place, outside, home / "elsewhere"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    (outside / "precious.txt").write_text("precious\n")
    (outside / "folder").mkdir()
    (outside / "folder" / "trials.jsonl").write_text("precious\n")
    around, before = Surroundings(), tree(outside)
    os.chdir(place)
    try:
        faults = kind.check(ready, case, place)
    except Exception:  # noqa: BLE001 - a fault of the check, or something that it did not expect
        faults = [f"the check failed: {traceback.format_exc()[-1500:]}"]
    finally:
        around.restore()
    if changed := changes(before, tree(outside)):
        faults.append(f"outside of its folders it changed {changed}")
    return faults
