from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from archloom.checkpoints.state import TrainingState
from archloom.checkpoints.state_file import save_state
from archloom.errors import InputError
from archloom.tasks.supernet.file import FORMAT, SupernetCard, load_supernet, save_supernet
from archloom.tasks.supernet.options import SupernetOptions, as_plain
from archloom.tasks.supernet.shared import NETWORK

CARD = SupernetCard(
    "nb201", {"channels": 2}, as_plain(SupernetOptions()), "bars", "0" * 64, 3, {"valid_loss": 1.0}, "1"
)


def state(value: float = 1.0) -> TrainingState:
    return TrainingState({NETWORK: {"weight": torch.full((2, 2), value)}})


def test_a_file_comes_back(tmp_path: Path) -> None:
    save_supernet(tmp_path / "net", state(), CARD)
    found = load_supernet(tmp_path / "net")
    assert found.card == CARD
    assert found.card.made == SupernetOptions()
    assert torch.equal(found.state.networks[NETWORK]["weight"], torch.ones(2, 2))
    assert len(found.sha256) == 64


def test_momentum_is_not_kept(tmp_path: Path) -> None:
    whole = state()
    whole.arrays["more"] = torch.zeros(1)
    save_supernet(tmp_path / "net", whole, CARD)
    assert not load_supernet(tmp_path / "net").state.arrays


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (replace(CARD, format=FORMAT + 1), "has format 2, and this archloom reads up to 1: update archloom"),
        (replace(CARD, options={"lr": -1.0}), "lr=-1.0"),
        (replace(CARD, options={"speed": 1}), "speed"),
    ],
)
def test_cards_that_do_not_fit(tmp_path: Path, card: SupernetCard, said: str) -> None:
    save_supernet(tmp_path / "net", state(), card)
    with pytest.raises(InputError, match=said):
        load_supernet(tmp_path / "net")


def test_what_is_no_supernet(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file; archloom supernet DATA -o FILE makes one"):
        load_supernet(tmp_path / "none")
    (tmp_path / "text").write_text("no")
    with pytest.raises(InputError, match="expected a file that archloom supernet wrote"):
        load_supernet(tmp_path / "text")
    with pytest.raises(InputError, match="supernet"):
        load_supernet(tmp_path)
    save_state(tmp_path / "state", state())
    with pytest.raises(InputError, match="the state of a training, not a supernet"):
        load_supernet(tmp_path / "state")
    save_state(tmp_path / "partial", TrainingState(state().networks, rest={"card": {**asdict(CARD), "space": 3}}))
    with pytest.raises(InputError, match="space"):
        load_supernet(tmp_path / "partial")


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    save_supernet(tmp_path / "net", state(float("nan")), CARD)
    with pytest.raises(InputError, match="tensor weight is not finite"):
        load_supernet(tmp_path / "net")


def test_damage_is_noticed(tmp_path: Path) -> None:
    save_supernet(tmp_path / "net", state(), CARD)
    content = bytearray((tmp_path / "net").read_bytes())
    content[-1] ^= 1
    (tmp_path / "net").write_bytes(content)
    with pytest.raises(InputError, match="checksum does not match"):
        load_supernet(tmp_path / "net")
