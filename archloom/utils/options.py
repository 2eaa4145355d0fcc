"""Named options of spaces and strategies: their names and types, and conversion of strings from the command line.

A field declares its bounds in its type, `Annotated[int, msgspec.Meta(ge=1)]` or one of the names here, and is checked
against them wherever the value comes from.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import io
import sys
import textwrap
import tokenize
import types
import typing
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Union

import msgspec
import numpy as np

from archloom.errors import InputError, unknown
from archloom.utils.files import from_home

_LARGEST = sys.float_info.max
"""As an upper bound it means that a number is finite."""

PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
NonNegativeInt = Annotated[int, msgspec.Meta(ge=0)]
PositiveFloat = Annotated[float, msgspec.Meta(gt=0, le=_LARGEST)]
NonNegativeFloat = Annotated[float, msgspec.Meta(ge=0, le=_LARGEST)]
UnitInterval = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""Probabilities and shares."""


@dataclass(frozen=True)
class Option:
    """One option: its name, type and default."""

    name: str
    type: Any
    default: Any

    @property
    def expected(self) -> str:
        """Its values in words, bounds included."""
        return _words(self.type)

    @property
    def limited(self) -> bool:
        """Whether `expected` says more than a plain type does."""
        return _bare(self.type)[0] not in _NOUNS or bool(_bare(self.type)[1])

    def convert(self, owner: str, value: Any, strict: bool = False) -> Any:
        """`value` as the option's type; InputError naming what was expected. If not `strict`, it may be a string."""
        if isinstance(value, np.generic):
            value = value.item()
        listed = not strict and isinstance(value, str) and _is_list(self.type, value)
        if listed:
            value = [part.strip() for part in value.split(",")]
        elif not strict and value == "none" and _present(self.type) is not None:
            value = None
        try:
            converted = msgspec.convert(value, self.type, strict=strict, dec_hook=_path)
        except msgspec.ValidationError:
            shown = value if isinstance(value, str) else ",".join(map(str, value)) if listed else repr(value)
            raise InputError(
                f"{owner} option {self.name}={shown}: {_nearest(self.type, value)}expected {self.expected}"
            ) from None
        if isinstance(converted, Path) and not converted.is_file():
            why = "is a folder; expected a file" if converted.is_dir() else "there is no such file"
            raise InputError(f"{owner} option {self.name}={converted}: {why}")
        return converted

    @property
    def names_a_file(self) -> bool:
        """Whether its value is the path of a file."""
        kind = _bare(self.type)[0]
        return Path in (kind, *typing.get_args(kind))


@dataclass(frozen=True)
class Options:
    """The base of frozen dataclasses of options: each field is checked against its type on construction.

    InputError for a value that is not of the field's type or out of its bounds. A subclass that checks several fields
    against each other does so in `__post_init__`, after `super().__post_init__()`. `RENAMED` maps an option's name in
    earlier versions to its present name: recorded runs have the old one.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        for name, option in of_dataclass(type(self)).items():
            option.convert(type(self).__name__, getattr(self, name), strict=True)


def of_dataclass(kind: type[Any]) -> dict[str, Option]:
    """The options that a frozen dataclass of options declares."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {f.name: Option(f.name, hints[f.name], f.default) for f in dataclasses.fields(kind)}


