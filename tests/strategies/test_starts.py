from __future__ import annotations

import pytest

from archloom.errors import InputError
from archloom.spaces.nb201 import Nb201
from archloom.strategies.starts import starts_of, texts_in
from archloom.testing import PlantedSpace, RuledSpace
from archloom.types import Arch

CELL = "|none~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_3x3~2|"


def test_architectures_are_separated_by_semicolons() -> None:
    assert texts_in(f" {CELL};{CELL} ; ") == [CELL, CELL]
    assert texts_in("") == []
    assert starts_of("random", CELL, Nb201()) == [Arch((0, 0, 1, 0, 0, 3))]


def test_one_that_is_not_valid_is_refused() -> None:
    start = PlantedSpace().format(Arch((0,) * 8))
    with pytest.raises(InputError, match=r"^random option start=.*: not valid in space 'ruled'; give one that is$"):
        starts_of("random", start, RuledSpace())
