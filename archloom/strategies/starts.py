"""Architectures that a user gives a strategy to begin with."""

from __future__ import annotations

from archloom.errors import InputError
from archloom.spaces.base import SearchSpace, is_valid
from archloom.types import Arch


def texts_in(start: str) -> list[str]:
    """The architectures in an option `start`, as strings: they are separated by ";"."""
    return [text.strip() for text in start.split(";") if text.strip()]


def starts_of(strategy: str, start: str, space: SearchSpace, option: str = "start") -> list[Arch]:
    """The architectures in an option of a strategy; InputError for one that is not valid in the space."""
    return [_start(f"{strategy} option {option}", text, space) for text in texts_in(start)]


def _start(option: str, text: str, space: SearchSpace) -> Arch:
    arch = space.parse(text)
    if not is_valid(space, arch):
        raise InputError(f"{option}={text}: not valid in space {space.name!r}; give one that is")
    return arch
