"""A trained agent as one file: its network's weights as safetensors, and a card that says what it learned, on what.

It is a state's file (`checkpoints.state_file`) with one network and the card in its plain data, so it is written whole
or not at all, carries a checksum, and one SHA-256 pins weights and card together. Beside it stands the same card as
JSON, for people: nothing reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from torch import Tensor

from archloom.checkpoints.state import TrainingState
from archloom.checkpoints.state_file import read_state, save_state
from archloom.errors import InputError, MissingExtraError
from archloom.learners.q_network import NetworkOptions, QNetwork
from archloom.utils import options
from archloom.utils.documents import convert
from archloom.utils.files import write_json
from archloom.utils.options import NonNegativeInt, PositiveInt
from archloom.utils.text import MOST, one_line
from archloom.utils.user_files import sha256_of

FORMAT = 1

MOST_NEIGHBOURS = 100_000

_NETWORK, _CARD = "q", "agent"
"""Their names in the state."""

_MAKE_ONE = "archloom agent train --on nb201 --out DIR trains one"


@dataclass(frozen=True)
class AgentCard:
    """What an agent is and where it comes from.

    Attributes:
        space: the name of the space whose architectures it was trained on.
        encoding: what the bits that it reads mean; it can be used on any space of the same encoding.
        bits: how many there are of an architecture.
        max_neighbours: how many neighbours it was shown at most.
        network: its network's options (`NetworkOptions`).
        options: those of its training.
        on: the benchmark that it was trained on, as `--on` names it.
        metric: what it learned to raise.
        data_name, data_sha256: the table or surrogate that answered.
        steps: how many it was trained for.
        seed: that of its training.
        version: archloom's.
        format: that of the file.
    """

    space: str
    encoding: str
    bits: PositiveInt
    max_neighbours: Annotated[int, msgspec.Meta(ge=1, le=MOST_NEIGHBOURS)]
    network: Mapping[str, Any]
    options: Mapping[str, Any]
    on: str
    metric: str
    data_name: str
    data_sha256: str
    steps: NonNegativeInt
    seed: NonNegativeInt
    version: str
    format: PositiveInt = FORMAT


@dataclass(frozen=True)
class Agent:
    """A network with its card, and the SHA-256 of the file that they come from."""

    network: QNetwork
    card: AgentCard
    sha256: str


def save_agent(path: Path, network: QNetwork, card: AgentCard) -> None:
    """Write an agent's file, and its card for people beside it (`NAME.json`), each whole or not at all.

    InputError for a card that JSON cannot hold, StoreError if a file cannot be written.
    """
    written = asdict(card)
    save_state(path, TrainingState({_NETWORK: network.state_dict()}, rest={_CARD: written}))
    write_json(card_path(path), written)


def card_path(path: Path) -> Path:
    """Where the card of an agent's file stands for people to read."""
    return path.with_name(f"{path.name}.json")


def load_agent(path: Path) -> Agent:
    """Read what `save_agent` wrote. The network is on the CPU.

    InputError, in one line, for a file that is missing, damaged, of another kind or of a newer format, and for one
    whose weights do not fit its card or are not finite.
    """
    try:
        digest = sha256_of(path)
        state = read_state(path).state
        card = _card_of(state)
        return Agent(_network_of(card, state.networks[_NETWORK]), card, digest)
    except MissingExtraError:
        raise
    except FileNotFoundError:
        raise InputError(f"agent {path}: there is no such file; {_MAKE_ONE}") from None
    except OSError as error:
        raise InputError(f"agent {path}: {error.strerror or error}; {_MAKE_ONE}") from error
    except ValueError as error:  # which an InputError is, too
        raise InputError(
            f"agent {path}: {one_line(str(error), MOST)}; expected a file that archloom agent train wrote: copy it "
            "again, or train another"
        ) from None


def _card_of(state: TrainingState) -> AgentCard:
    """ValueError if the state is none of an agent, or of a format that we do not know."""
    card = state.rest.get(_CARD)
    if not isinstance(card, dict) or list(state.networks) != [_NETWORK]:
        raise ValueError("it holds the state of a training, not an agent")
    written = card.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise ValueError(f"it has format {written}, and this archloom reads up to {FORMAT}: update archloom")
    return convert(card, AgentCard)


def _network_of(card: AgentCard, tensors: Mapping[str, Tensor]) -> QNetwork:
    """ValueError unless these are finite weights of just the network that the card describes."""
    sizes = NetworkOptions(**options.convert_all("network", options.of_dataclass(NetworkOptions), card.network))
    held, least = sum(tensor.numel() for tensor in tensors.values()), _least(card.bits, sizes)
    if least > held:  # it is not built to find that out: it may be larger than memory
        raise ValueError(f"its card says at least {least:,} weights, and it holds {held:,}")
    network = QNetwork(card.bits, card.max_neighbours + 1, sizes, np.random.default_rng(0))
    expected = network.state_dict()
    for name in sorted(expected.keys() ^ tensors.keys()):
        raise ValueError(f"tensor {name} {'is missing' if name in expected else 'is none of its network'}")
    for name, tensor in tensors.items():
        found, wanted = (f"{each.dtype} {tuple(each.shape)}" for each in (tensor, expected[name]))
        if found != wanted:
            raise ValueError(f"tensor {name} is {found}, and by its card {wanted}")
        if not tensor.isfinite().all():
            raise ValueError(f"tensor {name} is not finite: its training diverged")
    network.load_state_dict(dict(tensors))
    return network


def _least(bits: int, sizes: NetworkOptions) -> int:
    """Fewer weights than any such network has, and not much fewer."""
    between, width = sizes.encoder_layers - 1, sizes.width
    inner = sizes.encoder_width or width
    encoder = (bits + (between - 1) * inner + width) * inner if between else bits * width
    return encoder + width * (sizes.layers * (width + sizes.feedforward) + sizes.head_width)
