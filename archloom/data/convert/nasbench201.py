"""The official files of NAS-Bench-201 and of NATS-Bench's topology search space, as tables.

They are read by `unpickle.restricted_load` (never plain pickle, and without torch), one architecture at a time
if the format allows it.
"""

from __future__ import annotations

import bz2
import math
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

import numpy as np

from archloom.data.convert.unpickle import NUMPY_SCALARS, Allowed, restricted_load, restricted_load_all
from archloom.data.progress import Progress
from archloom.data.tables import Table, TableError
from archloom.spaces.nb201 import GENES, OPERATIONS

# metric -> (training set, evaluation set). CIFAR-10 validation comes from training on half of the training
# set ("cifar10-valid"), its test accuracy from training on all of it; the other two have one training each.
_SETS = {
    "cifar10_valid": ("cifar10-valid", "x-valid"),
    "cifar10_test": ("cifar10", "ori-test"),
    "cifar100_valid": ("cifar100", "x-valid"),
    "cifar100_test": ("cifar100", "x-test"),
    "imagenet16_valid": ("ImageNet16-120", "x-valid"),
    "imagenet16_test": ("ImageNet16-120", "x-test"),
}
_EPOCHS = (200, 12)
_COSTS = {"cifar10_params_m": "params", "cifar10_flops_m": "flop"}
NB201_METRICS = (*(f"{name}_{epochs}" for epochs in _EPOCHS for name in _SETS), *_COSTS)
_COST_SEED = 888

_ARCH = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")
_NATS_MEMBER = re.compile(r"(?:.*/)?(meta|\d{6})\.pickle\.pbz2")
# One architecture unpacks to about 1 MB.
_NATS_MEMBER_BYTES = 2**27
_PTH_BYTES = 2**34
_TORCH_HEADERS = 3  # magic number, protocol version and machine, each its own pickle before the object
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

_NB201_ALLOWED: Allowed = {
    **NUMPY_SCALARS,
    ("collections", "OrderedDict"): dict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,  # as pickle protocol 2 spells it
}

Trials = Mapping[str, object]
"""epochs ("12", "200") -> the state of the official `ArchResults` for that training."""


def nats_tss(path: Path, progress: Progress | None = None) -> Table:
    """`NATS-tss-v1_0-3ffb9-simple`: a folder, or the .tar of it, with one bz2 pickle per architecture.

    Rows are in the official order. Metrics of an architecture without a file or without a trial are NaN.
    Memory stays below 100 MB; about ten minutes for all 15,625 on one core.
    """
    archs: list[str] | None = None
    found: dict[int, dict[str, float]] = {}
    for name, stream in _nats_members(path):
        label = f"{path}: {name}"
        with bz2.open(stream) as unpacked:
            content = restricted_load(
                cast(BinaryIO, unpacked), _NB201_ALLOWED, label=label, max_bytes=_NATS_MEMBER_BYTES
            )
        record = _mapping(label, content)
        if name == "meta":
            archs = _arch_strings(label, record)
        else:
            found[int(name)] = _measure(label, record)
            if progress is not None:
                progress(len(found), None if archs is None else len(archs))
    if archs is None:
        raise TableError(
            f"{path}: holds no meta.pickle.pbz2; expected the whole NATS-tss-v1_0-3ffb9-simple; unpack it again"
        )
    return _nb201_table(path, archs, found, "NATS-Bench topology v1.0 3ffb9 (MIT)")


def nasbench201_pth(path: Path, progress: Progress | None = None) -> Table:
    """`NAS-Bench-201-v1_1-096897.pth`: one pickle of 5 GB written by torch, in its old or its zip container.

    The format is one object, so it is read whole: about 9 GB of memory. Prefer the NATS-Bench archive, which
    holds the same trainings.
    """
    top = _mapping(str(path), _torch_object(path))
    archs = _arch_strings(str(path), top)
    infos = _mapping(f"{path}: arch2infos", top.get("arch2infos"))
    found: dict[int, dict[str, float]] = {}
    for index, info in infos.items():
        label = f"{path}: architecture {index}"
        if not isinstance(index, int):
            raise TableError(f"{label}: expected a number; download the file again")
        trials = _mapping(label, info)
        found[index] = _measure(label, {"12": trials.get("less"), "200": trials.get("full")})
        if progress is not None:
            progress(len(found), len(infos))
    return _nb201_table(path, archs, found, "NAS-Bench-201 v1.1 096897 (MIT)")


