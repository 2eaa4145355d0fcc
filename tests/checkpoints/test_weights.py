from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="weights need the extra train")

from torch import Tensor, nn  # noqa: E402 - it needs PyTorch

from archloom.checkpoints.state import Average, Optimiser, TrainingState  # noqa: E402
from archloom.checkpoints.weights import (  # noqa: E402
    BASE,
    DROPPED,
    MixReport,
    Origin,
    average,
    mix,
    mutate_weights,
    shared_prefixes,
    shrink_perturb,
)
from archloom.errors import InputError  # noqa: E402
from archloom.types import REST  # noqa: E402

CELLS = 11  # "cells.1" and "cells.10"
MODULES = {gene: (f"net.cells.{gene}",) for gene in range(CELLS)} | {
    11: ("net.batch_norm", "net.layer_norm"),
    12: ("net.old", "critic.old"),
    13: ("net.new",),
    14: (),
}
"""What each gene of the networks below owns; nobody owns the stem, the head and the critic's head."""

ALL_CONV = "c" * CELLS


class Net(nn.Module):
    """One of every layer that has something special in its state. A cell is an identity, a linear layer or a conv."""

    def __init__(self, cells: str) -> None:
        super().__init__()
        kinds = {"i": nn.Identity, "l": lambda: nn.Linear(2, 2), "c": lambda: nn.Conv2d(2, 2, 1)}
        self.stem = nn.Conv2d(3, 2, 3)
        self.cells = nn.ModuleList(kinds[kind]() for kind in cells)
        self.batch_norm = nn.BatchNorm2d(2)
        self.layer_norm = nn.LayerNorm(2)
        self.old = nn.utils.spectral_norm(nn.Conv2d(2, 2, 1))
        self.new = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2))
        self.head = nn.Linear(2, 1)


class Critic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.old = nn.utils.spectral_norm(nn.Linear(2, 2))
        self.head = nn.Linear(2, 1)


