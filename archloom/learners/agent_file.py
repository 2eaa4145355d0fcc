"""A trained agent as one file: its network's weights as safetensors, and a card that says what it learned, on what.

See `checkpoints.carded` for what such files have in common. Beside it stands the same card as JSON, for people: nothing
reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from torch import Tensor

from archloom.checkpoints.carded import CardedKind
from archloom.learners.q_network import NetworkOptions, QNetwork
from archloom.utils import options
from archloom.utils.files import write_json
from archloom.utils.options import NonNegativeInt, PositiveInt

FORMAT = 1

MOST_NEIGHBOURS = 100_000


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


_KIND = CardedKind(
    "an", "agent", "q", "agent", AgentCard, FORMAT, "archloom agent train",
    "archloom agent train --on nb201 --out DIR trains one", again="train another",
)  # fmt: skip


def save_agent(path: Path, network: QNetwork, card: AgentCard) -> None:
    """Write an agent's file, and its card for people beside it (`NAME.json`), each whole or not at all.

    InputError for a card that JSON cannot hold, StoreError if a file cannot be written.
    """
    _KIND.save(path, network.state_dict(), card)
    write_json(card_path(path), asdict(card))


def card_path(path: Path) -> Path:
    """Where the card of an agent's file stands for people to read."""
    return path.with_name(f"{path.name}.json")


def load_agent(path: Path) -> Agent:
    """Read what `save_agent` wrote. The network is on the CPU.

    InputError, in one line, for a file that is missing, damaged, of another kind or of a newer format, and for one
    whose weights do not fit its card or are not finite.
    """
    return _KIND.load(path, lambda card, tensors, digest: Agent(_network_of(card, tensors), card, digest))


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
