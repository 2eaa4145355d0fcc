"""Files that are there whole or not at all, and what it means when they cannot be."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO

from archloom.errors import StoreError

TEMPORARY = ".*.tmp"
"""What a file that was being written looks like while it is, and stays where its writer was killed."""

Writing = Callable[[Path, int], AbstractContextManager[BinaryIO]]
"""Opens a file of that many bytes for writing, which appears whole or not at all."""


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` into a file, on disk when this returns. OSError where it cannot be; then nothing changes.

    Two processes may write the same file: each writes one of its own, and the last to finish stands.
    """
    with replacing(path) as file:
        file.write(content)


def _new(path: Path) -> BinaryIO:
    return path.open("xb")


@contextmanager
def replacing(
    path: Path,
    open_new: Callable[[Path], BinaryIO] = _new,
    renaming: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[BinaryIO]:
    """A file to write to in parts, which takes the place of `path` at the end, as `replace_file` does it.

    `open_new` makes the file that it is until then, `renaming` surrounds the moment when it gets its name.
    """
    # Not tempfile: its files are private (0600), and a result is to be readable as the umask says.
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
    """Write a JSON file so that it is there whole or not at all, and on disk when this returns."""
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    guarded(path.parent, lambda: replace_file(path, text.encode()))


def guarded(path: Path, action: Callable[[], Any]) -> Any:
    """What an action on `path` returns; StoreError in one line if the file system refuses it."""
    try:
        return action()
    except OSError as error:
        raise store_error(path, error) from error


_CURES = {
    errno.ENOSPC: "free some space, then: archloom resume",
    errno.EDQUOT: "free some of your quota, then: archloom resume",
    errno.EROFS: "the file system is read-only: give a folder that can be written with --out",
    errno.EACCES: "you may not write there: give another folder with --out",
    errno.ENOTDIR: "a file is in the way: give another folder with --out",
    errno.EEXIST: "a file is in the way: give another folder with --out",
}


def store_error(path: Path, error: OSError) -> StoreError:
    """What a file system's refusal means for a person."""
    cure = _CURES.get(error.errno or 0, "what was committed before is intact")
    return StoreError(f"{path}: {error.strerror or error}; {cure}")
