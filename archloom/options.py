"""Named options of spaces and strategies: which there are, and how texts from the command line become their values."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from archloom.errors import InputError, unknown


@dataclass(frozen=True)
class Option:
    """One option: its name, type and default."""

    name: str
    type: Any
    default: Any

    def convert(self, owner: str, value: Any) -> Any:
        """`value`, a text or a value, as the option's type; InputError naming what was expected."""
        if isinstance(value, str) and typing.get_origin(self.type) is tuple:
            value = [part.strip() for part in value.split(",")]
        try:
            return msgspec.convert(value, self.type, strict=False)
        except msgspec.ValidationError:
            shown = value if isinstance(value, str) else repr(value)
            raise InputError(f"{owner} option {self.name}={shown}: expected {_type_name(self.type)}") from None


def of_dataclass(kind: type[Any]) -> dict[str, Option]:
    """The options that a frozen dataclass of options declares."""
    hints = typing.get_type_hints(kind)
    return {f.name: Option(f.name, hints[f.name], f.default) for f in dataclasses.fields(kind)}


def of_space(kind: type[Any]) -> dict[str, Option]:
    """The options that a space's constructor takes beyond what a table gives it (`options`, `rows`)."""
    hints = typing.get_type_hints(kind.__init__)
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    own = [p for p in parameters if p.name not in ("options", "rows")]
    return {p.name: Option(p.name, hints.get(p.name, str), p.default) for p in own}


def convert_all(owner: str, known: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with every value converted; an unknown name is an InputError that tells the nearest one."""
    for name in given:
        if name not in known:
            raise unknown(f"{owner} option", name, known)
    return {name: known[name].convert(owner, value) for name, value in given.items()}


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """["a=1", "space.b=2"] as a dict; InputError for anything that is not NAME=VALUE or is given twice."""
    parsed: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        name = name.strip()
        if not equals or not name or not value.strip():
            raise InputError(f"--set {setting!r}: expected NAME=VALUE, e.g. space.canonical=true")
        if name in parsed:
            raise InputError(f"--set {name} is given twice: {parsed[name]} and {value.strip()}")
        parsed[name] = value.strip()
    return parsed


def _type_name(kind: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    if kind in names:
        return names[kind]
    if typing.get_origin(kind) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        return "a list of " + _type_name(typing.get_args(kind)[0]).removeprefix("a ") + "s, e.g. 128,256,128"
    return str(kind).replace("|", "or")
