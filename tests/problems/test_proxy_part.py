from __future__ import annotations

from pathlib import Path

import pytest

from archloom.errors import InputError, StoreError
from archloom.problems.proxy_part import Scored, open_part

FIRST = Scored(0, {"synflow": 0.1 + 0.2, "snip": 1e-300}, {"naswot": "singular"})
SECOND = Scored(7, {"synflow": 3.0})


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A file with two rows."""
    path = tmp_path / "table.npz.part"
    with open_part(path, "one") as kept:
        for scored in (FIRST, SECOND):
            kept.add(scored)
    return path


def test_what_was_kept_is_there_again_to_the_last_bit(part: Path) -> None:
    with open_part(part, "one") as kept:
        assert kept.scored == {0: FIRST, 7: SECOND}


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_line_that_was_being_written_is_dropped(part: Path, cut: int) -> None:
    whole = part.read_bytes()
    part.write_bytes(whole[:-cut])
    with open_part(part, "one") as kept:
        assert kept.scored == {0: FIRST}
        kept.add(SECOND)
    assert part.read_bytes() == whole


@pytest.mark.parametrize("size", range(20))
def test_a_beginning_that_was_being_written_begins_again(part: Path, size: int) -> None:
    whole = part.read_bytes()
    part.write_bytes(whole[:size])
    with open_part(part, "one") as kept:
        kept.add(FIRST)
        kept.add(SECOND)
    assert part.read_bytes() == whole


def test_what_follows_a_damaged_line_is_dropped(part: Path) -> None:
    head, first, second = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(head + b'{"row": "x"}\n' + second)
    with open_part(part, "one") as kept:
        assert kept.scored == {}
    assert part.read_bytes() == head
    part.write_bytes(head + first + b"\0\n")
    with open_part(part, "one") as kept:
        assert kept.scored == {0: FIRST}


def test_other_files_are_refused_and_stay(part: Path) -> None:
    before = part.read_bytes()
    with (
        pytest.raises(InputError, match=r"holds scores by other proxies, or with other settings"),
        open_part(part, "two"),
    ):
        pass
    assert part.read_bytes() == before
    part.write_bytes(b"my notes\n")
    with pytest.raises(InputError, match=r"not the scores of a table that is not finished"), open_part(part, "one"):
        pass
    assert part.read_bytes() == b"my notes\n"


def test_one_process_at_a_time(part: Path) -> None:
    said = r"another process makes this table"
    with open_part(part, "one"), pytest.raises(InputError, match=said), open_part(part, "one"):
        pass


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "t.part").mkdir()
    with pytest.raises(StoreError, match=r"t\.part"), open_part(tmp_path / "t.part", "one"):
        pass


def test_it_is_removed_in_the_end(part: Path) -> None:
    with open_part(part, "one") as kept:
        kept.remove()
    assert not part.exists()
