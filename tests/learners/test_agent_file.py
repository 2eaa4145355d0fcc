from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="agents need the extra train")
pytest.importorskip("safetensors", reason="agents' files need the extra train")

from archloom.checkpoints.state import TrainingState  # noqa: E402 - it needs PyTorch
from archloom.checkpoints.state_file import save_state  # noqa: E402
from archloom.errors import InputError, StoreError  # noqa: E402
from archloom.learners.agent_file import Agent, AgentCard, card_path, load_agent, save_agent  # noqa: E402
from archloom.learners.q_network import NetworkOptions, QNetwork  # noqa: E402

SMALL = NetworkOptions(width=8, layers=1, heads=2, feedforward=8, head_width=8)
CARD = AgentCard(
    space="table",
    encoding="one-hot",
    bits=6,
    max_neighbours=4,
    network=asdict(SMALL),
    options={"gamma": 0.9, "steps": 640},
    on="nb201",
    metric="cifar100_valid_200",
    data_name="nb201",
    data_sha256="0" * 64,
    steps=640,
    seed=3,
    version="0.2.0",
)


def network(card: AgentCard = CARD, seed: int = 3) -> QNetwork:
    return QNetwork(card.bits, card.max_neighbours + 1, NetworkOptions(**card.network), np.random.default_rng(seed))


def saved(folder: Path, card: AgentCard = CARD) -> Path:
    path = folder / "agent.safetensors"
    save_agent(path, network(card), card)
    return path


def refusal(path: Path) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        load_agent(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def stored(path: Path, card: object, tensors: dict[str, Any]) -> Path:
    """A file of an agent's form with whatever content."""
    save_state(path, TrainingState({"q": tensors}, rest={"agent": card}))
    return path


def test_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path, original = saved(tmp_path), network()
    agent = load_agent(path)
    assert agent == Agent(agent.network, CARD, hashlib.sha256(path.read_bytes()).hexdigest())
    assert agent.network.options == SMALL
    ours, theirs = original.state_dict(), agent.network.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert all(parameter.requires_grad for parameter in agent.network.parameters())


def test_the_same_agent_gives_the_same_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path)
    before = path.read_bytes()
    saved(tmp_path)
    assert path.read_bytes() == before


def test_the_card_is_beside_it_for_people(tmp_path: Path) -> None:
    path = saved(tmp_path)
    assert card_path(path) == tmp_path / "agent.safetensors.json"
    assert json.loads(card_path(path).read_text()) == asdict(CARD)
    card_path(path).write_text("anything")
    assert load_agent(path).card == CARD
    assert sorted(file.name for file in tmp_path.iterdir()) == ["agent.safetensors", "agent.safetensors.json"]


def test_the_card_is_in_the_file(tmp_path: Path) -> None:
    """So one SHA-256 pins both."""
    first = load_agent(saved(tmp_path)).sha256
    assert load_agent(saved(tmp_path, replace(CARD, metric="cifar10_valid_200"))).sha256 != first


def test_readable_without_archloom(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(saved(tmp_path))
    assert {name.removeprefix("networks/q/") for name in tensors} == set(network().state_dict())


def test_nothing_is_written_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        save_agent(tmp_path / "gone" / "agent.safetensors", network(), CARD)


def test_a_card_must_be_plain_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\['options'\]\['table'\].* is of type PosixPath: expected numbers, strings"):
        saved(tmp_path, replace(CARD, options={"table": tmp_path}))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "agent.safetensors").endswith(
        "agent.safetensors: there is no such file; archloom agent train --on nb201 --out DIR trains one"
    )


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder; expected a file; archloom agent train" in refusal(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in refusal(tmp_path / "pipe")


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 a pickle", b"\xff" * 4096])
def test_a_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "agent.safetensors"
    path.write_bytes(content)
    assert "expected a file that archloom agent train wrote: copy it again, or train another" in refusal(path)


