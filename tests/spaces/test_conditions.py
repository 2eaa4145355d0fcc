from __future__ import annotations

from typing import Any

import pytest

from archloom.errors import InputError
from archloom.spaces.conditions import Above, AllOf, AnyOf, Below, Condition, Is, condition
from archloom.spaces.domains import Choice, Integer, Real

DOMAINS = {
    "a": Choice(["x", "y", (1, 2)]),
    "b": Integer(0, 9),
    "c": Real(0.0, 1.0),
    "d": Choice([16, 32]),
    "m": Choice(["auto", 1]),
}


@pytest.mark.parametrize(
    ("given", "values", "holds"),
    [
        (Is("a", "x"), {"a": "x"}, True),
        (Is("a", "x"), {"a": "y"}, False),
        (Is("a", "x"), {}, False),
        (Is("a", ["x", "y"]), {"a": "y"}, True),
        (Is("a", (1, 2)), {"a": (1, 2)}, True),
        (Is("a", (1, 2)), {"a": 1}, False),
        (Above("b", 3), {"b": 4}, True),
        (Above("b", 3), {"b": 3}, False),
        (Above("b", 3), {}, False),
        (Below("b", 3), {"b": 2}, True),
        (Below("b", 3), {"b": 3}, False),
        (Below("b", 3), {}, False),
        (Is("a", "x") & Above("b", 3), {"a": "x", "b": 4}, True),
        (Is("a", "x") & Above("b", 3), {"a": "x"}, False),
        (Is("a", "x") | Above("b", 3), {"b": 4}, True),
        (Is("a", "x") | Above("b", 3), {"a": "y"}, False),
    ],
)
def test_what_holds(given: Condition, values: dict[str, Any], holds: bool) -> None:
    assert given.holds(values) is holds


def test_a_mapping_is_short_for_conditions() -> None:
    assert condition({"a": "x"}) == Is("a", "x")
    assert condition({"a": ["x", "y"], "b": 3}) == AllOf((Is("a", ["x", "y"]), Is("b", 3)))
    assert condition(Above("b", 3)) == Above("b", 3)
    assert condition(None) is None


@pytest.mark.parametrize("given", [{}, "a=x", 3, ["a"]])
def test_anything_else_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match=r"^when=.*: expected names and values of other genes, e\.g\. "):
        condition(given)


def test_conditions_read_like_sentences() -> None:
    both = (Is("a", "x") | Is("a", ["y", (1, 2)])) & Above("b", 3) & Below("c", 0.5)
    assert str(both) == "(a = x or a is one of y, (1, 2)) and b > 3 and c < 0.5"
    assert both.parents == ("a", "b", "c")


@pytest.mark.parametrize("given", [Is("a", ["x", (1, 2)]), Is("b", 9), Above("d", 16), Is("a", "x") | Below("c", 0.5)])
def test_what_can_be(given: Condition) -> None:
    assert given.fitted(DOMAINS) == given


def test_a_number_is_the_one_of_the_grid() -> None:
    assert 3 * 0.1 != 0.3
    grid = {"x": Real(0.0, 1.0, step=0.1), "y": Choice([1, 2])}
    assert (Is("x", [3 * 0.1, 1]) & Is("y", 1)).fitted(grid) == Is("x", [0.3, 1.0]) & Is("y", 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Is("q", 1), "unknown gene in a condition 'q' (known: a, b, c, d, m)"),
        (Is("a", "z"), "only if a = z: a is never 'z': expected one of x, y, (1, 2)"),
        (Is("b", [1, 10]), "only if b is one of 1, 10: b is never 10: expected a whole number from 0 to 9"),
        (Above("a", 3), "only if a > 3: a is no number, but one of x, y, (1, 2)"),
        (Above("m", 3), "only if m > 3: m is no number, but one of auto, 1"),
        (AnyOf((Is("a", "x"), Below("q", 3))), "unknown gene in a condition 'q' (known: a, b, c, d, m)"),
    ],
)
def test_what_can_never_be_is_told(given: Condition, said: str) -> None:
    with pytest.raises(InputError) as caught:
        given.fitted(DOMAINS)
    assert str(caught.value) == said
