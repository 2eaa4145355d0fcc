"""What a user's code says of metrics."""

from __future__ import annotations

import math
import warnings
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.evaluators.metrics import goals_of, number, reported_of


@pytest.mark.parametrize(
    "value",
    [1.5, np.float16(1.5), np.longdouble(1.5), np.array(1.5), Decimal("1.5"), Fraction(3, 2)],
)
def test_numbers_of_every_library(value: Any) -> None:
    assert number("acc", value) == 1.5
    assert type(number("acc", value)) is float


def test_tensors_of_one_number() -> None:
    torch = pytest.importorskip("torch")
    kinds = [{}, {"requires_grad": True}, {"dtype": torch.bfloat16}]
    with warnings.catch_warnings(record=True) as said:
        found = [number("acc", torch.tensor(value, **kind)) for value in (1.5, [1.5]) for kind in kinds]
    assert (found, said) == ([1.5] * 6, [])
    with pytest.raises(InputError, match="metric 'acc': expected a number, got a Tensor"):
        number("acc", torch.zeros(2))


def test_what_was_not_measured_is_nan_without_a_warning() -> None:
    with warnings.catch_warnings(record=True) as said:
        assert math.isnan(number("acc", np.ma.masked))
    assert said == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "expected a number, got a NoneType"),
        ([1.0], "expected a number, got a list"),
        ((1.0, 2.0), "expected a number, got a tuple"),
        (1 + 2j, "expected a number, got a complex"),
        (10**400, "expected a number, got an int (int too large to convert to float)"),
        (np.zeros(3), "expected a number, got a ndarray"),
        (float, "expected a number, got a type"),
    ],
)
def test_what_is_no_number_is_named_with_its_metric(value: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        number("val/acc", value)
    assert f"metric 'val/acc': {said}" in str(caught.value)


@pytest.mark.parametrize("given", [["acc"], ("acc",), "acc", None, {"acc": "MAX"}, {"acc": 1}, {"acc": None}, {}, 3])
def test_goals_that_are_none(given: Any) -> None:
    with pytest.raises(
        InputError, match=r"^goals .*: expected a metric with 'max' or 'min', e.g. {'accuracy': 'max'}$"
    ):
        goals_of(given)


@pytest.mark.parametrize("name", [1, "", "  ", "a\nb", "a\x1b[31m", "a\ud800", "\u202eacc", None, ("a", "b"), b"acc"])
def test_names_that_cannot_be_printed(name: Any) -> None:
    with pytest.raises(InputError, match="expected a printable string") as caught:
        goals_of({name: "max"})
    with pytest.raises(InputError, match="expected a printable string"):
        reported_of([name])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("given", ["test", None, 3, {"test"}, frozenset({"test"}), b"test"])
def test_a_report_that_is_no_list(given: Any) -> None:
    with pytest.raises(InputError, match=r"expected a list of metrics, e.g. \['test_accuracy'\]"):
        reported_of(given)


def test_any_printable_name_is_one() -> None:
    names = ["val/acc", "acc@5", "params (M)", "µ_s", "$x_1$", "[red]", "עברית", "🎉", "a<=b", np.str_("plain")]
    assert list(goals_of(dict.fromkeys(names, np.str_("min")))) == names
    assert goals_of({"acc": np.str_("min")}) == {"acc": "min"}
    assert reported_of(dict.fromkeys(names)) == tuple(names)
    assert {type(name) for name in reported_of(names)} == {str}
