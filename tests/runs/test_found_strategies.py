from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import archloom
from archloom.errors import InputError
from archloom.runs.found_strategies import find_strategy, name_of
from archloom.strategies.evolution import Evolution
from archloom.strategies.random_search import RandomSearch

BLR = """
import archloom

class Base(archloom.BaseStrategy):
    \"\"\"What others here are made of.\"\"\"

class Blr(Base):
    def propose(self):
        return archloom.Proposal(self.sample_valid())
"""


@pytest.fixture
def blr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delitem(sys.modules, "my_strategy", raising=False)
    path = tmp_path / "my_strategy.py"
    path.write_text(BLR)
    return path


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("random", "random"),
        ("my_strategy.py:Blr", "blr"),
        ("/a/b.py:TreeParzenEstimator", "tree_parzen_estimator"),
        ("/a/b.py:GPSearch2D", "gp_search2_d"),
        ("/a/b.py:_Own", "own"),
        ("a/my_strategy.py", "my_strategy"),
    ],
)
def test_what_people_call_a_strategy(given: str, name: str) -> None:
    assert name_of(given) == name


def test_by_its_registered_name() -> None:
    found = find_strategy("evolution")
    assert (found.given, found.kind, found.file, found.name) == ("evolution", Evolution, None, "evolution")


@pytest.mark.parametrize("name", ["", ":Blr"])
def test_in_a_file(blr: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(blr.parent)
    found = find_strategy(f"my_strategy.py{name}")
    assert (found.given, found.name, found.file) == (f"{blr}:Blr", "blr", blr)
    assert found.kind.__name__ == "Blr" and found.reopens


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        (BLR, "none.py:Blr", "strategy none.py:Blr: there is no file none.py"),
        (BLR, "mine.py:Brl", "mine.py defines no 'Brl' (strategies in it: Blr)"),
        (BLR, "mine.py:Base", "Base in mine.py is incomplete: it lacks propose"),
        (
            BLR,
            "mine.py:archloom",
            "archloom in mine.py is not a strategy: expected a subclass of archloom.BaseStrategy",
        ),
        (
            BLR + "class Other(Blr): pass",
            "mine.py",
            "mine.py defines 2 strategies (Blr, Other): expected one, or name it",
        ),
        ("import archloom", "mine.py", "mine.py defines no strategy: expected one, or name it: mine.py:CLASS"),
        (
            "import archloom\nmine = archloom.Problem(archloom.Categorical({'a': [1, 2]}), lambda c: 1, {'s': 'max'})",
            "mine.py",
            "mine.py defines no strategy: expected one, or name it: mine.py:CLASS; to search on what it def",
        ),
        ("raise ValueError('a\\nb')", "mine.py", "mine.py cannot be loaded: ValueError: a b"),
        ("raise SystemExit(0)", "mine.py:Blr", "mine.py cannot be loaded: SystemExit: 0"),
    ],
)
def test_what_is_no_strategy_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, given: str, message: str
) -> None:
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        find_strategy(given)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_a_class_that_is_registered_goes_by_its_name() -> None:
    assert find_strategy(RandomSearch).given == "random"


def test_a_class_of_a_file_goes_by_that(blr: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(blr.parent)
    import my_strategy  # type: ignore[import-not-found]

    found = find_strategy(my_strategy.Blr)
    assert (found.given, found.file, found.reopens) == (f"{blr}:Blr", blr, True)
    assert found.kind is my_strategy.Blr


def test_a_class_that_cannot_be_loaded_again_is_for_memory() -> None:
    class Here(RandomSearch):
        pass

    found = find_strategy(Here)
    assert (found.given, found.name, found.kind, found.reopens) == ("Here", "Here", Here, False)
    with pytest.raises(InputError, match="int is not a strategy"):
        find_strategy(int)


def test_a_script_runs_its_own_class_in_memory_and_is_told_how_to_keep_it(blr: Path, data_dir: Path) -> None:
    script = blr.parent / "script.py"
    script.write_text(
        BLR + "found = archloom.run(Blr, on='nb201', queries=5)\n"
        "print(found.history.queries, found.request.strategy)\n"
        "archloom.run(Blr, on='nb201', queries=5, out='run')\n"
    )
    done = subprocess.run([sys.executable, script], cwd=blr.parent, capture_output=True, text=True, check=False)
    assert done.stdout == "5 Blr\n"
    assert "Blr of __main__ cannot be loaded from there again; put it into a file of its own" in done.stderr
    assert not (blr.parent / "run").exists()


def test_a_class_of_a_file_can_be_kept(blr: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(blr.parent)
    import my_strategy

    first = archloom.run(my_strategy.Blr, on="nb201", queries=5, out=blr.parent / "run")
    again = archloom.run(f"{blr}:Blr", on="nb201", queries=5, out=blr.parent / "run")
    assert first.request == again.request and first.history == again.history
    assert first.request.name == "blr"
