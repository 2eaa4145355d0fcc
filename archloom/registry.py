"""Names of spaces and strategies, and where each lives: "module:class", imported when used.

Adding one costs a line here, its file and its test.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archloom.errors import MissingExtraError, unknown


@dataclass(frozen=True)
class Entry:
    """Where a thing lives, what it is in one line, and the extra it needs beyond the base install, if any."""

    target: str
    title: str
    package: str | None = None
    extra: str | None = None

    def load(self) -> Any:
        """Import it."""
        module, _, name = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if self.package and self.extra and error.name == self.package:
                raise MissingExtraError(self.package, self.extra, self.title) from None
            raise


SPACES: Mapping[str, Entry] = {
    "convnet": Entry("archloom.spaces.convnet:ConvNet", "a chain of interchangeable image layers"),
    "darts": Entry(
        "archloom.spaces.darts:Darts", "DARTS cells (NAS-Bench-301): a normal and a reduction cell", "numba", "bench"
    ),
    "efficientnet_b0": Entry(
        "archloom.spaces.efficientnet_b0:EfficientNetB0", "EfficientNet-B0's 16 layers, each of its three kinds"
    ),
    "gan": Entry("archloom.spaces.gan:Gan", "PBT-NAS's Gan: three generator cells beside AutoGAN's discriminator"),
    "gan_hard": Entry("archloom.spaces.gan:GanHard", "PBT-NAS's GanHard: generator, latent projections, discriminator"),
    "mnasnet": Entry("archloom.spaces.mnasnet:Mnasnet", "MnasNet-like: 7 blocks x expansion, kernel, layers, SE"),
    "nb101": Entry(
        "archloom.spaces.nb101:Nb101", "NAS-Bench-101 cells: up to 7 vertices, 9 edges, 3 operations", "numba", "bench"
    ),
    "nb201": Entry("archloom.spaces.nb201:Nb201", "NAS-Bench-201 cells: 6 edges, 5 operations"),
    "nbgraph": Entry("archloom.spaces.nbgraph:NbGraph", "NAS-Bench-Graph: trees of 4 graph-network layers"),
    "proxyless": Entry("archloom.spaces.proxyless:Proxyless", "ProxylessNAS: 21 layers x kernel, expansion, or none"),
    "table": Entry("archloom.spaces.table:TableSpace", "the plain choices of any table"),
}

STRATEGIES: Mapping[str, Entry] = {
    "random": Entry("archloom.strategies.random_search:RandomSearch", "random search"),
    "evolution": Entry("archloom.strategies.evolution:Evolution", "regularised evolution (Real et al. 2019)"),
    "local_search": Entry("archloom.strategies.walks:LocalSearch", "climb to a better neighbour, restart at the top"),
    "random_walk": Entry("archloom.strategies.walks:RandomWalk", "move to a random neighbour"),
    "asha": Entry("archloom.strategies.successive_halving:Asha", "asynchronous successive halving (Li et al. 2020)"),
    "hyperband": Entry("archloom.strategies.successive_halving:Hyperband", "Hyperband (Li et al. 2018)"),
    "pbt_nas": Entry("archloom.strategies.pbt_nas:PbtNas", "PBT-NAS: networks that train together and trade layers"),
    "searl": Entry("archloom.strategies.searl:Searl", "a population that trains and mutates, as SEARL's does"),
    "random_population": Entry(
        "archloom.strategies.random_population:RandomPopulation", "random networks trained in a population's chunks"
    ),
    "ga_nas": Entry(
        "archloom.strategies.ga_nas:GaNas", "GA-NAS: a generator learns to draw the best graphs", "torch", "train"
    ),
    "cadam": Entry("archloom.strategies.cadam:Cadam", "CADAM: a DDPG agent over architecture parameters"),
}


TASKS: Mapping[str, Entry] = {
    "images": Entry("archloom.tasks.images:ImagesTask", "classify images", "torch", "train"),
    "gan": Entry("archloom.tasks.gan:GanTask", "train generators of images", "torch", "train"),
}
"""What `--on NAME:DATA` trains on: each target has `Options` and `open(data, options, environ)`."""


def load_task(name: str) -> Any:
    """The class of a task."""
    return _find("task", name, TASKS).load()


def load_space(name: str) -> Any:
    """The class of a search space."""
    return _find("space", name, SPACES).load()


def load_strategy(name: str) -> Any:
    """The class of a strategy."""
    return _find("strategy", name, STRATEGIES).load()


def _find(kind: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    if name not in entries:
        raise unknown(kind, name, entries)
    return entries[name]
