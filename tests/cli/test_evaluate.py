"""`archloom evaluate`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.images.labelled import save_images
from archloom.data.images.splits import Split, Splits
from archloom.problems import ProblemSpec
from archloom.runs.folders import limits_for, run_folder
from archloom.runs.prepare import Request

pytest.importorskip("torch", reason="training needs the extra train")


def search(path: Path, on: Path, strategy: str, queries: int | None = None, **options: str) -> None:
    """A run of a user's problem in this process: starting others takes seconds."""
    request = Request(strategy, ProblemSpec(str(on)), 0, limits_for(strategy, options, queries, None), options)
    run_folder(path, request, isolate=False)


@pytest.fixture
def run(cli: Any, trained: Path) -> str:
    search(cli.home / "run", trained, "pbt_nas", population="4", epochs="4", step="2")
    return "run"


@pytest.fixture
def generators(cli: Any) -> str:
    values = np.random.default_rng(0).integers(0, 256, (30, 1, 8, 8)).astype(np.uint8)
    save_images(Splits(Split(values, np.arange(30) % 2), None, None, ("a", "b")), cli.home / "noise.npz")
    options = ["space.channels=8", "space.discriminator_channels=8", "space.latent=12", "task.epochs=1",
               "task.extractor=pixels", "task.samples=20", "task.final_samples=40", "task.batch_size=8"]  # fmt: skip
    settings = [part for option in options for part in ("--set", option)]
    said = cli("search", "random", "--on", "gan:noise.npz", "--queries", "1", *settings, "--out", "run")
    assert said.code == 0, said
    assert "archloom evaluate run\n" in said.out, "what to do next is told"
    return "run"


def test_the_best_is_measured_again_and_the_run_left_alone(cli: Any, run: str, listing: Any) -> None:
    before = listing(cli.home)
    said = cli("evaluate", run)
    content = json.loads(cli("evaluate", run, "--json").out)
    assert said.code == 0
    assert listing(cli.home) == before
    best = json.loads(cli("best", run, "--json").out)["runs"][0]["best"]
    assert content["arch"] == best["arch"]
    assert content["metrics"]["worth"] == pytest.approx(best["value"])
    assert content["metrics"] == pytest.approx(content["in_search"])
    assert (content["run"], content["epochs"], content["settings"], content["images"]) == ("run", 4, {}, None)
    assert f"trial           {content['trial']}, epochs of training: 4" in said.out
    value = f"{best['value']:.4f}"
    assert f"worth                     {value:>12}  (in the search {value})" in said.out
    assert "test_worth" in said.out


def test_generators_with_final_settings_and_a_picture(cli: Any, generators: str) -> None:
    from PIL import Image

    said = cli("evaluate", generators, "--images", "grid.png")
    assert (said.code, said.out.splitlines()[-1]) == (0, "grid.png")
    assert "measured with   final_samples=40, extractor=pixels, device=cpu" in said.out
    assert "evaluating trial 0 of run: final_samples=40" in said.err
    with Image.open(cli.home / "grid.png") as picture:
        assert picture.size == (8 * 66 + 2, 8 * 66 + 2)
    found = [
        json.loads(cli("evaluate", generators, "--set", f"task.final_samples={count}", "--json", "--quiet").out)
        for count in (40, 50)
    ]
    assert [each["settings"]["final_samples"] for each in found] == [40, 50]
    assert found[0]["metrics"] != found[1]["metrics"]
    assert f"{found[0]['metrics']['frechet_pixels']:.4f}" in said.out


def test_what_could_not_be_measured_is_said(cli: Any) -> None:
    (cli.home / "lost.py").write_text(
        "from archloom.problems import TaskProblem\n"
        "from archloom.tasks.planted import PlantedTask, PlantedTraining\n"
        "from archloom.testing import PlantedSpace\n"
        "class Lost(PlantedTraining):\n"
        "    def evaluate_finally(self):\n"
        "        print('a task that talks')\n"
        "        return {'lost': float('nan')}\n"
        "class Task(PlantedTask):\n"
        "    def begin(self, arch, seed):\n"
        "        return Lost(arch, seed)\n"
        "problem = TaskProblem(PlantedSpace(), Task())\n"
    )
    search(cli.home / "run", cli.home / "lost.py", "random", queries=1)
    assert "lost                      not measured\n" in cli("evaluate", "run").out
    said = cli("evaluate", "run", "--json")
    assert json.loads(said.out)["metrics"] == {"lost": None}, "standard output is the answer alone"
    assert "a task that talks" in said.err


