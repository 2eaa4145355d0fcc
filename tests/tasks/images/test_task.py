from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.images.labelled import ImageData, in_parts
from archloom.data.images.splits import Split, Splits
from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.spaces.convnet import ConvNet
from archloom.types import Arch, Proposal
from archloom.utils import options, seeds

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.checkpoints.state import TrainingState  # noqa: E402 - it needs PyTorch
from archloom.evaluators.train import TrainingEvaluator  # noqa: E402
from archloom.tasks.base import Task, Training  # noqa: E402
from archloom.tasks.images.task import OPTIMISERS, SCHEDULES, ImagesOptions, ImagesTask  # noqa: E402
from archloom.tasks.network import DivergedError  # noqa: E402

SMALL = {"stages": 2, "layers": 2, "width": 4, "image_channels": 1, "classes": 3}
TEXT = "batch:conv_3+relu,residual_3+tanh/layer:sep_conv_3+swish,id+id"


def bars(count: int = 120) -> ImageData:
    """Three classes: a bright bar at the left, in the middle, or at the right of 6 x 6 noisy pixels."""
    rng = seeds.stream(0, "test")
    labels = np.arange(count) % 3
    images = rng.integers(0, 100, (count, 1, 6, 6), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, :, 2 * label : 2 * label + 2] += 120
    return in_parts("bars", Splits(Split(images, labels.astype(np.int64)), None, None, ("a", "b", "c")), "a test")


def task(**settings: Any) -> ImagesTask:
    return ImagesTask(bars(), ImagesOptions(**{"batch_size": 16, **settings}), ConvNet(**SMALL))


def arch(text: str = TEXT) -> Arch:
    return ConvNet(**SMALL).parse(text)


def bits(state: TrainingState) -> str:
    """A digest of every tensor in a state, and of its plain data."""
    digest = hashlib.sha256(repr(sorted(state.rest.items())).encode())
    tensors = {f"{net}.{name}": tensor for net, found in state.networks.items() for name, tensor in found.items()}
    for name, optimiser in state.optimisers.items():
        digest.update(repr(optimiser.groups).encode())
        for parameter, slots in optimiser.slots.items():
            tensors |= {f"{name}.{parameter}.{slot}": value for slot, value in slots.items()}
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].numpy().tobytes())
    return digest.hexdigest()


def test_the_contracts() -> None:
    assert isinstance(task(), Task)
    assert isinstance(task().begin(arch(), 0), Training)
    assert tuple(task().goals) == ("valid_accuracy", "valid_loss", "params_m")
    assert task().report == ("test_accuracy",)
    assert task().space_settings == {"image_channels": 1, "classes": 3, "image_size": 6}


# -- learning -----------------------------------------------------------------------------------------------------


def test_it_learns_what_can_be_learned() -> None:
    training = task(lr=0.01).begin(arch(), 0)
    before = training.evaluate()
    training.train(15)
    after = training.evaluate()
    assert after["valid_loss"] < 0.5 * before["valid_loss"]
    assert after["valid_accuracy"] > 90 > before["valid_accuracy"]
    assert after["test_accuracy"] > 90
    assert after["params_m"] == ConvNet(**SMALL).parameters(arch()) / 1e6


def test_digits_are_learned() -> None:
    pytest.importorskip("sklearn", reason="digits need the extra images")
    digits = ImagesTask.open("digits", {}, {}).on(ConvNet(stages=2, layers=1, width=8, image_channels=1))
    training = digits.begin(Arch((1, 1, 2, 1, 4, 2)), 0)
    before = training.evaluate()
    training.train(10)
    after = training.evaluate()
    assert before["valid_accuracy"] < 30
    assert after["valid_accuracy"] > 90
    assert after["test_accuracy"] > 90
    assert after["valid_loss"] < 0.6 < before["valid_loss"]


def test_clothes_are_told_apart_after_some_batches(fashion: str) -> None:
    found = ImagesTask.open(fashion, {"batch_size": 64, "steps_per_epoch": 120, "lr": 0.02}, os.environ)
    assert [len(part) for part in (found.data.train, found.data.valid, found.data.test)] == [48_000, 12_000, 10_000]
    assert found.data.size == (28, 28) and found.data.classes[8] == "Bag"
    space = ConvNet(stages=1, layers=1, width=8, stride=3, image_channels=1)
    training = found.on(space).begin(space.parse("batch:conv_3+relu"), 0)
    training.train(1)
    metrics = training.evaluate()
    assert metrics["valid_accuracy"] > 50
    assert abs(metrics["test_accuracy"] - metrics["valid_accuracy"]) < 3


