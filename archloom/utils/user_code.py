"""Users' modules: how a Python file and the modules beside it are imported.

A file is loaded as a module below this one, `archloom.utils.user_code.FOLDER.STEM`, where FOLDER encodes the path of
its folder. So modules of the same name in two folders are two modules, and any process that has archloom finds a module
by its name: pickles work in a user's own child processes, however they are started. Import statements of such a module
look beside it first, as when Python runs the file, with three differences. The standard library wins over a file of the
same name, and so does a package that is installed under its own name. Nothing is added to `sys.path`, so a file never
takes the place of a module that other code imports. A file is read once: the bytes that are hashed are those that run.

The registry of folders is global to the process, as `sys.modules` is.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.util
import multiprocessing
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from archloom.utils.files import read_file
from archloom.utils.imported_names import imported_names

__path__: list[str] = []  # modules may be below this one

_ODD_STEM = "_file_"
"""How the name of a module begins whose file's stem is no name of Python's."""


class UserFolder:
    """The modules in a folder, and in the places that its code added to `sys.path`, as this process has read them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.package = f"{__name__}.{_encoded(str(path))}"
        self.places = [str(path)]
        self._usual = set(sys.path)
        self._content: dict[str, bytes] = {}
        self._warned: set[str] = set()
        self._loaded: set[str] = set()  # by users' names for them, not by imports
        self.builtins = {**vars(builtins), "__import__": self._import}

    # -- content --------------------------------------------------------------------------------------------------

    def read(self, file: str) -> bytes:
        """The content of a file, read once."""
        if file not in self._content:
            self._content[file] = read_file(Path(file))
        return self._content[file]

    def sha256(self, file: str) -> str | None:
        """That of a file's content as it was read; None if it was not."""
        content = self._content.get(file)
        return None if content is None else hashlib.sha256(content).hexdigest()

    def may_import(self, file: str) -> bool:
        """Whether a file is a module in one of the places of code that runs."""
        return bool(self._content) and file.endswith(".py") and any(Path(file).is_relative_to(p) for p in self.places)

    def renew(self) -> None:
        """Forget all modules if one of the files is no longer what it was."""
        if any(_content_now(file) != content for file, content in self._content.items()):
            self._content.clear()
            for name in [name for name in sys.modules if name.startswith(f"{self.package}.")]:
                del sys.modules[name]
            for name in [name for name, folder in _by_plain_name.items() if folder is self]:
                _forget_plain(name)

    def enter(self) -> None:
        """Called before code of this folder runs: plain names of modules are then those of this folder."""
        for name in [name for name, folder in _by_plain_name.items() if folder is not self]:
            _forget_plain(name)

    def _take_places(self) -> None:
        """Take what the folder's code added to `sys.path` as further places of its modules."""
        for place in sys.path:
            if place not in self._usual and (full := str(Path(place).absolute())) not in self.places:
                self.places.append(full)

    def load(self, file: Path) -> ModuleType:
        """Run a file of this folder; whatever it raises passes."""
        importlib.invalidate_caches()
        self._usual = set(sys.path)
        self.renew()
        name = f"{self.package}.{_module_of(file)}"
        sys.modules.pop(name, None)
        self._loaded.add(str(file))
        return importlib.import_module(name)

    def hashes(self, file: Path) -> dict[str, str]:
        """The SHA-256 of a file that was loaded, and of all modules that it may import from its places, by path.

        Those of import statements in functions are among them, though they may not have run yet.
        """
        seen: dict[str, None] = {}
        waiting = [(str(file), "")]
        while waiting:
            path, package = waiting.pop()
            if path in seen:
                continue
            seen[path] = None
            try:
                content = self.read(path)
            except OSError:
                del seen[path]
                continue
            if path.endswith(".py"):
                waiting.extend(self._imported_by(Path(path), package, content))
        for path in self._own_files():
            if path not in seen and path not in self._loaded:
                self.read(path)
                seen[path] = None
        return {path: digest for path in sorted(seen) if (digest := self.sha256(path)) is not None}

    def _own_files(self) -> Iterator[str]:
        """The files of modules that were imported, however, and are code of this folder that is not installed."""
        package, below = f"{self.package}.", f"{self.path}{os.sep}"
        for module in list(sys.modules.values()):  # thousands, whenever a run begins
            path = str(getattr(module, "__file__", None) or "")
            named = str(getattr(module, "__name__", "")).startswith(package)
            found = path.startswith(below) and not path.startswith(_OURS) and not _is_installed(path)
            if (named or found) and Path(path).is_file():
                yield path

    def _imported_by(self, file: Path, package: str, content: bytes) -> Iterator[tuple[str, str]]:
        """The files of the modules that a file names in imports, each with its package."""
        names, everything = imported_names(content, package)
        for name in names:
            if not name.startswith(".") and self._winner(name.partition(".")[0]) is not None:
                continue
            name = name.removeprefix(".")
            spec = self.find(name)
            if spec is not None and spec.has_location and spec.origin is not None:
                yield spec.origin, name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
        # A name that is computed may be any.
        for found in _python_files(self.path) if everything else ():
            yield str(found), ".".join(found.parent.relative_to(self.path).parts)

    # -- finding --------------------------------------------------------------------------------------------------

    def find(self, name: str) -> ModuleSpec | None:
        """Where a module of this folder is, by its dotted name within it; nothing is imported."""
        places: Sequence[str] = self.places
        spec, so_far = None, self.package
        for part in name.split("."):
            so_far = f"{so_far}.{part}"
            spec = self._at(so_far, part, places)
            if spec is None:
                return None
            places = _locations(spec, part, places)
        return spec

    def _at(self, name: str, part: str, places: Sequence[str]) -> ModuleSpec | None:
        if part.startswith(_ODD_STEM):
            file = self.path / f"{_decoded(part.removeprefix(_ODD_STEM))}.py"
            return importlib.util.spec_from_file_location(name, file) if file.is_file() else None
        try:
            return PathFinder.find_spec(name, list(places))
        except KeyError:  # a folder that is no package, in one that is not imported
            return ModuleSpec(name, None, is_package=True)

    def spec(self, name: str) -> ModuleSpec | None:
        """The spec of a module by its full name, with a loader that runs what was read."""
        within = name.removeprefix(self.package).lstrip(".")
        if not within:
            package = ModuleSpec(name, None, is_package=True)
            package.submodule_search_locations = self.places
            return package
        spec = self.find(within)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Source(self, name, str(spec.origin))
            spec.cached = None
        return spec

    def owns(self, top: str) -> bool:
        """Whether a name in an import statement of this folder's is a module in its places."""
        if f"{self.package}.{top}" in sys.modules and top not in sys.stdlib_module_names:
            return True
        self._take_places()
        spec = self._at(f"{self.package}.{top}", top, self.places)
        if spec is None:
            return False
        winner = self._winner(top, spec)
        if winner and spec.loader is not None:
            self._warn(top, spec, winner)
        return winner is None

    def _winner(self, top: str, spec: ModuleSpec | None = None) -> str | None:
        """Whose module a name is, if it is not the one in this folder's places, whose spec may be given."""
        if top in sys.stdlib_module_names:
            return "the standard library"
        if top == __name__.partition(".")[0]:
            return "archloom"
        spec = spec or self._at(f"{self.package}.{top}", top, self.places)
        if spec is None:
            return None
        # A folder that is no package counts only if there is no other module.
        return (
            "the installed package" if (spec.loader is None or _is_distribution(top)) and _is_elsewhere(top) else None
        )

    def _warn(self, top: str, spec: ModuleSpec, winner: str) -> None:
        """Once, by the process that the user has started."""
        own = f"{self.package}.{top}" in sys.modules  # the file itself, say
        is_first = bool(self._loaded) and multiprocessing.parent_process() is None
        if not own and is_first and top not in self._warned:
            self._warned.add(top)
            said = f"{spec.origin} is not used: `import {top}` gives {winner}'s module; rename the file to import it"
            try:
                warnings.warn(said, stacklevel=4)
            except UserWarning:  # the file has made errors of warnings, of its own code's
                with warnings.catch_warnings():
                    warnings.simplefilter("always")
                    warnings.warn(said, stacklevel=4)

    # -- importing ------------------------------------------------------------------------------------------------

    def _import(
        self, name: str, globals: Mapping[str, Any] | None = None, locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (), level: int = 0,
    ) -> Any:  # fmt: skip
        """What import statements of this folder's modules call."""
        top = name.partition(".")[0]
        if level or not self.owns(top):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        if isinstance(fromlist, list):  # C code, which looks for the plain name in `sys.modules` next: unpickling does
            _by_plain_name.update({} if top in sys.modules else {top: self})
            return builtins.__import__(name, globals, locals, fromlist, 0)
        full = f"{self.package}.{name}"
        try:
            module = builtins.__import__(full, globals, locals, fromlist or ("__name__",), 0)
        except ModuleNotFoundError as error:
            missing = (error.name or "").removeprefix(f"{self.package}.")
            if missing == error.name:
                raise
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing) from None
        return module if fromlist else sys.modules[f"{self.package}.{top}"]


