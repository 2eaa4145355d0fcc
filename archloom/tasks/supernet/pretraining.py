"""How a supernet is made: trained along random paths, or with all operations at once, before anything is searched.

It survives kills: after an epoch, its state stands beside the file that it is to become, and whoever asks for the same
supernet again goes on from there.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archloom.checkpoints.state_file import read_state, save_state
from archloom.data.progress import Progress
from archloom.errors import InputError, TrainingError
from archloom.nets.supernets.base import Path as NetworkPath
from archloom.spaces.base import SearchSpace, sample_valid
from archloom.tasks.network import DivergedError
from archloom.tasks.supernet.file import SupernetCard, save_supernet
from archloom.tasks.supernet.shared import SharedNetwork
from archloom.tasks.training import epoch_streams
from archloom.utils import seeds
from archloom.utils.text import about

Notify = Callable[[str], None]

SAVE_EVERY_S = 10.0
"""The state is kept after the first epoch that ends so long after the last time."""

TIMED = 10
"""Batches after which it is known how long all will take; the first one is not counted."""

Draw = Callable[[SearchSpace, np.random.Generator], NetworkPath | None]


def _random_path(space: Any, rng: np.random.Generator) -> NetworkPath:
    path: NetworkPath = space.path(sample_valid(space, rng))
    return path


SAMPLING: Mapping[str, Draw] = {"paths": _random_path, "all": lambda space, rng: None}
"""What a mini-batch trains."""


class Pretraining:
    """The making of the supernet that `card` describes, but for its results, in the file `path`."""

    def __init__(self, shared: SharedNetwork, card: SupernetCard, path: Path) -> None:
        self.shared, self.card, self.path = shared, card, path
        self.options = shared.options
        self._draw = SAMPLING[self.options.sampling]
        try:
            shared.network.select(self._draw(shared.space, np.random.default_rng(0)))  # type: ignore[arg-type]
        except ValueError as error:
            raise InputError(f"task option sampling={self.options.sampling}: {error}; use sampling=paths") from None
        self.batches = len(shared.train.labels) // self.options.batch_size
        if self.batches < 1:
            raise InputError(
                f"task option batch_size={self.options.batch_size}: there are {len(shared.train.labels)} images to "
                f"train on; expected 2 to {len(shared.train.labels)}"
            )

    @property
    def partial(self) -> Path:
        """Where the state stands until it is complete."""
        return self.path.with_name(f"{self.path.name}.part")

    def run(self, notify: Notify | None = None, progress: Progress | None = None) -> None:
        """Train to the end and write the file. `progress` gets batches done, and all.

        InputError for a state at `partial` that is not of this supernet; TrainingError after the first epoch that
        leaves a weight that is not finite; StoreError if the file system refuses.
        """
        say, total = notify or (lambda line: None), self.batches * self.options.epochs
        done = self._taken_up()
        if done:
            say(f"going on after epoch {done} of {self.options.epochs}")
        kept_at = started = time.monotonic()
        for epoch in range(done, self.options.epochs):
            for batch in self._epoch(epoch):
                if epoch == done and batch == 0:
                    started = time.monotonic()  # the first batch takes longer than others
                if epoch == done and batch == min(TIMED, self.batches - 1) and batch:
                    say(f"training a supernet takes {about((time.monotonic() - started) / batch * total)} in all")
                if progress is not None:
                    progress(epoch * self.batches + batch + 1, total)
            self._check_finite(epoch)
            if epoch + 1 < self.options.epochs and time.monotonic() - kept_at > SAVE_EVERY_S:
                self._keep(epoch + 1)
                kept_at = time.monotonic()
        save_supernet(self.path, self.shared.state(), replace(self.card, one_shot=self.one_shot()))
        self.partial.unlink(missing_ok=True)

    def one_shot(self) -> Mapping[str, float] | None:
        """What all operations at once come to on the validation images; None if the space has no such network."""
        try:
            found = self.shared.measure(None)
        except (ValueError, DivergedError):
            return None
        return {"valid_accuracy": found.accuracy, "valid_loss": found.loss}

    def _epoch(self, epoch: int) -> Any:
        """Train for one epoch; yields the number of each batch when it is done."""
        shared, options = self.shared, self.options
        paths = seeds.stream(options.seed, "supernet", epoch)
        shared.network.train()
        with epoch_streams(options.seed, epoch, shared.device) as streams:
            order = torch.randperm(len(shared.train.labels), generator=streams.order).to(shared.device)
            for batch in range(self.batches):
                images, labels = shared.train.batch(order[batch * options.batch_size :][: options.batch_size])
                images = shared.changed(images, streams.augment)
                path = self._draw(shared.space, paths)  # type: ignore[arg-type]
                shared.step(path, images, labels, self._rate(epoch + batch / self.batches))
                yield batch

    def _rate(self, epochs: float) -> float:
        """A cosine from `lr` to `final_lr` (Loshchilov & Hutter 2017, equation 5, without restarts)."""
        o = self.options
        return o.final_lr + (o.lr - o.final_lr) * 0.5 * (1.0 + math.cos(math.pi * epochs / o.epochs))

    def _check_finite(self, epoch: int) -> None:
        parameters = dict(self.shared.network.named_parameters())
        finite = torch.stack([parameter.detach().isfinite().all() for parameter in parameters.values()]).tolist()
        for name, is_finite in zip(parameters, finite, strict=True):
            if not is_finite:
                raise TrainingError(
                    f"the supernet's {name} is not finite after epoch {epoch + 1}: lower lr, or clip gradients"
                )

    def _keep(self, epochs: int) -> None:
        card = asdict(replace(self.card, epochs=epochs))
        save_state(self.partial, self.shared.state({"card": card}))

    def _taken_up(self) -> int:
        """After how many epochs it goes on; 0 if nothing was kept.

        InputError for a file that is there and is not of this supernet: it may be somebody's, or hours of training.
        """
        if not os.path.lexists(self.partial):
            return 0
        try:
            state = read_state(self.partial).state
            card = dict(state.rest["card"])
            epochs = int(card.pop("epochs"))
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(
                f"{self.partial}: not the state of a supernet whose training goes on, or damaged; remove it, or name "
                "another file"
            ) from None
        expected = asdict(self.card)
        expected.pop("epochs")
        if card != expected or not 0 < epochs < self.options.epochs:
            raise InputError(
                f"{self.partial} is of a supernet with other settings, or of another version of archloom: give the "
                "same settings to go on, remove it, or name another file"
            )
        self.shared.load(state)
        return epochs
