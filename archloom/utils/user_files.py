"""Users' Python files: `FILE.py:NAME` refers to a name that a file defines, and this module loads it.

A file may import modules beside it, as when Python runs it (`user_code`). What it changes in the process is not ours
(`surroundings`).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from archloom.errors import InputError
from archloom.utils import user_code
from archloom.utils.files import from_home, open_regular
from archloom.utils.surroundings import Surroundings
from archloom.utils.text import reason_of


@dataclass(frozen=True)
class UserFile:
    """A file, and a name that it defines, if one is given."""

    path: Path
    name: str | None = None

    @classmethod
    def parse(cls, given: str) -> UserFile | None:
        """`FILE.py` or `FILE.py:NAME`, where a leading ~ is the home folder; None for anything else."""
        given = from_home(given)
        file, colon, name = given.rpartition(":")
        if colon and file.endswith(".py"):
            return cls(Path(file), name)
        return cls(Path(given)) if given.endswith(".py") else None

    def __str__(self) -> str:
        return str(self.path) if self.name is None else f"{self.path}:{self.name}"

    def load(self) -> ModuleType:
        """Run the file; InputError in one line for whatever it raises."""
        path = self.path.resolve()
        RunningCode.of(path, fresh=True)
        with users_code(self.path):
            return user_code.folder_at(path.parent).load(path)

    def hashes(self) -> dict[str, str]:
        """The SHA-256 of the content that was run, by path: of the file, which was loaded, and of what it imports."""
        path = self.path.resolve()
        return user_code.folder_at(path.parent).hashes(path)


@contextmanager
def users_code(path: Path) -> Iterator[None]:
    """A context for running a user's file: its output goes to standard error, and whatever it raises is bad input.

    What it raises as an InputError, or lets one of ours raise, says itself what is wrong. The process is afterwards
    what it was before.
    """
    try:
        with RunningCode.of(path).loading(), redirect_stdout(sys.stderr):
            yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InputError(f"{path} cannot be loaded: {user_code.without_prefix(reason_of(error))}") from error


class RunningCode:
    """The code of a user's file when it runs: in surroundings of its own, and among its own modules."""

    def __init__(self, path: Path) -> None:
        self._folder = user_code.folder_at(path.parent)
        self._surroundings = Surroundings()

    @classmethod
    def of(cls, path: Path, fresh: bool = False) -> RunningCode:
        """That of a file; `fresh`: before it is loaded."""
        path = path.resolve()
        if fresh or path not in _running:
            _running[path] = cls(path)
        return _running[path]

    @contextmanager
    def loading(self) -> Iterator[None]:
        """A context for loading the file: how that leaves the process are its surroundings from then on."""
        self._folder.enter()
        with self._surroundings.loading():
            yield

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A context for running what was loaded; its surroundings are the same each time."""
        self._folder.enter()
        with self._surroundings.inside():
            yield


_running: dict[Path, RunningCode] = {}


def changed_since(files: Mapping[str, str], again: bool = False) -> str | None:
    """The first of these files whose content has another SHA-256: as this process has read it, if it runs the file, or
    `again`, as it is now. A file that is gone has not changed."""
    for file, known in files.items():
        try:
            found = (None if again else user_code.sha256_as_read(file)) or sha256_of(Path(file))
        except OSError:
            continue
        if found != known:
            return file
    return None


def sha256_of(file: Path) -> str:
    """The SHA-256 of a regular file's content."""
    digest = hashlib.sha256()
    with open_regular(file) as opened:
        while part := opened.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
