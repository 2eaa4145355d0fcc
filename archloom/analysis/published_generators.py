"""What is published of generators of networks: Tables 1 to 7 of the NAGO paper (Ru, Esperança and Carlucci, 2020) as
data.

`analysis.published` offers the accuracies and memories among them beside those of runs. HNAG and RNAG are the spaces
`hnag` and `rnag`; -BOHB and -MOBO are the searches, -RS random generators, -D the setting that Xie et al. recommend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

PAPER = "NAGO paper (2020)"
_AT_MOST = "of at most 4 M parameters (6 M for large images)"
TRAINED = f"the NAGO paper trains 8 networks of each generator for 600 epochs, {_AT_MOST}"
SEARCHED = (
    f"in the NAGO paper the best generator of 60 iterations of BOHB, by one network, {_AT_MOST}, after up to 120 epochs"
)


def table(number: int) -> str:
    """A table of the paper as a source."""
    return f"{PAPER}, Table {number}"


_SMALL = frozenset({"cifar10", "cifar100"})
DATA = ("cifar10", "cifar100", "sport8", "mit67", "flowers102")
"""The data sets, in the order of the tables' rows."""


# -- Table 1 ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SurrogateFit:
    """How well the homoscedastic and the heteroscedastic network predict: medians over 10 random splits of 150
    evaluations of BOHB."""

    nll: tuple[float, float]
    rmse: tuple[float, float]


SURROGATES: Mapping[str, SurrogateFit] = MappingProxyType(
    {
        "cifar10": SurrogateFit((5.92, 3.43), (0.02, 0.01)),
        "cifar100": SurrogateFit((7.15, 0.89), (0.02, 0.02)),
        "sport8": SurrogateFit((23.8, 19.0), (0.15, 0.14)),
        "mit67": SurrogateFit((7.23, -0.92), (0.12, 0.11)),
        "flowers102": SurrogateFit((15.6, 7.49), (0.19, 0.18)),
    }
)


