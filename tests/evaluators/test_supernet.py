from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.data.images.labelled import ImageData, in_parts  # noqa: E402
from archloom.data.images.splits import Split, Splits  # noqa: E402
from archloom.errors import InputError  # noqa: E402
from archloom.evaluators.base import evaluate  # noqa: E402
from archloom.evaluators.supernet import ONE_SHOT, FrozenSupernet, SharedTraining  # noqa: E402
from archloom.nets.supernets.base import Sharing  # noqa: E402
from archloom.spaces.nb201 import Nb201  # noqa: E402
from archloom.tasks.supernet.options import StepOptions  # noqa: E402
from archloom.tasks.supernet.shared import NETWORK, SharedNetwork  # noqa: E402
from archloom.types import Arch, Inherit, Proposal  # noqa: E402
from archloom.utils import seeds  # noqa: E402

ALL = ("valid_accuracy", "valid_loss", "params_m", "flops_m")


@pytest.fixture(scope="module")
def images() -> ImageData:
    rng = seeds.stream(0, "test")
    labels = np.arange(120) % 3
    pixels = rng.integers(0, 100, (120, 1, 8, 8), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[0, :, 2 * label : 2 * label + 3] += 120
    return in_parts("bars", Splits(Split(pixels, labels.astype(np.int64)), None, None, ("a", "b", "c")), "a test")


@pytest.fixture(scope="module")
def space() -> Nb201:
    return Nb201(channels=2, cells=1, classes=3, image_channels=1, image_size=8)


@pytest.fixture
def shared(images: ImageData, space: Nb201) -> Callable[..., SharedNetwork]:
    return lambda **more: SharedNetwork(space, images, StepOptions(batch_size=16, eval_batch_size=20, steps=2, **more))


def archs(space: Nb201, count: int) -> list[Arch]:
    rng = np.random.default_rng(1)
    return [space.sample(rng) for _ in range(count)]


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_frozen_answers_are_the_same_in_any_order_and_in_another_instance(shared: Any, space: Nb201) -> None:
    one = FrozenSupernet(shared(), space, ALL)
    two = FrozenSupernet(shared(), space, ALL)
    chosen = archs(space, 6)
    first = [one.evaluate(Proposal(arch), None, rng())[0].scores for arch in chosen]
    again = [two.evaluate(Proposal(arch), None, np.random.default_rng(9))[0].scores for arch in reversed(chosen)]
    assert first == again[::-1]
    assert len({scores["valid_loss"] for scores in first}) == 6


def test_scores_and_report_are_what_was_asked_for(shared: Any, space: Nb201) -> None:
    evaluator = FrozenSupernet(shared(), space, ("valid_loss",), ("flops_m",))
    (arch,) = archs(space, 1)
    result, state = evaluator.evaluate(Proposal(arch), None, rng())
    assert (set(result.scores), set(result.report), state) == ({"valid_loss"}, {"flops_m"}, None)
    assert evaluator.goals == {"valid_loss": "min"}
    with pytest.raises(InputError, match="test_accuracy"):
        FrozenSupernet(shared(), space, ("test_accuracy",))


def test_costs_are_those_of_the_plain_network(shared: Any, space: Nb201) -> None:
    (arch,) = archs(space, 1)
    result, _ = FrozenSupernet(shared(), space, ALL).evaluate(Proposal(arch), None, rng())
    plain = space.plain(arch, 0, Sharing(affine=True))
    assert result.scores["params_m"] == sum(p.numel() for p in plain.parameters()) / 1e6


def test_all_images_of_a_part_can_be_measured_on(shared: Any, space: Nb201) -> None:
    evaluator = FrozenSupernet(shared(measured_images=10), space, ("valid_loss",))
    (arch,) = archs(space, 1)
    whole = FrozenSupernet(shared(), space, ("valid_loss",)).evaluate(Proposal(arch), None, rng())[0]
    assert evaluator.measure(arch, "valid").loss == whole.scores["valid_loss"]
    assert evaluator.evaluate(Proposal(arch), None, rng())[0].scores != whole.scores
    assert evaluator.measure(arch, "test").loss != whole.scores["valid_loss"]


@pytest.fixture
def training(shared: Any, space: Nb201) -> SharedTraining:
    net = shared()
    return SharedTraining(net, space, net.state(), {"valid_accuracy": 30.0}, ("valid_accuracy", "valid_loss"))


def test_a_chain_goes_on_from_the_last_state(training: SharedTraining, space: Nb201) -> None:
    a, b = archs(space, 2)
    first, one = training.evaluate(Proposal(a), None, rng())
    _, two = training.evaluate(Proposal(b, inherit=Inherit(0)), {0: one}, rng())
    direct, alone = training.evaluate(Proposal(b), None, rng())
    assert first.details == {ONE_SHOT: {"valid_accuracy": 30.0}}
    assert direct.details == {ONE_SHOT: {"valid_accuracy": 30.0}}
    used = training._shared.network.parts(space.path(a))
    names = {name for name, p in training._shared.network.named_parameters() if any(p is each for each in used)}
    only_a = names - {
        name
        for name, p in training._shared.network.named_parameters()
        if any(p is each for each in training._shared.network.parts(space.path(b)))
    }
    assert only_a
    for name in only_a:
        assert torch.equal(two.networks[NETWORK][name], one.networks[NETWORK][name])
        assert not torch.equal(two.networks[NETWORK][name], alone.networks[NETWORK][name])


def test_repeating_a_trial_gives_the_same_bits(training: SharedTraining, space: Nb201) -> None:
    a, b = archs(space, 2)
    _, one = training.evaluate(Proposal(a), None, rng())
    proposal = Proposal(b, inherit=Inherit(0))
    result, state = training.evaluate(proposal, {0: one}, rng())
    training.evaluate(Proposal(a), None, np.random.default_rng(8))
    again, same = training.evaluate(proposal, {0: one}, rng())
    assert result.scores == again.scores
    for name, tensor in state.networks[NETWORK].items():
        assert torch.equal(tensor, same.networks[NETWORK][name]), name
    for name, slots in state.optimisers[NETWORK].slots.items():
        for slot, tensor in slots.items():
            assert torch.equal(tensor, same.optimisers[NETWORK].slots[name][slot])


def test_m_mini_batches_are_trained_on(shared: Any, space: Nb201, monkeypatch: pytest.MonkeyPatch) -> None:
    net = shared()
    seen: list[Any] = []
    step = net.step
    monkeypatch.setattr(net, "step", lambda *given: (seen.append(given), step(*given))[1])
    monkeypatch.setattr(net, "options", replace(net.options, steps=8, step_lr=0.25))
    evaluator = SharedTraining(net, space, net.state(), {}, ("valid_accuracy",))
    (arch,) = archs(space, 1)
    result, _ = evaluator.evaluate(Proposal(arch), None, rng())
    assert [(path, len(labels), lr) for path, _, labels, lr in seen] == [(space.path(arch), 16, 0.25)] * 8
    assert result.details == {}
    batches = [tuple(images.flatten().tolist()) for _, images, _, _ in seen]
    assert len(set(batches)) == 8


def test_mixing_is_refused(training: SharedTraining, space: Nb201) -> None:
    (arch,) = archs(space, 1)
    result = evaluate(training, Proposal(arch, inherit=Inherit(0, mutate=True)), 0, 1)
    assert result.error is not None
    assert "mixes or mutates weights" in result.error


def test_a_path_that_diverges_fails_its_trial(training: SharedTraining, space: Nb201) -> None:
    (arch,) = archs(space, 1)
    with torch.no_grad():
        for tensor in training._start.networks[NETWORK].values():
            if tensor.is_floating_point():
                tensor.fill_(float("nan"))
    result = evaluate(training, Proposal(arch), 0, 1)
    assert result.error is not None
    assert "the loss along this path is nan" in result.error
