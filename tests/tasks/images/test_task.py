from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.images.labelled import ImageData, in_parts
from archloom.data.images.splits import Split, Splits
from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.problems import TaskProblem
from archloom.spaces.base import Categorical
from archloom.spaces.convnet import ConvNet
from archloom.spaces.random_graph import Hnag
from archloom.types import Arch, Proposal
from archloom.utils import options, seeds

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.checkpoints.state import TrainingState  # noqa: E402 - it needs PyTorch
from archloom.evaluators.train import TrainingEvaluator  # noqa: E402
from archloom.tasks.base import Deployable, Task, Training  # noqa: E402
from archloom.tasks.fit import sizes_for  # noqa: E402
from archloom.tasks.images.optimisation import OPTIMISERS, SCHEDULES  # noqa: E402
from archloom.tasks.images.options import ImagesOptions  # noqa: E402
from archloom.tasks.images.task import ImagesTask  # noqa: E402
from archloom.tasks.memory import memory_of  # noqa: E402
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
    assert tuple(task().goals) == ("valid_accuracy", "valid_loss", "params_m", "memory_mb")
    assert task().report == ("test_accuracy", "params_m", "memory_mb")
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
            assert len(training.evaluate()) == 5, "a loss that is not finite"


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


def test_settings_that_change_the_steps_make_a_difference() -> None:
    def trained(**settings: Any) -> str:
        training = task(optimiser="sgd", lr=0.1, **settings).begin(arch(), 0)
        training.train(2)
        return bits(TrainingState(training.state().networks))

    settings = [
        {}, {"momentum": 0.5}, {"nesterov": False}, {"max_grad_norm": 0.1}, {"schedule": "linear"},
        {"schedule": "cosine", "epochs": 4}, {"schedule": "cosine", "epochs": 4, "final_lr": 0.05},
        {"warmup_epochs": 1.0}, {"train_on_valid": True},
    ]  # fmt: skip
    assert len({trained(**each) for each in settings}) == len(settings)


def test_the_schedule_may_end_where_the_proposal_does() -> None:
    """Two steps an epoch; a promotion from 2 to 4 of 8 epochs goes on halfway along the schedule of 4."""

    def rates(reaches: list[int], **settings: Any) -> list[float]:
        training = task(schedule="linear", epochs=8, lr=0.8, steps_per_epoch=2, **settings).begin(arch(), 0)
        found: list[float] = []
        training._optimiser.register_step_pre_hook(lambda own, *_: found.append(own.param_groups[0]["lr"]))
        for reach in reaches:
            training.train_until(reach)
            training.train(reach - training.epochs)
        return found

    longest = [0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45]
    assert rates([4]) == rates([2, 4]) == pytest.approx(longest)
    assert rates([4], schedule_until="fidelity") == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert rates([2, 4], schedule_until="fidelity") == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.4, 0.3, 0.2, 0.1])


def test_an_evaluator_says_how_long_a_training_will_be() -> None:
    def loss(**settings: Any) -> float:
        one = task(schedule="cosine", epochs=20, lr=0.01, **settings)
        found, _ = TrainingEvaluator(one, ConvNet(**SMALL), ["valid_loss"]).evaluate(
            Proposal(arch(), 2), None, np.random.default_rng(0)
        )
        return found.scores["valid_loss"]

    short = task(schedule="cosine", epochs=2, lr=0.01)
    same = TrainingEvaluator(short, ConvNet(**SMALL), ["valid_loss"]).evaluate(
        Proposal(arch(), 2), None, np.random.default_rng(0)
    )
    assert loss(schedule_until="fidelity") == same[0].scores["valid_loss"] != loss()


def test_large_gradients_are_scaled_down() -> None:
    training = task(max_grad_norm=0.125, optimiser="sgd", lr=0.1, steps_per_epoch=1).begin(arch(), 0)
    norms: list[float] = []
    parameters = list(training.network.parameters())

    def look(*_: Any) -> None:
        norms.append(float(torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm()))

    training._optimiser.register_step_pre_hook(look)
    training.train(2)
    assert norms == pytest.approx([0.125, 0.125], rel=1e-4)