def begun(cells: str = ALL_CONV, seed: int = 0) -> TrainingState:
    """The state of a training that has just begun: a running average of `net`, a target of `critic`, no moments."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = {"net": Net(cells).state_dict(), "critic": Critic().state_dict()}
    return TrainingState(
        networks,
        {
            "ema": Average("net", copy.deepcopy(networks["net"])),
            "target": Average("critic", dict(networks["critic"]), target=True),
        },
        {"adam": Optimiser([{"lr": 0.1}], {}), "adam_critic": Optimiser([{"lr": 0.2}], {})},
        {"stream": torch.tensor([seed], dtype=torch.uint8)},
        {"epochs": 0},
    )


def trained(cells: str = ALL_CONV, seed: int = 1) -> TrainingState:
    """A state in which every number is another one, and every parameter has moments."""
    state, torch_rng = begun(cells, seed), torch.Generator().manual_seed(seed)

    def drawn(like: Tensor) -> Tensor:
        if like.is_floating_point():
            return torch.randn(like.shape, generator=torch_rng)
        return torch.randint(1, 1000, like.shape, generator=torch_rng)

    for tensors in [*state.networks.values(), *(copied.tensors for copied in state.averages.values())]:
        tensors.update({name: drawn(tensor) for name, tensor in tensors.items()})
    for optimiser, network in (("adam", "net"), ("adam_critic", "critic")):
        state.optimisers[optimiser].groups[0]["lr"] += seed
        state.optimisers[optimiser].slots = {
            f"{network}.{name}": {"step": torch.tensor(float(seed)), "exp_avg": drawn(tensor)}
            for name, tensor in state.networks[network].items()
            if tensor.is_floating_point()
        }
    state.rest = {"epochs": seed}
    return state


def same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)


def same_tensors(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)


def same_state(a: TrainingState, b: TrainingState) -> bool:
    return (
        a.networks.keys() == b.networks.keys()
        and all(same_tensors(a.networks[name], b.networks[name]) for name in a.networks)
        and all(same_tensors(a.averages[name].tensors, b.averages[name].tensors) for name in a.averages)
        and all(a.optimisers[name].slots.keys() == b.optimisers[name].slots.keys() for name in a.optimisers)
        and all(
            same_tensors(slots, b.optimisers[name].slots[parameter])
            for name, optimiser in a.optimisers.items()
            for parameter, slots in optimiser.slots.items()
        )
        and same_tensors(a.arrays, b.arrays)
        and a.rest == b.rest
    )


def owner(label: str) -> int | None:
    """The gene of a tensor `NETWORK.NAME` of the networks above, written another way than in `MODULES`."""
    if cell := re.match(r"net\.cells\.(\d+)\.", label):
        return int(cell[1])
    for pattern, gene in ((r"net\.(batch|layer)_norm\.", 11), (r"(net|critic)\.old\.", 12), (r"net\.new\.", 13)):
        if re.match(pattern, label):
            return gene
    return None


def by_hand(donor: Tensor, fresh: Tensor, shrink: float, perturb: float) -> Tensor:
    if (shrink, perturb) == (0, 1):
        return fresh
    if not donor.is_floating_point():
        return donor
    wide = np.float32(shrink) * donor.numpy() + np.float32(perturb) * fresh.numpy()
    return torch.from_numpy(np.asarray(wide, dtype=np.float32))


def expected(
    base: TrainingState, donors: dict[int, Any], fresh: TrainingState, shrink: float, perturb: float
) -> TrainingState:
    """The definition of `mix`, tensor by tensor, where all genomes are equal."""
    networks = {network: dict(tensors) for network, tensors in base.networks.items()}
    averages = {name: Average(copied.of, dict(copied.tensors)) for name, copied in base.averages.items()}
    child = TrainingState(networks, averages, base.optimisers, base.arrays, base.rest)
    for network, tensors in child.networks.items():
        for name in tensors:
            gene = owner(f"{network}.{name}")
            if (gene if gene is not None else REST) in donors:
                donor, new = donors[REST if gene is None else gene], fresh.networks[network][name]
                tensors[name] = new if donor is None else by_hand(donor.networks[network][name], new, shrink, perturb)
    for copied, of in child.averages.items():
        for name in of.tensors:
            gene = owner(f"{of.of}.{name}")
            if (gene if gene is not None else REST) in donors:
                donor = donors[REST if gene is None else gene]
                of.tensors[name] = (fresh if donor is None else donor).averages[copied].tensors[name]
    return child


FACTORS = st.sampled_from([(0.4, 0.1), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.5, 0.0), (0.0, 0.3), (1.0, 1.0)])


@cache
def four_states() -> tuple[dict[str, TrainingState], TrainingState]:
    return {"base": trained(seed=1), "one": trained(seed=2), "two": trained(seed=3)}, begun(seed=4)


@settings(max_examples=60)
@given(
    donors=st.dictionaries(st.sampled_from([*MODULES, REST]), st.sampled_from(["base", "one", "two", None])),
    factors=FACTORS,
)
def test_every_tensor_against_the_definition(donors: dict[int, str | None], factors: tuple[float, float]) -> None:
    states, fresh = four_states()
    given_donors = {gene: None if name is None else states[name] for gene, name in donors.items()}
    child, report = mix(states["base"], given_donors, fresh, MODULES, *factors)
    assert same_state(child, expected(states["base"], given_donors, fresh, *factors))
    for label, origin in report.networks.items():
        gene = owner(label) if owner(label) is not None else REST
        if gene not in donors:
            assert origin == BASE
        else:
            assert origin == Origin("fresh" if donors[gene] is None else "donor", gene)
    assert sum(report.counts.values()) == sum(map(len, child.networks.values()))


@pytest.mark.parametrize("way", ["mix", "mutate", "average"])
def test_what_is_made_is_nobody_elses(way: str) -> None:
    """Neither making a state nor changing its data afterwards reaches the states that it was made from."""
    states, fresh = [trained(seed=1), trained(seed=2)], begun(seed=3)
    before = copy.deepcopy((states, fresh))
    made = {
        "mix": lambda: mix(states[0], {0: states[1], 1: None}, fresh, MODULES, 0.4, 0.1)[0],
        "mutate": lambda: mutate_weights(states[0], np.random.default_rng(0)),
        "average": lambda: average(states),
    }[way]()
    made.rest["epochs"] = 9
    made.arrays.clear()
    made.optimisers["adam"].groups[0]["lr"] = 9
    for tensors in [*made.networks.values(), made.averages["ema"].tensors, *made.optimisers["adam"].slots.values()]:
        tensors.clear()
    assert all(map(same_state, [*states, fresh], [*before[0], before[1]]))
    assert states[0].optimisers["adam"].groups == before[0][0].optimisers["adam"].groups


def test_the_formula_in_numbers() -> None:
    base, donor, fresh = trained(seed=1), trained(seed=2), begun(seed=3)
    child, _ = mix(base, {1: donor, 11: donor, 13: donor}, fresh, MODULES, 0.4, 0.1)
    for name in ("cells.1.weight", "cells.1.bias", "batch_norm.running_var", "layer_norm.weight",
                 "new.parametrizations.weight.0._u", "new.parametrizations.weight.original"):  # fmt: skip
        want = 0.4 * donor.networks["net"][name].double() + 0.1 * fresh.networks["net"][name].double()
        assert torch.allclose(child.networks["net"][name].double(), want, atol=1e-6), name
    tracked = "batch_norm.num_batches_tracked"
    assert child.networks["net"][tracked] == donor.networks["net"][tracked] != base.networks["net"][tracked]


def test_a_gene_owns_whole_names_only() -> None:
    base, donor = trained(seed=1), trained(seed=2)
    child, report = mix(base, {1: donor}, begun(), MODULES, 1.0, 0.0)
    changed = {name for name, tensor in child.networks["net"].items() if not same(tensor, base.networks["net"][name])}
    assert changed == {"cells.1.weight", "cells.1.bias"}
    assert {label for label, origin in report.networks.items() if origin != BASE} == {f"net.{name}" for name in changed}
    assert same_tensors(child.networks["critic"], base.networks["critic"])


def test_a_prefix_may_be_a_network_or_one_tensor() -> None:
    base, donor = trained(seed=1), trained(seed=2)
    modules = {0: ("critic",), 1: ("net.head.weight",)}
    child, _ = mix(base, {0: donor, 1: donor}, begun(), modules, 1.0, 0.0)
    assert same_tensors(child.networks["critic"], donor.networks["critic"])
    assert same_tensors(child.averages["target"].tensors, donor.averages["target"].tensors)
    assert same(child.networks["net"]["head.weight"], donor.networks["net"]["head.weight"])
    assert same(child.networks["net"]["head.bias"], base.networks["net"]["head.bias"])


@pytest.mark.parametrize(("factors", "index"), [((1.0, 0.0), 0), ((0.0, 1.0), 1)])
def test_the_ends_of_shrink_perturb_are_bit_for_bit(factors: tuple[float, float], index: int) -> None:
    odd = [torch.inf, -torch.inf, torch.nan, -0.0, 1e-45, 1.0]
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        pair = torch.tensor(odd, dtype=dtype), torch.tensor(odd[::-1], dtype=dtype)
        assert shrink_perturb(*pair, *factors) is pair[index]
    counts = torch.tensor(3), torch.tensor(4)
    assert shrink_perturb(*counts, *factors) is counts[index]


def test_a_factor_of_zero_makes_no_nan() -> None:
    infinite, one = torch.tensor([torch.inf]), torch.tensor([1.0])
    assert shrink_perturb(infinite, one, 0.0, 0.5) == 0.5
    assert shrink_perturb(one, infinite, 0.5, 0.0) == 0.5
    assert shrink_perturb(infinite, infinite, 0.0, 0.0) == 0.0
    assert shrink_perturb(torch.tensor(True), torch.tensor(False), 0.0, 0.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_type_of_the_numbers_stays(dtype: torch.dtype) -> None:
    made = shrink_perturb(torch.ones(3, dtype=dtype), torch.ones(3, dtype=dtype), 0.5, 0.25)
    assert same(made, torch.full((3,), 0.75, dtype=dtype))


def test_a_childs_network_loads_the_mix() -> None:
    """The child has the base's genome but for cells 0 (taken over from a linear donor) and 2 (fresh)."""
    base, donor = trained("ccl" + "i" * 8), trained("lil" + "c" * 8, seed=2)
    cells = "lcc" + "i" * 8
    fresh = begun(cells, seed=3)
    child, report = mix(base, {0: donor, 2: None}, fresh, MODULES, 0.4, 0.1)
    Net(cells).load_state_dict(child.networks["net"])
    assert list(child.networks["net"]) == list(fresh.networks["net"])
    assert report.networks["net.cells.0.weight"] == Origin("donor", 0)
    assert report.networks["net.cells.2.weight"] == Origin("fresh", 2)
    assert same(child.networks["net"]["cells.2.weight"], fresh.networks["net"]["cells.2.weight"])


