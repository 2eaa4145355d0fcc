"""The evaluation after a search."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from archloom.data.images.labelled import save_images
from archloom.data.images.splits import Split, Splits
from archloom.errors import InputError
from archloom.problems import ProblemSpec, TaskProblem
from archloom.runs.folders import limits_for, run_folder
from archloom.runs.prepare import Request
from archloom.runs.record import WEIGHTS
from archloom.runs.report import RunReport, read_report

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.checkpoints.store import CheckpointFolder  # noqa: E402
from archloom.deploy.final import grid, open_member, save_grid  # noqa: E402
from archloom.tasks.gan import GanTraining  # noqa: E402

THOROUGH = """
from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask, PlantedTraining
from archloom.testing import PlantedSpace


class Thorough(PlantedTraining):
    def evaluate_finally(self):
        return {**self.evaluate(), "thorough": 7, "lost": float("nan")}


class Task(PlantedTask):
    def begin(self, arch, seed):
        return Thorough(arch, seed)


problem = TaskProblem(PlantedSpace(), Task())
"""

Run = Callable[..., RunReport]


@pytest.fixture
def search(tmp_path: Path) -> Run:
    """Runs a strategy on something and reads its folder again."""

    def run(on: str, strategy: str = "random", queries: int | None = 3, **how: Any) -> RunReport:
        options = how.pop("options", {})
        request = Request(strategy, ProblemSpec(on, **how), 0, limits_for(strategy, options, queries, None), options)
        run_folder(tmp_path / "run", request, isolate=False)
        return read_report(tmp_path / "run")

    return run


@pytest.fixture
def population(search: Run, trained: Path) -> RunReport:
    return search(str(trained), "pbt_nas", None, options={"population": "4", "epochs": "6", "step": "2"})


@pytest.fixture
def sides(tmp_path: Path) -> Path:
    """40 noisy images of 8 x 8 pixels, of two classes."""
    values = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8)).astype(np.uint8)
    save_images(Splits(Split(values, np.arange(40) % 2), None, None, ("a", "b")), tmp_path / "sides.npz")
    return tmp_path / "sides.npz"


@pytest.fixture
def generators(search: Run, sides: Path) -> RunReport:
    small = {"channels": "8", "discriminator_channels": "8", "latent": "12"}
    task = {"extractor": "pixels", "samples": "20", "final_samples": "60", "batch_size": "8", "epochs": "1"}
    return search(f"gan:{sides}", queries=2, space=small, task=task)


# -- which member -------------------------------------------------------------------------------------------------


def test_the_best_member_as_it_was_recorded(population: RunReport) -> None:
    """A task that measures nothing more in the end is evaluated as in the search; the record is the reference."""
    member = open_member(population)
    assert population.best is not None
    assert member.line.id == population.best.id
    assert member.evaluate() == pytest.approx(member.in_search)
    assert member.in_search.keys() == {"worth", "test_worth"}
    assert (member.training.epochs, member.settings) == (population.best.fidelity, {})


def test_another_trial(population: RunReport) -> None:
    assert population.best is not None and population.path is not None
    kept = [int(file.stem) for file in (population.path / WEIGHTS).glob("*.safetensors")]
    other = next(trial for trial in kept if trial != population.best.id)
    line = next(line for line in population.history.lines if line.id == other)
    assert open_member(population, other).evaluate()["worth"] == pytest.approx(line.scores["worth"])


@pytest.mark.parametrize("trial", [0, 999, -1])
def test_trials_without_a_state(population: RunReport, trial: int) -> None:
    assert population.path is not None
    CheckpointFolder(population.path / WEIGHTS).file(0).unlink(missing_ok=True)
    with pytest.raises(InputError, match=rf"^trial {trial}: its checkpoint is not kept; expected one of \d+, \d+"):
        open_member(population, trial)


def test_a_report_of_an_open_problem_serves_as_well(population: RunReport) -> None:
    assert population.path is not None
    opened = read_report(population.path, need_space=True)
    member = open_member(opened)
    assert isinstance(opened.scenario.problem, TaskProblem)
    assert member.task is opened.scenario.problem.task
    assert member.evaluate() == open_member(population).evaluate()


def test_a_task_may_measure_more_in_the_end(search: Run, tmp_path: Path) -> None:
    (tmp_path / "thorough.py").write_text(THOROUGH)
    found = open_member(search(str(tmp_path / "thorough.py"))).evaluate()
    assert found.keys() == {"worth", "test_worth", "thorough", "lost"}
    assert found["thorough"] == 7.0 and np.isnan(found["lost"])


def test_where_nothing_was_trained(search: Run, planted: Path) -> None:
    with pytest.raises(InputError, match="no trained networks are kept there"):
        open_member(search(str(planted)))


def test_where_nothing_is_feasible(population: RunReport) -> None:
    failed = [msgspec.structs.replace(line, scores={}, report={}, error="lost") for line in population.history.lines]
    nothing = replace(population, history=replace(population.history, lines=tuple(failed)))
    with pytest.raises(InputError, match="no feasible trial yet: nothing to evaluate"):
        open_member(nothing)


# -- with which settings ------------------------------------------------------------------------------------------


def test_generators_are_measured_by_more_and_other_images(generators: RunReport) -> None:
    member = open_member(generators)
    assert isinstance(member.training, GanTraining)
    assert member.settings == {"final_samples": 60, "extractor": "pixels", "device": "cpu"}
    assert member.training.evaluate() == pytest.approx(member.in_search), "the state is the one of the search"
    found = member.evaluate()
    assert found.keys() == member.in_search.keys() == {"frechet_pixels"}
    assert found != pytest.approx(member.in_search)
    more = open_member(generators, settings={"final_samples": "61"})
    assert more.settings["final_samples"] == 61
    assert more.evaluate() != pytest.approx(found)


def test_generators_may_be_measured_by_another_extractor(generators: RunReport, sides: Path) -> None:
    settings = {"extractor": "archloom.metrics.frechet:Pixels", "final_samples": 60}
    found = open_member(generators, settings=settings).evaluate()
    assert found == {"frechet_Pixels": open_member(generators).evaluate()["frechet_pixels"]}


def test_classifiers_show_test_numbers_as_test_numbers(search: Run, sides: Path) -> None:
    task = {"batch_size": "8", "epochs": "1"}
    member = open_member(search(f"images:{sides}", queries=1, task=task))
    found = member.evaluate()
    assert found.keys() == {"valid_accuracy", "valid_loss", "params_m", "memory_mb", "test_accuracy"}
    assert {name: found[name] for name in member.in_search} == pytest.approx(member.in_search)
    assert member.settings == {"device": "cpu"}


@pytest.mark.parametrize("name", ["samples", "lr", "size", "epochs", "unheard"])
def test_options_that_change_more_than_the_measuring(generators: RunReport, name: str) -> None:
    with pytest.raises(InputError, match=rf"^task option {name}: .*expected one of final_samples, extractor, device$"):
        open_member(generators, settings={name: "1"})


def test_options_are_checked_like_any(generators: RunReport) -> None:
    with pytest.raises(InputError, match=r"^task option final_samples=1: expected a whole number of at least 2; a"):
        open_member(generators, settings={"final_samples": "1"})
    with pytest.raises(InputError, match=r"^task option final_samples=many: expected a whole number"):
        open_member(generators, settings={"final_samples": "many"})


def test_a_task_of_the_users_has_no_options(population: RunReport) -> None:
    with pytest.raises(InputError, match=r"^task option final_samples: .*this task has no such options"):
        open_member(population, settings={"final_samples": "60"})


def test_other_data_under_the_same_name(generators: RunReport, sides: Path) -> None:
    values = np.zeros((40, 1, 8, 8), dtype=np.uint8)
    save_images(Splits(Split(values, np.arange(40) % 2), None, None, ("a", "b")), sides)
    with pytest.raises(InputError, match=r"was trained on other data than gan:.* is now .*put the old data back"):
        open_member(generators)


# -- pictures -----------------------------------------------------------------------------------------------------


def test_images_of_a_generator(generators: RunReport) -> None:
    member = open_member(generators)
    found = member.images(5)
    assert (found.shape, found.dtype) == ((5, 1, 8, 8), np.uint8)
    assert np.array_equal(found, member.images(5))
    with pytest.raises(InputError, match="has no images to show"):
        replace(member, training=object()).images()


def test_a_grid_shows_images_row_by_row() -> None:
    """Five grey images of 32 x 32 pixels, enlarged twice, in three columns and two rows, on white."""
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.full((5, 1, 32, 32), 10, dtype=np.uint8)
    sheet = grid(images)
    assert sheet.shape == (2 * 66 + 2, 3 * 66 + 2, 3)
    for number in range(5):
        y, x = 2 + number // 3 * 66, 2 + number % 3 * 66
        assert (sheet[y : y + 64, x : x + 64] == 10 * number).all()
    assert (sheet[68:, 134:] == 255).all(), "no sixth image"
    assert (sheet[66:68] == 255).all() and (sheet[:, :2] == 255).all()


def test_colours_and_large_images_stay_as_they_are(tmp_path: Path) -> None:
    from PIL import Image

    images = np.random.default_rng(0).integers(0, 256, (1, 3, 100, 90)).astype(np.uint8)
    save_grid(images, tmp_path / "grid.png")
    with Image.open(io.BytesIO((tmp_path / "grid.png").read_bytes())) as picture:
        assert (picture.format, picture.size) == ("PNG", (94, 104))
        assert np.array_equal(np.asarray(picture)[2:102, 2:92], images[0].transpose(1, 2, 0))
