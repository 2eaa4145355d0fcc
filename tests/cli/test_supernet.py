"""`archloom supernet`, and searches on supernets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archloom.problems.supernet import alone

pytest.importorskip("torch", reason="training needs the extra train")
pytest.importorskip("sklearn", reason="needs its digits")

SMALL = ("--set", "space.channels=2", "--set", "space.cells=1")
QUICK = ("--set", "epochs=1", "--set", "train_images=128", "--set", "valid_images=64")
TASK = ("--set", "task.epochs=1", "--set", "task.train_images=128", "--set", "task.valid_images=64")


@pytest.fixture(autouse=True)
def cache(cli: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARCHLOOM_CACHE", str(cli.home / "cache"))
    return Path(cli.home / "cache" / "supernets")


def make(cli: Any, *more: object, space: str = "nb201") -> Any:
    return cli("supernet", "digits", "--space", space, *SMALL, *QUICK, "-o", "net.safetensors", *more)


def trials(run: Path) -> list[Any]:
    lines = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    return [(line["genes"], line["scores"], line["report"]) for line in lines]


def test_make_then_search(cli: Any) -> None:
    said = make(cli)
    assert said.code == 0, said.err
    assert "a supernet of nb201 (channels 2, cells 1), 1 epoch on digits" in said.out
    assert "archloom search cadam --on supernet:digits --table net.safetensors" in said.out
    found = cli("search", "random", "--on", "supernet:digits", "--table", "net.safetensors", "--queries", 4,
                "--out", "a", "--json")  # fmt: skip
    assert found.code == 0, found.err
    assert "accuracies are those of a supernet's shared weights on 64 validation images" in found.err
    two = cli("search", "random", "--on", "supernet:digits", "--table", "net.safetensors", "--queries", 4, "--out", "b",
              "--workers", 2)  # fmt: skip
    assert two.code == 0, two.err
    assert trials(cli.home / "a") == trials(cli.home / "b")


def test_a_search_makes_what_is_missing_and_says_so(cli: Any, cache: Path) -> None:
    asked = ["search", "random", "--on", "supernet:digits", "--space", "nb201", *SMALL, *TASK, "--queries", 2]
    said = cli(*asked, "--out", "a")
    assert said.code == 0, said.err
    assert "training a supernet takes about" in said.err
    (file,) = cache.glob("*.safetensors")
    again = cli(*asked, "--out", "b")
    assert "training a supernet" not in again.err
    file.unlink()
    assert cli("best", "a").code == 0  # looking needs no supernet
    said = cli("resume", "a", "--queries", 3)  # the same one is made again
    assert said.code == 0, said.err
    assert "training a supernet takes about" in said.err
    assert len(trials(cli.home / "a")) == 3


def test_a_chain_of_trainings_is_resumed(cli: Any) -> None:
    asked = ["search", "random", "--on", "supernet_training:digits", "--space", "nb201", *SMALL, *TASK,
             "--set", "task.steps=2"]  # fmt: skip
    assert cli(*asked, "--queries", 4, "--out", "whole").code == 0
    assert cli(*asked, "--queries", 2, "--out", "run").code == 0
    said = cli("resume", "run", "--queries", 4)
    assert said.code == 0 and "      archloom plot run --kind sampled\n      archloom pareto run\n" in said.out
    assert "rerank" not in said.out
    assert trials(cli.home / "run") == trials(cli.home / "whole")
    assert {"params_m", "flops_m"} == trials(cli.home / "run")[0][2].keys()


def test_weights_of_a_supernet_are_not_exported_as_those_of_a_network(cli: Any) -> None:
    asked = ["search", "ddas", "--on", "supernet_training:digits", "--space", "nb201", *SMALL, *TASK,
             "--set", "explore=2", "--set", "exploit=1", "--set", "task.steps=1", "--out", "run"]  # fmt: skip
    said = cli(*asked)
    assert said.code == 0, said.err
    assert "export run -o cell.py" in said.out
    assert "safetensors" not in said.out and "evaluate" not in said.out
    said = cli("export", "run", "-o", "net.safetensors")
    assert (said.code, "the weights of a whole supernet" in said.err) == (2, True)
    said = cli("evaluate", "run")
    assert (said.code, "whose weights all architectures share" in said.err) == (2, True)
    assert cli("export", "run", "-o", "net.py").code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--set", "epoch=3"), "epoch"),
        (("--set", "space.channel=3"), "channel"),
        (("--seed", 1, "--set", "seed=2"), "--seed 1 and --set seed=2: give only one of them"),
        (("--set", "batch_size=1000"), "batch_size=1000: there are 128 images"),
        (("--space", "convnet"), "has no supernet"),
        (("-o", "none/net.safetensors"), "the folder none does not exist"),
        (("--set", "norm=running"), "give it to the search, as --set task.norm=running"),
        (("--set", "task.measured_images=9"), "not how it is made"),
        (("--set", "cutout=4"), "cutout=4: add cutout to augment"),
    ],
)
def test_bad_input_writes_nothing(cli: Any, more: tuple[object, ...], said: str) -> None:
    found = make(cli, *more)
    assert found.code == 2
    assert said in found.err and found.err.count("\n") == 1
    assert not list(cli.home.glob("*.safetensors*"))


def test_a_file_is_not_overwritten(cli: Any) -> None:
    (cli.home / "net.safetensors").write_text("mine")
    found = make(cli)
    assert (found.code, (cli.home / "net.safetensors").read_text()) == (2, "mine")
    assert "is there already" in found.err


def test_a_training_that_diverges_is_one_line(cli: Any) -> None:
    found = make(cli, "--set", "lr=1e30", "--set", "clip=0")
    assert (found.code, found.err.splitlines()[-1].count("unexpected")) == (3, 0)
    assert "is not finite after epoch 1: lower lr, or clip gradients" in found.err
    assert not list(cli.home.glob("net*"))


def test_a_second_process_at_the_same_file_is_refused(cli: Any) -> None:
    path = cli.home / "net.safetensors"
    with alone(path, wait=False):
        found = make(cli)
        assert (found.code, path.exists()) == (2, False)
        assert "another process makes it; wait for it, or name another file" in found.err
    assert not list(cli.home.glob("net*"))
    path.with_name("net.safetensors.lock").mkdir()
    found = make(cli)
    assert (found.code, found.err.count("\n"), path.exists()) == (3, 1, False)


def test_options_are_listed(cli: Any) -> None:
    found = cli("list", "supernet").out
    assert "task.epochs = 50" in found and "task.norm = batch" in found
    assert "valid_share" in found and "recalibration" in found
    assert "task.steps = 25" in cli("list", "supernet_training").out
    assert "archloom list supernet shows its options" in cli("list").out
    assert "supernet:digits" in cli("search", "--help").out
