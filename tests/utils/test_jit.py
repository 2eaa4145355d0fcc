from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import archloom

pytest.importorskip("numba", reason="compiled functions need the extra bench")

from archloom.utils.jit import compiled, signed


@compiled
def shifted(value: int) -> int:
    return signed(value) >> 1


def test_a_compiled_function_is_machine_code_that_stays_on_disk_and_lets_other_threads_run() -> None:
    assert shifted(np.uint64(9)) == 4
    assert shifted.nopython_signatures  # type: ignore[attr-defined]
    assert shifted.targetoptions["nogil"] is True  # type: ignore[attr-defined]
    assert shifted.stats.cache_path  # type: ignore[attr-defined]


def test_unsigned_numbers_stay_whole() -> None:
    """Without `signed`, a 64-bit unsigned number and a signed one make a float."""

    @compiled
    def sum_of(values: np.ndarray) -> int:
        total = 0
        for value in values:
            total += signed(value)
        return total

    for dtype in (np.uint8, np.uint32, np.uint64, np.int8):
        total = sum_of(np.array([1, 2, 3], dtype=dtype))
        assert total == 6
        assert isinstance(total, int)


_KERNEL = """
from archloom.utils.jit import compiled
from tiny.parts import ADDED, Pair, TABLE, doubled

@compiled
def kernel(value):
    return later(value) + ADDED + TABLE[0]

@compiled
def later(value):
    return doubled(value) + Pair(1, 2).right
"""

_PARTS = """
from typing import NamedTuple
import numpy as np
from archloom.utils.jit import compiled

ADDED = {added}
TABLE = np.array([{table}])

class Pair(NamedTuple):
    {fields}

@compiled
def doubled(value):
    return value * {factor}
"""

_USE = """
from tiny.kernels import kernel
print(kernel(10), sum(kernel.stats.cache_hits.values()))
"""


PARTS = {"added": 5, "table": 100, "fields": "left: int; right: int", "factor": 2}


def test_machine_code_is_made_anew_when_what_it_is_made_of_changes(tmp_path: Path) -> None:
    """Its own file does not change here."""
    package = tmp_path / "tiny"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "kernels.py").write_text(_KERNEL)

    def used(**changes: object) -> list[int]:
        (package / "parts.py").write_text(_PARTS.format(**PARTS | changes))
        paths = [str(tmp_path), str(Path(archloom.__file__).parents[1])]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", _USE], capture_output=True, text=True, check=True, env=environ, cwd=tmp_path
        )
        return [int(text) for text in done.stdout.split()]

    assert used() == [127, 0]
    assert used() == [127, 1], "nothing has changed"
    assert used(factor=3) == [137, 0]


def test_what_it_is_made_of_is_a_kernel_a_constant_an_array_and_a_tuples_fields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from archloom.utils.jit import _parts

    def told(**changes: object) -> list[bytes]:
        parts, kernels = ModuleType("tiny.parts"), dict[str, Any]()
        exec(_PARTS.format(**PARTS | changes), vars(parts))
        monkeypatch.setitem(sys.modules, "tiny", ModuleType("tiny"))
        monkeypatch.setitem(sys.modules, "tiny.parts", parts)
        exec(_KERNEL, kernels)
        return list(_parts(kernels["kernel"].py_func, set()))

    assert told() == told()
    changes: list[dict[str, object]] = [
        {"factor": 3}, {"added": 6}, {"table": 200}, {"fields": "right: int; left: int"}
    ]  # fmt: skip
    for change in changes:
        assert told(**change) != told(), change


def test_to_tell_whether_anything_has_changed_every_kernel_is_looked_at_once() -> None:
    from archloom.spaces.nb101.moves import _neighbour_rows
    from archloom.utils.jit import _parts

    seen: set[Any] = set()
    parts = list(_parts(_neighbour_rows.py_func, seen))  # type: ignore[attr-defined]
    assert len(seen) > 10, "it calls so many"
    assert 100 < len(parts) < 100 * len(seen)
