from __future__ import annotations

import numpy as np
import pytest

from archloom.envs.checks import check_counts
from archloom.errors import InputError


def test_counts_of_any_integer_type() -> None:
    check_counts(slots=1, steps=np.int64(3))


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "2", None])
def test_the_first_that_is_none_is_named(value: object) -> None:
    with pytest.raises(InputError, match=f"^steps={value!r}: expected a whole number of at least 1$"):
        check_counts(slots=1, steps=value, depth=0)
