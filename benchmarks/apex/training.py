"""Agents trained with several seeds and evaluated on the protocol's starts; transfer; what a training step takes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.apex.study import Study
from benchmarks.recorded import mapping

SMALL = {"learning_starts": 64, "walkers": 16, "log_steps": 64}
"""Options of smoke versions, beside their few steps."""
PAPER_NB101 = {"width": 256, "layers": 2, "heads": 4, "feedforward": 512, "head_width": 256, "readout": "paper",
               "batch_size": 512, "walkers": 256}  # fmt: skip
PAPER_NB301 = {**PAPER_NB101, "width": 512}


@dataclass(frozen=True)
class Job:
    """A training: its folder, and what to train there. `start` is an agent's file to go on with."""

    out: Path
    on: str
    objective: str | None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    start: Path | None = None


def run(job: Job) -> Path:
    """Train in the folder, to the end, from where it stands; returns the agent's file."""
    from archloom.agents.options import ApexOptions
    from archloom.agents.training import TrainingRequest, open_training, prepare_training
    from archloom.agents.training_folder import is_training

    if is_training(job.out):
        training = open_training(job.out)
    else:
        job.out.parent.mkdir(parents=True, exist_ok=True)
        options = ApexOptions(**job.options)
        training = prepare_training(
            TrainingRequest(job.on, job.out, objective=job.objective, options=options, seed=job.seed, start=job.start)
        )
    return training.run().agent


def run_all(jobs: Sequence[Job], workers: int) -> list[Path]:
    """Run trainings side by side, but for those that are finished already."""
    with mapping(workers) as mapped:
        return list(mapped(run, jobs))


def folder(arguments: argparse.Namespace) -> Path:
    """`--trainings`, which a study needs."""
    if arguments.trainings is None:
        raise SystemExit(f"{arguments.study}: expected --trainings FOLDER, to train in")
    found: Path = arguments.trainings
    return found


# -- agents and what they find --------------------------------------------------------------------------------------


def agents(
    arguments: argparse.Namespace, on: str, objective: str | None, options: Mapping[str, Any], seeds: int = 5
) -> list[dict[str, Any]]:
    """Train an agent for each seed, and let all walk from 5 sets of 1,000 starts: ends, and the best by queries."""
    from archloom.analysis.agents import TOGETHER
    from archloom.analysis.episodes import BestAfter
    from benchmarks.apex.walks import walk

    if arguments.smoke:
        options, seeds = {**options, **SMALL, "steps": 256}, 2
    seeds = arguments.seeds or seeds
    base = folder(arguments)
    jobs = [Job(base / f"{arguments.study}-{seed}", on, objective, options, seed) for seed in range(seeds)]
    files = run_all(jobs, arguments.workers)
    changed = {"agents": files, "sets": arguments.sets or (1 if arguments.smoke else 5), "objective": objective,
               "starts": arguments.starts or (40 if arguments.smoke else 1_000)}  # fmt: skip
    found = walk(argparse.Namespace(**{**vars(arguments), **changed}), on).report

    def shown(best: BestAfter) -> str:
        return f"{best.mean:.3f} [{best.low:.3f}, {best.high:.3f}]"

    rows = []
    for policy in found.policies:
        climbed, *_ = policy.improvements.values()
        best = {each.queries: shown(each) for each in policy.best_after}
        rows.append({
            "policy": "all agents" if policy.policy == TOGETHER else policy.policy, "end": round(climbed.mean_end, 3),
            "median": round(climbed.median, 3), "moves": round(policy.mean_moves, 2),
            **{f"after {queries}": best.get(queries, "") for queries in found.budgets},
        })  # fmt: skip
    return rows


# -- transfer -------------------------------------------------------------------------------------------------------

SOURCE, TARGET = "cifar100_valid_200", "cifar10_valid_200"


