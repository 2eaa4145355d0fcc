from __future__ import annotations

import math
import pickle
import sys
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from archloom import registry
from archloom.data.tables import Table, load_table
from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.evaluators.fitted.evaluator import FittedEvaluator, HeldOut, Model, model_of, spearman
from archloom.spaces.base import Categorical, Count, HasCounts
from archloom.spaces.macro import mnasnet
from archloom.spaces.macro.mnasnet import Mnasnet
from archloom.testing import check_evaluator
from archloom.types import Arch, Proposal

WEIGHTS = np.arange(1, 29)


def mnasnet_table(params_off: float = 0.0, rows: int = 600) -> Table:
    """Random architectures of Mnasnet. `valid` is 40 and a weight for each gene, `latency` one over that with a part
    measured, `few` is measured for nine."""
    rng = np.random.default_rng(0)
    genes = rng.integers(0, Mnasnet().sizes, size=(rows, 28))
    valid = 40 + genes @ WEIGHTS / 100
    return Table.from_arrays(
        space="mnasnet", gene_names=list(mnasnet.OPTIONS), genes=genes,
        options=[[str(value) for value in values] for values in mnasnet.OPTIONS.values()],
        metrics={
            "valid": valid,
            "latency": np.where(np.arange(rows) % 3 == 0, np.nan, 1 / valid),
            "params_m": mnasnet.parameters(genes) / 1e6 + params_off,
            "few": np.where(np.arange(rows) < 9, 1.0, np.nan),
        },
        goals={"valid": "max", "latency": "min", "params_m": "min", "few": "max"},
        source="made for a test", units="percent",
    )  # fmt: skip


def archs(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, Mnasnet().sizes, size=(count, 28))


def evaluator(table: Table | None = None, *names: str) -> FittedEvaluator:
    model = Model(table or mnasnet_table())
    return FittedEvaluator(model, Mnasnet(), names or ("valid_fitted", "latency_fitted", "params_m"))


def test_the_contract_of_evaluators() -> None:
    check_evaluator(partial(evaluator, mnasnet_table(rows=200)), Mnasnet)


def test_what_is_predicted_says_so_and_what_is_counted_is_exact() -> None:
    model = Model(mnasnet_table())
    assert model.goals == {"valid_fitted": "max", "latency_fitted": "min", "params_m": "min", "few_fitted": "max"}
    genes = archs(50)
    said = model.predict(("valid_fitted", "params_m"), genes)
    np.testing.assert_allclose(said["valid_fitted"], 40 + genes @ WEIGHTS / 100, rtol=1e-6)
    np.testing.assert_array_equal(said["params_m"], mnasnet.parameters(genes) / 1e6)
    assert model.held_out("params_m") is None


def test_a_count_that_is_not_the_tables_is_fitted() -> None:
    """Such as parameters of networks with another classifier."""
    model = Model(mnasnet_table(params_off=0.5))
    assert "params_m_fitted" in model.goals and "params_m" not in model.goals
    genes = archs(20)
    [said] = model.predict(("params_m_fitted",), genes).values()
    assert said == pytest.approx(mnasnet.parameters(genes) / 1e6 + 0.5, rel=0.2)


def test_a_table_of_other_options_is_fitted() -> None:
    table = mnasnet_table(rows=50)
    wider = [[*names, "7"] if name.endswith("kernel") else names
             for name, names in zip(table.gene_names, table.options, strict=True)]  # fmt: skip
    genes = table.genes.copy()
    genes[:, 1] = 2
    other = Table.from_arrays(
        space="mnasnet", gene_names=table.gene_names, options=wider, genes=genes, source="", units="",
        metrics={"params_m": table.metric("params_m")}, goals={"params_m": "min"},
    )  # fmt: skip
    assert tuple(Model(other).goals) == ("params_m_fitted",)


def test_a_new_space_brings_its_own_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(Categorical):
        def counts(self) -> dict[str, Count]:
            return {"total": lambda genes: genes.sum(axis=1) / 1, "first": lambda genes: genes[:, 0] / 1}

    monkeypatch.setattr(sys.modules[__name__], "Counted", Counted, raising=False)
    monkeypatch.setitem(registry.SPACES._own, "counted", registry.Entry(f"{__name__}:Counted", "a space"))
    genes = np.array(list(product(range(4), repeat=2)))
    table = Table.from_arrays(
        space="counted", gene_names=["a", "b"], options=[list("abcd")] * 2, genes=genes, source="", units="",
        metrics={"total": genes.sum(axis=1), "first": genes[:, 1]}, goals={"total": "min", "first": "min"},
    )  # fmt: skip
    assert isinstance(Counted({"a": [1]}), HasCounts) and isinstance(Mnasnet(), HasCounts)
    assert tuple(Model(table).goals) == ("total", "first_fitted"), "what does not agree with the table is fitted"


def test_a_metric_is_fitted_to_the_rows_that_have_it() -> None:
    """One over a sum is recovered from two thirds of the rows; how well is told."""
    model, genes = Model(mnasnet_table()), archs(50)
    [said] = model.predict(("latency_fitted",), genes).values()
    np.testing.assert_allclose(said, 1 / (40 + genes @ WEIGHTS / 100), rtol=1e-6)
    found = model.held_out("latency_fitted")
    assert found is not None
    assert found.rows == 400 and found.spearman > 0.9999 and found.error < 1e-6


