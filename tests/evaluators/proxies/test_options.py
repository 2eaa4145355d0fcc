from __future__ import annotations

from dataclasses import fields

import pytest

from archloom.errors import InputError
from archloom.evaluators.proxies.options import OF_IMAGES, ProxyOptions


def test_what_nobody_sets() -> None:
    assert ProxyOptions() == ProxyOptions("digits", 16, 64, "default", 1, 0, "cpu")
    assert set(OF_IMAGES) < {field.name for field in fields(ProxyOptions)}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"batch_size": 1}, "batch_size=1: expected a whole number of at least 2"),
        ({"size": -1}, "size=-1: expected a whole number of at least 0"),
        ({"repeats": 0}, "repeats=0: expected a whole number of at least 1"),
        ({"init": "he"}, "init=he: expected"),
        ({"data": 3}, "data=3: expected"),
    ],
)
def test_what_makes_no_proxy(given: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        ProxyOptions(**given)  # type: ignore[arg-type]