def nb201_genes(cell: str) -> tuple[int, ...]:
    """Genes of a cell such as `|none~0|+|none~0|none~1|+|none~0|none~1|none~2|`.

    Raises ValueError for any other string.
    """
    match = _ARCH.fullmatch(cell)
    if match is None or any(op not in OPERATIONS for op in match.groups()):
        raise ValueError(f"{cell[:120]!r} is not a NAS-Bench-201 cell")
    return tuple(OPERATIONS.index(op) for op in match.groups())


def _nats_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """("meta" or the six digits, stream) of every pickle, without unpacking anything to disk."""
    if path.is_dir():
        for file in sorted(path.iterdir(), reverse=True):  # meta first, so that progress knows the total
            match = _NATS_MEMBER.fullmatch(file.name)
            if match:
                with file.open("rb") as stream:
                    yield match[1], stream
        return
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                match = _NATS_MEMBER.fullmatch(member.name)
                stream_or_none = archive.extractfile(member) if match and member.isfile() else None
                if match and stream_or_none is not None:
                    yield match[1], stream_or_none
    except (tarfile.TarError, EOFError, OSError) as error:
        raise TableError(
            f"{path}: damaged archive ({error}); expected an uncompressed .tar; download it again"
        ) from error


def _torch_object(path: Path) -> object:
    """What `torch.save` wrote to `path`, without torch and without running code from the file."""
    with _pickle_stream(path) as (stream, headers):
        *head, content = restricted_load_all(
            stream, _NB201_ALLOWED, count=headers + 1, label=str(path), max_bytes=_PTH_BYTES
        )
    if head and head[0] != _TORCH_MAGIC:
        raise TableError(f"{path}: not a file written by torch.save; expected NAS-Bench-201-v1_1-096897.pth")
    return content


@contextmanager
def _pickle_stream(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The stream that holds torch's pickle, and how many pickles precede it."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            yield stream, _TORCH_HEADERS
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(names) != 1:
                raise TableError(f"{path}: a zip without exactly one data.pkl; expected a file written by torch.save")
            with archive.open(names[0]) as member:
                yield cast(BinaryIO, member), 0
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise TableError(f"{path}: damaged zip ({error}); download the file again") from error


def _mapping(label: str, value: object) -> Mapping[object, object]:
    if not isinstance(value, dict):
        raise TableError(f"{label}: holds a {type(value).__name__}; expected a dict in the official layout")
    return value


def _arch_strings(label: str, top: Mapping[object, object]) -> list[str]:
    archs = top.get("meta_archs")
    if not isinstance(archs, list | tuple) or not archs or not all(isinstance(arch, str) for arch in archs):
        raise TableError(f"{label}: no list of architectures under 'meta_archs'; expected the official layout")
    return list(archs)


def _measure(label: str, by_epochs: Mapping[object, object]) -> dict[str, float]:
    """All metrics of one architecture, as means over its trials; a metric without a trial is omitted."""
    measured: dict[str, float] = {}
    for epochs in _EPOCHS:
        state = by_epochs.get(str(epochs))
        if state is None:
            continue
        trials = _trials(f"{label}, {epochs} epochs", state)
        for name, (dataset, split) in _SETS.items():
            accuracies = [_accuracy(label, result, split, epochs) for result in trials.get(dataset, {}).values()]
            present = [accuracy for accuracy in accuracies if accuracy is not None]
            if present:
                measured[f"{name}_{epochs}"] = math.fsum(present) / len(present)
        for name, field in _COSTS.items():
            by_seed = trials.get("cifar10") or trials.get("cifar10-valid") or {}
            if name not in measured and by_seed:
                measured[name] = _cost(label, field, by_seed)
    return measured


def _trials(label: str, state: object) -> dict[str, dict[int, Mapping[object, object]]]:
    """dataset -> seed -> the state of the official `ResultsCount`."""
    results = _mapping(label, _mapping(label, state).get("all_results"))
    trials: dict[str, dict[int, Mapping[object, object]]] = {}
    for key, result in results.items():
        if not (isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], str) and isinstance(key[1], int)):
            raise TableError(f"{label}: trial {str(key)[:80]!r}; expected (dataset, seed) as in the official layout")
        trials.setdefault(key[0], {})[key[1]] = _mapping(label, result)
    return trials


