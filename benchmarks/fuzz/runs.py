"""Run folders after damage: files cut, deleted, flipped, replaced by folders, links and FIFOs, fields that are changed.

Every command then says what the record on disk says, read here independently, or refuses in one line and leaves the
record as it is; `resume` ends with the record of the undisturbed run.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from archloom.cli.exit_codes import Exit
from archloom.data.images.labelled import save_images
from archloom.data.images.splits import Split, Splits
from archloom.data.tables import save_table
from benchmarks.fuzz.commands import Ended, archloom, changes, promises, strict_json, tree
from benchmarks.fuzz.damage import RECORD, Damage, damage, damages
from benchmarks.fuzz.harness import Kind


@dataclass(frozen=True)
class Case:
    base: str
    damages: tuple[Damage, ...]
    look: tuple[str, ...]
    table: str
    """What becomes of the table that the run was made with; "" for nothing."""


LOOKS: tuple[tuple[str, ...], ...] = (
    ("best", "RUN"), ("export", "RUN", "-o", "OUT.json"), ("lineage", "RUN", "--json"), ("lineage", "RUN"),
    ("lineage", "RUN", "--csv"), ("export", "RUN", "-o", "OUT.py"), ("export", "RUN", "-o", "OUT.safetensors"),
    ("soup", "RUN"), ("evaluate", "RUN"), ("plot", "RUN", "-o", "OUT.svg"),
    ("plot", "RUN", "--kind", "cell", "-o", "OUT.svg"), ("plot", "RUN", "--kind", "lineage", "-o", "OUT.svg"),
    ("plot", "RUN", "--kind", "pareto", "-o", "OUT.svg"), ("plot", "RUN", "--kind", "sampled", "-o", "OUT.svg"),
    ("plot", "RUN", "--kind", "state", "-o", "OUT.svg"), ("pareto", "RUN"), ("pareto", "RUN", "--json"),
    ("rerank", "RUN"), ("resume", "RUN", "--queries", "31", "--quiet"),
)  # fmt: skip
"""Commands of which each case runs one; all run `status`, `best --json` and `resume`."""

cases = st.builds(
    Case,
    base=st.sampled_from(
        ["table", "table", "cut", "cut", "saved", "group", "rungs", "population", "half", "own", "begun"]
    ),
    damages=st.one_of(*[st.lists(damages, min_size=1, max_size=2).map(tuple)] * 7, st.just(())),
    look=st.sampled_from((*LOOKS[:4], *LOOKS[:4], *LOOKS)),
    table=st.sampled_from(["", "", "", "", "", "", "", "", "gone", "other", "garbage", "fifo"]),
)


# -- the runs that are damaged ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Base:
    """A run as it is before: `goal` tells which way its first objective goes, `whole` is its complete record.

    `whole` is by member ("." for a single run) and id.
    """

    folder: Path
    objective: str
    sign: float
    whole: Mapping[str, Mapping[int, Any]]
    known: Mapping[str, Mapping[str, Any]]
    """What `best --json` says of each label before anything is damaged."""
    seeds: frozenset[int]


OWN = """
import archloom
from beside import worth

problem = archloom.Problem(archloom.Categorical({"a": [1, 2, 3], "b": [4, 5, 6, 7]}), worth, {"worth": "min"})
"""
BESIDE = """
def worth(choices):
    if choices["a"] * choices["b"] == 10:
        raise ValueError("ten is not allowed")
    return {"worth": choices["a"] * choices["b"] / 7}
