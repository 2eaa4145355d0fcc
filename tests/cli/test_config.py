"""Configurations: read, checked, overridden by what is typed; and the ones that archloom ships, at their full size."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from archloom.cli import config
from archloom.cli.config import Config

PLAIN = """
strategy = "random"
on = "nb201"
queries = 20

[set]
space.canonical = true
evolution.population = 5
evolution.sample = 2
"""


@pytest.fixture
def written(cli: Any) -> Path:
    path: Path = cli.home / "mine.toml"
    path.write_text(PLAIN)
    return path


# -- on the command line ------------------------------------------------------------------------------------------


def run_of(cli: Any, *arguments: object) -> Any:
    said = cli("search", *arguments, "--json", "--quiet", "--out", "run")
    assert said.code == 0, said.err
    return json.loads((cli.home / "run" / "run.json").read_text())["request"]


@pytest.mark.usefixtures("written")
def test_a_file_says_what_the_command_line_can_say(cli: Any, small_table: Path) -> None:
    found = run_of(cli, "--config", "mine.toml", "--table", small_table)
    (cli.home / "run").rename(cli.home / "before")
    typed = ("random", "--on", "nb201", "--queries", 20, "--set", "space.canonical=true", "--table", small_table)
    assert found == run_of(cli, *typed)


@pytest.mark.usefixtures("written")
def test_what_is_typed_wins(cli: Any, small_table: Path) -> None:
    more = ("--queries", 7, "--set", "sample=1", "--set", "space.canonical=false", "--seed", 3)
    found = run_of(cli, "evolution", "--config", "mine.toml", "--table", small_table, *more)
    assert (found["strategy"], found["seed"], found["limits"]["queries"]) == ("evolution", 3, 7)
    assert found["options"] == {"population": "5", "sample": "1"}
    assert found["problem"]["space"] == {"canonical": "false"}


def test_lists_and_single_values_of_options_that_may_be_repeated(cli: Any, small_table: Path) -> None:
    (cli.home / "many.toml").write_text(
        'strategy = "random"\nobjective = ["valid", "params"]\nreport = "test"\nconstraint = "params<=3"\nqueries = 9\n'
        f'table = "{small_table}"\nseeds = 2\n'
    )
    found = json.loads(cli("search", "--config", "many.toml", "--json", "--quiet").out)
    assert (found["objective"], found["constraints"]) == (["valid", "params"], ["params<=3"])
    assert set(found["report"]) == {"test"}
    assert len(found["runs"]) == 2
    typed = json.loads(cli("search", "--config", "many.toml", "--seed", 5, "--json", "--quiet").out)
    assert [run["seed"] for run in typed["runs"]] == [5], "--seed takes the place of the file's seeds"


def test_one_file_serves_a_comparison_too(cli: Any, written: Path, small_table: Path) -> None:
    written.write_text(written.read_text() + "slow.sample = 3\n")
    said = cli(
        "compare", "random", "evolution", "slow=evolution", "--config", "mine.toml", "--table", small_table,
        "--seeds", 1, "--set", "evolution.sample=1", "--json", "--quiet",
    )  # fmt: skip
    assert said.code == 0, said.err
    options = {found["label"]: found["options"] for found in json.loads(said.out)["results"]}
    assert options == {
        "random": {},
        "evolution": {"population": "5", "sample": "1"},
        "slow": {"population": "5", "sample": "3"},
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("querys = 20", ["bad.toml: unknown key 'querys'; did you mean 'queries'?", "belong under [set]"]),
        ("population = 20", ["unknown key 'population'", "belong under [set]"]),
        ("json = true", ["unknown key 'json'"]),
        ("queries = '20'", ["bad.toml: queries = 20: expected a whole number"]),
        ("queries = true", ["queries = true: expected a whole number"]),
        ("on = 5", ["on = 5: expected a string in quotes"]),
        ("objective = ['a', 5]", ["objective = 5: expected a string in quotes, or a list of them"]),
        ("set = 5", ["bad.toml: set = 5: expected a table"]),
        ("set.population = ''", ["population = : expected a number, a string"]),
        ("set.population = [1, 'a,b']", ["population = [1, 'a,b']: expected a list of items without commas"]),
        ("set.population = 1979-05-27", ["population = 1979-05-27: expected a number"]),
        ("queries = ", ["bad.toml: not TOML (Invalid value", "strings in quotes"]),
        ("set.populatoin = 5", ["option 'populatoin'; did you mean 'population'"]),
        ("set.space.canonicle = true", ["option 'canonicle'; did you mean 'canonical'"]),
        ("seed = 1\nseeds = 2", ["--seed and --seeds: give only one of them"]),
    ],
)
def test_mistakes_are_told_in_one_line(cli: Any, small_table: Path, text: str, says: list[str]) -> None:
    (cli.home / "bad.toml").write_text(text)
    cli.refuses("search", "evolution", "--table", small_table, "--config", "bad.toml", says=says)


def test_files_that_are_none(cli: Any) -> None:
    (cli.home / "latin.toml").write_bytes(b'on = "\xe9"')
    cli.refuses("search", "--config", "latin.toml", says=["latin.toml: not TOML"])
    cli.refuses(
        "search", "--config", "gan_cifar", says=["unknown configuration 'gan_cifar'; did you mean 'gan_cifar10'"]
    )
    for nothing in ("", "."):
        cli.refuses("search", "--config", nothing, says=["a file of yours"])


def test_settings_of_one_strategy_win_over_those_of_all() -> None:
    found = Config({}, {"p": "1", "pbt_nas.p": "2", "searl.p": "3", "a.p": "4", "task.lr": "5"})
    assert found.settings_for("pbt_nas") == {"p": "2", "task.lr": "5", "a.p": "4"}
    assert found.settings_for("pbt_nas", "a", ["a", "b"]) == {"p": "4", "task.lr": "5"}
    assert found.settings_for("random") == {"p": "1", "task.lr": "5", "a.p": "4"}


def test_lists_of_configurations(cli: Any) -> None:
    said = cli("list", "configs").out
    assert "gan_hard_stl10     PBT-NAS on STL-10 at 48 pixels" in said
    text = cli("list", "gan_cifar10").out
    assert tomllib.loads(text)["set"]["population"] == 24
    (cli.home / "copy.toml").write_text(text)
    assert config.locate("copy.toml").name == "copy.toml"
    assert "configurations for --config: archloom list configs" in cli("list").out


# -- the paper's scale --------------------------------------------------------------------------------------------

STRATEGIES = ("pbt_nas", "searl", "random_population")
SHIPPED = ("gan_cifar10", "gan_hard_cifar10", "gan_stl10", "gan_hard_stl10")
AGENTS = ("pbt_nas_quadruped", "pbt_nas_walker", "pbt_nas_humanoid")
FEATURES = """
import torch

