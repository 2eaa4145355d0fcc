"""Training pairs of a generator and a discriminator."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.checkpoints.store import CheckpointsInMemory
from archloom.data.images.labelled import save_images
from archloom.data.images.splits import Split, Splits
from archloom.data.images.unlabelled import UnlabelledImages
from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.problems import ProblemSpec, absolute, open_scenario
from archloom.spaces.convnet import ConvNet
from archloom.spaces.gan import Gan, GanHard
from archloom.types import Arch, Inherit, Proposal
from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.checkpoints.state import TrainingState  # noqa: E402
from archloom.checkpoints.state_file import load_state, save_state  # noqa: E402
from archloom.evaluators.train import TrainingEvaluator  # noqa: E402
from archloom.tasks.base import (  # noqa: E402
    Deployable,
    EvaluatedFinally,
    GeneratesImages,
    PreparesEvaluation,
    Task,
    Training,
)
from archloom.tasks.gan import AVERAGE, DISCRIMINATOR, GENERATOR, GanOptions, GanTask, GanTraining  # noqa: E402
from archloom.tasks.training import epoch_streams  # noqa: E402

SMALL = {"channels": 8, "discriminator_channels": 8, "latent": 12}
SPACE = GanHard(image_size=8, image_channels=1, **SMALL)
ARCH = SPACE.sample(np.random.default_rng(0))
SETTINGS: dict[str, Any] = {"batch_size": 8, "samples": 40, "extractor": "pixels", "generator_every": 2}


def images(count: int, size: int = 8, channels: int = 1) -> Splits:
    """Two classes: bright on the left, and bright on the right."""
    labels = np.arange(count) % 2
    noise = np.random.default_rng(0).integers(0, 100, (count, channels, size, size))
    bright = 150 * (np.arange(size) < size // 2)
    sides = np.where(labels[:, None, None, None] == 0, bright, bright[::-1])
    return Splits(Split((noise + sides).astype(np.uint8), labels), None, None, ("left", "right"))


def data(size: int = 8) -> UnlabelledImages:
    return UnlabelledImages.of("sides", images(40, size).train.images, "made here")


def task(**settings: Any) -> GanTask:
    return GanTask(data(), GanOptions(**{**SETTINGS, **settings}), SPACE)


def tensors(state: TrainingState) -> dict[str, Any]:
    """Every tensor of a state by a name of its own."""
    parts: dict[str, Any] = {**state.networks, **{name: copy.tensors for name, copy in state.averages.items()}}
    slots = {
        f"{name}.{parameter}": found
        for name, optimiser in state.optimisers.items()
        for parameter, found in optimiser.slots.items()
    }
    return {f"{part}/{name}": tensor for part, found in {**parts, **slots}.items() for name, tensor in found.items()}


def differing(one: TrainingState, other: TrainingState) -> list[str]:
    """Names of tensors that are not the same bit for bit, and of plain data that is not equal."""
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])] + [
        name for name in one.rest if one.rest[name] != other.rest[name]
    ]


def trained(epochs: int, seed: int = 3, **settings: Any) -> GanTraining:
    training = task(**settings).begin(ARCH, seed)
    training.train(epochs)
    return training


# -- training -----------------------------------------------------------------------------------------------------


def test_it_is_a_task_that_trains() -> None:
    assert isinstance(task(), Task)
    assert isinstance(task().begin(ARCH, 0), Training)
    assert task().goals == {"frechet_pixels": "min"}
    assert task().report == (), "pixels know no classes"


@pytest.fixture
def double() -> Iterator[None]:
    """Networks in double precision: 32 bits of rounding grow in a few steps of Adam, on some machines too far."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("space", "settings", "generated", "eps"),
    [
        (SPACE, {}, 16, 1e-4),
        (Gan(image_size=8, image_channels=1, **SMALL), {"generator_batch_size": 6, "eps": 1e-6}, 6, 1e-6),
    ],
    ids=["gan_hard", "gan"],
)
def test_an_epoch_written_out(space: Any, settings: dict[str, Any], generated: int, eps: float) -> None:
    """Two epochs of 5 batches as the paper's appendix and code have them: every tensor, averages and moments too."""
    made = task(**settings).on(space)
    arch = space.sample(np.random.default_rng(5))
    training, plain = made.begin(arch, 7), made.begin(arch, 7)
    training.train(2)
    generator, discriminator = plain.networks[GENERATOR].train(), plain.networks[DISCRIMINATOR].train()
    averaged = {name: parameter.detach().clone() for name, parameter in generator.named_parameters()}
    learners = {
        network: torch.optim.Adam(module.parameters(), 2e-4, betas=(0.0, 0.9), eps=eps)
        for network, module in plain.networks.items()
    }
    real = torch.tensor(made.data.images) / 127.5 - 1
    for epoch in range(2):
        with epoch_streams(7, epoch, torch.device("cpu")) as streams:
            order = torch.randperm(40, generator=streams.order)
            for step in range(5):
                fake = generator(torch.randn(8, 12, generator=streams.augment)).detach()
                scores = discriminator(real[order[8 * step : 8 * step + 8]]), discriminator(fake)
                learners[DISCRIMINATOR].zero_grad()
                ((1 - scores[0]).clamp(min=0).mean() + (1 + scores[1]).clamp(min=0).mean()).backward()
                learners[DISCRIMINATOR].step()
                if step in (0, 2, 4):
                    learners[GENERATOR].zero_grad()
                    latent = torch.randn(generated, 12, generator=streams.augment)
                    (-discriminator(generator(latent)).mean()).backward()
                    learners[GENERATOR].step()
                    for name, parameter in generator.named_parameters():
                        averaged[name] = 0.999 * averaged[name] + 0.001 * parameter.detach()
    state = training.state()
    for network, module in plain.networks.items():
        for name, tensor in module.state_dict().items():
            assert torch.allclose(state.networks[network][name], tensor, atol=1e-8), f"{network}.{name}"
    assert state.averages[AVERAGE].of == GENERATOR
    assert state.averages[AVERAGE].tensors.keys() == averaged.keys(), "parameters only"
    for name, tensor in averaged.items():
        assert torch.allclose(state.averages[AVERAGE].tensors[name], tensor, atol=1e-9), name
    assert training.steps == {GENERATOR: 6, DISCRIMINATOR: 10}


