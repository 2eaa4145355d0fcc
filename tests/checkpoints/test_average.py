from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="weights need the extra train")

from archloom.checkpoints.average import average  # noqa: E402 - it needs PyTorch
from archloom.checkpoints.state import TrainingState  # noqa: E402
from archloom.errors import InputError  # noqa: E402


def test_a_soup_is_the_mean(trained: Any) -> None:
    states = [trained(seed=seed) for seed in (1, 2, 3)]
    soup = average(states)
    for find in (lambda s: s.networks["net"], lambda s: s.averages["ema"].tensors, lambda s: s.networks["critic"]):
        for name, tensor in find(soup).items():
            members = [find(state)[name] for state in states]
            if name.endswith(("._u", "._v")):
                assert tensor is members[0]
            elif tensor.is_floating_point():
                assert np.allclose(tensor.numpy(), np.mean([m.numpy() for m in members], axis=0), atol=1e-6)
            else:
                assert tensor.item() == sum(m.item() for m in members) // 3
            assert tensor.dtype == members[0].dtype
    assert (soup.optimisers, soup.arrays, soup.rest) == (states[0].optimisers, states[0].arrays, states[0].rest)
    assert any(name.endswith("._u") for name in soup.networks["net"])
    assert "old.weight_u" in soup.networks["net"]


def test_a_soup_of_one_taste_is_that_taste(trained: Any, same_state: Any) -> None:
    state = trained()
    state.networks["net"]["small"] = torch.tensor([200, 100], dtype=torch.uint8)
    state.networks["net"]["flag"] = torch.tensor(True)
    state.networks["net"]["half"] = torch.randn(50).to(torch.bfloat16)
    for count in (1, 2, 3, 7):
        assert same_state(average([state] * count), state)


def test_spectral_norms_of_agents_are_the_firsts() -> None:
    from archloom.spaces.control import Control

    space = Control(observation=(3, 9, 9), actions=1, width=2, hidden=4, features=(3,))
    states = [TrainingState({"all": dict(space.build(space.original, seed).state_dict())}) for seed in (0, 1)]
    first, second = (state.networks["all"] for state in states)
    soup = average(states).networks["all"]
    vectors = {name for name in soup if name.endswith(("norm.u", "norm.v"))}
    assert len(vectors) == 2 * len([name for name in soup if name.endswith("norm.u")]) > 0
    for name, tensor in soup.items():
        expected = first[name] if name in vectors else (first[name] + second[name]) / 2
        assert torch.allclose(tensor, expected, atol=1e-6), name
    assert any(not torch.equal(first[name], second[name]) for name in vectors)


def test_integers_are_divided_downwards() -> None:
    numbers = [-3, 250, 2**40], [0, 255, 2**40]
    states = [TrainingState({"n": {"i": torch.tensor(some)}}) for some in numbers]
    assert average(states).networks["n"]["i"].tolist() == [-2, 252, 2**40]


def test_parts_of_a_soup(trained: Any, same: Any, network: Any) -> None:
    states = [trained(seed=1), trained(seed=2)]
    soup = average(states, ["net.cells.1", "critic"])
    changed = {
        f"{network}.{name}"
        for network, tensors in soup.networks.items()
        for name, tensor in tensors.items()
        if not same(tensor, states[0].networks[network][name])
    }
    critic = {f"critic.{name}" for name in states[0].networks["critic"]}
    assert changed == {"net.cells.1.weight", "net.cells.1.bias", *critic}
    ema, target = soup.averages["ema"].tensors, soup.averages["target"].tensors
    assert not same(ema["cells.1.bias"], states[0].averages["ema"].tensors["cells.1.bias"])
    assert same(ema["cells.10.bias"], states[0].averages["ema"].tensors["cells.10.bias"])
    assert not same(target["head.bias"], states[0].averages["target"].tensors["head.bias"])


def test_what_makes_no_soup(trained: Any, network: Any) -> None:
    with pytest.raises(InputError, match="no states to average"):
        average([])
    with pytest.raises(InputError, match=r"'nets.a' is to be averaged, which is in no network: .* net, critic"):
        average([trained()], ["nets.a"])
    with pytest.raises(
        InputError, match=r"'net\.cells\.99' is to be averaged, but there is nothing below it; expected e\.g\. net"
    ):
        average([trained()], ["net.cells.99"])
    with pytest.raises(InputError, match=r"state 2 of the average differs from the first in net\.cells\.0\.bias"):
        average([trained(), trained(), trained("i" + "c" * 10)])
    lacking = trained()
    del lacking.averages["target"]
    with pytest.raises(InputError, match=r"state 1 of the average differs from the first in critic\.head\.bias"):
        average([trained(), lacking])
