"""The options of a choice: what may be one, its string, by which every process knows it, and copies of it."""

from __future__ import annotations

import copy
import functools
import re
import types
import unicodedata
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, Set, Sized
from contextlib import suppress
from typing import Any

from archloom.errors import InputError
from archloom.utils.text import one_line, reason_of
from archloom.utils.user_code import without_prefix

MOST_OPTIONS = 100_000
"""How many options a range may be as a choice."""

_PLAIN = frozenset({str, int, float, bool, type(None)})
_SHARED = _PLAIN | {types.ModuleType}
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_BREAKS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of characters that break a line, command a terminal or cannot be written."""

_LOOK_UP = "use names as options, and look the objects up by name in your function"


def listed(given: Any) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """The options that are given, in their order, copied if they can be changed in place; and the string of each.

    InputError for what is no list of options, for options that are equal, and for those without a string that is the
    same in every process; TypeError for what has no options at all.
    """
    options = _in_order(given)
    if not options:
        raise InputError("options []: expected at least one, each different")
    kinds = set(map(type, options))
    if not kinds <= _PLAIN:
        options = tuple(map(_own, options))
    texts = options if kinds == {str} else tuple(map(_text, options))
    if len(set(texts)) < len(texts):
        twice = next(text for number, text in enumerate(texts) if text in texts[:number])
        raise InputError(f"options {_short(texts)}: {twice!r} is there twice; expected each different, as strings")
    if len(kinds) > 1:
        _refuse_equal(options, texts)
    if not "".join(texts).isprintable():
        _refuse_breaks(texts)
    return options, texts


def fresh(option: Any) -> Any:
    """An option for a user's code, which may change it in place."""
    return option if type(option) in _SHARED else copy.deepcopy(option)


def _in_order(given: Any) -> tuple[Any, ...]:
    kind = type(given)
    if kind is list or kind is tuple:
        return tuple(given)
    # Counted before they are listed: a long range costs nothing until then.
    if isinstance(given, range) and given[MOST_OPTIONS:]:
        raise InputError(
            f"options {given!r}: expected at most {MOST_OPTIONS:,}; whole numbers in a range are a domain, "
            "Integer(low, high)"
        )
    if isinstance(given, str | bytes | bytearray):
        raise InputError(f"options {given!r}: a string is not a list of options; write [{given!r}] for a single one")
    if isinstance(given, Set) and not isinstance(given, KeysView | ItemsView):
        raise InputError(
            f"options {_shown(given)}: a {kind.__name__} has no order, so genes would mean other options in another "
            "process; write a list, e.g. sorted(...)"
        )
    if isinstance(given, Iterator):
        raise InputError(f"options from a {kind.__name__}, which can be read only once: write a list, e.g. list(...)")
    if not isinstance(given, Sized) or not isinstance(given, Iterable):
        raise TypeError(kind.__name__)
    return tuple(given)


def _own(option: Any) -> Any:
    """An option that nobody else can change; itself if it cannot be changed at all."""
    if (unordered := _unordered_in(option)) is not None:
        raise InputError(
            f"option {_shown(option)}: a {type(unordered).__name__} has no order, so its string differs from process "
            "to process; write a sorted tuple"
        )
    try:
        return fresh(option)
    except Exception as error:
        raise InputError(
            f"option of the type {type(option).__name__}: it cannot be copied ({reason_of(error, 120)}), and trials "
            f"must not share what they may change; {_LOOK_UP}"
        ) from error


def _unordered_in(option: Any) -> Any:
    """A set with more than one element in an option, however deep; None if there is none."""
    if isinstance(option, set | frozenset):
        return option if len(option) > 1 else None
    inner: Iterable[Any] = ()
    if isinstance(option, Mapping):
        inner = [*option.keys(), *option.values()]
    elif isinstance(option, list | tuple):
        inner = option
    return next((found for each in inner if (found := _unordered_in(each)) is not None), None)


def _text(option: Any) -> str:
    kind = type(option)
    if kind is str:
        return str(option)
    if kind in _PLAIN:
        return repr(option)
    if isinstance(option, type | types.FunctionType | types.BuiltinFunctionType):
        return _qualified(option)
    if isinstance(option, types.ModuleType):
        return without_prefix(option.__name__)
    try:
        text = repr(option) if isinstance(option, bytes | bytearray) else str(option)
    except Exception as error:
        raise InputError(
            f"option of the type {kind.__name__}: it has no string ({reason_of(error, 120)}); {_LOOK_UP}"
        ) from error
    if _ADDRESS.search(text) and isinstance(option, functools.partial):
        given = [*map(_written, option.args), *(f"{name}={_written(value)}" for name, value in option.keywords.items())]
        text = f"{_text(option.func)}({', '.join(given)})"
    if _ADDRESS.search(text):
        raise InputError(
            f"option {one_line(without_prefix(text), 80)}: its string holds an address in memory, which is another "
            f"in every process; give its class a method __repr__, or {_LOOK_UP}"
        )
    return without_prefix(text)


def _written(value: Any) -> str:
    """An argument as its author would write it."""
    return repr(value) if type(value) in _PLAIN else _text(value)


def _qualified(option: Any) -> str:
    """The name of a class or function, with its module."""
    name = str(getattr(option, "__qualname__", option.__name__))
    if "<" in name:
        raise InputError(
            f"option {name}: a lambda, or what is defined in a function, has no name that another process knows; "
            "define it at the top level of a file"
        )
    owner = getattr(option, "__self__", None)
    module = option.__module__ or getattr(owner, "__module__", None) or getattr(owner, "__name__", "")
    plain = not module or module in ("builtins", "__main__", "__mp_main__")
    return name if plain else without_prefix(f"{module}.{name}")


def _refuse_equal(options: tuple[Any, ...], texts: tuple[str, ...]) -> None:
    """InputError for options that are equal and have other strings: 1, 1.0 and True."""
    first: dict[Any, str] = {}
    with suppress(TypeError):  # some cannot be hashed
        for option, text in zip(options, texts, strict=True):
            if first.setdefault(option, text) != text:
                raise InputError(
                    f"options {_short(texts)}: {first[option]} and {text} are equal, and would be taken for each other"
                )


def _refuse_breaks(texts: tuple[str, ...]) -> None:
    for text in texts:
        if any(unicodedata.category(character) in _BREAKS for character in text):
            raise InputError(
                f"option {one_line(text, 80)!r}: its string has line breaks or control characters; {_LOOK_UP}"
            )


def _short(texts: tuple[str, ...]) -> str:
    return one_line(str(list(texts)), 200)


def _shown(option: Any) -> str:
    return one_line(without_prefix(repr(option)), 80)