def _accuracy(label: str, result: Mapping[object, object], split: str, epochs: int) -> float | None:
    """Accuracy in percent after the last epoch, or None if the trial was not evaluated on the split."""
    if result.get("epochs") != epochs:
        raise TableError(f"{label}: a trial of {result.get('epochs')!r} epochs; expected {epochs}; download it again")
    value = _mapping(label, result.get("eval_acc1es")).get(f"{split}@{epochs - 1}")
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 <= value <= 100:
        raise TableError(f"{label}: accuracy {str(value)[:80]!r} on {split}; expected percent; download it again")
    return float(value)


def _cost(label: str, field: str, by_seed: Mapping[int, Mapping[object, object]]) -> float:
    """Parameters or FLOPs in millions. Trials should agree; if they do not, the authors use seed 888."""
    values: dict[int, float] = {}
    for seed, result in by_seed.items():
        value = result.get(field)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise TableError(f"{label}: {field} is {str(value)[:80]!r}; expected millions; download it again")
        values[seed] = float(value)
    if len({f"{value:.5f}" for value in values.values()}) > 1 and _COST_SEED in values:
        return values[_COST_SEED]
    return math.fsum(values.values()) / len(values)


def _nb201_table(path: Path, archs: Sequence[str], found: Mapping[int, Mapping[str, float]], source: str) -> Table:
    for index in found:
        if not 0 <= index < len(archs):
            raise TableError(f"{path}: results for architecture {index}, but there are {len(archs)}; download it again")
    if not found:
        raise TableError(
            f"{path}: no results of any architecture; expected 000000.pickle.pbz2 and so on; download it again"
        )
    try:
        genes = np.array([nb201_genes(arch) for arch in archs])
    except ValueError as error:
        raise TableError(
            f"{path}: {error}; expected the topology search space (tss), not the size search space (sss)"
        ) from error
    columns = {
        name: np.array([found.get(index, {}).get(name, math.nan) for index in range(len(archs))])
        for name in NB201_METRICS
    }
    return Table.from_arrays(
        space="nb201",
        gene_names=GENES,
        options=[OPERATIONS] * len(GENES),
        genes=genes,
        metrics=columns,
        goals={name: "min" if name in _COSTS else "max" for name in NB201_METRICS},
        source=source,
        units="accuracy in percent (mean of the available seeds), parameters and FLOPs in millions",
    )


def is_nats(path: Path) -> bool:
    """Whether this is the folder or the archive that `nats_tss` reads."""
    if path.is_dir():
        return (path / "meta.pickle.pbz2").is_file()
    try:
        with tarfile.open(path, "r:") as archive:
            first = next((member for member in archive if member.isfile()), None)
        return first is not None and _NATS_MEMBER.fullmatch(first.name) is not None
    except (tarfile.TarError, EOFError, OSError):
        return False


def is_pth(path: Path) -> bool:
    """Whether torch.save wrote this file, as `nasbench201_pth` expects."""
    if not path.is_file():
        return False
    if zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            return path.suffix == ".pth" and stream.read(2) == b"PK"
    with path.open("rb") as stream:
        return stream.read(len(_TORCH_START)) == _TORCH_START
