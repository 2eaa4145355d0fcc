"""A supernet as one file: its weights as safetensors, and a card that says of which space it is and how it was made.

See `checkpoints.carded` for what such files have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from archloom.checkpoints.carded import CardedKind
from archloom.checkpoints.state import Tensors, TrainingState
from archloom.tasks.supernet.options import SupernetOptions
from archloom.tasks.supernet.shared import NETWORK
from archloom.utils import options
from archloom.utils.options import NonNegativeInt, PositiveInt

FORMAT = 1

MAKE_ONE = "archloom supernet DATA -o FILE makes one"


@dataclass(frozen=True)
class SupernetCard:
    """What a supernet is and where it comes from.

    Attributes:
        space: the name of its space.
        space_options: the options of that space, sizes included, but for those that the images give it.
        options: how it was made (`SupernetOptions`).
        data: the name or the path of its images, as `--on supernet:DATA` has it.
        data_sha256: of the images in their parts.
        epochs: how many it has been trained for.
        one_shot: accuracy in percent and loss of all operations at once on all validation images, measured as
            `FrozenOptions` does by default; None if its space has no such network.
        version: archloom's.
        format: that of the file.
    """

    space: str
    space_options: Mapping[str, Any]
    options: Mapping[str, Any]
    data: str
    data_sha256: str
    epochs: NonNegativeInt
    one_shot: Mapping[str, float] | None
    version: str
    format: PositiveInt = FORMAT

    @property
    def made(self) -> SupernetOptions:
        """How it was made; InputError for what these options do not have."""
        known = options.of_dataclass(SupernetOptions)
        return SupernetOptions(**options.convert_all("supernet", known, self.options))

    @property
    def trained(self) -> str:
        """For how long and on what, in words: "50 epochs on digits"."""
        return f"{self.epochs:,} {'epoch' if self.epochs == 1 else 'epochs'} on {self.data}"


@dataclass(frozen=True)
class SupernetFile:
    """A supernet's weights with its card, and the SHA-256 of the file that they come from."""

    path: Path
    card: SupernetCard
    state: TrainingState
    sha256: str


_KIND = CardedKind(
    "a", "supernet", NETWORK, "card", SupernetCard, FORMAT, "archloom supernet", MAKE_ONE, again="make another"
)


def save_supernet(path: Path, state: TrainingState, card: SupernetCard) -> None:
    """Write a supernet's file, whole or not at all: the weights alone of a state. StoreError if that fails."""
    _KIND.save(path, state.networks[NETWORK], card)


def load_supernet(path: Path) -> SupernetFile:
    """Read what `save_supernet` wrote.

    InputError, in one line, for a file that is missing, damaged, of another kind or of a newer format, and for one
    whose weights are not finite.
    """
    return _KIND.load(path, partial(_supernet, path))


def _supernet(path: Path, card: SupernetCard, tensors: Tensors, digest: str) -> SupernetFile:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"tensor {name} is not finite: its training diverged")
    card.made  # noqa: B018 - fails here, in one line
    return SupernetFile(path, card, TrainingState({NETWORK: tensors}), digest)