def test_what_nobody_has_in_this_shape_is_fresh() -> None:
    base, donor = trained("ic" + "i" * 9), trained("l" + "i" * 10, seed=2)
    fresh = begun("cl" + "c" + "i" * 8, seed=3)
    child, report = mix(base, {0: donor, 3: donor}, fresh, MODULES, 0.4, 0.1)
    origins = {label: origin for label, origin in report.networks.items() if ".cells." in label}
    assert origins == {
        "net.cells.0.weight": Origin("missing", 0),  # the donor's is linear
        "net.cells.0.bias": Origin("donor", 0),
        "net.cells.1.weight": Origin("missing"),  # the base's is a convolution
        "net.cells.1.bias": BASE,
        "net.cells.2.weight": Origin("missing"),  # the base has none
        "net.cells.2.bias": Origin("missing"),
    }
    for name in ("cells.0.weight", "cells.1.weight", "cells.2.bias"):
        assert same(child.networks["net"][name], fresh.networks["net"][name])
        assert same(child.averages["ema"].tensors[name], fresh.averages["ema"].tensors[name])
        assert report.averages[f"ema.{name}"] == report.networks[f"net.{name}"]


def test_another_type_of_number_is_not_taken() -> None:
    base = trained()
    base.networks["net"]["head.weight"] = base.networks["net"]["head.weight"].double()
    fresh = begun()
    child, report = mix(base, {}, fresh, MODULES, 1.0, 0.0)
    assert same(child.networks["net"]["head.weight"], fresh.networks["net"]["head.weight"])
    assert report.networks["net.head.weight"] == Origin("missing")


