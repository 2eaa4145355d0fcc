"""Published weights: where they are looked for, and how they are downloaded."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archloom.data.download import pretrained
from archloom.data.download.fetch import FetchError
from archloom.errors import InputError

CONTENT = bytes(range(256)) * 2000
NAME = "weights-inception-2015-12-05-6726825d.pth"


def test_what_is_known_agrees_with_itself() -> None:
    """PyTorch's convention: a file of weights has the beginning of its SHA-256 in its name."""
    for weights in pretrained.PRETRAINED.values():
        assert weights.url.startswith("https://") and weights.url.endswith(f"/{weights.file_name}")
        digits = weights.file_name.removesuffix(".pth").rpartition("-")[2]
        assert len(weights.sha256) == 64 and weights.sha256.startswith(digits)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A cache and a folder of data, and a small file that counts as the published one."""
    small = replace(pretrained.PRETRAINED["inception"], sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(pretrained, "PRETRAINED", {"inception": small})
    (tmp_path / "data").mkdir()
    return {"ARCHLOOM_CACHE": str(tmp_path / "cache"), "ARCHLOOM_DATA": str(tmp_path / "data")}


def put(folder: str, content: bytes = CONTENT) -> Path:
    file = Path(folder, NAME)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return file


def test_the_folder_of_data_comes_before_the_cache(places: dict[str, str]) -> None:
    cached = put(places["ARCHLOOM_CACHE"])
    assert pretrained.locate("inception", places) == cached
    own = put(places["ARCHLOOM_DATA"])
    assert pretrained.locate("inception", places) == own
    assert pretrained.locate("inception", {"ARCHLOOM_CACHE": places["ARCHLOOM_CACHE"]}) == cached


def test_what_is_nowhere_is_told_in_one_line(places: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"'inception' \(.*archloom data fetch inception.*\(96 MB\), or put") as told:
        pretrained.locate("inception", places)
    assert NAME in str(told.value) and "\n" not in str(told.value)
    with pytest.raises(InputError, match=r"unknown weights 'inceptoin'; did you mean 'inception'"):
        pretrained.locate("inceptoin", places)


def test_other_weights_under_that_name_are_refused(places: dict[str, str]) -> None:
    file = put(places["ARCHLOOM_DATA"], b"torchvision's")
    with pytest.raises(InputError, match=r"6726825d\.pth: the sha256 of the file is .*archloom data fetch inception"):
        pretrained.locate("inception", places)
    with pytest.raises(InputError, match="the sha256 of the file is"):
        pretrained.add("inception", file, places)
    assert not Path(places["ARCHLOOM_CACHE"]).exists()


def test_a_file_that_is_here_is_taken_over(places: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "downloaded.pth").write_bytes(CONTENT)
    found = pretrained.add("inception", tmp_path / "downloaded.pth", places)
    assert found == Path(places["ARCHLOOM_CACHE"], NAME) == pretrained.locate("inception", places)
    assert found.read_bytes() == CONTENT
    assert pretrained.add("inception", found, places) == found, "the cache's own file, too"
    assert found.read_bytes() == CONTENT
    with pytest.raises(InputError, match=r"missing\.pth: there is no such file"):
        pretrained.add("inception", tmp_path / "missing.pth", places)


Serve = Callable[..., list[str | None]]


@pytest.fixture
def serve(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serves a body at the weights' address, the first answer cut short where asked; gives the ranges asked for."""
    asked: list[str | None] = []
    body, cuts = bytearray(), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            self.send_response(206 if start else 200)
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(len(body) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.end_headers()
            self.wfile.write(body[start : cuts.pop()] if cuts else body[start:])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        here = replace(pretrained.PRETRAINED["inception"], url=f"http://127.0.0.1:{server.server_port}/{NAME}")
        monkeypatch.setattr(pretrained, "PRETRAINED", {"inception": here})

        def serving(content: bytes, cut: int | None = None) -> list[str | None]:
            body[:] = content
            cuts[:] = [cut] if cut else []
            return asked

        try:
            yield serving
        finally:
            server.shutdown()
            thread.join()


def test_a_download_lands_in_the_cache_once(serve: Serve, places: dict[str, str]) -> None:
    asked = serve(CONTENT)
    seen: list[tuple[int, int | None]] = []
    file = pretrained.fetch("inception", places, progress=lambda done, total: seen.append((done, total)))
    assert file == pretrained.locate("inception", places) == Path(places["ARCHLOOM_CACHE"], NAME)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert pretrained.fetch("inception", places) == file
    assert asked == [None], "what is there is not asked for again"
    assert [other.name for other in file.parent.iterdir()] == [NAME]


def test_a_download_that_breaks_off_is_gone_on_with(serve: Serve, places: dict[str, str]) -> None:
    asked, notes = serve(CONTENT, cut=300_000), []
    assert pretrained.fetch("inception", places, notify=notes.append).read_bytes() == CONTENT
    assert asked == [None, "bytes=300000-"]
    assert "trying again" in notes[0]


def test_a_download_of_something_else_is_not_kept(serve: Serve, places: dict[str, str]) -> None:
    serve(b"other weights")
    with pytest.raises(FetchError, match=r"the sha256 of the file is .*archloom data fetch inception --file"):
        pretrained.fetch("inception", places)
    assert list(Path(places["ARCHLOOM_CACHE"]).iterdir()) == []
