"""Learning curves of trainings that differ in one option: the ablations of section 5, Figs. 17 to 19."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from archloom.agents.training_log import LOG, read_log
from archloom.analysis.learning_curves import LearningCurve, learning_curves, moving_average
from benchmarks.apex.figures import save
from benchmarks.apex.study import Study


def compare(
    arguments: argparse.Namespace, name: str, title: str, folders: Mapping[str, Sequence[Path]], notes: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows, and a picture called `name`, of trainings by setting: the accuracy that walkers are at, by steps."""
    curves = {
        setting: [curve for each in runs if len((curve := _curve(each)).steps)] for setting, runs in folders.items()
    }
    known = {setting: runs for setting, runs in curves.items() if runs}
    if not known:
        raise SystemExit("no training has a log with values yet")
    save(arguments, name, partial(learning_curves, title, "mean accuracy of walkers (%)", known, notes))
    return [
        {
            "setting": setting, "trainings": len(runs), "steps": int(min(run.steps[-1] for run in runs)),
            "first": round(float(np.mean([moving_average(run.values)[0] for run in runs])), 3),
            "last": round(float(np.mean([moving_average(run.values)[-1] for run in runs])), 3),
            "best": round(float(np.mean([moving_average(run.values).max() for run in runs])), 3),
        }
        for setting, runs in known.items()
    ]  # fmt: skip


def _curve(folder: Path) -> LearningCurve:
    rows = [(row.steps, row.mean_value) for row in read_log(folder) if row.mean_value is not None]
    steps, values = np.array(rows, dtype=float).reshape(-1, 2).T
    return LearningCurve(steps, values)


def learning(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The trainings in a folder: FOLDER/SETTING/SEED is a training's own folder."""
    if arguments.trainings is None:
        raise SystemExit("learning: expected --trainings FOLDER, with trainings in FOLDER/SETTING/SEED")
    logs = sorted(arguments.trainings.glob(f"*/*/{LOG}"))
    if not logs:
        raise SystemExit(f"{arguments.trainings}: there is no training in FOLDER/SETTING/SEED")
    folders: dict[str, list[Path]] = {}
    for log in logs:
        folders.setdefault(log.parent.parent.name, []).append(log.parent)
    return compare(arguments, arguments.trainings.name, f"Trainings of {arguments.trainings.name}", folders, [])


STUDIES = {"learning": Study("curves of trainings in a folder: Figs. 17 to 19", learning)}
