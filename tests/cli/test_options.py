"""Options that several verbs share."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from archloom.cli import options
from archloom.errors import InputError


def test_settings_are_the_strategys_the_spaces_or_the_tasks() -> None:
    given = ["population=50", "space.canonical=true", " sample = 3 ", "text=a=b"]
    assert options.split_settings([*given, "task.batch=64"]) == options.Settings(
        {"population": "50", "sample": "3", "text": "a=b"}, {"canonical": "true"}, {"batch": "64"}
    )


NONE = options.Settings({}, {}, {})


def test_a_new_folder_is_the_first_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with options.claimed_folder("random-nb201") as first, options.claimed_folder("random-nb201") as second:
        assert (first, second) == (Path("runs/random-nb201"), Path("runs/random-nb201-2"))
        (first / "something").touch()
    assert [path.name for path in Path("runs").iterdir()] == ["random-nb201"], "what stayed empty goes again"
    Path("runs/random-nb201-2").write_text("a file")
    with options.claimed_folder("random-nb201") as third:
        assert third == Path("runs/random-nb201-3") and third.is_dir()
    with options.claimed_folder("random-nbgraph:cora/../x") as odd:
        assert odd == Path("runs/random-nbgraph-cora----x")


def test_a_new_folder_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="File name too long"), options.claimed_folder("x" * 300):
        pass
    with pytest.raises(RuntimeError), options.claimed_folder("x"):
        raise RuntimeError
    assert not list(tmp_path.iterdir()), "nor is runs/ left behind"
    Path("runs").write_text("mine")
    with pytest.raises(InputError, match="runs is a file"), options.claimed_folder("x"):
        pass


def test_everybody_who_starts_at_once_gets_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    barrier, names = threading.Barrier(8), list[str]()

    def start() -> None:
        barrier.wait()
        with options.claimed_folder("x") as path:
            (path / "run.json").touch()
            names.append(path.name)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == ["x", *(f"x-{number}" for number in range(2, 9))]


def test_a_table_alone_says_what_it_is(small_table: Path) -> None:
    assert options.spec_of(None, str(small_table), [], [], [], None, NONE).on == "nb201"
    assert options.spec_of(None, None, [], [], [], None, NONE).on == options.DEFAULT_ON
    assert options.spec_of("table", str(small_table), [], [], [], None, NONE).on == "table"


@pytest.mark.parametrize("bad", [0, -1, 10_001, 2**70])
def test_counts_have_bounds(bad: int) -> None:
    with pytest.raises(InputError, match=f"--seeds {bad}: expected 1 to 10000"):
        options.check_seeds(bad)
    assert options.check_seeds(10_000) == 10_000
    if bad < 1:
        with pytest.raises(InputError, match=f"--workers {bad}: expected at least 1"):
            options.check_workers(bad)
