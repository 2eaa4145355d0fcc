"""The picture of the most common final architectures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="compiled spaces need the extra bench")

from archloom.analysis.common_ends import common_ends
from archloom.envs.episodes import EpisodeProblem
from archloom.envs.nb201 import graph_of
from archloom.envs.terrain import Terrain
from archloom.errors import InputError
from archloom.spaces.nb201 import EDGES, Nb201

OPTIONS = ("none", "nor_conv_3x3")


@pytest.fixture
def problem() -> EpisodeProblem:
    space = Nb201({f"{a}->{b}": OPTIONS for a, b in EDGES})
    terrain = Terrain(graph_of(space), np.linspace(80, 90, 64), 1, 6)
    return EpisodeProblem("nb201", "valid_108_surrogate", None, None, terrain, None, 1, space)


def test_where_most_episodes_end(
    problem: EpisodeProblem, make_episodes: Any, make_episodes_report: Any, words: Any, assert_tidy: Any
) -> None:
    by_policy = {
        "local_search": make_episodes([9.0, 3.0, 4.0, 9.0], states=[[63], [1], [2], [63]]),
        "random": make_episodes([1.0, 5.0, 2.0, 4.0], states=[[0], [63], [5], [7]]),
    }
    report, _ = make_episodes_report(by_policy, on="nb201")
    figure = common_ends(problem, report, by_policy)
    said = words(figure)
    assert "local_search: 50.0 % of the episodes end here; valid_108_surrogate 89.00" in said
    assert "random: the best end; no two are the same; valid_108_surrogate 85.00" in said
    assert said.count("nor_conv_3x3") == 12 and "none" not in said.split(), "row 63 twice"
    assert_tidy(figure)


def test_architectures_without_a_space(problem: EpisodeProblem, make_episodes: Any, make_episodes_report: Any) -> None:
    report, by_policy = make_episodes_report({"x": make_episodes([1.0])}, on="planted")
    bare = EpisodeProblem("planted", "valid", None, None, problem.neighbourhood, None, 1)
    with pytest.raises(InputError, match="architectures of planted cannot be drawn"):
        common_ends(bare, report, by_policy)