def comments(kind: type[Any]) -> dict[str, str]:
    """What is written beside the fields of a dataclass, `name: type = default  # like this`; empty without a source."""
    try:
        source = textwrap.dedent(inspect.getsource(kind))
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        (definition,) = ast.parse(source).body
    except (OSError, TypeError, SyntaxError, ValueError, tokenize.TokenError):
        return {}
    beside = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    lines = {
        statement.target.id: statement.end_lineno
        for statement in getattr(definition, "body", ())
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    return {name: beside[line] for name, line in lines.items() if line in beside}


def of_space(kind: type[Any]) -> dict[str, Option]:
    """The options that a space's constructor takes beyond what a table gives it (`options`, `rows`)."""
    hints = typing.get_type_hints(kind.__init__, include_extras=True)
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    own = [p for p in parameters if p.name not in ("options", "rows")]
    return {p.name: Option(p.name, hints.get(p.name, str), p.default) for p in own}


def convert_all(owner: str, known: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with every value converted; an unknown name is an InputError that suggests the nearest one."""
    for name in given:
        if name not in known:
            raise unknown(f"{owner} option", name, known)
    return {name: known[name].convert(owner, value) for name, value in given.items()}


def current(owner: str, kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with the present names of options; a warning for each old name."""
    renamed: Mapping[str, str] = getattr(kind, "RENAMED", {})
    named: dict[str, Any] = {}
    for name, value in given.items():
        now = renamed.get(name, name)
        if now != name:
            if now in given:
                raise InputError(f"{owner} options {name} and {now} are the same: omit {name}, the old name")
            warnings.warn(f"{owner} option {name} is called {now} now", stacklevel=2)
        named[now] = value
    return plain(named)


def plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with numbers of numpy's as Python's own, which alone have a place in JSON."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()}


def absolute(known: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with the paths of files made absolute, so that they mean the same from any folder."""
    named = {path.name: str(path.file.resolve()) for path in _named_files(known, given)}
    return {**given, **named}


def files(known: Mapping[str, Option], given: Mapping[str, Any]) -> list[Path]:
    """The files that these options name."""
    return [path.file for path in _named_files(known, given)]


class _NamedFile(NamedTuple):
    name: str
    file: Path


def _named_files(known: Mapping[str, Option], given: Mapping[str, Any]) -> Iterator[_NamedFile]:
    for name, value in given.items():
        if name in known and known[name].names_a_file and isinstance(value, str | Path) and str(value):
            yield _NamedFile(name, Path(from_home(str(value))))


def _path(kind: type[Any], value: Any) -> Path:
    """Called by msgspec for types that it does not know; it turns ValueError and TypeError into validation errors."""
    if kind is Path and isinstance(value, str | Path) and str(value):
        return Path(from_home(str(value)))
    raise ValueError("not a path")


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


_NOUNS: Mapping[Any, tuple[str, str]] = {
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
    Path: ("a file", "files"),
}


def _nearest(kind: Any, value: Any) -> str:
    """For a name that is none of those that a type takes: which it is, and the nearest that it takes."""
    bare = _bare(kind)[0]
    many = typing.get_origin(bare) is tuple
    one = _bare(typing.get_args(bare)[0])[0] if many else bare
    if typing.get_origin(one) is not typing.Literal:
        return ""
    names = typing.get_args(one)
    given = value if many and isinstance(value, list | tuple) else [value]
    wrong = next((each for each in given if each not in names), None)
    if not isinstance(wrong, str):
        return ""
    said = f"unknown {wrong!r}; " if many else ""
    close = difflib.get_close_matches(wrong, [str(name) for name in names], n=1, cutoff=0.5)
    return f"{said}did you mean {close[0]!r}? " if close else said


def _bare(kind: Any) -> tuple[Any, dict[str, Any]]:
    """A type without its annotation, and the bounds in its `msgspec.Meta`."""
    if typing.get_origin(kind) is not Annotated:
        return kind, {}
    bare, *metas = typing.get_args(kind)
    names = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "description")
    return bare, {name: value for meta in metas for name in names if (value := getattr(meta, name)) is not None}


def _is_list(kind: Any, text: str) -> bool:
    """Whether a string is a list of values, for a type that takes lists, or lists beside single values."""
    bare = _bare(kind)[0]
    single = [each for each in _alternatives(bare) if typing.get_origin(each) is not tuple]
    return len(single) < len(_alternatives(bare)) and ("," in text or not single)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The types of a union; any other type alone."""
    is_union = isinstance(kind, types.UnionType) or typing.get_origin(kind) is Union
    return typing.get_args(kind) if is_union else (kind,)


def _present(kind: Any) -> Any:
    """What a type of values or None has besides None; None for any other type."""
    kinds = _alternatives(kind)
    present = [each for each in kinds if each is not type(None)]
    return present[0] if len(present) == 1 < len(kinds) else None


def _words(kind: Any, plural: bool = False) -> str:
    """The values of a type in words: "a whole number of at least 1"."""
    if (present := _present(kind)) is not None:
        return f"{_words(present, plural)}, or none"
    kind, limits = _bare(kind)
    if kind in _NOUNS:
        words = _bounded(_NOUNS[kind][plural], limits)
    elif typing.get_origin(kind) is typing.Literal:
        words = f"{'any' if plural else 'one'} of {', '.join(map(str, typing.get_args(kind)))}"
    elif typing.get_origin(kind) is tuple:
        (inner, *_), some = typing.get_args(kind), "one or more " if limits.get("min_length") else ""
        words = f"a list of {some}{_words(inner, plural=True)}, separated by commas"
    elif len(_alternatives(kind)) > 1:
        words = ", or ".join(_words(each) for each in _alternatives(kind))
    else:
        words = str(kind).replace("|", "or")
    return words + (f"; {limits['description']}" if "description" in limits else "")


def _bounded(noun: str, limits: Mapping[str, Any]) -> str:
    """A noun with the bounds of its numbers: "a number above 0 and up to 1"."""
    at_least, above, at_most, below = (limits.get(name) for name in ("ge", "gt", "le", "lt"))
    if at_most == _LARGEST:
        noun, at_most = noun.replace("number", "finite number"), None
    top = f"below {_plain(below)}" if below is not None else f"up to {_plain(at_most)}" if at_most is not None else ""
    if at_least is not None:
        low = _plain(at_least)
        bounds = f"from {low} to {top.removeprefix('up to ')}" if top else f"of at least {low}"
    elif above is not None:
        bounds = f"above {_plain(above)}{' and ' if top else ''}{top}"
    else:
        bounds = top
    step = f", a multiple of {_plain(limits['multiple_of'])}" if "multiple_of" in limits else ""
    return f"{noun} {bounds}".rstrip() + step


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"
