"""The pictures of episodes that commands offer, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from archloom.analysis.best_by_queries import best_by_queries
from archloom.analysis.common_ends import common_ends
from archloom.analysis.episodes import EpisodesReport
from archloom.analysis.improvement import histograms
from archloom.analysis.initial_accuracy import improvement_by_start
from archloom.envs.episodes import EpisodeProblem, Episodes
from archloom.errors import unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[EpisodeProblem, EpisodesReport, Mapping[str, Episodes]], "Figure"]


@dataclass(frozen=True)
class EpisodeFigure:
    """A kind of picture: a one-line description, and the function that draws it."""

    title: str
    draw: Draw


FIGURES: Mapping[str, EpisodeFigure] = MappingProxyType(
    {
        "improvement": EpisodeFigure(
            "histograms of the improvement over an episode", lambda _, report, by_policy: histograms(report, by_policy)
        ),
        "initial": EpisodeFigure(
            "the improvement against the accuracy of the start",
            lambda _, report, by_policy: improvement_by_start(report, by_policy),
        ),
        "queries": EpisodeFigure(
            "the best accuracy by number of queries", lambda _, report, by_policy: best_by_queries(report, by_policy)
        ),
        "ends": EpisodeFigure("the most common final architectures", common_ends),
    }
)


def find_figure(kind: str) -> EpisodeFigure:
    """InputError for an unknown kind."""
    if kind not in FIGURES:
        raise unknown("figure", kind, FIGURES)
    return FIGURES[kind]


def draw_episodes(
    kind: str, problem: EpisodeProblem, report: EpisodesReport, by_policy: Mapping[str, Episodes]
) -> Figure:
    """The picture called `kind`; InputError if there is none."""
    return find_figure(kind).draw(problem, report, by_policy)
