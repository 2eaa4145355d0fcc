"""Files that are written whole or not at all, and what a file system's refusal means."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO

from archloom.errors import InputError, StoreError
from archloom.utils.json_text import dumps

TEMPORARY = ".*.tmp"
"""The names of files that are being written; those of killed writers remain."""

Writing = Callable[[Path, int], AbstractContextManager[BinaryIO]]
"""Opens a file of that many bytes for writing, which appears whole or not at all."""


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content, on disk when this returns. OSError if that fails; then nothing has changed.

    Two processes may write the same file: each writes one of its own, and the last to finish wins.
    """
    with replacing(path) as file:
        file.write(content)


def check_target(path: Path, called: str, endings: Collection[str]) -> None:
    """InputError, before there is anything to write, for a file of another kind and for one that cannot be written.

    `called`: what the message begins with, --images say.
    """
    if path.suffix not in endings or not path.parent.is_dir():
        raise InputError(f"{called} {path}: expected FILE{' or FILE'.join(endings)} in an existing folder")
    if path.is_dir():
        raise InputError(f"{called} {path}: is a folder; expected a file")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{called} {path}: the folder {path.parent} cannot be written; name another")


def from_home(path: str) -> str:
    """The path with a leading ~ or ~USER expanded, as shells do where they see it; unchanged if that is nobody."""
    return os.path.expanduser(path)  # noqa: PTH111 - unlike pathlib's, it leaves "./x" as it is, and raises nothing


def read_file(path: Path, follow: bool = True) -> bytes:
    """The content of a regular file.

    OSError as from `open`; also, at once, for a pipe, a device, a socket (which another program would wait for) or a
    folder, and unless `follow`, for a symbolic link.
    """
    with open_regular(path, follow) as file:
        return file.read()


def open_regular(path: Path, follow: bool = True) -> BinaryIO:
    """A regular file opened for reading; OSError as in `read_file`."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise OSError(errno.ELOOP, "is a symbolic link; expected a file", str(path)) from None
        if error.errno == errno.ENXIO:
            raise OSError(errno.EINVAL, "is no regular file", str(path)) from None
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder; expected a file", str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def why_no_file(path: Path) -> str:
    """In words, what there is instead of a regular file."""
    if path.is_dir():
        return f"{path} is a folder; expected a file"
    if path.is_symlink() and not path.exists():
        return f"{path} is a symbolic link that leads to no file"
    return f"{path} is no regular file" if path.exists() else f"there is no file {path}"


def open_owned(path: Path, flags: int) -> int:
    """A descriptor of a regular file that belongs to its folder alone, opened for writing with these flags.

    OSError for a symbolic link, for a file that has another name elsewhere (a hard link), and for what is no file: a
    program that writes its own files must never change others'.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if path.is_symlink():
            raise OSError(errno.ELOOP, f"{path.name} is a symbolic link: replace it by the file") from None
        if path.is_dir():
            raise OSError(errno.EISDIR, f"{path.name} is a folder; expected a file") from None
        if error.errno == errno.ENXIO:
            raise OSError(errno.EINVAL, f"{path.name} is no regular file") from None
        raise
    known = os.fstat(descriptor)
    reason = None
    if not stat.S_ISREG(known.st_mode):
        reason = f"{path.name} is no regular file"
    elif known.st_nlink > 1:
        reason = f"{path.name} is a hard link, a file that has other names too: replace it by a copy"
    if reason is None:
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, reason)


def _new(path: Path) -> BinaryIO:
    return path.open("xb")


@contextmanager
def replacing(
    path: Path,
    open_new: Callable[[Path], BinaryIO] = _new,
    renaming: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[BinaryIO]:
    """A file to write to in parts, which replaces `path` at the end, as in `replace_file`.

    `open_new` opens the temporary file; the context `renaming` is entered while it gets its final name.
    """
    # Not tempfile: its files are private (0600), but results should be as readable as the umask allows.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open_new(temporary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            with renaming():
                temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def sync_folder(path: Path) -> None:
    """Make what was created, renamed or removed in this folder durable."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all; it is on disk when this returns."""
    text = dumps(content, indent=1) + "\n"
    guarded(path.parent, lambda: replace_file(path, text.encode()))


def guarded(path: Path, action: Callable[[], Any]) -> Any:
    """The return value of an action on `path`; StoreError in one line if the file system refuses it."""
    try:
        return action()
    except OSError as error:
        raise store_error(path, error) from error


_CURES = {
    errno.ENOSPC: "free some space, then: archloom resume",
    errno.EDQUOT: "free some of your quota, then: archloom resume",
    errno.EROFS: "the file system is read-only: give a writable folder with --out, or resume a copy of the run",
    errno.EACCES: "you may not write there: give another folder with --out, or resume a copy of the run",
    errno.ENOTDIR: "a file is in the way: give another folder with --out",
    errno.EEXIST: "a file is in the way: give another folder with --out",
}


def unreadable(file: Path, error: OSError) -> StoreError:
    """The error for a file that cannot be read, with what to do about it."""
    cure = "you may not read it: change its permissions" if error.errno == errno.EACCES else "restore it from a copy"
    return StoreError(f"{file}: {error.strerror or error}; {cure}")


def store_error(path: Path, error: OSError) -> StoreError:
    """The error for a file system's refusal to write, with what to do about it."""
    if error.errno == errno.EISDIR and error.filename2 is not None:  # a file that was to be replaced
        return StoreError(f"{error.filename2} is a folder, expected a file: remove it, then: archloom resume")
    cure = _CURES.get(error.errno or 0, "what was committed before is intact")
    return StoreError(f"{path}: {error.strerror or error}; {cure}")