@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({}, 5),
        ({"batch_size": 12}, 4),
        ({"steps_per_epoch": 3}, 3),
        ({"steps_per_epoch": 9}, 5),
        ({"batch_size": 99}, 1),
    ],
)
def test_steps_of_both_networks(settings: dict[str, Any], batches: int) -> None:
    """The last batch may be short, and the generator's steps are counted from the start of every epoch."""
    state = trained(2, **settings).state()
    steps = {GENERATOR: 2 * math.ceil(batches / 2), DISCRIMINATOR: 2 * batches}
    assert state.rest["steps"] == steps
    for network, optimiser in state.optimisers.items():
        assert optimiser.slots, network
        assert {int(slots["step"]) for slots in optimiser.slots.values()} == {steps[network]}
    assert state.rest["epochs"] == 2


def test_the_average_follows_by_its_formula() -> None:
    training = task(ema=0.75, steps_per_epoch=1).begin(ARCH, 0)
    expected = training.state().averages[AVERAGE].tensors
    moved = False
    for _ in range(3):
        training.train(1)
        state = training.state()
        expected = {name: 0.75 * tensor + 0.25 * state.networks[GENERATOR][name] for name, tensor in expected.items()}
        for name, tensor in state.averages[AVERAGE].tensors.items():
            assert torch.allclose(tensor, expected[name], atol=1e-7), name
            moved = moved or not torch.equal(tensor, state.networks[GENERATOR][name])
    assert moved


def test_images_are_made_by_averaged_weights_with_the_generators_own_statistics() -> None:
    training = trained(2, ema=0.5)
    state = training.state()
    network = SPACE.build(ARCH, 99).generator.eval()
    network.load_state_dict({**state.networks[GENERATOR], **state.averages[AVERAGE].tensors})
    rng = torch.Generator().manual_seed(int(seeds.stream(3, "evaluate", 2).integers(2**63)))
    with torch.no_grad():
        expected = network(torch.randn(300, 12, generator=rng)) * 127.5 + 127.5
    found = torch.cat(list(training.generate(300)))
    assert torch.allclose(found, expected, atol=1e-3)
    assert found.min() >= 0
    assert found.max() <= 255
    network.load_state_dict(state.networks[GENERATOR])
    with torch.no_grad():
        assert not torch.allclose(found[:9], network(torch.randn(9, 12, generator=rng)) * 127.5 + 127.5, atol=1)


