"""Runs of several folders in one picture: each strategy under a name that tells it apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from archloom.analysis.study import Reports, shown_name


def together(folders: Mapping[Path, Reports]) -> Reports:
    """The runs of all folders.

    A label that several have is followed by the space, if that tells them apart, else by the name of the folder, else
    by its path.
    """
    if len(folders) == 1:
        return next(iter(folders.values()))
    found = [(path, label, runs) for path, reports in folders.items() for label, runs in reports.items()]
    ways = (
        [label for _, label, _ in found],
        [f"{label} on {runs[0].scenario.space.name}" for _, label, runs in found],
        [f"{label}, {path.name}" for path, label, _ in found],
        [f"{label}, {path}" for path, label, _ in found],
    )
    counts = [Counter(names) for names in ways]
    named = {}
    for number, (_, label, runs) in enumerate(found):
        own = (names[number] for names, count in zip(ways, counts, strict=True) if count[names[number]] == 1)
        named[next(own, f"{label}, {number + 1}")] = runs
    return named


def differences(reports: Reports) -> list[str]:
    """A sentence each for what runs of several folders differ in: the spaces, and the options of the task with their
    values."""
    notes = []
    spaces = {label: runs[0].scenario.space.name for label, runs in reports.items()}
    if len(set(spaces.values())) > 1:
        notes.append(f"Spaces: {_listed(spaces)}.")
    tasks = {label: runs[0].request.problem.task for label, runs in reports.items()}
    for option in dict.fromkeys(option for task in tasks.values() for option in task):
        values = {label: str(task.get(option, "by default")) for label, task in tasks.items()}
        if len(set(values.values())) > 1:
            notes.append(f"Runs differ in task.{option}: {_listed(values)}.")
    return notes


def _listed(by_label: Mapping[str, str]) -> str:
    return ", ".join(f"{shown_name(label)} {shown_name(value)}" for label, value in by_label.items())
