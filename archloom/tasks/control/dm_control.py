"""Tasks of the DeepMind Control suite (Tassa et al., 2018), by their names DOMAIN_TASK."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError, MissingExtraError, TrainingError, unknown
from archloom.tasks.control import rendering
from archloom.tasks.control.frames import Picture, averaged, channels_first
from archloom.tasks.control.simulation import EnvironmentSettings, Outcome
from archloom.utils import seeds

CAMERAS = {"quadruped": 2}
"""The camera by which agents see a domain, as published; 0 for all others."""

_UNBOUNDED = 1e10
"""What dm_control says of an action without bounds."""


def open_simulation(name: str, seed: int, settings: EnvironmentSettings) -> SuiteSimulation:
    """The task of a name; see `environments.open_environment`."""
    suite = _suite()
    names = {"_".join(pair): pair for pair in suite.ALL_TASKS}
    if name not in names:
        raise unknown("environment", name, names)
    domain, task = names[name]
    drawn = seeds.stream(seed, "environment").integers(2**32)
    with _quiet():
        environment = suite.load(domain, task, task_kwargs={"random": int(drawn)})
    return SuiteSimulation(name, environment, CAMERAS.get(domain, 0), settings)


def _suite() -> Any:
    """dm_control's module of tasks."""
    for package in ("mujoco", "dm_control"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "control", "an environment of the DeepMind Control suite")
    with _quiet():
        return importlib.import_module("dm_control.suite")


@contextmanager
def _quiet() -> Iterator[None]:
    """dm_control is to look for nothing to render with, which it does on import and which may fail: vectors need
    nothing, and pictures are made by our own renderer. Models are compiled without warnings of old attributes in them.
    """
    logger = logging.getLogger("absl")
    level, before = logger.level, os.environ.get(rendering.VARIABLE)
    os.environ[rendering.VARIABLE] = "disable"
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if before is None:
            del os.environ[rendering.VARIABLE]
        else:
            os.environ[rendering.VARIABLE] = before


class _NoRenderer:
    """What a physics has as its rendering contexts, of which it would make its own if it had none: these do nothing."""

    @contextmanager
    def make_current(self) -> Iterator[_NoRenderer]:
        yield self

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Done by our own renderer."""

    def free(self) -> None:
        """There is nothing."""

    ptr = None


class SuiteSimulation:
    """One task of the suite as a `Simulation`."""

    limited = False
    """Most of its tasks end after 1,000 frames, as others are made to; lqr's have no limit."""

    def __init__(self, name: str, environment: Any, camera: int, settings: EnvironmentSettings) -> None:
        self._name = name
        self._environment = environment
        self._settings = settings
        self._physics = environment.physics
        self.rate = 1 / float(environment.control_timestep())
        nothing = _NoRenderer()
        engine = importlib.import_module("dm_control.mujoco.engine")
        self._physics._contexts = engine.Contexts(gl=nothing, mujoco=nothing)
        self._invalid: type[Exception] = importlib.import_module("dm_control.rl.control").PhysicsError
        self._renderers: dict[tuple[int, bool], rendering.Renderer] = {}
        self._camera = self._known_camera(camera if settings.camera is None else settings.camera)
        self._observation: NDArray[np.float32] | None = None

        specification = environment.action_spec()
        self.low, self.high = (
            np.broadcast_to(bound, specification.shape).astype(np.float64)
            for bound in (specification.minimum, specification.maximum)
        )
        if max(np.abs(self.low).max(), np.abs(self.high).max()) >= _UNBOUNDED:
            raise InputError(f"{name} has actions without bounds; expected bounds to scale -1 and 1 to")
        self.frame_shape: tuple[int, ...] = (3, settings.size, settings.size)
        if not settings.pixels:
            spec = environment.observation_spec()
            self.frame_shape = (sum(int(np.prod(each.shape)) for each in spec.values()),)

    def _known_camera(self, camera: int) -> int:
        count = self._physics.model.ncam
        if camera >= count:
            raise InputError(f"camera={camera}: {self._name} has the cameras 0 to {count - 1}")
        return camera

    def reset(self) -> None:
        self._see(self._environment.reset())
        for renderer in self._renderers.values():
            renderer.update_terrain()

    def advance(self, action: NDArray[Any]) -> Outcome:
        try:
            step = self._environment.step(action)
        except self._invalid as error:
            raise TrainingError(f"{self._name}: {error}") from None
        self._see(step)
        return Outcome(float(step.reward or 0.0), float(step.discount), bool(step.last()))

    def _see(self, step: Any) -> None:
        if not self._settings.pixels:
            parts = [np.ravel(part) for part in step.observation.values()]
            self._observation = np.concatenate(parts).astype(np.float32)

    def frame(self) -> NDArray[Any]:
        if self._observation is not None:
            return self._observation
        picture = self._picture(self._settings.render_size, self._settings.with_effects)
        return channels_first(averaged(picture, self._settings.size))

    def picture(self, size: int) -> Picture:
        return self._picture(size, effects=True)

    def _picture(self, size: int, effects: bool) -> Picture:
        renderer = self._renderers.get((size, effects))
        if renderer is None:
            renderer = rendering.Renderer(self._physics.model.ptr, self._camera, size, effects)
            self._renderers[size, effects] = renderer
        return renderer.picture(self._physics.data.ptr)

    @property
    def renderer(self) -> str:
        return rendering.device()

    def close(self) -> None:
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()
        self._environment.close()
