"""A picture of the architectures that most episodes end with (Cassimon et al., Fig. 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archloom.analysis.cell_drawing import draw_cells
from archloom.analysis.episodes import CommonEnd, EpisodesReport, common_end
from archloom.analysis.figures import COLOURS, caption, new_figure, styled
from archloom.envs.episodes import EpisodeProblem, Episodes
from archloom.errors import InputError
from archloom.types import Arch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def common_ends(problem: EpisodeProblem, report: EpisodesReport, by_policy: Mapping[str, Episodes]) -> Figure:
    """The most common final architecture of each policy, with the share of its episodes that end there.

    Of a policy whose episodes all end differently, one of those that are best by what it climbed. InputError for a
    problem without a space.
    """
    setting, space = report.setting, problem.space
    if space is None:
        raise InputError(f"architectures of {problem.on} cannot be drawn: expected a benchmark with a space")
    drawn = []
    for policy, episodes in by_policy.items():
        end = common_end(episodes)
        alone = end.share * len(episodes) < 1.5
        if alone:
            end = CommonEnd(int(episodes.climbed.final.argmax()), end.share)
        genes = problem.neighbourhood.genes(episodes.final_states[[end.episode]])[0]
        words = "the best end; no two are the same" if alone else f"{100 * end.share:.1f} % of the episodes end here"
        values = ", ".join(f"{outcome.metric} {outcome.final[end.episode]:.2f}" for outcome in episodes.outcomes)
        drawn.append((f"{policy}: {words}; {values}", Arch(tuple(genes.tolist()))))
    with styled():
        figure = new_figure(8.0, 3.6)
        draw_cells(figure, space, drawn, COLOURS)
        caption(
            figure,
            [f"Most common final architecture on {setting.on}"],
            [
                f"{setting.words[0].upper()}{setting.words[1:]}.",
                f"Data: {setting.data_line.rstrip('.')}.",
                *setting.caveats,
            ],
        )
    return figure
