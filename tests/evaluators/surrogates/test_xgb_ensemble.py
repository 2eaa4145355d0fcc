"""Ensembles in the official layout: small models made here, as the archives themselves cannot be had."""

from __future__ import annotations

import contextlib
import io
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("xgboost", reason="official ensembles need the extra nb301")
pytest.importorskip("numba", reason="DARTS cells need the extra bench")

import xgboost

from archloom.errors import InputError, MissingExtraError
from archloom.evaluators.surrogates.xgb_ensemble import NAMES, XgbEnsemble, features
from archloom.spaces.darts import random_genotypes

CELL = [[0, 3], [1, 4], [0, 0], [2, 6], [3, 5], [1, 2], [4, 1], [3, 0]]
"""Edges 0, 1, 2, 4, 6, 8, 12, 13; nodes 3, 4 and 5 take the pairs 0_2, 1_3 and 3_4."""

TRAINING = {
    "CreateImageDataLoader:batch_size": 0.5863451791322553,
    "ImageAugmentation:cutout_holes": 0.16666444442962952,
    "ImageAugmentation:cutout_length": 0.3099999239999697,
    "NetworkSelectorDatasetInfo:darts:init_channels": 0.003149999006299998,
    "NetworkSelectorDatasetInfo:darts:layers": 0.000749999001499998,
    "OptimizerSelector:sgd:learning_rate": -3.6888794541139363,
    "OptimizerSelector:sgd:momentum": 0.8988764044943821,
    "OptimizerSelector:sgd:weight_decay": -8.111728083308073,
    "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max": 0.009949999019899998,
    "SimpleLearningrateSchedulerSelector:cosine_annealing:eta_min": 1e-12,
    "SimpleTrainNode:mixup:alpha": 0.7051278400653053,
}
"""What ConfigSpace 0.6.1 makes of the authors' training settings in the authors' space; everything else is 0."""


@pytest.fixture
def genotypes() -> np.ndarray:
    return random_genotypes(40, np.random.default_rng(1))


@pytest.fixture
def folder(nb301_ensemble: Path, tmp_path: Path) -> Path:
    """A copy of the ensemble that a test may change."""
    return Path(shutil.copytree(nb301_ensemble, tmp_path / "xgb_v1.0"))


def members(folder: Path) -> list[Path]:
    return sorted(folder.rglob("surrogate_model.*"))