def test_bad_input_is_told_in_one_line(cli: Any, run: str, planted: Path) -> None:
    cli.refuses("evaluate", "nowhere", says=["nowhere"])
    cli.refuses("evaluate", run, "--trial", "99", says=["trial 99: its checkpoint is not kept; expected one of"])
    cli.refuses("evaluate", run, "--set", "lr=1", says=["--set lr: expected an option of the run's task"])
    cli.refuses("evaluate", run, "--set", "space.latent=1", says=["--set space.latent: expected an option"])
    cli.refuses("evaluate", run, "--set", "task.lr=1", says=["task option lr", "has no such options"])
    cli.refuses("evaluate", run, "--images", "grid.jpg", says=["expected FILE.png"])
    cli.refuses("evaluate", run, "--images", "missing/grid.png", says=["in an existing folder"])
    cli.refuses("evaluate", run, "--images", "grid.png", says=["has no images to show"])
    cli.refuses("evaluate", run, "--metric", "worth", says=["--metric worth: run is a single run"])
    cli.refuses("evaluate", run, "--test", "a:b", says=["--test names a, but run is a single run"])
    cli.refuses("evaluate", "none", "--test", "a:b", says=["none is not a run folder"])
    search(cli.home / "plain", planted, "random", queries=3)
    cli.refuses("evaluate", "plain", says=["no trained networks are kept there"])
    assert cli("search", "random", "--on", planted, "--queries", 2, "--seeds", 2, "--quiet", "--out", "two").code == 0
    cli.refuses(
        "evaluate", "two", says=["two: nothing was measured (2 of its runs: no trained networks are kept there"]
    )
    cli.refuses("lineage", "two", says=["these are 2: name the folder of one of them, e.g. two/seed-0"])


def test_the_network_of_the_fid_is_asked_for(cli: Any, generators: str) -> None:
    cli.refuses("evaluate", generators, "--set", "task.extractor=inception", says=["archloom data fetch inception"])
    cli.refuses("evaluate", generators, "--set", "task.lr=1", says=["one of final_samples, extractor, device"])


# -- folders of several runs --------------------------------------------------------------------------------------

SMALL = ["--set", "population=2", "--set", "epochs=2", "--set", "step=1", "--quiet"]


def compared(cli: Any, on: Path, out: str, *more: str) -> str:
    strategies = ["pbt_nas", "random_population"]
    settings = [part for name in strategies for option in SMALL[1:-1:2] for part in ("--set", f"{name}.{option}")]
    assert cli("compare", *strategies, "--on", on, *settings, "--quiet", "--out", out, *more).code == 0
    return out


def test_every_run_of_a_comparison_is_measured(cli: Any, trained_here: Path, listing: Any) -> None:
    compared(cli, trained_here, "one", "--seeds", "3")
    before = listing(cli.home)
    said = cli("evaluate", "one", "--test", "pbt_nas:random_population", "--correct-for", "4", "--ddof", "0")
    content = json.loads(cli("evaluate", "one", "--json", "--metric", "test_worth:min", "--quiet").out)
    assert (said.code, listing(cli.home)) == (0, before)
    runs = [f"{label}/seed-{seed}" for label in ("pbt_nas", "random_population") for seed in range(3)]
    assert [each["run"] for each in content["runs"]] == [f"one/{name}" for name in runs]
    singles = [json.loads(cli("evaluate", f"one/{name}", "--json", "--quiet").out) for name in runs]
    assert [each["metrics"] for each in content["runs"]] == [each["metrics"] for each in singles]
    values = [each["metrics"]["worth"] for each in singles]
    (setting,) = content["settings"]
    ours = setting["metrics"]["worth"]["pbt_nas"]
    assert (ours["mean"], ours["std"]) == (
        pytest.approx(np.mean(values[:3])),
        pytest.approx(np.std(values[:3], ddof=1)),
    )
    assert ours["interval"][0] <= ours["mean"] <= ours["interval"][1]
    assert [test["metric"] for test in content["tests"]] == ["test_worth"] * 2
    assert "one: worth on" in said.out and ", more is better" in said.out and "tests by worth:" in said.out
    assert f"{np.mean(values[:3]):.2f} ± {np.std(values[:3]):.2f}" in said.out
    assert "mean ± std (ddof 0)" in said.out
    row = next(line.split() for line in said.out.splitlines() if line.startswith("pbt_nas  random_population"))
    assert row[2:5] == ["Wilcoxon", "signed-rank", "3"], "the founders are the same"
    assert "evaluating trial" in said.err


def test_runs_of_several_folders_are_pooled(cli: Any, trained_here: Path) -> None:
    for out in ("one", "two"):
        compared(cli, trained_here, out, "--seeds", "2")
    content = json.loads(cli("evaluate", "one", "two", "--json", "--test", "pbt_nas:random_population").out)
    assert [(test["n"], test["paired"]) for test in content["tests"]] == [(4, True)]
    assert [setting["run"] for setting in content["settings"]] == ["one", "two"]
    cli.refuses(
        "evaluate", "one", "two", "--test", "pbt_nas:searl", says=["--test names searl, of which one has no runs"]
    )
    cli.refuses("evaluate", "one", "one/", says=["one is given twice"])
    cli.refuses("evaluate", "one", "two", "--trial", "1", says=["--trial 1: of several runs the best of each"])
    said = cli("evaluate", "one", "--metric", "speed")
    assert (said.code, said.out, said.err.count("evaluating")) == (2, "", 1), "told after the first, not after hours"
    assert "--metric speed: expected one of worth, test_worth" in said.err
    said = cli("evaluate", "one", "--metric", "test_worth", "--quiet").err
    assert "--metric test_worth: which is better? expected test_worth:max or test_worth:min" in said


