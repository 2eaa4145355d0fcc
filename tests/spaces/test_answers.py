"""Whether the methods of a space answer what they must."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.answers import check_answers, features_of, neighbours_of, valid_neighbours
from archloom.spaces.base import Categorical, sample_valid
from archloom.spaces.features import FeatureLayout
from archloom.testing import RuledSpace
from archloom.types import Arch
from archloom.utils import seeds


def space_with(**methods: Any) -> Categorical:
    made = type("Odd", (Categorical,), {"name": "odd", **methods})
    space: Categorical = made({"a": [1, 2, 3], "b": [4, 5]})
    return space


@pytest.mark.parametrize("amount", [0, 1.5, True, np.float32(1), np.bool_(1), np.array(2.0)])
def test_amounts_of_any_kind_are_numbers(amount: Any) -> None:
    check_answers(space_with(violations=lambda self, arch: {"rule": amount}))


@pytest.mark.parametrize(
    ("method", "answer", "said"),
    [
        ("violations", ["broken"], "violations returned list ['broken']; expected a dict of rules and the amounts"),
        ("violations", [], "violations returned list []; expected a dict"),
        ("violations", None, "violations returned NoneType None; expected a dict"),
        ("violations", {"rule": "broken"}, "expected a dict of rules and the amounts by which they are broken"),
        ("canonical", None, "canonical returned NoneType None; expected an archloom.Arch"),
        ("canonical", (1, 2), "canonical returned tuple (1, 2); expected an archloom.Arch"),
        ("sample", [0, 1], "sample returned list [0, 1]; expected an archloom.Arch"),
        ("key", [0], "key returned list [0]; expected something that can be hashed"),
        ("format", 3, "format returned int 3; expected a string"),
    ],
)
def test_an_answer_of_another_type_is_named(method: str, answer: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_answers(space_with(**{method: lambda self, given: answer}))
    assert str(caught.value).startswith("space 'odd': ") and said in str(caught.value)


@pytest.mark.parametrize("method", ["sample", "violations", "canonical", "key", "format"])
def test_a_method_that_raises_is_named_with_its_place(method: str) -> None:
    def broken(self: Any, given: Any) -> Any:
        raise KeyError("depth")

    place = r"\(.*test_answers.py, line \d+, in broken\)$"
    with pytest.raises(InputError, match=rf"^space 'odd': (key|{method}) failed: KeyError: 'depth' {place}"):
        check_answers(space_with(**{method: broken}))


SPACE = """
import archloom

class Mine(archloom.Categorical):
    name = "mine"

    def violations(self, arch):
        return ["too deep"] if arch.genes[0] else []

space = Mine({"a": [1, 2, 3], "b": [4, 5]})
problem = archloom.Problem(space, lambda choices: choices["a"], {"worth": "max"})
"""


@pytest.mark.parametrize("strategy", ["random", "local_search"])
def test_a_space_of_the_users_is_checked_before_anything_is_written(cli: Any, strategy: str) -> None:
    Path(cli.home, "mine.py").write_text(SPACE)
    search = ("search", strategy, "--on", "mine.py", "--queries", 5, "--out", "run")
    cli.refuses(*search, says=["space 'mine': violations returned list", "expected a dict of rules"])
    assert not Path(cli.home, "run").exists()


class Ready(Categorical):
    """Says that its neighbours are valid."""

    neighbours_are_valid = True

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return {"never": 1.0}


class TestNeighbours:
    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (None, "neighbours returned NoneType None; expected a list of archloom.Arch"),
            (["a=1"], "neighbours returned str 'a=1' among others; expected an archloom.Arch"),
            ((1 / 0 for _ in range(1)), "neighbours failed: ZeroDivisionError"),
        ],
    )
    def test_what_is_none_is_named(self, answer: Any, said: str) -> None:
        with pytest.raises(InputError) as caught:
            neighbours_of(space_with(neighbours=lambda self, arch: answer), Arch((0, 0)))
        assert str(caught.value).startswith(f"space 'odd': {said}")

    def test_they_may_come_one_by_one(self) -> None:
        near = [Arch((1, 0)), Arch((2, 0))]
        assert neighbours_of(space_with(neighbours=lambda self, arch: iter(near)), Arch((0, 0))) == near

    def test_those_that_are_valid_keep_the_order(self) -> None:
        space = RuledSpace()
        arch = sample_valid(space, seeds.stream(0, "test"))
        kept = valid_neighbours(space, arch)
        assert kept == [near for near in space.neighbours(arch) if near.genes[0] != near.genes[1]]
        assert len(kept) < len(space.neighbours(arch))

    def test_those_that_are_valid_by_construction_are_not_checked(self) -> None:
        space = Ready({"kernel": [3, 5, 7]})
        assert valid_neighbours(space, Arch((0,))) == [Arch((1,)), Arch((2,))]
        space.neighbours_are_valid = False
        assert valid_neighbours(space, Arch((0,))) == []


class Numbered:
    """Has features of its own: two codes and a statistic."""

    feature_layout: Any = FeatureLayout(("a", "b"), (1, 1), ("sum",))

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def features(self, archs: Any) -> Any:
        return self.answer() if callable(self.answer) else self.answer


ARCHS = [Arch((0, 0)), Arch((2, 1))]
CODES = [[0, 0], [1, 1]]


class TestFeatures:
    def test_numbers_of_any_kind_become_floats(self) -> None:
        codes, stats = features_of(space_with(), Numbered((CODES, np.array([[0], [3]]))), ARCHS)
        assert (codes.dtype, codes.tolist(), stats.dtype, stats.tolist()) == ("f8", CODES, "f8", [[0], [3]])

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (None, "features returned NoneType None; expected (codes, statistics)"),
            ((CODES, [[0], [np.nan]]), "statistics of a=3, b=5: 'sum' is nan; expected a finite number"),
            (([[0, 0], [1, np.inf]], [[0], [3]]), "codes of a=3, b=5: 'b' is inf; expected a finite number"),
            ((CODES, [[0], [-1e200]]), "statistics of a=3, b=5: 'sum' is -1e+200; expected a finite number, at most"),
            ((CODES, [[0]]), "statistics of 2 architectures have shape (1, 1); expected (2, 1)"),
            ((CODES, [["x"], ["y"]]), "statistics are list [['x'], ['y']]; expected numbers"),
            (lambda: 1 / 0, "features failed: ZeroDivisionError"),
        ],
    )
    def test_what_is_none_is_named(self, answer: Any, said: str) -> None:
        with pytest.raises(InputError) as caught:
            features_of(space_with(), Numbered(answer), ARCHS)
        assert str(caught.value).startswith(f"space 'odd': {said}")

    @pytest.mark.parametrize("layout", [None, FeatureLayout(("a",), (1, 1), ())])
    def test_a_layout_that_is_none_is_named(self, layout: Any) -> None:
        features = Numbered((CODES, [[0], [3]]))
        features.feature_layout = layout
        with pytest.raises(InputError, match=r"^space 'odd': feature_layout is .*; expected a FeatureLayout with a"):
            features_of(space_with(), features, ARCHS)
