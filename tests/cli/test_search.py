"""`archloom search` and `archloom resume`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archloom.checkpoints.budget import format_bytes
from archloom.problems import ProblemSpec
from archloom.runs.prepare import Preparer


def arguments(table: Path, *more: object, strategy: str = "random") -> list[object]:
    return ["search", strategy, "--on", "nb201", "--table", table, "--queries", 20, *more]


def same(text: str) -> Any:
    """A printed object without what time it took."""
    found = json.loads(text)
    for run in found["runs"]:
        del run["seconds"]
    return found


def test_one_seed(cli: Any, small_table: Path) -> None:
    said = cli(*arguments(small_table, "--json", "--out", "run"))
    assert said.code == 0 and said.err == "run folder: run\n" and said.out.count("\n") == 1
    found = json.loads(said.out)
    assert {"strategy", "on", "table", "objective", "queries", "runs", "mean", "std"} <= set(found)
    assert [(run["seed"], run["out"], run["queries"]) for run in found["runs"]] == [(0, "run", 20)]
    assert sorted(path.name for path in (cli.home / "run").iterdir() if path.name != "lock") == [
        "run.json", "state.npz", "summary.json", "trials.jsonl",
    ]  # fmt: skip
    assert same(cli(*arguments(small_table, "--json", "--seed", 0, "--out", "again")).out)["mean"] == found["mean"]


def test_the_strategy_is_graph_bo_if_none_is_named(cli: Any, small_table: Path) -> None:
    (cli.home / "mine.toml").write_text("queries = 9\n")
    (cli.home / "other.toml").write_text('queries = 9\nstrategy = "random"\n')
    on = ("--on", "nb201", "--table", small_table, "--json", "--quiet")
    for file, strategy in (("mine", "graph_bo"), ("other", "random")):
        said = cli("search", *on, "--config", f"{file}.toml")
        assert said.code == 0 and said.err == ""
        assert json.loads(said.out)["strategy"] == strategy
    named = cli("search", "graph_bo", *on, "--queries", 9)
    assert same(named.out)["runs"][0]["curve"] == same(cli("search", *on, "--queries", 9).out)["runs"][0]["curve"]


def test_without_out_a_new_folder_is_made_each_time(cli: Any, small_table: Path) -> None:
    for folder in ("random-nb201", "random-nb201-2"):
        found = json.loads(cli(*arguments(small_table, "--json")).out)
        assert found["runs"][0]["out"] == f"runs/{folder}"


@pytest.mark.parametrize("workers", [1, 2])
def test_several_seeds(cli: Any, small_table: Path, workers: int) -> None:
    said = cli(*arguments(small_table, "--seeds", 3, "--workers", workers, "--json", "--out", "group"))
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [(run["seed"], run["out"]) for run in found["runs"]] == [(n, f"group/seed-{n}") for n in range(3)]
    values = [run["best"]["value"] for run in found["runs"]]
    assert found["mean"] == pytest.approx(sum(values) / 3) and found["std"] > 0
    alone = json.loads(cli(*arguments(small_table, "--seed", 2, "--json", "--out", "alone")).out)
    assert alone["runs"][0]["curve"] == found["runs"][2]["curve"]


def test_more_workers_than_width_is_noted(cli: Any, planted: Path) -> None:
    said = cli("search", "random", "--on", planted, "--queries", 3, "--workers", 2, "--json", "--quiet")
    assert said.err == "archloom: note: --width 1 keeps only 1 of 2 workers busy\n" and said.code == 0


def test_every_strategy_can_be_searched_with(cli: Any, strategy: Any, request: pytest.FixtureRequest) -> None:
    if strategy.trains:
        request.getfixturevalue("trained_here")
    settings = [word for name, value in strategy.options.items() for word in ("--set", f"{name}={value}")]
    on = ("--on", strategy.problem.on, *(("--table", strategy.problem.table) if strategy.problem.table else ()))
    said = cli("search", strategy.name, *on, *settings, "--queries", 9, "--json", "--quiet", "--out", "run")
    assert said.code == 0, said.err
    (run,) = json.loads(said.out)["runs"]
    assert run["strategy"] == strategy.name and run["queries"] == 9 and run["best"]["value"] > 0


def test_a_population_that_is_cut_is_noted(cli: Any, trained_here: Path) -> None:
    small = ["--set", "population=4", "--set", "epochs=3", "--set", "step=1", "--quiet"]
    for queries, note in ((5, "--queries 5 ends searl inside a chunk of its 4 members"), (8, ""), (12, ""), (99, "")):
        said = cli("search", "searl", "--on", trained_here, *small, "--queries", queries, "--out", f"run-{queries}")
        assert (note in said.err) if note else "inside a chunk" not in said.err
    assert "give a multiple of 4; 12 train them all to the end" in cli(
        "search", "searl", "--on", trained_here, *small, "--queries", 5, "--seeds", 2
    ).err  # fmt: skip


def test_epochs_that_a_population_would_ignore_are_refused(cli: Any) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    told = ["task.epochs=5: searl itself decides how long its networks are trained, 30 epochs", "--set epochs=5"]
    both = ("--set", "task.epochs=5", "--set", "epochs=30")
    cli.refuses("search", "searl", "--on", "images:digits", *both, says=told)
    settled = Preparer().fitted_options("searl", {}, ProblemSpec("images:digits", task={"epochs": "5"}))
    assert settled == {"population": 12, "epochs": 5, "step": 1}, "alone they are the population's"


def test_a_metric_that_is_not_measured_everywhere_is_noted(cli: Any, small_table: Path) -> None:
    for more in ((), ("--seeds", 2)):
        said = cli(*arguments(small_table, "--objective", "holes", "--quiet", "--json", *more))
        assert said.err == (
            "archloom: note: holes is measured for 486 of the 729 rows (66.7 %) of small.npz; "
            "trials of the others fail\n"
        )
    said = cli("compare", "random", "--table", small_table, "--objective", "holes", "--queries", 5, "--seeds", 1)
    assert said.err.count("holes is measured for 486") == 1


def test_how_well_a_model_is_fitted_is_noted_and_kept(cli: Any, small_table: Path) -> None:
    note = "note: valid_fitted is predicted, not measured: fitted to 729 rows; held out: Spearman 1.000"
    asked = ("search", "random", "--on", f"fitted:{small_table}", "--queries", 5, "--quiet")
    said = cli(*asked, "--out", "run")
    assert said.err.count(note) == 1 and said.err.count("test_fitted is predicted") == 1
    assert "table small.npz: a model fitted to its 729 rows" in said.out
    assert "predictions of a model" in said.out
    assert note in cli("status", "run").out
    assert cli(*asked, "--seeds", 2, "--workers", 2).err.count(note) == 1


def test_a_run_that_ends_early_says_so(cli: Any, planted: Path) -> None:
    (cli.home / "tiny.py").write_text(
        "import archloom\nproblem = archloom.Problem(\n"
        "    archloom.Categorical({'a': [1, 2, 3]}), lambda choices: choices['a'], {'score': 'max'})\n"
    )
    asked = ("search", "random", "--on", "tiny.py", "--queries", 5, "--quiet")
    said = cli(*asked, "--out", "one")
    early = "ended early, after 3 of 5 queries: every architecture of the space asked"
    assert f"archloom: note: random {early}\n" == said.err and said.code == 0
    assert "3 of 5 unique architectures" in said.out
    assert "ended early: every architecture of the space asked" in said.out
    said = cli(*asked, "--seeds", 2, "--out", "two")
    assert f"archloom: note: 2 of 2 runs of random {early}\n" == said.err
    assert f"note: 2 of 2 runs of random {early}" in " ".join(said.out.split())
    said = cli("search", "random", "--on", "tiny.py", "--queries", 3, "--quiet")
    assert said.err == "" and "ended early" not in said.out


def test_a_table_that_was_moved_can_be_named(cli: Any, small_table: Path) -> None:
    moved = cli.home / "mine.npz"
    moved.write_bytes(small_table.read_bytes())
    first = cli(*arguments(moved, "--json", "--out", "run"))
    moved = moved.rename(cli.home / "elsewhere.npz")
    assert cli("resume", "run", "--quiet").code == 2
    said = cli("resume", "run", "--table", "elsewhere.npz", "--json", "--quiet")
    assert said.err == "" and json.loads(said.out)["mean"] == json.loads(first.out)["mean"]


def test_a_problem_that_has_changed_is_gone_on_with_if_told(cli: Any, planted: Path) -> None:
    cli("search", "random", "--on", planted, "--queries", 5, "--json", "--out", "run")
    planted.write_text(planted.read_text() + "\n# a remark\n")
    (cli.home / "run" / "summary.json").unlink()  # as if it had been stopped
    assert "--changed" in cli.refuses("resume", "run", says=["has changed since"])
    assert cli("resume", "run", "--changed", "--json").code == 0


def test_failures_are_exit_code_1(cli: Any, small_table: Path) -> None:
    said = cli(*arguments(small_table, "--objective", "holes", "--json"))
    run = json.loads(said.out)["runs"][0]
    assert said.code == 1 and run["failed"] > 0 and run["best"]["value"] > 50


def test_a_problem_that_prints_does_not_spoil_the_object(cli: Any) -> None:
    (cli.home / "loud.py").write_text(
        "import archloom\nprint('loading')\n"
        "def evaluate(choices):\n    print('epoch', choices)\n    return choices['a']\n"
        "problem = archloom.Problem(archloom.Categorical({'a': [1, 2, 3]}), evaluate, {'score': 'max'})\n"
    )
    said = cli("search", "random", "--on", "loud.py", "--queries", 3, "--json", "--out", "run")
    assert json.loads(said.out)["runs"][0]["best"]["value"] == 3
    assert "loading" in said.err
    assert json.loads(cli("resume", "run", "--json").out)["mean"] == 3


def test_resuming_a_finished_run_says_the_same_again(cli: Any, small_table: Path) -> None:
    for more in ((), ("--seeds", 2)):
        folder = f"run-{len(more)}"
        first = cli(*arguments(small_table, *more, "--json", "--out", folder))
        before = {path: path.read_bytes() for path in (cli.home / folder).rglob("trials.jsonl")}
        again = cli("resume", folder, "--json")
        assert again.code == first.code == 0
        assert same(again.out) == same(first.out)
        assert {path: path.read_bytes() for path in (cli.home / folder).rglob("trials.jsonl")} == before


def test_resuming_a_torn_run_warns_and_comes_out_the_same(cli: Any, small_table: Path) -> None:
    first = cli(*arguments(small_table, "--json", "--out", "run", strategy="evolution"))
    record = cli.home / "run" / "trials.jsonl"
    whole = record.read_bytes()
    record.write_bytes(whole[: len(whole) // 2])
    again = cli("resume", "run", "--json")
    assert same(again.out) == same(first.out) and record.read_bytes() == whole
    assert again.err.startswith("archloom: warning: run/trials.jsonl: the last ") and "torn by a crash" in again.err
    assert "Traceback" not in again.err and ".py:" not in again.err


def test_a_damaged_record_is_exit_code_3(cli: Any, small_table: Path) -> None:
    cli(*arguments(small_table, "--json", "--out", "run"))
    record = cli.home / "run" / "trials.jsonl"
    damaged = bytearray(record.read_bytes())
    damaged[20] ^= 1
    record.write_bytes(damaged)
    said = cli("resume", "run", "--json")
    assert said.code == 3 and said.out == "" and "line 1 is damaged" in said.err and said.err.count("\n") == 1
    assert record.read_bytes() == damaged


def test_one_bad_member_is_told_and_the_others_are_shown(cli: Any, small_table: Path) -> None:
    cli(*arguments(small_table, "--seeds", 2, "--json", "--out", "group"))
    record = cli.home / "group" / "seed-0" / "trials.jsonl"
    record.write_bytes(b"{}\n" + record.read_bytes())
    said = cli("resume", "group", "--json")
    assert said.code == 3 and "group/seed-0" in said.err and "line 1 is damaged" in said.err
    assert [run["seed"] for run in json.loads(said.out)["runs"]] == [1]


def test_the_text_for_people(cli: Any, small_table: Path, listing: Callable[..., Any]) -> None:
    pytest.importorskip("archloom.analysis.report", reason="the report's text is not here yet")
    for more in ((), ("--seeds", 2)):
        said = cli(*arguments(small_table, *more, "--out", f"run-{len(more)}"))
        assert said.code == 0 and f"run folder: run-{len(more)}" in said.out and "next: archloom plot" in said.out
    assert "next: archloom plot 'a run'\n" in cli(*arguments(small_table, "--out", "a run")).out


# -- states on disk -----------------------------------------------------------------------------------------------

POPULATION = (
    "--on", "images:digits", "--set", "population=3", "--set", "epochs=4", "--set", "step=1",
    "--set", "task.steps_per_epoch=1",
    "--set", "task.size=8", "--set", "space.width=4", "--quiet",
)  # fmt: skip


def weights(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "weights").iterdir()}


def tensors(state: bytes) -> bytes:
    """What follows the header of a safetensors file."""
    return state[8 + int.from_bytes(state[:8], "little") :]


@pytest.fixture
def digits() -> None:
    pytest.importorskip("sklearn", reason="the digits are in scikit-learn")
    pytest.importorskip("torch", reason="training needs the extra train")


@pytest.mark.usefixtures("digits")
def test_states_stay_as_it_is_said(cli: Any) -> None:
    assert cli("search", "pbt_nas", *POPULATION, "--out", "all", "--keep", "all").code == 0
    every = weights(cli.home / "all")
    assert len(every) == 12
    status = cli("status", "all").out.splitlines()
    assert status[-1].startswith("checkpoints: 12 files, ") and status[-1].endswith("KB (--keep all)")

    room_for_two = sum(len(every[f"{trial:06d}.safetensors"]) for trial in (0, 1))
    said = cli("search", "pbt_nas", *POPULATION, "--out", "few", "--disk-budget", room_for_two)
    assert said.code == 3 and said.out == ""
    *_, warning, stopped = said.err.splitlines()  # first, which images there are
    assert "warning: checkpoints take" in warning and "3 of them will be needed at once" in warning
    assert "no space for the next checkpoint" in stopped and f"--disk-budget is {format_bytes(room_for_two)}" in stopped
    assert "archloom resume few --disk-budget" in stopped
    assert cli("resume", "few", "--quiet").code == 3, "it is as it was said before"
    assert cli("resume", "few", "--quiet", "--disk-budget", 9 * max(map(len, every.values()))).code == 0
    few = weights(cli.home / "few")
    # The header of a state names its run; what it holds is the same.
    assert {name: tensors(state) for name, state in few.items()}.items() < {
        name: tensors(state) for name, state in every.items()
    }.items()
    assert {f"{trial:06d}.safetensors" for trial in range(9, 12)} <= few.keys()


@pytest.mark.usefixtures("digits")
def test_runs_of_a_group_share_a_budget(cli: Any) -> None:
    said = cli("search", "random_population", *POPULATION, "--seeds", 2, "--out", "two", "--disk-budget", "20KB")
    assert said.code == 3 and "of which this run may take 10 KB" in said.err
    assert "archloom resume two --disk-budget" in said.err, "which is where both get more"
    assert cli("resume", "two", "--quiet", "--keep", 2, "--disk-budget", "2MB").code == 0
    assert sum(len(content) for seed in (0, 1) for content in weights(cli.home / f"two/seed-{seed}").values()) < 2e6
    assert cli("status", "two").out.splitlines()[-1].endswith("KB (--keep 2, --disk-budget 2 MB)")


def test_states_are_kept_where_there_are_any(cli: Any, small_table: Path) -> None:
    cli.refuses(*arguments(small_table, "--keep", 3), says=["keep and disk_budget are for checkpoints", "nb201"])
    cli.refuses(*arguments(small_table, "--seeds", 2, "--disk-budget", "1GB"), says=["nothing is trained on nb201"])
    cli.refuses(*arguments(small_table, "--disk-budget", "1XB"), says=["--disk-budget 1XB", "500MB, 2GB, 1.5GiB"])
    cli.refuses(*arguments(small_table, "--keep", "-2"), says=["--keep -2: expected the number"])
    cli(*arguments(small_table, "--quiet", "--out", "run"))
    cli(*arguments(small_table, "--quiet", "--out", "group", "--seeds", 2))
    for folder in ("run", "group"):
        cli.refuses("resume", folder, "--disk-budget", "1GB", says=["nothing is trained on nb201"])


# -- a strategy of one's own --------------------------------------------------------------------------------------

BLR = """
from dataclasses import dataclass
import archloom

