"""Folders of trainings after damage, and trainings with options that nobody would choose.

Every command then says what the undisturbed agent's file says or refuses in one line, and looking changes nothing;
`resume` ends with the agent of a training that was never stopped, or refuses and leaves the folder as it is. A training
whose options are refused writes nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from archloom.agents.training import open_training
from archloom.agents.training_folder import AGENT, MANIFEST, STATE
from archloom.agents.training_log import LOG
from archloom.cli.exit_codes import Exit
from archloom.data.tables import save_table
from archloom.spaces.nb201 import GENES, OPERATIONS
from benchmarks.fuzz.commands import Ended, archloom, changes, promises, tree
from benchmarks.fuzz.damage import Damage, damage, damages
from benchmarks.fuzz.harness import Kind
from benchmarks.fuzz.runs import put_table, succeed

TINY: Mapping[str, object] = {
    "steps": 120, "width": 8, "heads": 2, "feedforward": 8, "head_width": 8, "walkers": 8, "max_neighbours": 6,
    "episode_steps": 4, "learning_starts": 30, "batch_size": 16, "log_steps": 30, "buffer": 60,
}  # fmt: skip

ODD: Mapping[str, tuple[object, ...]] = {
    "steps": (1, 7, 0, -1, 1.5, "x", "", 10**30),
    "walkers": (1, 2, 130, 10**9, 10**30, 0),
    "max_neighbours": (1, 12, 13, 10**5, 10**6),
    "episode_steps": (1, 2, 10**30, 0),
    "n_step": (1, 9, 10**9, 10**30, 0),
    "batch_size": (1, 59, 61, 10**9, 0),
    "buffer": (1, 29, 30, 10**9, 10**30),
    "learning_starts": (1, 60, 61, 10**30),
    "learn_ratio": (0, 0.01, 10, -1, 1e308, "nan", "inf"),
    "target_period": (1, 10**30),
    "sync_delay": (0, 1, 10**30, -1),
    "log_steps": (1, 10**30),
    "gamma": (0, 1, 1.1, "nan"),
    "shaping": (0, 1, 90, 700, 701, -1, "none", "nan"),
    "scale_rewards": ("true", "false", "maybe"),
    "reference": (0, 0.5, 1, "none", 2),
    "epsilon": (0, 1, -0.1),
    "epsilon_exponent": (0, 1e308, -1),
    "lr": (1e-300, 1.0, 1e6, 1e300, 0, "nan"),
    "lr_decay": ("true", "false"),
    "adam_eps": (1e-300, 1e-30, 1e6, 1e300),
    "huber_delta": (1e-300, 1e300),
    "max_grad_norm": (1e-300, 1e300),
    "priority_alpha": (0, 1, 2),
    "priority_beta": (0, 1, 2),
    "priority_eps": (1e-300, 1e-30, 1e6, 1e300),
    "width": (2, 3, 9, 10**6, 10**30),
    "heads": (1, 8, 3, 10**30),
    "layers": (2, 10**30),
    "encoder_layers": (1, 10**30),
    "dueling": ("true", "false"),
    "double_q": ("true", "false"),
    "readout": ("each", "paper", "other"),
    "bootstrap": ("true", "false"),
    "exact_discount": ("true", "false"),
    "nothing": (1,),
}


@dataclass(frozen=True)
class Case:
    """Damages of a training's folder with something to look at, or if there are `settings`, a training with these."""

    base: str
    damages: tuple[Damage, ...]
    look: tuple[str, ...]
    table: str
    settings: tuple[tuple[str, object], ...]


