"""The evaluation after a search: one trained member, measured as thoroughly as its task can.

A search measures many members quickly, and the best is the one that measured best, so its number is a little too good.
A task may therefore measure more thoroughly in the end, with other random numbers (`tasks.base.EvaluatedFinally`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.checkpoints.store import SUFFIX, CheckpointFolder
from archloom.data.images.splits import Pixels
from archloom.errors import InputError
from archloom.problems import ProblemSpec, TaskProblem, open_scenario
from archloom.runs.manifest import checkpoints_of
from archloom.runs.record import WEIGHTS, TrialRecord, read_manifest
from archloom.runs.report import RunReport
from archloom.runs.trust import check_code
from archloom.runs.whole import check_string
from archloom.tasks.base import EvaluatedFinally, Film, Filmed, GeneratesImages, Task, Training

GRID = 64
"""The number of images in a picture of a generator's output."""
SHOWN_SIDE = 64
"""Pixels: smaller images are enlarged by an integer factor, up to this side."""
VIDEO_SIDE = 256
"""Pixels of each side of a video."""
GAP = 2
"""Pixels between images."""


@dataclass(frozen=True)
class Member:
    """A trained member of a run, as it was when its trial ended. `settings` are the task options that its evaluation
    depends on."""

    line: TrialRecord
    task: Task
    training: Training
    settings: Mapping[str, Any]

    def evaluate(self) -> dict[str, float]:
        """Every metric by name; NaN where one could not be measured."""
        return measure_finally(self.training)

    def facts(self) -> dict[str, Any]:
        """Which member it is, how it is measured, and what the search recorded, as JSON-serialisable data."""
        return {
            "trial": self.line.id,
            "epochs": self.training.epochs,
            "arch": self.line.arch,
            "settings": dict(self.settings),
            "in_search": self.in_search,
        }

    @property
    def in_search(self) -> dict[str, float]:
        """The metrics that the search recorded."""
        return {**self.line.scores, **self.line.report}

    def images(self, count: int = GRID) -> Pixels:
        """(count, c, h, w) generated images, or moments of an agent's episode; InputError if it has none."""
        if not isinstance(self.training, GeneratesImages):
            raise InputError(
                f"task {self.task.name} has no images to show: expected a run of generators, --on gan:DATA, or of "
                "agents, --on control:ENVIRONMENT"
            )
        batches = [batch.round().byte().cpu().numpy() for batch in self.training.generate(count)]
        return np.concatenate(batches)

    def film(self) -> Film:
        """An episode of an agent; InputError if it is none."""
        if not isinstance(self.training, Filmed):
            raise InputError(
                f"task {self.task.name} has no episodes: expected a run of agents, --on control:ENVIRONMENT"
            )
        return self.training.film(VIDEO_SIDE)


def measure_finally(training: Training) -> dict[str, float]:
    """Every metric by name, measured as thoroughly as the task can; NaN where one could not be measured."""
    found = training.evaluate_finally() if isinstance(training, EvaluatedFinally) else training.evaluate()
    return {name: float(value) for name, value in found.items()}


def open_member(
    report: RunReport, trial: int | None = None, settings: Mapping[str, Any] | None = None, trust: bool = False
) -> Member:
    """A run's best member, or that of a trial, with its trained state; the run is not changed.

    `settings` are options of the task to change, among those that affect the evaluation alone (`final_options` of the
    task). InputError for a run in which nothing was trained, for a trial without a checkpoint, for other options, and
    if the data is not what the run was trained on, or if this would run code that has changed or call what options
    of the run name, unless `trust`.
    """
    if report.path is None or not (report.path / WEIGHTS).is_dir():
        raise InputError(
            f"{report.path}: no trained networks are kept there; expected a run that trains, e.g. of pbt_nas, with "
            "at least one finished trial"
        )
    checkpoints = checkpoints_of(report.path)
    line = _line(report, trial, checkpoints)
    check_code(report.path, read_manifest(report.path), trust, settings or {})
    problem = open_problem(report, settings or {})
    check_string(report.path, line, problem.space)
    training = problem.task.begin(line.trial.proposal.arch, 0)
    training.resume(checkpoints.load(line.id))
    return Member(line, problem.task, training, _final_settings(report.request.problem, problem.task))