def test_a_replaced_layer_never_falls_back_on_the_base() -> None:
    fresh = begun(seed=3)
    child, report = mix(trained(), {0: trained("i" * CELLS)}, fresh, MODULES, 0.4, 0.1)
    assert same(child.networks["net"]["cells.0.weight"], fresh.networks["net"]["cells.0.weight"])
    assert report.networks["net.cells.0.weight"] == Origin("missing", 0)


def test_what_the_child_has_not_is_dropped() -> None:
    base = trained()
    base.networks["extra"] = {"w": torch.ones(2)}
    base.averages["extra_ema"] = Average("extra", {"w": torch.ones(2)})
    base.optimisers["extra_sgd"] = Optimiser([], {"extra.w": {"momentum": torch.ones(2)}})
    child, report = mix(base, {}, begun("i" + "c" * 10), MODULES, 0.4, 0.1)
    assert set(child.networks) == {"net", "critic"}
    assert set(child.averages) == {"ema", "target"}
    assert set(child.optimisers) == {"adam", "adam_critic"}
    assert {label for label, origin in report.networks.items() if origin == DROPPED} == {
        "net.cells.0.bias",
        "net.cells.0.weight",
        "extra.w",
    }
    assert {label for label, origin in report.averages.items() if origin == DROPPED} == {
        "ema.cells.0.bias",
        "ema.cells.0.weight",
        "extra_ema.w",
    }
    assert {label for label, origin in report.slots.items() if origin == DROPPED} == {
        "adam.net.cells.0.bias",
        "adam.net.cells.0.weight",
        "extra_sgd.extra.w",
    }
    assert report.counts["dropped"] == 3


