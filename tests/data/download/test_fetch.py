from __future__ import annotations

import hashlib
import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from archloom.data.download import fetch
from archloom.data.download.fetch import Digests, FetchError, download, wrong_digests

BODY = bytes(range(256)) * 4000  # 1 MB
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Site:
    """What the local server does, and what it was asked."""

    body: bytes = BODY
    etag: str | None = '"one"'
    ranges: bool = True
    drops: list[int] = field(default_factory=list)  # bytes after which each coming answer breaks off
    statuses: list[int] = field(default_factory=list)  # what the coming answers are instead
    kind: str = "application/octet-stream"
    length: bool = True
    shift: int = 0  # how far from what was asked for a partial answer begins
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.append(dict(handler.headers.items()))
        if self.statuses:
            status = self.statuses.pop(0)
            if status != 200:
                handler.send_error(status)
                return
        start = self.start(handler)
        if start >= len(self.body) > 0 and start:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.body)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            start += self.shift
            handler.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.send_header("Content-Type", self.kind)
        if self.length:
            handler.send_header("Content-Length", str(len(self.body) - start))
        handler.end_headers()
        data = self.body[start:]
        handler.wfile.write(data[: self.drops.pop(0)] if self.drops else data)

    def start(self, handler: http.server.BaseHTTPRequestHandler) -> int:
        wanted = handler.headers.get("Range")
        condition = handler.headers.get("If-Range")
        if not wanted or not self.ranges or (condition and condition != self.etag):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/file.bin"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


