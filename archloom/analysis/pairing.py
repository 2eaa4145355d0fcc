"""Whether the seeds of two strategies pair anything.

A strategy's random stream depends on the seed alone. Strategies that draw their first architectures in the same way
have the same ones, and a network of the same trial begins with the same weights and sees its data in the same order;
for others a seed is just a number.
"""

from __future__ import annotations

from collections.abc import Sequence

from archloom.runs.report import RunReport


def begin_alike(one: Sequence[RunReport], other: Sequence[RunReport]) -> bool:
    """Whether runs of the same seed begin with the same architecture, after those with which all of them begin.

    What every run begins with is given, not drawn, so it says nothing of seeds; nor does a single seed. So it is False
    for fewer than two seeds in common.
    """
    firsts, seconds = ({run.request.seed: _genes(run) for run in runs} for runs in (one, other))
    pairs = [(firsts[seed], seconds[seed]) for seed in firsts if seed in seconds]
    if len(pairs) < 2:
        return False
    given = _common([genes for pair in pairs for genes in pair])
    return all(min(len(first), len(second)) > given and first[given] == second[given] for first, second in pairs)


def _genes(run: RunReport) -> list[tuple[int | float, ...]]:
    return [line.genes for line in run.history.lines]


def _common(runs: Sequence[Sequence[tuple[int | float, ...]]]) -> int:
    """With how many architectures all runs begin."""
    columns = zip(*runs, strict=False)
    return next((at for at, column in enumerate(columns) if len(set(column)) > 1), min(map(len, runs)))
