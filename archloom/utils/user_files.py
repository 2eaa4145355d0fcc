"""Users' Python files: `FILE.py:NAME` refers to a name that a file defines, and this module loads it.

A file may import modules beside it, as when Python runs it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from archloom.errors import InputError


@dataclass(frozen=True)
class UserFile:
    """A file, and a name that it defines, if one is given."""

    path: Path
    name: str | None = None

    @classmethod
    def parse(cls, given: str) -> UserFile | None:
        """`FILE.py` or `FILE.py:NAME`; None for anything else."""
        file, colon, name = given.rpartition(":")
        if colon and file.endswith(".py"):
            return cls(Path(file), name)
        return cls(Path(given)) if given.endswith(".py") else None

    def __str__(self) -> str:
        return str(self.path) if self.name is None else f"{self.path}:{self.name}"

    def load(self) -> ModuleType:
        """Run the file; InputError in one line for whatever it raises."""
        path = self.path.resolve()
        # Files of the same name in two folders are two modules: dataclasses and pickle look modules up by name.
        place = hashlib.sha256(str(path).encode()).hexdigest()[:8]
        module_name = f"archloom_user_{path.stem}_{place}"
        spec = importlib.util.spec_from_file_location(module_name, self.path)
        assert spec is not None and spec.loader is not None  # noqa: S101 - it ends in .py
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        beside = str(path.parent)
        if beside not in sys.path:
            sys.path.insert(0, beside)
        with users_code(self.path):
            spec.loader.exec_module(module)
        return module


@contextmanager
def users_code(path: Path) -> Iterator[None]:
    """A context for running a user's file: its output goes to standard error, and whatever it raises is bad input.

    What it raises as an InputError, or lets one of ours raise, says itself what is wrong.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path} cannot be loaded: {reason}") from error


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