LOOKS: tuple[tuple[str, ...], ...] = (
    ("agent", "show", "RUN"), ("agent", "show", "RUN", "--json"), ("agent", "show", f"RUN/{AGENT}", "--json"),
    ("agent", "evaluate", "RUN", "--table", "TABLE", "--starts", "2", "--sets", "1", "--json", "--quiet"),
    ("agent", "evaluate", "RUN", f"RUN/{AGENT}.json", "--table", "TABLE", "--starts", "2", "--sets", "1", "--quiet"),
    ("agent", "train", "--from", "RUN", "--table", "TABLE", "--set", "steps=9", "--out", "OUT", "--quiet", "--json"),
    ("agent", "train", "--table", "TABLE", "--out", "RUN", "--quiet"),
    ("search", "apex", "--set", f"checkpoint=RUN/{AGENT}", "--on", "nb201", "--table", "TABLE", "--queries", "3",
     "--quiet", "--out", "OUT"),
    ("search", "random", "--on", "nb201", "--table", "TABLE", "--queries", "3", "--out", "RUN"),
    ("status", "RUN"), ("best", "RUN", "--json"),
    ("resume", "RUN", "--set", "steps=0"), ("resume", "RUN", "--queries", "3"), ("resume", "RUN", "--set", "lr=1"),
)  # fmt: skip

_settings = st.lists(
    st.sampled_from(sorted(ODD)).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(ODD[name]))),
    min_size=1, max_size=3, unique_by=lambda pair: pair[0],
).map(tuple)  # fmt: skip

cases = st.builds(
    Case,
    base=st.sampled_from(["finished", "stopped", "stopped", "begun"]),
    damages=st.one_of(*[st.lists(damages, min_size=1, max_size=2).map(tuple)] * 7, st.just(())),
    look=st.sampled_from(LOOKS),
    table=st.sampled_from(["", "", "", "", "", "", "", "", "gone", "other", "garbage", "fifo"]),
    settings=st.one_of(st.just(()), st.just(()), _settings),
)


@dataclass(frozen=True)
class Ready:
    """The trainings by name, what the agents' files in them hold, and the table."""

    folders: Mapping[str, Path]
    agents: frozenset[str]
    """The SHA-256 of each agent that there was."""
    last: bytes
    log: tuple[tuple[str, ...], ...]
    table: Path


def prepare(home: Path) -> Ready:
    """Train once; a training that was stopped is one of the same seed."""
    os.environ["ARCHLOOM_DATA"] = str(home)
    for name, seed in (("kept", 0), ("other", 1)):
        make_table(home / f"{name}.npz", seed)
    put_table(home, "")
    table, made = home / "table.npz", home / "made"
    settings = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    words = ("agent", "train", "--table", table, *settings, "--quiet", "--out")
    succeed(*words, made / "finished")
    shutil.copytree(made / "finished", made / "begun")
    for file in (STATE, AGENT, f"{AGENT}.json"):
        (made / "begun" / file).unlink()
    shutil.copytree(made / "begun", made / "stopped")
    with suppress(KeyboardInterrupt):
        open_training(made / "stopped").run(_stop, checkpoint_every_s=0.0)
    files = [made / name / AGENT for name in ("finished", "stopped")]
    return Ready(
        {name: made / name for name in ("finished", "stopped", "begun")},
        frozenset(hashlib.sha256(file.read_bytes()).hexdigest() for file in files),
        files[0].read_bytes(),
        timeless(made / "finished" / LOG),
        table,
    )


def _stop(row: Any) -> None:
    if row.steps >= 60:
        raise KeyboardInterrupt


def make_table(path: Path, seed: int) -> Path:
    """Cells of NAS-Bench-201 over three operations."""
    genes = np.array(list(np.ndindex(*[3] * len(GENES))))
    valid = np.random.default_rng(seed).normal(80, 5, len(genes)).clip(0, 100).round(3)
    return save_table(
        path, space="nb201", gene_names=list(GENES), options=[list(OPERATIONS[:3])] * len(GENES), genes=genes,
        metrics={"valid": valid, "test": valid - 1}, goals={"valid": "max", "test": "max"},
        source="made for fuzzing", units="percent",
    )  # fmt: skip


