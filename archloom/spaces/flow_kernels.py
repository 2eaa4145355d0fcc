"""What `flow` computes of labelled graphs, vertex by vertex: machine code if numba is installed.

Importing this imports numba, if it is installed; `flow` does so when statistics are first asked for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archloom.utils.jit_if_installed import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

_WHOLE = 8
"""Columns of a graph as a whole, behind those of its labels."""
_BIG = 2.0**500
"""If a vertex has more paths than this, all numbers of paths are divided by it, so that none overflows."""


class Labels(NamedTuple):
    """What labels (L,) mean: zeros, begins and ends of paths, and the number of each counted label, -1 for others."""

    zero: Bools
    begins: Bools
    ends: Bools
    place: Ints


class Paths(NamedTuple):
    """What holds of the paths to each vertex, (V,) or for each counted label (V, C)."""

    number: Floats
    from_first: Floats
    """Those of them that begin at the first vertex at which paths begin."""
    shortest: Floats
    longest: Floats
    most: Floats
    """The most vertices of a label on one path."""
    total: Floats
    """The vertices of a label on all paths together."""


@compiled
def statistics(labels: Ints, adjacency: Bytes, meaning: Labels) -> Floats:
    """(B, 3 L + 8) of graphs with `labels` (B, V), -1 for no vertex, and `adjacency` (B, V, V), in topological order.

    Columns: of each label how many vertices are live, then of each the most on a path, then the mean (both 0 unless
    the label is counted); then the number of paths (log2); the length of the longest, the shortest, the mean; live
    edges, those that leave where paths begin, those that arrive where they end; and the share of the paths that begin
    at the first vertex. A graph without paths has 0 everywhere.
    """
    vertices, counted = labels.shape[1], meaning.place.max() + 1
    out = np.zeros((len(labels), 3 * len(meaning.place) + _WHOLE))
    live, entry, end = (np.zeros(vertices, np.bool_), np.zeros(vertices, np.bool_), np.zeros(vertices, np.bool_))
    paths = Paths(
        np.zeros(vertices),
        np.zeros(vertices),
        np.zeros(vertices),
        np.zeros(vertices),
        np.zeros((vertices, counted)),
        np.zeros((vertices, counted)),
    )
    for row in range(len(labels)):
        if find_live(labels[row], adjacency[row], meaning, live, entry, end):
            exponent = follow(labels[row], adjacency[row], meaning, live, entry, paths)
            count_live(labels[row], adjacency[row], live, entry, end, out[row])
            summarise(meaning, live, end, paths, exponent, out[row])
    return out


@compiled
def find_live(labels: Ints, adjacency: Bytes, meaning: Labels, live: Bools, entry: Bools, end: Bools) -> bool:
    """Mark what is on a path, and where paths may begin and end; False if there is none."""
    vertices = len(labels)
    has_begins, has_ends = meaning.begins.any(), meaning.ends.any()
    for y in range(vertices):
        live[y] = entry[y] = end[y] = False
        if labels[y] < 0 or meaning.zero[labels[y]]:
            continue
        first, reached = True, False
        for x in range(y):
            if adjacency[x, y] != 0 and labels[x] >= 0:
                first = False
                reached = reached or live[x]
        entry[y] = meaning.begins[labels[y]] if has_begins else first
        live[y] = reached or entry[y]
    found = False
    for x in range(vertices - 1, -1, -1):
        if not live[x]:
            continue
        last, leads = True, False
        for y in range(x + 1, vertices):
            if adjacency[x, y] != 0 and labels[y] >= 0:
                last = False
                leads = leads or live[y]
        end[x] = meaning.ends[labels[x]] if has_ends else last
        live[x] = leads or end[x]
        found = found or live[x]
    return found


@compiled
def follow(labels: Ints, adjacency: Bytes, meaning: Labels, live: Bools, entry: Bools, paths: Paths) -> int:
    """Fill in `paths` for every live vertex. Numbers of paths and totals are to be multiplied by 2**(what it returns).

    Those that were divided into nothing are too few to matter: every live vertex leads to the output.
    """
    exponent, unit, begun = 0, 1.0, False
    for y in range(len(labels)):
        if not live[y]:
            continue
        paths.number[y] = unit if entry[y] else 0.0
        paths.from_first[y] = unit if entry[y] and not begun else 0.0
        paths.shortest[y] = 0.0 if entry[y] else math.inf
        paths.longest[y] = 0.0
        paths.most[y] = 0.0
        paths.total[y] = 0.0
        begun = begun or entry[y]
        for x in range(y):
            if live[x] and adjacency[x, y] != 0:
                paths.number[y] += paths.number[x]
                paths.from_first[y] += paths.from_first[x]
                paths.shortest[y] = min(paths.shortest[y], paths.shortest[x])
                paths.longest[y] = max(paths.longest[y], paths.longest[x])
                for label in range(paths.most.shape[1]):
                    paths.most[y, label] = max(paths.most[y, label], paths.most[x, label])
                    paths.total[y, label] += paths.total[x, label]
        own = meaning.place[labels[y]]
        if own >= 0:
            paths.shortest[y] += 1.0
            paths.longest[y] += 1.0
            paths.most[y, own] += 1.0
            paths.total[y, own] += paths.number[y]
        if paths.number[y] > _BIG:
            exponent, unit = exponent + 500, unit / _BIG
            for x in range(y + 1):  # arithmetic of arrays takes seconds to compile
                paths.number[x] /= _BIG
                paths.from_first[x] /= _BIG
                for label in range(paths.total.shape[1]):
                    paths.total[x, label] /= _BIG
    return exponent


@compiled
def count_live(labels: Ints, adjacency: Bytes, live: Bools, entry: Bools, end: Bools, out: Floats) -> None:
    """Fill in the live vertices of each label, and the edges among them."""
    edges = len(out) - 4
    for x in range(len(labels)):
        if live[x]:
            out[labels[x]] += 1.0
            for y in range(x + 1, len(labels)):
                if live[y] and adjacency[x, y] != 0:
                    out[edges] += 1.0
                    out[edges + 1] += entry[x]
                    out[edges + 2] += end[y]


@compiled
def summarise(meaning: Labels, live: Bools, end: Bools, paths: Paths, exponent: int, out: Floats) -> None:
    """Fill in what holds of all paths, from what holds of those to each of their ends."""
    number = from_first = 0.0
    shortest = math.inf
    kinds, whole = len(meaning.place), 3 * len(meaning.place)
    for x in range(len(end)):
        if not (live[x] and end[x]):
            continue
        number += paths.number[x]
        from_first += paths.from_first[x]
        shortest = min(shortest, paths.shortest[x])
        out[whole + 1] = max(out[whole + 1], paths.longest[x])
        for label in range(kinds):
            own = meaning.place[label]
            if own >= 0:
                out[kinds + label] = max(out[kinds + label], paths.most[x, own])
                out[2 * kinds + label] += paths.total[x, own]
    for label in range(kinds):
        out[2 * kinds + label] /= number
        out[whole + 3] += out[2 * kinds + label]
    out[whole] = math.log2(number) + exponent
    out[whole + 2] = shortest
    out[whole + 7] = from_first / number
