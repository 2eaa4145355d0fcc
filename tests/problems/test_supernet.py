from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

import archloom  # noqa: E402
from archloom.data.images.labelled import save_images  # noqa: E402
from archloom.data.images.splits import Split, Splits  # noqa: E402
from archloom.errors import InputError  # noqa: E402
from archloom.problems.scenario import select_metrics  # noqa: E402
from archloom.problems.spec import ProblemSpec  # noqa: E402
from archloom.problems.supernet import SupernetProblem, SupernetTrainingProblem  # noqa: E402
from archloom.utils import seeds  # noqa: E402

SMALL: dict[str, Any] = {
    "space_name": "nb201",
    "space": {"channels": 2, "cells": 1},
    "task": {"epochs": "1", "batch_size": "16", "steps": "2"},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARCHLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = seeds.stream(0, "test")
    labels = np.arange(120) % 3
    pixels = rng.integers(0, 100, (120, 1, 8, 8), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[0, :, 2 * label : 2 * label + 3] += 120
    path = tmp_path_factory.mktemp("data") / "bars.npz"
    save_images(Splits(Split(pixels, labels.astype(np.int64)), None, None, ("a", "b", "c")), path)
    return path


def spec(data: Path, kind: str = "supernet", **changed: Any) -> ProblemSpec:
    task = dict(SMALL["task"])
    if kind == "supernet":
        del task["steps"]
    return ProblemSpec(f"{kind}:{data}", **{**SMALL, "task": task, **changed})


def opened(asked: ProblemSpec) -> SupernetProblem:
    asked.source.make(asked, lambda line: None, lambda done, total: None)
    problem = asked.source.open(asked)
    assert isinstance(problem, SupernetProblem)
    return problem


def test_a_missing_supernet_is_made_in_the_cache_once(data: Path, cache: Path) -> None:
    asked = spec(data)
    said: list[str] = []
    asked.source.make(asked, said.append, lambda done, total: None)
    (file,) = (path for path in (cache / "supernets").iterdir() if path.suffix == ".safetensors")
    made = file.stat()
    problem = opened(asked)
    assert (file.stat().st_mtime_ns, problem.data.path) == (made.st_mtime_ns, file)
    assert "nb201" in file.name
    assert any("training a supernet takes" in line for line in said)
    asked.source.make(asked, said.append, lambda done, total: pytest.fail("made again"))
    other = spec(data, space={"channels": 3, "cells": 1})
    assert opened(other).data.path != file


def test_opening_trains_nothing(data: Path, cache: Path) -> None:
    asked = spec(data)
    with pytest.raises(InputError, match="there is no such supernet in the cache; archloom search and resume train it"):
        asked.source.open(asked)
    assert not cache.exists()


def test_measuring_options_are_of_the_same_supernet(data: Path) -> None:
    task = {"epochs": "1", "batch_size": "16"}
    paths = {opened(spec(data, task={**task, **more})).data.path for more in ({}, {"norm": "running"})}
    assert len(paths) == 1


def test_a_file_says_of_which_space_it_is_and_how_it_was_made(data: Path, tmp_path: Path) -> None:
    asked, file = spec(data), tmp_path / "net.safetensors"
    asked.source.pretraining(asked, file).run()
    again = opened(ProblemSpec(f"supernet:{data}", table=str(file)))
    assert (again.space.name, again.space.channels, again.space.cells, again.space.classes) == ("nb201", 2, 1, 3)
    assert again.data.sha256 == opened(spec(data, table=str(file))).data.sha256


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": {"epochs": "7"}}, "task option epochs=7: the supernet .* was made with 1; omit it"),
        ({"space": {"channels": 4}}, "space option channels=4: the supernet .* was made with 2; omit it"),
        ({"space_name": "darts", "space": {}}, "--space darts: the supernet .* is of nb201; omit --space"),
        ({"task": {"size": "4"}}, "size=4: the supernet .* was made with 0; omit it"),
    ],
)
def test_what_contradicts_the_file(data: Path, tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    asked, file = spec(data), tmp_path / "net.safetensors"
    asked.source.pretraining(asked, file).run()
    with pytest.raises(InputError, match=said):
        opened(spec(data, table=str(file), **{"task": {}, "space": {}, "space_name": None, **changed}))


def test_other_images_than_those_it_was_trained_on(data: Path, tmp_path: Path) -> None:
    asked, file = spec(data), tmp_path / "net.safetensors"
    asked.source.pretraining(asked, file).run()
    with pytest.raises(InputError, match="whose images are not those of supernet:digits"):
        opened(ProblemSpec("supernet:digits", table=str(file)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"space_name": "convnet", "space": {}}, "--space convnet has no supernet; these have: darts, nb101, nb201"),
        ({"space": {"classes": 3}}, "space option classes: supernet:.* sets it to 3; omit it"),
        ({"space": {"channel": 3}}, "channel"),
        ({"task": {"epoch": "1"}}, "epoch"),
        ({"task": {"partial": "4"}}, "partial"),
        ({"task": {"device": "tpu9"}}, "device"),
    ],
)
def test_bad_input_is_one_line(data: Path, changed: dict[str, Any], said: str, cache: Path) -> None:
    with pytest.raises(InputError, match=said):
        opened(spec(data, **changed))
    assert not list((cache / "supernets").glob("*.safetensors"))


