"""Supernets as files, and searches on them as run folders: whatever is there already is gone on with."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from archloom.analysis.stats import bootstrap_interval
from archloom.runs.record import TrialRecord, read_lines
from archloom.utils import seeds
from benchmarks.apex.study import show
from benchmarks.commands import archloom

ACCURACY = "valid_accuracy"


def as_settings(options: Mapping[str, object]) -> list[str]:
    return [f"--set={name}={value}" for name, value in options.items()]


@dataclass(frozen=True)
class Making:
    """How a supernet is made: its images, its space, the sizes of that, and the options of its training."""

    data: str
    space: str
    sizes: Mapping[str, object]
    options: Mapping[str, object] = field(default_factory=dict)

    def file(self, folder: Path, seed: int) -> Path:
        """The supernet of a seed in a folder, made first if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"supernet-{seed}.safetensors"
        if not path.exists():
            sizes = {f"space.{name}": value for name, value in self.sizes.items()}
            settings = as_settings({**sizes, **self.options})
            archloom("supernet", self.data, "--space", self.space, *settings, "--seed", seed, "-o", path)
        return path


def searched(run: Path, strategy: str, on: str, supernet: Path, seed: int, *more: object) -> list[TrialRecord]:
    """All trials, in their order, of a search on a supernet, which is begun or gone on with; `on` is a `--on`."""
    if (run / "run.json").exists():
        archloom("resume", run)
    else:
        run.parent.mkdir(parents=True, exist_ok=True)
        archloom("search", strategy, "--on", on, "--table", supernet, "--seed", seed, "--out", run, *more)
    return trials(run)


def trials(run: Path) -> list[TrialRecord]:
    return sorted(read_lines(run), key=lambda line: line.id)


def interval(values: Sequence[float]) -> list[float]:
    """The bootstrap interval of the mean over seeds."""
    return [round(end, 3) for end in bootstrap_interval(values, seeds.stream(0, "bootstrap"))]


def parser(doc: str | None, default: Path) -> argparse.ArgumentParser:
    """What the studies share; `default` is where files and runs are kept, within the working directory."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--out", type=Path, default=default, help=f"the folder of files and runs; default {default}")
    made.add_argument("--seeds", default="0,1,2", help="which ones, separated by commas")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--smoke", action="store_true", help="small sizes")
    return made


def listed(words: str, known: Sequence[str]) -> list[str]:
    """Words separated by commas; SystemExit for one that is not known."""
    found = words.split(",")
    for word in found:
        if word not in known:
            raise SystemExit(f"{word!r}: expected some of {', '.join(known)}")
    return found


def numbers(words: str) -> list[int]:
    return [int(word) for word in words.split(",")]


def told(rows: Sequence[Any], as_json: bool) -> None:
    """Print rows, which are dataclasses."""
    plain = [asdict(row) for row in rows]
    if as_json:
        print(json.dumps(plain))
    elif plain:
        show(plain)
