from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from archloom.data.images.labelled import ImageData
from archloom.errors import InputError, TrainingError
from archloom.spaces.nb201 import Nb201
from archloom.tasks.supernet import pretraining
from archloom.tasks.supernet.file import SupernetCard, load_supernet
from archloom.tasks.supernet.options import FrozenOptions, as_plain
from archloom.tasks.supernet.pretraining import Pretraining
from archloom.tasks.supernet.shared import NETWORK, SharedNetwork

Make = Callable[..., Pretraining]


@pytest.fixture
def make(images: ImageData, space: Nb201) -> Make:
    def made(path: Path, **settings: object) -> Pretraining:
        options = FrozenOptions(**{"batch_size": 16, "epochs": 3, **settings})
        sizes = {"channels": 2, "cells": 1}
        card = SupernetCard(
            "nb201", sizes, as_plain(options), "bars", images.sha256, options.epochs, None, "1"
        )  # fmt: skip
        return Pretraining(SharedNetwork(space, images, options), card, path)

    return made


def test_all_at_once_learn(make: Make, tmp_path: Path) -> None:
    trained = make(tmp_path / "net.safetensors", sampling="all", epochs=20, lr=0.1)
    trained.run()
    found = load_supernet(tmp_path / "net.safetensors")
    assert found.card.one_shot is not None
    assert found.card.one_shot["valid_accuracy"] > 60  # chance is a third


def test_random_paths_train_every_path(make: Make, images: ImageData, space: Nb201, tmp_path: Path) -> None:
    make(tmp_path / "net.safetensors", epochs=20, lr=0.1).run()
    shared = SharedNetwork(space, images, FrozenOptions(batch_size=16))
    shared.load(load_supernet(tmp_path / "net.safetensors").state)
    rng = np.random.default_rng(0)
    connected = [path for path in (space.path(space.sample(rng)) for _ in range(30)) if "none" not in path]
    assert np.mean([shared.measure(path).accuracy for path in connected]) > 60


class Stop(Exception):
    pass


def test_what_was_killed_goes_on_and_ends_the_same(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "SAVE_EVERY_S", 0.0)
    make(tmp_path / "whole.safetensors", augment=("flip",)).run()

    def stop(done: int, total: int | None) -> None:
        if done in (8, 13):
            raise Stop

    killed = tmp_path / "killed.safetensors"
    said: list[str] = []
    for _ in range(2):
        with pytest.raises(Stop):
            make(killed, augment=("flip",)).run(said.append, stop)
        assert not killed.exists()
    make(killed, augment=("flip",)).run(said.append)
    whole, found = load_supernet(tmp_path / "whole.safetensors"), load_supernet(killed)
    assert found.sha256 == whole.sha256
    assert "going on after epoch 1 of 3" in said
    assert [path.name for path in tmp_path.iterdir() if "killed" in path.name] == ["killed.safetensors"]


def test_a_state_of_other_options_is_refused(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "SAVE_EVERY_S", 0.0)

    def stop(done: int, total: int | None) -> None:
        if done == 8:
            raise Stop

    path = tmp_path / "net.safetensors"
    with pytest.raises(Stop):
        make(path).run(progress=stop)
    kept = make(path).partial.read_bytes()
    with pytest.raises(InputError, match=r"net.safetensors.part is of a supernet with other settings"):
        make(path, lr=0.05).run()
    assert [each.name for each in tmp_path.iterdir()] == ["net.safetensors.part"]
    assert make(path).partial.read_bytes() == kept


def test_what_is_no_state_is_refused(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    make(path).partial.write_text("somebody's own")
    with pytest.raises(InputError, match=r"net.safetensors.part: not the state of a supernet"):
        make(path).run()
    assert make(path).partial.read_text() == "somebody's own"


def test_its_seed_decides(make: Make, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make(tmp_path / name, seed=seed, epochs=1).run()
    a, b, c = (load_supernet(tmp_path / name) for name in "abc")
    assert a.sha256 == b.sha256
    first = next(iter(a.state.networks[NETWORK]))
    assert not torch.equal(a.state.networks[NETWORK][first], c.state.networks[NETWORK][first])


def test_divergence_is_an_error_and_writes_nothing(make: Make, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is not finite after epoch 1"):
        make(tmp_path / "net", lr=1e30, clip=0.0).run()
    assert not list(tmp_path.iterdir())


def test_more_images_in_a_batch_than_there_are(make: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batch_size=1000: there are"):
        make(tmp_path / "net", batch_size=1000)


def test_how_long_it_takes_is_said(make: Make, tmp_path: Path) -> None:
    said: list[str] = []
    counted: list[tuple[int, int | None]] = []
    make(tmp_path / "net", epochs=2).run(said.append, lambda done, total: counted.append((done, total)))
    assert any("training a supernet takes about" in line for line in said)
    assert counted[0] == (1, len(counted))
    assert counted[-1] == (len(counted), len(counted))