"""


def prepare(home: Path) -> dict[str, Base]:
    """Make every run once."""
    os.environ["ARCHLOOM_DATA"] = str(home)
    make_table(home / "kept.npz")
    make_table(home / "other.npz", seed=1)
    put_table(home, "")
    table = home / "table.npz"
    make_images(home / "images.npz")
    (home / "own").mkdir()
    (home / "own" / "mine.py").write_text(OWN)
    (home / "own" / "beside.py").write_text(BESIDE)
    made = home / "made"
    on_table = ["--on", "table", "--table", table, "--quiet", "--report", "test"]
    search(made / "table", "evolution", *on_table, "--set", "population=5", "--set", "sample=2", "--queries", 24)
    search(made / "saved", "evolution", *on_table, "--set", "population=5", "--set", "sample=2", "--queries", 12)
    succeed("resume", made / "saved", "--queries", 24, "--quiet")
    command = [
        "compare",
        "random",
        "evolution",
        *on_table,
        "--set",
        "evolution.population=4",
        "--set",
        "evolution.sample=2",
        "--objective",
        "valid",
    ]
    succeed(*command, "--queries", 8, "--seeds", 2, "--out", made / "group")
    search(made / "rungs", "asha", *on_table, "--objective", "curve", "--resource", 60)
    small = ["population=3", "epochs=4", "step=1", "task.steps_per_epoch=2", "space.width=4", "task.batch_size=8"]
    given = [word for each in small for word in ("--set", each)]
    search(made / "population", "pbt_nas", "--on", f"images:{home / 'images.npz'}", *given, "--keep", "all", "--quiet")
    search(
        made / "own",
        "evolution",
        "--on",
        home / "own" / "mine.py",
        "--set",
        "population=4",
        "--set",
        "sample=2",
        "--queries",
        8,
        "--quiet",
    )
    shutil.copytree(made / "table", made / "cut")
    _kill(made / "cut", 15, "summary.json", "state.npz")
    _kill(made / "saved", 18, "summary.json")
    shutil.copytree(made / "population", made / "half")
    shutil.copytree(made / "own", made / "begun")
    bases = {}
    for name in ("table", "group", "rungs", "population", "own", "saved", "cut", "half", "begun"):
        like = {"saved": "table", "cut": "table", "half": "population", "begun": "own"}.get(name, name)
        folder = made / name
        objective = {"rungs": "curve", "population": "valid_accuracy", "half": "valid_accuracy"} | dict.fromkeys(
            ("own", "begun"), "worth"
        )
        whole = read_runs(made / like)
        if whole is None:
            raise RuntimeError(f"the record of {name} is damaged before anything was done to it")
        answers = succeed("best", folder, "--json").json["runs"]
        known = {answer["label"]: {key: answer[key] for key in SAID} for answer in answers}
        seeds = frozenset({0, 1} if name == "group" else {0})
        bases[name] = Base(
            folder, objective.get(name, "valid"), -1.0 if name in ("own", "begun") else 1.0, whole, known, seeds
        )
    _kill(made / "half", 7, "summary.json", "state.npz")
    _kill(made / "begun", 3, "summary.json", "state.npz")
    return bases


SAID = ("strategy", "on", "table", "table_sha256")
"""Of what `best --json` says: what a run was asked to do."""


def search(out: Path, *words: object) -> None:
    succeed("search", *words, "--out", out)


def succeed(*words: object) -> Ended:
    done = archloom(*words)
    if done.code not in (Exit.DONE, Exit.FAILURES):
        raise RuntimeError(done.said)
    return done


def _kill(folder: Path, lines: int, *files: str) -> None:
    """Make a run what it was when so many lines of it were written."""
    record = folder / RECORD
    record.write_bytes(b"".join(record.read_bytes().splitlines(keepends=True)[:lines]))
    for file in files:
        (folder / file).unlink()


def make_table(path: Path, seed: int = 0) -> Path:
    """A table of 36 rows, with a curve."""
    rng = np.random.default_rng(seed)
    genes = np.array(list(np.ndindex(4, 3, 3)))
    valid = rng.normal(90, 2, len(genes)).round(3)
    return save_table(
        path, space="table", gene_names=["op", "width", "kernel"],
        options=[["conv", "pool", "skip", "none"], ["16", "32", "64"], ["3", "5", "7"]], genes=genes,
        metrics={"valid": valid, "test": valid - rng.random(len(genes)),
                 "curve": np.sort(rng.normal(80, 5, (len(genes), 9)).round(3), axis=1)},
        goals={"valid": "max", "test": "max", "curve": "max"}, source="made for fuzzing", units="percent",
    )  # fmt: skip


def make_images(path: Path) -> None:
    """Sixty images of two classes."""
    rng = np.random.default_rng(0)
    parts = [
        Split(rng.integers(0, 256, (n, 1, 8, 8), dtype=np.uint8), np.arange(n, dtype=np.int64) % 2) for n in (40, 20)
    ]
    save_images(Splits(parts[0], None, parts[1], ("cat", "dog")), path)


# -- an independent reader ----------------------------------------------------------------------------------------


def read_record(file: Path) -> dict[int, Any] | None:
    """The trials of a record by id, as the format is described: None for a damaged one."""
    try:
        content = file.read_bytes() if file.is_file() else b""
    except OSError:
        return None
    found: dict[int, Any] = {}
    for raw in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
        body, mark, tail = raw.rpartition(b',"crc":"')
        if not mark or tail != b'%08x"}\n' % zlib.crc32(body):
            return None
        try:
            line = strict_json((body + b"}").decode())
        except (ValueError, RecursionError):
            return None
        if not isinstance(line, dict) or type(line.get("id")) is not int or line["id"] in found:
            return None
        line.pop("cost_s", None)
        found[line["id"]] = line
    return found


def read_runs(folder: Path) -> dict[str, dict[int, Any]] | None:
    """The records below a folder, by member; None if one is damaged."""
    found = {}
    for path in sorted(folder.rglob(RECORD)):
        lines = read_record(path)
        if lines is None:
            return None
        found[str(path.parent.relative_to(folder))] = lines
    return found


def best_of(base: Base, lines: Mapping[int, Any], full: int) -> tuple[Any, ...] | None:
    """What `best` says of a record: the first with the best value at the highest fidelity."""
    asked = sorted((line for line in lines.values() if "query" in line), key=lambda line: line["query"])
    right = [line for line in asked if base.objective in line.get("scores", {})]
    if not right:
        return None
    highest = max(line.get("fidelity", 0) or full for line in right)
    right = [line for line in right if (line.get("fidelity", 0) or full) == highest]
    first = max(right, key=lambda line: base.sign * line["scores"][base.objective])
    return first["arch"], first["scores"][base.objective], first["query"]


# -- what must be true --------------------------------------------------------------------------------------------


def check(bases: Mapping[str, Base], case: Case, place: Path) -> list[str]:
    base, run, outside = bases[case.base], place / "run", place.parent / "outside"
    shutil.copytree(base.folder, run, symlinks=True)
    put_table(place.parent, case.table)
    hit = [damage(run, one, outside) for one in case.damages]
    by_hand = any(one.what.startswith("sealed") for one in case.damages)
    around = [outside, place.parent / "elsewhere", place.parent / "own"]
    beside, before = [tree(folder) for folder in around], tree(run)
    faults: list[str] = []

    def look(*words: str) -> Ended:
        words = tuple({"RUN": str(run)}.get(word, word) for word in words)
        done = archloom(*words)
        faults.extend(promises(done))
        for folder, known in zip(around, beside, strict=True):
            if changed := [path for path in changes(known, tree(folder)) if "__pycache__" not in path]:
                faults.append(f"outside of the run it changed {changed}: {done.said}")
        return done

    for words in (("status", "RUN"), ("best", "RUN", "--json"), case.look):
        if words[0] != "resume":
            done = look(*words)
            if changed := changes(before, tree(run), "OUT.json", "OUT.py", "lock", "final", "soup"):
                if words[0] not in ("evaluate", "soup"):
                    faults.append(f"looking changed {changed}: {done.said}")
                before = tree(run)
            if words[:1] == ("best",) and "--json" in words and not by_hand and done.code in (Exit.DONE, Exit.FAILURES):
                faults += wrong_best(base, run, done)
    resume = case.look if case.look[0] == "resume" else ("resume", "RUN", "--quiet", "--json")
    done = look(*resume)
    if not by_hand:
        faults += wrong_resume(base, before, run, done, further=case.look[0] == "resume")
    return [f"{fault} [{hit}]" for fault in faults]


def put_table(home: Path, how: str) -> None:
    """Put the table that runs were made with in its place, or whatever a case has there."""
    table = home / "table.npz"
    table.unlink(missing_ok=True)
    if how == "fifo":
        os.mkfifo(table)
    elif how == "garbage":
        table.write_bytes(b"PK\3\4")
    elif how != "gone":
        shutil.copy(home / ("other.npz" if how == "other" else "kept.npz"), table)


def wrong_best(base: Base, run: Path, done: Ended) -> list[str]:
    """Faults of an answer that `best --json` gave."""
    try:
        answers = {found["label"]: found for found in done.json["runs"]}
    except (ValueError, KeyError, TypeError):
        return []  # said elsewhere
    found = read_runs(run)
    if found is None:
        return [f"a damaged record was read: {done.said}"]
    full = 9 if base.objective == "curve" else 0
    faults = []
    for label, answer in answers.items():
        if answer["seed"] not in base.seeds or {key: answer[key] for key in SAID} != base.known.get(label):
            faults.append(f"it is said to be another run than it is, {base.known}: {done.said}")
        said = answer["best"] and (answer["best"]["arch"], answer["best"]["value"], answer["best"]["query"])
        right = [best_of(base, lines, full) for lines in found.values()]
        if said not in right and not (said is None and not any(right)):
            faults.append(f"the best is said to be {said}, expected one of {right}: {done.said}")
        if len(answers) == 1 and len(found) == 1:
            lines = next(iter(found.values()))
            queries = sum("query" in line for line in lines.values())
            failed = sum("query" in line and "error" in line for line in lines.values())
            expected = (len(lines), queries, failed)
            if (counts := (answer["trials"], answer["queries"], answer["failed"])) != expected:
                faults.append(f"trials, queries, failed are said to be {counts}, and are {expected}: {done.said}")
    return faults


def wrong_resume(base: Base, before: Mapping[str, Any], run: Path, done: Ended, further: bool) -> list[str]:
    """Faults of the record that `resume` left."""
    found = read_runs(run)
    if done.code in (Exit.DONE, Exit.FAILURES):
        if found is None:
            return [f"it ended well on a damaged record: {done.said}"]
        if further:
            found = {
                member: {id: line for id, line in lines.items() if id in base.whole.get(member, {})}
                for member, lines in found.items()
            }
        missing = {member: sorted(lines.keys() - found.get(member, {}).keys()) for member, lines in base.whole.items()}
        differ = {
            member: [id for id, line in found.get(member, {}).items() if lines.get(id) != line]
            for member, lines in base.whole.items()
        }
        if any(missing.values()) or any(differ.values()):
            return [f"another record: missing {missing}, different {differ}: {done.said}"]
        return []
    faults = []
    for member, lines in base.whole.items():
        file = str(Path(member, RECORD))
        was, now = before.get(file), tree(run).get(file)
        if was == now or was is None:
            continue
        if was[0] != "file" or now is None or now[0] != "file":
            faults.append(f"it stopped, and {file} was {was[0]} and is {now and now[0]}: {done.said}")
            continue
        kept = was[1][: was[1].rfind(b"\n") + 1]
        after = read_record(run / file)
        wrong = [
            id for id, line in (after or {}).items() if lines.get(id) != line and not (further and id not in lines)
        ]
        if not now[1].startswith(kept) or after is None or wrong:
            faults.append(f"it stopped, and changed {file}: {done.said}")
    return faults


KIND = Kind("runs", 3.0, cases, prepare, check)
