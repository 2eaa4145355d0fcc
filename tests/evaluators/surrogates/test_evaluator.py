from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="DARTS cells need the extra bench")

from archloom.errors import InputError
from archloom.evaluators.base import evaluate
from archloom.evaluators.surrogates.evaluator import COSTS, SurrogateEvaluator, goals_of, load_nb301
from archloom.evaluators.surrogates.nb301_network import Nb301Network
from archloom.evaluators.surrogates.xgb_ensemble import XgbEnsemble
from archloom.spaces.darts import Darts
from archloom.testing import check_evaluator
from archloom.types import Arch, Proposal


def archs(count: int, seed: int = 0) -> list[Arch]:
    rng = np.random.default_rng(seed)
    return [Darts().sample(rng) for _ in range(count)]


def genotype(arch: Arch) -> np.ndarray:
    return np.array(arch.genes).reshape(1, 2, 8, 2)


def test_a_file_is_the_network_and_a_folder_an_ensemble(nb301_file: Path, nb301_ensemble: Path) -> None:
    assert isinstance(load_nb301(nb301_file), Nb301Network)
    assert isinstance(load_nb301(str(nb301_ensemble)), XgbEnsemble)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"none\.npz: no such file; expected a surrogate's \.npz or the folder"
    ) as caught:
        load_nb301(tmp_path / "none.npz")
    assert "\n" not in str(caught.value)


def everything(path: Path) -> SurrogateEvaluator:
    model = load_nb301(path)
    return SurrogateEvaluator(model, Darts(), tuple(goals_of(model)))


def test_the_contract_of_evaluators(nb301_file: Path) -> None:
    check_evaluator(partial(everything, nb301_file), Darts)


def test_scores_and_report_are_what_the_model_predicts(nb301_file: Path) -> None:
    model = Nb301Network(nb301_file)
    evaluator = SurrogateEvaluator(model, Darts(), ("params_m", "valid_surrogate"), ("runtime_s_surrogate", "flops_m"))
    assert evaluator.goals == {"params_m": "min", "valid_surrogate": "max"}
    for arch in archs(5):
        result = evaluate(evaluator, Proposal(arch), seed=0, trial_id=0)
        assert result.ok
        assert list(result.scores) == ["params_m", "valid_surrogate"]
        assert list(result.report) == ["runtime_s_surrogate", "flops_m"]
        assert result.scores["valid_surrogate"] == pytest.approx(model.predict(genotype(arch))[0], rel=1e-7)
        assert result.report["runtime_s_surrogate"] == pytest.approx(model.runtime(genotype(arch))[0], rel=1e-7)
        assert result.scores["params_m"] == pytest.approx(COSTS["params_m"](genotype(arch))[0], rel=1e-7)
        assert result.cost_s == result.report["runtime_s_surrogate"]
        assert len(str(result.scores["valid_surrogate"])) < 10, "no more digits than a float32 has"


def test_fidelity_is_the_epoch(nb301_file: Path, nb301_ensemble: Path) -> None:
    model, (arch,) = Nb301Network(nb301_file), archs(1)
    evaluator = SurrogateEvaluator(model, Darts(), ("valid_surrogate",))

    def valid(fidelity: int) -> float:
        return evaluate(evaluator, Proposal(arch, fidelity), 0, 0).scores["valid_surrogate"]

    assert valid(0) == valid(98) != valid(50) == pytest.approx(model.predict(genotype(arch), 50)[0])
    failed = evaluate(evaluator, Proposal(arch, 99), 0, 0)
    assert failed.error == "InputError: fidelity 99: expected 1 to 98 epochs, or 0 for the maximum"
    ensemble = SurrogateEvaluator(XgbEnsemble(nb301_ensemble), Darts(), ("valid_surrogate",))
    assert evaluate(ensemble, Proposal(arch), 0, 0).ok
    early = evaluate(ensemble, Proposal(arch, 50), 0, 0)
    assert early.error == "InputError: fidelity 50: expected 98 epochs, or 0 for the maximum", "it knows the end alone"


def test_bad_genes_are_a_failed_trial(nb301_file: Path) -> None:
    evaluator = SurrogateEvaluator(load_nb301(nb301_file), Darts(), ("valid_surrogate",))
    genes = list(archs(1)[0].genes)
    for wrong in (Arch(tuple(genes[:-1])), Arch((*genes[:-1], 7))):
        assert "InputError" in (evaluate(evaluator, Proposal(wrong), 0, 0).error or "")


def test_only_metrics_that_there_are(nb301_ensemble: Path) -> None:
    model = XgbEnsemble(nb301_ensemble)
    assert goals_of(model) == {"valid_surrogate": "max", "params_m": "min", "flops_m": "min"}
    with pytest.raises(InputError, match="unknown metric 'runtime_s_surrogate'"):
        SurrogateEvaluator(model, Darts(), ("valid_surrogate",), ("runtime_s_surrogate",))


def test_costs_are_the_published_ones(real_table: Callable[[str], Path]) -> None:
    path = real_table("nb301_surrogate.npz")
    with np.load(path) as stored:
        genotypes = stored["check_genotypes"]
        for name, tolerance in (("params_m", 1e-6), ("flops_m", 0.01)):  # FLOPs: 8,192 of 153 million more
            np.testing.assert_allclose(COSTS[name](genotypes), stored[f"check_{name}"], atol=tolerance)
