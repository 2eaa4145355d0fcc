"""The official surrogates of NAS-Bench-301: ensembles of XGBoost models, versions 0.9 and 1.0 (Zela et al. 2022).

The authors' archives unpack to `nb_models/xgb_v1.0/...` with a folder for each of the 10 members, which holds
`surrogate_model.model`, `model_config.json` and `data_config.json`. The model file is a pickled `xgboost.Booster` of
2020; it is read without running anything of it. A member that xgboost saved again as `surrogate_model.ubj` or
`surrogate_model.json` is preferred to the pickle beside it.

An architecture enters as the numeric vector of its configuration in the ConfigSpace that the authors ship with their
code (not in the archives), 56 hyper-parameters: first those that are always active, then the conditional ones, both in
alphabetical order. A choice is the index of its option; a number is scaled to [0, 1] as ConfigSpace 0.4.12 does; an
operation whose edge is not there is -1. Everything but the architecture is the same for all.

Checked here: the vectors against ConfigSpace 0.6.1 on the authors' space, models in the layouts that xgboost of 2020
wrote, made by 3.0.5. Their real files were not checked, because the archives were not available.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.data.convert.unpickle import Allowed, Record, UnpickleError, restricted_load
from archloom.errors import InputError, MissingExtraError
from archloom.evaluators.surrogates import genotypes as coding
from archloom.evaluators.surrogates.nb301_network import LAST_EPOCH, check_epoch
from archloom.spaces.darts.genotypes import CELLS, EDGES
from archloom.types import Goal
from archloom.utils.contents import refuse_web_page

Float32 = NDArray[np.float32]

MEMBER = "surrogate_model"
_SUFFIXES = (".ubj", ".json", ".model")  # of a member's file, the first that is there is read
_MAX_BYTES = 2**30


class XgbEnsemble:
    """Predicts the validation accuracy at the end of training: the mean of the members in a folder.

    InputError where the folder holds no such ensemble or a member cannot be read.
    """

    goals: Mapping[str, Goal] = {"valid_surrogate": "max"}
    seconds: str | None = None
    first_epoch = last_epoch = LAST_EPOCH
    source = "predictions, not measurements: an official XGBoost ensemble of NAS-Bench-301"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.resolve().name
        files = _members(path)
        contents = {file: file.read_bytes() for file in files}
        digest = hashlib.sha256()
        for file, raw in contents.items():
            digest.update(f"{file.relative_to(path).as_posix()} {len(raw)}\n".encode() + raw)
        self.sha256 = digest.hexdigest()
        self._boosters = [_booster(file, raw) for file, raw in contents.items()]

    def predict(
        self,
        genotypes: NDArray[np.integer[Any]],
        epoch: int = LAST_EPOCH,
        noise: np.random.Generator | None = None,
    ) -> Float32:
        """(n,) predicted validation accuracy in percent of genotypes (n, 2, 8, 2).

        With `noise` each gets a draw from N(0, s), s being the standard deviation of its members' predictions. The
        models know the end of training alone: InputError for any `epoch` but 98.
        """
        check_epoch(epoch, self.first_epoch)
        rows = features(genotypes)
        if not len(rows):
            return np.zeros(0, dtype=np.float32)
        members = np.stack([booster.inplace_predict(rows) for booster in self._boosters]).astype(np.float64)
        mean = members.mean(axis=0)
        if noise is not None:
            mean += members.std(axis=0) * noise.standard_normal(len(rows))
        predicted: Float32 = mean.astype(np.float32)
        return predicted

    def metrics(self, genotypes: NDArray[np.integer[Any]], epoch: int = LAST_EPOCH) -> dict[str, Float32]:
        """The predictions by their names, each (n,)."""
        return {"valid_surrogate": self.predict(genotypes, epoch)}


# -- inputs -------------------------------------------------------------------------------------------------------


def _scaled(value: float, low: float, high: float, log: bool = False) -> float:
    """A number as ConfigSpace scales it; whole numbers have bounds that are 0.49999 wider on either side."""
    scale = math.log if log else float
    return (scale(value) - scale(low)) / (scale(high) - scale(low))


def _whole(value: int, low: int, high: int, log: bool = False) -> float:
    return _scaled(value, low - 0.49999, high + 0.49999, log)


_DARTS = "NetworkSelectorDatasetInfo:darts"
_COSINE = "SimpleLearningrateSchedulerSelector:cosine_annealing"
_FIXED: Mapping[str, float] = {
    "CreateImageDataLoader:batch_size": _whole(96, 64, 128, log=True),
    "ImageAugmentation:augment": 0.0,
    "ImageAugmentation:autoaugment": 0.0,
    "ImageAugmentation:cutout": 0.0,
    "ImageAugmentation:cutout_holes": _whole(1, 1, 3),
    "ImageAugmentation:cutout_length": _whole(16, 1, 50),
    "ImageAugmentation:fastautoaugment": 0.0,
    "LossModuleSelectorIndices:loss_module": 0.0,
    f"{_DARTS}:auxiliary": 0.0,
    f"{_DARTS}:drop_path_prob": 0.0,
    f"{_DARTS}:init_channels": _whole(32, 1, 10_000),
    f"{_DARTS}:layers": _whole(8, 1, 10_000),
    "NetworkSelectorDatasetInfo:network": 0.0,
    "OptimizerSelector:optimizer": 0.0,
    "OptimizerSelector:sgd:learning_rate": math.log(0.025),  # of a normal prior: not scaled
    "OptimizerSelector:sgd:momentum": _scaled(0.9, 0.1, 0.99),
    "OptimizerSelector:sgd:weight_decay": math.log(0.0003),
    f"{_COSINE}:T_max": _whole(100, 1, 10_000),
    f"{_COSINE}:eta_min": _scaled(1e-8, 0, 10_000),
    "SimpleLearningrateSchedulerSelector:lr_scheduler": 0.0,
    "SimpleTrainNode:batch_loss_computation_technique": 0.0,
    "SimpleTrainNode:mixup:alpha": _scaled(0.2, 0.01, 0.7, log=True),
}
"""The training that all architectures share, as numbers of the vector; options are 0, the first of their choices."""


def _names() -> tuple[str, ...]:
    edges = {f"{_DARTS}:edge_{c}_{edge}": edge for c in CELLS for edge in range(EDGES)}
    always = [name for name, edge in edges.items() if edge < 2]  # node 2 has no other sources
    inputs = [f"{_DARTS}:inputs_node_{cell}_{node}" for cell in CELLS for node in (3, 4, 5)]
    return (*sorted([*_FIXED, *always, *inputs]), *sorted(set(edges) - set(always)))


NAMES = _names()
"""The 56 hyper-parameters in the order of the vector."""


def features(genotypes: NDArray[np.integer[Any]]) -> Float32:
    """(n, 56) the vectors that the models were trained on, for genotypes (n, 2, 8, 2); see `NAMES`."""
    nodes = coding.nodes_of(genotypes)
    edges, pairs = coding.edge_operations(nodes), coding.pair_ranks(nodes)
    rows = np.tile(_CONSTANTS, (len(nodes), 1))
    rows[:, _EDGE_COLUMNS] = edges  # inactive ones are -1 on both sides
    rows[:, _INPUT_COLUMNS] = pairs[:, :, 1:]
    return rows


_CONSTANTS = np.array([_FIXED.get(name, 0.0) for name in NAMES], dtype=np.float32)
_EDGE_COLUMNS = np.array([[NAMES.index(f"{_DARTS}:edge_{c}_{e}") for e in range(EDGES)] for c in CELLS])
_INPUT_COLUMNS = np.array([[NAMES.index(f"{_DARTS}:inputs_node_{c}_{n}") for n in (3, 4, 5)] for c in CELLS])


# -- files --------------------------------------------------------------------------------------------------------


def _members(folder: Path) -> list[Path]:
    """The model file of every member, in the order of their names; InputError where they are not XGBoost models."""
    places = sorted({file.parent for file in folder.rglob(f"{MEMBER}.*") if file.suffix in _SUFFIXES})
    if not places:
        raise InputError(
            f"{folder}: has no {MEMBER}.model in it; expected the folder of an official ensemble, e.g. "
            "nb_models/xgb_v1.0"
        )
    for place in places:
        _check_kind(place / "model_config.json")
    return [next(f for s in _SUFFIXES if (f := place / f"{MEMBER}{s}").is_file()) for place in places]


def _check_kind(file: Path) -> None:
    refuse_web_page(file)
    try:
        config = json.loads(file.read_bytes())
        kind = config["model"]
    except FileNotFoundError:
        raise InputError(f"{file}: is not there; every member of an official ensemble has one") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{file}: damaged ({type(error).__name__}: {error}); download the models again") from None
    if kind != "xgb":
        raise InputError(f"{file}: a model of kind {kind!r}; expected 'xgb', as in nb_models/xgb_v1.0")


def _booster(file: Path, raw: bytes) -> Any:
    """The member in a file; InputError in one line if it cannot be read or predicts from other inputs."""
    try:
        import xgboost
    except ModuleNotFoundError:
        raise MissingExtraError("xgboost", "nb301", f"the ensemble with {file}") from None
    refuse_web_page(file)
    model = _model_of(file, raw) if raw[:1] == b"\x80" else raw
    if _is_old_binary(model) and _version(xgboost) >= (3, 1):
        raise InputError(
            f"{file}: a binary model of 2020, which xgboost {xgboost.__version__} cannot read: "
            f"pip install 'xgboost-cpu<3.1', which can also convert it: Booster.save_model('{MEMBER}.ubj')"
        )
    booster = xgboost.Booster()
    try:
        with xgboost.config_context(verbosity=0):  # it would warn of the format's age
            booster.load_model(bytearray(model))
            inputs = booster.num_features()
    except (xgboost.core.XGBoostError, ValueError) as error:
        reason = next((line for line in map(str.strip, str(error).splitlines()) if line), "no reason given")
        raise InputError(f"{file}: not an XGBoost model ({reason[:200]}); download it again") from None
    if inputs != len(NAMES):
        raise InputError(f"{file}: a model of {inputs} inputs; expected {len(NAMES)}: it is not of NAS-Bench-301")
    return booster


def _version(xgboost: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in str(xgboost.__version__).split(".")[:2])


def _is_old_binary(model: bytes) -> bool:
    """Whether these bytes are of the binary format: JSON and UBJSON begin with a brace."""
    return model[:1] != b"{"


def _buffer(data: object) -> bytes:
    """`bytearray` as a pickle calls it: with bytes, never with a size."""
    if not isinstance(data, bytes):
        raise UnpickleError(f"a buffer made from {type(data).__name__}; expected bytes")
    return data


_ALLOWED: Allowed = {("xgboost.core", "Booster"): Record, ("builtins", "bytearray"): _buffer}
_OFFSET_MARK = b"CONFIG-offset:"


def _model_of(file: Path, raw: bytes) -> bytes:
    """The model in a pickled Booster, without the training configuration that other versions of xgboost refuse.

    Its `handle` holds the two together: as a JSON object with `Model` and `Config`; or as a mark, the model's length
    in 8 bytes and the model in the binary format, then the configuration. Before xgboost 1.0 it is the model alone.
    Since xgboost 2 the object is in UBJSON, which only xgboost reads: InputError.
    """
    booster = restricted_load(io.BytesIO(raw), _ALLOWED, label=str(file), max_bytes=_MAX_BYTES)
    handle = getattr(booster, "handle", None)
    if not isinstance(booster, Record) or not isinstance(handle, (bytes, bytearray)):
        raise InputError(f"{file}: a pickle that holds no trained XGBoost model; download it again")
    content = bytes(handle)
    if content.startswith(_OFFSET_MARK):
        begin = len(_OFFSET_MARK) + 8
        length = int.from_bytes(content[len(_OFFSET_MARK) : begin], "little")
        return content[begin : begin + length]
    if not content.startswith(b"{"):
        return content
    if not _is_json(content):
        raise InputError(
            f"{file}: pickled by xgboost 2 or newer; convert it where that is: "
            f"pickle.load(open('{file.name}', 'rb')).save_model('{MEMBER}.ubj'), and put that file beside it"
        )
    try:
        return json.dumps(json.loads(content)["Model"]).encode()
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file}: a pickled model that cannot be read ({type(error).__name__}: {str(error)[:200]}); download it "
            f"again, or save it with Booster.save_model('{MEMBER}.ubj') where it was made"
        ) from None


def _is_json(content: bytes) -> bool:
    """Whether an object is written as JSON: a quote or the end follows its brace; in UBJSON a name's length does."""
    return content[1:].lstrip()[:1] in (b'"', b"}")
