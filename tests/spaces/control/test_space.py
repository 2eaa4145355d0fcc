from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import numpy as np
import pytest

from archloom import registry
from archloom.spaces.base import Buildable, HasModules, HasSource
from archloom.spaces.control import Control
from archloom.spaces.drawing import Drawable
from archloom.testing import check_space
from archloom.types import Arch
from archloom.utils import options, seeds

SMALL = {"observation": (3, 9, 8), "actions": 2, "width": 4, "hidden": 6, "features": (3, 5)}
SPACE = Control(**SMALL)
Shapes = dict[str, tuple[int, ...]]


def test_the_contract_for_vectors() -> None:
    """The default, for frames, is tested with all registered spaces."""
    check_space(partial(Control, observation=(5,), hidden=8), samples=10)


def test_it_is_registered_and_can_all_that_training_needs() -> None:
    assert registry.load_space("control") is Control
    for capability in (Buildable, HasModules, HasSource, Drawable):
        assert isinstance(SPACE, capability), capability


def test_as_many_architectures_as_published() -> None:
    """The paper (section 4.3) prints 4.6e21; vectors have no encoder, and so no genes of one."""
    assert Control().size == 2**19 * 2**34 * 512_000 == 4_611_686_018_427_387_904_000
    assert Control(observation=(24,)).size == 2**53


def test_options_on_the_command_line() -> None:
    given = {"observation": "3,42,42", "features": "10,20", "width": "16", "as_published": "true"}
    made = Control(**options.convert_all("space", options.of_space(Control), given))
    assert made.dimensions.observation == (3, 42, 42) and made.as_published
    assert made.values[made.gene_names.index("critic.features")] == (10, 20)


def test_the_drawing_has_a_chain_for_each_network() -> None:
    drawing = SPACE.drawing(SPACE.parse(SPACE.format(SPACE.original).replace("relu none", "relu spectral")))
    parts = dict(zip((name for name, _ in drawing.parts), drawing.split(), strict=True))
    assert parts["encoder"].nodes == ("3", "4", "4", "4", "4")
    assert {edge.label for edge in parts["encoder"].edges} == {"conv_3 relu spectral"}
    assert parts["actor"].nodes == ("48", "5", "6", "6", "action")
    assert parts["actor"].edges[-1].label == "linear tanh"
    assert [edge.label for edge in parts["q2"].edges] == ["linear tanh", "linear relu", "linear relu", "linear"]
    assert parts["q1"].nodes == parts["q2"].nodes == ("48", "5", "6", "6", "value")
    vector = Control(observation=(7,))
    assert [name for name, _ in vector.drawing(vector.original).parts] == ["actor", "q1", "q2"]


def test_pytorch_is_not_needed_before_a_network_is_built() -> None:
    code = (
        "import sys; from archloom.spaces.control import Control; s = Control(); s.source(s.original, 'x'); "
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


# -- networks -----------------------------------------------------------------------------------------------------


def shapes(networks: Any) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in networks.state_dict().items()}


def owned_by(prefixes: tuple[str, ...], tensors: Shapes) -> Shapes:
    return {name: shape for name, shape in tensors.items() if any(name.startswith(f"{p}.") for p in prefixes)}


@pytest.mark.parametrize("observation", [(3, 9, 8), (7,)])
def test_every_option_of_every_gene(observation: tuple[int, ...]) -> None:
    """It has as many parameters as counted; a gene's option alone decides which tensors it owns, and their shapes."""
    pytest.importorskip("torch", reason="networks need the extra train")
    space, seen, free = Control(**(SMALL | {"observation": observation})), {}, []
    for option in range(int(space.sizes.max())):
        for shift in range(3):  # beside other options of other genes
            arch = Arch(tuple((option + shift * gene) % size for gene, size in enumerate(space.sizes.tolist())))
            networks = space.build(arch, seed=0)
            counted = {name: int(count[0]) for name, count in space.parameters(np.array([arch.genes])).items()}
            built = {name: sum(p.numel() for p in child.parameters()) for name, child in networks.named_children()}
            assert {name: count for name, count in built.items() if count} == counted
            tensors = shapes(networks)
            for gene, own_option in enumerate(arch.genes):
                own = owned_by(space.modules(gene), tensors)
                assert seen.setdefault((gene, own_option), own) == own, space.gene_names[gene]
                tensors = {name: shape for name, shape in tensors.items() if name not in own}
            free.append(tensors)
    assert len(seen) == space.sizes.sum()
    assert all(tensors == free[0] for tensors in free)
    encoder = {"encoder.convnet.0.0"} if space.dimensions.pixels else set()
    assert {name.removesuffix(".weight") for name in free[0] if name.endswith(".weight")} == {
        "actor.policy.4", "critic.q1.4", "critic.q2.4", *encoder
    }  # fmt: skip


