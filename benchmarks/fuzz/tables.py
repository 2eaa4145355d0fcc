"""Tables: values read are the values written, to the seventh digit, or one line says what is wrong."""

from __future__ import annotations

import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from archloom.cli.exit_codes import Exit
from archloom.data.tables import TableError, load_table
from benchmarks.fuzz.commands import archloom, promises, tree
from benchmarks.fuzz.damage import GARBAGE, VALUES, Damage, edited, json_text
from benchmarks.fuzz.harness import Kind

NUMBERS = st.one_of(
    st.floats(0, 100), st.floats(width=32), st.floats(), st.integers(-(2**53), 2**53),
    st.sampled_from([float("nan"), 0.0, -0.0, 3.4e38, -3.4e38, 1e-45, 1e39, float("inf")]),
)  # fmt: skip
SANE = st.one_of(
    st.floats(0, 100), st.floats(-1e6, 1e6), st.sampled_from([float("nan"), 0.0, 1.0, 1.0, 3.4e38, -3.4e38, 1e-40])
)


@dataclass(frozen=True)
class Case:
    sizes: tuple[int, ...]
    names: tuple[str, ...]
    metrics: tuple[tuple[str, str, str, int], ...]
    """Name, direction, type, columns (0: one number a row)."""
    sane: bool
    seed: int
    numbers: tuple[float, ...]
    keep: float
    damage: Damage | None
    meta: tuple[Any, ...]
    look: tuple[str, ...]


NAMES = st.one_of(
    st.sampled_from(["a", "b", "op", "valid", "test", "valid_12", "valid_200", "test_200", "params_m", "x y", "[b]"]),
    st.text(min_size=1, max_size=5).filter(lambda name: name[0] != "\0"),  # no name in a zip
)  # fmt: skip
WAYS = (
    "none", "flip", "truncate", "append", "garbage", "member", "meta", "dtype", "shape", "fifo", "folder", "link",
    "csv",
)  # fmt: skip
SANE_TYPES, TYPES = ("f4", "f8", "f8", "i4", "u1", "f2"), ("f4", "f8", "f2", "i8", "c8", "b1", "U3", "O")

LOOKS: tuple[tuple[str, ...], ...] = (
    ("best", "RUN", "--json"), ("status", "RUN"), ("export", "RUN", "-o", "x.json"), ("plot", "RUN", "-o", "x.svg"),
    ("plot", "RUN", "--kind", "pareto", "-o", "x.svg"), ("plot", "RUN", "--kind", "box", "-o", "x.svg"),
    ("compare", "random", "local_search", "--on", "table", "--table", "TABLE", "--queries", "4", "--seeds", "3",
     "--json"),
    ("compare", "random", "evolution", "--table", "TABLE", "--queries", "4", "--seeds", "2", "--set",
     "evolution.population=2", "--set", "evolution.sample=1", "--quiet"),
    ("search", "asha", "--on", "table", "--table", "TABLE", "--resource", "9"),
    ("search", "random", "--on", "fitted:table", "--table", "TABLE", "--queries", "3"),
    ("best", "RUN"), ("resume", "RUN", "--queries", "25", "--json"),
)  # fmt: skip


@st.composite
def cases(draw: Any) -> Case:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    metrics = draw(
        st.lists(NAMES.filter(lambda name: name not in ("genes", "meta")), min_size=1, max_size=4, unique=True)
    )
    sane = draw(st.sampled_from([True, True, False]))
    return Case(
        tuple(draw(st.integers(1, 4)) for _ in names),
        tuple(names),
        tuple(
            (name, draw(st.sampled_from(["max", "min"])),
             draw(st.sampled_from(SANE_TYPES if sane else TYPES)),
             draw(st.sampled_from([0, 0, 0, 1, 3])))
            for name in metrics
        ),
        sane,
        draw(st.integers(0, 2**31)),
        tuple(draw(st.lists(SANE if sane else NUMBERS, min_size=1, max_size=12))),
        draw(st.floats(0, 1)),
        draw(
            st.one_of(
                st.none(),
                st.builds(
                    Damage, what=st.sampled_from(WAYS), file=st.integers(0, 20), at=st.floats(0, 1, exclude_max=True),
                    bits=st.integers(1, 255), value=st.sampled_from(VALUES),
                ),
            )
        ),
        (draw(st.sampled_from(["space", "source", "options", "goals", "fidelities", "seconds", "genes", "units"])),
         draw(st.sampled_from(VALUES))),
        draw(st.sampled_from(LOOKS)),
    )  # fmt: skip


def arrays_of(case: Case) -> dict[str, Any]:
    rng = np.random.default_rng(case.seed)
    genes = np.array(list(np.ndindex(*case.sizes)))
    genes = genes[rng.permutation(len(genes))[: max(1, int(case.keep * len(genes)))]]
    found: dict[str, Any] = {"genes": genes}
    for name, _, kind, columns in case.metrics:
        shape = (len(genes), columns) if columns else (len(genes),)
        with np.errstate(all="ignore"):
            raw = np.array(case.numbers)[rng.integers(len(case.numbers), size=shape)]
            found[name] = (
                raw.astype(object)
                if kind == "O"
                else np.nan_to_num(raw).astype(kind)
                if kind[0] in "iub"
                else raw.astype(kind)
            )
    meta = {
        "space": "table", "genes": list(case.names), "options": [[f"o{j}" for j in range(size)] for size in case.sizes],
        "goals": {name: goal for name, goal, _, _ in case.metrics}, "source": "fuzz", "units": "percent",
    }  # fmt: skip
    if case.damage is not None and case.damage.what == "meta":
        meta = (
            edited(meta, case.damage, gone=case.damage.bits % 3 == 0)
            if case.damage.bits % 2
            else {**meta, case.meta[0]: case.meta[1]}
        )
    found["meta"] = np.array(json_text(meta))
    if case.damage is not None and case.damage.what == "shape":
        name = sorted(found)[case.damage.file % len(found)]
        array = found[name]
        found[name] = [array[:-1] if array.ndim else array.reshape(1), array[None], array.reshape(-1)[:0], np.array(5)][
            case.damage.bits % 4
        ]
    if case.damage is not None and case.damage.what == "dtype":
        name = sorted(found)[case.damage.file % len(found)]
        kind = ["f8", "U20", "O", "i8", "M8[s]", "V4", "c16", "b1"][case.damage.bits % 8]
        try:
            found[name] = found[name].astype(kind)
        except (TypeError, ValueError):
            found[name] = np.zeros(3, "V4")
    return found