def test_safetensors_of_another_program(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "agent.safetensors"
    save_file(network().state_dict(), path, {"format": "pt"})
    assert "it was not written by archloom" in refusal(path)


def test_the_state_of_a_training(tmp_path: Path) -> None:
    path = tmp_path / "0.safetensors"
    save_state(path, TrainingState({"q": network().state_dict()}))
    assert "it holds the state of a training, not an agent" in refusal(path)


def test_cut_anywhere(tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        assert "expected a file that archloom agent train wrote" in refusal(path)


def test_damaged_anywhere(tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = path.read_bytes()
    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert "expected a file that archloom agent train wrote" in refusal(path)


def test_a_newer_format(tmp_path: Path) -> None:
    card = {"format": 2, "everything": "else"}
    path = stored(tmp_path / "agent.safetensors", card, network().state_dict())
    assert "it has format 2, and this archloom reads up to 1: update archloom" in refusal(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bits": 0}, "bits: expected int >= 1"),
        ({"bits": None}, "bits: expected int, got null"),
        ({"steps": "many"}, "steps: expected int, got str"),
        ({"format": 0}, "format: expected int >= 1"),
        ({"network": {"width": -1}}, "network option width=-1: expected a whole number from 1 to 1,000,000"),
        ({"network": {"depth": 1}}, "unknown network option 'depth'"),
        ({"network": {"readout": "last"}}, "network option readout=last"),
        ({"max_neighbours": 10**9}, "max_neighbours: expected int <= 100000"),
        ({"network": {"layers": 10**9}}, "layers=1000000000: expected a whole number from 1 to 1,000"),
        ({"network": {"encoder_layers": 10**9}}, "expected a whole number from 1 to 1,000"),
        ({"network": {"encoder_width": 10**9}}, "expected a whole number from 1 to 1,000,000"),
        ({"bits": 7}, r"is torch.float32 (8, 6), and by its card torch.float32 (8, 7)"),
        ({"bits": 10**9}, "weights, and it holds 778"),
        ({"network": {**asdict(SMALL), "layers": 2}}, "is missing"),
        ({"network": {**asdict(SMALL), "width": 10**6}}, "weights, and it holds 778"),
    ],
)
def test_a_card_that_does_not_fit(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = stored(tmp_path / "agent.safetensors", {**asdict(CARD), **change}, network().state_dict())
    assert reason in refusal(path)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    path, weights = tmp_path / "agent.safetensors", network().state_dict()
    name = sorted(weights)[0]
    for changed, reason in [
        ({**weights, "more": torch.zeros(1)}, "tensor more is none of its network"),
        ({key: value for key, value in weights.items() if key != name}, f"tensor {name} is missing"),
        ({**weights, name: weights[name].double()}, f"tensor {name} is torch.float64"),
        ({**weights, name: torch.full_like(weights[name], torch.nan)}, f"tensor {name} is not finite"),
    ]:
        assert reason in refusal(stored(path, asdict(CARD), changed))


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-2, 60), st.floats(), st.text(max_size=40),
    st.sampled_from([2**63, 2**70, 10**400, 1e308, "\x1b[31mred", "a\nb", "é" * 3_000, [], {}, [None], {"a": None}]),
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*asdict(CARD), *(f"network.{name}" for name in asdict(SMALL)), "more", "network.more"]), ODD)
def test_a_card_that_anybody_wrote(tmp_path: Path, field: str, value: Any) -> None:
    """It is read, or refused in one line."""
    card = asdict(CARD)
    part, _, name = field.rpartition(".")
    (card[part] if part else card)[name] = value
    path = stored(tmp_path / "agent.safetensors", card, network().state_dict())
    try:
        agent = load_agent(path)
    except InputError as error:
        message = str(error)
        assert "\n" not in message and len(message) < 2_000 and message.startswith(f"agent {path}: ")
    else:
        assert agent.network.q_values(np.zeros((1, 3, agent.card.bits), dtype=np.uint8), np.array([2])).shape == (1, 3)
