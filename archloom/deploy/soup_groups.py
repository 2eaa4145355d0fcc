"""The soups of every run of a folder, and how much better than the best members they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from archloom.analysis.stats import Summary, summarise
from archloom.deploy.soup import Soup, greedy_soup
from archloom.errors import ArchloomError
from archloom.runs.groups import label_of, members_of
from archloom.runs.members import started
from archloom.runs.prepare import Preparer
from archloom.runs.report import read_report
from archloom.utils.numbers import finite


@dataclass(frozen=True)
class Cooked:
    """A run of a folder: its soup with the metric that it is judged by, or why there is none (`missing`)."""

    path: Path
    label: str
    seed: int
    soup: Soup | None = None
    metric: str = ""
    missing: str | None = None

    @property
    def difference(self) -> float | None:
        return None if self.soup is None else finite(self.soup.difference(self.metric))

    @property
    def difference_tried(self) -> float | None:
        found = None if self.soup is None else self.soup.difference_tried(self.metric)
        return None if found is None else finite(found)

    def to_json(self) -> dict[str, Any]:
        run = {"run": str(self.path), "label": self.label, "seed": self.seed, "missing": self.missing}
        return run if self.soup is None else {**run, **self.soup.to_json(self.metric)}


def cooked(
    run: Path, parts: Sequence[str] | None, final: bool, settings: Mapping[str, Any], trust: bool
) -> Iterator[Cooked]:
    """The soup of each run of a folder, one after another; see `greedy_soup`."""
    preparer = Preparer()
    for path, request in members_of(run).items():
        entry = partial(Cooked, path, label_of(str(path.relative_to(run)), request), request.seed)
        if not started(path, request):
            yield entry(missing="not started")
            continue
        try:
            report = read_report(path, need_space=True, preparer=preparer, trust=trust)
            soup = greedy_soup(report, parts, final, settings, trust)
        except ArchloomError as error:
            yield entry(missing=str(error).removeprefix(f"{path}: "))
        else:
            yield entry(soup, report.scenario.objectives[0])


def summaries(entries: Sequence[Cooked], ddof: int = 1) -> dict[str, tuple[Summary | None, Summary | None]]:
    """By label: of the soups' differences to the best members, and of those of the best means that were tried; None
    where there are none."""
    found = {}
    for label in dict.fromkeys(entry.label for entry in entries):
        own = [entry for entry in entries if entry.label == label]
        soups = [each for entry in own if (each := entry.difference) is not None]
        tried = [each for entry in own if (each := entry.difference_tried) is not None]
        found[label] = (summarise(soups, ddof) if soups else None, summarise(tried, ddof) if tried else None)
    return found