def test_what_all_evaluations_need_is_computed_first_if_others_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is computed whenever it is needed otherwise, and told apart from that by what the cache allows."""
    made = task()
    assert isinstance(made, PreparesEvaluation)
    (tmp_path / "file").write_text("")
    for cache, computed in (("file/in/the/way", False), ("cache", True)):
        monkeypatch.setenv("ARCHLOOM_CACHE", str(tmp_path / cache))
        made.prepare_evaluation()
        assert ("real" in vars(made)) == computed


def test_evaluation_changes_nothing() -> None:
    quiet, asked = task().begin(ARCH, 3), task().begin(ARCH, 3)
    for training in (quiet, asked):
        training.train(1)
    before, drawn = asked.state(), torch.get_rng_state()
    assert asked.evaluate() == asked.evaluate()
    assert not differing(before, asked.state())
    assert torch.equal(drawn, torch.get_rng_state())
    for training in (quiet, asked):
        training.train(1)
    assert not differing(quiet.state(), asked.state())


def test_the_final_evaluation_takes_more_images_and_others() -> None:
    training = task(final_samples=90).begin(ARCH, 3)
    training.train(1)
    assert isinstance(training, EvaluatedFinally)
    assert isinstance(training, GeneratesImages)
    made = torch.cat(list(training.generate(90, "final")))
    real = training._task.real
    assert training.evaluate_finally() == training._task.extractor.measure(real, [made])
    assert not torch.equal(made[:40], torch.cat(list(training.generate(40))))
    again = task(final_samples=90).begin(ARCH, 4)
    again.resume(training.state())
    assert again.evaluate_finally() == training.evaluate_finally(), "which images follows from the state"


class Sides(torch.nn.Module):  # type: ignore[misc]
    """Features are the brightness of both sides, and so are the logits of the two classes."""

    def forward(self, images: Any) -> Any:
        return images.unflatten(3, (2, -1)).mean(dim=(1, 2, 4)) / 255

    def logits(self, features: Any) -> Any:
        return 9 * features


def test_an_extractor_that_knows_classes_reports_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("archloom_test_sides")
    module.sides = Sides  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    made = task(extractor="archloom_test_sides:sides")
    names = {"frechet_sides", "inception_score_sides", "inception_score_sides_std"}
    assert made.goals == {"frechet_sides": "min"}
    assert {*made.goals, *made.report} == names
    assert made.on(SPACE).extractor is made.extractor, "a large network is loaded once"
    evaluator = TrainingEvaluator(made, SPACE, list(made.goals), made.report)
    result = evaluate(evaluator, Proposal(ARCH, 1), 0, 0, CheckpointsInMemory())
    assert {*result.scores, *result.report} == names
    assert 1 <= result.report["inception_score_sides"] <= 2
    with pytest.raises(InputError, match=r"^task option final_samples=9: expected at least 10 for inception_score"):
        task(extractor="archloom_test_sides:sides", final_samples=9)


def test_the_extractor_called_inception_reports_the_fid(inception_folder: Path, tmp_path: Path) -> None:
    save_images(images(40), tmp_path / "sides.npz")
    found = GanTask.open(
        str(tmp_path / "sides.npz"), {"extractor": "inception"}, {"ARCHLOOM_DATA": str(inception_folder)}
    )
    assert (found.goals, found.report) == ({"fid": "min"}, ("inception_score", "inception_score_std"))


def test_training_comes_nearer_to_real_digits() -> None:
    pytest.importorskip("sklearn", reason="the digits are in scikit-learn")
    chosen = {
        "extractor": "pixels",
        "samples": 500,
        "generator_every": 1,
        "ema": 0.9,
        "lr": 0.001,
        "steps_per_epoch": 10,
    }
    digits = GanTask.open("digits", chosen, {})
    space = Gan(channels=8, discriminator_channels=8, latent=12, **digits.space_settings)
    training = digits.on(space).begin(space.sample(np.random.default_rng(3)), 0)
    start = training.evaluate()["frechet_pixels"]
    training.train(5)
    assert training.evaluate()["frechet_pixels"] < 0.75 * start


def test_generators_learn_from_all_clothes_that_are_no_test_images(fashion: str) -> None:
    chosen = {"extractor": "pixels", "samples": 20, "steps_per_epoch": 2, "batch_size": 4, "size": 8}
    made = GanTask.open(fashion, chosen, os.environ)
    assert made.images.shape == (60_000, 1, 8, 8)
    space = Gan(channels=4, discriminator_channels=4, latent=12, **made.space_settings)
    training = made.on(space).begin(space.sample(np.random.default_rng(0)), 0)
    training.train(1)
    assert training.evaluate()["frechet_pixels"] > 0


def test_a_generator_that_has_overflowed_has_failed() -> None:
    training = task().begin(ARCH, 0)
    state = training.state()
    state.averages[AVERAGE].tensors["to_rgb.2.bias"][:] = math.nan
    training.resume(state)
    assert math.isnan(training.evaluate()["frechet_pixels"])


# -- going on -----------------------------------------------------------------------------------------------------

ELSEWHERE = """
import sys
import torch
from archloom.checkpoints.state_file import load_state, save_state
from archloom.spaces.gan import GanHard
from archloom.tasks.gan import GanTask

