"""`archloom rerank`, on a frozen supernet of handwritten digits."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs the extra train")
pytest.importorskip("sklearn", reason="needs its digits")


@pytest.fixture
def run(cli: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A search that measured on 32 of the validation images."""
    monkeypatch.setenv("ARCHLOOM_CACHE", str(cli.home / "cache"))
    options = ("space.channels=2", "space.cells=1", "task.epochs=1", "task.train_images=128", "task.valid_images=64",
               "task.measured_images=32")  # fmt: skip
    settings = [part for option in options for part in ("--set", option)]
    said = cli("search", "random", "--on", "supernet:digits", "--space", "nb201", *settings, "--queries", 5,
               "--out", "run")  # fmt: skip
    assert said.code == 0, said.err
    assert said.out.endswith("      archloom rerank run\n") and "      archloom pareto run\n" in said.out
    return "run"


def test_on_validation_and_on_test(cli: Any, run: str, listing: Any) -> None:
    before = listing(cli.home / "run")
    said, content = cli("rerank", run, "--top", 3), json.loads(cli("rerank", run, "--top", 3, "--json").out)
    assert said.code == 0, said.err
    assert (content["top"], content["chosen_on"], content["by_test"]) == (3, "all validation images", None)
    assert said.out.startswith("chosen on     all validation images\n") and "chosen on the test set" not in said.out
    accuracies = [each["valid_accuracy"] for each in content["candidates"]]
    assert accuracies == sorted(accuracies, reverse=True) and content["chosen"] == content["candidates"][0]
    assert all((accuracy * 64 / 100) % 1 == pytest.approx(0, abs=1e-6) for accuracy in accuracies), "of 64 images"
    assert "CIFAR-10, by test                                 87.87          92.25   416" in said.out
    said = cli("rerank", run, "--top", 3, "--on-test", "-o", "pick.json")
    assert said.code == 0 and said.out.startswith("chosen on     the test set\n")
    assert "note: the architecture was chosen on the test set" in said.out and said.out.endswith("pick.json\n")
    pick = json.loads((cli.home / "pick.json").read_text())
    content = json.loads(cli("rerank", run, "--top", 3, "--on-test", "--json").out)
    assert pick["chosen_on"] == content["chosen_on"] == "the test set" and pick["caveat"] == content["caveat"]
    assert pick["arch"] == content["by_test"]["arch"] and pick["space"] == "nb201"
    best = max(each["test_accuracy"] for each in content["candidates"])
    assert content["by_test"]["test_accuracy"] == best
    assert listing(cli.home / "run") == before, "the run is not changed"


def test_bad_input(cli: Any, planted: Any) -> None:
    cli("search", "random", "--on", planted, "--queries", 3, "--out", "mine")
    cli.refuses("rerank", "mine", says=["expected a run on a frozen supernet"])
    cli.refuses("rerank", "mine", "--top", "0", says=["--top 0: expected a number"])
    cli.refuses("rerank", "mine", "-o", "pick.txt", says=["expected FILE.json in an existing folder"])
    cli("search", "random", "--on", planted, "--queries", 3, "--seeds", 2, "--out", "two")
    cli.refuses("rerank", "two", says=["two holds several runs: give one of them, e.g. archloom rerank two/seed-0"])
