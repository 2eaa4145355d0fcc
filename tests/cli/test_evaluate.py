"""`archloom evaluate`."""

from __future__ import annotations

import json
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
    cli.refuses("evaluate", run, "--images", "grid.png", says=["generates no images"])
    search(cli.home / "plain", planted, "random", queries=3)
    cli.refuses("evaluate", "plain", says=["no trained networks are kept there"])
    assert cli("search", "random", "--on", planted, "--queries", 2, "--seeds", 2, "--quiet", "--out", "two").code == 0
    cli.refuses("evaluate", "two", says=["two holds several runs", "archloom evaluate two/seed-0"])
    cli.refuses("lineage", "two", says=["these are 2: name the folder of one of them, e.g. two/seed-0"])


def test_the_network_of_the_fid_is_asked_for(cli: Any, generators: str) -> None:
    cli.refuses("evaluate", generators, "--set", "task.extractor=inception", says=["archloom data fetch inception"])
    cli.refuses("evaluate", generators, "--set", "task.lr=1", says=["one of final_samples, extractor, device"])
