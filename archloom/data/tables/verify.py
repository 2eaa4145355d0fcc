"""Is this table what it claims to be? Known answers of public benchmarks, checked against a file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from archloom import registry
from archloom.data.tables import Table, TableError
from archloom.spaces.base import HasKnownAnswers
from archloom.spaces.known import Finding


def verify(table: Table) -> list[Finding]:
    """Read everything in the table and compare it with what is known about its benchmark.

    Never raises for a wrong table: every problem is a finding with `ok` False. For a space without known answers
    (see `HasKnownAnswers`) the findings are about the file alone. Raises MissingExtraError if the space needs a
    package that is not installed.
    """
    findings = list(_integrity(table))
    space = registry.load_space(table.space) if table.space in registry.SPACES else None
    if isinstance(space, HasKnownAnswers):
        findings.extend(space.known_answers(table))
    return findings


def _integrity(table: Table) -> Iterator[Finding]:
    for name in table.metrics:
        try:
            measured = int(np.isfinite(table.metric(name)).sum())
        except TableError as error:
            yield Finding(False, str(error))
            continue
        yield Finding(measured > 0, f"{name}: {measured} of {len(table)} architectures measured")
