from __future__ import annotations

import hashlib
import http.server
import importlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archloom.data import catalog
from archloom.data.benchmarks import BENCHMARKS, Benchmark, Source
from archloom.data.catalog import add, find, installed, locate, status
from archloom.data.convert import official as convert
from archloom.data.convert import packages
from archloom.data.download.fetch import FetchError
from archloom.data.tables import Table, TableError, load_table, save_table
from archloom.errors import InputError

Content = dict[str, Any]
Environ = dict[str, str]


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    return {"ARCHLOOM_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, content: Content) -> Benchmark:
    """A benchmark whose package is pretended to be installed, in version 1.0, and which has no source."""
    benchmark = Benchmark(
        name="toy",
        space="table",
        title="six architectures",
        file_name="toy.npz",
        licence="",
        size="1 kB",
        citation="",
        package="toy-package",
        provider="toy_provider:make",
        provider_arguments=("argument",),
    )
    module = type("Module", (), {})()
    module.calls = []

    def make(argument: str) -> Table:
        module.calls.append(argument)
        return Table.from_arrays(**content)

    module.make = make
    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name: module if name == "toy_provider" else real(name))
    monkeypatch.setattr(catalog, "BENCHMARKS", {"toy": benchmark})
    monkeypatch.setattr(catalog, "package_version", lambda package: "1.0")
    monkeypatch.setattr(packages, "calls", module.calls, raising=False)
    return benchmark


def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "package_version", lambda package: None)


# --- names ------------------------------------------------------------------------------------------------


def test_find() -> None:
    assert find("nb201").space == "nb201"
    assert find("nbgraph:cora").space == "nbgraph"
    assert find("darts").name == "nb301", "the only benchmark on this space"
    with pytest.raises(InputError, match="unknown benchmark 'nb210'; did you mean 'nb201'"):
        find("nb210")
    with pytest.raises(InputError, match="'nbgraph' needs a dataset; expected one of nbgraph:cora, nbgraph:citeseer"):
        find("nbgraph")
    with pytest.raises(InputError, match="did you mean 'nbgraph:cora'"):
        find("nbgraph:coral")


# --- where a table is found -------------------------------------------------------------------------------


