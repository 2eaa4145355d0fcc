from __future__ import annotations

import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archloom
from archloom.errors import InputError
from archloom.problems import (
    ProblemSpec,
    TaskProblem,
    absolute,
    open_scenario,
)
from archloom.spaces.base import sample_valid
from archloom.spaces.domains import Integer
from archloom.spaces.space import Space
from archloom.testing import PlantedSpace
from archloom.types import Arch, Proposal


@pytest.fixture
def trained() -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    pytest.importorskip("sklearn", reason="the images, in the extra images")


def test_images_are_opened_on_the_tasks_own_space_or_another(trained: None) -> None:
    task = {"steps_per_epoch": "2", "epochs": "1"}
    scenario = open_scenario(ProblemSpec("images:digits", space={"width": "4"}, task=task))
    problem = scenario.problem
    assert isinstance(problem, TaskProblem)
    assert (problem.trains, problem.isolate) == (True, False)
    assert problem.space.name == "convnet"
    assert problem.trained_on is not None
    assert problem.trained_on.name == "digits"
    assert scenario.objectives == ("valid_accuracy",)
    assert scenario.report == ("test_accuracy", "params_m", "memory_mb")
    for name in ("convnet", "proxyless", "efficientnet_b0"):
        assert open_scenario(ProblemSpec("images:digits", space_name=name)).space.name == name


def test_what_networks_cost_is_recorded_whatever_is_optimised(trained: None) -> None:
    spec = ProblemSpec("images:digits", objectives=("valid_accuracy", "memory_mb"), report=("valid_loss",))
    spec = spec.changed(space={"width": "4"}, task={"steps_per_epoch": "2", "epochs": "1"})
    scenario = open_scenario(spec.changed(report=()))
    assert scenario.report == ("test_accuracy", "params_m"), "of the rest"
    scenario = open_scenario(spec)
    assert scenario.report == ("valid_loss",)
    assert not scenario.problem.for_people("params_m") and scenario.problem.for_people("test_accuracy")
    arch = sample_valid(scenario.space, np.random.default_rng(0))
    result, _ = scenario.evaluator.evaluate(Proposal(arch), None, np.random.default_rng(0))
    assert list(result.scores) == ["valid_accuracy", "memory_mb"]
    assert list(result.report) == ["valid_loss", "test_accuracy", "params_m"]
    with pytest.raises(InputError, match="unknown metric to report 'params'; did you mean 'params_m'"):
        open_scenario(spec.changed(report=("params",)))


@pytest.mark.parametrize(("space", "channels"), [("darts", 2), ("nb201", 2), ("nb101", 5)])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 14)])
def test_networks_around_cells_are_made_for_the_images(
    trained: None, tmp_path: Path, space: str, channels: int, shape: tuple[int, ...]
) -> None:
    pytest.importorskip("numba", reason="the spaces need the extra bench")
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(40) % 4)
    sizes, task = {"channels": str(channels), "cells": "1"}, {"epochs": "1", "batch_size": "8"}
    spec = ProblemSpec(f"images:{tmp_path / 'own.npz'}", space_name=space, space=sizes, task=task)
    scenario = open_scenario(spec)
    found = scenario.space
    made = found.channels, found.cells, found.classes, found.image_channels, tuple(found.network_sizes.image)
    assert made == (channels, 1, 4, shape[0], shape[1:])
    arch = sample_valid(found, np.random.default_rng(0))
    result, _ = scenario.evaluator.evaluate(Proposal(arch), None, np.random.default_rng(0))
    assert 0 <= result.scores["valid_accuracy"] <= 100


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ProblemSpec("images:digitz"), "unknown images 'digitz'; did you mean 'digits'"),
        (
            ProblemSpec("images:digits", space_name="gan"),
            "--space gan: takes no classes, so it is not for images:digit",
        ),
        (
            ProblemSpec("images:digits", space_name="nb201", space={"image_size": "9"}),
            "images:digits sets it to 8; omit",
        ),
        (
            ProblemSpec("images:digits", space_name="nb101", space={"channels": "4"}),
            "channels=4: expected a whole numb",
        ),
        (ProblemSpec("images:digits", space={"classes": "3"}), "option classes: images:digits sets it to 10"),
        (ProblemSpec("images:digits", task={"bach": "3"}), "unknown task option 'bach'; did you mean 'batch_size'"),
        (ProblemSpec("images:digits", task={"batch_size": "x"}), "task option batch_size=x: expected a whole number"),
        (ProblemSpec("images:digits", table="x.npz"), "trains its networks and takes no table"),
        (ProblemSpec("nb201", space_name="convnet"), "--space convnet: only if networks are trained"),
        (ProblemSpec("nb201", task={"epochs": "3"}), "--set task.epochs: only if networks are trained"),
    ],
)
def test_what_does_not_fit_a_task_is_refused(trained: None, spec: ProblemSpec, said: str) -> None:
    with pytest.raises(InputError) as caught:
        open_scenario(spec)
    assert said in str(caught.value)


