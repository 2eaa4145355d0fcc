"""Networks of random graphs: NAGO's hierarchical generator, the flat one that it is compared with, and wider ones."""

from archloom.spaces.random_graph.spaces import Hnag, HnagAug1, HnagAug2, RandomGraphSpace, Rnag

__all__ = ["Hnag", "HnagAug1", "HnagAug2", "RandomGraphSpace", "Rnag"]
