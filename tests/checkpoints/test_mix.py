from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="weights need the extra train")

from torch import Tensor  # noqa: E402 - it needs PyTorch

from archloom.checkpoints.mix import (  # noqa: E402
    BASE,
    DROPPED,
    MixReport,
    Origin,
    mix,
    shared_prefixes,
    shrink_perturb,
)
from archloom.checkpoints.mutate import mutate_weights  # noqa: E402
from archloom.checkpoints.state import Average, Optimiser, TrainingState  # noqa: E402
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


@pytest.fixture(scope="session")
def four_states(trained: Any, begun: Any) -> tuple[dict[str, TrainingState], TrainingState]:
    return {"base": trained(seed=1), "one": trained(seed=2), "two": trained(seed=3)}, begun(seed=4)


@settings(max_examples=60)
@given(
    donors=st.dictionaries(st.sampled_from([*MODULES, REST]), st.sampled_from(["base", "one", "two", None])),
    factors=FACTORS,
)
def test_every_tensor_against_the_definition(
    donors: dict[int, str | None], factors: tuple[float, float], same_state: Any, four_states: Any
) -> None:
    states, fresh = four_states
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


def test_the_formula_in_numbers(begun: Any, trained: Any) -> None:
    base, donor, fresh = trained(seed=1), trained(seed=2), begun(seed=3)
    child, _ = mix(base, {1: donor, 11: donor, 13: donor}, fresh, MODULES, 0.4, 0.1)
    for name in ("cells.1.weight", "cells.1.bias", "batch_norm.running_var", "layer_norm.weight",
                 "new.parametrizations.weight.0._u", "new.parametrizations.weight.original"):  # fmt: skip
        want = 0.4 * donor.networks["net"][name].double() + 0.1 * fresh.networks["net"][name].double()
        assert torch.allclose(child.networks["net"][name].double(), want, atol=1e-6), name
    tracked = "batch_norm.num_batches_tracked"
    assert child.networks["net"][tracked] == donor.networks["net"][tracked] != base.networks["net"][tracked]


def test_a_gene_owns_whole_names_only(begun: Any, trained: Any, same: Any, same_tensors: Any) -> None:
    base, donor = trained(seed=1), trained(seed=2)
    child, report = mix(base, {1: donor}, begun(), MODULES, 1.0, 0.0)
    changed = {name for name, tensor in child.networks["net"].items() if not same(tensor, base.networks["net"][name])}
    assert changed == {"cells.1.weight", "cells.1.bias"}
    assert {label for label, origin in report.networks.items() if origin != BASE} == {f"net.{name}" for name in changed}
    assert same_tensors(child.networks["critic"], base.networks["critic"])


def test_a_prefix_may_be_a_network_or_one_tensor(begun: Any, trained: Any, same: Any, same_tensors: Any) -> None:
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
def test_the_type_of_the_numbers_stays(dtype: torch.dtype, same: Any) -> None:
    made = shrink_perturb(torch.ones(3, dtype=dtype), torch.ones(3, dtype=dtype), 0.5, 0.25)
    assert same(made, torch.full((3,), 0.75, dtype=dtype))


def test_a_childs_network_loads_the_mix(begun: Any, trained: Any, same: Any, network: Any) -> None:
    """The child has the base's genome but for cells 0 (taken over from a linear donor) and 2 (fresh)."""
    base, donor = trained("ccl" + "i" * 8), trained("lil" + "c" * 8, seed=2)
    cells = "lcc" + "i" * 8
    fresh = begun(cells, seed=3)
    child, report = mix(base, {0: donor, 2: None}, fresh, MODULES, 0.4, 0.1)
    network(cells).load_state_dict(child.networks["net"])
    assert list(child.networks["net"]) == list(fresh.networks["net"])
    assert report.networks["net.cells.0.weight"] == Origin("donor", 0)
    assert report.networks["net.cells.2.weight"] == Origin("fresh", 2)
    assert same(child.networks["net"]["cells.2.weight"], fresh.networks["net"]["cells.2.weight"])


def test_what_nobody_has_in_this_shape_is_fresh(begun: Any, trained: Any, same: Any) -> None:
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


def test_another_type_of_number_is_not_taken(begun: Any, trained: Any, same: Any) -> None:
    base = trained()
    base.networks["net"]["head.weight"] = base.networks["net"]["head.weight"].double()
    fresh = begun()
    child, report = mix(base, {}, fresh, MODULES, 1.0, 0.0)
    assert same(child.networks["net"]["head.weight"], fresh.networks["net"]["head.weight"])
    assert report.networks["net.head.weight"] == Origin("missing")


