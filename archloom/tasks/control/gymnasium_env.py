"""Any environment of Gymnasium whose actions are bounded numbers, with pictures or with vectors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError, MissingExtraError, TrainingError
from archloom.tasks.control import rendering
from archloom.tasks.control.frames import Picture, averaged, channels_first, resized
from archloom.tasks.control.simulation import EnvironmentSettings, Outcome
from archloom.utils import seeds
from archloom.utils.text import reason_of, where_of

_RENDERED = "rgb_array"
_CHANNELS = (1, 3)
_RATE = 30.0
"""Frames per second of an environment that does not say."""
_NOT_FOUND = "A file of yours is found if PYTHONPATH names its folder: PYTHONPATH=. archloom ..."


def open_simulation(name: str, seed: int, settings: EnvironmentSettings) -> GymnasiumSimulation:
    """The environment with an id of Gymnasium's; see `environments.open_environment`."""
    if find_spec("gymnasium") is None:
        raise MissingExtraError("gymnasium", "control", "an environment of Gymnasium")
    if settings.camera is not None or settings.effects is not None:
        raise InputError(f"gym:{name}: camera and effects are for the DeepMind Control suite; omit them")
    drawn = int(seeds.stream(seed, "environment").integers(2**31))
    return GymnasiumSimulation(f"gym:{name}", _made(name), drawn, settings)


def _made(name: str) -> Any:
    """The environment, ready to be rendered if it can be."""
    import gymnasium

    with warnings.catch_warnings():  # of versions that are out of date
        warnings.simplefilter("ignore", DeprecationWarning)
        environment = _asked(f"gym:{name}", lambda: gymnasium.make(name, disable_env_checker=True))
        if _RENDERED in environment.metadata.get("render_modes", ()):
            _asked(f"gym:{name}", environment.close)
            environment = _asked(
                f"gym:{name}", lambda: gymnasium.make(name, render_mode=_RENDERED, disable_env_checker=True)
            )
    return environment


def _asked(name: str, ask: Callable[[], Any]) -> Any:
    """What foreign code answers; its errors, such as that a package is missing, as an InputError in one line."""
    try:
        return ask()
    except Exception as error:
        cure = f" {_NOT_FOUND}" if isinstance(error, ModuleNotFoundError) else ""
        raise InputError(f"{name}: {' '.join(str(error).split()) or type(error).__name__}{cure}") from error


def _lived(name: str, ask: Callable[[], Any]) -> Any:
    """The same of an environment that is in use: its errors, and where they are from, as a TrainingError."""
    try:
        return ask()
    except Exception as error:
        raise TrainingError(f"{name}: {reason_of(error)} ({where_of(error)})") from error


