"""Agents with random weights in the evaluation protocol, on a chain of places."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="agents need the extra train")
pytest.importorskip("safetensors", reason="agents' files need the extra train")
pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="terrains need the extra bench")

from archloom.agents.policy import AgentPolicy
from archloom.analysis.agents import NamedAgent, check_fit, evaluate, notes, only_together, open_agents
from archloom.analysis.episodes import report, setting_of
from archloom.envs.episodes import POLICIES, EpisodeProblem, Episodes, Plan, run_episodes
from archloom.envs.terrain import Terrain
from archloom.errors import InputError
from archloom.learners.agent_file import AgentCard, save_agent
from archloom.learners.q_network import NetworkOptions, QNetwork
from archloom.problems import DataIdentity
from archloom.testing.planted_walks import chain, rising

ROWS = 12
PLAN = Plan(sets=2, starts=30, steps=4, neighbours=2)
SMALL = NetworkOptions(width=8, layers=1, heads=2, feedforward=8, head_width=8)
DATA = DataIdentity("chain", "ab" * 32, "made for a test")
CARD = AgentCard(
    space="chain", encoding="chain", bits=ROWS, max_neighbours=2, network=asdict(SMALL), options={}, on="chain",
    metric="valid", data_name="chain", data_sha256=DATA.sha256, steps=640, seed=0, version="0.1.0",
)  # fmt: skip


def problem(encoding: str | None = None, data: DataIdentity | None = DATA) -> EpisodeProblem:
    graph = chain(ROWS) if encoding is None else replace(chain(ROWS), encoding=encoding)
    valid, test = (Terrain(graph, values, 30, 2) for values in (rising(ROWS), 100 - rising(ROWS)))
    return EpisodeProblem("chain", "valid", "test", data, valid, test, 30)


def saved(folder: Path, seed: int, card: AgentCard = CARD) -> Path:
    path = folder / f"{seed}.safetensors"
    sizes = NetworkOptions(**card.network)
    network = QNetwork(card.bits, card.max_neighbours + 1, sizes, np.random.default_rng(seed))
    save_agent(path, network, replace(card, seed=seed))
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [saved(tmp_path, seed) for seed in (1, 2, 3)]


def same(one: Episodes, other: Episodes) -> bool:
    names = ("set", "moves", "queries", "final_states", "episode", "query")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names) and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in zip(one.outcomes, other.outcomes, strict=True)
        for name in ("start", "final", "found")
    )


def test_pictures_show_several_agents_as_one(files: list[Path]) -> None:
    place = problem()
    for paths, kept in ((files, ["apex", "random"]), (files[:1], ["apex", "random"])):
        agents = open_agents(paths)
        found = evaluate(place, agents, {"random": POLICIES["random"]}, PLAN)
        told, drawn = only_together(agents, report(setting_of(place, PLAN), found), found)
        assert list(drawn) == [each.policy for each in told.policies] == kept
        assert drawn["apex"] is found["apex"]


def test_each_agent_all_together_and_what_learns_nothing(files: list[Path]) -> None:
    agents = open_agents(files)
    assert [each.name for each in agents] == ["apex-1", "apex-2", "apex-3"]
    told: list[tuple[str, int]] = []
    found = evaluate(problem(), agents, POLICIES, PLAN, lambda name, more: told.append((name, more)))
    assert list(found) == ["apex-1", "apex-2", "apex-3", "apex", *POLICIES]
    assert [episodes.policy for episodes in found.values()] == list(found)
    assert [len(episodes) for episodes in found.values()] == [60, 60, 60, 180, 60, 60, 60]
    starts = found["random"].climbed.start
    assert (found["apex-2"].climbed.start == starts).all()
    assert found["apex"].climbed.start.tolist() == [*starts] * 3
    assert (found["apex"].queries == 1).all() and (found["apex"].moves <= 4).all()
    assert {name for name, _ in told} == {"apex-1", "apex-2", "apex-3", *POLICIES}
    assert sum(more for _, more in told) == 6 * 60


def test_an_agent_plays_the_same_whoever_else_does(files: list[Path]) -> None:
    everyone = evaluate(problem(), open_agents(files), POLICIES, PLAN)
    alone = evaluate(problem(), open_agents(files[1:2]), {}, PLAN)
    assert list(alone) == ["apex"]
    assert same(alone["apex"], everyone["apex-2"])
    assert same(run_episodes(problem(), POLICIES, PLAN)["random_walk"], everyone["random_walk"])


def test_agents_are_greedy(files: list[Path]) -> None:
    (agent,) = open_agents(files[:1])
    found = evaluate(problem(), [agent], {}, PLAN)["apex"]
    name = f"apex/{agent.agent.sha256}"
    assert same(found, run_episodes(problem(), {name: AgentPolicy(agent.agent.network)}, PLAN)[name])


def test_what_cannot_be_opened(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one"):
        open_agents([])
    with pytest.raises(InputError, match="no such file"):
        open_agents([*files, tmp_path / "missing.safetensors"])
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(files[0].read_bytes())
    with pytest.raises(InputError, match=r"copy\.safetensors is the same agent as .*1\.safetensors: name each once"):
        open_agents([*files, copy])


def test_an_agent_must_read_what_it_is_shown(files: list[Path]) -> None:
    agents = open_agents(files)
    check_fit(agents, problem(), PLAN)
    with pytest.raises(InputError, match="reads encodings of chain, not of ladder"):
        check_fit(agents, problem("ladder"), PLAN)
    check_fit(agents, problem(), replace(PLAN, neighbours=7))  # more than it was trained with


def test_the_papers_readout_has_a_number_of_neighbours(tmp_path: Path) -> None:
    paper = replace(CARD, network={**CARD.network, "readout": "paper"})
    (agent,) = open_agents([saved(tmp_path, 1, paper)])
    check_fit([agent], problem(), PLAN)
    with pytest.raises(InputError, match=r"neighbours=3: agent .* at most 2"):
        evaluate(problem(), [agent], {}, replace(PLAN, neighbours=3))


def noted(agents: tuple[NamedAgent, ...], **changes: object) -> tuple[NamedAgent, ...]:
    """The same agents, the first one of which has another card."""
    first = agents[0]
    card = replace(first.agent.card, **changes)
    return (replace(first, agent=replace(first.agent, card=card)), *agents[1:])


def test_notes(files: list[Path]) -> None:
    agents = open_agents(files)
    assert notes(agents, problem()) == [
        "Queries are those of the episodes. The look-ups of training are not counted, as in the paper: the 3 agents "
        "trained for 1,920 steps in all, at most one look-up each, besides one for each start of an episode."
    ]
    assert "the agent trained for 640 steps, at most" in notes(agents[:1], problem())[0]
    for options, said in (
        ({"scale_rewards": True, "reference": None}, " and 128 before the first, for the scale of rewards."),
        ({"scale_rewards": True, "reference": 0.9}, "start of an episode."),
        ({"scale_rewards": False, "reference": None}, "start of an episode."),
    ):
        assert notes(noted(agents, options=options), problem())[0].endswith(said)
    assert notes(noted(agents, metric="other"), problem())[1:] == [
        "apex-1 was trained to raise other: here it transfers what it learned."
    ]
    assert notes(noted(agents, data_sha256="0" * 64, data_name="older"), problem())[1:] == [
        "apex-1 was trained to raise valid of older, which is other data: here it transfers what it learned."
    ]
    assert len(notes(agents, problem(data=None))) == 1
    assert notes(noted(agents, metric="test"), problem())[2:] == ["apex-1 was trained on a test metric (test)."]


def test_where_an_agent_comes_from(files: list[Path]) -> None:
    (agent,) = open_agents(files[1:2])
    assert agent.to_json() == {
        "policy": "apex", "checkpoint": str(files[1]), "sha256": agent.agent.sha256, "on": "chain", "metric": "valid",
        "data_name": "chain", "data_sha256": "ab" * 32, "steps": 640, "seed": 2,
    }  # fmt: skip
