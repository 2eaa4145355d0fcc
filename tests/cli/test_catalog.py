"""`archloom list` and `archloom data`."""

from __future__ import annotations

import io
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from archloom import registry


def test_everything_there_is_is_listed(cli: Any) -> None:
    said = cli("list")
    assert said.code == 0 and said.err == ""
    for name in (*registry.STRATEGIES, *registry.SPACES, "nb201", "nbgraph:cora", "fitted:TABLE", "FILE.py"):
        assert f"  {name} " in said.out
    assert "not on this machine" in said.out


@pytest.mark.parametrize("name", [*registry.STRATEGIES, *registry.SPACES])
def test_the_options_of_one(cli: Any, name: str) -> None:
    said = cli("list", name)
    assert said.code == 0 and said.out.startswith(f"{name}: ") and "options" in said.out


def test_options_are_shown_as_they_are_typed(cli: Any) -> None:
    assert "  population = 100  (a whole number from 1 to 1,000,000)\n" in cli("list", "evolution").out
    assert "  first = true\n" in cli("list", "local_search").out
    assert "  shown = 0  (a whole number of at least 0; 0 is all of them)\n" in cli("list", "local_search").out
    assert "  lr = 0.002  (a finite number above 0)\n" in cli("list", "images").out.replace("task.", "")
    assert "  space.canonical = false\n" in cli("list", "nb201").out
    gan = cli("list", "gan").out
    assert "  space.channels = 256\n" in gan and "  task.ema = 0.999  (a number from 0" in gan, "a space and a task"
    assert "fit the data unless given, if the task says what does (images, gan): population, epochs, step" in cli(
        "list", "searl"
    ).out  # fmt: skip
    assert "  start = \n" in cli("list", "random").out
    assert "no options" in cli("list", "mnasnet").out


@pytest.mark.parametrize("doc", ["", '    """`start` are drawn at random."""\n'])
def test_options_without_a_docstring_have_no_notes(cli: Any, doc: str) -> None:
    (cli.home / "mine.py").write_text(
        "from dataclasses import dataclass\nimport archloom\n\n"
        f"@dataclass(frozen=True)\nclass Options:\n{doc}    start: int = 10\n\n"
        'class Mine(archloom.BaseStrategy):\n    """Mine."""\n    Options = Options\n'
        "    def propose(self): ...\n"
    )
    notes = "\n`start` are drawn at random.\n" if doc else ""
    assert cli("list", "mine.py:Mine").out == f"mine: Mine.\n\noptions (--set NAME=VALUE)\n  start = 10\n{notes}"


def test_a_benchmark_that_is_no_space_is_shown_with_its_space(cli: Any) -> None:
    said = cli("list", "nb301")
    assert said.code == 0 and said.err == ""
    assert said.out.startswith("nb301\n  NAS-Bench-301") and "not here; licence" in said.out
    assert "space darts: archloom list darts" in said.out


def test_where_the_data_are(cli: Any, small_table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = cli("data", "list")
    assert "ARCHLOOM_DATA: not set" in said.out and "not here; licence" in said.out
    (cli.home / "nb201.npz").write_bytes(small_table.read_bytes())
    monkeypatch.setenv("ARCHLOOM_DATA", str(cli.home))
    assert str(cli.home / "nb201.npz") in cli("data", "list").out


def test_a_table_that_is_not_the_benchmark_is_said_to_be_wrong(cli: Any, small_table: Path) -> None:
    said = cli("data", "verify", small_table)
    assert said.code == 1 and "729 rows" in said.out
    assert "  ok   valid: 729 of 729" in said.out and "  WRONG 729 architectures, expected 15625" in said.out


def test_the_real_table_is_right(cli: Any, nb201_table: Any) -> None:
    said = cli("data", "verify", nb201_table.path)
    assert said.code == 0 and "WRONG" not in said.out


def test_no_command_is_help(cli: Any) -> None:
    said = cli("data")
    assert said.code == 0 and "verify" in said.out


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("missing/x.npz", "there is no folder missing; make it first"),
        ("x.txt", "expected a file ending in .npz"),
        ("folder.npz", "is a folder; expected a file"),
    ],
)
def test_where_a_table_goes_is_checked_before_it_is_made(
    cli: Any, monkeypatch: pytest.MonkeyPatch, target: str, message: str
) -> None:
    from archloom.data.convert import official as convert

    monkeypatch.setattr(convert, "convert", lambda *_, **__: pytest.fail("it was converted"))
    (cli.home / "folder.npz").mkdir()
    said = cli("data", "convert", "file", "-o", target)
    assert said.code == 2 and message in said.err and said.err.count("\n") == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "times"), [(Terminal, 20), (io.StringIO, 2)])