class GymnasiumSimulation:
    """One environment of Gymnasium as a `Simulation`."""

    def __init__(self, name: str, environment: Any, seed: int, settings: EnvironmentSettings) -> None:
        self._name = name
        self._environment = environment
        self._size = settings.size
        self._seed: int | None = seed  # until it is used
        self._action_space = _asked(name, lambda: environment.action_space)
        space = _asked(name, lambda: environment.observation_space)
        self.low, self.high = self._bounds()
        self.limited = getattr(environment.spec, "max_episode_steps", None) is not None
        self.rate = self._frames_per_second()
        self._observation: Any = None
        self._look = self._vector
        if not settings.pixels:
            self.frame_shape: tuple[int, ...] = (self._numbers(),)
        elif _is_picture(space):
            self._look = self._observed_picture
            picture = self._large_enough(_channels_last(np.zeros(space.shape, np.uint8)))
            self.frame_shape = (picture.shape[2], self._size, self._size)
        else:
            self._look = self._rendered_picture
            self._check_renders()
            self.frame_shape = (3, self._size, self._size)

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        from gymnasium.spaces import Box

        space = self._action_space
        if not isinstance(space, Box) or not np.issubdtype(space.dtype, np.floating):
            raise InputError(f"{self._name} has actions {space}; expected a Box of real numbers")
        if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
            raise InputError(f"{self._name} has actions without bounds; expected bounds to scale -1 and 1 to")
        if not space.low.size:
            raise InputError(f"{self._name} has actions of no numbers; expected one or more")
        return space.low.ravel().astype(np.float64), space.high.ravel().astype(np.float64)

    def _frames_per_second(self) -> float:
        said = self._environment.metadata.get("render_fps") or _RATE
        if not isinstance(said, int | float) or not 0 < said < math.inf:
            raise InputError(f"{self._name} has the metadata render_fps={said!r}; expected a finite number above 0")
        return float(said)

    def _numbers(self) -> int:
        """How many numbers an observation has."""
        from gymnasium.spaces import flatdim

        space = self._environment.observation_space
        if _is_picture(space):
            raise InputError(f"{self._name} shows pictures, no vectors: use pixels=true")
        count = int(_asked(self._name, lambda: flatdim(space)))
        if not count:
            raise InputError(f"{self._name} observes no numbers; expected one or more")
        return count

    def _large_enough(self, picture: Picture) -> Picture:
        height, width, _ = picture.shape
        if min(height, width) < self._size:
            raise InputError(f"{self._name} has pictures of {height} x {width}: size={self._size} is larger")
        return picture

    def _check_renders(self) -> None:
        if self._environment.render_mode != _RENDERED:
            raise InputError(f"{self._name} makes no pictures (no render mode {_RENDERED}): use pixels=false")

    def reset(self) -> None:
        _lived(self._name, self._begin)
        self._seed = None

    def _begin(self) -> None:
        self._observation, _ = self._environment.reset(seed=self._seed)

    def advance(self, action: NDArray[Any]) -> Outcome:
        space = self._action_space
        shaped = action.astype(space.dtype).reshape(space.shape)
        outcome: Outcome = _lived(self._name, lambda: self._stepped(shaped))
        return outcome

    def _stepped(self, action: NDArray[Any]) -> Outcome:
        self._observation, reward, terminated, truncated, _ = self._environment.step(action)
        return Outcome(float(reward), 0.0 if terminated else 1.0, bool(terminated or truncated))

    def frame(self) -> NDArray[Any]:
        return self._look()

    def _vector(self) -> NDArray[Any]:
        from gymnasium.spaces import flatten

        space, observed = self._environment.observation_space, self._observation
        vector = np.array(_lived(self._name, lambda: flatten(space, observed)), np.float32)
        if vector.shape != self.frame_shape:
            raise TrainingError(f"{self._name} observed {vector.shape} numbers; its space says {self.frame_shape}")
        if not np.isfinite(vector).all():
            raise TrainingError(f"{self._name} observed numbers that are not finite float32: {observed}")
        return vector

    def _observed_picture(self) -> NDArray[Any]:
        picture, expected = np.asarray(self._observation), self._environment.observation_space.shape
        if picture.shape != expected or picture.dtype != np.uint8:
            raise TrainingError(
                f"{self._name} observed {picture.shape} {picture.dtype}; its space says {expected} uint8"
            )
        return channels_first(averaged(_channels_last(picture), self._size))

    def _rendered_picture(self) -> NDArray[Any]:
        return channels_first(averaged(self._large_enough(self._rendered()), self._size))

    def _rendered(self) -> Picture:
        self._check_renders()
        if any("mujoco" in kind.__module__ for kind in type(self._environment.unwrapped).__mro__):
            rendering.backend()  # its renderer reads MUJOCO_GL
        picture = np.asarray(_lived(self._name, self._environment.render))
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise TrainingError(f"{self._name} rendered {picture.shape} {picture.dtype}; expected (h, w, 3) uint8")
        return picture

    def picture(self, size: int) -> Picture:
        return resized(self._rendered(), size)

    @property
    def renderer(self) -> str:
        return self._name

    def close(self) -> None:
        _lived(self._name, self._environment.close)


def _is_picture(space: Any) -> bool:
    """Whether observations are pictures of bytes: (h, w), (h, w, c) or (c, h, w) with one channel or three."""
    from gymnasium.spaces import Box

    if not isinstance(space, Box) or space.dtype != np.uint8:
        return False
    shape = space.shape
    return len(shape) == 2 or (len(shape) == 3 and (shape[-1] in _CHANNELS or shape[0] in _CHANNELS))


def _channels_last(picture: NDArray[Any]) -> Picture:
    if picture.ndim == 2:
        return picture[..., None]
    return picture if picture.shape[-1] in _CHANNELS else picture.transpose(1, 2, 0)