# -- Tables 2, 6 and 7: searches ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search reached on one data set: the validation accuracy of its best generator, in percent, and how many
    GPU days it took (None: not printed). `seconds` is the training time of the networks, the mean and the worst."""

    data: str
    accuracy: float
    gpu_days: float | None = None
    seconds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """A row of searches, one on each data set."""

    label: str
    table: int
    found: tuple[Searched, ...]


def _searches(label: str, number: int, accuracies: tuple[float, ...], days: tuple[float, ...]) -> Search:
    return Search(label, number, tuple(map(Searched, DATA, accuracies, days)))


SEARCHES = (
    _searches("RNAG-BOHB", 2, (93.5, 72.2, 94.7, 67.7, 91.4), (14.0, 11.8, 23.4, 22.6, 11.2)),
    _searches("HNAG-BOHB", 2, (95.6, 77.2, 95.3, 71.8, 93.3), (12.8, 10.4, 17.6, 20.0, 10.6)),
    _searches("HNAG-AugV1-BOHB", 6, (94.7, 74.5, 94.0, 68.8, 91.0), (19.2, 21.3, 26.1, 33.3, 14.4)),
    Search(
        "HNAG-AugV2-BOHB", 7,
        tuple(
            Searched(data, accuracy, None, seconds)
            for data, accuracy, seconds in zip(
                DATA, (95.7, 77.5, 95.9, 72.0, 93.3),
                ((99.3, 998.0), (82.2, 711.0), (20.6, 93.6), (130.0, 1056.0), (58.4, 397.0)), strict=True,
            )
        ),
    ),
)  # fmt: skip
"""Validation accuracies. AugV1 also searches the probabilities of merges and operations (the space `hnag_aug1`), AugV2
the ratios of stages and channels (`hnag_aug2`)."""

TRAINING_TIMES: Mapping[str, tuple[float, float]] = MappingProxyType(
    dict(zip(DATA, ((54.9, 246.0), (43.0, 216.0), (22.8, 37.0), (85.4, 291.0), (45.4, 105.0)), strict=True))
)
"""Table 7 of HNAG: mean and worst training time of its networks, beside those of HNAG-AugV2-BOHB. The heads of the
columns are lost; the text speaks of the worst training time."""


# -- Table 3: the generators that were found ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Generator:
    """The best generator that a search found on a data set: nodes, neighbours and rewiring of the top and the bottom
    graphs, nodes and edge probability of the middle ones. `memory_mb` is that of a sample."""

    search: str
    data: str
    top: tuple[int, int, float]
    mid: tuple[int, float]
    bottom: tuple[int, int, float]
    memory_mb: float

    @property
    def image_size(self) -> int:
        """The side of the images that its networks are for, in pixels."""
        return 32 if self.data in _SMALL else 224

    @property
    def params_m(self) -> float:
        """The limit of the parameters of its networks, in millions."""
        return 4.0 if self.data in _SMALL else 6.0

    def arch(self, seed: int = 0) -> str:
        """The architecture of the space `hnag` whose graphs are drawn from `seed`, as `archloom train` takes it."""
        genes = {
            "top_nodes": self.top[0], "top_neighbours": self.top[1], "top_rewiring": self.top[2],
            "mid_nodes": self.mid[0], "mid_edge": self.mid[1],
            "bottom_nodes": self.bottom[0], "bottom_neighbours": self.bottom[1], "bottom_rewiring": self.bottom[2],
            "graph_seed": seed,
        }  # fmt: skip
        return ", ".join(f"{name}={value}" for name, value in genes.items())


GENERATORS = (
    Generator("HNAG-BOHB", "cifar10", (8, 5, 0.6), (1, 0.7), (5, 4, 0.2), 17),
    Generator("HNAG-BOHB", "cifar100", (8, 5, 0.4), (1, 0.7), (4, 2, 0.4), 14),
    Generator("HNAG-BOHB", "sport8", (7, 2, 0.9), (5, 0.8), (6, 3, 0.6), 121),
    Generator("HNAG-BOHB", "mit67", (9, 4, 0.6), (1, 0.2), (3, 2, 0.5), 54),
    Generator("HNAG-BOHB", "flowers102", (6, 4, 0.4), (1, 0.4), (6, 5, 0.9), 62),
    Generator("HNAG-BOHB", "imagenet", (4, 2, 0.5), (5, 0.6), (6, 4, 0.4), 136),
    Generator("HNAG-MOBO", "cifar10", (6, 4, 0.8), (1, 0.1), (3, 2, 0.5), 13),
    Generator("HNAG-MOBO", "cifar100", (6, 4, 0.3), (1, 0.7), (3, 2, 0.5), 13),
    Generator("HNAG-MOBO", "sport8", (3, 2, 0.3), (1, 0.2), (3, 2, 0.8), 43),
    Generator("HNAG-MOBO", "mit67", (3, 2, 0.6), (1, 0.8), (4, 2, 0.6), 48),
    Generator("HNAG-MOBO", "flowers102", (6, 5, 0.2), (1, 0.8), (3, 2, 0.5), 48),
)


# -- Table 4: networks trained to the end -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Networks:
    """Eight networks of a generator on a data set: test accuracy in percent with its standard deviation, memory of a
    sample in MB."""

    label: str
    data: str
    accuracy: float
    std: float
    memory_mb: float


def _networks(label: str, cells: tuple[tuple[float, float, float], ...]) -> Iterator[Networks]:
    for data, (accuracy, std, memory) in zip(DATA, cells, strict=True):
        yield Networks(label, data, accuracy, std, memory)


NETWORKS = (
    *_networks("HNAG-BOHB", ((96.6, 0.15, 17.0), (79.3, 0.31, 14.0), (94.9, 0.52, 121.9), (74.2, 0.67, 54.1),
                             (97.9, 0.18, 61.7))),
    *_networks("HNAG-MOBO", ((96.6, 0.07, 12.8), (77.6, 0.45, 12.8), (95.2, 0.40, 43.1), (73.5, 0.56, 48.1),
                             (98.1, 0.19, 48.4))),
    *_networks("RNAG-BOHB", ((94.3, 0.13, 57.9), (73.0, 0.50, 56.5), (93.6, 0.76, 101.9), (68.3, 0.78, 156.1),
                             (95.7, 0.38, 143.5))),
    *_networks("RNAG-D", ((94.1, 0.16, 44.2), (71.7, 0.36, 43.5), (93.6, 0.99, 112.1), (66.7, 0.54, 111.7),
                          (94.7, 0.46, 111.6))),
    *_networks("HNAG-RS", ((95.7, 0.68, 53.9), (77.1, 1.34, 72.6), (93.2, 1.55, 375.7), (72.5, 1.38, 324.8),
                           (95.3, 1.29, 211.2))),
)  # fmt: skip
"""RNAG-MOBO, a sixth column, is not legible in the text at hand."""


# -- Table 5: ImageNet --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnImageNet:
    """Accuracies on ImageNet in percent (top 5: None if not printed), and parameters in millions."""

    label: str
    top1: float
    top5: float | None
    params_m: float


IMAGENET = (
    OnImageNet("HNAG-BOHB", 76.8, 93.4, 5.7),
    OnImageNet("XNAS", 76.0, None, 5.2),
    OnImageNet("AmoebaNet", 75.7, 92.4, 6.4),
    OnImageNet("ShuffleNetV2", 74.9, 92.2, 7.4),
    OnImageNet("RandWire-WS", 74.7, 92.2, 5.6),
    OnImageNet("NASNet", 74.0, 91.6, 5.3),
    OnImageNet("PNAS", 74.2, 91.9, 5.1),
    OnImageNet("DARTS", 73.1, 91.0, 4.9),
)