def timeless(log: Path) -> tuple[tuple[str, ...], ...]:
    """The rows of a log without what depends on the time."""
    rows = [line.split(",") for line in log.read_text().splitlines()]
    timed = {rows[0].index(name) for name in ("seconds", "steps_per_second")}
    return tuple(tuple(cell for place, cell in enumerate(row) if place not in timed) for row in rows)


# -- what must be true --------------------------------------------------------------------------------------------


def check(ready: Ready, case: Case, place: Path) -> list[str]:
    if case.settings:
        return check_settings(ready, case, place)
    run, outside = place / "run", place.parent / "outside"
    shutil.copytree(ready.folders[case.base], run)
    hit = [damage(run, one, outside) for one in case.damages]
    faults: list[str] = []
    try:
        put_table(ready.table.parent, case.table)
        before = tree(run)
        done = archloom(*_words(case.look, ready))
        faults += promises(done)
        if changed := changes(before, tree(run), "lock", "holder.json"):
            faults.append(f"looking changed {changed}: {done.said}")
        faults += wrong_agent(ready, done)
        if case.look[1] == "train" and done.code == Exit.BAD_INPUT and (place / "OUT").exists():
            faults.append(f"bad input, and a folder was made: {done.said}")
        done = archloom("resume", "run", "--quiet", "--json")
        faults += promises(done)
        faults += wrong_resume(ready, case, hit, before, run, done)
    finally:
        put_table(ready.table.parent, "")
    return [f"{fault} [{hit}]" for fault in faults]


def _words(words: tuple[str, ...], ready: Ready) -> list[str]:
    return [word.replace("RUN", "run").replace("TABLE", str(ready.table)) for word in words]


def wrong_agent(ready: Ready, done: Ended) -> list[str]:
    """A fault if a command that ended well has read another agent than there was."""
    if done.code != Exit.DONE or "--json" not in done.arguments or done.arguments[1] not in ("show", "evaluate"):
        return []
    said = done.json
    found = said["agents"][0]["sha256"] if "agents" in said else said["sha256"]
    return [] if found in ready.agents else [f"it reads an agent that was changed: {done.said}"]


def wrong_resume(
    ready: Ready, case: Case, hit: list[str], before: Mapping[str, Any], run: Path, done: Ended
) -> list[str]:
    """Faults of the folder that `resume` left."""
    by_hand = any(one.what.startswith("sealed") for one in case.damages)  # a manifest that is another now
    if done.code == Exit.DONE:
        faults = []
        if not by_hand and (run / AGENT).read_bytes() != ready.last:
            faults.append(f"it ended well with another agent: {done.said}")
        if not by_hand and LOG not in hit and timeless(run / LOG) != ready.log:
            faults.append(f"it ended well with another log: {done.said}")
        return faults
    changed = changes(before, after := tree(run), "lock", "holder.json")
    learned = after.get(AGENT) == ("file", ready.last)  # it stopped at the very last, when it wrote the card for people
    return [f"it stopped, and changed {changed}: {done.said}"] if changed and not by_hand and not learned else []


def check_settings(ready: Ready, case: Case, place: Path) -> list[str]:
    """Faults of a training with odd options."""
    options = {**TINY, **dict(case.settings)}
    settings = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    done = archloom("agent", "train", "--table", ready.table, *settings, "--out", "run", "--quiet", "--json")
    faults = promises(done)
    if done.code == Exit.BAD_INPUT and (place / "run").exists():
        faults.append(f"bad input, and a folder was made: {done.said}")
    if done.code == Exit.DONE:
        shown = archloom("agent", "show", "run", "--json")
        faults += promises(shown)
        if shown.code != Exit.DONE or shown.json["sha256"] != done.json["sha256"]:
            faults.append(f"it ended well, and its agent cannot be read: {shown.said}")
    elif done.code == Exit.STOPPED and not (place / "run" / MANIFEST).is_file():
        faults.append(f"it stopped, and left nothing: {done.said}")
    return faults


KIND = Kind("agents", 1.0, cases, prepare, check)