class _Source(SourceFileLoader):
    """Runs the content that was read, with the folder's import statements."""

    def __init__(self, folder: UserFolder, name: str, path: str) -> None:
        super().__init__(name, path)
        self.folder = folder

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.folder.read(self.path), self.path)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self.folder.builtins
        super().exec_module(module)


class _Same(Loader):
    """Gives a module of a folder's to code that imports it by its plain name, as unpickling does."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._kept = module.__spec__, module.__loader__, module.__package__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__, module.__loader__, module.__package__ = self._kept


class _Finder(MetaPathFinder):
    """Finds modules below this one, and what belongs to a package that is known by its plain name."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.startswith(f"{__name__}."):
            return folder_of_module(name).spec(name)
        folder = _by_plain_name.get(name.partition(".")[0])
        return None if folder is None else _plain_spec(folder, name)


class _LastFinder(MetaPathFinder):
    """Finds a module that nobody else has beside the user's file that asks for it by way of a library."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        frame: FrameType | None = sys._getframe(1)
        folder = None
        while frame is not None and folder is None and "." not in name:
            loader = getattr(frame.f_globals.get("__spec__"), "loader", None)
            folder = loader.folder if isinstance(loader, _Source) else None
            frame = frame.f_back
        found = None if folder is None else folder.find(name)
        if folder is None or found is None or found.loader is None:
            return None
        _by_plain_name[name] = folder
        return _plain_spec(folder, name)


def _plain_spec(folder: UserFolder, name: str) -> ModuleSpec:
    return ModuleSpec(name, _Same(f"{folder.package}.{name}"))


_folders: dict[str, UserFolder] = {}
_by_plain_name: dict[str, UserFolder] = {}
"""Modules that are in `sys.modules` under their plain names because a library imported them so."""


def _forget_plain(top: str) -> None:
    _by_plain_name.pop(top)
    for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
        del sys.modules[name]


def folder_at(path: Path) -> UserFolder:
    """The folder with this absolute path."""
    return _folders.setdefault(str(path), UserFolder(path))


def folder_of_module(name: str) -> UserFolder:
    """The folder of a module, by the full name of that."""
    return folder_at(Path(_decoded(name.removeprefix(f"{__name__}.").partition(".")[0])))


def file_of_module(module: ModuleType | None) -> Path | None:
    """The file of a module that was loaded from a user's; None for any other module."""
    spec = getattr(module, "__spec__", None)
    return Path(spec.loader.path) if spec is not None and isinstance(spec.loader, _Source) else None


