"""The pictures of episodes by name."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
pytest.importorskip("numba", reason="DARTS cells need the extra bench")
pytest.importorskip("gymnasium", reason="environments need the extra envs")

from archloom.analysis.episode_figures import FIGURES, draw_episodes
from archloom.analysis.episodes import report, setting_of
from archloom.envs.episodes import Plan, find_policies, open_episode_problem, run_episodes
from archloom.errors import InputError


@pytest.fixture
def walked(nb301_file: Any) -> Any:
    plan = Plan(sets=1, starts=30, steps=3, neighbours=5)
    problem = open_episode_problem("nb301", plan, nb301_file)
    found = run_episodes(problem, find_policies(["local_search", "random"]), plan)
    return problem, report(setting_of(problem, plan), found), found


@pytest.mark.parametrize("kind", FIGURES)
def test_every_kind_is_drawn(walked: Any, words: Any, assert_tidy: Any, kind: str) -> None:
    figure = draw_episodes(kind, *walked)
    said = words(figure)
    assert "local_search" in said and "nb301" in said
    assert_tidy(figure)


def test_another_kind(walked: Any) -> None:
    with pytest.raises(InputError, match="unknown figure 'histogram'"):
        draw_episodes("histogram", *walked)