def test_moments_stay_by_name_where_the_shape_does() -> None:
    base, donor = trained("cci" + "c" * 8), trained("clc" + "c" * 8, seed=2)
    child, report = mix(base, {0: donor, 1: donor, 2: donor}, begun("clc" + "c" * 8), MODULES, 0.4, 0.1)
    slots = child.optimisers["adam"].slots
    assert slots["net.cells.0.weight"] == base.optimisers["adam"].slots["net.cells.0.weight"]  # replaced, equal shape
    assert "net.cells.1.weight" not in slots  # a convolution became linear
    assert "net.cells.1.bias" in slots
    assert "net.cells.2.weight" not in slots  # the base had none
    assert report.slots["adam.net.cells.0.weight"] == BASE
    assert report.slots["adam.net.cells.1.weight"] == DROPPED
    assert child.optimisers["adam"].groups == [{"lr": 1.1}]
    assert child.rest == base.rest and same_tensors(child.arrays, base.arrays)


def test_an_optimiser_that_the_base_has_not_begins_anew() -> None:
    base, fresh = trained(), begun()
    del base.optimisers["adam_critic"]
    fresh.optimisers["adam_critic"].slots["critic.head.bias"] = {"step": torch.tensor(0.0)}
    child, report = mix(base, {}, fresh, MODULES, 0.4, 0.1)
    assert child.optimisers["adam_critic"] == fresh.optimisers["adam_critic"]
    assert report.slots["adam_critic.critic.head.bias"] == Origin("missing")


def test_an_average_that_the_base_has_not_is_fresh() -> None:
    base, fresh = trained(), begun()
    del base.averages["ema"]
    child, report = mix(base, {0: trained(seed=2)}, fresh, MODULES, 0.4, 0.1)
    assert same(child.averages["ema"].tensors["head.bias"], fresh.averages["ema"].tensors["head.bias"])
    assert report.averages["ema.head.bias"] == Origin("missing")
    assert report.averages["ema.cells.0.bias"] == Origin("donor", 0)


def test_random_search_shrinks_the_whole_state_but_the_averages() -> None:
    state, fresh = trained(), begun(seed=2)
    everything = dict.fromkeys([*MODULES, REST], state)
    child, _ = mix(state, everything, fresh, MODULES, 0.4, 0.1)
    for network, tensors in child.networks.items():
        for name, tensor in tensors.items():
            want = by_hand(state.networks[network][name], fresh.networks[network][name], 0.4, 0.1)
            assert same(tensor, want), name
    assert same_tensors(child.averages["ema"].tensors, state.averages["ema"].tensors)
    assert child.optimisers["adam"].slots == state.optimisers["adam"].slots