def test_every_option_of_the_space_takes_a_step() -> None:
    space, one = ConvNet(**SMALL), task(steps_per_epoch=1)
    for gene, size in enumerate(space.sizes.tolist()):
        for option in range(size):
            genes = [1] * len(space.sizes)
            genes[gene] = option
            training = one.begin(Arch(tuple(genes)), 0)
            before = bits(training.state())
            training.train(1)
            assert bits(training.state()) != before
            assert len(training.evaluate()) == 4, "a loss that is not finite"


@pytest.mark.parametrize(
    "settings",
    [
        *({"optimiser": name} for name in OPTIMISERS),
        *({"schedule": name} for name in SCHEDULES),
        {"augment": ("shift", "flip", "crop", "cutout")},
        {"normalisation": "mean_std", "augment": ("shift",)},
        {"label_smoothing": 0.1},
        {"steps_per_epoch": 2},
        {"weight_decay": 0.0},
    ],
)
def test_every_setting_trains(settings: dict[str, Any]) -> None:
    training = task(**{"lr": 0.01, **settings}).begin(arch(), 0)
    before = training.evaluate()["valid_loss"]
    training.train(6)
    assert training.evaluate()["valid_loss"] < before


def test_settings_make_a_difference() -> None:
    def trained(**settings: Any) -> str:
        training = task(**settings).begin(arch(), 0)
        training.train(2)
        return bits(TrainingState(training.state().networks))

    settings = [
        {}, {"optimiser": "sgd"}, {"schedule": "cosine"}, {"augment": ("flip",)}, {"augment": ("shift",)},
        {"label_smoothing": 0.1}, {"steps_per_epoch": 2}, {"weight_decay": 0.5}, {"lr": 0.01}, {"batch_size": 8},
        {"augment": ("cutout",)}, {"augment": ("cutout",), "cutout": 2}, {"normalisation": "mean_std"},
    ]  # fmt: skip
    assert len({trained(**each) for each in settings}) == len(settings)
    assert trained() == trained(augment=("none",))


def test_the_learning_rate_falls_over_the_epochs() -> None:
    training = task(schedule="cosine", epochs=4, lr=0.01, steps_per_epoch=1).begin(arch(), 0)
    rates = []
    for _ in range(6):
        training.train(1)
        rates.append(training.state().optimisers["network"].groups[0]["lr"])
    assert rates[:4] == pytest.approx([0.01, 0.01 * 0.853553, 0.005, 0.01 * 0.146447], rel=1e-4)
    assert rates[4:] == [0, 0]


def test_an_epoch_is_so_many_batches() -> None:
    for settings, steps in (({}, 4), ({"steps_per_epoch": 2}, 2), ({"steps_per_epoch": 99}, 4)):
        training = task(**settings).begin(arch(), 0)
        training.train(1)
        slots = training.state().optimisers["network"].slots
        assert {int(each["step"]) for each in slots.values()} == {steps}  # of 78 training images, 16 a batch


def test_numbers_that_overflowed_are_a_failed_trial() -> None:
    training = task().begin(arch(), 0)
    with torch.no_grad():
        training.network.head[2].weight.fill_(float("nan"))
    with pytest.raises(DivergedError, match=r"^the validation loss is (nan|inf) after epoch 0$"):
        training.evaluate()
    diverging = TrainingEvaluator(task(optimiser="sgd", lr=1e30), ConvNet(**SMALL), ["valid_accuracy"])
    failed = evaluate(diverging, Proposal(arch(), 3), 0, 0)
    assert failed.error is not None and failed.scores == {}
    assert failed.error.startswith("DivergedError: network.") and failed.error.endswith("is not finite after epoch 1")


# -- states -------------------------------------------------------------------------------------------------------