# -- networks that can do more ------------------------------------------------------------------------------------


def cells(**settings: Any) -> Any:
    """Two cells of convolutions on the bars."""
    pytest.importorskip("numba", reason="the DARTS space needs the extra bench")
    from archloom.spaces.darts import Darts

    one = ImagesTask(bars(), ImagesOptions(**{"batch_size": 16, "steps_per_epoch": 2, **settings}))
    return one.on(Darts(channels=2, cells=2, **one.space_settings))


def test_paths_are_dropped_more_and_more() -> None:
    one = cells(drop_path=0.4, epochs=4)
    training = one.begin(one.space.sample(seeds.stream(0, "test")), 0)
    seen = []
    for _ in range(6):
        training.train(1)
        seen.append(training.network.drop_path)
    assert seen == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.4])
    first = training.evaluate()
    assert training.evaluate() == first, "no path is dropped in evaluation"


def graphs(**settings: Any) -> Any:
    """Small networks of random graphs on the bars."""
    one = ImagesTask(bars(), ImagesOptions(**{"batch_size": 16, "steps_per_epoch": 2, **settings}))
    return one.on(Hnag(params_m=0.01, mid_nodes=1, bottom_nodes=3, head_width=8, **one.space_settings))


@pytest.mark.parametrize("make", [cells, graphs])
def test_dropping_paths_goes_on_from_a_state_bit_for_bit(make: Callable[..., Any]) -> None:
    one = make(drop_path=0.4, epochs=4, auxiliary_weight=0.4)
    sampled = one.space.sample(seeds.stream(0, "test"))
    whole, half, resumed = (one.begin(sampled, seed) for seed in (3, 3, 99))
    whole.train(3)
    half.train(2)
    resumed.resume(half.state())
    resumed.train(1)
    assert bits(resumed.state()) == bits(whole.state())


def test_the_loss_of_the_auxiliary_head_counts() -> None:
    one, plain = cells(auxiliary_weight=0.4), cells()
    assert one.space_settings["auxiliary"] is True and "auxiliary" not in plain.space_settings
    sampled = one.space.sample(seeds.stream(0, "test"))
    training, without = one.begin(sampled, 0), plain.begin(sampled, 0)
    images, labels = one.parts["train"].batch(slice(0, 8))
    logits, extra = training.network.train().with_auxiliary(images)
    loss = torch.nn.functional.cross_entropy
    expected = (loss(logits, labels) + 0.4 * loss(extra, labels)).item()
    assert training._loss(images, labels).item() == pytest.approx(expected, rel=1e-6)
    head = sum(parameter.numel() for parameter in training.network.auxiliary.parameters())
    counted = training.evaluate()["params_m"] - without.evaluate()["params_m"]
    assert counted == pytest.approx(head / 1e6)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"drop_path": 0.2}, "task option drop_path=0.2: ConvNetwork has no drop_path; expected networks that have it"),
        ({"auxiliary_weight": 0.4}, "task option auxiliary_weight=0.4: ConvNetwork has no auxiliary; expected"),
    ],
)
def test_networks_that_cannot_do_what_is_asked(settings: dict[str, Any], says: str) -> None:
    one = task(**settings)
    for use in (lambda: one.on(ConvNet(**SMALL)), lambda: one.begin(arch(), 0)):
        with pytest.raises(InputError) as caught:
            use()
        assert says in str(caught.value)


def test_a_space_without_networks() -> None:
    with pytest.raises(InputError, match=r"space 'table' builds no networks: task images expects build\(arch, seed\)"):
        TaskProblem(Categorical({"layers": [1, 2]}), task())


