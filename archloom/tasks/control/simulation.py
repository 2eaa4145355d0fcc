"""What an environment is made of: a simulation that knows nothing of action repeat, and the settings for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.tasks.control.frames import Picture
from archloom.utils.options import NonNegativeInt, Options, PositiveInt


@dataclass(frozen=True)
class EnvironmentSettings(Options):
    """What agents see of an environment, and how often they act.

    An action is repeated over `repeat` frames. With `pixels` agents see pictures of `size` x `size`, else the numbers
    that the environment observes. Pictures of MuJoCo are rendered at `render_size` x `render_size` with multisampling
    and averaged down, so that thin things stay visible; they are seen by `camera` (by default 2 for quadruped, else 0),
    with shadows and reflections if `effects` (by default only if nothing is averaged down). Episodes end after
    `episode_frames` frames; by default where the environment's own limit is, after 1,000 if it has none.
    """

    repeat: PositiveInt = 2
    pixels: bool = True
    size: PositiveInt = 84
    render_size: PositiveInt = 84
    camera: NonNegativeInt | None = None
    effects: bool | None = None
    episode_frames: PositiveInt | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size > self.render_size:
            raise InputError(f"size={self.size}: expected at most render_size, {self.render_size}; set both")

    @property
    def with_effects(self) -> bool:
        return self.size == self.render_size if self.effects is None else self.effects


class Outcome(NamedTuple):
    """What one frame of a simulation brought. `discount` is 0 at a true terminal, else 1, also at a limit of time."""

    reward: float
    discount: float
    last: bool


class Simulation(Protocol):
    """One environment as its library has it, at one frame per action."""

    frame_shape: tuple[int, ...]
    """(c, h, w) of pictures as bytes, or (d,) of vectors of float32."""
    low: NDArray[Any]
    """(a,) the smallest numbers of an action, all finite."""
    high: NDArray[Any]
    """(a,) the largest."""
    limited: bool
    """Whether its episodes end by themselves after some time."""

    rate: float
    """Frames per second, of the time that it simulates."""

    def reset(self) -> None:
        """Begin an episode."""

    def advance(self, action: NDArray[Any]) -> Outcome:
        """One frame with an action (a,) between `low` and `high`."""

    def frame(self) -> NDArray[Any]:
        """What an agent sees now, of `frame_shape`; the caller's own."""

    def picture(self, size: int) -> Picture:
        """(size, size, 3) for people."""

    @property
    def renderer(self) -> str:
        """What makes its pictures, in words."""

    def close(self) -> None:
        """Free what it holds."""
