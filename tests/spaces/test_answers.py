"""Whether the methods of a space answer what they must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.spaces.answers import check_answers
from archloom.spaces.base import Categorical


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