def test_a_folder_in_which_nothing_was_measured_costs_the_others_nothing(cli: Any, trained_here: Path) -> None:
    for out in ("one", "bare"):
        compared(cli, trained_here, out, "--seeds", "1")
    for file in (cli.home / "bare").glob("*/*/weights/*.safetensors"):
        file.unlink()
    said = cli("evaluate", "one", "bare", "--quiet")
    assert said.code == 1 and "one: worth on" in said.out and "bare: worth on" not in said.out
    assert "note: bare: nothing was measured (" in said.err and "the others are compared without it" in said.err
    content = json.loads(cli("evaluate", "one", "bare", "--quiet", "--json").out)
    assert [setting["run"] for setting in content["settings"]] == ["one"] and len(content["runs"]) == 4


def test_runs_that_are_missing_are_told(cli: Any, trained_here: Path) -> None:
    cli("search", "random_population", "--on", trained_here, *SMALL, "--seeds", "4", "--out", "four")
    (cli.home / "four" / "seed-1" / "summary.json").unlink()
    lines = (cli.home / "four" / "seed-1" / "trials.jsonl").read_text().splitlines(keepends=True)
    (cli.home / "four" / "seed-1" / "trials.jsonl").write_text("".join(lines[:2]))
    shutil.rmtree(cli.home / "four" / "seed-2")
    for file in (cli.home / "four" / "seed-3" / "weights").glob("*.safetensors"):
        file.unlink()
    said = cli("evaluate", "four", "--quiet")
    told = " ".join(said.out.split())
    assert said.code == 1
    assert "note: four/seed-1: not finished, 2 queries so far" in told
    assert "note: four/seed-2: not started" in told
    assert "note: four/seed-3: trial" in told and "its checkpoint is not kept" in told
    content = json.loads(cli("evaluate", "four", "--quiet", "--json").out)
    assert [bool(each["missing"]) for each in content["runs"]] == [False, True, True, True]
    assert content["settings"][0]["metrics"]["worth"]["random_population"]["runs"] == 1


def test_a_task_that_fails_at_the_end_does_not_end_the_others(cli: Any) -> None:
    (cli.home / "fails.py").write_text(
        "from archloom.problems import TaskProblem\n"
        "from archloom.tasks.planted import PlantedTask, PlantedTraining\n"
        "from archloom.testing import PlantedSpace\n"
        "class Fails(PlantedTraining):\n"
        "    def evaluate_finally(self):\n"
        "        found = self.evaluate()\n"
        "        if found['worth'] < 40:\n"
        "            raise ValueError('too bad')\n"
        "        return found | {'lost': float('nan')}\n"
        "class Task(PlantedTask):\n"
        "    def begin(self, arch, seed):\n"
        "        return Fails(arch, seed)\n"
        "problem = TaskProblem(PlantedSpace(), Task())\n"
        "problem.isolate = False\n"
    )
    cli("search", "random", "--on", "fails.py", "--queries", "1", "--seeds", "4", "--quiet", "--out", "four")
    content = json.loads(cli("evaluate", "four", "--quiet", "--json").out)
    worths = {each["seed"]: each["metrics"].get("worth") for each in content["runs"]}
    assert {each["missing"] for each in content["runs"]} == {None, "ValueError: too bad"}
    assert {each["seed"] for each in content["runs"] if each["missing"]} == {s for s, w in worths.items() if w is None}
    assert content["settings"][0]["metrics"]["lost"]["random"]["found"] == 0
    assert any("lost was not measured" in note for note in content["settings"][0]["notes"])


def test_pictures_of_several_generators(cli: Any, generators: str) -> None:
    shutil.copytree(cli.home / "run", cli.home / "other")
    said = cli("evaluate", "run", "other", "--images", "grid.png", "--quiet", "--set", "task.final_samples=50")
    assert (said.code, said.out.splitlines()[-2:]) == (0, ["grid-run.png", "grid-other.png"])
    assert (cli.home / "grid-run.png").read_bytes() == (cli.home / "grid-other.png").read_bytes()
    single = cli("evaluate", "run", "--quiet", "--json", "--set", "task.final_samples=50")
    assert said.out.count(f"{json.loads(single.out)['metrics']['frechet_pixels']:.4f}") == 2, "options apply to all"
