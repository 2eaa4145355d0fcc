from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archloom.spaces.base import Categorical
from archloom.spaces.domains import Choice, Integer, Real, Seed
from archloom.spaces.fingerprint import MOST, difference, fingerprint
from archloom.spaces.space import Space
from archloom.types import Arch


def categorical(**options: Any) -> dict[str, Any]:
    return fingerprint(Categorical(options))


def space(**domains: Any) -> dict[str, Any]:
    return fingerprint(Space(domains))


class Own:
    """A space of which nothing is known but what the protocol says."""

    name = "own"

    def __init__(self, texts: tuple[str, ...] = ("a", "b"), draw: Callable[[], int] | None = None) -> None:
        self.texts, self.draw = texts, draw

    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch((int(rng.integers(len(self.texts))) if self.draw is None else self.draw(),))

    def format(self, arch: Arch) -> str:
        return self.texts[int(arch.genes[0])]

    mutate = violations = canonical = key = parse = None


LONG = [f"option number {number}" for number in range(1000)]


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (categorical(a=[1, 2]), categorical(a=[2, 1]), "a was one of 1, 2 and is one of 2, 1"),
        (categorical(a=[1, 2]), categorical(a=[1, 2, 3]), "a was one of 1, 2 and is one of 1, 2, 3"),
        (categorical(a=[1], b=[2]), categorical(b=[2], a=[1]), "its genes were a, b and are b, a"),
        (categorical(a=[1]), categorical(a=[1], b=[2]), "its genes were a and are a, b"),
        (categorical(a=[1]), space(a=[1]), "its name was 'table' and is 'space'"),
        (categorical(a=LONG), categorical(a=LONG[::-1]), "a was one of option number 0, "),
        (space(a=Real(0, 1)), space(a=Real(0, 2)), "a was a number from 0.0 to 1.0 and is a number from 0.0 to 2.0"),
        (space(a=Real(1, 9)), space(a=Real(1, 9, log=True)), "a was a number from 1.0 to 9.0 and is .*logarithmic"),
        (space(a=Choice([1])), space(a=Choice([1], ordered=True)), r"a was one of 1 and is one of 1 \(ordered\)"),
        (space(a=Integer(1, 9)), space(a=Real(1, 9)), "a was a whole number from 1 to 9 and is a number from"),
        (space(a=[1, 2], b=[3]), space(a=[1, 2], b=Choice([3], when={"a": 1})), "b was one of 3 and is one of 3 if a"),
        (fingerprint(Own()), fingerprint(Own(("b", "a"))), "an architecture was '[ab]' and is '[ab]'"),
    ],
)  # fmt: skip
def test_what_is_different_is_said(was: dict[str, Any], now: dict[str, Any], said: str) -> None:
    found = difference(was, now)
    assert found is not None
    assert re.search(said, found)
    assert "\n" not in found


@pytest.mark.parametrize(
    "made", [lambda: Categorical({"a": LONG}), lambda: Space({"a": Seed(), "b": Real(0, 1)}), lambda: Own()]
)
def test_the_same_space_has_the_same_fingerprint(made: Callable[[], Any]) -> None:
    assert difference(fingerprint(made()), fingerprint(made())) is None


def test_fingerprints_are_short() -> None:
    assert all(len(words) < MOST + 50 for words in categorical(a=LONG)["genes"].values())


def test_samples_that_differ_by_themselves_tell_nothing() -> None:
    calls = iter(range(1000))
    assert "samples" not in fingerprint(Own(tuple(map(str, range(1000))), lambda: next(calls)))


def test_a_space_that_cannot_be_drawn_from_has_a_fingerprint() -> None:
    def fails() -> int:
        raise RuntimeError

    assert fingerprint(Own(draw=fails)) == {"name": "own"}
