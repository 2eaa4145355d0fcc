from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from archloom.data.images.labelled import ImageData
from archloom.nets.supernets.base import Sharing
from archloom.spaces.nb201 import Nb201
from archloom.tasks.network import DivergedError
from archloom.tasks.supernet.options import FrozenOptions
from archloom.tasks.supernet.shared import NETWORK, SharedNetwork

SMALL = {"batch_size": 16, "eval_batch_size": 16}


Make = Callable[..., SharedNetwork]


@pytest.fixture
def shared(images: ImageData, space: Nb201) -> Make:
    return lambda **settings: SharedNetwork(space, images, FrozenOptions(**{**SMALL, **settings}))


def paths(space: Nb201, count: int) -> list[tuple[str, ...]]:
    rng = np.random.default_rng(0)
    return [space.path(space.sample(rng)) for _ in range(count)]


CONVOLUTIONS = ("nor_conv_3x3",) * 6
SKIPS = ("skip_connect",) * 6


def test_a_step_moves_the_path_alone_and_lowers_its_loss(shared: Make) -> None:
    net = shared(clip=0.0)
    batch, labels = net.train.batch(slice(0, 64))
    net.network.train()
    before = {name: tensor.clone() for name, tensor in net.network.named_parameters()}
    losses = [float(net.step(CONVOLUTIONS, batch, labels, 0.05)) for _ in range(30)]
    assert losses[-1] < 0.6 * losses[0]
    for _ in range(5):
        net.step(SKIPS, batch, labels, 0.05)  # with momentum and weight decay
    used = {id(parameter) for parameter in (*net.network.parts(CONVOLUTIONS), *net.network.parts(SKIPS))}
    moved = {name for name, tensor in net.network.named_parameters() if not torch.equal(tensor, before[name])}
    assert moved == {name for name, tensor in net.network.named_parameters() if id(tensor) in used}
    assert 0 < len(moved) < len(before)
    assert all(parameter.grad is None for parameter in net.network.parameters())


def test_a_step_is_that_of_plain_gradient_descent(shared: Make, space: Nb201) -> None:
    net = shared(momentum=0.9, weight_decay=0.01, clip=0.0, affine=True)
    batch, labels = net.train.batch(slice(0, 32))
    arch = space.parse("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|")
    path = space.path(arch)
    # In the same memory format: otherwise convolutions round differently, and a ReLU near 0 decides differently.
    plain = space.plain(arch, 0, Sharing(affine=True)).to(memory_format=torch.channels_last)
    plain.load_state_dict(net.network.standalone(path))
    optimiser = torch.optim.SGD(plain.parameters(), 0.1, 0.9, weight_decay=0.01)
    net.network.train()
    for _ in range(3):
        optimiser.zero_grad()
        functional.cross_entropy(plain(batch), labels).backward()
        optimiser.step()
        net.step(path, batch, labels, 0.1)
    for name, tensor in net.network.standalone(path).items():
        torch.testing.assert_close(tensor, plain.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_clipping_bounds_the_step(shared: Make) -> None:
    net = shared(momentum=0.0, weight_decay=0.0, clip=0.01)
    batch, labels = net.train.batch(slice(0, 32))
    before = torch.cat([parameter.detach().flatten() for parameter in net.network.parameters()])
    net.network.train()
    net.step(CONVOLUTIONS, batch, labels, 2.0)
    after = torch.cat([parameter.detach().flatten() for parameter in net.network.parameters()])
    assert float((after - before).norm()) == pytest.approx(0.02, rel=1e-3)


@pytest.mark.parametrize("norm", ["batch", "running", "recalibrate"])
def test_measuring_changes_nothing_and_says_the_same_in_any_order(shared: Make, space: Nb201, norm: str) -> None:
    net = shared(norm=norm)
    net.network.train()
    batch, labels = net.train.batch(slice(0, 32))
    net.step(CONVOLUTIONS, batch, labels, 0.05)
    before = {name: tensor.clone() for name, tensor in net.network.state_dict().items()}
    chosen = paths(space, 4)
    first = [net.measure(path) for path in chosen]
    assert [net.measure(path) for path in reversed(chosen)] == first[::-1]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.network.state_dict().items())
    assert all(module.training for module in net.network.modules())