def test_published_shapes_of_the_original() -> None:
    """And counts of parameters, beside those of DrQ-v2 itself by formula."""
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    space = Control()
    networks = space.build(space.original, 0)
    features = networks.encoder(torch.zeros(2, 9, 84, 84))
    action = networks.actor(features)
    assert [value.shape for value in networks.critic(features, action)] == [(2, 1), (2, 1)]
    assert features.shape == (2, 53_792) and action.shape == (2, 6)
    weights = {name: shape for name, shape in shapes(networks).items() if name.endswith(".weight")}
    assert list(weights.values()) == [
        (32, 9, 3, 3), (32, 32, 3, 3), (32, 32, 3, 3), (32, 32, 3, 3),
        (50, 53_792), (50,), (1024, 50), (1024, 1024), (6, 1024),
        (50, 53_792), (50,), (1024, 56), (1024, 1024), (1, 1024), (1024, 56), (1024, 1024), (1, 1024),
    ]  # fmt: skip
    trunk = 39_200 * 50 + 50 + 2 * 50  # 32 * 35 * 35: four convolutions without padding
    published = {
        "encoder": (81 * 32 + 32) + 3 * (9 * 32 * 32 + 32),
        "actor": trunk + 51 * 1024 + 1025 * 1024 + 1025 * 6,
        "critic": trunk + 2 * (57 * 1024 + 1025 * 1024 + 1025),
    }
    assert published == {"encoder": 30_368, "actor": 3_068_124, "critic": 4_178_136}
    more = 50 * (53_792 - 39_200)
    counted = {name: int(count[0]) for name, count in space.parameters(np.array([space.original.genes])).items()}
    assert counted == published | {"actor": published["actor"] + more, "critic": published["critic"] + more}


def test_networks_with_and_without_spectral_norms_mix_without_missing_tensors() -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    from archloom.checkpoints.mix import mix
    from archloom.checkpoints.state import TrainingState

    def state(arch: Arch, seed: int) -> Any:
        built = space.build(arch, seed).named_children()
        return TrainingState({name: dict(child.state_dict()) for name, child in built})

    space, rng = SPACE, seeds.stream(0, "test")
    modules = {gene: space.modules(gene) for gene in range(len(space.sizes))}
    norms = [gene for gene, name in enumerate(space.gene_names) if ".norm" in name]
    for first in (0, 1):
        one, other = list(space.sample(rng).genes), list(space.sample(rng).genes)
        for gene in norms:
            one[gene], other[gene] = first, 1 - first
        donated = {gene for gene in modules if rng.random() < 0.5} | {space.gene_names.index("actor.features")}
        child = Arch(tuple(other[gene] if gene in donated else one[gene] for gene in modules))
        base, donor, fresh = state(Arch(tuple(one)), 1), state(Arch(tuple(other)), 2), state(child, 3)
        mixed, report = mix(base, dict.fromkeys(donated, donor), fresh, modules, 0.4, 0.1)
        assert report.counts.get("missing", 0) == 0
        networks = space.build(child, 4)
        for name, network in networks.named_children():
            network.load_state_dict(mixed.networks[name], strict=True)
        u = "policy.0.0.norm.u"  # also vectors of spectral norms are shrunk and perturbed
        expected = 0.4 * donor.networks["actor"][u] + 0.1 * fresh.networks["actor"][u]
        assert torch.allclose(networks.actor.get_buffer(u), expected)
        frames = torch.zeros(2, *space.dimensions.observation)
        assert all(torch.isfinite(value).all() for value in networks.critic(networks.encoder(frames), networks(frames)))