def means():
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
"""


@pytest.fixture
def few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 with 20 and STL-10 with 9 images to learn from, in their official layouts; and a light extractor."""
    pytest.importorskip("torch", reason="training needs the extra train")
    from archloom.data.images import labelled as images
    from archloom.data.images import unlabelled

    rng = np.random.default_rng(0)
    cifar = tmp_path / "cifar-10-batches-bin"
    stl = tmp_path / "stl10_binary"
    for folder in (cifar, stl):
        folder.mkdir()
    for name in [*(f"data_batch_{batch}.bin" for batch in range(1, 6)), "test_batch.bin"]:
        rows = rng.integers(0, 256, (4, 3073), dtype=np.uint8)
        rows[:, 0] = [0, 1, 0, 1]
        (cifar / name).write_bytes(rows.tobytes())
    (cifar / "batches.meta.txt").write_text("plane\ncar\n")
    for name, count in (("train_X.bin", 3), ("unlabeled_X.bin", 6)):
        (stl / name).write_bytes(rng.integers(0, 256, 27_648 * count, dtype=np.uint8).tobytes())
    counts = {"cifar10": (images.OFFICIAL, (20, 4)), "stl10_unlabelled": (unlabelled.UNLABELLED, (9, 0))}
    for name, (sets, count) in counts.items():
        monkeypatch.setitem(sets, name, dataclasses.replace(sets[name], count=count))  # type: ignore[arg-type]
    monkeypatch.setenv("ARCHLOOM_DATA", str(tmp_path))
    (tmp_path / "paper_scale_features.py").write_text(FEATURES)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def opened(
    name: str, strategy: str = "pbt_nas", space: Mapping[str, str] = MappingProxyType({}), **overrides: str
) -> tuple[Any, Any]:
    """The scenario of a shipped configuration and the plan of a strategy; `overrides` are the task's, `space` those of
    the space."""
    from archloom.cli import options
    from archloom.cli.search import search
    from archloom.problems import open_scenario
    from archloom.runs.prepare import Preparer, choose_strategy, fitted

    read = config.read(name, search.params)
    own = options.by_owner(read.settings_for(strategy))
    extractor = {"extractor": "paper_scale_features:means"} if "extractor" in own.task else {}
    chosen = dataclasses.replace(own, task={**own.task, **extractor, **overrides}, space={**own.space, **space})
    spec = options.spec_of(read.values["on"], None, (), (), (), read.values["space_name"], chosen)
    of_run = choose_strategy(strategy, chosen.strategy)
    assert Preparer().fitted_options(strategy, chosen.strategy, spec) == chosen.strategy, "the file names every size"
    assert fitted(spec, but=["epochs"]) == spec
    return open_scenario(spec), (of_run.limits(), of_run.options)


