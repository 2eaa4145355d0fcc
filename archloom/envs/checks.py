"""Checks of numbers that several environments take."""

from __future__ import annotations

from numbers import Integral

from archloom.errors import InputError


def check_counts(**counts: object) -> None:
    """InputError that names the first argument that is not a whole number of at least 1."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise InputError(f"{name}={value!r}: expected a whole number of at least 1")