def test_nb101_has_no_network_of_all_operations(data: Path) -> None:
    small = {"space_name": "nb101", "space": {"channels": 5, "cells": 1}}
    with pytest.raises(InputError, match=r"sampling=all: .*; use sampling=paths"):
        opened(spec(data, task={"sampling": "all"}, **small))
    problem = opened(spec(data, **small))
    assert problem.reference == {}


def test_the_reference_is_what_the_search_measures(data: Path) -> None:
    task = {"epochs": "1", "batch_size": "16"}
    plain = opened(spec(data, task=task))
    other = opened(spec(data, task={**task, "norm": "running"}))
    assert plain.reference == plain._found.card.one_shot
    measured = other.shared.measure(None)
    assert other.reference == {"valid_accuracy": measured.accuracy, "valid_loss": measured.loss}
    assert other.reference != plain.reference


def test_a_supernet_is_the_same_however_the_search_that_makes_it_measures(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, made = {"epochs": "1", "batch_size": "16"}, []
    for number, how in enumerate(({}, {"norm": "running", "measured_images": "5", "eval_batch_size": "3"})):
        monkeypatch.setenv("ARCHLOOM_CACHE", str(tmp_path / str(number)))
        made.append(opened(spec(data, task={**task, **how})))
    assert made[0].data.sha256 == made[1].data.sha256
    assert made[0].reference != made[1].reference


def test_a_search_on_a_frozen_supernet(data: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="training a supernet takes about"):
        scene = archloom.scenario(
            spec(data).on, space_name="nb201", space=SMALL["space"], task={"epochs": 1, "batch_size": 16}
        )
    report = archloom.run("random", scene, queries=5, out=tmp_path / "run")
    assert len(report.history.lines) == 5
    assert {"params_m", "flops_m"} <= set(report.best.report)
    assert any("shared weights on 18 validation images" in line for line in report.scenario.caveats)


def test_training_while_searching(data: Path) -> None:
    problem = opened(spec(data, "supernet_training"))
    assert isinstance(problem, SupernetTrainingProblem)
    assert problem.trains
    assert set(problem.reference) == {"valid_accuracy", "valid_loss"}
    assert problem.evaluator(("valid_accuracy",), ()).resource is None


def test_paths_of_images_become_absolute(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data.parent)
    asked = ProblemSpec(f"supernet:{data.name}")
    assert asked.source.absolute(asked).on == f"supernet:{data}"
    named = ProblemSpec("supernet:digits")
    assert named.source.absolute(named).on == "supernet:digits"
    assert Path.cwd() == data.parent


def test_images_that_are_not_square_keep_both_sides(tmp_path: Path) -> None:
    rng = seeds.stream(0, "test")
    labels = (np.arange(40) % 2).astype(np.int64)
    pixels = rng.integers(0, 256, (40, 1, 8, 6), dtype=np.uint8)
    save_images(Splits(Split(pixels, labels), None, None, ("a", "b")), tmp_path / "wide.npz")
    space: Any = opened(spec(tmp_path / "wide.npz")).space
    assert space.image_size == (8, 6)


def test_without_a_finite_loss_of_all_operations_there_is_no_reference(data: Path) -> None:
    problem = opened(spec(data, task={"epochs": "1", "batch_size": "16", "norm": "running"}))
    assert problem.reference.keys() == {"valid_accuracy", "valid_loss"}
    again = opened(spec(data, task={"epochs": "1", "batch_size": "16", "norm": "running"}))
    weights = next(iter(again._found.state.networks.values()))
    weights[next(name for name in weights if name.endswith("weight"))].fill_(torch.nan)
    assert again.reference == {}


def test_what_is_learnt_from_is_not_reported_as_well(data: Path) -> None:
    asked = spec(data)
    scene = select_metrics(opened(asked), asked)
    assert scene.report == ("params_m", "flops_m")
    learns = scene.with_metrics("ddas", ("params_m",))
    assert (learns.report, learns.scores) == (("flops_m",), ("valid_accuracy", "params_m"))
    chosen = asked.changed(report=("params_m",))
    with pytest.raises(InputError, match="which is reported to people"):
        select_metrics(opened(asked), chosen).with_metrics("ddas", ("params_m",))


def test_a_rate_that_would_rise_is_refused(data: Path) -> None:
    with pytest.raises(InputError, match=r"final_lr=1.0: expected at most lr, 0.025"):
        opened(spec(data, task={"final_lr": "1.0"}))
