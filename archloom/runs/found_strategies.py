"""Strategies from anywhere: by registered name, from a user's Python file, or as a class from Python."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from archloom import registry
from archloom.errors import InputError
from archloom.problems.base import Problem
from archloom.problems.spec import names_problem
from archloom.strategies.base import BaseStrategy
from archloom.utils.files import why_no_file
from archloom.utils.options import of_dataclass
from archloom.utils.user_code import file_of_module
from archloom.utils.user_files import UserFile, users_code


@dataclass(frozen=True)
class FoundStrategy:
    """A strategy's class. `given` is its name in requests, valid from any folder; `file` is the user's, if any."""

    given: str
    kind: type[BaseStrategy]
    file: Path | None = None
    reopens: bool = True
    """Whether another process can find it by `given`."""

    @property
    def name(self) -> str:
        return name_of(self.given)

    @property
    def option_names(self) -> Collection[str]:
        """The names of its options, those of earlier versions among them."""
        with self.code():
            return {*of_dataclass(self.kind.Options), *getattr(self.kind.Options, "RENAMED", {})}

    def code(self) -> AbstractContextManager[None]:
        """To be entered while its code prepares a run: what a user's code raises then is reported in one line."""
        return nullcontext() if self.file is None else users_code(self.file)


def name_of(given: str) -> str:
    """The short name of a strategy: its registered name, or that of its class in the same style (`blr` for `Blr`)."""
    file = UserFile.parse(given)
    if file is None:
        return given
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", file.name or file.path.stem)
    return words.lower().strip("_") or "strategy"


def find_strategy(given: str | type[Any]) -> FoundStrategy:
    """The strategy of this name, in this file (`FILE.py`, `FILE.py:CLASS`), or of this class.

    InputError in one line for what does not exist or is not a strategy.
    """
    if isinstance(given, type):
        return _of_class(given)
    file = UserFile.parse(given)
    if file is not None:
        return _in_file(file)
    if given not in registry.STRATEGIES and names_problem(given):
        raise InputError(
            f"strategy {given!r}: that is no strategy but what to search on: --on {given} (in Python on={given!r})"
        )
    return FoundStrategy(given, registry.load_strategy(given))


def _in_file(file: UserFile) -> FoundStrategy:
    if not file.path.is_file():
        raise InputError(f"strategy {file}: {why_no_file(file.path)}")
    module = file.load()
    name = file.name or _only_strategy(file.path, module)
    if not hasattr(module, name):
        known = ", ".join(_defined(module)) or "none"
        raise InputError(f"{file.path} defines no {name!r} (strategies in it: {known})")
    kind = _checked(f"{name} in {file.path}", getattr(module, name))
    path = file.path.resolve()
    return FoundStrategy(str(UserFile(path, name)), kind, path)


def _only_strategy(path: Path, module: ModuleType) -> str:
    names = list(_defined(module))
    if len(names) != 1:
        found = f"{len(names)} strategies ({', '.join(names)})" if names else "no strategy"
        on = f"; to search on what it defines: --on {path}" if _defines_problem(module) else ""
        raise InputError(f"{path} defines {found}: expected one, or name it: {path}:CLASS{on}")
    return names[0]


def _defines_problem(module: ModuleType) -> bool:
    return any(isinstance(value, Problem) for value in vars(module).values())


def _defined(module: ModuleType) -> Iterator[str]:
    """The strategies that a file defines itself, except abstract and private ones."""
    own = {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, BaseStrategy) and kind.__module__ == module.__name__
    }
    return (name for name, kind in own.items() if not inspect.isabstract(kind) and not name.startswith("_"))


def _checked(what: str, kind: Any) -> type[BaseStrategy]:
    if not (isinstance(kind, type) and issubclass(kind, BaseStrategy)):
        raise InputError(f"{what} is not a strategy: expected a subclass of archloom.BaseStrategy")
    if missing := sorted(getattr(kind, "__abstractmethods__", ())):
        raise InputError(f"{what} is incomplete: it lacks {', '.join(missing)}")
    return kind


def _of_class(kind: type[Any]) -> FoundStrategy:
    """A class from Python: by its registered name, by the file that it can be reloaded from, or by neither."""
    _checked(kind.__name__, kind)
    for name, entry in registry.STRATEGIES.items():
        if entry.target.rpartition(":")[2] == kind.__name__ and entry.load() is kind:
            return FoundStrategy(name, kind)
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    alone = module is not None and (not module.__package__ or file_of_module(module) is not None)
    alone = alone and kind.__module__ != "__main__"
    if alone and file is not None and file.endswith(".py") and getattr(module, kind.__name__, None) is kind:
        path = Path(file).resolve()
        return FoundStrategy(str(UserFile(path, kind.__name__)), kind, path)
    return FoundStrategy(kind.__name__, kind, reopens=False)