torch.set_num_threads(int(sys.argv[4]))
settings = {"batch_size": 8, "samples": 40, "extractor": "pixels", "generator_every": 2}
task = GanTask.open(sys.argv[1], settings, {})
space = GanHard(channels=8, discriminator_channels=8, latent=12, **task.space_settings)
training = task.on(space).begin(space.parse(sys.argv[5]), 99)
training.resume(load_state(sys.argv[2]))
training.train(1)
save_state(sys.argv[3], training.state())
"""


def test_a_fresh_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    stored, before, after = tmp_path / "sides.npz", tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    save_images(images(40), stored)
    save_state(before, trained(1).state())
    program = ELSEWHERE.replace("sys.argv[2]", "Path(sys.argv[2])").replace("sys.argv[3]", "Path(sys.argv[3])")
    program = f"from pathlib import Path\n{program}"
    threads, text = str(torch.get_num_threads()), SPACE.format(ARCH)
    subprocess.run([sys.executable, "-c", program, stored, before, after, threads, text], check=True)
    found = load_state(after)
    assert found.rest["epochs"] == 2
    assert not differing(trained(2).state(), found)


def test_a_new_seed_draws_other_numbers() -> None:
    one, twin = trained(1), trained(1)
    twin.reseed(4)
    assert one.evaluate() != twin.evaluate()
    for training in (one, twin):
        training.train(1)
    assert "discriminator/linear.weight_orig" in differing(one.state(), twin.state())


def test_a_state_is_a_copy() -> None:
    training = trained(1)
    kept, same = training.state(), training.state()
    training.train(1)
    assert not differing(kept, same)
    assert differing(kept, training.state())


@pytest.mark.parametrize("part", ["networks", "averages"])
def test_a_state_that_lacks_a_tensor_is_refused(part: str) -> None:
    training = trained(1)
    state = training.state()
    (state.networks[GENERATOR] if part == "networks" else state.averages[AVERAGE].tensors).pop("to_rgb.0.weight")
    with pytest.raises(InputError, match=r"generator\w*\.to_rgb\.0\.weight is nothing in the state"):
        training.resume(state)


def test_optimisers_that_fit_nothing_are_initialised_again() -> None:
    training = trained(1)
    state = training.state()
    state.optimisers.clear()
    training.resume(state)
    assert not training.state().optimisers[GENERATOR].slots
    training.train(1)


# -- inheriting ---------------------------------------------------------------------------------------------------


def test_modules_of_genes_are_in_the_state() -> None:
    state = task().begin(ARCH, 0).state()
    names = {f"{network}.{name}" for network, found in state.networks.items() for name in found}
    owned = [prefix for gene in range(len(ARCH.genes)) for prefix in SPACE.modules(gene)]
    found = [prefix for prefix in owned if any(name.startswith(f"{prefix}.") for name in names)]
    assert {prefix.partition(".")[0] for prefix in found} == {GENERATOR, DISCRIMINATOR}
    assert {"generator.cells.0.up0", "discriminator.blocks.3.down1"} <= set(owned)
    assert {prefix for prefix in owned if prefix.endswith((".up0", ".linear"))} <= set(found)


def test_a_child_takes_the_donors_average_as_it_is_and_trains_on() -> None:
    states, gene = CheckpointsInMemory(), SPACE.gene_names.index("cell1.up0")
    evaluator = TrainingEvaluator(task(), SPACE, ["frechet_pixels"])
    arch = Arch(tuple(0 if other == gene else value for other, value in enumerate(ARCH.genes)))
    inherit = Inherit(0, {gene: 1}, shrink=0.4, perturb=0.1)
    proposals = [Proposal(arch, 1), Proposal(arch, 1), Proposal(arch, 1, inherit), Proposal(arch, 2, inherit)]
    results = [evaluate(evaluator, proposal, 0, trial, states) for trial, proposal in enumerate(proposals)]
    assert all(result.ok for result in results), results
    base, donor, child, older = (states.load(trial) for trial in range(4))
    block = [name for name in child.networks[GENERATOR] if name.startswith("cells.0.up0.")]
    assert block
    for name, tensor in child.averages[AVERAGE].tensors.items():
        giver = donor if name in block else base
        assert torch.equal(tensor, giver.averages[AVERAGE].tensors[name]), name
    for name in block:
        assert not torch.equal(child.networks[GENERATOR][name], donor.networks[GENERATOR][name]), name
        assert not torch.equal(older.networks[GENERATOR][name], child.networks[GENERATOR][name]), name
    assert child.rest["seed"] not in (base.rest["seed"], donor.rest["seed"])
    assert older.rest["epochs"] == 2
    assert older.rest["steps"] == {GENERATOR: 6, DISCRIMINATOR: 10}


# -- opening ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "size", "channels", "fitting", "width"),
    [
        (1_797, 8, 1, {"epochs": 20, "ema": 0.9, "extractor": "pixels"}, 32),  # 180 steps of the generator
        (5_000, 32, 1, {"epochs": 20, "ema": 0.94, "extractor": "pixels"}, 80),  # 500
        (50_000, 32, 3, {"epochs": 20, "ema": 0.994}, 256),  # the paper's channels for CIFAR-10
        (100_000, 48, 3, {"epochs": 20, "ema": 0.997}, 256),
    ],
)
def test_what_fits_images(count: int, size: int, channels: int, fitting: dict[str, Any], width: int) -> None:
    shown = np.broadcast_to(np.uint8(0), (count, channels, size, size))
    found = GanTask.fit(UnlabelledImages("made", shown, "made", ""), {})
    assert found.task == fitting
    assert found.space == {"channels": width, "discriminator_channels": width // 2}


def test_the_average_follows_a_training_that_is_asked_for() -> None:
    shown = np.broadcast_to(np.uint8(0), (1_797, 1, 8, 8))
    found = GanTask.fit(UnlabelledImages("made", shown, "made", ""), {"epochs": 300, "steps_per_epoch": 20})
    assert (found.population.epochs, found.population.step, found.task["ema"]) == (300, 4, 0.975)


def opened(on: str, **settings: Any) -> Any:
    space = {"channels": 8, "discriminator_channels": 8}
    return open_scenario(ProblemSpec(f"gan:{on}", space=space, task={"extractor": "pixels", **settings}))


@pytest.mark.parametrize(("side", "settings", "made"), [(12, {}, 16), (8, {}, 8), (12, {"size": "8"}, 8)])
def test_images_are_brought_to_a_size_that_generators_make(
    side: int, settings: dict[str, Any], made: int, tmp_path: Path
) -> None:
    save_images(images(62, side, channels=3), tmp_path / "sides.npz")
    scenario = opened(str(tmp_path / "sides.npz"), **settings)
    assert scenario.space.name == "gan_hard"
    assert (scenario.space.dimensions.image_size, scenario.space.dimensions.image_channels) == (made, 3)
    training = scenario.problem.task.begin(scenario.space.sample(np.random.default_rng(0)), 0)
    assert next(training.generate(2)).shape == (2, 3, made, made)


def test_names_of_data_are_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "mine"):
        (tmp_path / name).mkdir()
    assert absolute(ProblemSpec("gan:digits")).on == "gan:digits"
    assert absolute(ProblemSpec("gan:mine")).on == f"gan:{tmp_path.resolve() / 'mine'}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0), ("batch_size", 0), ("steps_per_epoch", -1), ("generator_every", 0), ("lr", 0.0),
        ("lr", math.nan), ("eps", 0.0), ("generator_batch_size", -1),
        ("ema", 1.0), ("ema", -0.1), ("samples", 1), ("final_samples", 1), ("size", 12), ("size", -8),
    ],
)  # fmt: skip
def test_options_are_checked(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^GanOptions option {name}={value}: expected .*$"):
        GanOptions(**{name: value})


def test_spaces_that_are_not_for_these_images() -> None:
    with pytest.raises(InputError, match="space 'convnet' has no generators: task gan expects gan or gan_hard"):
        task().on(ConvNet(image_channels=1, classes=2))
    with pytest.raises(InputError, match="space option image_size=16: sides has 8; omit it"):
        task().on(GanHard(image_size=16, image_channels=1, **SMALL))
    with pytest.raises(InputError, match=r"images of 12 x 12 pixels.*e\.g\. size=16"):
        GanTask(data(12))


def test_what_is_deployed_is_the_generator_that_is_measured() -> None:
    training = task(steps_per_epoch=2, ema=0.5).begin(ARCH, 0)
    training.train(1)
    assert isinstance(training, Deployable)
    found = training.deployed()
    assert (found.input, found.output, found.example.shape) == ("latent", "image", (2, 12))
    assert not found.network.training
    rng = torch.Generator().manual_seed(int(seeds.stream(0, "evaluate", 1).integers(2**63)))
    with torch.no_grad():
        images = found.network(torch.randn(3, 12, generator=rng))
    assert torch.allclose(images.mul(127.5).add(127.5).clamp(0, 255), next(training.generate(3)), atol=1e-3)
