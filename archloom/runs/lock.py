"""Who may write a folder: one process at a time, whatever happens to the files in it meanwhile.

The lock is on the folder itself, which nobody can remove or replace while it is held without becoming another folder:
a writer checks, before it writes, that what it locked is still there (`FolderLock.check`). The file `lock` is locked
besides, for file systems that lock no folders (NFS). The operating system gives both free when a process ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from archloom.errors import StoreError
from archloom.utils.documents import read_document
from archloom.utils.files import open_owned, store_error, write_json

GRACE_S = 0.5
"""How long to wait for a lock that is held: somebody may be checking it, or a killed run's workers may be ending."""

POLL_EVERY_S = 0.02

_LOCK, _HOLDER = "lock", "holder.json"

_NO_FOLDER_LOCKS = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What file systems answer that lock files only."""


class _Holder(msgspec.Struct):
    """`holder.json`."""

    pid: int
    host: str
    since: str


class FolderLock:
    """The right to write a folder, until `release`."""

    def __init__(self, path: Path, folder: int, file: int) -> None:
        """`folder` and `file` are locked descriptors of the folder and of its file `lock`."""
        self.path = path
        self._folder = folder
        self._file = file

    @classmethod
    def take(cls, path: Path) -> FolderLock:
        """Take a folder's lock; StoreError that says who holds it, or what the file system refuses."""
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise store_error(path, error) from error
        opened = [folder]
        try:
            deadline = time.monotonic() + GRACE_S
            with suppress(_NoFolderLocksError):
                _wait_for(path, folder, deadline)
            file = open_owned(path / _LOCK, os.O_RDWR | os.O_CREAT)
            opened.append(file)
            _wait_for(path, file, deadline)
            lock = cls(path, folder, file)
            lock.check()
            write_json(path / _HOLDER, {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
            return lock
        except _NoFolderLocksError:
            _close(opened)
            raise StoreError(
                f"{path}: this file system locks no files, so two runs could write there at once"
            ) from None
        except OSError as error:
            _close(opened)
            raise store_error(path, error) from error
        except BaseException:
            _close(opened)
            raise

    @property
    def holds(self) -> bool:
        """Whether the folder at the path is still the one that was locked."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._folder))
        except OSError:
            return False

    def check(self) -> None:
        """StoreError if the folder at the path is no longer the one that was locked."""
        if not self.holds:
            raise StoreError(
                f"{self.path} was renamed, removed or replaced while it was being written: nothing more is written; "
                "put the folder back, or resume it at its new place"
            )

    def release(self) -> None:
        if self.holds:
            (self.path / _HOLDER).unlink(missing_ok=True)
        _close([self._file, self._folder])


def hold(path: Path, descriptor: int) -> None:
    """Lock a file of a folder whose lock is held; StoreError that says who else holds it."""
    with suppress(_NoFolderLocksError):
        _wait_for(path, descriptor, time.monotonic() + GRACE_S)


def holder(path: Path) -> str | None:
    """Who is writing the folder now; None if nobody is, or if that cannot be known."""
    for place in (path, path / _LOCK):
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _who(path)
        except OSError:
            continue
        finally:
            os.close(descriptor)
    return None


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


class _NoFolderLocksError(Exception):
    """The file system does not lock this."""


def _wait_for(path: Path, descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreError(f"{path} is being written by {_who(path)}; wait for it or stop it") from None
        except OSError as error:
            if error.errno in _NO_FOLDER_LOCKS:
                raise _NoFolderLocksError from None
            raise
        time.sleep(POLL_EVERY_S)


def _who(path: Path) -> str:
    try:
        known = read_document(path / _HOLDER, _Holder)
    except (OSError, ValueError):
        return "another process"
    return f"process {known.pid} on {known.host} since {known.since}"


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
