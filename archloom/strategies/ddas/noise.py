"""What is added to the actor's output, Z_t of the thesis's equation 3.1."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from archloom.strategies.alpha import Float64


class Noise(ABC):
    """Draws Z_t, and is told after each step how far the architecture changed."""

    @abstractmethod
    def draw(self, size: int, rng: np.random.Generator) -> Float64:
        """(size,) the noise of the next step."""

    def saw(self, changed: float) -> None:  # noqa: B027 - most have no memory
        """The architecture of this step differs from the last one's in this share of its pairs."""

    def dump(self) -> dict[str, Any]:
        """What later noise depends on."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027 - most have no memory
        """Take back what `dump` gave."""


class Uniform(Noise):
    """U(-width, width)."""

    def __init__(self, width: float) -> None:
        self.width = width

    def draw(self, size: int, rng: np.random.Generator) -> Float64:
        return rng.uniform(-self.width, self.width, size)


class Gaussian(Noise):
    """N(0, sigma), sigma a standard deviation."""

    def __init__(self, sigma: float) -> None:
        self.sigma = sigma

    def draw(self, size: int, rng: np.random.Generator) -> Float64:
        return rng.normal(0.0, self.sigma, size)


class OrnsteinUhlenbeck(Noise):
    """A random walk that is drawn back (Uhlenbeck and Ornstein 1930), in steps of dt (Euler-Maruyama), one per draw.

    x <- x + theta (mu - x) dt + sigma sqrt(dt) N(0, 1). It begins at `start`, which itself is not drawn.
    """

    def __init__(self, theta: float, sigma: float, dt: float, mu: float = 0.0, start: float = 0.0) -> None:
        self.theta, self.sigma, self.dt, self.mu, self.start = theta, sigma, dt, mu, start
        self.x: Float64 | None = None  # None: at the start

    def draw(self, size: int, rng: np.random.Generator) -> Float64:
        x = np.full(size, self.start) if self.x is None else self.x
        self.x = x + self.theta * (self.mu - x) * self.dt + self.sigma * np.sqrt(self.dt) * rng.standard_normal(size)
        return self.x

    def begin(self) -> None:
        """Go back to the start."""
        self.x = None

    def dump(self) -> dict[str, Any]:
        return {"x": None if self.x is None else self.x.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        self.x = None if state["x"] is None else np.array(state["x"], np.float64)


class OnStagnation(Noise):
    """No noise by default; after `patience` similar steps in a row a process's for the next `patience` steps.

    A step is similar if its architecture differs from the last step's in less than a share `similar` of the pairs. The
    process starts again whenever it comes on. While it is on, steps are not counted; when it goes off, the count of
    similar steps begins again.
    """

    def __init__(self, process: OrnsteinUhlenbeck, patience: int, similar: float) -> None:
        self.process, self.patience, self.similar = process, patience, similar
        self.still = 0  # similar steps in a row
        self.left = 0  # noisy steps to come

    def draw(self, size: int, rng: np.random.Generator) -> Float64:
        return self.process.draw(size, rng) if self.left else np.zeros(size)

    def saw(self, changed: float) -> None:
        if self.left:
            self.left -= 1
            return
        self.still = self.still + 1 if changed < self.similar else 0
        if self.still == self.patience:
            self.still, self.left = 0, self.patience
            self.process.begin()

    def dump(self) -> dict[str, Any]:
        return {"still": self.still, "left": self.left, "process": self.process.dump()}

    def restore(self, state: dict[str, Any]) -> None:
        self.still, self.left = state["still"], state["left"]
        self.process.restore(state["process"])
