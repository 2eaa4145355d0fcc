"""Agents that act and learn."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra train")
pytest.importorskip("dm_control", reason="environments need the extra control")

import torch

from archloom.checkpoints import drafts
from archloom.checkpoints.drafts import EpisodeDraft
from archloom.checkpoints.experience import Episodes
from archloom.checkpoints.mix import mix
from archloom.checkpoints.state import TrainingState, labelled
from archloom.checkpoints.state_file import network_bytes
from archloom.constraints import Winner
from archloom.errors import InputError
from archloom.evaluators.train import TrainingEvaluator
from archloom.learners.drqv2 import DrQv2, truncated_normal
from archloom.problems import ProblemSpec, open_scenario
from archloom.runs.folders import limits_for, run_folder
from archloom.runs.prepare import Request
from archloom.runs.record import WEIGHTS, read_lines
from archloom.spaces.control import Control
from archloom.tasks.base import (
    ChoosesWinner,
    CollectsExperience,
    Deployable,
    EvaluatedFinally,
    Filmed,
    GeneratesImages,
    PreparesEvaluation,
    Task,
    Training,
    UsesExperience,
)
from archloom.tasks.control.data import ControlData
from archloom.tasks.control.environments import EnvironmentSettings, open_environment
from archloom.tasks.control.options import ControlOptions
from archloom.tasks.control.task import FRAMES, REWARD, TARGET, ControlTask, ControlTraining
from archloom.types import Inherit, Proposal
from archloom.utils import seeds

SETTINGS: dict[str, Any] = {
    "pixels": False, "epochs": 2, "epoch_frames": 40, "episode_frames": 16, "seed_frames": 16, "explore_steps": 4,
    "batch_size": 4, "episodes": 2, "final_episodes": 2, "std_steps": 30,
}  # fmt: skip
DATA = ControlData("gym:Point-v0", (3,), 1)
SPACE = Control((3,), 1, hidden=8, features=(4, 6))
ARCH = SPACE.sample(np.random.default_rng(2))


pytestmark = pytest.mark.usefixtures("point")


def task(**settings: Any) -> ControlTask:
    return ControlTask(DATA, ControlOptions(**{**SETTINGS, **settings}), SPACE)


def trained(epochs: int, seed: int = 3, **settings: Any) -> ControlTraining:
    training = task(**settings).begin(ARCH, seed)
    training.train(epochs)
    return training


def tensors(state: TrainingState) -> dict[str, Any]:
    slots = {
        f"{name}.{parameter}.{slot}": value
        for name, optimiser in state.optimisers.items()
        for parameter, found in optimiser.slots.items()
        for slot, value in found.items()
    }
    return {**labelled(state.networks), **labelled({TARGET: state.averages[TARGET].tensors}), **slots}


def assert_same(one: TrainingState, other: TrainingState) -> None:
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys() and one.rest == other.rest
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def lived(training: ControlTraining) -> Episodes:
    return Episodes.joined(training.experience())


def test_it_is_a_task_that_trains_and_collects_experience() -> None:
    made = task()
    for protocol in (Task, CollectsExperience, ChoosesWinner, PreparesEvaluation):
        assert isinstance(made, protocol)
    training = made.begin(ARCH, 0)
    for protocol in (Training, UsesExperience, EvaluatedFinally, Filmed, GeneratesImages):
        assert isinstance(training, protocol)
    assert made.goals == {REWARD: "max"} and made.report == (FRAMES,)
    assert made.winner is Winner.OF_LAST_POPULATION
    assert task(capacity=100).experience_epochs == 6  # 20 steps an epoch


def test_an_epoch_ends_with_the_episode_that_reaches_its_frames() -> None:
    training = trained(1)
    assert lived(training).lengths.tolist() == [8, 8, 8]  # 48 frames, for 40
    training.recall(training.experience())
    training.train(1)
    assert lived(training).lengths.tolist() == [8, 8]  # 80 in all
    assert training.steps == 40
    assert training.evaluate()[FRAMES] == 80


def test_experience_is_what_was_lived() -> None:
    episodes = lived(trained(1))
    assert episodes.frames.shape == (27, 3) and episodes.frames.dtype == np.float32
    assert episodes.actions.shape == (24, 1) and (np.abs(episodes.actions) <= 1).all()
    assert (episodes.discounts == 1).all() and (episodes.rewards > 0).all()
    environment = trained(0)._environment("environment")
    for episode in range(3):
        frames = episodes.frames[9 * episode :]
        assert (environment.reset() == frames[0]).all()
        for step in range(8):
            found = environment.step(episodes.actions[8 * episode + step])
            assert (found.frame == frames[step + 1]).all()
            assert np.float32(found.reward) == episodes.rewards[8 * episode + step]


def test_a_chunk_leaves_no_more_than_a_replay_holds() -> None:
    assert lived(trained(1, capacity=16)).lengths.tolist() == [8, 8]
    assert lived(trained(1, capacity=15)).lengths.tolist() == [8]


def test_before_it_trains_there_is_no_experience() -> None:
    assert lived(task().begin(ARCH, 0)).transitions == 0


def test_it_goes_on_from_its_state_and_files_as_if_it_had_never_stopped() -> None:
    whole, first, second = trained(2), trained(1), task().begin(ARCH, 0)
    second.resume(first.state())
    second.recall(first.experience())
    second.train(1)
    assert_same(whole.state(), second.state())
    parts = Episodes.joined([lived(first), lived(second)])
    for name in ("frames", "actions", "rewards", "discounts", "lengths"):
        assert (getattr(parts, name) == getattr(lived(whole), name)).all()
    assert whole.evaluate() == second.evaluate()


def test_the_replay_holds_what_is_recalled() -> None:
    one, other = trained(1), trained(1, seed=4)
    mixed = task().begin(ARCH, 0)
    mixed.resume(one.state())
    mixed.recall(other.experience())
    mixed.train(1)
    same = task().begin(ARCH, 0)
    same.resume(one.state())
    same.recall(one.experience())
    same.train(1)
    assert lived(mixed).actions.shape == lived(same).actions.shape
    assert (lived(mixed).actions != lived(same).actions).any()


def test_a_loop_written_out() -> None:
    """The order of DrQ-v2's loop: act, learn, step; nothing is learnt of the episode that one is in."""
    training, plain = trained(1), task().begin(ARCH, 3)
    rng = seeds.stream(3, "act and learn", 0)
    experience, agent = lived(training), plain.agent
    for step in range(24):
        episode, within = divmod(step, 8)
        frame = experience.frames[9 * episode + within]
        if step < 4:
            action = rng.uniform(-1, 1, 1)
        else:
            with torch.no_grad():
                mean = agent.actor(agent.encoder(torch.from_numpy(frame)[None]))
                noise = torch.from_numpy(rng.standard_normal((1, 1), np.float32))
                action = truncated_normal(mean, agent.options.std(step), noise)[0].numpy()
        assert experience.actions[step] == pytest.approx(action, abs=1e-6)
        if step % 2 == 0 and step >= 8:
            agent.update(plain._replay.sample(4, rng), step, rng)
        if within == 7:
            part = slice(8 * episode, 8 * episode + 8)
            plain._replay.add(
                Episodes(
                    experience.frames[9 * episode : 9 * episode + 9], experience.actions[part],
                    experience.rewards[part], experience.discounts[part], np.array([8]),
                )
            )  # fmt: skip
    plain.steps, plain.epochs = 24, 1
    assert_same(training.state(), plain.state())


