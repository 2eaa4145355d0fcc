from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("gymnasium", reason="environments need the extra envs")

from archloom.agents.opening import open_benchmark, open_same
from archloom.errors import ChangedError, InputError


def test_another_process_opens_the_same_or_says_what_is_different(small_table: Path) -> None:
    opened = open_benchmark("nb201", str(small_table), None, 3, 12)
    assert (opened.on, opened.metric) == ("nb201", "valid")
    same = open_same("nb201", str(small_table), "valid", opened.data.sha256, 2, 6)
    assert (same.encoding, same.bits) == (opened.neighbourhood.encoding, opened.neighbourhood.bits)
    with pytest.raises(
        ChangedError, match=rf"SHA-256 {opened.data.sha256[:12]}.* training's is 0000.*put the same file"
    ):
        open_same("nb201", str(small_table), "valid", "0" * 64, 2, 6)


def test_what_cannot_be_walked_on(small_table: Path) -> None:
    with pytest.raises(InputError, match="unknown benchmark to walk on"):
        open_benchmark("nb20", None, None, 1, 1)
    with pytest.raises(InputError, match="unknown objective 'vald'"):
        open_benchmark("nb201", str(small_table), "vald", 1, 1)