print("loaded")

@dataclass(frozen=True)
class Options:
    \"\"\"`batch` is how many are drawn first.\"\"\"
    batch: int = 8

class Blr(archloom.BaseStrategy):
    \"\"\"Draws, then varies the first one.\"\"\"
    Options = Options

    def __init__(self, *given):
        super().__init__(*given)
        self.first, self.drawn = None, 0
        if self.options.batch == 13:
            raise ArithmeticError("unlucky")

    def propose(self):
        print("asked")
        self.drawn += 1
        if self.drawn <= self.options.batch or self.first is None:
            return archloom.Proposal(self.sample_valid())
        return archloom.Proposal(self.mutate_valid(self.first))

    def learn(self, trial):
        self.first = self.first or trial.proposal.arch

    def dump(self):
        return {"first": None if self.first is None else list(self.first.genes), "drawn": self.drawn}

    def restore(self, own):
        self.first = own["first"] and archloom.Arch(tuple(own["first"]))
        self.drawn = own["drawn"]
"""


@pytest.fixture
def blr(cli: Any) -> str:
    (cli.home / "my_strategy.py").write_text(BLR)
    return "my_strategy.py:Blr"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_strategy_in_a_file(cli: Any, small_table: Path, blr: str, workers: int) -> None:
    words = ("--set", "batch=4", "--seeds", 2, "--workers", workers, "--json")
    said = cli(*arguments(small_table, *words, strategy=blr))
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["strategy"] == f"{cli.home / 'my_strategy.py'}:Blr" and found["options"] == {"batch": "4"}
    assert [run["out"] for run in found["runs"]] == [f"runs/blr-nb201/seed-{seed}" for seed in (0, 1)]
    for later in ("summary.json", "state.npz"):
        (cli.home / "runs/blr-nb201/seed-0" / later).unlink()
    again = cli("resume", "runs/blr-nb201", "--workers", workers, "--json")
    assert same(again.out) == same(said.out)
    assert "blr seed 0" in cli("status", "runs/blr-nb201").out
    assert "my_strategy.py" not in cli("best", "runs/blr-nb201").out


def test_a_strategy_in_a_file_is_compared(cli: Any, small_table: Path, blr: str) -> None:
    said = cli(
        "compare", "random", blr, f"mine={blr}", "--on", "nb201", "--table", small_table, "--queries", 12, "--seeds", 2,
        "--set", "mine.batch=2", "--set", "blr.batch=3", "--out", "cmp", "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    results = {result["label"]: result for result in json.loads(said.out)["results"]}
    assert {label: result["options"] for label, result in results.items()} == {
        "random": {}, "blr": {"batch": "3"}, "mine": {"batch": "2"},
    }  # fmt: skip
    assert sorted(path.name for path in (cli.home / "cmp").iterdir() if path.is_dir()) == ["blr", "mine", "random"]
    (cli.home / "my_strategy.py").rename(cli.home / "gone.py")
    assert cli("best", "cmp").code == 0, "looking at runs needs no strategy"
    assert "there is no file" in cli("resume", "cmp").err


def test_options_of_a_strategy_in_a_file(cli: Any, small_table: Path, blr: str) -> None:
    listed = cli("list", blr)
    assert listed.code == 0 and listed.out.startswith("blr: Draws, then varies the first one.")
    assert "  batch = 8" in listed.out and "`batch` is how many are drawn first." in listed.out
    (cli.home / "my.toml").write_text(f'strategy = "{blr}"\n[set]\nblr.batch = 5\n')
    found = json.loads(cli("search", "--config", "my.toml", "--table", small_table, "--queries", 9, "--json").out)
    assert found["options"] == {"batch": "5"}
    for wrong, says in (
        ("bach=3", "unknown strategy blr option 'bach'; did you mean 'batch'"),
        ("batch=many", "strategy blr option batch=many: expected a whole number"),
        ("batch=13", "my_strategy.py cannot be loaded: ArithmeticError: unlucky"),
    ):
        said = cli(*arguments(small_table, "--set", wrong, "--out", "bad", strategy=blr))
        assert said.code == 2 and says in said.err and said.out == ""
        assert said.err.replace("loaded\n", "").count("\n") == 1
        assert not (cli.home / "bad").exists()
