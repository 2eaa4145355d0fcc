from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.problems import (
    ProblemSpec,
    TaskProblem,
    absolute,
    open_scenario,
)


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
    assert scenario.report == ("test_accuracy",)
    named = open_scenario(ProblemSpec("images:digits", space_name="convnet"))
    assert named.space.name == "convnet"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ProblemSpec("images:digitz"), "unknown images 'digitz'; did you mean 'digits'"),
        (ProblemSpec("images:digits", space_name="nb201"), "--space nb201: takes no channels"),
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