def test_the_order_in_which_places_are_asked(
    toy: Benchmark, environ: Environ, tmp_path: Path, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    everywhere = environ | {"ARCHLOOM_DATA": str(data)}
    made = tmp_path / "cache" / "toy-toy-package-1.0-r1.npz"
    assert status("toy", environ=everywhere) == catalog.Status(toy, None, "package toy-package 1.0")
    assert locate("toy", environ=everywhere) == made
    assert status("toy", environ=everywhere) == catalog.Status(toy, made, "package toy-package 1.0")
    cached = save_table(tmp_path / "cache" / "toy.npz", **content)
    assert locate("toy", environ=everywhere) == cached
    assert status("toy", environ=everywhere).origin == "cache"
    mine = save_table(data / "toy.npz", **content)
    assert locate("toy", environ=everywhere) == mine
    assert status("toy", environ=everywhere).origin == "ARCHLOOM_DATA"
    named = tmp_path / "named.npz"
    assert locate("toy", table=named, environ=everywhere) == named
    assert locate("toy", environ=environ) == cached
    assert [entry.path for entry in installed(environ=everywhere)] == [mine]


def test_a_package_is_converted_once_and_again_for_a_new_version(
    toy: Benchmark, environ: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = packages.calls  # type: ignore[attr-defined]
    first = locate("toy", environ=environ)
    assert locate("toy", environ=environ) == first
    assert calls == ["argument"]
    assert len(load_table(first)) == 6
    monkeypatch.setattr(catalog, "package_version", lambda package: "1.1")
    second = locate("toy", environ=environ)
    assert second.name == "toy-toy-package-1.1-r1.npz"
    assert calls == ["argument", "argument"]
    monkeypatch.setattr(catalog, "_REVISION", 2)
    assert locate("toy", environ=environ).name == "toy-toy-package-1.1-r2.npz"


def test_two_at_once_make_the_same_table(toy: Benchmark, environ: Environ, tmp_path: Path) -> None:
    calls = packages.calls  # type: ignore[attr-defined]
    gate = threading.Barrier(2, timeout=10)
    module: Any = importlib.import_module("toy_provider")
    original = module.make

    def slow(argument: str) -> Table:
        gate.wait()  # both have seen that there is no table yet
        return original(argument)  # type: ignore[no-any-return]

    module.make = slow
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(locate("toy", environ=environ))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 2
    assert found == [tmp_path / "cache" / "toy-toy-package-1.0-r1.npz"] * 2
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [found[0].name]
    assert len(load_table(found[0])) == 6


def test_nothing_found_says_how_to_get_it(environ: Environ, monkeypatch: pytest.MonkeyPatch) -> None:
    no_packages(monkeypatch)
    with pytest.raises(InputError) as caught:
        locate("nb201", environ=environ)
    message = str(caught.value)
    for way in ('pip install "archloom[bench]"', "archloom data fetch nb201", "--table FILE", "ARCHLOOM_DATA"):
        assert way in message
    assert "\n" not in message
    with pytest.raises(InputError) as caught:
        locate("nbgraph:cora", environ=environ)
    assert "data fetch" not in str(caught.value)  # nothing to download
    assert [entry.origin for entry in installed(environ=environ)] == [None] * len(BENCHMARKS)


def test_a_substitute_is_the_last_to_be_found_and_called_one(
    toy: Benchmark, environ: Environ, tmp_path: Path, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = replace(toy, substitutes=("guess.npz", "other.npz"))
    monkeypatch.setattr(catalog, "BENCHMARKS", {"toy": toy})
    data = tmp_path / "data"
    data.mkdir()
    everywhere = environ | {"ARCHLOOM_DATA": str(data)}
    for name in ("other.npz", "guess.npz"):
        save_table(data / name, **content)
    made = tmp_path / "cache" / "toy-toy-package-1.0-r1.npz"
    assert locate("toy", environ=everywhere) == made  # a package is better than a substitute
    no_packages(monkeypatch)
    assert locate("toy", environ=everywhere) == data / "guess.npz"
    assert status("toy", environ=everywhere) == catalog.Status(
        toy, data / "guess.npz", "substitute guess.npz in ARCHLOOM_DATA"
    )
    assert status("toy", environ=environ) == catalog.Status(toy, None, None)
    (data / "guess.npz").rename(tmp_path / "cache" / "guess.npz")
    assert status("toy", environ=environ).origin == "substitute guess.npz in cache"
    assert locate("toy", environ=environ) == tmp_path / "cache" / "guess.npz"
    own = save_table(tmp_path / "cache" / "toy.npz", **content)
    assert locate("toy", environ=everywhere) == own
    assert status("toy", environ=everywhere).origin == "cache"


def test_what_stands_in_for_the_official_table() -> None:
    nb101, nb201 = find("nb101"), find("nb201")
    assert catalog.stands_in(nb101, "nb101_surrogate.npz")
    assert not any(catalog.stands_in(nb101, name) for name in ("nb101.npz", "only108.npz", "nb201.npz"))
    assert catalog.stands_in(nb201, f"nb201-{nb201.package}-1.0-r1.npz")
    assert not catalog.stands_in(nb201, "nb201.npz")


def test_nb101_accepts_the_surrogate_and_says_so(real_table: Callable[[str], Path], environ: Environ) -> None:
    path = real_table("nb101_surrogate.npz")
    if path.with_name("nb101.npz").is_file():
        pytest.skip("ARCHLOOM_DATA has nb101.npz itself")
    here = environ | {"ARCHLOOM_DATA": str(path.parent)}
    assert locate("nb101", environ=here) == path
    assert status("nb101", environ=here).origin == "substitute nb101_surrogate.npz in ARCHLOOM_DATA"


def test_what_can_only_be_put_into_a_folder(environ: Environ, tmp_path: Path) -> None:
    ways = "name it with --table FILE, or put accel_imagenet.npz in the folder ARCHLOOM_DATA"
    with pytest.raises(InputError, match=f"^no table for mnasnet on this machine; {ways}$"):
        locate("mnasnet", environ=environ)
    with pytest.raises(InputError, match=f"^mnasnet is not downloaded: {ways}$"):
        catalog.fetch("mnasnet", environ=environ)
    (tmp_path / "accel_imagenet.npz").touch()
    assert locate("mnasnet", environ={"ARCHLOOM_DATA": str(tmp_path)}) == tmp_path / "accel_imagenet.npz"


def test_a_data_folder_that_is_not_there(environ: Environ, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ARCHLOOM_DATA=.*none: no such folder"):
        locate("nb201", environ=environ | {"ARCHLOOM_DATA": str(tmp_path / "none")})


def test_a_cache_that_cannot_be_made(toy: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be created .*set ARCHLOOM_CACHE"):
        locate("toy", environ={"ARCHLOOM_CACHE": str(tmp_path / "file" / "cache")})


def test_a_real_package(environ: Environ) -> None:
    if packages.package_version("nas-bench-graph") is None:
        pytest.skip("the package nas-bench-graph is not installed")
    path = locate("nbgraph:pubmed", environ=environ)
    assert path.name.startswith("nbgraph_pubmed-nas-bench-graph-")
    table = load_table(path)
    assert (table.space, len(table), table.metrics[0]) == ("nbgraph", 26_206, "pubmed_valid")


# --- fetching ---------------------------------------------------------------------------------------------


@pytest.fixture
def served(toy: Benchmark, monkeypatch: pytest.MonkeyPatch, content: Content) -> Iterator[Callable[[bytes], list[str]]]:
    """Serves bytes as the toy's official file, which a made-up converter reads; gives the list of requests."""
    asked: list[str] = []
    body = bytearray()
    kind = bytearray(b"application/octet-stream")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if body.startswith(b"<html") else kind.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    def read(path: Path, progress: Any) -> Table:
        if progress is not None:
            progress(6, 6)
        return Table.from_arrays(**content)

    converter = convert.Converter("toy-file", "toy.bin", ("toy.bin",), lambda path: path.name.endswith(".bin"), read)
    monkeypatch.setattr(convert, "CONVERTERS", (converter,))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        source = Source(
            name="official",
            kind="toy-file",
            file_name="toy.bin",
            url=f"http://127.0.0.1:{server.server_port}/toy.bin",
            page="https://example.org/toy",
            size_bytes=None,
            sha256=hashlib.sha256(b"official").hexdigest(),
            md5=None,
            digest_note="a test says so",
        )
        monkeypatch.setattr(catalog, "BENCHMARKS", {"toy": replace(toy, sources=(source,))})

        def serve(data: bytes) -> list[str]:
            body[:] = data
            return asked

        try:
            yield serve
        finally:
            server.shutdown()
            thread.join()


def test_fetch_downloads_converts_and_cleans_up(
    served: Callable[[bytes], list[str]], environ: Environ, tmp_path: Path
) -> None:
    asked = served(b"official")
    stages: list[tuple[str, int, int | None]] = []
    path = catalog.fetch("toy", environ=environ, progress=lambda *stage: stages.append(stage))
    assert path == tmp_path / "cache" / "toy.npz"
    assert locate("toy", environ=environ) == path
    assert len(load_table(path)) == 6
    assert asked == ["/toy.bin"]
    assert stages == [("download", 8, 8), ("convert", 6, 6)]
    assert list((tmp_path / "cache" / "downloads").iterdir()) == []


def test_fetch_can_keep_the_download(served: Callable[[bytes], list[str]], environ: Environ, tmp_path: Path) -> None:
    asked = served(b"official")
    catalog.fetch("toy", environ=environ, keep=True)
    catalog.fetch("toy", environ=environ, keep=True)
    assert asked == ["/toy.bin"]
    assert (tmp_path / "cache" / "downloads" / "toy.bin").read_bytes() == b"official"


def test_fetch_refuses_another_file_unless_the_user_vouches(
    served: Callable[[bytes], list[str]], environ: Environ, tmp_path: Path
) -> None:
    served(b"another")
    with pytest.raises(FetchError, match=r"the sha256 of the file is .*; by hand: https://example.org/toy"):
        catalog.fetch("toy", environ=environ)
    assert not (tmp_path / "cache" / "toy.npz").exists()
    path = catalog.fetch("toy", environ=environ, sha256=hashlib.sha256(b"another").hexdigest())
    assert path.is_file()


def test_a_web_page_says_what_to_do_by_hand(served: Callable[[bytes], list[str]], environ: Environ) -> None:
    served(b"<html>quota exceeded</html>")
    with pytest.raises(
        FetchError, match=r"web page .*https://example.org/toy, then archloom data fetch toy --file toy.bin"
    ):
        catalog.fetch("toy", environ=environ)


def test_fetch_of_what_only_packages_bring(environ: Environ) -> None:
    with pytest.raises(InputError, match=r"nbgraph:cora is not downloaded: .*archloom\[bench\]"):
        catalog.fetch("nbgraph:cora", environ=environ)
    with pytest.raises(InputError, match=r"unknown source of nb201 'nasbench'.*did you mean 'nasbench201'"):
        catalog.fetch("nb201", environ=environ, source="nasbench")


def test_add_a_file_that_is_here(
    served: Callable[[bytes], list[str]], environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toy.bin").write_bytes(b"damaged")
    with pytest.raises(TableError, match=r"sha256 of the file is .*a test says so.*--sha256"):
        add("toy", tmp_path / "toy.bin", environ=environ)
    (tmp_path / "toy.bin").write_bytes(b"official")
    assert add("toy", tmp_path / "toy.bin", environ=environ) == tmp_path / "cache" / "toy.npz"
    (tmp_path / "toy (1).bin").write_bytes(b"whatever")
    with pytest.raises(TableError, match=r"none of the official files \(toy.bin\).*--sha256"):
        add("toy", tmp_path / "toy (1).bin", environ=environ)
    vouched = hashlib.sha256(b"whatever").hexdigest()
    assert add("toy", tmp_path / "toy (1).bin", environ=environ, sha256=vouched).is_file()
    (tmp_path / "renamed.bin").write_bytes(b"official")
    with pytest.raises(TableError, match="which is the --sha256 given"):
        add("toy", tmp_path / "renamed.bin", environ=environ, sha256=vouched)
    assert add("toy", tmp_path / "renamed.bin", environ=environ).is_file()
    (tmp_path / "renamed.bin").rename(tmp_path / "renamed")  # which the converter does not recognise
    with pytest.raises(TableError, match="not a benchmark file"):
        add("toy", tmp_path / "renamed", environ=environ)
    assert add("toy", tmp_path / "renamed", environ=environ, source="official").is_file()
    with pytest.raises(InputError, match=r"unknown source of toy 'toy-file'.* \(known: official\)"):
        add("toy", tmp_path / "renamed", environ=environ, source="toy-file")
    (tmp_path / "renamed").rename(tmp_path / "renamed.bin")
    monkeypatch.setattr(catalog, "BENCHMARKS", {"toy": replace(find("toy"), space="nb201")})
    with pytest.raises(TableError, match="holds the space 'table'; toy needs 'nb201'"):
        add("toy", tmp_path / "renamed.bin", environ=environ)


def test_a_table_with_wrong_answers_is_not_installed(
    served: Callable[[bytes], list[str]], environ: Environ, tmp_path: Path, content: Content,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    content["space"] = "nb201"
    monkeypatch.setattr(catalog, "BENCHMARKS", {"toy": replace(find("toy"), space="nb201")})
    served(b"official")
    with pytest.raises(TableError, match="not the whole toy: 6 architectures, expected 15625"):
        catalog.fetch("toy", environ=environ)
    assert not (tmp_path / "cache" / "toy.npz").exists()
