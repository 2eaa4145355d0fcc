"""The official layouts, written small: three cells, their trials, and what can be wrong with them."""

from __future__ import annotations

import bz2
import os
import pickle
import shutil
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.convert import nasbench201 as nasbench201_module
from archloom.data.convert.nasbench201 import NB201_METRICS, nasbench201_pth, nats_tss, nb201_genes
from archloom.data.convert.official import convert
from archloom.data.convert.unpickle import UnpickleError
from archloom.data.tables import TableError
from archloom.errors import InputError

ARCHS = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]
SPLITS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}
FOLDER = "NATS-tss-v1_0-3ffb9-simple"


def accuracy(index: int, dataset: str, seed: int, split: str, epochs: int) -> float:
    """A number that differs for everything that could be mixed up."""
    sets = list(SPLITS)
    names = ("x-valid", "x-test", "ori-test")
    return 10.0 + index + 5 * sets.index(dataset) + 20 * names.index(split) + (seed - 777) / 1000 + epochs / 1000


def results_count(index: int, dataset: str, seed: int, epochs: int, number: Any) -> dict[str, Any]:
    """The state of the official `ResultsCount`: one trial."""
    keys = [(split, epoch) for split in SPLITS[dataset] for epoch in range(epochs)]
    last = epochs - 1
    accuracies = {
        f"{split}@{epoch}": number(
            accuracy(index, dataset, seed, split, epochs) if epoch == last else 1.0 + epoch / 1000
        )
        for split, epoch in keys
    }
    return {
        "name": f"{index:06d}",
        "net_state_dict": None,
        "train_acc1es": dict.fromkeys(range(epochs), 99.0),
        "train_acc5es": None,
        "train_losses": OrderedDict((epoch, 0.1) for epoch in range(epochs)),
        "train_times": OrderedDict((epoch, 9.0) for epoch in range(epochs)),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": ARCHS[index], "class_num": 10},
        "params": number(0.5 + index),
        "flop": number(100.0 + index),
        "seed": seed,
        "epochs": epochs,
        "latency": [0.01, 0.02],
        "eval_names": list(SPLITS[dataset]),
        "eval_acc1es": accuracies,
        "eval_times": {f"{split}@{epoch}": 1.0 for split, epoch in keys},
        "eval_losses": {f"{split}@{epoch}": 1.0 for split, epoch in keys},
    }


def arch_results(index: int, epochs: int, seeds: dict[str, list[int]], number: Any = float) -> dict[str, Any]:
    """The state of the official `ArchResults`: all trials of one architecture."""
    return {
        "arch_index": index,
        "arch_str": ARCHS[index],
        "all_results": {
            (dataset, seed): results_count(index, dataset, seed, epochs, number)
            for dataset, of_dataset in seeds.items()
            for seed in of_dataset
        },
        "dataset_seed": seeds,
        "clear_net_done": True,
    }


SEEDS = {
    0: {dataset: [777, 888, 999] for dataset in SPLITS},
    1: {dataset: [777] for dataset in SPLITS} | {"cifar10-valid": [777, 999]},
    2: {dataset: [888] for dataset in SPLITS},
}
SEEDS_12 = {dataset: [777] for dataset in SPLITS} | {"cifar10-valid": [777, 888]}


def nats_record(index: int, number: Any = float) -> dict[str, Any]:
    return {"12": arch_results(index, 12, SEEDS_12, number), "200": arch_results(index, 200, SEEDS[index], number)}


def write_member(folder: Path, name: str, content: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(content, 4)))


def nats_folder(root: Path, indices: tuple[int, ...] = (0, 1, 2), number: Any = float) -> Path:
    folder = root / FOLDER
    write_member(folder, "meta", {"meta_archs": ARCHS, "arch2infos": {}, "evaluated_indexes": {0, 1, 2}})
    for index in indices:
        write_member(folder, f"{index:06d}", nats_record(index, number))
    return folder


def tar_of(folder: Path, meta_last: bool = True) -> Path:
    path = folder.with_name(f"{folder.name}.tar")
    with tarfile.open(path, "w") as archive:
        archive.add(folder, folder.name, recursive=False)
        for file in sorted(folder.iterdir(), reverse=not meta_last):
            archive.add(file, f"{folder.name}/{file.name}")
    return path


def pth_content(number: Any = np.float64) -> dict[str, Any]:
    return {
        "meta_archs": list(ARCHS),
        "arch2infos": OrderedDict(
            (i, {"full": arch_results(i, 200, SEEDS[i], number), "less": arch_results(i, 12, SEEDS_12, number)})
            for i in range(3)
        ),
        "evaluated_indexes": {0, 1, 2},
    }


