"""Trained networks as ONNX files."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")
pytest.importorskip("onnxscript", reason="ONNX files need the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX files are run by it")

from safetensors.torch import load  # noqa: E402

import archloom  # noqa: E402
from archloom.checkpoints.state_file import network_bytes  # noqa: E402
from archloom.deploy.onnx_file import onnx_bytes  # noqa: E402
from archloom.errors import InputError  # noqa: E402
from archloom.spaces.control import Control  # noqa: E402
from archloom.tasks.base import Deployed  # noqa: E402
from archloom.tasks.control.data import ControlData  # noqa: E402
from archloom.tasks.control.options import ControlOptions  # noqa: E402
from archloom.tasks.control.task import ControlTask, ControlTraining  # noqa: E402

AGENT = "actor linear residual_05 residual_2 swish tanh id relu 5 tanh spectral | q1 id id id id id id id | q2 id id id id id id id | critic 3 id none none"  # noqa: E501 - as spaces print it
ENCODER = " | encoder sep_conv_5 residual_3 conv_3 relu id swish tanh spectral"


def trained(frame: tuple[int, ...]) -> tuple[ControlTraining, str]:
    """An agent for two actions, and its code; neither weights nor vectors of norms are those that it began with."""
    stack = 3 if len(frame) == 3 else 1
    space = Control((frame[0] * stack, *frame[1:]), actions=2, width=4, hidden=6, features=(3, 5))
    options = ControlOptions(pixels=len(frame) == 3)
    arch = space.parse(AGENT + (ENCODER if options.pixels else ""))
    training = ControlTask(ControlData("mine", frame, 2), options, space).begin(arch, 0)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for network in training.networks.values():
            for tensor in network.state_dict().values():
                tensor.add_(torch.randn(tensor.shape, generator=rng), alpha=0.2)
    return training, space.source(arch, "found by a test")


def stand_alone(code: str, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The network of exported code with exported weights, where there is no archloom."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "archloom"]:
        monkeypatch.setitem(sys.modules, name, None)
    names: dict[str, Any] = {"__name__": "policy"}
    exec(compile(code, "policy.py", "exec"), names)
    networks = names["make_network"]()
    networks.load_state_dict(load(weights))
    return networks.eval()


@pytest.mark.parametrize("frame", [(3, 13, 12), (5,)], ids=["pixels", "vectors"])
def test_a_policy_acts_as_its_agent_does_without_archloom(
    frame: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    training, code = trained(frame)
    rng = np.random.default_rng(0)
    shape = (7, *training.deployed().example.shape[1:])
    pixels = len(frame) == 3
    seen = rng.integers(0, 256, shape).astype(np.uint8) if pixels else rng.standard_normal(shape, np.float32)
    acted = np.stack([training.agent.act(each, 0, rng, mean=True) for each in seen])
    assert np.abs(acted).max() < 0.99, "the actions tell networks apart"

    content = onnx_bytes(training.deployed(), {"found_by": "a test"})
    session = onnxruntime.InferenceSession(content)
    for count in (1, 7):
        (found,) = session.run(["action"], {"observation": seen[:count].astype(np.float32)})
        assert np.abs(found - acted[:count]).max() < 1e-5
    assert session.get_inputs()[0].shape == ["batch", *shape[1:]]
    assert session.get_modelmeta().custom_metadata_map == {"found_by": "a test"}
    assert str(Path(archloom.__file__).parent).encode() not in content, "no paths of this machine"

    networks = stand_alone(code, network_bytes(training.state(), "a test"), monkeypatch)
    with torch.no_grad():
        assert np.abs(networks(torch.from_numpy(seen)).numpy() - acted).max() < 1e-5


def test_what_pytorch_cannot_export_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*what: Any, **settings: Any) -> None:
        raise torch.onnx.errors.OnnxExporterError("an operator\nis not known")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    deployed = Deployed(torch.nn.Linear(2, 1), "x", "y", "numbers", torch.zeros(2, 2))
    with pytest.raises(InputError, match=r"^Linear cannot be exported to ONNX by PyTorch: an operator is not known$"):
        onnx_bytes(deployed, {})


def test_a_network_for_batches_of_one_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx")
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 1]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    program = SimpleNamespace(model_proto=onnx.helper.make_model(graph))
    monkeypatch.setattr(torch.onnx, "export", lambda *what, **settings: program)
    deployed = Deployed(torch.nn.Identity(), "x", "y", "numbers", torch.zeros(2, 1))
    with pytest.raises(InputError, match="it would take batches of 2 only"):
        onnx_bytes(deployed, {})
