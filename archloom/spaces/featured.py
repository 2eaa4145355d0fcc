"""Features of any space that can show its architectures as numbers or as graphs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from archloom.errors import InputError
from archloom.spaces.base import HasAlpha, HasUnitCube, SearchSpace
from archloom.spaces.features import FeatureLayout, Floats, HasFeatures
from archloom.spaces.flow import HasFlow, flow_of
from archloom.types import Arch
from archloom.utils.text import one_line


def featured(space: SearchSpace) -> HasFeatures:
    """The space itself if it has features; else what its alpha, or its unit cube, and its graphs make of them.

    A row of alpha is a group of codes, one-hot times sqrt(1/2); so is a coordinate of the unit cube, as it is. Graphs
    give statistics if the space says what their labels are (`flow.flow_of`). InputError for a space with none of these.
    """
    if isinstance(space, HasFeatures):
        return space
    coded = isinstance(space, (HasAlpha, HasUnitCube))
    flow = flow_of(space, degrees=not coded)
    if flow is None and not coded:
        raise InputError(
            f"space {space.name!r} does not show its architectures as numbers: expected a subclass of Space, or "
            "one_hot, to_unit, features, or to_graph beside zero_labels"
        )
    return _Featured(space, flow)


class _Featured:
    """Codes and statistics of a space that has no features of its own."""

    def __init__(self, space: SearchSpace, flow: HasFlow | None) -> None:
        self._space, self._flow = space, flow
        groups, widths = _groups(space)
        self.feature_layout = FeatureLayout(groups, widths, () if flow is None else flow.flow.names)

    def features(self, archs: Sequence[Arch]) -> tuple[Floats, Floats]:
        canonical = [self._space.canonical(arch) for arch in archs]
        codes = np.zeros((len(archs), sum(self.feature_layout.widths)))
        for row, arch in zip(codes, canonical, strict=True):
            code = _code(self._space, arch)
            if code.shape != row.shape:
                method = "one_hot" if isinstance(self._space, HasAlpha) else "to_unit"
                shown = one_line(self._space.format(arch), 160)
                raise InputError(f"{method} of {shown} has {code.size} numbers; expected {row.size}")
            row[:] = code
        if self._flow is None:
            return codes, np.zeros((len(archs), 0))
        return codes, self._flow.flow.statistics(self._flow.flow_batches(canonical))


def _groups(space: SearchSpace) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names of the groups of codes and their widths."""
    if isinstance(space, HasAlpha):
        rows, columns = space.alpha_shape
        return tuple(f"alpha {row}" for row in range(rows)), (columns,) * rows
    size = space.unit_size if isinstance(space, HasUnitCube) else 0
    return tuple(f"coordinate {place}" for place in range(size)), (1,) * size


def _code(space: SearchSpace, arch: Arch) -> Floats:
    if isinstance(space, HasAlpha):
        return math.sqrt(0.5) * np.asarray(space.one_hot(arch), dtype=np.float64).ravel()
    return np.asarray(space.to_unit(arch), dtype=np.float64) if isinstance(space, HasUnitCube) else np.empty(0)