def test_measuring_changes_nothing() -> None:
    training = trained(1)
    before, steps = training.state(), training.steps
    measured, final = training.evaluate(), training.evaluate_finally()
    assert measured == training.evaluate()
    assert 0 < measured[REWARD] <= 16 and final[REWARD] != measured[REWARD]
    assert_same(before, training.state())
    assert training.steps == steps


def test_an_episode_can_be_watched() -> None:
    training = trained(0, episode_frames=6)
    film = training.film(32)
    assert len(film.pictures) == 3 and film.pictures[0].shape == (32, 32, 3)
    assert film.rate == 50  # 100 frames a second, every other one
    (moments,) = training.generate(4)
    assert moments.shape == (4, 3, 64, 64)
    assert (moments[0] != moments[3]).any()


def test_a_child_of_two_architectures_mixes() -> None:
    """With a target critic that is copied as the critic is, and the experience that its recipe names."""
    rng = np.random.default_rng(0)
    evaluator = TrainingEvaluator(task(), SPACE, (REWARD,), (FRAMES,))
    archs = [SPACE.sample(rng) for _ in range(3)]
    states, files = {}, {}
    for trial, arch in enumerate(archs[:2]):
        result, states[trial], left = evaluator.evaluate_with_files(Proposal(arch, 1), None, (), None, rng)
        assert left is not None and result.report[FRAMES] == 48
        files[trial] = left
    donors = {gene: (gene % 2) or None for gene in range(len(archs[2].genes))}
    inherit = Inherit(base=0, donors=donors, files={"experience": (1,)})
    result, child, left = evaluator.evaluate_with_files(Proposal(archs[2], 2, inherit), states, (files[1],), None, rng)
    assert left is not None and result.report[FRAMES] == 80
    assert child.averages[TARGET].target and child.averages[TARGET].of == "critic"
    assert child.averages[TARGET].tensors.keys() == child.networks["critic"].keys()