def transfer(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Agents of one dataset on another, as they are and after a tenth of the steps there, beside training there.

    As in Cassimon et al.'s later work (arXiv 2412.01420), between the datasets of NAS-Bench-201.
    """
    from archloom.analysis.agents import TOGETHER
    from benchmarks.apex.walks import walk

    steps, seeds = (256, 2) if arguments.smoke else (64_000, 5)
    small = SMALL if arguments.smoke else {}
    seeds, base = arguments.seeds or seeds, folder(arguments)
    few, whole = {**small, "steps": steps // 10}, {**small, "steps": steps}

    def trained(name: str, metric: str, options: Mapping[str, Any], starts: Sequence[Path | None]) -> list[Path]:
        jobs = [
            Job(base / f"transfer-{name}-{seed}", "nb201", metric, options, seed, start)
            for seed, start in enumerate(starts)
        ]
        return run_all(jobs, arguments.workers)

    nobody: list[Path | None] = [None] * seeds
    sources = trained("source", SOURCE, whole, nobody)
    compared = {
        "of the other dataset": (0, sources),
        "of the other dataset, fine-tuned": (steps // 10, trained("tuned", TARGET, few, sources)),
        "trained from nothing": (steps // 10, trained("few", TARGET, few, nobody)),
        "trained from nothing, in full": (steps, trained("target", TARGET, whole, nobody)),
    }
    rows = []
    for label, (taken, files) in compared.items():
        changed = {"agents": files, "objective": TARGET, "record": None, "sets": arguments.sets or 1,
                   "starts": arguments.starts or (40 if arguments.smoke else 1_000)}  # fmt: skip
        found = walk(argparse.Namespace(**{**vars(arguments), **changed}), "nb201").by_policy
        ends = found[TOGETHER].climbed.final
        rows.append({
            "agents": label, "steps there": taken, "mean end": round(float(ends.mean()), 3),
            "of each seed": " ".join(f"{end:.2f}" for end in sorted(ends.reshape(seeds, -1).mean(axis=1))),
        })  # fmt: skip
    return rows


# -- speed ----------------------------------------------------------------------------------------------------------

NETWORKS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("nb101", "default"): {},
    ("nb101", "paper's"): PAPER_NB101,
    ("nb201", "default"): {},
    ("nb301", "default"): {},
    ("nb301", "paper's"): PAPER_NB301,
}


MEASURED_S = 10.0


def speed(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Steps a second of a training, everything included, one transition learnt for each that is gathered."""
    threads, seconds = ((1,), 0.1) if arguments.smoke else ((1, 2), MEASURED_S)
    return [
        _rates(on, network, {**options, **SMALL, "batch_size": 64} if arguments.smoke else options, count, seconds)
        for (on, network), options in NETWORKS.items()
        for count in threads
        if not arguments.smoke or network == "default"
    ]


def _rates(on: str, network: str, options: Mapping[str, Any], threads: int, seconds: float) -> dict[str, Any]:
    from archloom.agents.apex import Apex
    from archloom.agents.options import ApexOptions
    from archloom.envs import open_neighbourhood
    from archloom.envs.incremental import IncrementalVectorEnv
    from archloom.learners.arrays import one_thread

    asked = ApexOptions(**{"learning_starts": 512, **options})
    neighbourhood = open_neighbourhood(on, asked.walkers, asked.max_neighbours)
    env = IncrementalVectorEnv(neighbourhood, asked.walkers, asked.max_neighbours, asked.episode_steps, asked.shaping)
    agent = Apex(env, asked, seed=0, threads=threads)
    agent.train(10**9, lambda done: done.updates < 3)  # compiled, and learning
    before = agent.progress.steps
    wall, processor = time.perf_counter(), time.process_time()
    with one_thread():
        agent.train(10**9, lambda done: time.perf_counter() - wall < seconds)
    steps = agent.progress.steps - before
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {
        "on": on,
        "network": network,
        "threads": threads,
        "steps/s": round(steps / wall),
        "a core's second": round(steps / processor),
    }


STUDIES = {
    "train_nb101": Study(
        "agents of 80,000 steps on the nb101 surrogate, and the best by queries",
        partial(agents, on="nb101", objective=None, options={"steps": 80_000}),
    ),
    "train_nb201": Study(
        "agents of 64,000 steps on nb201, CIFAR-100 validation",
        partial(agents, on="nb201", objective=SOURCE, options={"steps": 64_000}),
    ),
    "train_nb301": Study(
        "agents of 100,000 steps on the nb301 surrogate",
        partial(agents, on="nb301", objective=None, options={"steps": 100_000}),
    ),
    "train_readout": Study(
        "an agent with the paper's readout, 1,000,000 steps on the nb101 surrogate",
        partial(agents, on="nb101", objective=None, options={"steps": 1_000_000, "readout": "paper"}, seeds=1),
    ),
    "transfer": Study("agents of nb201's CIFAR-100 on its CIFAR-10, as they are and fine-tuned", transfer),
    "speed": Study("steps a second of trainings, by benchmark and network", speed),
}