def test_what_ships() -> None:
    supernets = {"ddas_cifar10", "cadam_cifar10", "pc_cadam_cifar10"}
    others = {"advnas_cifar10", "ga_nas_1", "ga_nas_2", "apex_nb101", "apex_nb301", "darts_cifar10"}
    nago = {"nago_cifar10", "nago_bohb_cifar10", "nago_mobo_cifar10"}
    assert set(config.shipped()) == {*SHIPPED, *AGENTS, *others, *supernets, *nago}


@pytest.mark.parametrize("name", ["ddas_cifar10", "cadam_cifar10", "pc_cadam_cifar10"])
def test_set_ups_on_supernets_have_options_that_there_are(name: str) -> None:
    """Nothing is opened: CIFAR-10 is not here."""
    from archloom.cli import options
    from archloom.cli.search import search
    from archloom.runs.prepare import choose_strategy
    from archloom.utils.options import convert_all

    read = config.read(name, search.params)
    strategy = name.removeprefix("pc_").partition("_")[0]
    own = options.by_owner(read.settings_for(strategy))
    assert choose_strategy(strategy, own.strategy).options
    spec = options.spec_of(read.values["on"], None, (), (), (), read.values["space_name"], own)
    assert convert_all("task", spec.source.task_options(spec), own.task)["valid_share"] == 0.5
    assert convert_all("space", spec.source.space_options(spec), own.space)["channels"] == 16


@pytest.mark.parametrize(
    ("name", "sizes"), [("ga_nas_1", (50, 100, 50, 25, 3_300)), ("ga_nas_2", (100, 200, 100, 50, 6_600))]
)
def test_the_two_set_ups_of_ga_nas(name: str, sizes: tuple[int, ...]) -> None:
    """GA-NAS, section 4.1: |X_0|, |X_1|, how much sets grow, K, and what ten iterations come to."""
    pytest.importorskip("torch", reason="ga_nas needs the extra train")
    from archloom.cli.search import search
    from archloom.runs.prepare import choose_strategy

    read = config.read(name, search.params)
    settings = read.settings_for("ga_nas")
    of_run = choose_strategy("ga_nas", settings)
    chosen = of_run.options
    found = (chosen.initial, chosen.batch_size, chosen.growth, chosen.top_k, of_run.plan.trials)
    assert found == sizes and chosen.iterations == 10
    assert read.values["on"] == "nb101" and read.values["seeds"] == 10
    assert not read.settings_for("random"), "the sizes are ga_nas's alone"
    assert read.values["objectives"] == ["test_108"], "S is the test accuracy"


