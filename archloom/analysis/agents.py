"""Trained agents in the evaluation protocol of the incremental search problem, each by itself and all together.

Cassimon et al., section 4.1.1: every agent plays one episode from each start of every set, and their episodes are
pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archloom.agents.apex import LOOKS
from archloom.agents.policy import AgentPolicy
from archloom.analysis.episodes import EpisodesReport, pooled
from archloom.analysis.published import is_test_metric
from archloom.envs.episodes import EpisodeProblem, Episodes, Plan, Policy, run_episodes
from archloom.errors import InputError
from archloom.learners.agent_file import Agent, AgentCard, load_agent

TOGETHER = "apex"
"""The name of all agents' episodes; that of the paper's agents in `published`."""


@dataclass(frozen=True)
class NamedAgent:
    """An agent, where it came from, and what it is called in a report."""

    name: str
    path: Path
    agent: Agent

    def to_json(self) -> dict[str, Any]:
        card = self.agent.card
        fields = ("on", "metric", "data_name", "data_sha256", "steps", "seed")
        return {
            "policy": self.name,
            "checkpoint": str(self.path),
            "sha256": self.agent.sha256,
            **{field: getattr(card, field) for field in fields},
        }


def open_agents(paths: Sequence[Path]) -> tuple[NamedAgent, ...]:
    """The agents in these files: `apex`, or `apex-1`, `apex-2` and so on.

    InputError for none, for a file that holds no agent, and for an agent that is given twice.
    """
    if not paths:
        raise InputError("no agent: name the checkpoint of at least one")
    known: dict[str, Path] = {}
    agents = []
    for number, path in enumerate(paths, start=1):
        agent = load_agent(path)
        if agent.sha256 in known:
            raise InputError(f"{path} is the same agent as {known[agent.sha256]}: name each once")
        known[agent.sha256] = path
        agents.append(NamedAgent(f"{TOGETHER}-{number}" if len(paths) > 1 else TOGETHER, path, agent))
    return tuple(agents)


def check_fit(agents: Sequence[NamedAgent], problem: EpisodeProblem, plan: Plan) -> None:
    """InputError for an agent that cannot read the architectures of a problem, or as many neighbours as are shown."""
    for each in agents:
        card = each.agent.card
        if card.encoding != problem.neighbourhood.encoding:
            raise InputError(
                f"agent {each.path} was trained on {card.on} and reads encodings of {card.encoding}, not of "
                f"{problem.neighbourhood.encoding}: expected one trained for {problem.on} "
                f"(archloom agent train --on {problem.on})"
            )
        most = each.agent.network.most_neighbours
        if most is not None and plan.neighbours > most:
            raise InputError(
                f"neighbours={plan.neighbours}: agent {each.path} can be shown at most {most}; give --neighbours {most}"
            )


def evaluate(
    problem: EpisodeProblem,
    agents: Sequence[NamedAgent],
    policies: Mapping[str, Policy],
    plan: Plan,
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, Episodes]:
    """The episodes of each agent, of all agents as `apex`, and of other policies, all from the same starts.

    An agent's episodes depend on the plan and its file, not on its name here or on which others run. `progress` is
    called as by `run_episodes`.
    """
    check_fit(agents, problem, plan)
    name_of = {f"{TOGETHER}/{each.agent.sha256}": each.name for each in agents}  # names the stream of random numbers
    players = {key: AgentPolicy(each.agent.network) for key, each in zip(name_of, agents, strict=True)}

    def tell(policy: str, more: int) -> None:
        if progress is not None:
            progress(name_of.get(policy, policy), more)

    found = run_episodes(problem, {**players, **policies}, plan, tell)
    own = {name: pooled(name, [found[key]]) for key, name in name_of.items()}
    return {**own, TOGETHER: pooled(TOGETHER, list(own.values())), **{name: found[name] for name in policies}}


def only_together(
    agents: Sequence[NamedAgent], found: EpisodesReport, by_policy: Mapping[str, Episodes]
) -> tuple[EpisodesReport, dict[str, Episodes]]:
    """A report and its episodes for a picture: of several agents those of all together, not one by one."""
    single = {each.name for each in agents} - {TOGETHER}
    kept = {name: episodes for name, episodes in by_policy.items() if name not in single}
    return replace(found, policies=tuple(each for each in found.policies if each.policy in kept)), kept


def notes(agents: Sequence[NamedAgent], problem: EpisodeProblem) -> list[str]:
    """What a reader must know of these agents to interpret their numbers on a problem."""
    steps = sum(each.agent.card.steps for each in agents)
    scaled = sum(_is_scaled(each.agent.card) for each in agents)
    before = f" and {LOOKS * scaled} before the first, for the scale of rewards" if scaled else ""
    who = "the agent" if len(agents) == 1 else f"the {len(agents)} agents"
    said = [
        f"Queries are those of the episodes. The look-ups of training are not counted, as in the paper: {who} trained "
        f"for {steps:,} steps{'' if len(agents) == 1 else ' in all'}, at most one look-up each, besides one for each "
        f"start of an episode{before}."
    ]
    for each in agents:
        card = each.agent.card
        same_data = problem.data is None or problem.data.sha256 == card.data_sha256
        if card.metric != problem.metric or not same_data:
            where = "" if same_data else f" of {card.data_name}, which is other data"
            said.append(f"{each.name} was trained to raise {card.metric}{where}: here it transfers what it learned.")
        said += trained_on_test(each.name, card)
    return said


def _is_scaled(card: AgentCard) -> bool:
    """Whether its training began with a look at some random architectures."""
    return bool(card.options.get("scale_rewards")) and card.options.get("reference") is None


def trained_on_test(name: str, card: AgentCard) -> list[str]:
    """That an agent was trained on a test metric, which selection should not see, if it was."""
    return [f"{name} was trained on a test metric ({card.metric})."] if is_test_metric(card.on, card.metric) else []