def expected(name: str, index: int) -> float:
    """A metric by its definition: the mean over the seeds that the cell was trained with."""
    dataset, split, epochs = {
        "cifar10_valid": ("cifar10-valid", "x-valid"),
        "cifar10_test": ("cifar10", "ori-test"),
        "cifar100_valid": ("cifar100", "x-valid"),
        "cifar100_test": ("cifar100", "x-test"),
        "imagenet16_valid": ("ImageNet16-120", "x-valid"),
        "imagenet16_test": ("ImageNet16-120", "x-test"),
    }[name.rsplit("_", 1)[0]] + (int(name.rsplit("_", 1)[1]),)
    seeds = (SEEDS[index] if epochs == 200 else SEEDS_12)[dataset]
    return float(np.mean([accuracy(index, dataset, seed, split, epochs) for seed in seeds]))


def check(table: Any, indices: tuple[int, ...] = (0, 1, 2)) -> None:
    assert table.space == "nb201"
    assert table.metrics == NB201_METRICS
    assert table.genes.tolist() == [[4, 2, 1, 2, 1, 1], [3, 3, 4, 1, 3, 1], [0] * 6]  # the official order
    for name in NB201_METRICS:
        values = table.metric(name)
        for index in range(3):
            if index not in indices:
                assert np.isnan(values[index])
            elif name == "cifar10_params_m":
                assert values[index] == 0.5 + index
                assert table.goals[name] == "min"
            elif name == "cifar10_flops_m":
                assert values[index] == 100.0 + index
            else:
                assert values[index] == pytest.approx(expected(name, index), abs=1e-5), (name, index)
                assert table.goals[name] == "max"


# --- NATS-Bench -------------------------------------------------------------------------------------------


def test_nats_folder(tmp_path: Path) -> None:
    check(nats_tss(nats_folder(tmp_path)))


@pytest.mark.parametrize("meta_last", [True, False])
def test_nats_tar(tmp_path: Path, meta_last: bool) -> None:
    folder = nats_folder(tmp_path, number=np.float64)
    archive = tar_of(folder, meta_last)
    shutil.rmtree(folder)
    check(convert(archive))
    assert list(tmp_path.iterdir()) == [archive]  # nothing is unpacked to disk


def test_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    convert(nats_folder(tmp_path), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_missing_architecture_is_not_measured(tmp_path: Path) -> None:
    check(convert(nats_folder(tmp_path, indices=(0, 2))), indices=(0, 2))


def test_a_missing_training_is_not_measured(tmp_path: Path) -> None:
    folder = nats_folder(tmp_path)
    record = nats_record(1)
    del record["12"]
    record["200"]["all_results"] = {k: v for k, v in record["200"]["all_results"].items() if k[0] != "cifar100"}
    write_member(folder, "000001", record)
    table = convert(folder)
    missing = [name for name in table.metrics if np.isnan(table.metric(name)[1])]
    assert missing == ["cifar100_valid_200", "cifar100_test_200", *(n for n in NB201_METRICS if n.endswith("_12"))]


def test_costs_that_differ_between_seeds_are_those_of_seed_888(tmp_path: Path) -> None:
    folder = nats_folder(tmp_path)
    record = nats_record(0)
    for seed, value in ((777, 0.1), (888, 0.2), (999, 0.6)):
        record["200"]["all_results"]["cifar10", seed]["params"] = value
    write_member(folder, "000000", record)
    assert convert(folder).metric("cifar10_params_m")[0] == np.float32(0.2)


def test_a_corrupt_member_is_named(tmp_path: Path) -> None:
    folder = nats_folder(tmp_path)
    file = folder / "000001.pickle.pbz2"
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    file.write_bytes(raw)
    with pytest.raises(InputError, match=f"{FOLDER}: 000001: damaged pickle"):
        convert(folder)
    file.write_bytes(bytes(raw[: len(raw) // 3]))
    with pytest.raises(InputError, match=f"{FOLDER}: 000001: damaged pickle"):
        convert(folder)


def test_a_cut_off_tar(tmp_path: Path) -> None:
    archive = tar_of(nats_folder(tmp_path))
    raw = archive.read_bytes()
    archive.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(InputError, match=r"damaged|no meta"):
        convert(archive)


def test_a_malicious_member_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "victim"),)

    folder = nats_folder(tmp_path)
    write_member(folder, "000002", {"200": Evil()})
    with pytest.raises(UnpickleError, match=r"000002: refused: .*mkdir"):
        convert(folder)
    assert not (tmp_path / "victim").exists()


def test_a_member_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nasbench201_module, "_NATS_MEMBER_BYTES", 10_000)
    with pytest.raises(UnpickleError, match="more than 10000 bytes"):
        convert(nats_folder(tmp_path))


def damage(record: dict[str, Any], change: str) -> object:
    trial = record["200"]["all_results"]["cifar10", 777]
    match change:
        case "list":
            return [record]
        case "no results":
            del record["200"]["all_results"]
        case "key":
            record["200"]["all_results"]["cifar10"] = trial
        case "epochs":
            trial["epochs"] = 90
        case "percent":
            trial["eval_acc1es"]["ori-test@199"] = 101.0
        case "nan":
            trial["eval_acc1es"]["ori-test@199"] = float("nan")
        case "text":
            trial["eval_acc1es"]["ori-test@199"] = "94"
        case "params":
            trial["params"] = None
    return record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("list", "holds a list; expected a dict"),
        ("no results", "holds a NoneType; expected a dict"),
        ("key", "trial 'cifar10'; expected .dataset, seed."),
        ("epochs", "a trial of 90 epochs; expected 200"),
        ("percent", "accuracy '101.0' on ori-test; expected percent"),
        ("nan", "accuracy 'nan' on ori-test"),
        ("text", "accuracy '94' on ori-test"),
        ("params", "params is 'None'; expected millions"),
    ],
)
def test_another_layout_is_refused(change: str, message: str, tmp_path: Path) -> None:
    folder = nats_folder(tmp_path)
    write_member(folder, "000000", damage(nats_record(0), change))
    with pytest.raises(TableError, match=f"000000.*{message}"):
        convert(folder)


