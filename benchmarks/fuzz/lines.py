"""Command lines: real ones with words dropped, doubled, swapped, and values that nobody expects."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from archloom.cli.exit_codes import Exit
from benchmarks.fuzz.commands import archloom, changes, promises, tree
from benchmarks.fuzz.harness import Kind
from benchmarks.fuzz.runs import make_table

SEARCH = ("search", "random", "--on", "table", "--table", "TABLE", "--queries", "5", "--quiet")
LINES: tuple[tuple[str, ...], ...] = (
    SEARCH,
    (*SEARCH, "--json", "--seeds", "2"),
    (*SEARCH, "--objective", "valid", "--constraint", "test>=80", "--report", "test", "--seed", "3", "--out", "mine"),
    (*SEARCH, "--width", "2", "--max-repeats", "9", "--target", "95", "--time", "10s", "--max-failures", "3"),
    (*SEARCH, "--config", "CONFIG"),
    ("search", "evolution", "--on", "table", "--table", "TABLE", "--set", "population=5", "--set", "sample=2",
     "--queries", "8", "--json"),
    ("search", "asha", "--on", "table", "--table", "TABLE", "--objective", "curve", "--resource", "30", "--json"),
    ("search", "cadam", "--on", "table", "--table", "TABLE", "--queries", "5"),
    ("search", "local_search", "--table", "TABLE", "--queries", "5", "--space", "x", "--keep", "2"),
    ("compare", "random", "mine=evolution", "--on", "table", "--table", "TABLE", "--queries", "6", "--seeds", "2",
     "--set", "mine.population=4", "--set", "mine.sample=2", "--out", "cmp"),
    ("resume", "RUN"), ("resume", "RUN", "--queries", "9", "--json"), ("resume", "RUN", "--changed", "--table",
    "TABLE"),
    ("resume", "GROUP", "--seeds", "3", "--quiet"), ("resume", "GROUP", "--add", "local_search"),
    ("status", "RUN"), ("status", "GROUP"), ("best", "RUN", "--json"), ("best", "GROUP", "--json"),
    ("plot", "RUN", "-o", "x.svg"), ("plot", "GROUP", "--kind", "box", "-o", "y.svg"),
    ("plot", "RUN", "--over", "seconds", "-o", "z.svg"), ("export", "RUN", "-o", "best.json"),
    ("plot", "GROUP", "--kind", "pareto", "--against", "params", "-o", "p.svg"), ("pareto", "GROUP", "--json"),
    ("plot", "RUN", "--kind", "state", "--top", "5", "-o", "s.svg"), ("rerank", "RUN", "--top", "3"),
    ("lineage", "RUN", "--json"), ("evaluate", "RUN"), ("soup", "RUN"), ("list",), ("list", "random"), ("list",
    "configs"),
    ("list", "nb201"), ("data", "list"), ("data", "verify", "TABLE"), ("data", "convert", "TABLE", "-o", "new.npz"),
    ("data", "fetch", "nb201", "--file", "TABLE", "--sha256", "00"), ("--help",), ("--version",), ("search", "--help"),
)  # fmt: skip

STRANGE = st.one_of(
    st.sampled_from(
        ["", " ", "-", "--", "-1", "0", "1", "2", "1e3", "nan", "inf", "-inf", "none", "all", "true", "0x10",
         "1_000", "٣", "½",
         "99999999999999999999", "1e400", "3.5", "a" * 5000, "é" * 300, "\x1b[31mred", "a\nb", "\r", "\t", "\x07",
         "\u202e",
         "\udcff", "[bold]", "[/]", "{}", "%s", "$HOME", "~", "~/x", ".", "..", "/", "/dev/null", "/dev/full",
         "/nowhere/x",
         "random", "valid", "valid<=", "<=5", "valid<=nan", "valid<=x", "valid>=1e309", "valid=5", "a=b", "=", "=5",
         "a=",
         "mine.population=", "population=-1", "population=1e9", "population=x", "space.canonical=true", "task.epochs=9",
         "TABLE", "RUN", "GROUP", "CONFIG", "FIFO", "x.py", "x.py:y", "TABLE:x", "images:", "images:/", "fitted:",
         "nb201",
         "nbgraph:", "fitted:table", "images:TABLE", "gan:RUN", "500MB", "-5MB", "1e", "10m", "1h30m", "-1s",
         "99999999999h"]
    ),
    st.text(max_size=12),
)  # fmt: skip
OPTIONS = st.sampled_from(
    ["--on", "--table", "--objective", "--report", "--constraint", "--space", "--set", "--queries", "--seed",
     "--resource", "--time", "--target", "--max-failures", "--width", "--async", "--max-repeats", "--keep",
     "--disk-budget",
     "--config", "--json", "--quiet", "--gpus", "--changed", "--add", "-o", "--kind", "--over", "--csv", "--help", "-h",
     "--nothing", "--obj", "-q", "--queries=3", "--set=a=1", "--json=1", "--out="]
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    words: tuple[str, ...]
    config: str


CONFIGS = st.one_of(
    st.sampled_from(
        ['strategy = "random"\nqueries = 4\n', "\ufeffqueries = 4\n", "queries = '4'", "queries = nan", "seed = 1e3",
         "nothing = 1", "[set]\npopulation = 5", "set = 3", "on = ''", "queries = 4\nqueries = 5", "\x00",
         "objective = [1, 2]",
         "objective = ['valid', 'test']", "out = '../x'", "seeds = 2000000000", "[set.a]\nb = {c = 1}", "json = true",
         "a = " + "[" * 5000, "queries = 99999999999999999999", "width = -1", "time = 5", "[[set]]\na = 1"]
    ),
    st.text(max_size=40),
)  # fmt: skip


@st.composite
def cases(draw: Any) -> Case:
    words = list(draw(st.sampled_from(LINES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(words)))
        way = draw(
            st.sampled_from(["drop", "double", "swap", "value", "value", "value", "insert", "option", "char", "line"])
        )
        if way == "insert":
            words.insert(at, draw(STRANGE))
        elif way == "option":
            words[at:at] = [draw(OPTIONS), *([draw(STRANGE)] if draw(st.booleans()) else [])]
        elif way == "line":
            words += draw(st.sampled_from(LINES))[1:]
        elif at < len(words):
            if way == "drop":
                del words[at]
            elif way == "double":
                words.insert(at, words[at])
            elif way == "swap":
                other = draw(st.integers(0, len(words) - 1))
                words[at], words[other] = words[other], words[at]
            elif way == "value":
                words[at] = draw(STRANGE)
            elif words[at]:
                place = draw(st.integers(0, len(words[at]) - 1))
                words[at] = words[at][:place] + draw(st.sampled_from("-=.,:/x0\x1b é")) + words[at][place + 1 :]
    return Case(tuple(word for word in words if not _forbidden(word)), draw(CONFIGS))


def _forbidden(word: str) -> bool:
    """What would take more than its share of time: clusters, downloads, and null bytes, which no shell passes on."""
    return word.startswith("--ray") or "\0" in word


def prepare(home: Path) -> Mapping[str, Any]:
    """A table, a run and a group in a folder that every case gets a copy of."""
    os.environ["ARCHLOOM_DATA"] = str(home)
    os.environ["ARCHLOOM_CACHE"] = str(home / "cache")
    table = make_table(home / "table.npz")
    for words in (
        [*SEARCH, "--out", home / "run"],
        ["compare", "random", "evolution", *SEARCH[2:], "--set", "evolution.population=4", "--set",
         "evolution.sample=2",
         "--seeds", "2", "--out", home / "group"],
    ):  # fmt: skip
        done = archloom(*(table if word == "TABLE" else word for word in words))
        if done.code != Exit.DONE:
            raise RuntimeError(done.said)
    return {"TABLE": home / "table.npz", "home": home}


def check(ready: Mapping[str, Any], case: Case, place: Path) -> list[str]:
    for name in ("run", "group"):
        shutil.copytree(ready["home"] / name, place / name)
    (place / "mine.toml").write_bytes(
        case.config.encode(errors="surrogateescape") if _encodes(case.config) else b"\xff"
    )
    os.mkfifo(place / "fifo")
    named = {
        "TABLE": str(ready["TABLE"]), "RUN": "run", "GROUP": "group", "CONFIG": "mine.toml", "FIFO": "fifo",
    }  # fmt: skip
    words = [named.get(word, word) for word in case.words]
    before = tree(place)
    done = archloom(*words)
    faults = promises(done)
    if done.code == Exit.BAD_INPUT and (changed := changes(before, tree(place), "lock")):
        faults.append(f"bad input, and {changed} changed: {done.said}")
    return faults


def _encodes(text: str) -> bool:
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


KIND = Kind("lines", 2.0, cases(), prepare, check)
