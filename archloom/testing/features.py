"""What `check_space` asks of spaces that show architectures as vectors (`HasFeatures`), and of the flow of graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from archloom.spaces.features import FeatureLayout, Floats
from archloom.spaces.flow import HasFlow
from archloom.types import Arch

FARTHEST = 1.5
"""How far apart (squared) two architectures may be in a group of codes: 1, or a half more if the gene may not count."""


def check_features(space: Any, archs: Sequence[Arch], rng: np.random.Generator) -> None:
    """Features are finite and as the layout says, those of the key, and do not depend on what else is asked for."""
    asked = [*archs, *(space.mutate(arch, rng) for arch in archs)]
    layout = space.feature_layout
    _check_layout(layout, space.feature_layout)
    features = _features(space, layout, asked)
    _check_distances(layout, features[:, : sum(layout.widths)])
    others = {
        "the second time": _features(space, layout, asked),
        "one by one": np.concatenate([_features(space, layout, [arch]) for arch in asked]),
        "as its canonical form": _features(space, layout, [space.canonical(arch) for arch in asked]),
    }
    for what, found in others.items():
        for row in np.flatnonzero((found != features).any(axis=1)).tolist():
            raise AssertionError(
                f"features of {asked[row]} are others {what}: {_different(layout, features, found, row)}"
            )
    assert not len(_features(space, layout, [])), "features of no architectures have rows"


def check_flow(space: HasFlow, archs: Sequence[Arch]) -> None:
    """There is a batch for each part, with a graph for each architecture, in topological order."""
    flow = space.flow
    batches = list(space.flow_batches(archs))
    assert len(batches) == len(flow.parts), f"flow_batches gives {len(batches)} batches for {len(flow.parts)} parts"
    for part, (labels, adjacency) in zip(flow.parts, batches, strict=True):
        what = f"flow_batches, part {part!r}" if part else "flow_batches"
        assert len(labels) == len(adjacency) == len(archs), (
            f"{what}: {len(labels)} and {len(adjacency)} graphs of {len(archs)} architectures"
        )
        assert (adjacency <= 1).all(), f"{what}: adjacency holds {adjacency.max()}, expected zeros and ones"
        assert not np.tril(adjacency).any(), f"{what}: edges that do not lead from a vertex to a later one"
    assert flow.statistics(batches).shape == (len(archs), len(flow.names))  # refuses other labels


def _features(space: Any, layout: FeatureLayout, archs: Sequence[Arch]) -> Floats:
    """(n, c + s) codes and statistics side by side, after a look at their form."""
    codes, stats = space.features(archs)
    for what, found, columns in (("codes", codes, sum(layout.widths)), ("statistics", stats, len(layout.stats))):
        expected = len(archs), columns
        assert found.shape == expected and found.dtype == np.float64, (
            f"{what} are {found.dtype} of shape {found.shape}: the layout and {len(archs)} architectures make float64 "
            f"{expected}"
        )
        assert np.isfinite(found).all(), f"{what} of {archs} are not finite: {found}"
    return np.concatenate([codes, stats], axis=1)


def _check_layout(layout: FeatureLayout, again: FeatureLayout) -> None:
    assert layout == again, f"feature_layout differs at the second call: {layout}, {again}"
    assert len(layout.groups) == len(layout.widths), (
        f"{len(layout.groups)} groups of codes have {len(layout.widths)} widths"
    )
    assert all(width > 0 for width in layout.widths), f"widths of groups {layout.widths}: expected at least 1"
    names = (*layout.groups, *layout.stats)
    twice = next((name for name in names if names.count(name) > 1 and name in layout.stats), None)
    assert twice is None, f"feature_layout names {twice!r} twice"


def _check_distances(layout: FeatureLayout, codes: Floats) -> None:
    ends = np.cumsum((0, *layout.widths))
    for group, start, end in zip(layout.groups, ends, ends[1:], strict=False):
        own = codes[:, start:end]
        farthest = ((own[:, None] - own[None]) ** 2).sum(axis=2).max()
        assert farthest <= FARTHEST + 1e-9, (
            f"codes of {group!r}: two architectures are {farthest:g} apart (squared), expected at most {FARTHEST}"
        )


def _different(layout: FeatureLayout, features: Floats, found: Floats, row: int) -> str:
    """The first column in which a row differs."""
    columns = [group for group, width in zip(layout.groups, layout.widths, strict=True) for _ in range(width)]
    at = int(np.flatnonzero(features[row] != found[row])[0])
    return f"{(*columns, *layout.stats)[at]!r} is {found[row, at]}, not {features[row, at]}"