def test_held_out_tells_the_best_apart() -> None:
    """What has a known effect up to the best tenth, and is noise there: the least values are the best of a cost."""
    rng = np.random.default_rng(0)
    genes = np.stack([np.arange(1000) // 100, np.arange(1000) % 100 % 10, np.arange(1000) % 100 // 10], axis=1)
    cost = 1 + genes[:, 0] + np.where(genes[:, 0] == 0, rng.uniform(0, 0.5, size=1000), 0.001 * genes[:, 1])
    table = Table.from_arrays(
        space="table", gene_names=["a", "b", "c"], options=[list(map(str, range(10)))] * 3, genes=genes,
        metrics={"cost": cost}, goals={"cost": "min"}, source="", units="",
    )  # fmt: skip
    found = Model(table).held_out("cost_fitted")
    assert found is not None
    assert found.spearman > 0.98 and abs(found.best_spearman) < 0.4
    assert found.best_error > 0.08 > 2 * found.error
    assert str(found).startswith("fitted to 1,000 rows; held out: Spearman 0.9")
    assert "best tenth undefined, 0.1" in str(HeldOut(20, 0.5, 0.2, math.nan, 0.1))
    assert str(HeldOut(20, 0.5, 1.23456, -0.25, 12345.0)) == (
        "fitted to 20 rows; held out: Spearman 0.500, mean error 1.23; among the best tenth -0.250, 1.23e+04"
    )


def test_metrics_that_cannot_be_had_are_told_before_anything_is_fitted() -> None:
    model = Model(mnasnet_table(rows=50))
    for scores, report in ((("valid",), ()), (("valid_fitted",), ("valid",))):
        with pytest.raises(InputError, match="unknown metric 'valid'; did you mean 'valid_fitted'"):
            FittedEvaluator(model, Mnasnet(), scores, report)
    with pytest.raises(InputError, match=r"few_fitted: .* has 9 rows with few measured; expected at least 10"):
        FittedEvaluator(model, Mnasnet(), ("few_fitted",))
    with pytest.raises(InputError, match="expected at least 10 to fit a model to"):
        model.held_out("few_fitted")


def test_scores_and_report() -> None:
    model = Model(mnasnet_table())
    judge = FittedEvaluator(model, Mnasnet(), ("params_m",), ("valid_fitted",))
    arch = Arch(tuple(archs(1)[0].tolist()))
    result = evaluate(judge, Proposal(arch), 0, 0)
    assert judge.goals == {"params_m": "min"} and result.cost_s == 0
    assert result.scores == {"params_m": pytest.approx(mnasnet.parameters(archs(1))[0] / 1e6)}
    assert result.report == {"valid_fitted": pytest.approx(40 + archs(1)[0] @ WEIGHTS / 100)}
    assert len(str(result.report["valid_fitted"])) < 11, "no more digits than a float32 has"


def test_genes_that_are_no_options_are_a_failed_trial() -> None:
    space = Categorical({"a": [1, 2], "b": (1, 2, 3), "c": range(4)})
    genes = np.random.default_rng(0).permutation([(a, b, c) for a in range(2) for b in range(3) for c in range(4)])[:12]
    table = Table.from_arrays(
        space="table", gene_names=space.gene_names, options=space.options, genes=genes,
        metrics={"worth": genes.sum(axis=1)}, goals={"worth": "max"}, source="", units="",
    )  # fmt: skip
    judge = FittedEvaluator(model_of(table), space, ("worth_fitted",))
    assert evaluate(judge, Proposal(Arch((0, 0, 0))), 0, 0).ok
    for wrong in (Arch((0, 0)), Arch((0, 3, 0)), Arch((-1, 0, 0))):
        assert "InputError" in (evaluate(judge, Proposal(wrong), 0, 0).error or "")


def test_a_tables_content_has_one_model() -> None:
    table = mnasnet_table(rows=50)
    again = pickle.loads(pickle.dumps(table))
    assert model_of(again) is model_of(table) is not model_of(mnasnet_table(rows=51))


def test_rank_correlation() -> None:
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 21])) == pytest.approx(1)
    assert spearman(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)
    # ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: 4.5 / sqrt(4.5 * 5)
    assert spearman(np.array([1.0, 2, 2, 4]), np.array([1.0, 3, 2, 4])) == pytest.approx(4.5 / math.sqrt(22.5))
    assert math.isnan(spearman(np.ones(3), np.arange(3.0)))


@pytest.fixture(scope="module")
def accel(real_table: Callable[[str], Path]) -> Table:
    return load_table(real_table("accel_imagenet.npz"))


def test_accel_nasbench_is_predicted_well(accel: Table) -> None:
    model = model_of(accel)
    assert [name for name in model.goals if not name.endswith("_fitted")] == ["macs_m", "params_m"]
    accuracy = model.held_out("valid_top1_fitted")
    assert accuracy is not None
    assert accuracy.rows == 5_125
    assert accuracy.spearman > 0.99 and accuracy.error < 0.32
    assert accuracy.best_spearman > 0.87 and accuracy.best_error < 0.24
    latency = model.held_out("imagenet_latency_zcu102_ms_fitted")
    assert latency is not None
    assert latency.rows == 5_123 and latency.spearman > 0.9999 and latency.error < 0.016
