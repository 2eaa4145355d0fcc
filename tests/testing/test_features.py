"""The contract of features catches who breaks it: every offender below breaks one promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from archloom.spaces.base import Categorical
from archloom.spaces.features import FeatureLayout, Floats
from archloom.spaces.flow import Flow, FlowBatch
from archloom.spaces.graphs import Graph
from archloom.spaces.space import Space
from archloom.testing import check_space
from archloom.types import Arch


class Pairs(Categorical):
    """Two choices without an order, and a number of them that a subclass gets wrong."""

    name = "pairs"
    neighbours_are_valid = False

    def __init__(self) -> None:
        super().__init__({"left": ["conv", "skip", "none"], "right": ["conv", "skip", "none"]})

    def canonical(self, arch: Arch) -> Arch:
        return Arch(tuple(sorted(arch.genes)))

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        return [near for near in dict.fromkeys(map(self.canonical, super().neighbours(arch))) if near != arch]

    @property
    def size(self) -> int:
        return 6


class Layout(Pairs):
    """A layout that is not what there is."""

    wrong: Mapping[str, Any] = MappingProxyType({})

    @property
    def feature_layout(self) -> FeatureLayout:  # type: ignore[override]
        return replace(super().feature_layout, **self.wrong)


class OneTooMany(Layout):
    wrong = MappingProxyType({"stats": (*Pairs().feature_layout.stats, "more")})


class NoWidth(Layout):
    wrong = MappingProxyType({"groups": ("left", "right", "empty"), "widths": (3, 3, 0)})


class MoreGroups(Layout):
    wrong = MappingProxyType({"groups": ("left", "right", "more")})


class Twice(Layout):
    wrong = MappingProxyType({"stats": ("a", "a", "b")})


class Changing(Pairs):
    calls = 0

    @property
    def feature_layout(self) -> FeatureLayout:  # type: ignore[override]
        self.calls += 1
        return replace(super().feature_layout, groups=("left", f"right {self.calls}"))


class Features(Pairs):
    """Features that are not as they should be."""

    def features(self, archs: Sequence[Arch]) -> tuple[Floats, Floats]:
        return self.wrong(archs, *super().features(archs))

    def wrong(self, archs: Sequence[Arch], codes: Floats, stats: Floats) -> tuple[Floats, Floats]:
        raise NotImplementedError


class Whole(Features):
    def wrong(self, archs: Sequence[Arch], codes: Floats, stats: Floats) -> Any:
        return codes, stats.astype(np.int64)


class Infinite(Features):
    def wrong(self, archs: Sequence[Arch], codes: Floats, stats: Floats) -> tuple[Floats, Floats]:
        with np.errstate(divide="ignore"):
            return codes, np.log(stats)


class Plain(Features):
    """One-hot vectors as they are."""

    def wrong(self, archs: Sequence[Arch], codes: Floats, stats: Floats) -> tuple[Floats, Floats]:
        return codes * np.sqrt(2.0), stats


class OfGenes(Features):
    """The same network in other genes has other numbers."""

    def wrong(self, archs: Sequence[Arch], codes: Floats, stats: Floats) -> tuple[Floats, Floats]:
        return codes, stats + np.array([arch.genes[0] for arch in archs], dtype=np.float64).reshape(-1, 1)


class OfTheBatch(Features):
    """Centred by whatever is asked for at once."""

    def wrong(self, archs: Sequence[Arch], codes: Floats, stats: Floats) -> tuple[Floats, Floats]:
        return codes, stats - stats.sum(axis=0)


class Counting(Features):
    calls = 0

    def wrong(self, archs: Sequence[Arch], codes: Floats, stats: Floats) -> tuple[Floats, Floats]:
        self.calls += 1
        return codes, stats + self.calls


class NeverEmpty(Features):
    def wrong(self, archs: Sequence[Arch], codes: Floats, stats: Floats) -> tuple[Floats, Floats]:
        return (codes, stats) if len(archs) else (np.zeros((1, codes.shape[1])), np.zeros((1, stats.shape[1])))


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (
            OneTooMany,
            r"statistics are float64 of shape \(80, 3\): the layout and .* make float64 \(80, 4\)",
        ),
        (NoWidth, "expected at least 1"),
        (MoreGroups, "3 groups of codes have 2 widths"),
        (Twice, "names 'a' twice"),
        (Changing, "feature_layout differs at the second call"),
        (Whole, "statistics are int64"),
        (Infinite, "not finite"),
        (Plain, r"codes of 'left': two architectures are 2 apart \(squared\), expected at most 1.5"),
        (OfGenes, "are others as its canonical form: 'conv: count in left to right' is"),
        (OfTheBatch, "are others one by one"),
        (Counting, "are others the second time"),
        (NeverEmpty, r"of shape \(1, 6\)"),
    ],
)
def test_features_that_break_a_promise_are_found(space: type[Pairs], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_space(space)


class Cells(Space):
    """Both choices side by side, as a graph."""

    name = "cells"
    graph_labels = ("conv", "skip", "none")
    zero_labels = frozenset({"none"})
    identity_labels = frozenset({"skip"})

    def __init__(self) -> None:
        super().__init__({"left": self.graph_labels, "right": self.graph_labels})

    def to_graph(self, arch: Arch) -> Graph:
        return Graph(np.array(arch.genes, dtype=np.int64), np.zeros((2, 2), dtype=np.uint8))


@pytest.mark.parametrize("space", [Pairs, Cells])
def test_spaces_of_choices_and_of_graphs_keep_the_contract(space: Any) -> None:
    check_space(space)
    assert len(space().feature_layout.stats) == {Pairs: 3, Cells: 9}[space]


class Drawn(Pairs):
    """A space with a flow of its own."""

    parts: tuple[str, ...] = ("cell",)

    @property
    def flow(self) -> Flow:
        return Flow(("conv", "skip", "none"), parts=self.parts)

    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        labels = np.array([self.indices(arch) for arch in archs], dtype=np.int64).reshape(-1, 2)
        return [FlowBatch(labels, np.tile(np.eye(2, k=1, dtype=np.uint8), (len(archs), 1, 1)))]


class Backwards(Drawn):
    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        return [FlowBatch(labels, adjacency.transpose(0, 2, 1)) for labels, adjacency in super().flow_batches(archs)]


class Weighted(Drawn):
    def flow_batches(self, archs: Sequence[Arch]) -> Sequence[FlowBatch]:
        return [FlowBatch(labels, 2 * adjacency) for labels, adjacency in super().flow_batches(archs)]


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (Backwards, "part 'cell': edges that do not lead from a vertex to a later one"),
        (Weighted, "part 'cell': adjacency holds 2"),
    ],
)
def test_flows_that_break_a_promise_are_found(space: type[Drawn], said: str) -> None:
    check_space(Drawn)
    with pytest.raises(AssertionError, match=said):
        check_space(space)
