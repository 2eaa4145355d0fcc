"""Many searches side by side, each recorded when it is done, so that a study can be interrupted and continued."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from archloom.analysis.significance import rank_sum_p, signed_rank_p


class Outcome(Protocol):
    """The result of one search; a frozen dataclass of plain data."""

    @property
    def setting(self) -> str: ...

    @property
    def seed(self) -> int: ...


Found = TypeVar("Found", bound=Outcome)


def outcomes(
    kind: Callable[..., Found],
    search: Callable[..., Found],
    jobs: Iterable[tuple[tuple[str, int], Sequence[Any]]],
    workers: int,
    record: Path | None,
    study: str,
) -> list[Found]:
    """The results in `record`, and `search(*arguments)` for every job ((setting, seed), arguments) missing there.

    `study` identifies the study with its sizes: a record of another study is refused.
    """
    lines = record.read_text(encoding="utf-8").splitlines() if record and record.exists() else []
    held = [json.loads(line) for line in lines]
    if any(line.pop("study") != study for line in held):
        raise SystemExit(f"{record} is of another study, or has other sizes: name another file")
    found = [kind(**line) for line in held]
    done = {(known.setting, known.seed) for known in found}
    missing = [arguments for key, arguments in jobs if key not in done]
    for new in _searched(search, missing, workers):
        found.append(new)
        if record is not None:
            with record.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"study": study, **asdict(new)}) + "\n")  # type: ignore[call-overload]
    return sorted(found, key=lambda outcome: outcome.seed)


def _searched(search: Callable[..., Found], jobs: Sequence[Sequence[Any]], workers: int) -> Iterator[Found]:
    """Each result as soon as it is there. One worker is this process: another would take seconds to import PyTorch."""
    if workers == 1:
        yield from (search(*arguments) for arguments in jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(search, *arguments) for arguments in jobs]):
            yield future.result()


@contextmanager
def mapping(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """A `map` whose calls run in so many processes, or in this one for a single worker."""
    if workers == 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool.map


def parser(doc: str | None, studies: Iterable[str], smoke: str) -> argparse.ArgumentParser:
    """The arguments that studies share; `smoke` says what a smoke version is."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("study", choices=studies)
    made.add_argument("--seeds", type=int, help="how many, instead of the study's own")
    made.add_argument("--workers", type=int, default=2)
    made.add_argument("--record", type=Path, help="a file of what is done already, which grows")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--smoke", action="store_true", help=smoke)
    return made


def p_better(ours: Sequence[float], theirs: Sequence[float], sign: float) -> float:
    """One-sided Wilcoxon signed-rank test over seeds that ours are better: runs of one seed begin alike."""
    return signed_rank_p([sign * (a - b) for a, b in zip(ours, theirs, strict=True)])


def p_better_unpaired(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """One-sided Mann-Whitney test that ours are larger: runs of one seed have only its number in common.

    NaN, where nothing was found, is less than any number.
    """
    return rank_sum_p(*(np.where(np.isnan(values), -np.inf, values) for values in (ours, theirs)))
