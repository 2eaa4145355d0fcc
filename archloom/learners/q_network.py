"""The Q-network of the Ape-X agent: a transformer over an architecture and its neighbours (Cassimon et al., 3.2.3).

Shapes: B observations in a batch, A = N + 1 tokens in each, of which the first is the agent's own architecture and the
others are the neighbours shown. Token k is also action k: 0 stays, k moves to neighbour k.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from archloom.errors import InputError
from archloom.learners.arrays import drawn_from
from archloom.utils.options import Options, PositiveInt
from archloom.utils.threads import spread

ReadoutName = Literal["each", "paper"]
PositionsName = Literal["learned", "sinusoidal"]

_Width = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
_Depth = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
"""More is a slip: it would take days to be drawn, or overflow."""


@dataclass(frozen=True)
class NetworkOptions(Options):
    """Sizes of the network. The paper gives `width` only. P: the paper's, R: RLlib 1.13's default.

    width: T, of the tokens. P: 256 on NAS-Bench-101, 512 on NAS-Bench-301.
    layers, heads, feedforward: of the transformer encoder.
    encoder_layers: fully connected layers with ReLU that make a token of an architecture's bits. P: several.
    encoder_width: of all of them but the last; none: that of the tokens.
    head_width: of the hidden layer in each branch of the duelling head. R: 256.
    dueling: Q = V + A - mean(A) over the valid actions (Wang et al. 2016); else Q = A. P: true.
    readout: where the advantage of action k is read: "each" from output k, "paper" from the first output, which needs
        a positional encoding.
    positions: that encoding: "learned" (as in ViT) or "sinusoidal" (Vaswani et al. 2017).
    """

    width: _Width = 64
    layers: _Depth = 1
    heads: PositiveInt = 4
    feedforward: _Width = 128
    encoder_layers: _Depth = 2
    encoder_width: _Width | None = None
    head_width: _Width = 64
    dueling: bool = True
    readout: ReadoutName = "each"
    positions: PositionsName = "learned"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise InputError(f"heads={self.heads}: expected a divisor of width={self.width}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class QNetwork(nn.Module):
    """Q of every action: `bits` in an architecture's encoding, at most `actions` = N + 1 tokens.

    Weights are drawn from `rng` alone. `threads`: how many share a batch, bucket by bucket, which changes no number.
    """

    def __init__(self, bits: int, actions: int, options: NetworkOptions, rng: np.random.Generator) -> None:
        super().__init__()
        self.bits = bits
        self.actions = actions
        self.threads = 1
        self.options = options
        o = options
        with drawn_from(rng):
            sizes = [bits, *[o.encoder_width or o.width] * (o.encoder_layers - 1), o.width]
            self.encoder = nn.ModuleList(nn.Linear(m, n) for m, n in pairwise(sizes))
            self.layers = nn.ModuleList(EncoderLayer(o.width, o.heads, o.feedforward) for _ in range(o.layers))
            self.norm = nn.LayerNorm(o.width)
            self.value = _branch(o.width, o.head_width, 1) if o.dueling else None
            self.readout = READOUTS[o.readout](o, actions)

    @property
    def most_neighbours(self) -> int | None:
        """How many neighbours it can be shown at most; None for any number."""
        return None if self.readout.reads is None else self.actions - 1

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.norm.weight.device

    def forward(self, architectures: Tensor, counts: Tensor | None = None) -> Tensor:
        """(B, A) Q of encodings (B, A, bits), of which the first `counts` (B,) are there; -inf for the others.

        None for `counts` means that all are there. A may be less than `actions`.
        """
        tokens = architectures.to(self.norm.weight.dtype)
        for layer in self.encoder:
            tokens = functional.relu(layer(tokens))
        tokens = self.readout.marked(tokens)
        absent = bias = None
        if counts is not None:
            absent = torch.arange(tokens.shape[1], device=tokens.device) >= counts[:, None]
            bias = _bias(absent, tokens.dtype)
        *first, last = self.layers
        for layer in first:
            tokens = layer(tokens, tokens, bias)
        # What nothing is read from need not be computed in the last layer.
        read = self.norm(last(tokens[:, : self.readout.reads], tokens, bias))
        advantages: Tensor = self.readout(read)[:, : tokens.shape[1]]
        if self.value is None:
            q: Tensor = advantages
        elif absent is None or counts is None:
            q = self.value(read[:, 0]) + advantages - advantages.mean(dim=1, keepdim=True)
        else:
            mean = advantages.masked_fill(absent, 0.0).sum(dim=1) / counts
            q = self.value(read[:, 0]) + advantages - mean[:, None]
        return q if absent is None else q.masked_fill(absent, -torch.inf)

    def buckets(self, counts: NDArray[np.integer[Any]]) -> list[Bucket]:
        """Observations of about the same length together, as this device takes them best."""
        return list(buckets_of(counts, _MOST if self.device.type == "cpu" else len(counts)))

    def of_bucket(self, architectures: NDArray[np.uint8], counts: NDArray[np.integer[Any]], bucket: Bucket) -> Tensor:
        """`forward` (n, length) of a bucket's observations, out of all encodings (B, A, bits)."""
        rows = bucket.rows
        known = None if bucket.full else torch.from_numpy(counts[rows].astype(np.int64)).to(self.device)
        q: Tensor = self(torch.from_numpy(architectures[rows, : bucket.length]).to(self.device), known)
        return q

    def q_values(self, architectures: NDArray[np.uint8], counts: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """(n, A) Q of encodings (n, A, bits) with `counts` (n,) tokens each; -inf for actions that there are not."""
        counts = np.asarray(counts)
        buckets = self.buckets(counts)
        q = np.full(architectures.shape[:2], -np.inf, dtype=np.float32)
        found = spread(lambda bucket: self._without_gradient(architectures, counts, bucket), buckets, self.threads)
        for bucket, part in zip(buckets, found, strict=True):
            q[bucket.rows, : bucket.length] = part
        return q

    def _without_gradient(
        self, architectures: NDArray[np.uint8], counts: NDArray[np.integer[Any]], bucket: Bucket
    ) -> NDArray[np.float32]:
        with torch.no_grad():  # which each thread has to say for itself
            part: NDArray[np.float32] = self.of_bucket(architectures, counts, bucket).float().cpu().numpy()
        return part


_LEAST = 16
"""Observations in a bucket: with fewer, a pass costs more than the masked tokens it saves."""
_MOST = 32
"""Observations in a bucket on a CPU, so that its tokens stay in the cache,"""
_TOKENS = 256
"""unless they are so short that together they have no more tokens than this."""
_WASTE = 0.12
"""Share of a bucket's tokens that may be masked."""


class Bucket(NamedTuple):
    """Observations `rows` of at most `length` tokens each; `full` if all have as many."""

    rows: NDArray[np.int64]
    length: int
    full: bool


def buckets_of(counts: NDArray[np.integer[Any]], most: int = _MOST) -> Iterator[Bucket]:
    """Observations of about the same length together, at most `most`, with few masked tokens; the longest first."""
    order = np.argsort(counts, kind="stable")
    lengths = counts[order].astype(np.int64)
    stop = len(order)
    while stop:
        longest = int(lengths[stop - 1])
        # Going down from the longest, the share of padding only grows.
        tokens = np.cumsum(lengths[:stop][::-1])
        fitting = int((tokens >= (1 - _WASTE) * longest * np.arange(1, stop + 1)).sum())
        size = min(max(fitting, _LEAST), max(most, _TOKENS // longest), stop)
        if stop - size < _LEAST and stop <= most + _LEAST:
            size = stop
        yield Bucket(order[stop - size : stop], longest, bool(lengths[stop - size] == longest))
        stop -= size


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each behind a layer norm and around a shortcut (as in ViT)."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.before_feedforward = nn.LayerNorm(width)
        self.rise = nn.Linear(width, feedforward)
        self.fall = nn.Linear(feedforward, width)

    def forward(self, read: Tensor, tokens: Tensor, bias: Tensor | None) -> Tensor:
        """(B, R, T) the outputs of the first R tokens, `read`, of all (B, L, T); `bias` (B, 1, 1, L) on attention."""
        known = self.before_attention(tokens)
        query = self._split(self.query(known[:, : read.shape[1]]))
        key, value = self.key_value(known).chunk(2, dim=2)
        seen = functional.scaled_dot_product_attention(query, self._split(key), self._split(value), bias)
        read = read + self.out(seen.transpose(1, 2).flatten(2))
        rising = functional.relu(self.rise(self.before_feedforward(read)))
        result: Tensor = read + self.fall(rising)
        return result

    def _split(self, tokens: Tensor) -> Tensor:
        """(B, heads, L, T / heads)"""
        return tokens.view(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


class Readout(nn.Module, ABC):
    """Where advantages are read; `reads` is how many tokens' outputs it needs (None: all)."""

    reads: int | None = None

    def __init__(self, options: NetworkOptions, actions: int) -> None:
        super().__init__()

    @abstractmethod
    def marked(self, tokens: Tensor) -> Tensor:
        """The tokens (B, L, T), with what they are marked."""


class ReadEach(Readout):
    """The advantage of action k from output k.

    The agent's own architecture is marked and neighbours are not told apart by their places: the order in which they
    are shown changes nothing but the order of the answers.
    """

    def __init__(self, options: NetworkOptions, actions: int) -> None:
        super().__init__(options, actions)
        self.own = nn.Parameter(torch.randn(options.width) * 0.02)
        self.advantage = _branch(options.width, options.head_width, 1)

    def marked(self, tokens: Tensor) -> Tensor:
        return torch.cat([tokens[:, :1] + self.own, tokens[:, 1:]], dim=1)

    def forward(self, read: Tensor) -> Tensor:
        advantages: Tensor = self.advantage(read)
        return advantages.squeeze(2)


class ReadFirst(Readout):
    """All advantages from the first output, which positional encodings tell which neighbour is which."""

    reads = 1
    positions: Tensor

    def __init__(self, options: NetworkOptions, actions: int) -> None:
        super().__init__(options, actions)
        POSITIONS[options.positions](self, actions, options.width)
        self.advantage = _branch(options.width, options.head_width, actions)

    def marked(self, tokens: Tensor) -> Tensor:
        return tokens + self.positions[: tokens.shape[1]]

    def forward(self, read: Tensor) -> Tensor:
        advantages: Tensor = self.advantage(read[:, 0])
        return advantages


READOUTS: Mapping[ReadoutName, type[Readout]] = {"each": ReadEach, "paper": ReadFirst}


def _learned(readout: nn.Module, places: int, width: int) -> None:
    readout.register_parameter("positions", nn.Parameter(torch.randn(places, width) * 0.02))


def _sinusoidal(readout: nn.Module, places: int, width: int) -> None:
    """sin and cos of place / 10000^(2i / width), side by side."""
    angles = torch.arange(places)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)
    readout.register_buffer("positions", torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width])


POSITIONS: Mapping[PositionsName, Callable[[nn.Module, int, int], None]] = {
    "learned": _learned,
    "sinusoidal": _sinusoidal,
}
"""Each gives a readout its `positions` (places, width)."""


def _branch(width: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))


def _bias(absent: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 1, 1, L) what to add to the attention's scores: -inf to tokens that there are not."""
    return torch.zeros(absent.shape, dtype=dtype, device=absent.device).masked_fill(absent, -torch.inf)[:, None, None]
