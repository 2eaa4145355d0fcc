"""Networks on batches of small graphs: the k-GNN of Morris et al. 2019, and the pairwise discriminator of GA-NAS.

Graphs are dense and padded: V vertices each, of which those that are not there take no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from archloom.spaces.graphs import OPEN, Graph


@dataclass(frozen=True)
class GraphBatch:
    """`labels` (N, V) with `OPEN` where there is no vertex; `adjacency` (N, V, V), float, one at [source, target]."""

    labels: Tensor
    adjacency: Tensor

    @classmethod
    def of(cls, graphs: Sequence[Graph], vertices: int) -> GraphBatch:
        """Graphs of at most `vertices` vertices, in topological order."""
        labels = np.full((len(graphs), vertices), OPEN, dtype=np.int64)
        adjacency = np.zeros((len(graphs), vertices, vertices), dtype=np.float32)
        for row, graph in enumerate(graphs):
            v = len(graph.labels)
            labels[row, :v], adjacency[row, :v, :v] = graph.labels, graph.adjacency
        return cls.from_arrays(labels, adjacency)

    @classmethod
    def from_arrays(cls, labels: NDArray[np.int64], adjacency: NDArray[Any]) -> GraphBatch:
        return cls(torch.from_numpy(labels), torch.from_numpy(adjacency.astype(np.float32, copy=False)))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Tensor) -> GraphBatch:
        return GraphBatch(self.labels[rows], self.adjacency[rows])


class GraphConv(nn.Module):
    """x_i W_1 + sum over j -> i of x_j W_2 (Morris et al. 2019, eq. 5), and with `both` + sum over i -> j of x_j W_3.

    In a cell it matters who reads whom: each direction of the edges has weights of its own.
    """

    def __init__(self, c_in: int, c_out: int, both: bool) -> None:
        super().__init__()
        self.directions = 2 if both else 1
        self.linear = nn.Linear((1 + self.directions) * c_in, c_out)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:  # (N, V, C_in), (N, V or 2 V, V) -> (N, V, C_out)
        """`edges` are the transposed adjacency matrix and, with `both`, the matrix itself below it."""
        n, v, c = x.shape
        sums = (edges @ x).view(n, self.directions, v, c).unbind(dim=1)
        out: Tensor = self.linear(torch.cat([x, *sums], dim=-1))
        return out


class GraphEncoder(nn.Module):
    """Labels and places of vertices, then `layers` graph convolutions with tanh between them.

    Without `both`, what a vertex knows comes from vertices before it alone, so that its state is the same in a graph
    that is not finished.
    """

    def __init__(self, labels: int, vertices: int, width: int, layers: int, both: bool) -> None:
        super().__init__()
        self.both = both
        self.label = nn.Embedding(labels + 1, width)  # the last one for vertices that are not there
        self.place = nn.Embedding(vertices, width)
        self.convolutions = nn.ModuleList(GraphConv(width, width, both) for _ in range(layers))

    def forward(self, graphs: GraphBatch) -> Tensor:
        """(N, V, width) the state of every vertex, of which there may be fewer than `vertices`; zeros where none is."""
        there = (graphs.labels != OPEN).unsqueeze(-1)  # (N, V, 1)
        # OPEN is -1, so that a remainder makes it the last embedding.
        x: Tensor = self.label(graphs.labels % self.label.num_embeddings) + self.place.weight[: graphs.labels.shape[1]]
        x = x * there
        back = graphs.adjacency.mT
        edges = torch.cat([back, graphs.adjacency], dim=1) if self.both else back
        for convolution in self.convolutions:
            x = torch.tanh(convolution(x, edges)) * there
        return x


def readouts(states: Tensor, labels: Tensor) -> Tensor:
    """(N, V + 1, width): at v the mean over the vertices before v that are there of their states (N, V, width)."""
    sums = functional.pad(states.cumsum(dim=1), (0, 0, 1, 0))
    counts = functional.pad((labels != OPEN).cumsum(dim=1), (1, 0))
    return sums / counts.clamp(min=1).unsqueeze(-1)


class PairDiscriminator(nn.Module):
    """D(x, y): whether y is of the same distribution as x, which is a top architecture (GA-NAS, section 3.2).

    A Siamese k-GNN encodes both, and an MLP looks at the two codes: a relativistic discriminator.
    """

    def __init__(self, labels: int, vertices: int, width: int, layers: int) -> None:
        super().__init__()
        self.encoder = GraphEncoder(labels, vertices, width, layers, both=True)
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))

    def encode(self, graphs: GraphBatch) -> Tensor:
        """(N, width) codes: the mean of the states of all vertices."""
        states = self.encoder(graphs)
        count = (graphs.labels != OPEN).sum(dim=1, keepdim=True).clamp(min=1)
        mean: Tensor = states.sum(dim=1) / count
        return mean

    def compare(self, truth: Tensor, codes: Tensor) -> Tensor:
        """Logits (N,) of the pairs of codes (N, width) and (N, width)."""
        logits: Tensor = self.head(torch.cat([truth, codes], dim=-1)).squeeze(-1)
        return logits

    def against(self, truth: Tensor, codes: Tensor) -> Tensor:
        """Logits (N, K) of each code (N, width) against each of the truth's (K, width)."""
        n, k = len(codes), len(truth)
        pairs = torch.cat([truth.expand(n, k, -1), codes.unsqueeze(1).expand(n, k, -1)], dim=-1)
        logits: Tensor = self.head(pairs).squeeze(-1)
        return logits


def pair_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of pairs: 1 for (truth, truth), 0 for (truth, generated)."""
    return functional.binary_cross_entropy_with_logits(logits, labels)