def test_meta_is_needed_and_checked(tmp_path: Path) -> None:
    folder = nats_folder(tmp_path)
    write_member(folder, "meta", {"archs": ARCHS})
    with pytest.raises(TableError, match="no list of architectures under 'meta_archs'"):
        convert(folder)
    write_member(folder, "meta", {"meta_archs": ARCHS[:2]})
    with pytest.raises(TableError, match="results for architecture 2, but there are 2"):
        convert(folder)
    (folder / "meta.pickle.pbz2").unlink()
    with pytest.raises(TableError, match=r"no meta.pickle.pbz2"):
        nats_tss(folder)


def test_the_size_search_space_is_another_benchmark(tmp_path: Path) -> None:
    folder = nats_folder(tmp_path)
    write_member(folder, "meta", {"meta_archs": ["8:8:8:8:8", "8:8:8:8:16", "8:8:8:8:24"]})
    with pytest.raises(TableError, match=r"'8:8:8:8:8' is not a NAS-Bench-201 cell.*not the size search space"):
        convert(folder)


def test_no_architecture_at_all(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no results of any architecture"):
        convert(nats_folder(tmp_path, indices=()))


# --- NAS-Bench-201 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
def test_pth_as_torch_writes_it(tmp_path: Path, zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    torch.save(pth_content(), path, _use_new_zipfile_serialization=zipped)
    check(convert(path))


def legacy(content: object) -> bytes:
    """torch's old container without torch: three header pickles, the object, the storages' keys."""
    header = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})
    return b"".join(pickle.dumps(part, 2) for part in (*header, content, []))


def test_pth_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(legacy(pth_content(float)))
    seen: list[int] = []
    check(nasbench201_pth(path, lambda done, total: seen.append(done)))
    assert seen == [1, 2, 3]


def test_pth_with_missing_halves(tmp_path: Path) -> None:
    content = pth_content(float)
    del content["arch2infos"][1]
    content["arch2infos"][2]["less"] = None
    path = tmp_path / "a.pth"
    path.write_bytes(legacy(content))
    table = convert(path)
    assert np.isnan(table.metric("cifar10_test_200")).tolist() == [False, True, False]
    assert np.isnan(table.metric("cifar10_test_12")).tolist() == [False, True, True]


def test_malicious_and_damaged_pth(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "victim"),)

    path = tmp_path / "a.pth"
    path.write_bytes(legacy({"meta_archs": ARCHS, "arch2infos": Evil()}))
    with pytest.raises(UnpickleError, match=r"refused: .*mkdir"):
        convert(path)
    assert not (tmp_path / "victim").exists()
    whole = legacy(pth_content(float))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnpickleError, match="damaged pickle"):
        convert(path)
    path.write_bytes(pickle.dumps(1) * 4)
    with pytest.raises(TableError, match=r"not a file written by torch.save"):
        convert(path, kind="nasbench201")
    path.write_bytes(legacy({"meta_archs": ARCHS, "arch2infos": {"0": {}}}))
    with pytest.raises(TableError, match="architecture 0: expected a number"):
        convert(path)


def test_a_tensor_in_the_file_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pth"
    torch.save({"meta_archs": torch.zeros(3)}, path)
    with pytest.raises(UnpickleError, match=r"refused: .*torch\._utils"):
        convert(path)


def test_genes_of_a_cell() -> None:
    text = "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|"
    assert nb201_genes(text) == (0, 1, 2, 3, 4, 0)
    for wrong in ("", text[:-1], text.replace("none~0", "nil~0"), text.replace("~2", "~1")):
        with pytest.raises(ValueError, match="is not a NAS-Bench-201 cell"):
            nb201_genes(wrong)
