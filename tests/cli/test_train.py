"""`archloom train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.spaces.gan import Gan
from archloom.testing import PlantedSpace
from archloom.types import Arch

pytest.importorskip("torch", reason="training needs the extra train")

SMALL = ("--set", "space.channels=4", "--set", "space.discriminator_channels=4", "--set", "space.latent=12",
         "--set", "task.extractor=pixels", "--set", "task.steps_per_epoch=2", "--set", "task.batch_size=8",
         "--set", "task.samples=20", "--set", "task.final_samples=30")  # fmt: skip
ONES, OTHERS = (PlantedSpace().format(Arch((option,) * 8)) for option in (1, 2))


def test_given_generators_are_a_run_like_any_other(cli: Any, digits: Path) -> None:
    one, other = (Gan().format(Gan().sample(np.random.default_rng(seed))) for seed in (0, 1))
    line = ("train", one, other, "--on", f"gan:{digits}", "--space", "gan", *SMALL, "--set", "step=1", "--out", "run")
    said = cli(*line, "--set", "epochs=2", "--json", "--quiet")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["strategy"], found["queries"]) == ("given", 4)
    (run,) = found["runs"]
    assert run["best"]["arch"] in (one, other)
    assert cli("export", "run", "-o", "net.py").code == cli("export", "run", "-o", "net.safetensors").code == 0
    measured = json.loads(cli("evaluate", "run", "--json").out)
    assert measured["settings"]["final_samples"] == 30 and measured["arch"] == run["best"]["arch"]
    assert cli("soup", "run").code == 0
    assert "given" in cli("resume", "run").out


def test_a_task_of_ones_own_trains_for_its_own_epochs(cli: Any, trained_here: Path) -> None:
    def trained(*more: object) -> list[int]:
        out = f"run-{len(list(cli.home.iterdir()))}"
        assert cli("train", ONES, "--on", trained_here, "--quiet", "--out", out, *more).code == 0
        lines = (cli.home / out / "trials.jsonl").read_text().splitlines()
        return [json.loads(line)["fidelity"] for line in lines]

    assert trained() == [10], "the task's default"
    assert trained("--set", "epochs=4", "--set", "step=3") == [3, 4]
    (cli.home / "own.toml").write_text(f"[set]\npopulation = 9\nepochs = 5\n[set.given]\narchs = '{OTHERS}'\n")
    assert trained("--config", "own.toml") == [5]
    assert ONES in cli("best", "run-3").out, "what is typed comes first"


def test_several_seeds_are_a_group(cli: Any, trained_here: Path) -> None:
    said = cli("train", ONES, OTHERS, "--on", trained_here, "--set", "epochs=2", "--seeds", 2, "--json", "--out", "two")
    assert said.code == 0
    assert [run["seed"] for run in json.loads(said.out)["runs"]] == [0, 1]


def test_several_networks_of_each_generator(cli: Any, generators: Path) -> None:
    line = ("train", "a=1, b=0, graph=5", "--random", 1, "--networks", 3, "--on", generators, "--set", "epochs=2")
    said = cli(*line, "--set", "step=1", "--json", "--out", "run")
    assert said.code == 0, said.err
    found = json.loads(said.out)["networks"]
    own, other = sorted(found["generators"], key=lambda each: each["arch"] != "a=1, b=0")
    assert own["arch"] == "a=1, b=0" and len(other["networks"]) == 3 and found["trained"] == "2 epochs"
    values = [network["metrics"]["test_worth"] for network in own["networks"]]
    assert own["summaries"]["test_worth"]["std"] == pytest.approx(np.std(values, ddof=1))
    again = cli("resume", "run").out
    assert "networks of 2 generators" in again and "--kind networks" in again
    assert "soup" not in again and "--kind lineage" not in again, "they are no population"
    cli.refuses("train", "a=1, b=0, graph=5", "--on", generators, "--networks", 2, "--set", "networks=3",
                says=["--networks and --set networks: give only one"])  # fmt: skip


def test_the_best_of_a_run_is_trained(cli: Any, generators: Path) -> None:
    cli("search", "random", "--on", generators, "--queries", 3, "--out", "found", "--quiet")
    best = json.loads(cli("best", "found", "--json").out)["runs"][0]["best"]["arch"]
    said = cli("train", "--from", "found", "--set", "epochs=2", "--quiet", "--json", "--out", "again")
    assert said.code == 0, said.err
    assert json.loads(said.out)["runs"][0]["best"]["arch"] == best
    cli.refuses("train", "--from", "found", best, "--networks", 2, says=["the same but for their seeds"])


def test_the_space_of_a_run_is_that_of_what_is_trained(cli: Any, digits: Path) -> None:
    """Its options may have been given from Python, as values of any type."""
    import archloom

    small = {"mid_nodes": (1, 2), "bottom_nodes": 3, "params_m": 0.001, "head_width": 4, "stem": "small"}
    scenario = archloom.scenario(
        f"images:{digits}", space_name="hnag", space=small, task={"epochs": 1, "batch_size": 8}
    )
    archloom.run("random", scenario, queries=1, out=cli.home / "found")
    said = cli("train", "--from", "found", "--set", "epochs=1", "--quiet", "--json", "--out", "again",
               "--set", "task.batch_size=8")  # fmt: skip
    assert said.code == 0, said.err
    request = json.loads((cli.home / "again" / "run.json").read_text())["request"]["problem"]
    assert request["space_name"] == "hnag" and request["space"]["mid_nodes"] == "1,2"


def test_what_cannot_be_trained(cli: Any, trained_here: Path, planted: Path) -> None:
    on = ("--on", trained_here)
    cli.refuses("train", ONES, says=["--on: expected what to train on, e.g. --on images:digits"])
    cli.refuses("train", *on, says=["no ARCH to train", "space 'planted', e.g. 'gene0="])
    cli.refuses("train", "x", *on, says=["architecture 'x': expected NAME=VALUE for gene0"])
    cli.refuses("train", ONES, ONES, *on, says=["architectures 1 and 2 of 2 are the same, gene0=b"])
    cli.refuses(
        "train", ONES, *on, "--set", f"archs={ONES}", says=["ARCH and --set archs: give the architectures in one"]
    )
    cli.refuses("train", ONES, *on, "--set", "population=4", says=["unknown strategy given option 'population'"])
    cli.refuses("train", ONES, "--on", planted, says=["no architecture is trained there by itself"])


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """24 noisy images of 8 x 8 pixels."""
    from archloom.data.images.labelled import save_images
    from archloom.data.images.splits import Split, Splits

    values = np.random.default_rng(0).integers(0, 256, (24, 1, 8, 8)).astype(np.uint8)
    save_images(Splits(Split(values, np.arange(24) % 2), None, None, ("a", "b")), tmp_path / "digits.npz")
    return tmp_path / "digits.npz"