class Waits(list[float]):
    """Remembers how long it was told to sleep instead of sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def get(site: Site, target: Path, **options: Any) -> Path:
    options = {"sha256": SHA256, "sleep": Waits(), "timeout_s": 10.0, **options}
    return download(site.url, target, **options)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_whole_file(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = get(site, tmp_path / "file.bin", progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_without_any_digest_or_length(site: Site, tmp_path: Path) -> None:
    site.length = False
    seen: list[int | None] = []
    get(site, tmp_path / "file.bin", sha256=None, progress=lambda done, total: seen.append(total))
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert set(seen) == {None}


def test_a_file_that_is_there_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(BODY)
    get(site, tmp_path / "file.bin")
    assert site.asked == []
    (tmp_path / "file.bin").write_bytes(b"other")
    get(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_dropped_connections_are_resumed_where_they_broke(site: Site, tmp_path: Path) -> None:
    site.drops = [300_000, 300_000]
    waits = Waits()
    get(site, tmp_path / "file.bin", sleep=waits, backoff_s=0.5)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert [asked.get("Range") for asked in site.asked] == [None, "bytes=300000-", "bytes=600000-"]
    assert site.asked[1]["If-Range"] == '"one"'
    assert waits == [0.5, 1.0]


def test_an_interrupted_download_is_continued_by_the_next_call(site: Site, tmp_path: Path) -> None:
    site.drops = [300_000] * 2
    with pytest.raises(FetchError, match=r"ended at 600000 of 1024000 bytes after 2 tries; the part received is kept"):
        get(site, tmp_path / "file.bin", sha256=None, tries=2)
    assert names(tmp_path) == ["file.bin.part", "file.bin.part.from"]
    get(site, tmp_path / "file.bin", sha256=None)
    assert site.asked[-1]["Range"] == "bytes=600000-"
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]


def test_the_tries_are_bounded_and_the_waits_too(site: Site, tmp_path: Path) -> None:
    site.statuses = [503] * 100
    waits = Waits()
    with pytest.raises(FetchError, match=r"answered 503 .* after 8 tries"):
        get(site, tmp_path / "file.bin", sleep=waits, backoff_s=10.0)
    assert len(site.asked) == 8
    assert waits == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0, 60.0]
    assert names(tmp_path) == []


def test_a_server_out_of_reach_is_given_up_soon_and_every_wait_is_told(tmp_path: Path) -> None:
    with socket.socket() as free:  # a port where nobody listens
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waits, told = Waits(), list[str]()
    with pytest.raises(FetchError, match=r"the connection failed .* after 3 tries"):
        download(f"http://127.0.0.1:{port}/x", tmp_path / "x", sha256=None, sleep=waits, notify=told.append)
    assert waits == [1.0, 2.0]
    assert [text.rpartition("; ")[2] for text in told] == [
        "trying again in 1 s (2 of 8)",
        "trying again in 2 s (3 of 8)",
    ]
    assert names(tmp_path) == []


def test_a_server_that_ignores_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    site.drops = [300_000]
    get(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert site.asked[1]["Range"] == "bytes=300000-"


def test_another_range_than_was_asked_for_is_not_joined(site: Site, tmp_path: Path) -> None:
    site.drops = [300_000]
    site.shift = 10
    with pytest.raises(FetchError, match="sent a range other than bytes 300000 on after 3 tries"):
        get(site, tmp_path / "file.bin", sha256=None, tries=3)
    site.shift = 0
    get(site, tmp_path / "file.bin", sha256=None)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_file_that_changed_between_tries_is_started_again(site: Site, tmp_path: Path) -> None:
    site.drops = [300_000]
    with pytest.raises(FetchError):
        get(site, tmp_path / "file.bin", sha256=None, tries=1)
    site.body, site.etag = BODY[::-1], '"two"'
    get(site, tmp_path / "file.bin", sha256=None)
    assert site.asked[-1]["If-Range"] == '"one"'
    assert (tmp_path / "file.bin").read_bytes() == BODY[::-1]


def test_a_part_of_another_address_is_not_continued(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "file.bin.part.from").write_text(json.dumps({"url": "http://other", "validator": '"one"'}))
    get(site, tmp_path / "file.bin", sha256=None)
    assert "Range" not in site.asked[0]
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_nothing_is_joined_that_nothing_vouches_for(site: Site, tmp_path: Path, etag: str | None) -> None:
    site.etag = etag
    site.drops = [300_000]
    get(site, tmp_path / "file.bin", sha256=None)
    assert [asked.get("Range") for asked in site.asked] == [None, None]
    site.drops = [300_000]
    site.asked.clear()
    (tmp_path / "file.bin").unlink()
    get(site, tmp_path / "file.bin")  # a digest vouches for the whole
    assert [asked.get("Range") for asked in site.asked] == [None, "bytes=300000-"]
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_part_that_is_already_whole(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY)
    get(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    (tmp_path / "file.bin").unlink()
    (tmp_path / "file.bin.part").write_bytes(BODY + b"too long")
    get(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_wrong_digest_keeps_nothing_and_names_both(site: Site, tmp_path: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(FetchError, match=f"sha256 of the file is {SHA256}, expected {wrong}; nothing was kept"):
        get(site, tmp_path / "file.bin", sha256=wrong)
    assert names(tmp_path) == []
    with pytest.raises(FetchError, match=f"md5 of the file is {MD5}, expected 1111"):
        get(site, tmp_path / "file.bin", md5="1" * 32)
    assert names(tmp_path) == []


def test_a_wrong_digest_leaves_the_old_file(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"old")
    with pytest.raises(FetchError):
        get(site, tmp_path / "file.bin", sha256="0" * 64)
    assert (tmp_path / "file.bin").read_bytes() == b"old"


@pytest.mark.parametrize("digest", ["", "xyz", "0" * 63, "g" * 64])
def test_a_digest_that_is_none(site: Site, tmp_path: Path, digest: str) -> None:
    with pytest.raises(FetchError, match="expected 64 hexadecimal digits"):
        get(site, tmp_path / "file.bin", sha256=digest)
    assert site.asked == []


def test_upper_case_digests_are_the_same(site: Site, tmp_path: Path) -> None:
    get(site, tmp_path / "file.bin", sha256=SHA256.upper(), md5=MD5.upper())
    assert wrong_digests(tmp_path / "file.bin", Digests(SHA256.upper())) is None


@pytest.mark.parametrize("status", [404, 403, 410])
def test_an_answer_that_will_not_change_is_not_asked_for_again(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses = [status] * 9
    with pytest.raises(FetchError, match=f"the server answered {status} .*check the address"):
        get(site, tmp_path / "file.bin")
    assert len(site.asked) == 1
    assert names(tmp_path) == []


def test_a_web_page_instead_of_the_file(site: Site, tmp_path: Path) -> None:
    site.kind = "text/html; charset=utf-8"
    with pytest.raises(FetchError, match=r"a web page instead of the file .*in a browser"):
        get(site, tmp_path / "file.bin")
    assert names(tmp_path) == []


def test_nobody_listens(tmp_path: Path) -> None:
    waits = Waits()
    with pytest.raises(FetchError, match=r"the connection failed .* after 3 tries"):
        download("http://127.0.0.1:9/file", tmp_path / "file", sha256=None, tries=3, sleep=waits)
    assert len(waits) == 2


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://x/y", "nb201", ""])
def test_other_kinds_of_addresses(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="expected an address that starts with https"):
        download(url, tmp_path / "file", sha256=None)


def test_a_folder_that_is_not_there(site: Site, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"cannot be written .No such file"):
        get(site, tmp_path / "none" / "file.bin")
    assert site.asked == []


def test_a_read_only_folder(site: Site, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(FetchError, match=r"cannot be written .Permission denied"):
        get(site, folder / "file.bin")


def test_a_full_disk_keeps_the_part_and_does_not_try_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetchError, match=r"file.bin.part: the disk is full.*make room"):
        get(site, tmp_path / "file.bin")
    assert len(site.asked) == 1
    monkeypatch.undo()
    get(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_one_download_of_a_file_at_a_time(site: Site, tmp_path: Path) -> None:
    part = fetch._Part(tmp_path / "file.bin.part", verified=True)
    with part.locked() as stream:
        stream.write(b"x")
        stream.flush()
        with pytest.raises(FetchError, match="another process is downloading"):
            get(site, tmp_path / "file.bin")
    get(site, tmp_path / "file.bin", sha256=None)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_an_empty_file(site: Site, tmp_path: Path) -> None:
    site.body = b""
    get(site, tmp_path / "file.bin", sha256=hashlib.sha256(b"").hexdigest())
    assert (tmp_path / "file.bin").read_bytes() == b""
