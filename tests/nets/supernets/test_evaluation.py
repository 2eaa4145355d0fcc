from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra train")

from archloom.nets.supernets.base import Sharing  # noqa: E402 - it needs PyTorch
from archloom.nets.supernets.evaluation import NORM_RULES, batch, evaluating, recalibrated, running  # noqa: E402
from archloom.nets.supernets.nb201 import Nb201Supernet  # noqa: E402

CONVS = ("nor_conv_3x3",) * 6
POINTS = ("nor_conv_1x1",) * 6


def images(count: int = 6) -> Any:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def one_norm() -> Any:
    """Statistics that are those of no batch below, and a dropout that training would show."""
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.Dropout(0.5)).train()
    network[0].running_mean.fill_(5.0)
    network[0].running_var.fill_(4.0)
    return network


def state(network: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same_state(network: Any, before: dict[str, Any]) -> bool:
    return all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_rules_by_hand() -> None:
    network = one_norm()
    x = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
    before = state(network)
    with evaluating(network, running):
        assert network(x).ravel().tolist() == pytest.approx([-2.0, -1.0], abs=1e-4)
    with evaluating(network, batch):
        assert network(x).ravel().tolist() == pytest.approx([-1.0, 1.0], abs=1e-4)
    assert same_state(network, before)
    assert {"running": running, "batch": batch} == NORM_RULES


def test_recalibrated_statistics_are_means_over_batches_alike() -> None:
    network = one_norm()
    before = state(network)
    batches = [torch.tensor(values).reshape(-1, 1, 1, 1) for values in ([0.0, 2.0], [4.0, 8.0, 6.0])]
    with recalibrated(network, batches):
        norm = network[0]
        assert float(norm.running_mean) == pytest.approx((1 + 6) / 2)
        assert float(norm.running_var) == pytest.approx((2 + 4) / 2), "unbiased variances"
        out = network(torch.tensor([3.5]).reshape(1, 1, 1, 1))
        assert float(out.detach()) == pytest.approx(0.0, abs=1e-6)
        assert float(norm.running_mean) == pytest.approx(3.5), "looking changes nothing"
    assert same_state(network, before)
    assert norm.momentum == 0.1


def test_recalibrating_without_images_is_an_error_that_changes_nothing() -> None:
    network = one_norm()
    before = state(network)
    with pytest.raises(ValueError, match="at least one"), recalibrated(network, []):
        pass
    assert same_state(network, before)
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize("rule", [*NORM_RULES.values(), None])
def test_modes_are_what_they_were_whatever_happens(rule: Any) -> None:
    network = one_norm()
    network[0].eval()
    context = recalibrated(network, [torch.zeros(2, 1, 1, 1)]) if rule is None else evaluating(network, rule)
    with pytest.raises(KeyboardInterrupt), context:
        assert not network[1].training
        raise KeyboardInterrupt
    assert [module.training for module in network.modules()] == [True, False, True]
    assert network[0].track_running_stats


def test_evaluating_holds_for_paths_that_are_selected_meanwhile() -> None:
    network = Nb201Supernet(0, Sharing(), 2, 1).train()
    x = images()
    before = state(network)
    with evaluating(network, batch), torch.no_grad():
        found = []
        for path in (CONVS, POINTS):
            network.select(path)
            found.append(network(x))
    assert same_state(network, before)
    for path, logits in zip((CONVS, POINTS), found, strict=True):
        network.select(path)
        assert torch.equal(network(x), logits), "as in training, of which the statistics are those of the batch"


def test_statistics_of_the_selected_path_alone_are_measured() -> None:
    network = Nb201Supernet(0, Sharing(), 2, 1).train()
    network.select(CONVS)
    before = state(network)
    with recalibrated(network, [images()]):
        now = network.state_dict()
        changed = {name for name, tensor in before.items() if not torch.equal(now[name], tensor)}
        used = network.norms(CONVS)
        names = {name for name, module in network.named_modules() if any(module is norm for norm in used)}
        assert {name.rpartition(".")[0] for name in changed} == names
    assert same_state(network, before)
