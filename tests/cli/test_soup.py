"""`archloom soup`, and the weights that `archloom export` writes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs the extra train")

BROKEN = """
from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask
from archloom.testing import PlantedSpace

class Broken(PlantedTask):
    def begin(self, arch, seed):
        raise ValueError("no GPU")

problem = TaskProblem(PlantedSpace(), Broken())
"""


def test_a_soup_is_told_and_written(cli: Any, population: str) -> None:
    from safetensors.torch import load_file

    said = cli("soup", population, "-o", "soup.safetensors", "--json")
    content = json.loads(said.out)
    assert content["metric"] == "worth"
    assert content["difference"] >= 0
    tensors = load_file(cli.home / "soup.safetensors")
    layers = [tensors[f"layers.{gene}.weight"].item() for gene in range(8)]
    assert 100 * sum(layers) / 8 == pytest.approx(content["soup"]["worth"], abs=1e-4)
    told = cli("soup", population).out
    assert "best member" in told
    assert f"no. {', '.join(map(str, content['members']))}" in told
    assert f"after epoch {content['epoch']}, whose best is trial {content['trial']}" in told
    assert "behind" not in told
    assert json.loads(cli("soup", population, "--final", "--json").out) == content, "its task has no final settings"
    cli.refuses("soup", population, "--set", "task.samples=3", says=["give --final too"])
    cli.refuses("soup", population, "--final", "--set", "step=3", says=["expected an option of the run's task"])


def test_a_part_that_is_not_there_is_refused_whoever_shares_the_winners_genes(cli: Any, population: str) -> None:
    cli.refuses(
        "soup",
        population,
        "--part",
        "network.nope",
        says=["'network.nope' is to be averaged, but there is nothing below"],
    )
    cli.refuses("soup", population, "--part", "nope", says=["network"])
    assert cli("soup", population, "--part", "network.layers.0").code == 0


def test_soups_of_several_runs(cli: Any, trained_here: Path) -> None:
    sizes = "--set population=4 --set epochs=3 --set step=1 --set itself=true --set survivors=0.25 --seeds 2 --quiet"
    assert cli("search", "pbt_nas", "--on", trained_here, *sizes.split(), "--out", "two").code == 0
    found = json.loads(cli("soup", "two", "--part", "network.layers.0", "--json").out)
    alone = json.loads(cli("soup", "two/seed-1", "--part", "network.layers.0", "--json").out)
    assert found["runs"][1] == {"run": "two/seed-1", "label": "pbt_nas", "seed": 1, "missing": None, **alone}
    means = found["strategies"]["pbt_nas"]
    assert means["difference"]["n"] == 2 and means["difference"]["min"] >= 0
    said = cli("soup", "two")
    assert said.code == 0 and "best tried, mean ± std" in said.out
    cli.refuses("soup", "two", "-o", "s.safetensors", says=["two holds several runs", "two/seed-0"])


def test_runs_that_have_no_soup_are_named(cli: Any, planted: Path) -> None:
    assert cli("search", "random", "--on", planted, "--queries", 2, "--seeds", 2, "--quiet", "--out", "two").code == 0
    said = cli("soup", "two")
    assert said.code == 1 and said.out.count("a soup needs a run that trained a population") == 2


def test_what_to_do_next_is_told(cli: Any, trained_here: Path) -> None:
    said = cli("search", "pbt_nas", "--on", trained_here, "--set", "population=4", "--set", "epochs=2",
               "--set", "step=1", "--out", "other")  # fmt: skip
    assert "archloom plot other --kind lineage" in said.out
    assert "archloom plot other --kind family" in said.out
    assert "archloom soup other" in said.out
    assert "-o weights.safetensors" in said.out


def test_where_everything_fails_the_reason_is_told(cli: Any) -> None:
    (cli.home / "broken.py").write_text(BROKEN)
    said = cli("search", "random", "--on", "broken.py", "--queries", "2", "--out", "broken")
    assert said.code == 1
    assert "all 2 trials failed; the last one: ValueError: no GPU" in said.out


def test_the_winners_weights_are_exported(cli: Any, population: str) -> None:
    from safetensors.torch import load_file

    best = json.loads(cli("best", population, "--json").out)
    assert cli("export", population, "-o", "best.safetensors").code == 0
    tensors = load_file(cli.home / "best.safetensors")
    layers = [tensors[f"layers.{gene}.weight"].item() for gene in range(8)]
    value = best["runs"][0]["best"]["value"]
    assert 100 * sum(layers) / 8 == pytest.approx(value, abs=1e-4)


EXAMPLE = re.compile(r"<!-- images of net\.py -->\n```python\n(.*?)```", re.DOTALL)


def test_the_generator_that_was_measured_is_exported_with_its_code(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's example, as it stands there, makes the images that the run measured, of the winner and of the soup."""
    import torch

    sizes = "--set space.channels=4 --set space.discriminator_channels=4 --set task.extractor=pixels"
    steps = "--set task.steps_per_epoch=2 --set task.batch_size=8 --set task.samples=20 --set task.ema=0.5"
    chunks = "--set population=2 --set epochs=2 --set step=1 --set itself=true --set perturb=0 --set shrink=1"
    line = f"search pbt_nas --on gan:{_sides(tmp_path)} {sizes} {steps} {chunks} --out run"
    assert cli(*line.split()).code == 0
    for written in ("net.py", "net.safetensors"):
        assert cli("export", "run", "-o", written).code == 0
    (example,) = EXAMPLE.findall((Path(__file__).parents[2] / "docs/pbt-nas.md").read_text(encoding="utf-8"))
    monkeypatch.syspath_prepend(cli.home)
    monkeypatch.delitem(sys.modules, "net", raising=False)
    made: dict[str, Any] = {}
    exec(example, made)
    assert made["pixels"].shape == (64, 1, 8, 8)
    assert made["scores"].shape == (64, 1)

    from archloom.deploy.final import open_member
    from archloom.deploy.soup import greedy_soup
    from archloom.runs.report import read_report

    report = read_report(cli.home / "run", need_space=True)
    training: Any = open_member(report).training
    assert _like(training, made["networks"])
    raw = training.state().networks["generator"]
    assert any(not torch.equal(raw[name], tensor) for name, tensor in made["networks"].generator.state_dict().items())
    assert cli("soup", "run", "-o", "net.safetensors").code == 0
    exec(example, made)
    training.resume(greedy_soup(report).state)
    assert _like(training, made["networks"])


