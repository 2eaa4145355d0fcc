"""The generator of GA-NAS: a policy that draws graphs vertex after vertex (section 3.2).

At every step a k-GNN encodes the partial graph; a feed-forward softmax says which label the next vertex has; a GRU goes
over the earlier vertices, one after another, and says of each whether it leads to the new one. A whole batch of graphs
is drawn at once. All of its steps are evaluated at once, and each graph is encoded once for all its steps: the k-GNN
passes messages along the edges only, so a vertex's state does not change when others are added behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from archloom.learners.gnn import GraphBatch, GraphEncoder, readouts
from archloom.spaces.graphs import OPEN, Graph, GraphGrammar, PartialGraph

_NONE = -1e9
"""The logit of what must not be chosen."""


@dataclass(frozen=True)
class Episodes:
    """B graphs with every decision on the way, over S steps and at most P sources a step.

    `chosen` (B, S) labels, `OPEN` where there was nothing to decide, and `edges` (B, S, P) are what the policy chose;
    `drawn` is what came of it, the same unless a choice was illegal. `label_masks` (B, S, L) and `edge_masks`
    (B, S, P, 2) are what it could choose from; `illegal` (B, S) counts its illegal choices.
    """

    drawn: PartialGraph
    chosen: NDArray[np.int64]
    edges: NDArray[np.int64]
    label_masks: NDArray[np.bool_]
    edge_masks: NDArray[np.bool_]
    illegal: NDArray[np.int64]

    @classmethod
    def begin(cls, grammar: GraphGrammar, count: int, labels: int) -> Episodes:
        """`count` episodes before the first decision; they are filled in place."""
        steps, places = len(grammar.steps), most_sources(grammar)
        return cls(
            PartialGraph.begin(grammar.template, count),
            np.full((count, steps), OPEN, dtype=np.int64),
            np.zeros((count, steps, places), dtype=np.int64),
            np.zeros((count, steps, labels), dtype=bool),
            np.zeros((count, steps, places, 2), dtype=bool),
            np.zeros((count, steps), dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, rows: NDArray[np.integer[Any]]) -> Episodes:
        drawn = PartialGraph(self.drawn.labels[rows], self.drawn.adjacency[rows])
        return Episodes(drawn, *(getattr(self, field.name)[rows] for field in fields(self)[1:]))

    def followed_by(self, others: Episodes) -> Episodes:
        """These episodes and then `others`, of the same grammar."""
        pairs = [(getattr(self, field.name), getattr(others, field.name)) for field in fields(self)[1:]]
        labels = np.concatenate([self.drawn.labels, others.drawn.labels])
        adjacency = np.concatenate([self.drawn.adjacency, others.drawn.adjacency])
        return Episodes(PartialGraph(labels, adjacency), *(np.concatenate(pair) for pair in pairs))

    @property
    def live(self) -> NDArray[np.bool_]:
        """(B, S) where there was something to decide."""
        live: NDArray[np.bool_] = self.chosen != OPEN
        return live


@dataclass(frozen=True)
class Judged:
    """What the policy thinks of episodes: each (B, S), zero where there was nothing to decide."""

    log_probs: Tensor
    entropies: Tensor
    values: Tensor


class GraphPolicy(nn.Module):
    """The generator for one space's grammar, with a value network's head on the same encoder.

    With `masked`, what is illegal has no probability. Without, it may be chosen, counts, and is then mended: the first
    legal label, the edge as it must be.
    """

    def __init__(self, grammar: GraphGrammar, labels: int, width: int, layers: int, masked: bool = True) -> None:
        super().__init__()
        self.grammar = grammar
        self.masked = masked
        self.labels = labels
        steps, vertices = grammar.steps, len(grammar.template.labels)
        self.places = most_sources(grammar)
        self.encoder = GraphEncoder(labels, vertices, width, layers, both=False)
        self.step = nn.Embedding(len(steps), width)
        self.trunk = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU())
        self.label_head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, labels))
        self.value_head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
        if self.places:
            self.label = nn.Embedding(labels, width)
            self.begin = nn.Linear(2 * width, width)
            self.decision = nn.Embedding(3, width)  # of the source before: none, no, yes
            self.gru = nn.GRU(2 * width, width, batch_first=True)
            self.edge_head = nn.Linear(width, 1)
        sources = torch.zeros(len(steps), self.places, dtype=torch.int64)
        for row, step in enumerate(steps):
            sources[row, : len(step.sources)] = torch.tensor(step.sources, dtype=torch.int64)
        self.sources: Tensor
        self.vertices: Tensor
        self.register_buffer("sources", sources, persistent=False)
        self.register_buffer("vertices", torch.tensor([step.vertex for step in steps]), persistent=False)

    # -- drawing --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def draw(self, count: int, rng: np.random.Generator, temperature: float = 1.0) -> Episodes:
        """`count` graphs; a temperature above 1 flattens the policy."""
        episodes = Episodes.begin(self.grammar, count, self.labels)
        for at, step in enumerate(self.grammar.steps):
            legal = self.grammar.label_mask(episodes.drawn, at)
            live = legal.any(axis=1)
            if not live.any():
                break
            states, context = self._at_step(episodes.drawn, at)
            episodes.label_masks[:, at] = _open(legal, self.masked)
            labels = _pick(self._label_logits(context, episodes.label_masks[:, at]), rng, temperature)
            wrong = live & ~legal[np.arange(count), labels]
            episodes.chosen[:, at] = np.where(live, labels, OPEN)
            episodes.illegal[:, at] = wrong
            episodes.drawn.labels[:, step.vertex] = np.where(live, np.where(wrong, legal.argmax(axis=1), labels), OPEN)
            if step.sources:
                hidden = self._begin(context, torch.from_numpy(labels))
                self._draw_edges(episodes, at, states, hidden, rng, temperature)
        return episodes

    def _draw_edges(
        self, episodes: Episodes, at: int, states: Tensor, hidden: Tensor, rng: np.random.Generator, temperature: float
    ) -> None:
        """Decide the edges into the vertex of step `at`, one source after another."""
        drawn, step = episodes.drawn, self.grammar.steps[at]
        before = torch.zeros(len(episodes), dtype=torch.int64)
        for place, source in enumerate(step.sources):
            legal = self.grammar.edge_mask(drawn, at, place)
            episodes.edge_masks[:, at, place] = mask = _open(legal, self.masked)
            inputs = torch.cat([states[:, source], self.decision(before)], dim=-1).unsqueeze(1)
            out, hidden = self.gru(inputs, hidden)
            picked = _pick(_two(self.edge_head(out).squeeze(1), torch.from_numpy(mask)), rng, temperature)
            there = legal.any(axis=1)
            wrong = there & ~legal[np.arange(len(picked)), picked]
            episodes.illegal[:, at] += wrong
            episodes.edges[:, at, place] = np.where(there, picked, 0)
            drawn.adjacency[:, source, step.vertex] = np.where(there, picked ^ wrong, 0)
            before = torch.from_numpy(episodes.edges[:, at, place] + 1)

    def _at_step(self, drawn: PartialGraph, at: int) -> tuple[Tensor, Tensor]:
        """States (B, V', width) of the V' vertices before a step, and what the step goes by (B, width)."""
        v = self.grammar.steps[at].vertex
        graphs = GraphBatch.from_arrays(drawn.labels[:, :v], drawn.adjacency[:, :v, :v])
        states = self.encoder(graphs)
        return states, self._context(readouts(states, graphs.labels)[:, -1:], torch.tensor([at])).squeeze(1)

    # -- evaluating -----------------------------------------------------------------------------------------------

    def judge(self, episodes: Episodes) -> Judged:
        """Log-probabilities, entropies and values of all steps of episodes, all at once."""
        b, s = episodes.chosen.shape
        graphs = GraphBatch.from_arrays(episodes.drawn.labels, episodes.drawn.adjacency)
        states = self.encoder(graphs)  # (B, V, width)
        context = self._context(readouts(states, graphs.labels)[:, self.vertices], torch.arange(s))  # (B, S, width)
        chosen = torch.from_numpy(episodes.chosen).clamp(min=0)
        choices = self._label_logits(context, episodes.label_masks).log_softmax(dim=-1)
        log_probs, entropies = choices.gather(-1, chosen.unsqueeze(-1)).squeeze(-1), _entropy(choices)
        if self.places:
            more = self._judge_edges(episodes, states, context.flatten(0, 1), chosen.flatten())
            log_probs, entropies = log_probs + more[0].view(b, s), entropies + more[1].view(b, s)
        values = self.value_head(context).squeeze(-1)
        live = torch.from_numpy(episodes.live)
        return Judged(log_probs * live, entropies * live, values * live)

    def _judge_edges(
        self, episodes: Episodes, states: Tensor, context: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies (B*S,) of the edges of every step."""
        b, s, p = episodes.edges.shape
        edges = torch.from_numpy(episodes.edges).view(b * s, p)
        before = torch.cat([torch.zeros_like(edges[:, :1]), edges[:, :-1] + 1], dim=1)
        inputs = torch.cat([states[:, self.sources].flatten(0, 1), self.decision(before)], dim=-1)  # (B*S, P, 2 width)
        out, _ = self.gru(inputs, self._begin(context, labels))
        masks = torch.from_numpy(episodes.edge_masks).view(b * s, p, 2)
        choices = _two(self.edge_head(out), masks).log_softmax(dim=-1)  # (B*S, P, 2)
        log_probs = choices.gather(-1, edges.unsqueeze(-1)).squeeze(-1)
        there = masks.any(dim=-1)
        return (log_probs * there).sum(dim=1), (_entropy(choices) * there).sum(dim=1)

    # -- the network ----------------------------------------------------------------------------------------------

    def _context(self, before: Tensor, steps: Tensor) -> Tensor:
        """(B, S, width) what decisions go by, of the readouts (B, S, width) of what is there before `steps` (S,)."""
        at = self.step(steps).expand(len(before), -1, -1)
        context: Tensor = self.trunk(torch.cat([before, at], dim=-1))
        return context

    def _label_logits(self, context: Tensor, mask: NDArray[np.bool_]) -> Tensor:
        logits: Tensor = self.label_head(context)
        return logits.masked_fill(~torch.from_numpy(mask), _NONE)

    def _begin(self, context: Tensor, labels: Tensor) -> Tensor:
        """The GRU's first state (1, N, width)."""
        hidden: Tensor = torch.tanh(self.begin(torch.cat([context, self.label(labels)], dim=-1)))
        return hidden.unsqueeze(0)


def most_sources(grammar: GraphGrammar) -> int:
    """P: how many edges are decided at a step, at most."""
    return max(len(step.sources) for step in grammar.steps)


def retrace(grammar: GraphGrammar, graphs: Sequence[Graph], labels: int, masked: bool = True) -> Episodes:
    """The decisions that lead to each of `graphs`, which must be legal; `labels`, `masked` as in `GraphPolicy`."""
    episodes = Episodes.begin(grammar, len(graphs), labels)
    drawn = episodes.drawn
    whole = GraphBatch.of(graphs, len(grammar.template.labels))
    target_labels, target = whole.labels.numpy(), whole.adjacency.numpy().astype(np.int64)
    for at, step in enumerate(grammar.steps):
        legal = grammar.label_mask(drawn, at)
        episodes.label_masks[:, at] = _open(legal, masked)
        episodes.chosen[:, at] = np.where(legal.any(axis=1), target_labels[:, step.vertex], OPEN)
        drawn.labels[:, step.vertex] = episodes.chosen[:, at]
        for place, source in enumerate(step.sources):
            episodes.edge_masks[:, at, place] = _open(grammar.edge_mask(drawn, at, place), masked)
            episodes.edges[:, at, place] = drawn.adjacency[:, source, step.vertex] = target[:, source, step.vertex]
    return episodes


def _open(legal: NDArray[np.bool_], masked: bool) -> NDArray[np.bool_]:
    """(B, options) what may be chosen where `legal` is legal: that, or anything while something is to be decided."""
    return legal if masked else np.repeat(legal.any(axis=1, keepdims=True), legal.shape[1], axis=1)


def _two(logit: Tensor, mask: Tensor) -> Tensor:
    """Logits (..., 2) of no and yes, from yes's (..., 1)."""
    return torch.cat([torch.zeros_like(logit), logit], dim=-1).masked_fill(~mask, _NONE)


def _entropy(log_probs: Tensor) -> Tensor:
    """(...) in nats, of log-probabilities (..., options)."""
    return -(log_probs.exp() * log_probs).sum(dim=-1)


def _pick(logits: Tensor, rng: np.random.Generator, temperature: float) -> NDArray[np.int64]:
    """(N,) draws from logits (N, options), by the largest of logits and Gumbel noise."""
    given = logits.double().numpy()
    noisy = given / temperature + rng.gumbel(size=given.shape)
    picked: NDArray[np.int64] = np.where(given > _NONE, noisy, -np.inf).argmax(axis=1)
    return picked
