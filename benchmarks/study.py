"""What a study is that runs job by job, and how it is run from the command line."""

from __future__ import annotations

import argparse
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.recorded import outcomes


class Study(ABC):
    """A study of jobs, each recorded when it is done."""

    found: Callable[..., Any]
    """The type of a job's outcome."""
    measure: Callable[..., Any]
    """What a job calls."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What identifies results."""

    @abstractmethod
    def jobs(self) -> Iterable[tuple[tuple[str, int], Sequence[Any]]]:
        """What is to be done: the setting and the seed of an outcome, and the arguments of `measure`."""

    @abstractmethod
    def rows(self, found: Sequence[Any]) -> list[Any]:
        """What is printed, dataclasses of plain data."""

    @abstractmethod
    def show(self, rows: Sequence[Any]) -> None: ...

    def draw(self, found: Sequence[Any], path: Path) -> None:
        raise SystemExit(f"--figure {path}: this study draws nothing")

    def with_seeds(self, seeds: int) -> Study:
        raise SystemExit(f"--seeds {seeds}: this study has no seeds")


def run(study: Study, arguments: argparse.Namespace, figure: Path | None = None) -> None:
    """Do what is left to do, as the options of `recorded.parser` say; draw it into `figure`, and print it."""
    study = study if arguments.seeds is None else study.with_seeds(arguments.seeds)
    found = outcomes(study.found, study.measure, study.jobs(), arguments.workers, arguments.record, study.text)
    rows = study.rows(found)
    if figure is not None:
        study.draw(found, figure)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        study.show(rows)