def _line(report: RunReport, trial: int | None, checkpoints: CheckpointFolder) -> TrialRecord:
    line = report.best if trial is None else next((x for x in report.history.lines if x.id == trial), None)
    if trial is None and line is None:
        raise InputError(f"{report.path} has no feasible trial yet: nothing to evaluate")
    if line is None or not checkpoints.file(line.id).is_file():
        kept = sorted(int(file.stem) for file in checkpoints.path.glob(f"*{SUFFIX}") if file.stem.isdecimal())
        number = trial if line is None else line.id
        raise InputError(f"trial {number}: its checkpoint is not kept; expected one of {', '.join(map(str, kept))}")
    return line


def open_problem(report: RunReport, settings: Mapping[str, Any]) -> TaskProblem:
    """The run's problem, opened again if options of its task are changed.

    InputError for other options than `final_options`, for a run that trains nothing, and if its data has changed.
    """
    spec, problem = report.request.problem, report.scenario.problem
    if problem.shares_weights:
        raise InputError(
            f"{report.path}: its states are of a supernet, whose weights all architectures share; "
            "archloom export RUN -o net.py writes the network of one, to train it"
        )
    known = problem.trained_on
    check_changes(spec, settings)
    if settings or not isinstance(problem, TaskProblem):
        # Another extractor has metrics of other names, and objectives no longer matter.
        changed = replace(spec, task={**spec.task, **settings}, objectives=(), report=(), constraints=())
        problem = open_scenario(changed).problem
    if not isinstance(problem, TaskProblem):
        raise InputError(f"nothing is trained on {spec.on}: expected a run that trains, e.g. --on images:digits")
    if known is not None and problem.trained_on is not None and problem.trained_on.sha256 != known.sha256:
        raise InputError(
            f"{report.path} was trained on other data than {spec.on} is now (sha256 {known.sha256[:12]} and "
            f"{problem.trained_on.sha256[:12]}); put the old data back"
        )
    return problem


def check_changes(spec: ProblemSpec, settings: Mapping[str, Any]) -> None:
    """InputError for options of a task that affect more than the evaluation."""
    allowed = spec.source.final_options
    for name in settings:
        if name not in allowed:
            wanted = f"expected one of {', '.join(allowed)}" if allowed else "this task has no such options"
            raise InputError(f"task option {name}: it affects more than the evaluation; {wanted}")


def _final_settings(spec: ProblemSpec, task: Any) -> dict[str, Any]:
    return {name: getattr(task.options, name) for name in spec.source.final_options}


# -- pictures -----------------------------------------------------------------------------------------------------


def grid(images: Pixels) -> NDArray[np.uint8]:
    """(H, W, 3) images (n, 1 or 3, h, w) laid out row by row in a square, on white."""
    count, _, height, width = images.shape
    scale = max(1, SHOWN_SIDE // max(height, width))
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    step_y, step_x = height * scale + GAP, width * scale + GAP
    sheet = np.full((rows * step_y + GAP, columns * step_x + GAP, 3), 255, dtype=np.uint8)
    for number, image in enumerate(images):
        y, x = GAP + number // columns * step_y, GAP + number % columns * step_x
        large = image.repeat(scale, axis=1).repeat(scale, axis=2)
        sheet[y : y + height * scale, x : x + width * scale] = large.transpose(1, 2, 0)
    return sheet


def save_grid(images: Pixels, path: Path) -> None:
    """Write images (n, 1 or 3, h, w) as one PNG file."""
    from PIL import Image

    from archloom.utils.files import replace_file

    buffer = io.BytesIO()
    Image.fromarray(grid(images)).save(buffer, format="png")
    replace_file(path, buffer.getvalue())