def test_the_report_says_what_was_taken_from_where() -> None:
    base, donor = trained("cic" + "c" * 8), trained(seed=2)
    _, report = mix(base, {1: donor, 2: None, 11: donor, 12: donor}, begun(), MODULES, 0.4, 0.1)
    networks = shared_prefixes(report.networks)
    assert networks == {
        "net.stem": ("base", None),
        **{f"net.cells.{cell}": ("base", None) for cell in (0, *range(3, 11))},
        "net.cells.1": ("donor", 1),
        "net.cells.2": ("fresh", 2),
        "net.batch_norm": ("donor", 11),
        "net.layer_norm": ("donor", 11),
        "net.old": ("donor", 12),
        "net.new": ("base", None),
        "net.head": ("base", None),
        "critic.old": ("donor", 12),
        "critic.head": ("base", None),
    }
    assert shared_prefixes(report.averages) == {
        label.replace("net.", "ema.").replace("critic.", "target."): origin for label, origin in networks.items()
    }
    assert shared_prefixes(report.slots) == {"adam": ("base", None), "adam_critic": ("base", None)}
    assert report.counts == {"base": 2 + 18 + 4 + 2 + 2, "donor": 2 + 5 + 2 + 4 + 4, "fresh": 2}


def test_a_report_of_nothing_new_is_short() -> None:
    _, report = mix(trained(), {}, begun(), MODULES, 0.4, 0.1)
    assert shared_prefixes(report.networks) == {"net": ("base", None), "critic": ("base", None)}
    assert shared_prefixes({}) == {}
    assert report.to_json() == {"counts": report.counts}


def test_a_record_keeps_the_counts_and_what_was_missing() -> None:
    origins = {
        "net.a.weight": Origin("missing", 3), "net.a.bias": Origin("missing", 3), "net.b.weight": Origin("missing"),
        "net.b.bias": Origin("base"), "net.c": Origin("missing", 11), "net.d": Origin("dropped"),
        "net.e": Origin("fresh", 2),
    }  # fmt: skip
    said = MixReport(origins, {"ema.a": Origin("missing", 3)}, {}).to_json()
    assert json.loads(json.dumps(said)) == said
    assert said == {
        "counts": {"base": 1, "fresh": 1, "missing": 4, "dropped": 1},
        "missing": {"3": ["net.a"], "base": ["net.b.weight"], "11": ["net.c"]},
    }


def test_from_files_it_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="state files need the extra train")
    from archloom.checkpoints.state_file import load_state, save_state

    base, donor, fresh = trained(), trained(seed=2), begun(seed=3)
    save_state(tmp_path / "base", base)
    save_state(tmp_path / "donor", donor)
    stored = load_state(tmp_path / "base"), load_state(tmp_path / "donor")
    genes = [0, 5, 11, 12]
    mixed, _ = mix(base, dict.fromkeys(genes, donor), fresh, MODULES, 0.4, 0.1)
    from_files, _ = mix(stored[0], dict.fromkeys(genes, stored[1]), fresh, MODULES, 0.4, 0.1)
    save_state(tmp_path / "child", from_files)
    assert same_state(load_state(tmp_path / "child"), mixed)
    rngs = [np.random.default_rng(0) for _ in range(2)]
    assert same_state(mutate_weights(stored[0], rngs[0]), mutate_weights(base, rngs[1]))


@pytest.mark.parametrize(
    ("donors", "modules", "factors", "says"),
    [
        ([], {0: ("nett.cells.0",)}, (0.4, 0.1), "gene 0 owns 'nett.cells.0', which is in no network: .* net, critic"),
        ([], {0: ("ne",)}, (0.4, 0.1), "gene 0 owns 'ne', which is in no network"),
        ([20], MODULES, (0.4, 0.1), "gene 20 has a donor and no modules: expected one of 0, 1, .* or -1"),
        ([], MODULES, (float("nan"), 0.1), "shrink is nan: expected a finite number"),
        ([], MODULES, (0.4, -1.0), "perturb is -1.0: expected a finite number from 0 up"),
        ([0, 1], {0: ("net.old",), 1: ("net.old",)}, (0.4, 0.1), "net.old.bias belongs to genes 0 and 1, which have"),
        ([0, 1], {0: ("net",), 1: ("net.old",)}, (0.4, 0.1), "net.old.bias belongs to genes 0 and 1, which have diff"),
    ],
)
def test_what_makes_no_mix(
    donors: list[int], modules: dict[int, Sequence[str]], factors: tuple[float, float], says: str
) -> None:
    given_donors = {gene: trained(seed=gene + 2) for gene in donors}
    with pytest.raises(InputError, match=says) as raised:
        mix(trained(), given_donors, begun(), modules, *factors)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("donor", ["donor", None])
