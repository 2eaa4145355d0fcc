from __future__ import annotations

from typing import Any

import pytest

from archloom.errors import InputError
from archloom.spaces.control import Control, Dimensions


def test_what_the_encoder_makes_of_frames() -> None:
    assert Dimensions((9, 84, 84), 6, 32, 1024, (50,)).encoded == 32 * 41 * 41 == 53_792
    assert Dimensions((9, 42, 43), 6, 16, 256, (50,)).encoded == 16 * 20 * 21
    assert Dimensions((3, 3, 4), 1, 8, 2, (50,)).encoded == 8
    vector = Dimensions((5,), 1, 32, 256, (50,))
    assert (vector.pixels, vector.encoded) == (False, 5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"observation": (9, 84)}, "observation=9,84: expected channels, height and width of at least 3 pixels, e.g. "),
        ({"observation": (9, 2, 84)}, "observation=9,2,84: expected channels"),
        ({"observation": (0,)}, "observation=0: expected"),
        ({"observation": ()}, "observation=: expected"),
        ({"actions": 0}, "actions=0: expected a whole number from 1"),
        ({"width": -1}, "width=-1: expected a whole number from 1"),
        ({"hidden": 0}, "hidden=0: expected an even number from 2"),
        ({"features": ()}, "features=: expected whole numbers from 1, each different"),
        ({"features": (5, 0)}, "features=5,0: expected whole numbers from 1"),
        ({"features": (5, 5)}, "features=5,5: expected whole numbers from 1, each different"),
        ({"hidden": 7}, "hidden=7: expected an even number from 2; a layer has half"),
    ],
)
def test_sizes_that_no_network_has_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Control(**settings)
    assert str(caught.value).startswith(f"control option {message}")