def test_progress_is_gone_from_a_terminal_at_the_end(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], times: int
) -> None:
    from archloom.cli import catalog

    clock = itertools.count()
    monkeypatch.setattr(catalog.time, "monotonic", lambda: next(clock) / 2)
    monkeypatch.setattr(sys, "stderr", said := stream())
    with pytest.raises(ValueError), catalog._Stages() as show:
        show.say("fetching")
        for done in range(40):
            show("convert", done, 40)
        raise ValueError
    text = said.getvalue()
    assert text.count("convert: ") >= times
    if stream is Terminal:
        assert text.endswith("\r\x1b[K")
        assert text.count("\n") == 1, "only what was said stays"
    else:
        assert text.endswith("of 40\n")
        assert "\r" not in text


def test_sets_of_images_are_fetched_by_their_name(cli: Any) -> None:
    cli.refuses("data", "fetch", "images:nope", says=["unknown images to download 'nope'", "cifar10, cifar100, stl10"])
    for given in (("--source", "x"), ("--sha256", "0" * 64), ("--keep",), ("--file", "cifar-10-binary.tar.gz")):
        cli.refuses("data", "fetch", "images:cifar10", *given, says=[f"{given[0]}: for tables of benchmarks"])


def test_a_digest_that_is_asked_for_is_checked_whatever_the_file_is_called(cli: Any) -> None:
    for name in ("NATS-tss-v1_0-3ffb9-simple.tar", "NATS-tss-v1_0-3ffb9-simple (1).tar", "mine.tar"):
        (cli.home / name).write_bytes(b"whatever")
        fetch = ("data", "fetch", "nb201", "--file", name)
        cli.refuses(*fetch, says=["the sha256 of the file is 8573", "expected 580f", "none of the official files"])
        cli.refuses(*fetch, "--source", "nasbench201", says=["the md5 of the file is", "expected 55e8"])
        cli.refuses(
            *fetch, "--sha256", "a" * 64, says=["the sha256 of the file is 8573", "which is the --sha256 given"]
        )
        cli.refuses(*fetch, "--sha256", "abc", says=["sha256 'abc': expected 64 hexadecimal digits"])
        cli.refuses(*fetch, "--keep", says=["--keep: nothing is downloaded"])
        right = "85738f8f9a7f1b04b5329c590ebcb9e425925c6d0984089c43a022de4f19c281"
        assert "--sha256" not in cli.refuses(*fetch, "--sha256", f" {right.upper()}"), "and then it is read"
    (cli.home / "folder").mkdir()
    cli.refuses("data", "fetch", "nb201", "--file", "folder", "--sha256", "a" * 64, says=["is a folder, which has no"])
    cli.refuses("data", "fetch", "nb201", "--file", "nowhere", says=["nowhere: no such file or folder"])


PAGE = "<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"


