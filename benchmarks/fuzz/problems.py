"""Problem files: spaces, return values, exceptions and what user code does besides; judged by what was generated."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sys
import traceback
import zlib
from pathlib import Path
from typing import Any

import numpy as np

import archloom as library
from archloom.cli.exit_codes import Exit
from archloom.errors import ArchloomError, InputError
from benchmarks.fuzz.commands import Ended, archloom, promises, tree
from benchmarks.fuzz.harness import Kind
from benchmarks.fuzz.own_files import EITHER, FAILS, Case, cases, source
from benchmarks.fuzz.runs import read_record

# -- what must be true --------------------------------------------------------------------------------------------


def check(_: None, case: Case, place: Path) -> list[str]:
    worth = zlib.crc32(repr(case).encode())
    text = source(case, worth)
    try:
        (place / "mine.py").write_text(text, encoding="utf-8")
    except UnicodeEncodeError:
        (place / "mine.py").write_bytes(text.encode(errors="surrogatepass"))
    (place / "helper.py").write_text(f"WORTH = {worth}\n")
    before = _process()
    faults = _by_command(case, place) if case.by_command else _from_python(case, place)
    after = _process()
    for what, was in before.items():
        if was != after[what]:
            faults.append(f"user code changed our {what}: {was} -> {after[what]}")
    return faults


def _process() -> dict[str, Any]:
    """What of this process a user's code may change."""
    return {
        "working directory": Path.cwd(),
        "modules beside the file": [name for name in ("helper", "mine") if name in sys.modules],
        "sys.path": list(sys.path),
        "SIGINT": signal.getsignal(signal.SIGINT),
        "ARCHLOOM_DATA": os.environ.get("ARCHLOOM_DATA"),
        "random": hash(random.getstate()),
        "numpy.random": hash(repr(np.random.get_state())),  # noqa: NPY002 - it is what user code may change
    }


def _from_python(case: Case, place: Path) -> list[str]:
    constraint = "" if case.constraint is None else f"{case.metrics[0][0]}<={case.constraint!r}"
    try:
        objectives = [name for name, _ in case.metrics]
        scene = library.scenario("mine.py", objective=objectives, constraint=(constraint,) if constraint else ())
        report = library.run(case.strategy, scene, queries=case.queries, seed=case.seed, out="run")
    except ArchloomError as error:
        text = str(error)
        faults = [f"a message of {len(text)} characters"] if len(text) > 4000 else []
        if isinstance(error, InputError) and changed(place):
            faults.append("bad input, and something written")
        return [f"{fault}: {type(error).__name__}: {text[:300]}" for fault in faults]
    except BaseException as error:  # noqa: BLE001 - nothing else may come out, but what the user does to us
        asked = isinstance(error, KeyboardInterrupt) and "raise KeyboardInterrupt" in case.at_import
        return [] if asked else [f"out came {traceback.format_exc()[-600:]}"]
    value = None if report.best is None else report.value
    faults = wrong_record(case, place / "run", value, len(report.history.failed))
    done = archloom(*("run" if word == "RUN" else word for word in case.look))
    faults += promises(done, users_code=True)
    if case.look == ("best", "RUN", "--json") and done.code in (Exit.DONE, Exit.FAILURES):
        best = _summary(done)["best"]
        if (best and best["value"]) != value:
            faults.append(f"the best was {value}, and is read as {best}: {done.said}")
    return faults


def changed(place: Path) -> list[str]:
    """What there is beside the problem's files."""
    return sorted(path for path in tree(place) if path.split("/")[0] not in ("mine.py", "helper.py", "__pycache__"))


def _by_command(case: Case, place: Path) -> list[str]:
    faults: list[str] = []
    records = []
    for workers in (1, 2):
        out = f"run-{workers}"
        words = ["search", case.strategy, "--on", "mine.py", "--queries", case.queries, "--seed", case.seed, "--json"]
        words += [f"--objective={name}" for name, _ in case.metrics]
        if case.constraint is not None:
            words += ["--constraint", f"{case.metrics[0][0]}<={case.constraint!r}"]
        done = archloom(*words, "--workers", workers, "--out", out)
        faults += promises(done, users_code=True)
        if done.code in (Exit.DONE, Exit.FAILURES):
            summary = _summary(done)
            value = summary["best"] and summary["best"]["value"]
            faults += wrong_record(case, place / out, value, summary["failed"])
            records.append(read_record(place / out / "trials.jsonl"))
        elif done.code == Exit.BAD_INPUT and changed(place):
            faults.append(f"bad input, and something written: {done.said}")
    if len(records) == 2 and records[0] != records[1]:
        faults.append("the number of workers changes the record")
    return faults


def _summary(done: Ended) -> Any:
    try:
        return done.json["runs"][0]
    except ValueError:
        return json.loads(done.out)["runs"][0]  # said elsewhere


def wrong_record(case: Case, run: Path, value: float | None, failed: int) -> list[str]:
    """Faults of a record, and of the value and the number of failures that were told, by what was generated."""
    lines = read_record(run / "trials.jsonl")
    if lines is None:
        return ["a damaged record"]
    faults: list[str] = []
    right: list[tuple[int, Any]] = []
    lost = 0
    for line in lines.values():
        if "query" not in line:
            continue
        lost += "error" in line
        fidelity = line.get("fidelity", 0) or case.steps
        expected = expected_of(case, line["genes"])
        if expected == EITHER or expected is None:
            right += [(fidelity, line["scores"])] if "scores" in line else []
        elif expected == FAILS:
            if "error" not in line:
                faults.append(f"{line['arch']!r} was to fail, and is {line}")
        elif line.get("scores") != expected:
            faults.append(f"{line['arch']!r} was to be {expected}, and is {line}")
        else:
            right.append((fidelity, expected))
        if len(json.dumps(line)) > 20_000:
            faults.append(f"a line of {len(json.dumps(line))} bytes")
    name, goal = case.metrics[0]
    if case.constraint is not None:
        right = [(fidelity, scores) for fidelity, scores in right if scores[name] <= case.constraint]
    highest = max((fidelity for fidelity, _ in right), default=0)
    best = (max if goal == "max" else min)(
        (scores[name] for fidelity, scores in right if fidelity == highest), default=None
    )
    if best != value:
        faults.append(f"the best is said to be {value}, and is {best}")
    if lost != failed:
        faults.append(f"{failed} are said to have failed, and {lost} did")
    if not faults and not all(math.isfinite(v) for _, scores in right for v in scores.values()):
        faults.append("scores that are not finite")
    return faults


def expected_of(case: Case, genes: list[Any]) -> Any:
    """What the answer for these genes must be; None if a gene's options are not known here."""
    if any(not options for _, _, options in case.genes) or len(genes) != len(case.genes):
        return None
    choices = {}
    for (name, code, options), gene in zip(case.genes, genes, strict=True):
        choices[name] = gene if code.startswith("archloom.Integer") else options[int(gene)]
    place = zlib.crc32(repr(sorted(map(repr, choices.items()))).encode()) % len(case.answers)
    return case.answers[place].right


KIND = Kind("problems", 3.0, cases(), lambda home: None, check)
