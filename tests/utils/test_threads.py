from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from archloom.utils.threads import share, threads


@pytest.mark.parametrize(("said", "number"), [("1", 1), ("3", 3), ("64", 64)])
def test_the_environment_says_how_many_threads(monkeypatch: pytest.MonkeyPatch, said: str, number: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads() == number


@pytest.mark.parametrize("said", [None, "", "0", "-2", "many", "4,2", "²"])
def test_anything_else_means_every_core(monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads() == 3


Slices = list[tuple[int, int]]


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int, int], Slices]:
    """The slices that so many threads are given, in order."""

    def cut(count: int, rows: int, least: int) -> Slices:
        monkeypatch.setenv("OMP_NUM_THREADS", str(count))
        seen: Slices = []
        share(lambda start, stop: seen.append((start, stop)), rows, least)
        return sorted(seen)

    return cut


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 100, 1023])
@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_slices_make_up_all_rows_and_are_not_too_small(
    slices: Callable[[int, int, int], Slices], rows: int, count: int
) -> None:
    least = 8
    seen = slices(count, rows, least)
    assert [row for start, stop in seen for row in range(start, stop)] == list(range(rows))
    assert len(seen) == max(1, min(count, rows // least))
    if len(seen) > 1:
        assert min(stop - start for start, stop in seen) >= least


def test_slices_run_on_threads_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two slices wait for each other: they could not, one after the other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    both = threading.Barrier(2)
    share(lambda start, stop: both.wait(timeout=20), 100, least=1)


def test_results_do_not_show_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(1000)
    results = []
    for count in ("1", "2", "7"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        out = np.zeros_like(values)

        def work(start: int, stop: int, out: np.ndarray = out) -> None:
            out[start:stop] = values[start:stop] ** 2

        share(work, len(values), least=10)
        results.append(out)
    for out in results:
        np.testing.assert_array_equal(out, values**2)


@pytest.mark.parametrize("count", ["1", "4"])
def test_what_goes_wrong_in_a_slice_is_told(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", count)

    def work(start: int, stop: int) -> None:
        if stop == 100:
            raise ZeroDivisionError("the last row")

    with pytest.raises(ZeroDivisionError, match="the last row"):
        share(work, 100, least=1)