def test_training_on_the_validation_images_leaves_only_the_test_images() -> None:
    one, base = task(train_on_valid=True), task()
    assert tuple(one.goals) == ("params_m", "memory_mb")
    assert one.remarks == (
        "networks are trained on the validation images too (train_on_valid): only test images measure them",
    )
    assert base.remarks == ()
    (seen,) = task(normalisation="mean_std").remarks
    assert seen.startswith("networks see a byte b of each channel as: b / ")
    assert len(one.parts["train"].labels) == len(bars().train) + len(bars().valid)
    training = one.begin(arch(), 0)
    training.train(1)
    assert set(training.evaluate()) == {"params_m", "memory_mb", "test_accuracy"}
    with torch.no_grad():
        training.network.head[2].weight.fill_(float("nan"))
    with pytest.raises(DivergedError, match=r"^the test loss is nan after epoch 1$"):
        training.evaluate()


def test_the_memory_of_an_architecture_is_measured_once_and_changes_nothing() -> None:
    one, other = task(), task()
    trained, untouched = one.begin(arch(), 0), other.begin(arch(), 0)
    before = bits(trained.state())
    memory = trained.evaluate()["memory_mb"]
    assert bits(trained.state()) == before
    assert memory == memory_of(ConvNet(**SMALL), arch(), (1, 6, 6)) > 0
    for training in (trained, untouched):
        training.train(1)
    assert bits(trained.state()) == bits(untouched.state())
    assert trained.evaluate()["memory_mb"] == memory
    builds: list[Arch] = []
    one.space.build = lambda *given: builds.append(given)  # type: ignore[method-assign,assignment]
    assert trained.evaluate()["memory_mb"] == memory and not builds


def test_a_batch_that_the_machine_cannot_hold_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    own = task(epochs=1)
    needed = int(1e6 * 16 * (own.memory_of(arch()) or 0))
    parameters = sum(each.numel() for each in own.begin(arch(), 0).network.parameters())
    assert needed > 28 * parameters, "the batch takes more than the parameters"
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: needed)
    evaluator = TrainingEvaluator(own, own.space, ("valid_accuracy",))
    done = evaluate(evaluator, Proposal(arch()), 0, 0)
    assert "training on a batch of 16 images takes" in (done.error or "") and "task.batch_size" in (done.error or "")


def test_a_network_that_does_not_run_on_the_cpu_has_no_memory() -> None:
    class Odd(ConvNet):
        def build(self, arch: Arch, seed: int) -> Any:
            network = super().build(arch, seed)
            network.register_forward_pre_hook(lambda _, given: given[0].view(-1, 2, 1, 6, 6).flatten(0, 1))
            return network

    one = ImagesTask(bars(), ImagesOptions(batch_size=16), Odd(**SMALL))
    assert set(one.begin(arch(), 0).evaluate()) == {"valid_accuracy", "valid_loss", "params_m", "test_accuracy"}


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


def test_the_sizes_that_fit_the_images() -> None:
    assert ImagesTask.fit(bars(720), {}).population == sizes_for(7)
    assert ImagesTask.fit(bars(720), {"batch_size": 8, "steps_per_epoch": 3}).population == sizes_for(3)
    assert ImagesTask.fit(bars(720), {"epochs": 7}).population == sizes_for(7, 7)


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
        ({"batch_size": 500}, "batch_size=500: bars has 78 images to train on; expected 2 to 78"),
        ({"device": "abacus"}, "device=abacus: not usable here"),
        ({"device": "cuda:99"}, "device=cuda:99: not usable here"),
    ],
)
def test_what_does_not_fit_the_images_or_the_machine(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        task(**settings)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_deployed_is_the_classifier() -> None:
    training = task().begin(arch(), 0)
    training.network.train()
    assert isinstance(training, Deployable)
    found = training.deployed()
    assert (found.input, found.output, found.example.shape) == ("image", "logits", (2, 1, 6, 6))
    assert found.values == "a byte b of each channel as b / 127.5 - 1"
    assert found.network is training.network and not found.network.training