def test_the_seed_alone_decides() -> None:
    def run(seed: int) -> str:
        training = task(augment=("shift", "flip")).begin(arch(), seed)
        training.train(2)
        return bits(training.state())

    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = run(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert run(3) == one != run(4)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_it_goes_on_from_its_state_as_if_nothing_had_happened(optimiser: str) -> None:
    one = task(optimiser=optimiser, augment=("shift", "crop"), schedule="cosine")
    whole, half = one.begin(arch(), 3), one.begin(arch(), 3)
    whole.train(4)
    half.train(2)
    assert half.epochs == 2
    kept = half.state()
    half.train(1)  # the state is a copy: this must not reach it
    resumed = one.begin(arch(), 99)
    resumed.resume(kept)
    assert resumed.epochs == 2
    resumed.train(2)
    assert bits(resumed.state()) == bits(whole.state())


def test_looking_changes_nothing() -> None:
    looked, other = task().begin(arch(), 3), task().begin(arch(), 3)
    for _ in range(2):
        first = looked.evaluate()
        assert looked.evaluate() == first
        looked.state()
        looked.train(1)
    other.train(2)
    assert bits(looked.state()) == bits(other.state())


def test_a_reseeded_twin_goes_another_way() -> None:
    one, twin = task().begin(arch(), 3), task().begin(arch(), 5)
    one.train(1)
    twin.resume(one.state())
    twin.reseed(5)
    assert bits(TrainingState(one.state().networks)) == bits(TrainingState(twin.state().networks))
    one.train(1)
    twin.train(1)
    assert bits(TrainingState(one.state().networks)) != bits(TrainingState(twin.state().networks))


def test_the_state_of_another_architecture_is_refused() -> None:
    other = task().begin(arch(TEXT.replace("conv_3+relu", "conv_5+relu", 1)), 0)
    with pytest.raises(InputError, match=r"network\.stages\.0\.layers\.0\.0\.weight is \(4, 4, 3, 3\) in the state"):
        other.resume(task().begin(arch(), 0).state())


CHILD = """
import sys
import torch
from archloom.checkpoints.state_file import load_state, save_state
from tests_images import arch, bits, task
from pathlib import Path

torch.set_num_threads(1)
training = task(augment=("shift", "flip")).begin(arch(), int(sys.argv[1]))
if sys.argv[3]:
    training.resume(load_state(Path(sys.argv[3])))
training.train(int(sys.argv[2]))
if sys.argv[4]:
    save_state(Path(sys.argv[4]), training.state())
print(bits(training.state()))
"""


def test_it_goes_on_in_another_process(tmp_path: Path) -> None:
    """Four epochs here, and two in each of two fresh processes with a file between them: the same bits."""
    pytest.importorskip("safetensors", reason="stored states need the extra train")
    (tmp_path / "tests_images.py").write_bytes(Path(__file__).read_bytes())

    def run(*arguments: object) -> str:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *map(str, arguments)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run(3, 2, "", tmp_path / "half.safetensors")
    here = task(augment=("shift", "flip")).begin(arch(), 3)
    here.train(4)
    assert run(77, 2, tmp_path / "half.safetensors", "") == bits(here.state())


# -- opening ------------------------------------------------------------------------------------------------------


def test_opening(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", images=rng.integers(0, 256, (40, 3, 9, 7), dtype=np.uint8), labels=np.arange(40) % 4)
    given = {"batch_size": "8", "augment": "shift,flip", "size": "8", "optimiser": "sgd"}
    settings = options.convert_all("task", options.of_dataclass(ImagesOptions), given)
    opened = ImagesTask.open(str(tmp_path / "own.npz"), settings, {})
    assert opened.options.augment == ("shift", "flip")
    assert opened.data.size == (8, 8)
    assert opened.space_settings == {"image_channels": 3, "classes": 4, "image_size": 8}
    as_it_is = ImagesTask.open(str(tmp_path / "own.npz"), {"batch_size": 8}, {})
    assert as_it_is.space_settings["image_size"] == (9, 7)
    training = opened.begin(ConvNet().sample(seeds.stream(0, "test")), 0)
    training.train(1)
    assert 0 <= training.evaluate()["valid_accuracy"] <= 100


def test_how_the_images_are_shared_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", images=rng.integers(0, 256, (60, 9, 7), dtype=np.uint8), labels=np.arange(60) % 4)

    def opened(**settings: Any) -> ImageData:
        return ImagesTask.open(str(tmp_path / "own.npz"), {"batch_size": 8, **settings}, {}).data

    base, half, few = opened(), opened(valid_share=0.5), opened(train_images=12, valid_images=4)
    assert [len(part) for part in (base.train, base.valid)] == [40, 8]
    assert [len(part) for part in (half.train, half.valid)] == [24, 24]
    assert [len(part) for part in (few.train, few.valid)] == [12, 4]
    assert len({data.sha256 for data in (base, half, few, opened(split_seed=1))}) == 4
    for data in (half, few, opened(split_seed=1)):
        assert np.array_equal(data.test.images, base.test.images)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"batch_size": 1},
            "batch_size=1: expected a whole number of at least 2; normalisation over a batch needs two images",
        ),
        ({"batch_size": 500}, "batch_size=500: bars has 78 images to train on; expected 2 to 78"),
        ({"steps_per_epoch": -1}, "steps_per_epoch=-1"),
        ({"epochs": 0}, "epochs=0: expected a whole number of at least 1"),
        ({"lr": 0.0}, "lr=0.0: expected a finite number above 0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0"),
        ({"size": -1}, "size=-1"),
        ({"cutout": -1}, "cutout=-1"),
        ({"valid_share": 0.0}, "valid_share=0.0"),
        ({"valid_share": 1.0}, "valid_share=1.0"),
        ({"train_images": -1}, "train_images=-1"),
        ({"device": "abacus"}, "device=abacus: not usable here"),
        ({"device": "cuda:99"}, "device=cuda:99: not usable here"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        task(**settings)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
