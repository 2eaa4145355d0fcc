"""A supernet and its plain networks side by side: what every family's tests check."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def alike() -> Callable[..., None]:
    """Checks that a supernet computes along each of some paths what the plain network of the path computes."""
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    from archloom.nets.supernets.evaluation import NORM_RULES, evaluating, recalibrated

    def check(network: Any, plain: Callable[[Any], Any], paths: list[Any], x: Any) -> None:
        """`plain` builds the network of a path; logits by the three rules in turn, gradients, and statistics after a
        batch."""
        network.train()
        target = torch.arange(len(x)) % 2
        for path, rule in zip(paths, itertools.cycle((*NORM_RULES.values(), None))):
            network.select(path)
            twin = plain(path).train()
            twin.load_state_dict(network.standalone(path))
            for each in (network, twin):
                each.zero_grad()
                torch.nn.functional.cross_entropy(each(x), target).backward()
            used = {id(each) for each in network.parts(path)}
            for parameter in network.parameters():
                assert (parameter.grad is None) == (id(parameter) not in used)
            assert sum(parameter.grad.square().sum() for parameter in network.parts(path)) > 0
            for name, module in network.used(path):
                same_gradients(module, twin.get_submodule(name))
            after, expected = network.standalone(path), twin.state_dict()
            for name, tensor in expected.items():
                assert torch.allclose(after[name], tensor, rtol=0, atol=1e-6), name
            with torch.no_grad():
                one, other = (logits(each, rule, x) for each in (network, twin))
            assert torch.allclose(one, other, rtol=0, atol=1e-6)

    def logits(network: Any, rule: Any, x: Any) -> Any:
        with recalibrated(network, [x]) if rule is None else evaluating(network, rule):
            return network(x)

    def same_gradients(shared: Any, own: Any) -> None:
        own_gradients = {name: parameter.grad for name, parameter in own.named_parameters()}
        for name, parameter in shared.named_parameters():
            grad, expected = parameter.grad, own_gradients[name]
            inside = tuple(map(slice, expected.shape))
            assert torch.allclose(grad[inside], expected, rtol=1e-4, atol=1e-6), name
            assert grad.count_nonzero() == grad[inside].count_nonzero(), name

    return check


@pytest.fixture
def rests() -> Callable[..., None]:
    """Checks that ten steps of SGD with momentum and weight decay along a path leave what is off the path alone."""
    torch = pytest.importorskip("torch", reason="networks need the extra train")

    def check(network: Any, before: Any, path: Any, x: Any) -> None:
        """The momentum that tensors have from `before`, another path, does not move them either."""
        optimiser = torch.optim.SGD(network.train().parameters(), lr=0.01, momentum=0.9, weight_decay=0.01)
        for chosen in (before, path):
            network.select(chosen)
            kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            for _ in range(10):
                optimiser.zero_grad(set_to_none=True)
                network(x).square().mean().backward()
                optimiser.step()
            used = {id(parameter) for parameter in network.parts(chosen)}
            used |= {id(buffer) for norm in network.norms(chosen) for buffer in norm.buffers()}
            now = network.state_dict(keep_vars=True)
            moved = {name for name, tensor in now.items() if not torch.equal(tensor, kept[name])}
            assert {id(now[name]) for name in moved} <= used
            assert len(moved) > 0.8 * len(used)

    return check
