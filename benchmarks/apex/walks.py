"""The paper's protocol: five sets of 10,000 starts, the same for agents and baselines; done once, kept in a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom.analysis.agents import TOGETHER, NamedAgent, evaluate, open_agents
from archloom.analysis.episodes import EpisodesReport, report, setting_of
from archloom.envs.episodes import (
    POLICIES,
    EpisodeProblem,
    Episodes,
    Outcome,
    Plan,
    open_episode_problem,
    run_episodes,
)

_ARRAYS = ("set", "moves", "queries", "final_states", "episode", "query")
_OUTCOMES = ("climbed", "reported")
_OF_OUTCOME = ("start", "final", "found")


@dataclass(frozen=True)
class Walked:
    """The episodes of the baselines and, if there are agents, of each and of all together."""

    problem: EpisodeProblem
    plan: Plan
    by_policy: Mapping[str, Episodes]

    @property
    def report(self) -> EpisodesReport:
        return report(setting_of(self.problem, self.plan), self.by_policy)

    @property
    def together(self) -> Walked:
        """The same without the agents one by one."""
        kept = {name: each for name, each in self.by_policy.items() if name == TOGETHER or name in POLICIES}
        return Walked(self.problem, self.plan, kept)


def walk(arguments: argparse.Namespace, on: str) -> Walked:
    """The episodes that `--sets`, `--starts` and `--agent` ask for; those in `--record` are read, the others added."""
    sets, starts = (2, 40) if arguments.smoke else (5, 10_000)
    plan = Plan(arguments.sets or sets, arguments.starts or starts)
    problem = open_episode_problem(on, plan, objective=arguments.objective)
    agents = open_agents(arguments.agents) if arguments.agents else ()
    header = {"on": on, "metric": problem.metric, "data": problem.data and problem.data.sha256, **asdict(plan)}
    done = _read(arguments.record, header)
    pinned = ",".join(each.agent.sha256 for each in agents)
    found = {name: each for name, (key, each) in done.items() if key in ("", pinned)}
    for name, policy in POLICIES.items():
        if name not in found:
            found |= run_episodes(problem, {name: policy}, plan)
            _write(arguments.record, header, found, pinned)
    if agents and TOGETHER not in found:
        found = {**evaluate(problem, agents, {}, plan), **found}
        _write(arguments.record, header, found, pinned)
    return Walked(problem, plan, {name: found[name] for name in [*_names(agents), *POLICIES]})


def _names(agents: tuple[NamedAgent, ...]) -> list[str]:
    return list(dict.fromkeys([*(each.name for each in agents), TOGETHER])) if agents else []


def _write(path: Path | None, header: Mapping[str, Any], found: Mapping[str, Episodes], pinned: str) -> None:
    if path is None:
        return
    arrays: dict[str, Any] = {"header": json.dumps(header)}
    for name, episodes in found.items():
        arrays[f"{name}/pinned"] = "" if name in POLICIES else pinned
        arrays |= {f"{name}/{field}": getattr(episodes, field) for field in _ARRAYS}
        if episodes.player is not None:
            arrays[f"{name}/player"] = episodes.player
        for field in _OUTCOMES:
            outcome = getattr(episodes, field)
            if outcome is not None:
                arrays[f"{name}/{field}/metric"] = outcome.metric
                arrays |= {f"{name}/{field}/{part}": getattr(outcome, part) for part in _OF_OUTCOME}
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


def _read(path: Path | None, header: Mapping[str, Any]) -> dict[str, tuple[str, Episodes]]:
    """Policy -> the agents' digests, and the episodes."""
    if path is None or not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    if json.loads(str(arrays["header"])) != header:
        raise SystemExit(
            f"{path} is of another benchmark, table or metric, or has other sets and starts: name another file"
        )
    found = {}
    for name in dict.fromkeys(key.partition("/")[0] for key in arrays if "/" in key):
        climbed, reported = (
            Outcome(str(arrays[f"{name}/{field}/metric"]), *(arrays[f"{name}/{field}/{part}"] for part in _OF_OUTCOME))
            if f"{name}/{field}/metric" in arrays
            else None
            for field in _OUTCOMES
        )
        assert climbed is not None  # noqa: S101 - it is always written
        columns = (arrays[f"{name}/{field}"] for field in _ARRAYS)
        found[name] = (
            str(arrays[f"{name}/pinned"]),
            Episodes(name, *columns, climbed, reported, arrays.get(f"{name}/player")),
        )
    return found
