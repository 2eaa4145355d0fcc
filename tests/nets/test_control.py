"""The networks of DrQ-v2 with searched layers, beside the same written out once more in plain PyTorch."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from archloom.spaces.control import Control, genes
from archloom.types import Arch
from archloom.utils import seeds

torch = pytest.importorskip("torch", reason="networks need the extra train")

from torch import Tensor, nn  # noqa: E402 - it needs PyTorch
from torch.nn import functional  # noqa: E402

from archloom.nets import control  # noqa: E402

SMALL = {"observation": (3, 9, 8), "actions": 2, "width": 4, "hidden": 6, "features": (3, 5)}
SPACE = Control(**SMALL)


@pytest.fixture(autouse=True)
def _the_same_weights_every_time() -> Any:
    """Modules that a test builds itself are drawn from one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def frames(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).float()


def all_spectral(space: Control, arch: Arch, option: int) -> Arch:
    """The architecture with all norms set to an option."""
    return Arch(tuple(option if ".norm" in name else g for g, name in zip(arch.genes, space.gene_names, strict=True)))


def step(networks: control.ControlNetworks, observations: Tensor) -> Tensor:
    """All outputs in one row, after a backward pass through all three networks, which must leave finite gradients."""
    features = networks.encoder(observations)
    action = networks.actor(features)
    out = torch.cat([action, *networks.critic(features, action)], dim=1)
    assert torch.isfinite(out).all()
    out.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in networks.parameters())
    return out.detach()


def test_names_are_the_spaces_own() -> None:
    assert tuple(control.CONV_LAYERS) == genes.CONV_LAYERS
    assert tuple(control.LINEAR_LAYERS) == genes.LINEAR_LAYERS
    assert tuple(control.ACTIVATIONS) == genes.ACTIVATIONS
    for side in (3, 4, 42, 83, 84):
        assert control.encoded(side) ** 2 == Control(observation=(1, side, side), width=1).dimensions.encoded


# -- layers -------------------------------------------------------------------------------------------------------

ACT: dict[str, Callable[[Tensor], Tensor]] = {
    "id": lambda x: x,
    "tanh": lambda x: x.tanh(),
    "relu": lambda x: x.clamp(min=0),
    "swish": lambda x: x * x.sigmoid(),
}


@pytest.mark.parametrize("activation", ACT)
def test_layers_are_what_they_are_called(activation: str) -> None:
    act, maps, rows = ACT[activation], noise(2, 4, 5, 6), noise(2, 6)
    made = {kind: make(4, activation, False) for kind, make in control.CONV_LAYERS.items()}
    for kind, layer in made.items():
        family, _, size = kind.rpartition("_")
        convs = [(c.weight, c.bias) for c in layer.modules() if isinstance(c, nn.Conv2d)]
        pad = int(size) // 2 if family else 0
        expected = maps
        if family == "conv":
            expected = act(functional.conv2d(maps, *convs[0], padding=pad))
        elif family == "residual":
            inner = act(functional.conv2d(maps, *convs[0], padding=pad))
            expected = act(maps + functional.conv2d(inner, *convs[1], padding=pad))
        elif family == "sep_conv":
            depthwise = functional.conv2d(maps, *convs[0], padding=pad, groups=4)
            expected = act(functional.conv2d(depthwise, *convs[1]))
        assert torch.allclose(layer(maps), expected, atol=1e-6), kind
        if family:
            assert convs[0][0].shape[-1] == int(size)
    assert torch.equal(control.LINEAR_LAYERS["id"](6, activation, False)(rows), rows)
    layer = control.LINEAR_LAYERS["linear"](6, activation, False)
    assert torch.allclose(layer(rows), act(rows @ layer[0].weight.T + layer[0].bias))
    for kind, inner in (("residual_05", 3), ("residual_2", 12)):
        layer = control.LINEAR_LAYERS[kind](6, activation, False)
        one, two = (each for each in layer.modules() if isinstance(each, nn.Linear))
        assert one.weight.shape == (inner, 6)
        hidden = act(functional.layer_norm(rows, (6,)) @ one.weight.T + one.bias)
        assert torch.allclose(layer(rows), rows + hidden @ two.weight.T + two.bias, atol=1e-6)


# -- the original -------------------------------------------------------------------------------------------------