def test_a_child_has_the_target_of_whom_it_has_the_critic_from() -> None:
    """Not shrunk or perturbed; fresh with a layer that is. All of its optimisers' slots stay the base's."""
    base, donor, fresh = (trained(int(seed < 3), seed, epoch_frames=24).state() for seed in (1, 2, 3))
    gene = SPACE.gene_names.index("critic.features")
    for source in (donor, None):
        child, _ = mix(base, {gene: source}, fresh, {gene: SPACE.modules(gene)}, 0.4, 0.1)
        for name, found in child.averages[TARGET].tensors.items():
            owned = name.startswith(("trunk.", "q1.0.", "q2.0."))
            expected = base if not owned else source or fresh
            assert torch.equal(found, expected.averages[TARGET].tensors[name]), name
        resumed = task().begin(ARCH, 0)
        resumed.resume(child)
        assert_same(child, resumed.state())
        assert resumed.state().optimisers["critic"].slots.keys() == base.optimisers["critic"].slots.keys() != set()


@pytest.mark.parametrize("name", ["walker_run", "quadruped_run", "humanoid_run"])
def test_an_update_in_the_published_environments(pixels: None, name: str) -> None:
    spec = ProblemSpec(
        f"control:{name}",
        space={"width": 2, "hidden": 8, "features": "4"},
        task={"episode_frames": 4, "epoch_frames": 8, "seed_frames": 4, "batch_size": 2, "n_step": 1, "episodes": 1,
              "effects": False, "explore_steps": 2},
    )  # fmt: skip
    problem = open_scenario(spec).problem
    training = problem.task.begin(problem.space.original, 0)
    before = training.state()
    training.train(1)
    frames = lived(training).frames
    assert frames.shape == (6, 3, 84, 84) and all(frame.max() > 100 and len(np.unique(frame)) > 40 for frame in frames)
    changed, unchanged = tensors(training.state()), labelled(before.networks)
    moved = {label.split(".")[0] for label in unchanged if not torch.equal(changed[label], unchanged[label])}
    assert moved == {"encoder", "actor", "critic"}
    assert np.isfinite(training.evaluate()[REWARD])


def test_what_is_published_is_the_default() -> None:
    spec = ProblemSpec("control:walker_run", task={"pixels": False})
    fit = spec.source.fit(spec)
    assert fit is not None
    assert (fit.population.population, fit.population.epochs, fit.population.step) == (12, 300, 10)
    assert fit.task == {"epochs": 300, "n_step": 1, "batch_size": 512, "capacity": 1_000_000}
    data = ControlData("humanoid_run", (3, 84, 84), 21)
    humanoid = ControlTask.fit(data, {"pixels": False, "lr": 1e-3})
    assert (humanoid.population.epochs, humanoid.population.step) == (1500, 100)
    assert (humanoid.task["lr"], humanoid.task["epochs"]) == (8e-5, 1500)
    short = ControlTask.fit(data, {"pixels": False, "epochs": 30})
    assert (short.population.epochs, short.population.step) == (30, 2), "in as many chunks"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ProblemSpec("control:cartpole_balanced"), "did you mean 'cartpole_balance'"),
        (ProblemSpec("control:cartpole_balance", space_name="convnet"), "so it is not for control:cartpole_balance"),
        (ProblemSpec("control:cartpole_balance", space={"actions": 2}), "sets it to 1; omit it"),
        (ProblemSpec("control:cartpole_balance", task={"size": 96}), "size=96: expected at most render_size"),
    ],
)
def test_what_does_not_fit_is_told(spec: ProblemSpec, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_scenario(spec)


# -- whole searches -----------------------------------------------------------------------------------------------


def search(queries: int, as_completed: bool = False) -> Request:
    """Two chunks of two agents that share experience, of which so many trials are asked for."""
    options = {"population": "2", "epochs": "2", "step": "1", "survivors": "0.5", "experience": "shared"}
    task = {**SETTINGS, "epoch_frames": 32, "episodes": 1, "capacity": 1000}
    spec = ProblemSpec("control:gym:Point-v0", space={"hidden": "8", "features": "4,6"}, task=task)
    limits = replace(limits_for("pbt_nas", options), queries=queries, as_completed=as_completed)
    return Request("pbt_nas", spec, 0, limits, options)


def outcome(run: Path) -> tuple[list[Any], dict[str, bytes]]:
    """The record without durations, and all files."""
    lines = [(line.id, line.genes, line.inherit, line.scores, line.report) for line in read_lines(run)]
    return lines, {path.name: path.read_bytes() for path in (run / WEIGHTS).iterdir()}


def killed(work: Callable[[], object], kind: Any, name: str, when: Callable[[], bool]) -> bool:
    """Whether a process that does this work is killed as it calls a method, in this situation."""
    if (child := os.fork()) == 0:
        real = getattr(kind, name)

        def called(*arguments: Any, **named: Any) -> Any:
            if when():
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        setattr(kind, name, called)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_killed_while_it_collects_learns_and_writes_a_search_ends_in_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "_SMALL", 0)
    request, run, whole = search(3), tmp_path / "run", tmp_path / "whole"
    run_folder(whole, request, isolate=False)
    for kind, name, left in (
        (EpisodeDraft, "add", ".000000.draft.*"),
        (DrQv2, "update", ".000001.draft.*"),
        (os, "fsync", ".000002.experience.*"),
    ):
        there = partial(_there, run / WEIGHTS, left)
        assert killed(lambda: run_folder(run, request, isolate=False), kind, name, there)
        assert there()
    run_folder(run, request, isolate=False)
    assert outcome(run) == outcome(whole)
    assert sum(name.endswith("experience") for name in outcome(run)[1]) == 2


