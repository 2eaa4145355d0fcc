"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".*.tmp"
"""What a file that was being written looks like while it is, and stays where its writer was killed."""


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
