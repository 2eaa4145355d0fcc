"""What a command opens, chooses and checks: each thing once, and before anything is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom import api, registry
from archloom.cli.main import run as archloom
from archloom.data.tables import save_table
from archloom.errors import InputError
from archloom.problems import Problem, ProblemSpec
from archloom.problems.own_file import OwnFile
from archloom.problems.tabular import BenchmarkSource
from archloom.runs import folders
from archloom.runs.prepare import Preparer, Request, choose_strategy
from archloom.runs.search import Limits
from archloom.spaces.base import Categorical
from archloom.strategies.base import BaseStrategy
from archloom.strategies.random_search import RandomSearch
from archloom.types import Arch
from archloom.utils import options

# -- everything once ----------------------------------------------------------------------------------------------


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often options are parsed, by whose they are, strategies built, problems opened and evaluators made."""
    seen: Counter[str] = Counter()

    def counting(owner: Any, name: str, label: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def counted(*given: Any, **named: Any) -> Any:
            seen[label(*given)] += 1
            return real(*given, **named)

        monkeypatch.setattr(owner, name, counted)

    counting(options, "convert_all", lambda owner, *_: f"options of {owner.split()[0]}")
    counting(BaseStrategy, "__init__", lambda strategy, *_: f"{type(strategy).__name__} built")
    for kind in (BenchmarkSource, OwnFile):
        counting(kind, "open", lambda *_: "problems opened")
    counting(BenchmarkSource, "found", lambda *_: "tables found")
    return seen


@pytest.fixture
def here(tmp_path: Path, small_table: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to run commands in, where `nb201` is a small table."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nb201.npz").write_bytes(small_table.read_bytes())
    monkeypatch.setenv("ARCHLOOM_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_search_does_everything_once(here: Path, count: Counter[str]) -> None:
    assert archloom(["search", "cadam", "--on", "nb201", "--queries", "5", "--out", "run", "--quiet"]) == 0
    once = {"options of strategy": 1, "options of space": 1, "Cadam built": 1, "problems opened": 1, "tables found": 1}
    assert count == once
    count.clear()
    (here / "run" / "summary.json").unlink()
    assert archloom(["resume", "run", "--quiet"]) == 0
    assert count == once


def test_compare_does_everything_once(here: Path, count: Counter[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra plots")
    words = [
        "compare",
        "random",
        "evolution",
        "local_search",
        "--on",
        "nb201",
        "--queries",
        "6",
        "--seeds",
        "2",
        "--out",
        "cmp",
        "--quiet",
    ]
    assert archloom(words) == 0
    once = {
        "options of strategy": 3, "options of space": 1, "problems opened": 1, "tables found": 1,
        "RandomSearch built": 2, "Evolution built": 2, "LocalSearch built": 2,
    }  # fmt: skip
    assert count == once
    count.clear()
    assert archloom(["resume", "cmp", "--quiet"]) == 0
    assert count == once
    for words in (["plot", "cmp"], ["best", "cmp"], ["export", "cmp", "-o", "net.py"]):
        count.clear()
        assert archloom(words) == 0
        assert count == {"options of space": 1, "problems opened": 1, "tables found": 1}
    count.clear()
    assert archloom(["status", "cmp"]) == 0
    assert not count


def test_seeds_do_everything_once(here: Path, count: Counter[str]) -> None:
    assert (
        archloom(["search", "random", "--on", "nb201", "--queries", "5", "--seeds", "3", "--out", "seeds", "--quiet"])
        == 0
    )
    assert count == {
        "options of strategy": 1, "options of space": 1, "problems opened": 1, "tables found": 1,
        "RandomSearch built": 3,
    }  # fmt: skip


def test_a_problem_file_is_run_once_in_this_process(here: Path, count: Counter[str]) -> None:
    (here / "mine.py").write_text(
        "import archloom, os\n"
        "with open('opened', 'a') as file: file.write(f'{os.getpid()}\\n')\n"
        "space = archloom.Categorical({'a': [1, 2, 3]})\n"
        "problem = archloom.Problem(space, lambda c: c['a'], goals={'s': 'max'})\n"
    )
    assert archloom(["search", "random", "--on", "mine.py", "--queries", "3", "--out", "run", "--quiet"]) == 0
    processes = (here / "opened").read_text().split()
    assert len(processes) == 2 == len(set(processes)), "this process, and the worker that evaluates"


def test_problems_are_the_same_by_their_name_and_by_their_tables_place(here: Path, count: Counter[str]) -> None:
    preparer = Preparer()
    named = preparer.scenario(ProblemSpec("nb201"))
    placed = preparer.scenario(ProblemSpec("nb201", str(here / "data" / "nb201.npz")))
    other = preparer.scenario(ProblemSpec("nb201", objectives=("test",)))
    assert named.problem is placed.problem is other.problem
    assert preparer.scenario(ProblemSpec("nb201")) is named
    assert preparer.scenario(ProblemSpec("nb201", space={"canonical": "true"})).problem is not named.problem
    assert count["problems opened"] == 2


class Plain:
    """A space with nothing but what every space has."""

    name = "plain"

    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch((int(rng.integers(9)),))

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        return self.sample(rng)

    def violations(self, arch: Arch) -> dict[str, float]:
        return {}

    def canonical(self, arch: Arch) -> Arch:
        return arch

    def key(self, arch: Arch) -> str:
        return self.format(arch)

    def format(self, arch: Arch) -> str:
        return str(arch.genes[0])

    def parse(self, text: str) -> Arch:
        return Arch((int(text),))


@pytest.mark.parametrize(
    ("strategy", "why"),
    [
        ("graph_bo", "strategy GraphBo: space 'plain' does not show its architectures as numbers: expected a subclass"),
        (
            "local_search",
            "strategy LocalSearch needs a space with neighbours, which space 'plain' does not have; ",
        ),
    ],
)
def test_a_space_that_a_strategy_cannot_search_is_told_with_those_that_can(strategy: str, why: str) -> None:
    problem = Problem(Plain(), lambda arch: 1.0, {"score": "max"})
    with pytest.raises(InputError) as caught:
        api.run(strategy, on=problem)
    said, _, these = str(caught.value).partition("; on this space these work: ")
    assert said.startswith(why) and these.split(", ") == ["random", "evolution"]


def test_the_strategy_that_was_checked_is_the_one_that_runs(here: Path) -> None:
    request = Request("evolution", ProblemSpec("nb201"), 3, Limits(9))
    preparer = Preparer()
    checked = preparer.check(request)
    assert preparer.check(request).strategy is checked.strategy
    assert preparer.prepare(request).strategy is checked.strategy
    assert preparer.prepare(request).strategy is not checked.strategy, "one strategy is for one run"
    first, second = (folders.run_in_memory(request, preparer).history for _ in range(2))
    assert first == second == folders.run_in_memory(request).history


def test_evaluators_are_made_when_they_are_used(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = BenchmarkSource.open

    def opened(source: BenchmarkSource, spec: ProblemSpec) -> Any:
        problem = real(source, spec)
        evaluator = problem.evaluator
        monkeypatch.setattr(problem, "evaluator", lambda *metrics: made.append("made") or evaluator(*metrics))
        return problem

    monkeypatch.setattr(BenchmarkSource, "open", opened)
    preparer = Preparer()
    prepared = preparer.check(Request("random", ProblemSpec("nb201"), 0, Limits(3)))
    assert not made
    assert prepared.scenario.evaluator is prepared.scenario.evaluator
    assert made == ["made"]


# -- files that options name --------------------------------------------------------------------------------------

READER = """
from dataclasses import dataclass
from pathlib import Path
import archloom

@dataclass(frozen=True)
class Options:
    weights: Path | None = None
    scale: int = 1

class Reader(archloom.BaseStrategy):
    Options = Options

    def propose(self):
        assert self.options.weights is None or self.options.weights.read_text()
        return archloom.Proposal(self.sample_valid())
"""


@pytest.fixture
def reader(here: Path) -> Path:
    (here / "code").mkdir()
    (here / "code" / "reader.py").write_text(READER)
    (here / "weights.bin").write_text("1 2 3")
    return here / "code" / "reader.py"


LEARNS = """
import archloom

class Learns(archloom.BaseStrategy):
    metrics = ("params",)

    def propose(self):
        return archloom.Proposal(self.sample_valid())
"""


def test_all_seeds_share_the_evaluator_of_a_strategy_that_learns_from_more(here: Path) -> None:
    (here / "learns.py").write_text(LEARNS)
    preparer, spec = Preparer(), ProblemSpec("nb201", objectives=("valid",))
    plain = [preparer.check(Request("random", spec, seed)).scenario for seed in (0, 1)]
    learns = [preparer.check(Request("learns.py", spec, seed)).scenario for seed in (0, 1)]
    assert learns[0].metrics == ("params",)
    assert learns[0] is learns[1] and learns[0].evaluator is learns[1].evaluator
    assert plain[0] is plain[1] and plain[0] is not learns[0]


def test_what_a_strategy_learns_from_may_depend_on_its_options(here: Path) -> None:
    preparer = Preparer()
    chosen = preparer.check(Request("ddas", ProblemSpec("nb201", objectives=("valid",)), options={"loss": "params"}))
    assert chosen.scenario.metrics == ("params",)
    assert preparer.check(Request("ddas", ProblemSpec("nb201"), options={"loss_weight": "0"})).scenario.metrics == ()
    with pytest.raises(InputError, match=r"metric that ddas learns from 'valid_loss'.*; archloom list ddas shows"):
        preparer.check(Request("ddas", ProblemSpec("nb201")))


class Referring(RandomSearch):
    """Keeps what it is told that the problem starts from."""

    takes_reference = True

    def __init__(self, *arguments: Any, reference: Mapping[str, float], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.reference = reference


class Refers(Problem):
    """A problem whose reference takes a moment to measure."""

    measured = 0

    @property
    def reference(self) -> Mapping[str, float]:  # type: ignore[override]
        self.measured += 1
        return {"score": 3.0}


def test_a_strategy_that_takes_it_is_told_what_the_problem_starts_from() -> None:
    problem = Refers(Categorical({"a": [1, 2]}), lambda choices: choices["a"], {"score": "max"})
    scenario, preparer = api.scenario(problem), Preparer()
    preparer.adopt(scenario)
    preparer.check(Request("random", scenario.spec))
    assert problem.measured == 0, "not for those that do not take it"
    preparer.find(Referring)
    strategy: Any = preparer.check(Request(preparer.find(Referring).given, scenario.spec)).strategy
    assert strategy.reference == {"score": 3.0}


def test_files_that_options_name_are_pinned(here: Path, reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["search", "code/reader.py", "--on", "nb201", "--queries", "4", "--out", "run", "--quiet"]
    assert archloom([*words, "--set", "weights=weights.bin"]) == 0
    manifest = json.loads((here / "run" / "run.json").read_text())
    assert manifest["request"]["strategy"] == f"{reader}:Reader"
    assert manifest["request"]["options"] == {"weights": str(here / "weights.bin")}
    assert list(manifest["files"]) == [str(reader), str(here / "weights.bin")]
    monkeypatch.chdir(here / "code")
    (here / "run" / "summary.json").unlink()
    assert archloom(["resume", str(here / "run"), "--quiet"]) == 0, "from any folder"


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("changed", ["weights.bin", "code/reader.py"])
def test_a_file_that_changed_is_noticed(
    here: Path, reader: Path, changed: str, group: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", "code/reader.py:Reader", "--on", "nb201", "--queries", "4", "--out", "run", "--quiet"]
    assert archloom([*words, "--set", "weights=weights.bin", *(["--seeds", "2"] if group else [])]) == 0
    for summary in (here / "run").rglob("summary.json"):
        summary.unlink()
    (here / changed).write_text((here / changed).read_text() + "\n")
    capsys.readouterr()
    assert archloom(["resume", "run", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert f"{here / changed} has changed since run was started" in error and "archloom resume run --changed" in error
    assert len(error.splitlines()) == 1
    assert archloom(["resume", "run", "--changed", "--quiet"]) == 0


def test_a_file_that_is_not_there_is_told_before_anything_is_written(
    here: Path, reader: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", str(reader), "--on", "nb201", "--out", "run", "--set"]
    for wrong, said in (
        ("none.bin", "none.bin: there is no such file"),
        ("code", "is a folder; expected a file"),
    ):
        assert archloom([*words, f"weights={wrong}"]) == 2
        error = capsys.readouterr().err
        assert "strategy reader option weights=" in error and said in error
    assert not (here / "run").exists()


def test_a_path_is_the_same_as_its_text(here: Path, reader: Path) -> None:
    by_text = choose_strategy(str(reader), {"weights": "weights.bin", "scale": 2})
    by_path = choose_strategy(str(reader), {"weights": here / "weights.bin", "scale": 2})
    assert by_text.settings == by_path.settings == {"weights": str(here / "weights.bin"), "scale": 2}
    assert by_text.options.weights == by_path.options.weights == here / "weights.bin"
    assert by_text.option_files == (here / "weights.bin",)


SPACE_WITH_A_FILE = """
from pathlib import Path
from archloom.spaces.table import TableSpace

class Masked(TableSpace):
    name = "masked"

    def __init__(self, options, rows=None, mask: Path | None = None):
        super().__init__(options, rows)
        self.mask = mask

    @classmethod
    def for_table(cls, options, rows, mask=None):
        return cls(options, rows, mask)
"""


def test_files_of_the_spaces_options_are_pinned_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "masked.py").write_text(SPACE_WITH_A_FILE)
    monkeypatch.syspath_prepend(here)
    entries = {**registry.SPACES, "masked": registry.Entry("masked:Masked", "a space with a file")}
    monkeypatch.setattr(registry, "SPACES", registry.Registry("space", "archloom.spaces", entries))
    save_table(
        here / "t.npz", space="masked", gene_names=["a"], options=[["x", "y"]], genes=np.array([[0], [1]]),
        metrics={"valid": [1.0, 2.0]}, goals={"valid": "max"}, source="made for a test", units="",
    )  # fmt: skip
    (here / "mask.txt").write_text("all")
    words = "search random --table t.npz --set space.mask=mask.txt --queries 2 --out run --quiet"
    assert archloom(words.split()) == 0
    manifest = json.loads((here / "run" / "run.json").read_text())
    assert manifest["request"]["problem"]["space"] == {"mask": str(here / "mask.txt")}
    assert list(manifest["files"]) == [str(here / "mask.txt")]
    (here / "run" / "summary.json").unlink()
    (here / "mask.txt").write_text("none")
    with pytest.raises(InputError, match=r"mask\.txt has changed since"):
        folders.run_folder(here / "run")


# -- how long networks are trained --------------------------------------------------------------------------------

POPULATION = {"population": "4", "epochs": "6", "step": "2"}


def test_a_population_tells_its_task_how_long_it_trains() -> None:
    spec = ProblemSpec("images:digits", task={"schedule": "cosine"})
    assert choose_strategy("pbt_nas", POPULATION).spec(spec).task == {"schedule": "cosine", "epochs": "6"}
    for asked in ("6", 6):
        assert choose_strategy("pbt_nas", POPULATION).spec(replace(spec, task={"epochs": asked})).task == {
            "epochs": "6"
        }
    with pytest.raises(InputError, match=r"task\.epochs=5: pbt_nas itself decides .* 6 epochs; .* --set epochs=5"):
        choose_strategy("pbt_nas", POPULATION).spec(replace(spec, task={"epochs": "5"}))
    for strategy, other in (("random", spec), ("pbt_nas", ProblemSpec("mine.py")), ("pbt_nas", ProblemSpec("nb201"))):
        options = POPULATION if strategy == "pbt_nas" else {}
        assert choose_strategy(strategy, options).spec(other) == other


def test_the_epochs_of_all_networks_together(trained: Path, planted: Path) -> None:
    def total(strategy: str, queries: int | None, on: Path) -> int | None:
        options = POPULATION if strategy != "random" else {}
        limits = choose_strategy(strategy, options).limits({} if queries is None else {"queries": queries})
        request = Request(strategy, ProblemSpec(str(on)), 0, limits, options)
        return Preparer().check(request).epochs_in_all

    assert total("pbt_nas", None, trained) == 24
    assert total("random_population", 8, trained) == 16
    assert total("searl", 99, trained) == 24, "it ends where its plan does"
    assert total("random", 3, trained) == 30, "the task's own 10 epochs"
    assert total("random", 3, planted) is None