def test_a_set_up_of_ga_nas_on_a_surrogate_names_what_it_lacks(
    cli: Any, real_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="ga_nas needs the extra train")
    pytest.importorskip("numba", reason="NAS-Bench-101 cells need the extra bench")
    monkeypatch.setenv("ARCHLOOM_DATA", str(real_table("nb101_surrogate.npz").parent))
    says = ["unknown objective 'test_108'", "valid_108_surrogate", "is not the official table"]
    cli.refuses("search", "--config", "ga_nas_1", "--out", "run", says=says)


@pytest.mark.usefixtures("few_images")
def test_the_evaluation_of_darts() -> None:
    """FACTS of the thesis, sections 4.2 and 4.4; its 3.826 million parameters are those for ten classes."""
    import torch

    pytest.importorskip("numba", reason="the DARTS space needs the extra bench")
    from archloom.spaces.darts import Darts

    scenario, (_, chosen) = opened("darts_cifar10", "random", batch_size="2")
    read = scenario.problem.task.options
    assert (read.epochs, read.optimiser, read.momentum, read.nesterov) == (600, "sgd", 0.9, False)
    assert (read.lr, read.final_lr, read.schedule, read.weight_decay) == (0.025, 0.0, "cosine", 3e-4)
    assert (read.max_grad_norm, read.drop_path, read.auxiliary_weight) == (5, 0.2, 0.4)
    assert (read.augment, read.cutout, read.normalisation) == (("shift", "flip", "cutout"), 16, "mean_std")
    assert list(scenario.problem.goals) == ["params_m", "memory_mb"] and scenario.report[0] == "test_accuracy"
    space = scenario.space
    assert (space.channels, space.cells, space.image_size, space.auxiliary) == (36, 20, 32, True)
    with torch.device("meta"):
        network = Darts(auxiliary=True).build(space.parse(chosen.start), 0)
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_825_768


@pytest.mark.usefixtures("few_images")
def test_networks_of_the_published_generators_of_nago() -> None:
    """FACTS 5.4 and 6.5: the paper's section 4 and Table 3."""
    from archloom.analysis.published_generators import GENERATORS
    from archloom.strategies.starts import texts_in

    scenario, (limits, chosen) = opened("nago_cifar10", "given", batch_size="2")
    published = [each.arch() for each in GENERATORS if each.data == "cifar10"]
    assert texts_in(chosen.archs) == published
    assert (chosen.epochs, chosen.networks, limits.width) == (600, 8, 16)
    read = scenario.problem.task.options
    assert (read.lr, read.schedule, read.cutout, read.drop_path, read.auxiliary_weight) == (0.025, "cosine", 16, 0, 0)
    for text in published:
        assert 3.5 < scenario.space.details(scenario.space.parse(text))["operation_params_m"] <= 4.0


@pytest.mark.usefixtures("few_images")
def test_nago_by_bohb_and_by_mobo() -> None:
    """FACTS 5.4 and 5.5: of 60 brackets each three are 13 evaluations in 960 epochs. MOBO starts from these."""
    from archloom.cli import options
    from archloom.cli.search import search
    from archloom.runs.prepare import choose_strategy

    scenario, (_, chosen) = opened("nago_bohb_cifar10", "bohb", batch_size="2")
    assert (chosen.eta, chosen.budgets, chosen.promote) == (2, (30, 60, 120), "again")
    assert config.read("nago_bohb_cifar10", search.params).values["queries"] == 60 // 3 * (7 + 3 + 3)
    read = scenario.problem.task.options
    assert (read.lr, read.schedule, read.schedule_until, read.cutout) == (0.1, "cosine", "fidelity", 16)
    assert scenario.space.name == "hnag" and scenario.objectives == ("valid_accuracy",)
    file = config.read("nago_mobo_cifar10", search.params)
    by_bohb = config.read("nago_bohb_cifar10", search.params)
    assert file.values["objectives"] == ["valid_accuracy", "memory_mb"] and file.values["queries"] == 30 * 8
    own = [options.by_owner(each.settings_for("mobo")) for each in (file, by_bohb)]
    assert own[0].task == own[1].task and own[0].space == own[1].space, (
        "so that results of BOHB are results of this, too"
    )
    chosen = choose_strategy("mobo", own[0].strategy).options
    assert (chosen.batch, chosen.budget) == (8, 60)


