"""Weights of one network with a card that says what they are, as one file: a trained agent's, a supernet's.

It is a state's file (`state_file`) with the card in its plain data, so it is written whole or not at all, carries a
checksum, and one SHA-256 pins weights and card together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from archloom.checkpoints.state import Tensors, TrainingState
from archloom.checkpoints.state_file import read_state, save_state
from archloom.errors import InputError, MissingExtraError
from archloom.utils.documents import convert
from archloom.utils.text import MOST, one_line
from archloom.utils.user_files import sha256_of

Card = TypeVar("Card")
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class CardedKind(Generic[Card]):
    """What such files are: "an agent" that `maker` wrote. Cards are dataclasses with a field `format`.

    `key` is the card's name in the plain data, `make_one` and `again` say how to get another file.
    """

    article: str
    name: str
    network: str
    key: str
    card: type[Card]
    format: int
    maker: str
    make_one: str
    again: str

    def save(self, path: Path, tensors: Tensors, card: Any) -> None:
        """Write a file, whole or not at all. InputError for a card that JSON cannot hold, StoreError if that fails."""
        save_state(path, TrainingState({self.network: tensors}, rest={self.key: asdict(card)}))

    def load(self, path: Path, made: Callable[[Card, Tensors, str], Loaded]) -> Loaded:
        """What `made` makes of a file's card, tensors and SHA-256; it raises ValueError for what does not fit.

        InputError, in one line, for a file that is missing, damaged, of another kind or of a newer format, too.
        """
        try:
            digest = sha256_of(path)
            state = read_state(path).state
            return made(self._card_of(state), state.networks[self.network], digest)
        except MissingExtraError:
            raise
        except FileNotFoundError:
            raise InputError(f"{self.name} {path}: there is no such file; {self.make_one}") from None
        except OSError as error:
            raise InputError(f"{self.name} {path}: {error.strerror or error}; {self.make_one}") from error
        except ValueError as error:  # which an InputError is, too
            raise InputError(
                f"{self.name} {path}: {one_line(str(error), MOST)}; expected a file that {self.maker} wrote: copy it "
                f"again, or {self.again}"
            ) from None

    def _card_of(self, state: TrainingState) -> Card:
        """ValueError if the state is none of this kind, or of a format that we do not know."""
        card = state.rest.get(self.key)
        if not isinstance(card, dict) or list(state.networks) != [self.network]:
            raise ValueError(f"it holds the state of a training, not {self.article} {self.name}")
        written = card.get("format")
        if isinstance(written, int) and written > self.format:
            raise ValueError(f"it has format {written}, and this archloom reads up to {self.format}: update archloom")
        return convert(card, self.card)