@pytest.mark.parametrize(
    "line",
    [
        "data convert FILE.pth -o x.npz",
        "data convert FILE.tfrecord -o x.npz",
        "data convert FILE.tar -o x.npz",
        "data convert FILE.npz -o x.npz",
        "data convert FILE.pkl -o x.npz --kind nats-tss",
        "data fetch nb201 --file FILE.tar",
        "data fetch nb201 --file FILE.pth --source nasbench201",
        "data fetch nb101 --file nasbench_only108.tfrecord",
        "data fetch inception --file FILE.pth",
        "data verify FILE.npz",
        "search random --on nb201 --table FILE.npz",
        "search random --on table --table FILE.npz",
        "search random --on fitted:FILE.npz",
        "search random --on nb301 --table FILE.npz",
        "search random --on nb301 --table ensemble",
        "search random --on images:./FILE.npz",
        "search random --on images:./FILE.tar.gz",
        "search random --on images:./folder",
        "search random --on gan:./folder",
    ],
)
def test_a_web_page_is_called_that_at_every_door(cli: Any, line: str) -> None:
    words = line.split()
    if "images:" in line or "gan:" in line:
        pytest.importorskip("torch", reason="training needs the extra train")
        pytest.importorskip("PIL", reason="images need the extra train")
    if words[-1] == "ensemble":
        pytest.importorskip("xgboost", reason="ensembles need the extra nb301")
    for name in ("folder/a/1.jpg", "folder/b/1.jpg", "ensemble/0/surrogate_model.model", "nasbench_only108.tfrecord"):
        (cli.home / name).parent.mkdir(parents=True, exist_ok=True)
        (cli.home / name).write_text(PAGE)
    (cli.home / "ensemble" / "0" / "model_config.json").write_text('{"model": "xgb"}')
    for suffix in ("pth", "tfrecord", "tar", "npz", "pkl", "tar.gz"):
        (cli.home / f"FILE.{suffix}").write_text(PAGE)
    cli.refuses(*words, says=["a web page (HTML) that was saved instead of the file"])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"arch,valid\n1,2\n", "text, perhaps CSV"),
        ("a.npz", b"arch,valid\n1,2\n", "text, perhaps CSV"),
        ("a.npz", b"\x93NUMPY\x01\0", "a single array (.npy)"),
        ("a.npz", b"", "an empty file"),
        ("a.json", b'{"a": 1}', "text, perhaps JSON"),
    ],
)
def test_other_files_are_called_what_they_are(cli: Any, name: str, content: bytes, says: str) -> None:
    (cli.home / name).write_bytes(content)
    cli.refuses("data", "verify", name, says=[says, "docs/tables.md"])
    cli.refuses("data", "convert", name, "-o", "x.npz", says=[says, "docs/tables.md"])


def test_a_pipe_is_not_waited_for(cli: Any) -> None:
    os.mkfifo(cli.home / "pipe.npz")
    for line in ("data verify pipe.npz", "data convert pipe.npz -o x.npz", "data fetch nb201 --file pipe.npz"):
        cli.refuses(*line.split(), says=["pipe.npz: n"])


def test_tasks_are_listed_with_their_options(cli: Any) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    assert "images:DATA" in cli("list").out
    said = cli("list", "images").out
    assert "task.batch_size = 64" in said
    assert "data: digits, mnist5k" in said
    assert cli("list", "images:digits").out == said


def test_published_weights_are_listed_and_taken_over(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib
    from dataclasses import replace

    from archloom.data.download import pretrained

    known = pretrained.PRETRAINED["inception"]
    monkeypatch.setattr(
        pretrained, "PRETRAINED", {"inception": replace(known, sha256=hashlib.sha256(b"weights").hexdigest())}
    )
    assert "inception\n  Inception-v3 of December 2015" in cli("data", "list").out
    (cli.home / "wrong.pth").write_bytes(b"others")
    cli.refuses("data", "fetch", "inception", "--file", "wrong.pth", says=["wrong.pth: the sha256 of the file is"])
    for given in (("--source", "x"), ("--sha256", "0" * 64), ("--keep",)):
        cli.refuses("data", "fetch", "inception", *given, says=[f"{given[0]}: for tables of benchmarks; inception is"])
    (cli.home / "right.pth").write_bytes(b"weights")
    said = cli("data", "fetch", "inception", "--file", "right.pth")
    assert said.code == 0 and Path(said.out.strip()).name == known.file_name
    assert said.out.strip() in cli("data", "list").out