def test_a_replaced_layer_never_falls_back_on_the_base(begun: Any, trained: Any, same: Any) -> None:
    fresh = begun(seed=3)
    child, report = mix(trained(), {0: trained("i" * CELLS)}, fresh, MODULES, 0.4, 0.1)
    assert same(child.networks["net"]["cells.0.weight"], fresh.networks["net"]["cells.0.weight"])
    assert report.networks["net.cells.0.weight"] == Origin("missing", 0)


def test_what_the_child_has_not_is_dropped(begun: Any, trained: Any) -> None:
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


def test_moments_stay_by_name_where_the_shape_does(begun: Any, trained: Any, same_tensors: Any) -> None:
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


def test_an_optimiser_that_the_base_has_not_begins_anew(begun: Any, trained: Any) -> None:
    base, fresh = trained(), begun()
    del base.optimisers["adam_critic"]
    fresh.optimisers["adam_critic"].slots["critic.head.bias"] = {"step": torch.tensor(0.0)}
    child, report = mix(base, {}, fresh, MODULES, 0.4, 0.1)
    assert child.optimisers["adam_critic"] == fresh.optimisers["adam_critic"]
    assert report.slots["adam_critic.critic.head.bias"] == Origin("missing")


def test_an_average_that_the_base_has_not_is_fresh(begun: Any, trained: Any, same: Any) -> None:
    base, fresh = trained(), begun()
    del base.averages["ema"]
    child, report = mix(base, {0: trained(seed=2)}, fresh, MODULES, 0.4, 0.1)
    assert same(child.averages["ema"].tensors["head.bias"], fresh.averages["ema"].tensors["head.bias"])
    assert report.averages["ema.head.bias"] == Origin("missing")
    assert report.averages["ema.cells.0.bias"] == Origin("donor", 0)


def test_random_search_shrinks_the_whole_state_but_the_averages(
    begun: Any, trained: Any, same: Any, same_tensors: Any, network: Any
) -> None:
    state, fresh = trained(), begun(seed=2)
    everything = dict.fromkeys([*MODULES, REST], state)
    child, _ = mix(state, everything, fresh, MODULES, 0.4, 0.1)
    for network, tensors in child.networks.items():
        for name, tensor in tensors.items():
            want = by_hand(state.networks[network][name], fresh.networks[network][name], 0.4, 0.1)
            assert same(tensor, want), name
    assert same_tensors(child.averages["ema"].tensors, state.averages["ema"].tensors)
    assert child.optimisers["adam"].slots == state.optimisers["adam"].slots


def test_the_report_says_what_was_taken_from_where(begun: Any, trained: Any) -> None:
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


def test_a_report_of_nothing_new_is_short(begun: Any, trained: Any) -> None:
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


def test_from_files_it_is_the_same(tmp_path: Path, begun: Any, trained: Any, same_state: Any) -> None:
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
        ([20], MODULES, (0.4, 0.1), "gene 20 has a donor but no modules: expected one of 0, 1, .* or -1"),
        ([], MODULES, (float("nan"), 0.1), "shrink is nan: expected a finite number"),
        ([], MODULES, (0.4, -1.0), "perturb is -1.0: expected a finite number from 0 up"),
        ([0, 1], {0: ("net.old",), 1: ("net.old",)}, (0.4, 0.1), "net.old.bias belongs to genes 0 and 1, which have"),
        ([0, 1], {0: ("net",), 1: ("net.old",)}, (0.4, 0.1), "net.old.bias belongs to genes 0 and 1, which have diff"),
    ],
)
def test_what_makes_no_mix(
    donors: list[int],
    modules: dict[int, Sequence[str]],
    factors: tuple[float, float],
    says: str,
    begun: Any,
    trained: Any,
) -> None:
    given_donors = {gene: trained(seed=gene + 2) for gene in donors}
    with pytest.raises(InputError, match=says) as raised:
        mix(trained(), given_donors, begun(), modules, *factors)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("donor", ["donor", None])
def test_two_owners_may_agree(donor: str | None, begun: Any, trained: Any, same: Any) -> None:
    modules = {0: ("net.old",), 1: ("net",), 2: ("net.old",)}
    base, fresh = trained(), begun()
    state = None if donor is None else trained(seed=2)
    child, report = mix(base, {0: state, 2: state}, fresh, modules, 1.0, 0.0)
    assert same(child.networks["net"]["old.bias"], (state or fresh).networks["net"]["old.bias"])
    assert same(child.networks["net"]["head.bias"], base.networks["net"]["head.bias"])
    assert report.networks["net.old.bias"].gene == 0