def write(case: Case, path: Path, outside: Path) -> dict[str, Any]:
    arrays = arrays_of(case)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if case.seed % 2 else zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=True)
            archive.writestr(f"{name}.npy", content.getvalue())
        if case.damage is not None and case.damage.what == "member":
            archive.writestr(["readme.txt", "../x.npy", "genes.npy", "sub/"][case.damage.bits % 4], b"\x93NUMPY")
    raw = bytearray(buffer.getvalue())
    if case.damage is None:
        path.write_bytes(raw)
        return arrays
    at, bits, what = int(case.damage.at * len(raw)), case.damage.bits, case.damage.what
    if what == "flip":
        raw[at] ^= bits
    elif what == "truncate":
        del raw[at:]
    elif what == "append":
        raw += GARBAGE[bits % len(GARBAGE)]
    elif what == "garbage":
        raw = bytearray(GARBAGE[bits % len(GARBAGE)])
    elif what == "csv":
        raw = bytearray(b"a,b,valid\n1,2,93.5\n")
    if what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to((Path("/dev/zero"), outside / "nothing", path, Path("/dev/null"))[bits % 4])
    else:
        path.write_bytes(raw)
    return arrays


def check(_: None, case: Case, place: Path) -> list[str]:
    path = place / "mine.npz"
    arrays = write(case, path, place.parent / "outside")
    before = tree(place)
    faults: list[str] = []
    verified = archloom("data", "verify", path)
    faults += promises(verified)
    try:
        table = load_table(path)
        same = wrong_values(case, table, arrays)
    except TableError as error:
        if verified.code != Exit.BAD_INPUT:
            faults.append(f"not readable ({error}), and verify says {verified.said}")
        table, same = None, []
    faults += same
    harmless = case.damage is None or case.damage.what == "none"
    if harmless and case.sane and table is None and _printable(case):
        faults.append(f"a right table is refused: {verified.said}")
    found = archloom(
        "search", "random", "--on", "table", "--table", path, "--queries", 20, "--json", "--out", place / "run"
    )
    faults += promises(found)
    if found.code == Exit.BAD_INPUT and tree(place) != before:
        faults.append(f"bad input, and something written: {found.said}")
    named = {"RUN": str(place / "run"), "TABLE": str(path)}
    faults += promises(archloom(*(named.get(word, word) for word in case.look)))
    if found.code in (Exit.DONE, Exit.FAILURES) and table is not None and not same and len(table) <= 20:
        faults += wrong_best(case, arrays, table, found)
    return faults


def _printable(case: Case) -> bool:
    words = [*case.names, *(name for name, *_ in case.metrics)]
    return all(word.isprintable() and "/" not in word for word in words)


def wrong_values(case: Case, table: Any, arrays: dict[str, Any]) -> list[str]:
    """Values that were read and are not those that were written."""
    faults = []
    if not np.array_equal(table.genes, arrays["genes"]):
        faults.append("other genes than were written")
    for name in table.metrics:
        try:
            values = table.metric(name)
        except TableError:
            continue
        with np.errstate(all="ignore"):
            written = np.asarray(arrays[name]).astype(np.float32) if name in arrays else None
        if written is None:
            faults.append(f"a metric {name!r} that was not written")
        elif not np.array_equal(values, written if written.ndim == 1 else written[:, -1], equal_nan=True):
            faults.append(f"{name!r} is read as {values.tolist()}, and {written.tolist()} was written")
    return faults


def wrong_best(case: Case, arrays: dict[str, Any], table: Any, found: Any) -> list[str]:
    """With as many queries as there are rows, the best is the best of all."""
    answer = json.loads(found.out)
    name = answer["objective"] if isinstance(answer["objective"], str) else answer["objective"][0]
    if name not in arrays:
        return []  # a metric at several fidelities
    values = np.asarray(arrays[name]).astype(np.float32)
    values = values if values.ndim == 1 else values[:, -1]
    run = answer["runs"][0]
    said = None if run["best"] is None else run["best"]["value"]
    goal = table.goals[name]
    known = values[np.isfinite(values)]
    best = None if not len(known) else float((np.max if goal == "max" else np.min)(known))
    if run["queries"] < len(values):
        return []  # it may have ended before all were asked
    if (said is None) != (best is None) or (said is not None and np.float32(said) != np.float32(best)):
        return [f"the best of {name} is said to be {said}, and is {best}: {found.said}"]
    if run["failed"] != len(values) - len(known):
        return [f"{run['failed']} are said to have failed, and {len(values) - len(known)} have no value"]
    return []


KIND = Kind("tables", 1.5, cases(), lambda home: None, check)