def refuses(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        XgbEnsemble(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- inputs -------------------------------------------------------------------------------------------------------


def test_the_vector_of_one_architecture_written_out() -> None:
    reduce = [[0, 0], [1, 0], [1, 1], [0, 0], [1, 0], [0, 0], [1, 0], [0, 6]]
    vector = dict(zip(NAMES, features(np.array([CELL, reduce]))[0].tolist(), strict=True))
    darts = "NetworkSelectorDatasetInfo:darts:"
    edges = {0: 3, 1: 4, 2: 0, 4: 6, 6: 2, 8: 5, 12: 0, 13: 1}
    expected = {
        **TRAINING,
        **{f"{darts}edge_normal_{edge}": edges.get(edge, -1) for edge in range(14)},
        **{f"{darts}edge_reduce_{edge}": 0 if edge in (0, 1, 2, 5, 6, 10) else -1 for edge in range(14)},
        f"{darts}edge_reduce_3": 1,
        f"{darts}edge_reduce_9": 6,
        **dict(zip((f"{darts}inputs_node_normal_{n}" for n in (3, 4, 5)), (1, 4, 9), strict=True)),
    }
    assert vector == pytest.approx({name: expected.get(name, 0.0) for name in NAMES}, rel=1e-6)
    assert set(expected) <= set(NAMES)


def test_the_order_is_that_of_configspace() -> None:
    """What is always active comes first, then what depends on a node's inputs; both by name, so that 10 precedes 2."""
    assert len(NAMES) == 56
    assert list(NAMES[:32]) == sorted(NAMES[:32])
    assert list(NAMES[32:]) == sorted(NAMES[32:])
    conditional = {f"NetworkSelectorDatasetInfo:darts:edge_{c}_{e}" for c in ("normal", "reduce") for e in range(2, 14)}
    assert set(NAMES[32:]) == conditional
    assert NAMES[32].endswith("edge_normal_10")


def test_the_order_of_a_nodes_pairs_means_nothing(genotypes: np.ndarray) -> None:
    turned = genotypes.reshape(-1, 2, 4, 2, 2)[:, :, :, ::-1].reshape(genotypes.shape)
    assert (features(turned) == features(genotypes)).all()


# -- predictions --------------------------------------------------------------------------------------------------


def test_the_prediction_is_the_mean_of_the_members(nb301_ensemble: Path, genotypes: np.ndarray) -> None:
    ensemble = XgbEnsemble(nb301_ensemble)
    inputs = xgboost.DMatrix(features(genotypes))
    each = np.stack([xgboost.Booster(model_file=file).predict(inputs) for file in members(nb301_ensemble)])
    assert len(each) == 3
    assert np.ptp(each.mean(axis=0)) > 0.5, "the test's models tell architectures apart"
    predicted = ensemble.predict(genotypes)
    np.testing.assert_allclose(predicted, each.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(ensemble.predict(genotypes[3]), predicted[3:4], rtol=1e-6)
    assert (ensemble.metrics(genotypes)["valid_surrogate"] == predicted).all()
    assert ensemble.predict(genotypes[:0]).shape == (0,)
    noisy = ensemble.predict(genotypes, noise=np.random.default_rng(5))
    draws = np.random.default_rng(5).standard_normal(len(genotypes))
    np.testing.assert_allclose(noisy, each.mean(axis=0) + each.std(axis=0) * draws, rtol=1e-5)


@pytest.mark.parametrize("epoch", [0, 1, 97, 99, "98"])
def test_it_knows_the_end_of_training_alone(nb301_ensemble: Path, genotypes: np.ndarray, epoch: Any) -> None:
    with pytest.raises(InputError, match="expected 98, the end of training, alone"):
        XgbEnsemble(nb301_ensemble).predict(genotypes, epoch)


# -- files --------------------------------------------------------------------------------------------------------


def raw(booster: Any, form: str) -> bytes:
    with xgboost.config_context(verbosity=0):  # the format of 2020 is deprecated
        return bytes(booster.save_raw(form))


def pickled(handle: object) -> bytes:
    """A pickle of `xgboost.core.Booster` as the authors' `pickle.dump(model)` wrote it, with this state."""

    class Booster:
        def __init__(self) -> None:
            self.handle = handle
            self.feature_names: None = None
            self.best_iteration = 19

    Booster.__module__, Booster.__qualname__ = "xgboost.core", "Booster"
    kept, xgboost.core.Booster = xgboost.core.Booster, Booster
    try:
        return pickle.dumps(Booster(), 3)  # what Python 3.6 and 3.7 write
    finally:
        xgboost.core.Booster = kept


def offset(booster: Any) -> bytes:
    model = raw(booster, "deprecated")
    return b"CONFIG-offset:" + len(model).to_bytes(8, "little") + model + b'{"version": [1, 2, 0], "learner": {}}'


OFFICIAL: dict[str, Callable[[Any], bytes]] = {
    "pickled by xgboost 1.x": lambda booster: pickled(bytearray(offset(booster))),
    "pickled by xgboost 1.x as JSON": lambda booster: pickled(
        bytearray(b'{"Config": {"version": [1, 2, 0]}, "Model": ' + raw(booster, "json") + b"}")
    ),
    "pickled as JSON with other names first": lambda booster: pickled(
        b'{ "Config": {}, "Model": ' + raw(booster, "json") + b"}"
    ),
    "pickled by xgboost 0.90": lambda booster: pickled(bytearray(raw(booster, "deprecated"))),
    "saved as binary": lambda booster: raw(booster, "deprecated"),
}


@pytest.mark.parametrize("form", OFFICIAL)
def test_models_of_any_year_are_read(nb301_ensemble: Path, folder: Path, genotypes: np.ndarray, form: str) -> None:
    for file in members(folder):
        file.with_suffix(".model").write_bytes(OFFICIAL[form](xgboost.Booster(model_file=file)))
        file.unlink()
    assert (XgbEnsemble(folder).predict(genotypes) == XgbEnsemble(nb301_ensemble).predict(genotypes)).all()


def test_what_was_saved_again_goes_before_the_pickle(nb301_ensemble: Path, folder: Path) -> None:
    for file in members(folder):
        file.with_suffix(".model").write_bytes(b"\x80\x03never read")
    assert XgbEnsemble(folder).sha256 == XgbEnsemble(nb301_ensemble).sha256
    first = members(folder)[0]
    xgboost.Booster(model_file=first.with_suffix(".ubj")).save_model(first.with_suffix(".json"))
    first.with_suffix(".ubj").unlink()
    again = XgbEnsemble(folder)
    assert again.sha256 != XgbEnsemble(nb301_ensemble).sha256
    assert (again.name, again.path) == ("xgb_v1.0", folder)


def test_newer_versions_of_xgboost_cannot_read_the_old_format(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = members(folder)[0]
    monkeypatch.setattr(xgboost, "__version__", "3.2.0-rc1")
    XgbEnsemble(folder)
    file.with_suffix(".model").write_bytes(OFFICIAL["pickled by xgboost 1.x"](xgboost.Booster(model_file=file)))
    file.unlink()
    assert refuses(folder) == (
        f"{file.with_suffix('.model')}: a binary model of 2020, which xgboost 3.2.0-rc1 cannot read: "
        "pip install 'xgboost-cpu<3.1', which can also convert it: Booster.save_model('surrogate_model.ubj')"
    )


def test_a_pickle_in_ubjson_is_told_with_the_line_that_converts_it(
    nb301_ensemble: Path, folder: Path, genotypes: np.ndarray
) -> None:
    for file in members(folder):
        file.with_suffix(".model").write_bytes(pickle.dumps(xgboost.Booster(model_file=file)))
        file.unlink()
    first = members(folder)[0]
    line = f"pickle.load(open('{first.name}', 'rb')).save_model('surrogate_model.ubj')"
    assert refuses(folder) == (
        f"{first}: pickled by xgboost 2 or newer; convert it where that is: {line}, and put that file beside it"
    )
    for file in members(folder):
        with contextlib.chdir(file.parent), warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # of the file that the line leaves to the interpreter
            exec(line, {"pickle": pickle, "open": open})
    assert (XgbEnsemble(folder).predict(genotypes) == XgbEnsemble(nb301_ensemble).predict(genotypes)).all()


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('it ran')",)


def of_three_inputs() -> Any:
    return xgboost.train({}, xgboost.DMatrix(np.zeros((4, 3)), label=np.arange(4)), 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Hostile()), "refused: the pickle asks for builtins.exec"),
        (pickled(None), "a pickle that holds no trained XGBoost model; download it again"),
        (pickle.dumps({"handle": b""}), "a pickle that holds no trained XGBoost model"),
        (pickled(b"{L"), "pickled by xgboost 2 or newer; convert it where that is"),
        (
            pickled(b'{"Config": {}}'),
            "a pickled model that cannot be read (KeyError: 'Model'); download it again, or save it",
        ),
        (pickled(b'{"Model": {}}'), "not an XGBoost model ("),
        (pickled(bytearray(b"CONFIG-offset:\x05")), "not an XGBoost model ("),
        (b"\x80\x03", "damaged pickle (EOFError"),
        (b"", "not an XGBoost model ("),
        (b"{", "not an XGBoost model ("),
        (b"garbage", "not an XGBoost model ("),
        (raw(of_three_inputs(), "ubj"), "a model of 3 inputs; expected 56: it is not of NAS-Bench-301"),
    ],
)
def test_other_files_are_told_and_never_run(folder: Path, content: bytes, message: str) -> None:
    file = members(folder)[1]
    file.with_suffix(".model").write_bytes(content)
    file.unlink()
    said = refuses(folder)
    assert said.startswith(f"{file.with_suffix('.model')}: ")
    assert message in said


def test_a_buffer_is_never_made_of_a_size(folder: Path) -> None:
    """`bytearray(10**12)` in a pickle would take a terabyte."""

    class Large:
        def __reduce__(self) -> tuple[Any, ...]:
            return bytearray, (10**12,)

    file = members(folder)[0]
    stream = io.BytesIO()
    pickle.Pickler(stream, 3).dump(Large())
    file.with_suffix(".model").write_bytes(stream.getvalue())
    file.unlink()
    assert "a buffer made from int; expected bytes" in refuses(folder)


def test_the_folder_must_hold_xgboost_models(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refuses(empty).startswith(f"{empty}: has no surrogate_model.model in it; expected the folder of an official")
    config = members(folder)[1].parent / "model_config.json"
    config.write_text('{"model": "gnn_gin"}')
    assert refuses(folder) == f"{config}: a model of kind 'gnn_gin'; expected 'xgb', as in nb_models/xgb_v1.0"
    config.write_text("[]")
    assert refuses(folder).startswith(f"{config}: damaged (TypeError")
    config.unlink()
    assert refuses(folder) == f"{config}: is not there; every member of an official ensemble has one"


def test_the_extra_is_named_where_xgboost_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(MissingExtraError, match=r"needs the package xgboost: pip install 'archloom\[nb301\]'"):
        XgbEnsemble(folder)