def test_a_folder_of_images_is_found_from_anywhere(
    trained: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "digits"):
        (tmp_path / name).mkdir()
    assert absolute(ProblemSpec("images:mine")).on == f"images:{tmp_path / 'mine'}"
    assert absolute(ProblemSpec("images:digits")).on == "images:digits", "the set of that name, whatever lies about"


def test_how_many_images_there_are_is_a_caveat(trained: None, tmp_path: Path) -> None:
    labels = np.arange(20) % 2
    np.savez(tmp_path / "own.npz", images=np.zeros((20, 8, 8), np.uint8), labels=labels, ids=labels)
    scenario = open_scenario(ProblemSpec(f"images:{tmp_path / 'own.npz'}", task={"batch_size": "2"}))
    assert scenario.caveats == (
        f"{tmp_path / 'own.npz'}: 12 images to train on in 2 classes (0 6, 1 6), 4 to validate (split off), "
        "4 to test (split off); not read: arrays ids",
    )


def test_options_that_fit_the_data_are_those_not_given(trained: None) -> None:
    fit = ProblemSpec("gan:digits", space={"channels": "16"}, task={"ema": "0.5"}).source.fit
    found = fit(ProblemSpec("gan:digits", space={"channels": "16"}, task={"ema": "0.5"}))
    assert found is not None
    assert (found.task, found.space) == ({"epochs": 20, "extractor": "pixels"}, {"discriminator_channels": 16})
    named = fit(ProblemSpec("gan:digits", objectives=("frechet_efficientnet_lite0",)))
    assert named is not None and "extractor" not in named.task, "whoever names its metric has an extractor in mind"
    found = ProblemSpec("images:digits").source.fit(ProblemSpec("images:digits", task={"epochs": "30"}))
    assert found is not None and (found.population.epochs, found.task, found.space) == (30, {}, {})


def test_data_are_read_once_for_all_options(trained: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from archloom.tasks.images.task import ImagesTask

    read = Counter[str]()
    whole = ImagesTask.read

    def counted(cls: type[ImagesTask], data: str, *more: Any) -> Any:
        read[data] += 1
        return whole(data, *more)

    monkeypatch.setattr(ImagesTask, "read", classmethod(counted))
    spec = ProblemSpec("images:digits")
    spec.source.fit(spec)
    longer = spec.changed(task={"epochs": "3"})
    opened = [open_scenario(each).problem for each in (spec, longer)]
    assert read == {"digits": 1} and opened[0].trained_on == opened[1].trained_on
    open_scenario(spec.changed(task={"split_seed": "1"}))
    assert read == {"digits": 2}, "other images are held back"
    assert len(pickle.dumps(longer)) < 2_000, "another process reads them itself"


def test_what_evaluations_need_is_computed_by_a_task_that_has_it_and_is_ours() -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    from archloom.tasks.planted import PlantedTask

    class Prepared(PlantedTask):
        asked = 0

        def prepare_evaluation(self) -> None:
            self.asked += 1
            raise ValueError("no weights")  # which evaluations will say, and the record then

    task = Prepared()
    problem = TaskProblem(PlantedSpace(), task)
    problem.prepare()
    assert task.asked == 0, "a user's code is not run in the process of the search"
    problem.isolate = False
    problem.prepare()
    assert task.asked == 1
    TaskProblem(PlantedSpace(), PlantedTask()).prepare()


def test_a_task_that_builds_networks_builds_those_of_the_problems_space(trained: None) -> None:
    """Not those of the space that it has by default, to which the architectures do not belong."""
    import torch

    from archloom.tasks.images.task import ImagesTask

    class Wide(Space):
        def build(self, arch: Arch, seed: int) -> torch.nn.Module:
            return torch.nn.Sequential(
                torch.nn.Flatten(),
                torch.nn.Linear(64, width := self.choices(arch)["width"]),
                torch.nn.Linear(width, 10),
            )

    task = ImagesTask.open("digits", {"epochs": 1, "steps_per_epoch": 1}, os.environ)
    problem = TaskProblem(Wide({"width": Integer(1, 4)}), task)
    assert problem.task.space is problem.space
    history = archloom.run("random", problem, queries=2).history
    assert [line.ok for line in history.lines] == [True, True]