def test_two_owners_may_agree(donor: str | None) -> None:
    modules = {0: ("net.old",), 1: ("net",), 2: ("net.old",)}
    base, fresh = trained(), begun()
    state = None if donor is None else trained(seed=2)
    child, report = mix(base, {0: state, 2: state}, fresh, modules, 1.0, 0.0)
    assert same(child.networks["net"]["old.bias"], (state or fresh).networks["net"]["old.bias"])
    assert same(child.networks["net"]["head.bias"], base.networks["net"]["head.bias"])
    assert report.networks["net.old.bias"].gene == 0


# Mutation of weights


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


def test_only_matrices_of_floats_without_norm_mutate() -> None:
    state, before = big(), copy.deepcopy(big())
    changed = set()
    for seed in range(20):
        mutant = mutate_weights(state, np.random.default_rng(seed))
        changed |= {name for name, t in mutant.networks["net"].items() if not same(t, before.networks["net"][name])}
        assert same_tensors(mutant.averages["ema"].tensors, before.averages["ema"].tensors)
    assert changed == {"w"}
    assert same_state(state, before)


def test_all_networks_and_targets_mutate() -> None:
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


def test_few_rows_never_mutate() -> None:
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


def test_a_mutation_is_its_generators() -> None:
    one, other = (mutate_weights(big(), np.random.default_rng(2)) for _ in range(2))
    assert same_state(one, other)
    strided = big()
    strided.networks["net"]["w"] = strided.networks["net"]["w"].t().contiguous().t()
    assert same_state(mutate_weights(strided, np.random.default_rng(2)), one)


def test_what_cannot_mutate() -> None:
    with pytest.raises(InputError, match="no weights to mutate: expected a tensor of two dimensions"):
        mutate_weights(TrainingState({"net": {"bias": torch.ones(3)}}), np.random.default_rng(0))


# Soups


def test_a_soup_is_the_mean() -> None:
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


def test_a_soup_of_one_taste_is_that_taste() -> None:
    state = trained()
    state.networks["net"]["small"] = torch.tensor([200, 100], dtype=torch.uint8)
    state.networks["net"]["flag"] = torch.tensor(True)
    state.networks["net"]["half"] = torch.randn(50).to(torch.bfloat16)
    for count in (1, 2, 3, 7):
        assert same_state(average([state] * count), state)


def test_integers_are_divided_downwards() -> None:
    numbers = [-3, 250, 2**40], [0, 255, 2**40]
    states = [TrainingState({"n": {"i": torch.tensor(some)}}) for some in numbers]
    assert average(states).networks["n"]["i"].tolist() == [-2, 252, 2**40]


def test_parts_of_a_soup() -> None:
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


def test_what_makes_no_soup() -> None:
    with pytest.raises(InputError, match="no state to average"):
        average([])
    with pytest.raises(InputError, match=r"'nets.a' is to be averaged, which is in no network: .* net, critic"):
        average([trained()], ["nets.a"])
    with pytest.raises(
        InputError, match=r"'net\.cells\.99' is to be averaged, and nothing is below it; expected e\.g\. net"
    ):
        average([trained()], ["net.cells.99"])
    with pytest.raises(InputError, match=r"state 2 of the average differs from the first in net\.cells\.0\.bias"):
        average([trained(), trained(), trained("i" + "c" * 10)])
    lacking = trained()
    del lacking.averages["target"]
    with pytest.raises(InputError, match=r"state 1 of the average differs from the first in critic\.head\.bias"):
        average([trained(), lacking])
