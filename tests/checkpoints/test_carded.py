"""What agents' and supernets' files have in common; see also their own tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="states need the extra train")
pytest.importorskip("safetensors", reason="states need the extra train")

from archloom.checkpoints.carded import CardedKind  # noqa: E402 - it needs PyTorch
from archloom.errors import InputError  # noqa: E402


@dataclass(frozen=True)
class Card:
    size: int
    format: int = 2


KIND = CardedKind("a", "critic", "q", "card", Card, 2, "train_critic", "train_critic makes one", again="train another")


def made(card: Card, tensors: Any, digest: str) -> tuple[Card, Any, str]:
    if card.size != len(tensors["w"]):
        raise ValueError(f"its card says {card.size} weights")
    return card, tensors["w"], digest


def test_weights_card_and_digest_come_back(tmp_path: Path) -> None:
    KIND.save(tmp_path / "f", {"w": torch.arange(3.0)}, Card(3))
    card, weights, digest = KIND.load(tmp_path / "f", made)
    assert (card, weights.tolist(), len(digest)) == (Card(3), [0.0, 1.0, 2.0], 64)


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with pytest.raises(InputError, match=r"critic .*f: there is no such file; train_critic makes one"):
        KIND.load(path, made)
    KIND.save(path, {"w": torch.zeros(3)}, Card(4))
    with pytest.raises(InputError, match=r"its card says 4 weights; expected a file that train_critic wrote: copy it "):
        KIND.load(path, made)
    KIND.save(path, {"w": torch.zeros(3)}, Card(3, format=3))
    with pytest.raises(InputError, match="it has format 3, and this archloom reads up to 2: update archloom"):
        KIND.load(path, made)
    replace(KIND, key="other").save(path, {"w": torch.zeros(3)}, Card(3))
    with pytest.raises(InputError, match="it holds the state of a training, not a critic"):
        KIND.load(path, made)
