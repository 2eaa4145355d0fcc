"""The agent's share of a DDAS step: proposing and learning, against training and measuring the supernet's path.

    python -m benchmarks.supernets.share            the mini search's supernet and options, 100 steps, by seed
    ... --json, --smoke

Processor time of one process, one thread, over the steps in which the actor acts and learns. What the loop adds
(recording, states on disk) counts to neither side.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from archloom.checkpoints.state import TrainingState
from archloom.problems.scenario import open_scenario
from archloom.problems.spec import ProblemSpec
from archloom.strategies.ddas.options import DdasOptions
from archloom.strategies.ddas.strategy import Ddas
from archloom.types import Trial
from archloom.utils import seeds
from benchmarks.supernets import ddas
from benchmarks.supernets.searches import numbers, parser, told

BOUND = 5.0


@dataclass(frozen=True)
class Row:
    steps: int
    agent_ms: float
    training_ms: float
    share_percent: float
    reached: bool


def measure(size: ddas.Size, supernet: Path, explore: int, steps: int) -> Row:
    spec = ProblemSpec(f"supernet_training:{size.making.data}", table=str(supernet), task={"steps": str(size.batches)})
    scenario = open_scenario(spec)
    problem = scenario.problem
    evaluator = problem.evaluator(("valid_accuracy", "valid_loss"), problem.default_report(("valid_accuracy",)))
    options = DdasOptions(explore=explore, exploit=steps)
    rng = seeds.stream(0, "strategy")
    agent = Ddas(scenario.space, scenario.criteria, rng, options, reference=problem.reference)
    state: TrainingState | None = None
    spent = {"agent": 0.0, "training": 0.0}
    for number in range(explore + steps):
        begun = time.process_time()
        (proposal,) = agent.ask(1)
        asked = time.process_time()
        weights = None if state is None or proposal.inherit is None else {proposal.inherit.base: state}
        result, state = evaluator.evaluate(proposal, weights, seeds.stream(0, "evaluate", number))
        trained = time.process_time()
        agent.tell([Trial(number, proposal, result).without_report()])
        if number >= explore:
            spent["agent"] += time.process_time() - trained + asked - begun
            spent["training"] += trained - asked
    share = 100 * spent["agent"] / (spent["agent"] + spent["training"])
    each = {name: round(1e3 * seconds / steps, 2) for name, seconds in spent.items()}
    return Row(steps, each["agent"], each["training"], round(share, 2), share < BOUND)


def main() -> None:
    given = parser(__doc__, Path("supernets/ddas")).parse_args()
    size, explore, steps = (ddas.SMOKE, 3, 4) if given.smoke else (ddas.FULL, 64, 100)
    rows = [measure(size, size.making.file(given.out, seed), explore, steps) for seed in numbers(given.seeds)]
    told(rows, given.json)


if __name__ == "__main__":
    main()