def test_an_evaluation_of_darts_from_the_shipped_file(
    cli: Any, few_images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything as shipped but for size and time."""
    monkeypatch.setenv("ARCHLOOM_DATA", str(few_images))
    pytest.importorskip("numba", reason="the DARTS space needs the extra bench")
    smaller = ["task.epochs=1", "task.batch_size=8", "space.channels=1", "space.cells=3"]
    typed = [word for setting in smaller for word in ("--set", setting)]
    said = cli("search", "--config", "darts_cifar10", *typed, "--json", "--quiet", "--out", "run")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["strategy"], found["queries"]) == ("random", 1)
    assert "('dil_conv_3x3', 2)" in said.out and "test_accuracy" in found["report"]


@pytest.mark.usefixtures("few_images")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", SHIPPED)
def test_the_numbers_of_the_paper(name: str, strategy: str) -> None:
    """FACTS of the paper and its code: sections 4.2 and 5.3, and the configurations of the code."""
    scenario, (limits, chosen) = opened(name, strategy)
    assert (chosen.population, chosen.epochs, chosen.step) == (24, 300, 10)
    assert (limits.queries, limits.width) == (24 * 30, 24)
    expected = {
        "parents": 0.25,
        "survivors": 0.75,
        "crossover_prob": 0.25,
        "shrink": 0.4,
        "perturb": 0.1,
        "warm_epochs": 0,
    }
    for option, value in expected.items():
        assert getattr(chosen, option, value) == value
    stl = name.endswith("stl10")
    size = scenario.space.dimensions
    assert (size.image_size, size.bottom, size.channels) == ((48, 6, 270) if stl else (32, 4, 256))
    assert (size.image_channels, size.discriminator_channels, size.latent) == (3, 128, 120)
    assert scenario.space.name == name.rpartition("_")[0]
    task = scenario.problem.task.options
    assert (task.batch_size, task.steps_per_epoch, task.generator_every) == (128 if stl else 40, 0, 5)
    assert (task.lr, task.ema, task.samples, task.final_samples) == (2e-4, 0.999, 5_000, 50_000)
    assert 'extractor = "inception"' in config.shipped()[name].read_text(encoding="utf-8"), "opened() takes another"
    images = 105_000 if stl else 50_000
    steps = -(-images // task.batch_size)
    assert (steps, -(-steps // task.generator_every)) == ((821, 165) if stl else (1250, 250))


def settings_of_agents(name: str, strategy: str) -> tuple[Any, Any]:
    """The problem of a configuration of agents and a strategy's options; nothing is opened."""
    from archloom.cli import options
    from archloom.cli.search import search
    from archloom.runs.prepare import choose_strategy

    read = config.read(name, search.params)
    own = options.by_owner(read.settings_for(strategy))
    spec = options.spec_of(read.values["on"], None, (), (), (), read.values["space_name"], own)
    return spec, choose_strategy(strategy, own.strategy).options


@pytest.mark.parametrize("name", AGENTS)
def test_the_numbers_of_the_paper_for_agents(name: str) -> None:
    """FACTS of the paper and its code: sections 4.3 and 4.4, and the configurations of the code."""
    pytest.importorskip("dm_control", reason="environments need the extra control")
    from archloom.tasks.control.options import PUBLISHED, ControlOptions
    from archloom.utils.options import convert_all

    environment = name.removeprefix("pbt_nas_") + "_run"
    epochs, step = (1500, 100) if environment == "humanoid_run" else (300, 10)
    own = environment == "quadruped_run"
    for strategy, experience in zip(STRATEGIES, ("donor", "own", "own") if own else ("shared",) * 3, strict=True):
        spec, chosen = settings_of_agents(name, strategy)
        random = strategy == "random_population"
        assert (chosen.population, chosen.epochs) == (12, epochs) and chosen.experience == experience
        assert chosen.step == (50 if random and epochs == 1500 else step)
        if not random:
            ends = range(step, epochs + 1, step)
            mixed = [end for end in ends if end < epochs and (end >= 150 or epochs == 1500 or end % 20 == 0)]
            assert [end for end in ends if chosen.replaces(end)] == mixed
            assert (int(chosen.parents * 12), int(chosen.survivors * 12)) == (3, 9)
    assert spec.on == f"control:{environment}" and spec.space_name == "control"
    task = convert_all("task", spec.source.task_options(spec), spec.task)
    published = PUBLISHED[environment]
    assert ControlOptions(**{**published, **task}) == ControlOptions(**published, camera=2 if own else 0, effects=True)
    lacking = {"epochs", "device", "episode_frames"}
    assert {field.name for field in dataclasses.fields(ControlOptions)} - task.keys() == lacking
    assert convert_all("space", spec.source.space_options(spec), spec.space) == {
        "width": 32, "hidden": 1024, "features": (25, 50, 100, 150), "as_published": False,
    }  # fmt: skip
    if own:
        _, bohb = settings_of_agents(name, "bohb")
        assert (bohb.eta, bohb.minimum, bohb.maximum, bohb.promote) == (3, 10, 300, "continue")


@pytest.mark.parametrize(
    ("name", "pixels"), [(AGENTS[1], "true"), (AGENTS[0], "false"), (AGENTS[1], "false"), (AGENTS[2], "false")]
)
def test_a_first_chunk_of_agents(name: str, pixels: str) -> None:
    """Everything as shipped but for sizes: of frames, networks, batches, episodes and epochs."""
    pytest.importorskip("torch", reason="training needs the extra train")
    pytest.importorskip("dm_control", reason="environments need the extra control")
    from archloom.errors import InputError
    from archloom.tasks.control import rendering
    from archloom.types import Proposal

    if pixels == "true":
        try:
            rendering.device()
        except InputError as error:
            pytest.skip(str(error))
    scenario, _ = opened(
        name, pixels=pixels, size="12", render_size="24", effects="false", epoch_frames="8", episode_frames="8",
        seed_frames="4", explore_steps="2", batch_size="2", episodes="1",
        space={"width": "1", "hidden": "8", "features": "4"},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    proposal = Proposal(scenario.space.sample(rng), 1)
    result, _, left = scenario.evaluator.evaluate_with_files(proposal, None, (), None, rng)
    assert result.report["frames"] == 8 and np.isfinite(result.scores["episode_reward"])
    assert left is not None and len(scenario.space.sizes) == (36 if pixels == "true" else 28)


@pytest.mark.usefixtures("few_images")
def test_the_generator_of_adversarialnas() -> None:
    """FACTS of the paper, sections 1.4 and 1.5, and the code of AdversarialNAS."""
    from archloom.spaces.gan import ADVERSARIALNAS_CIFAR10

    scenario, (limits, chosen) = opened("advnas_cifar10", "given")
    assert (chosen.epochs, chosen.step, limits.queries, limits.width) == (600, 5, 120, 1)
    arch = scenario.space.parse(chosen.archs)
    assert arch == ADVERSARIALNAS_CIFAR10
    counts = scenario.space.parameters(np.array([arch.genes]))
    assert {name: count.tolist() for name, count in counts.items()} == {
        "generator": [8_846_851],
        "discriminator": [1_053_824],
    }
    task = scenario.problem.task.options
    assert (task.batch_size, task.steps_per_epoch, task.generator_every, task.generator_batch_size) == (20, 1250, 5, 80)
    assert (task.lr, task.eps, task.ema, task.samples, task.final_samples) == (2e-4, 1e-8, 0.999, 50_000, 50_000)


PARAMETERS = {
    "gan_cifar10": {"generator": 13_174_787, "discriminator": 1_053_824},
    "gan_hard_cifar10": {"generator": 11_702_787, "discriminator": 4_194_816},
    "gan_stl10": {"generator": 13_696_023, "discriminator": 1_053_824},
    "gan_hard_stl10": {"generator": 16_765_923, "discriminator": 4_194_816},
}
"""Of the architecture that is drawn below; another count means other networks than the paper's."""


@pytest.mark.usefixtures("few_images")
@pytest.mark.parametrize("name", SHIPPED)
def test_networks_of_full_width_are_built_counted_and_trained_for_a_step(name: str) -> None:
    """Smaller than the paper's are the batch and how many images there are, nothing else."""
    from archloom.checkpoints.store import CheckpointsInMemory
    from archloom.evaluators.base import evaluate
    from archloom.types import Proposal

    scenario, _ = opened(name, batch_size="2", steps_per_epoch="1", samples="2")
    arch = scenario.space.sample(np.random.default_rng(1))
    built = scenario.space.build(arch, 0)
    for network, count in PARAMETERS[name].items():
        assert sum(parameter.numel() for parameter in getattr(built, network).parameters()) == count
        assert scenario.space.parameters(np.array([arch.genes]))[network].tolist() == [count]
    states = CheckpointsInMemory()
    result = evaluate(scenario.evaluator, Proposal(arch, 1), 0, 0, states)
    assert result.ok, result.error
    assert result.scores["frechet_means"] > 0
    assert states.load(0).rest["steps"] == {"generator": 1, "discriminator": 1}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_whole_search_from_a_shipped_file(
    cli: Any, few_images: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything as shipped but for size and time."""
    monkeypatch.setenv("ARCHLOOM_DATA", str(few_images))
    smaller = ["population=4", "epochs=2", "step=1", "task.steps_per_epoch=1", "task.batch_size=2", "task.samples=4",
               "task.extractor=paper_scale_features:means", "space.channels=4", "space.discriminator_channels=4",
               "space.latent=12"]  # fmt: skip
    typed = [word for setting in smaller for word in ("--set", setting)]
    said = cli("search", strategy, "--config", "gan_hard_cifar10", *typed, "--json", "--quiet", "--out", "run")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["strategy"], found["on"], found["queries"]) == (strategy, "gan:cifar10", 8)


@pytest.mark.parametrize("written", ["\ufeff{}", "{}", "\r\n{}\r\n", "# x\r{}"])
def test_files_of_every_editor_are_read(written: str, cli: Any, small_table: Path) -> None:
    text = written.format("queries = 3")
    (cli.home / "own.toml").write_bytes(text.encode())
    said = cli("search", "random", "--config", "own.toml", "--table", small_table, "--json")
    assert said.code == 0 and json.loads(said.out)["queries"] == 3


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_told(encoding: str, cli: Any) -> None:
    (cli.home / "own.toml").write_bytes("queries = 3".encode(encoding))
    cli.refuses("search", "random", "--config", "own.toml", says=["own.toml is encoded in UTF-16 or UTF-32", "UTF-8"])


def test_a_configuration_that_is_no_file_or_too_deep(cli: Any) -> None:
    os.mkfifo(cli.home / "pipe.toml")
    (cli.home / "folder.toml").mkdir()
    (cli.home / "deep.toml").write_text("set = " + "[" * 5_000)
    for name, says in (
        ("pipe", "pipe.toml: is no regular file; --config takes a readable TOML file"),
        ("folder", "folder.toml: is a folder; expected a file"),
        ("deep", "deep.toml: not TOML (maximum recursion depth exceeded"),
    ):
        said = cli("search", "random", "--config", f"{name}.toml")
        assert said.code == 2 and says in said.err and said.err.count("\n") == 1
