"""Downloads that are complete, verified and resumable, or an error that says why not.

A download grows in `<target>.part` and becomes `<target>` by one rename after its digest was verified. Beside
it, `<target>.part.from` keeps the server's identifier of the file, so that a later attempt, even by another process,
continues the same file or starts again.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import io
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from archloom.data.progress import Progress
from archloom.errors import InputError
from archloom.utils.contents import WEB_PAGE, kind_of_file
from archloom.utils.files import open_regular
from archloom.utils.json_text import dumps

CHUNK_BYTES = 1 << 18
_USER_AGENT = "archloom"
_RETRY_STATUS = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


FRUITLESS_TRIES = 3
"""After this many attempts without any data, a server counts as unreachable."""


class FetchError(InputError):
    """A download that failed for good. One line: the address, what happened, what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class _Dropped(Exception):
    """The connection broke or the server was busy: worth another attempt."""

    def __init__(self, message: str, failed_to_connect: bool = False) -> None:
        super().__init__(message)
        self.failed_to_connect = failed_to_connect


@dataclass(frozen=True)
class Digests:
    """What the file must hash to, in hexadecimal; None if it is not known.

    MD5 guards against damage only.
    """

    sha256: str | None = None
    md5: str | None = None

    def known(self) -> Iterator[tuple[str, str]]:
        """(algorithm, expected) of each known digest."""
        for name, expected in (("sha256", self.sha256), ("md5", self.md5)):
            if expected is not None:
                yield name, expected.strip().lower()


def download(
    url: str,
    target: str | os.PathLike[str],
    *,
    sha256: str | None,
    md5: str | None = None,
    progress: Progress | None = None,
    tries: int = 8,
    backoff_s: float = 1.0,
    timeout_s: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    notify: Callable[[str], None] | None = None,
) -> Path:
    """Download `url` to `target` and return its path; a target with the right digest is left as it is.

    A dropped connection is resumed where it broke, if the server supports that and the file is still the same, for at
    most `tries` attempts in all (`FRUITLESS_TRIES` if no data arrive at all), waiting `backoff_s` seconds, doubled each
    time up to a minute; `notify` is called with a line about each. Raises FetchError for everything that does not end
    in the whole, verified file; a wrong digest leaves nothing behind.
    """
    if not url.startswith(("http://", "https://")):
        raise FetchError(f"{url}: expected an address that starts with https:// or http://")
    digests = Digests(sha256, md5)
    _check_digests(digests)
    file = Path(target)
    if any(True for _ in digests.known()) and file.is_file() and not wrong_digests(file, digests):
        return file
    part = _Part(file.with_name(f"{file.name}.part"), verified=sha256 is not None)
    with part.locked() as stream:
        _fill(url, part, stream, progress, tries, backoff_s, timeout_s, sleep, notify)
        wrong = wrong_digests(part.path, digests)
        if wrong:
            kind = kind_of_file(part.path)
            part.discard()
            if kind == WEB_PAGE:  # whatever the server says it is
                raise _web_page(url)
            raise FetchError(f"{url}: {wrong}; nothing was kept; try again, or check the address and the digest")
        _finish(part, file)
    return file


def _web_page(url: str) -> FetchError:
    return FetchError(
        f"{url}: the server answered with a web page instead of the file (a quota, a login or a "
        "warning); open the address in a browser, save the file, and give its path instead"
    )


def wrong_digests(file: Path, digests: Digests) -> str | None:
    """What is wrong with the file's digests, naming both values; None if all known digests agree.

    FetchError for a digest that is none.
    """
    _check_digests(digests)
    for name, expected in digests.known():
        found = _digest(file, name)
        if found != expected:
            return f"the {name} of the file is {found}, expected {expected}"
    return None


def _digest(file: Path, algorithm: str) -> str:
    try:
        with open_regular(file) as stream:
            return hashlib.file_digest(cast("io.BufferedReader", stream), algorithm).hexdigest()
    except OSError as error:
        raise FetchError(f"{file}: cannot be read ({error.strerror or error}); check the path") from error


def _check_digests(digests: Digests) -> None:
    for name, expected in digests.known():
        digits = hashlib.new(name, usedforsecurity=False).digest_size * 2
        if re.fullmatch(rf"[0-9a-f]{{{digits}}}", expected) is None:
            raise FetchError(f"{name} {expected[:80]!r}: expected {digits} hexadecimal digits")