def test_measuring_by_hand(shared: Make, space: Nb201, images: ImageData) -> None:
    net = shared(norm="running", eval_batch_size=7)
    (path,) = paths(space, 1)
    found = net.measure(path)
    net.network.select(path)
    net.network.eval()
    values = torch.tensor(images.valid.images).float() / 127.5 - 1
    with torch.no_grad():
        logits = net.network(values)
    labels = torch.tensor(images.valid.labels)
    assert found.accuracy == pytest.approx(100 * float((logits.argmax(1) == labels).float().mean()))
    assert found.loss == pytest.approx(float(functional.cross_entropy(logits, labels)), rel=1e-5)


def test_a_search_may_measure_on_fewer_images(shared: Make, images: ImageData) -> None:
    net = shared(measured_images=10)
    assert sum(len(labels) for _, labels in net.searched) == 10
    assert sum(len(labels) for _, labels in net.whole("valid")) == len(images.valid)
    assert sum(len(labels) for _, labels in net.whole("test")) == len(images.test)


def test_batches_are_mixed_if_images_are_sorted_by_class(images: ImageData, space: Nb201) -> None:
    splits = (split.take(np.argsort(split.labels, kind="stable")) for split in (images.train, images.valid))
    by_class = replace(images, **dict(zip(("train", "valid"), splits, strict=True)))
    net = SharedNetwork(space, by_class, FrozenOptions(batch_size=16, eval_batch_size=10))
    assert [len(set(labels.tolist())) for _, labels in net.searched] == [3, 3]
    assert sorted(torch.cat([labels for _, labels in net.searched]).tolist()) == by_class.valid.labels.tolist()
    some = SharedNetwork(space, by_class, FrozenOptions(batch_size=16, measured_images=10))
    assert set(torch.cat([labels for _, labels in some.searched]).tolist()) == {0, 1, 2}
    train = {values.numpy().tobytes(): int(label) for values, label in zip(*net.train.batch(slice(None)), strict=True)}
    assert [len({train[values.numpy().tobytes()] for values in batch}) for batch in net.recalibration] == [3] * 6


def test_no_batch_has_a_single_image(shared: Make) -> None:
    net = shared(measured_images=17)
    assert [len(labels) for _, labels in net.searched] == [17]
    assert min(len(labels) for _, labels in shared(measured_images=23, eval_batch_size=2).searched) >= 2


def test_a_state_comes_back_with_its_momentum(shared: Make) -> None:
    one, two = shared(), shared(seed=1)
    batch, labels = one.train.batch(slice(0, 32))
    one.network.train()
    two.network.train()
    one.step(CONVOLUTIONS, batch, labels, 0.05)
    two.load(one.state())
    for net in (one, two):
        net.step(CONVOLUTIONS, batch, labels, 0.05)
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, two.network.state_dict()[name]), name
    assert one.state().optimisers[NETWORK].slots.keys() == two.state().optimisers[NETWORK].slots.keys()


def test_a_loss_that_is_not_finite_is_an_error(shared: Make) -> None:
    net = shared()
    with torch.no_grad():
        next(net.network.head.parameters()).fill_(float("nan"))
    with pytest.raises(DivergedError, match="the loss along this path is nan"):
        net.measure(SKIPS)


def test_bfloat16_trains_too(shared: Make) -> None:
    net = shared(precision="bfloat16")
    batch, labels = net.train.batch(slice(0, 64))
    net.network.train()
    losses = [float(net.step(CONVOLUTIONS, batch, labels, 0.05)) for _ in range(10)]
    assert losses[-1] < losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in net.network.parameters())