def _there(folder: Path, pattern: str) -> bool:
    return any(folder.glob(pattern))


def test_agents_that_share_live_hear_of_each_other_in_the_same_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[float] = []
    real = EpisodeDraft.news

    def news(self: EpisodeDraft) -> Any:
        found = real(self)
        heard.append(sum(each.transitions for each in found))
        return found

    monkeypatch.setattr(EpisodeDraft, "news", news)
    for as_completed, steps in ((True, 16), (False, 0)):
        heard.clear()
        report = run_folder(tmp_path / str(steps), search(2, as_completed), isolate=False)
        assert not report.history.failed and sum(heard) == steps


# -- the policy in use --------------------------------------------------------------------------------------------

EXAMPLE = re.compile(r"<!-- policy\.py acts -->\n```python\n(.*?)```", re.DOTALL)


def test_the_exported_policy_acts_as_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example as it stands there, in a faster environment, has the rewards that the agent has."""
    data = ControlData("gym:Point-v0", (3, 42, 42), 1)
    space = Control((9, 42, 42), 1, width=2, hidden=4, features=(4,))
    training = ControlTask(data, ControlOptions(size=42), space).begin(space.original, 0)
    (tmp_path / "policy.py").write_text(space.source(space.original, "a test"), encoding="utf-8")
    (tmp_path / "policy.safetensors").write_bytes(network_bytes(training.state(), "a test"))
    (example,) = EXAMPLE.findall((Path(__file__).parents[3] / "docs/control.md").read_text(encoding="utf-8"))
    for there, here in (("cartpole_balance", data.name), ("size=42", "size=42, episode_frames=40")):
        assert there in example
        example = example.replace(there, here)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "policy", raising=False)
    made: dict[str, Any] = {}
    exec(example, made)

    settings = EnvironmentSettings(size=42, episode_frames=40)
    monkeypatch.setattr(training, "_environment", lambda purpose: open_environment(data.name, 0, settings))
    assert made["reward"] == pytest.approx(training._measured(1, "evaluate")[REWARD], rel=1e-6)


@pytest.mark.parametrize("pixels", [True, False])
def test_what_is_deployed_is_the_policy(pixels: bool) -> None:
    frame = (3, 12, 10) if pixels else (3,)
    space = Control((9, *frame[1:]) if pixels else frame, 2, width=2, hidden=4, features=(4,))
    options = ControlOptions(pixels=pixels)
    training = ControlTask(ControlData("mine", frame, 2), options, space).begin(space.original, 0)
    assert isinstance(training, Deployable)
    found = training.deployed()
    assert (found.input, found.output) == ("observation", "action")
    assert found.values.startswith("bytes of frames, 0 to 255" if pixels else "what the environment observes")
    seen = (found.example + 77 * torch.rand(found.example.shape, generator=torch.Generator().manual_seed(0))).round()
    action = training.agent.act(seen[1].numpy(), 0, np.random.default_rng(0), mean=True)
    with torch.no_grad():
        assert torch.allclose(found.network(seen)[1], torch.from_numpy(action), atol=1e-6)
