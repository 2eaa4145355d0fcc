"""What a user's code says of metrics: their names, the goals among them, and their values."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from archloom.errors import InputError
from archloom.types import Goal
from archloom.utils.text import one_line


def goals_of(given: Any) -> dict[str, Goal]:
    """The goals of a problem, metric to "max" or "min"; InputError for anything else."""
    if not isinstance(given, Mapping) or not given or not all(_is_goal(goal) for goal in given.values()):
        shown = dict(given) if isinstance(given, Mapping) else given
        raise InputError(f"goals {shown}: expected a metric with 'max' or 'min', e.g. {{'accuracy': 'max'}}")
    return {_name("goals", name): "max" if goal == "max" else "min" for name, goal in given.items()}


def reported_of(given: Any) -> tuple[str, ...]:
    """The names of the metrics that are reported only; InputError for anything but ordered strings."""
    if isinstance(given, (str, bytes, set, frozenset)) or not isinstance(given, Iterable):  # a set has no order
        raise InputError(f"report {given!r}: expected a list of metrics, e.g. ['test_accuracy']")
    return tuple(_name("report", name) for name in given)


def number(metric: str, value: Any) -> float:
    """A metric's value as a float; InputError for what is no number. Numpy's scalars and tensors of one number are."""
    if isinstance(value, float):  # nearly always
        return float(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's about tensors with gradients, numpy's about masked elements
        try:
            return float(value)
        except Exception as error:
            kind = type(value).__name__
            raise InputError(f"metric {metric!r}: expected a number, got {_a(kind)} ({error})") from error


def _is_goal(goal: object) -> bool:
    return isinstance(goal, str) and goal in ("max", "min")


def _name(what: str, name: object) -> str:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise InputError(f"{what}: the name of a metric is {one_line(repr(name), 80)}; expected a printable string")
    return str(name)


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
