"""A supernet as one file: its weights as safetensors, and a card that says of which space it is and how it was made.

It is a state's file (`checkpoints.state_file`) with the card in its plain data: written whole or not at all, with a
checksum, and one SHA-256 pins weights and card together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archloom.checkpoints.state import TrainingState
from archloom.checkpoints.state_file import read_state, save_state
from archloom.errors import InputError, MissingExtraError
from archloom.tasks.supernet.options import SupernetOptions
from archloom.tasks.supernet.shared import NETWORK
from archloom.utils import options
from archloom.utils.documents import convert
from archloom.utils.options import NonNegativeInt, PositiveInt
from archloom.utils.text import MOST, one_line
from archloom.utils.user_files import sha256_of

FORMAT = 1

_CARD = "card"

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


def save_supernet(path: Path, state: TrainingState, card: SupernetCard) -> None:
    """Write a supernet's file, whole or not at all: the weights alone of a state. StoreError if that fails."""
    save_state(path, TrainingState({NETWORK: state.networks[NETWORK]}, rest={_CARD: asdict(card)}))


def load_supernet(path: Path) -> SupernetFile:
    """Read what `save_supernet` wrote.

    InputError, in one line, for a file that is missing, damaged, of another kind or of a newer format.
    """
    try:
        digest = sha256_of(path)
        state = read_state(path).state
        card = _card_of(state)
        card.made  # noqa: B018 - fails here, in one line
        return SupernetFile(path, card, state, digest)
    except MissingExtraError:
        raise
    except FileNotFoundError:
        raise InputError(f"supernet {path}: there is no such file; {MAKE_ONE}") from None
    except OSError as error:
        raise InputError(f"supernet {path}: {error.strerror or error}; {MAKE_ONE}") from error
    except ValueError as error:  # which an InputError is, too
        raise InputError(
            f"supernet {path}: {one_line(str(error), MOST)}; expected a file that archloom supernet wrote: copy it "
            "again, or make another"
        ) from None


def _card_of(state: TrainingState) -> SupernetCard:
    """ValueError if the state is none of a supernet, of a format that we do not know, or not finite."""
    card = state.rest.get(_CARD)
    if not isinstance(card, dict) or list(state.networks) != [NETWORK]:
        raise ValueError("it holds the state of a training, not a supernet")
    written = card.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise ValueError(f"it has format {written}, and this archloom reads up to {FORMAT}: update archloom")
    for name, tensor in state.networks[NETWORK].items():
        if not tensor.isfinite().all():
            raise ValueError(f"tensor {name} is not finite: its training diverged")
    return convert(card, SupernetCard)