@dataclass(frozen=True)
class _Part:
    """The file that grows, and what identifies the remote file it came from."""

    path: Path
    verified: bool  # a digest will be checked, so a join of two versions cannot go unnoticed

    @property
    def origin(self) -> Path:
        return self.path.with_name(f"{self.path.name}.from")

    @contextmanager
    def locked(self) -> Iterator[BinaryIO]:
        """The part opened for reading and writing; only one process at a time."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise _local(self.path, error) from error
        with os.fdopen(descriptor, "a+b") as stream:
            _lock(stream, self.path)
            try:
                yield stream
            finally:
                if self.path.exists() and self.path.stat().st_size == 0:
                    self.discard()

    def validator(self, url: str) -> str | None:
        """The identifier that the server last gave for the file at `url`: a strong ETag or a date."""
        try:
            said = json.loads(self.origin.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        validator = said.get("validator") if isinstance(said, dict) and said.get("url") == url else None
        return validator if isinstance(validator, str) else None

    def remember(self, url: str, headers: Mapping[str, str]) -> None:
        etag = headers.get("ETag")
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
        self.origin.write_text(dumps({"url": url, "validator": validator}), encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.origin.unlink(missing_ok=True)


def _lock(stream: BinaryIO, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no advisory locks here: two downloads at once end in a wrong digest, not in a wrong file
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise FetchError(f"{path}: another process is downloading this file; wait for it to end") from error


def _fill(
    url: str,
    part: _Part,
    stream: BinaryIO,
    progress: Progress | None,
    tries: int,
    backoff_s: float,
    timeout_s: float,
    sleep: Callable[[float], None],
    notify: Callable[[str], None] | None,
) -> None:
    """Try until the part is whole."""
    before = stream.seek(0, os.SEEK_END)
    for attempt in range(1, tries + 1):
        try:
            _attempt(url, part, stream, progress, timeout_s)
            return
        except _Dropped as dropped:
            out_of_reach = dropped.failed_to_connect and stream.seek(0, os.SEEK_END) == before
            if attempt == tries or (out_of_reach and attempt >= FRUITLESS_TRIES):
                raise FetchError(
                    f"{url}: {dropped} after {attempt} tries; the part received is kept in {part.path}; "
                    "run the same command again to continue"
                ) from dropped
            wait = min(backoff_s * 2 ** (attempt - 1), 60.0)
            if notify is not None:
                notify(f"{dropped}; trying again in {wait:g} s ({attempt + 1} of {tries})")
            sleep(wait)


def _attempt(url: str, part: _Part, stream: BinaryIO, progress: Progress | None, timeout_s: float) -> None:
    """One request, which continues the part if that is safe, and otherwise starts again.

    Raises _Dropped when it was cut short.
    """
    offset = stream.seek(0, os.SEEK_END)
    validator = part.validator(url)
    if offset and validator is None and not part.verified:
        offset = 0  # nothing would notice if the rest came from another version of the file
    headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if validator is not None:
            headers["If-Range"] = validator
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - download() lets http and https in only
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            _receive(url, part, stream, response, offset, progress)
    except urllib.error.HTTPError as error:
        with error:
            _http_error(url, stream, error, offset)
    except (OSError, http.client.HTTPException) as error:  # this machine's own errors are FetchErrors by now
        raise _Dropped(f"the connection failed ({getattr(error, 'reason', None) or error})", True) from error


def _http_error(url: str, stream: BinaryIO, error: urllib.error.HTTPError, offset: int) -> None:
    if error.code == 416 and offset:  # asked for bytes beyond the end: the part is whole, or of another file
        if error.headers.get("Content-Range") == f"bytes */{offset}":
            return
        stream.truncate(0)
        raise _Dropped("the file changed on the server") from error
    if error.code in _RETRY_STATUS:
        raise _Dropped(f"the server answered {error.code} {error.reason}") from error
    raise FetchError(f"{url}: the server answered {error.code} {error.reason}; check the address") from error


def _receive(
    url: str,
    part: _Part,
    stream: BinaryIO,
    response: http.client.HTTPResponse,
    offset: int,
    progress: Progress | None,
) -> None:
    headers = response.headers
    if headers.get_content_type() == "text/html":
        raise _web_page(url)
    start = _start(response, offset)
    length = headers.get("Content-Length")
    total = start + int(length) if length is not None and length.isdigit() else None
    try:
        part.remember(url, cast("Mapping[str, str]", headers))
        stream.truncate(start)
        stream.seek(start)
    except OSError as error:
        raise _local(part.path, error) from error
    done = start
    while chunk := response.read(CHUNK_BYTES):
        _write(part.path, stream, chunk, total)
        done += len(chunk)
        if progress is not None:
            progress(done, total)
    _flush(part.path, stream)
    if total is not None and done != total:
        raise _Dropped(f"the connection ended at {done} of {total} bytes")


def _start(response: http.client.HTTPResponse, offset: int) -> int:
    """Where the body begins: at the offset asked for, or at 0 if the server sends the whole file."""
    if response.status != 206:
        return 0
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != offset:
        raise _Dropped(f"the server sent a range other than bytes {offset} on")
    return offset


def _write(path: Path, stream: BinaryIO, chunk: bytes, total: int | None) -> None:
    try:
        stream.write(chunk)
    except OSError as error:
        raise _local(path, error, total) from error


def _flush(path: Path, stream: BinaryIO) -> None:
    try:
        stream.flush()
        os.fsync(stream.fileno())
    except OSError as error:
        raise _local(path, error) from error


def _finish(part: _Part, file: Path) -> None:
    try:
        part.path.replace(file)
        part.origin.unlink(missing_ok=True)
    except OSError as error:
        raise _local(file, error) from error


def _local(path: Path, error: OSError, total: int | None = None) -> FetchError:
    """The error for this machine's side of a download."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        size = f" (the whole file has {total} bytes)" if total is not None else ""
        return FetchError(f"{path}: the disk is full{size}; make room and run the same command again to continue")
    return FetchError(f"{path}: cannot be written ({error.strerror or error}); choose a writable folder")