def _sides(folder: Path) -> Path:
    """24 noisy images of 8 x 8 pixels."""
    import numpy as np

    from archloom.data.images.labelled import save_images
    from archloom.data.images.splits import Split, Splits

    values = np.random.default_rng(0).integers(0, 256, (24, 1, 8, 8)).astype(np.uint8)
    save_images(Splits(Split(values, np.arange(24) % 2), None, None, ("a", "b")), folder / "sides.npz")
    return folder / "sides.npz"


def _like(training: Any, networks: Any) -> bool:
    """Whether networks make what a training measures, and judge as its discriminator does."""
    import torch

    next(iter(training.generate(1)))  # sets the averaged generator's statistics
    latent, judge = torch.randn(9, 120, generator=torch.Generator().manual_seed(0)), training.networks["discriminator"]
    with torch.no_grad():
        images = training.average(latent)
        same = torch.allclose(networks.generator(latent), images, atol=1e-6)
        return same and torch.allclose(networks.discriminator(images), judge.eval()(images), atol=1e-6)


def test_bad_files_are_refused_before_anything_is_cooked(cli: Any, population: str) -> None:
    cli.refuses("soup", population, "-o", "soup.pt", says=["expected FILE.safetensors"])
    cli.refuses("soup", population, "-o", "missing/soup.safetensors", says=["expected FILE.safetensors"])


def test_what_was_not_trained_has_no_weights(cli: Any, planted: Path) -> None:
    cli("search", "random", "--on", planted, "--queries", "3", "--out", "plain")
    cli.refuses("export", "plain", "-o", "best.safetensors", says=["nothing was trained"])
    cli.refuses("soup", "plain", says=["a soup needs a run that trained a population"])
