"""What agents observe and do, and how large their networks are."""

from __future__ import annotations

from dataclasses import dataclass

from archloom.errors import InputError

KERNEL = 3
"""The side of the encoder's first convolution, which has no padding: frames must not be smaller."""


@dataclass(frozen=True)
class Dimensions:
    """The shape of an observation, the numbers of an action; channels of the encoder, width of the hidden layers; and
    how many features a trunk may have.

    An observation is (channels, height, width) for frames, one after the other, or (d,) for a vector. InputError for
    sizes that no network has.
    """

    observation: tuple[int, ...]
    actions: int
    width: int
    hidden: int
    features: tuple[int, ...]

    def __post_init__(self) -> None:
        shape = self.observation
        if len(shape) not in (1, 3) or min(shape) < 1 or min(shape[1:], default=KERNEL) < KERNEL:
            raise InputError(
                f"control option observation={_listed(shape)}: expected channels, height and width of at "
                f"least {KERNEL} pixels, e.g. 9,84,84 for three frames; or one whole number, how many a vector has"
            )
        for name in ("actions", "width"):
            if getattr(self, name) < 1:
                raise InputError(f"control option {name}={getattr(self, name)}: expected a whole number from 1")
        if self.hidden < 2 or self.hidden % 2:
            raise InputError(f"control option hidden={self.hidden}: expected an even number from 2; a layer has half")
        if min(self.features, default=0) < 1 or len(set(self.features)) < len(self.features):
            raise InputError(
                f"control option features={_listed(self.features)}: expected whole numbers from 1, each different"
            )

    @property
    def pixels(self) -> bool:
        """Whether an observation is made of frames, so that there is an encoder."""
        return len(self.observation) == 3

    @property
    def encoded(self) -> int:
        """How many numbers the encoder makes of an observation; of a vector as many as it has."""
        if not self.pixels:
            return self.observation[0]
        height, width = ((side - KERNEL) // 2 + 1 for side in self.observation[1:])
        return self.width * height * width


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
