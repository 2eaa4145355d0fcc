"""The best of a run as a file that does not need archloom."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.data.images.labelled import save_images
from archloom.data.images.splits import Split, Splits
from archloom.deploy import export
from archloom.errors import InputError, MissingExtraError
from archloom.problems import ProblemSpec
from archloom.runs.folders import limits_for, run_folder
from archloom.runs.prepare import Request
from archloom.runs.report import RunReport, read_report

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def run(path: Path, spec: ProblemSpec, queries: int) -> RunReport:
    """A run in this process, read again."""
    run_folder(path, Request("random", spec, 0, limits_for("random", {}, queries, None), {}), isolate=False)
    return read_report(path, need_space=True)


def without(monkeypatch: pytest.MonkeyPatch, missing: Sequence[str]) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None if name in missing else object())


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_without_the_extra_onnx_is_refused_before_anything_is_read(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, [package])
    with pytest.raises(MissingExtraError, match=rf"an ONNX file needs the package {package}: .*archloom\[onnx\]"):
        export.format_of(Path("net.onnx"))
    assert export.format_of(Path("net.py")).needs_space
    assert any(each.startswith(package + ">") for each in EXTRAS["onnx"])


def test_a_classifier_goes_to_onnx_with_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    from archloom.deploy import onnx_file
    from archloom.tasks.base import Deployed

    given: list[tuple[Deployed, dict[str, str]]] = []
    monkeypatch.setattr(onnx_file, "onnx_bytes", lambda *what: given.append(what) or b"model")
    values = np.random.default_rng(0).integers(0, 256, (30, 1, 8, 8)).astype(np.uint8)
    save_images(Splits(Split(values, np.arange(30) % 2), None, None, ("a", "b")), tmp_path / "noise.npz")
    settings = {"epochs": "1", "batch_size": "8"}
    spec = ProblemSpec(f"images:{tmp_path / 'noise.npz'}", task=settings, space={"width": "4"})
    report = run(tmp_path / "run", spec, 1)
    without(monkeypatch, [])
    assert export.format_of(Path("net.onnx")).content(report, False) == b"model"
    ((deployed, metadata),) = given
    assert (deployed.input, deployed.output, deployed.example.shape) == ("image", "logits", (2, 1, 8, 8))
    assert report.best is not None
    assert metadata == {"found_by": export.provenance(report), "architecture": report.best.arch}

    from safetensors.torch import load

    tensors = load(export.FORMATS[".safetensors"].content(report, False))
    assert all(np.array_equal(tensors[name], tensor) for name, tensor in deployed.network.state_dict().items())


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        ("planted", "nothing was trained on .*: export to .py or .json instead"),
        ("trained", r"task .* does not say what its networks take: expected trainings with deployed\(\) .*safetensors"),
    ],
)
def test_what_has_no_network_to_run_is_told(
    problem: str, told: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    on: Any = request.getfixturevalue(problem)
    report = run(tmp_path / "run", ProblemSpec(str(on)), 2)
    with pytest.raises(InputError, match=told):
        export.FORMATS[".onnx"].content(report, False)
