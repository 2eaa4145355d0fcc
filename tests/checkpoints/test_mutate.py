from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="weights need the extra train")

from archloom.checkpoints.mutate import mutate_weights  # noqa: E402 - it needs PyTorch
from archloom.checkpoints.state import Average, TrainingState  # noqa: E402
from archloom.errors import InputError  # noqa: E402


def big(value: float = 100.0, dtype: torch.dtype = torch.float32) -> TrainingState:
    tensors = {
        "w": torch.full((500, 400), value, dtype=dtype),
        "bias": torch.ones(500),
        "layer_norm.table": torch.ones(50, 50),
        "index": torch.ones(50, 50, dtype=torch.int64),
    }
    return TrainingState({"net": tensors}, {"ema": Average("net", dict(tensors))})


def test_weights_mutate_as_often_and_as_far_as_said() -> None:
    state = big()
    for seed in range(100):
        weights = mutate_weights(state, np.random.default_rng(seed)).networks["net"]["w"]
        new = weights[weights != 100.0]
        if len(new) > 15_000:  # k was about 40 of 49
            break
    assert abs(len(new) / 400 - round(len(new) / 400)) < 0.6
    share = len(new) / weights.numel()
    assert 0.07 < share < 0.1
    reset = new[new.abs() < 6]  # N(0, 1), and 0.5 % of the widest
    assert len(reset) / len(new) == pytest.approx(0.05, abs=0.01)
    assert reset.std().item() == pytest.approx(1.0, abs=0.2)
    near = new[(new - 100).abs() < 40]  # 4 standard deviations
    assert len(near) / len(new) == pytest.approx(0.90, abs=0.01)
    assert near.std().item() == pytest.approx(10.0, abs=0.6)
    assert near.mean().item() == pytest.approx(100.0, abs=0.5)
    wide = new[(new - 100).abs() > 110]
    assert len(wide) / len(new) == pytest.approx(0.05, abs=0.01)
    assert (wide - 100).square().mean().sqrt().item() == pytest.approx(1000, rel=0.15)


def test_only_matrices_of_floats_without_norm_mutate(same: Any, same_tensors: Any, same_state: Any) -> None:
    state, before = big(), copy.deepcopy(big())
    changed = set()
    for seed in range(20):
        mutant = mutate_weights(state, np.random.default_rng(seed))
        changed |= {name for name, t in mutant.networks["net"].items() if not same(t, before.networks["net"][name])}
        assert same_tensors(mutant.averages["ema"].tensors, before.averages["ema"].tensors)
    assert changed == {"w"}
    assert same_state(state, before)


def test_all_networks_and_targets_mutate(begun: Any, same_tensors: Any) -> None:
    state = begun()
    state.networks["critic"]["w"] = torch.ones(100, 100)
    state.averages["target"].tensors["w"] = torch.ones(100, 100)
    state.networks["net"]["w"] = torch.ones(100, 100)
    changed = set()
    for seed in range(40):
        mutant = mutate_weights(state, np.random.default_rng(seed))
        places = {"net": mutant.networks["net"], "critic": mutant.networks["critic"],
                  "target": mutant.averages["target"].tensors}  # fmt: skip
        changed |= {place for place, tensors in places.items() if not torch.equal(tensors["w"], torch.ones(100, 100))}
        assert same_tensors(mutant.averages["ema"].tensors, state.averages["ema"].tensors)
        assert mutant.optimisers == state.optimisers
    assert changed == {"net", "critic", "target"}
    assert torch.equal(state.averages["target"].tensors["w"], torch.ones(100, 100))


def test_from_one_to_all_matrices_mutate() -> None:
    state = TrainingState({"net": {str(index): torch.ones(100, 50) for index in range(3)}})
    counts = set()
    for seed in range(60):
        mutant = mutate_weights(state, np.random.default_rng(seed))
        counts.add(sum(tensor is not state.networks["net"][name] for name, tensor in mutant.networks["net"].items()))
    assert counts == {0, 1, 2, 3}  # 0: k may be 0


def test_few_rows_never_mutate(same_state: Any) -> None:
    state = TrainingState({"net": {"w": torch.ones(10, 1000), "empty": torch.ones(0, 4)}})
    for seed in range(20):
        assert same_state(mutate_weights(state, np.random.default_rng(seed)), state)


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e6), (torch.float16, 65504.0), (torch.bfloat16, 1e6)])
def test_mutated_weights_are_cut(dtype: torch.dtype, limit: float) -> None:
    state = big(0.9 * limit, dtype)
    mutants = [mutate_weights(state, np.random.default_rng(seed)).networks["net"]["w"] for seed in range(5)]
    largest = max(weights.double().abs().max().item() for weights in mutants)
    assert largest == pytest.approx(limit, rel=0.01)
    assert all(weights.dtype == dtype for weights in mutants)


def test_a_mutation_is_its_generators(same_state: Any) -> None:
    one, other = (mutate_weights(big(), np.random.default_rng(2)) for _ in range(2))
    assert same_state(one, other)
    strided = big()
    strided.networks["net"]["w"] = strided.networks["net"]["w"].t().contiguous().t()
    assert same_state(mutate_weights(strided, np.random.default_rng(2)), one)


def test_what_cannot_mutate() -> None:
    with pytest.raises(InputError, match="no weights to mutate: expected a tensor of two dimensions"):
        mutate_weights(TrainingState({"net": {"bias": torch.ones(3)}}), np.random.default_rng(0))
