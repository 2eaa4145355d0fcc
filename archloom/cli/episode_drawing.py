"""-o and --figure: which picture of episodes a command draws, and where to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archloom.cli.paths import UserPath
from archloom.errors import InputError

if TYPE_CHECKING:
    from archloom.analysis.episodes import EpisodesReport
    from archloom.envs.episodes import EpisodeProblem, Episodes


@dataclass(frozen=True)
class Drawing:
    """A picture that was asked for; `target` None: none was."""

    target: Path | None
    kind: str

    def check(self) -> None:
        """Fail before the work starts if nothing can be drawn."""
        if self.target is None:
            return
        from archloom.analysis.episode_figures import find_figure
        from archloom.analysis.figures import check_path, styled

        find_figure(self.kind)
        check_path(self.target)
        with styled():  # matplotlib is here
            pass

    def save(self, problem: EpisodeProblem, found: EpisodesReport, by_policy: Mapping[str, Episodes]) -> None:
        if self.target is None:
            return
        from archloom.analysis.episode_figures import draw_episodes
        from archloom.analysis.figures import save

        save(draw_episodes(self.kind, problem, found, by_policy), self.target)


def drawing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """-o and --figure, as the one argument `drawing`."""

    @click.option("-o", "--output", "target", type=UserPath(), default=None,
                  help="Draw a picture: a .png, .pdf or .svg file.")  # fmt: skip
    @click.option("--figure", "kind", default=None, metavar="KIND",
                  help="Which: improvement (histograms, the default), initial (improvement against initial accuracy), "
                       "queries (the best by number of queries), ends (the most common final "
                       "architectures).")  # fmt: skip
    @functools.wraps(function)
    def taking(*arguments: Any, target: Path | None, kind: str | None, **named: Any) -> Any:
        if kind is not None and target is None:
            raise InputError(f"--figure {kind}: expected a file to draw it into; add -o FILE.png")
        return function(*arguments, **named, drawing=Drawing(target, kind or "improvement"))

    return taking