def sha256_as_read(file: str) -> str | None:
    """The SHA-256 of what this process has read of a file that it runs; None if it runs no such file.

    A module that it may import later is read now, so that this is what will run.
    """
    for folder in _folders.values():
        if folder.may_import(file):
            folder.read(file)
    return next((found for folder in _folders.values() if (found := folder.sha256(file)) is not None), None)


def without_prefix(text: str) -> str:
    """A string with the names of users' modules as their authors know them: `helper.Net`."""
    return _FULL_NAME.sub("", text)


_FULL_NAME = re.compile(rf"{re.escape(__name__)}\.\w+\.")
_OURS = str(Path(__file__).parents[1]) + os.sep


def _encoded(text: str) -> str:
    """A string as a name of Python's, which says what it was."""
    return "at" + re.sub(rb"[^A-Za-z0-9]", lambda found: b"_%02x" % found[0][0], os.fsencode(text)).decode()


def _decoded(name: str) -> str:
    return os.fsdecode(re.sub(rb"_([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), name[2:].encode()))


def _module_of(file: Path) -> str:
    return (
        file.stem
        if file.stem.isidentifier() and not file.stem.startswith(_ODD_STEM)
        else _ODD_STEM + _encoded(file.stem)
    )


def _content_now(file: str) -> bytes | None:
    try:
        return read_file(Path(file))
    except OSError:
        return None


def _locations(spec: ModuleSpec, part: str, places: Sequence[str]) -> Sequence[str]:
    """Where the modules of a package are; that of a folder which is no package without asking for its parent."""
    if spec.loader is None:
        return [str(folder) for place in places if (folder := Path(place) / part).is_dir()]
    return list(spec.submodule_search_locations or ())


def _is_installed(path: str) -> bool:
    return bool({"site-packages", "dist-packages"} & set(Path(path).parts))


def _is_elsewhere(top: str) -> bool:
    """Whether there is a module of this name outside users' folders."""
    finders = [finder for finder in sys.meta_path if not isinstance(finder, _Finder | _LastFinder)]
    return top in sys.modules or any(finder.find_spec(top, None) for finder in finders)


def _is_distribution(name: str) -> bool:
    from importlib import metadata

    try:
        metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return True


def _python_files(folder: Path) -> Iterator[Path]:
    """All Python files of a folder but those of environments and hidden folders."""
    for place, inner, files in os.walk(folder):
        inner[:] = [
            name
            for name in inner
            if not name.startswith(".") and name != "__pycache__" and not _is_installed(name)
            and not (Path(place) / name / "pyvenv.cfg").exists()
        ]  # fmt: skip
        yield from (Path(place) / name for name in sorted(files) if name.endswith(".py"))


sys.meta_path.insert(0, _Finder())
sys.meta_path.append(_LastFinder())