class DrQv2(nn.Module):
    """Yarats et al. 2021, but for the padding of all convolutions after the first."""

    def __init__(self, channels: int, actions: int, width: int, hidden: int, features: int, flat: int) -> None:
        super().__init__()
        later = [layer for _ in range(3) for layer in (nn.Conv2d(width, width, 3, padding=1), nn.ReLU())]
        self.convnet = nn.Sequential(nn.Conv2d(channels, width, 3, stride=2), nn.ReLU(), *later)

        def trunk() -> nn.Sequential:
            return nn.Sequential(nn.Linear(flat, features), nn.LayerNorm(features), nn.Tanh())

        def chain(inputs: int, outputs: int) -> nn.Sequential:
            first, second = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
            return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(hidden, outputs))

        self.actor_trunk, self.policy = trunk(), chain(features, actions)
        self.critic_trunk, self.q1, self.q2 = trunk(), chain(features + actions, 1), chain(features + actions, 1)

    def forward(self, observations: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat = self.convnet(observations / 255 - 0.5).reshape(len(observations), -1)
        both = torch.cat([self.critic_trunk(flat), action], dim=-1)
        return torch.tanh(self.policy(self.actor_trunk(flat))), self.q1(both), self.q2(both)


def test_the_original_computes_what_drq_v2_does() -> None:
    space = Control((9, 84, 84), actions=3, width=8, hidden=20)
    networks, reference = space.build(space.original, 0), DrQv2(9, 3, 8, 20, 50, 8 * 41 * 41)
    own = list(networks.parameters())
    assert [p.shape for p in own] == [p.shape for p in reference.parameters()]
    with torch.no_grad():
        for theirs, ours in zip(reference.parameters(), own, strict=True):
            theirs.copy_(ours)
    observations, action = frames(2, 9, 84, 84), noise(2, 3).tanh()
    expected = reference(observations, action)
    features = networks.encoder(observations)
    assert features.shape == (2, 8 * 41 * 41)
    for ours, theirs in zip((networks.actor(features), *networks.critic(features, action)), expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    assert torch.equal(networks(observations), networks.actor(features))
    assert torch.allclose(networks(observations.byte()), expected[0], atol=1e-5)


def test_vectors_have_no_encoder() -> None:
    space = Control((5,), actions=2, hidden=8)
    networks, vectors = space.build(space.sample(seeds.stream(0, "test")), 0), noise(4, 5)
    assert networks.encoder(vectors) is vectors
    assert not networks.encoder.state_dict()
    assert networks.actor.trunk[0].in_features == 5
    assert step(networks, vectors).shape == (4, 4)


@pytest.mark.parametrize("size", [84, 42])
def test_random_architectures_train(size: int) -> None:
    space, rng = Control((9, size, size), actions=2, width=4, hidden=8, features=(3, 4)), seeds.stream(size, "test")
    for seed in range(4):
        assert step(space.build(space.sample(rng), seed), frames(2, 9, size, size)).shape == (2, 4)


# -- initial weights ----------------------------------------------------------------------------------------------


def is_orthogonal(weight: Tensor, gain: float) -> bool:
    matrix = weight.detach().flatten(1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return torch.allclose(gram, gain**2 * torch.eye(len(gram)), atol=1e-5)


@pytest.mark.parametrize(("spectral", "as_published"), list(product((0, 1), (False, True))))
def test_weights_begin_orthogonal_and_biases_at_0(spectral: int, as_published: bool) -> None:
    """Also with spectral norms; the published code leaves PyTorch's own weights there."""
    space = Control(**SMALL, as_published=as_published)
    text = space.format(all_spectral(space, space.sample(seeds.stream(1, "test")), spectral))
    networks = space.build(space.parse(text), 0)
    for name, layer in networks.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            normalised = isinstance(layer, control.Linear | control.Conv)
            assert normalised == (not name.endswith(("trunk.0", ".4"))), name
            gain = 2**0.5 if isinstance(layer, nn.Conv2d) else 1.0
            assert is_orthogonal(layer.weight, gain) == (not (spectral and as_published and normalised)), name
            assert not layer.bias.any()


def test_the_seed_alone_decides_the_weights_and_nothing_global_changes(only_its_seed: Any) -> None:
    arch = SPACE.sample(seeds.stream(2, "test"))
    only_its_seed(lambda seed: SPACE.build(arch, seed))


def test_norms_change_no_tensor() -> None:
    """With and without: the same names and, of one seed, the same values; so a layer fits into either network."""
    arch = SPACE.sample(seeds.stream(3, "test"))
    without, with_norms = (SPACE.build(all_spectral(SPACE, arch, option), 0).state_dict() for option in (0, 1))
    assert list(without) == list(with_norms)
    assert all(torch.equal(without[name], with_norms[name]) for name in without)


# -- spectral norms -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [control.Linear(6, 9, True), control.Conv(4, 4, 3, True, groups=4)])
def test_the_norm_is_1_after_iterations(layer: Any) -> None:
    """Of any weights, at first of none in particular; and what is used is the weight divided by that."""
    with torch.no_grad():
        layer.weight.copy_(noise(*layer.weight.shape))
    layer.norm.start(layer.weight)
    for _ in range(200):
        used = layer.norm(layer.weight)
    largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
    assert torch.allclose(used, layer.weight / largest, rtol=1e-4)
    assert torch.linalg.matrix_norm(used.flatten(1), ord=2).item() == pytest.approx(1, rel=1e-4)


def test_an_orthogonal_weight_has_its_exact_norm_at_once() -> None:
    networks = SPACE.build(all_spectral(SPACE, SPACE.sample(seeds.stream(4, "test")), 1), 0).eval()
    found = [layer for layer in networks.modules() if isinstance(layer, control.Linear | control.Conv)]
    for layer in found:
        used = layer.norm(layer.weight).flatten(1)
        assert torch.linalg.matrix_norm(used, ord=2).item() == pytest.approx(1, rel=1e-5)
    assert len(found) >= 4


def test_training_is_that_of_pytorchs_spectral_norm() -> None:
    """Passes and gradients, from the same vectors."""
    ours, theirs = control.Linear(5, 4, True), nn.utils.spectral_norm(nn.Linear(5, 4))
    ours.norm.start(ours.weight)
    with torch.no_grad():
        theirs.weight_orig.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    theirs.weight_u.copy_(ours.norm.u)
    x = noise(3, 5)
    for _ in range(3):
        one, other = ours(x), theirs(x)
        assert torch.allclose(one, other, atol=1e-6)
        one.square().sum().backward()
        other.square().sum().backward()
        assert torch.allclose(ours.weight.grad, theirs.weight_orig.grad, rtol=1e-4, atol=1e-5)
    assert torch.allclose(ours.norm.u, theirs.weight_u, atol=1e-6)
    assert torch.allclose(ours.eval()(x), theirs.eval()(x), atol=1e-6)


def test_vectors_move_in_training_of_enabled_norms_only() -> None:
    arch = SPACE.sample(seeds.stream(5, "test"))
    for enabled, training in product((0, 1), (False, True)):
        networks = SPACE.build(all_spectral(SPACE, arch, enabled), 0).train(training)
        with torch.no_grad():
            for layer in networks.modules():
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    layer.weight.add_(noise(*layer.weight.shape), alpha=0.1)
        before = copy.deepcopy(networks.state_dict())
        features = networks.encoder(frames(2, 3, 9, 8))
        networks.critic(features, networks.actor(features))
        moved = [name for name, tensor in networks.state_dict().items() if not torch.equal(tensor, before[name])]
        vectors = [name for name in before if name.endswith((".norm.u", ".norm.v"))]
        assert moved == (vectors if enabled and training else [])


def test_passes_before_a_backward_pass_do_not_disturb_it() -> None:
    layer, x = control.Linear(5, 4, True), noise(3, 5)
    layer.norm.start(layer.weight)
    first = layer(x)
    layer(x)
    first.sum().backward()
    assert torch.isfinite(layer.weight.grad).all()


def test_shrunk_vectors_and_weights_of_0_are_no_harm() -> None:
    """As after mixing: 0.4 of one vector and 0.1 of another; shrink 0 and perturb 0 leave nothing of a weight."""
    layer, x = control.Linear(5, 4, True), noise(3, 5)
    layer.norm.start(layer.weight)
    before = layer.eval()(x)
    layer.norm.u.mul_(0.4)
    layer.norm.v.mul_(0.4)
    assert torch.allclose(layer(x), before, atol=1e-6)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
    for training in (False, True):
        out = layer.train(training)(x)
        out.sum().backward()
        assert not out.any() and torch.isfinite(layer.weight.grad).all()


def test_mixed_precision_leaves_the_vectors_as_they_are_without() -> None:
    arch = all_spectral(SPACE, SPACE.sample(seeds.stream(6, "test")), 1)
    plain, mixed = SPACE.build(arch, 0), SPACE.build(arch, 0)
    observations = frames(2, 3, 9, 8)
    for _ in range(3):
        plain(observations)
        with torch.autocast("cpu", torch.bfloat16):
            mixed(observations)
    assert all(torch.equal(tensor, mixed.state_dict()[name]) for name, tensor in plain.state_dict().items())


# -- what people do with networks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_copies_layouts_and_types(seed: int) -> None:
    networks, x = SPACE.build(SPACE.sample(seeds.stream(seed, "copies")), seed).eval(), frames(2, 3, 9, 8)
    expected = networks(x)
    for twin in (pickle.loads(pickle.dumps(networks)), copy.deepcopy(networks)):
        assert torch.equal(twin(x), expected)
    last = copy.deepcopy(networks).to(memory_format=torch.channels_last)
    assert torch.allclose(last(x.to(memory_format=torch.channels_last)), expected, atol=1e-5)
    step(last.train(), x.to(memory_format=torch.channels_last))
    assert torch.allclose(copy.deepcopy(networks).double()(x.double()).float(), expected, atol=1e-4)
    assert copy.deepcopy(networks).bfloat16()(x.bfloat16()).dtype == torch.bfloat16
    fresh = SPACE.build(SPACE.sample(seeds.stream(seed, "copies")), seed + 1).eval()
    fresh.load_state_dict({name: tensor.clone() for name, tensor in networks.state_dict().items()})
    assert torch.equal(fresh(x), expected)
