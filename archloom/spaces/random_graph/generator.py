"""A generator of networks: random graphs of random graphs of random graphs of operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archloom.spaces.random_graph.plan import CONVOLUTIONS, Graph, Place
from archloom.spaces.random_graph.streams import Stream
from archloom.spaces.random_graph.wiring import Model, Wiring, wire

Weights = Mapping[str, float]
"""Names with numbers in proportion to which they are drawn; if all are 0, each is as likely as the next."""


@dataclass(frozen=True)
class Generator:
    """The hyper-parameters of a distribution of networks.

    `bottoms`: the model of the bottom graphs in each top node; a single one is that of all.
    """

    top: Model
    mid: Model
    bottoms: tuple[Model, ...]
    merges: Weights
    operations: Weights

    def draw(self, seed: int) -> Graph:
        """The graphs that follow from a seed. Each depends on the seed, its place and its own model alone."""
        return _Draw(self, seed).top()


@dataclass(frozen=True, slots=True)
class _Draw:
    generator: Generator
    seed: int

    def top(self) -> Graph:
        wiring = wire(self.generator.top, self._label("graph", ()))
        return Graph(wiring, self._merges(wiring, ()), tuple(self._mid((node,)) for node in range(wiring.nodes)))

    def _mid(self, place: Place) -> Graph:
        wiring = wire(self.generator.mid, self._label("graph", place))
        children = tuple(self._bottom((*place, node)) for node in range(wiring.nodes))
        return Graph(wiring, self._merges(wiring, place), children)

    def _bottom(self, place: Place) -> Graph:
        bottoms = self.generator.bottoms
        wiring = wire(bottoms[place[0] % len(bottoms)], self._label("graph", place))
        return Graph(wiring, self._merges(wiring, place), self._operations(wiring, place))

    def _label(self, what: str, place: Place) -> str:
        """What the random numbers of a purpose follow from. Changing it changes every network there is."""
        return f"{what}/{self.seed}/{'.'.join(map(str, place))}"

    def _merges(self, wiring: Wiring, place: Place) -> tuple[str, ...]:
        stream, weights = Stream(self._label("merges", place)), self.generator.merges
        return tuple(_drawn(stream, weights) if len(sources) > 1 else "sum" for sources in wiring.sources)

    def _operations(self, wiring: Wiring, place: Place) -> tuple[str, ...]:
        """A convolution at the graph's outputs, which must have the channels of their stage."""
        stream, every = Stream(self._label("operations", place)), self.generator.operations
        convolutions = {name: weight for name, weight in every.items() if name in CONVOLUTIONS}
        ends = set(wiring.outputs)
        return tuple(_drawn(stream, convolutions if node in ends else every) for node in range(wiring.nodes))


def _drawn(stream: Stream, weights: Weights) -> str:
    names, numbers = list(weights), list(weights.values())
    return names[stream.choice(numbers if any(numbers) else [1.0] * len(numbers))]
