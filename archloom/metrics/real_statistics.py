"""Statistics of real images, computed once: they are kept in the cache under what they depend on.

With 50,000 images and the Inception network they take an hour on a CPU, and every worker of a run and every command
that measures a generator needs them.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from archloom.checkpoints.state import TrainingState
from archloom.checkpoints.state_file import read_state, save_state
from archloom.data.cache import CACHE_VARIABLE, cache_dir
from archloom.errors import MissingExtraError, Notice, StoreError
from archloom.metrics.frechet import BATCH, Extractor, Gaussian, gaussian
from archloom.utils import json_text
from archloom.utils.files import TEMPORARY
from archloom.utils.text import about, one_line

VERSION = 1
"""Of what is computed: of the extractors that come with archloom, and of the statistics of features. A change of either
that changes numbers changes this, too."""

FOLDER = "statistics"
"""Where the files are, in the cache."""

LEAST_S = 1.0
"""Statistics that take less are computed whenever they are needed."""

LONG_S = 5.0
"""What takes so many seconds more, after as many, is worth a word."""

SHOWN = 8
"""So many images are described again to see that kept statistics are still those that the extractor would give."""

TOLERANCE = 1e-3
"""How far their features may be from those kept, as a share of the largest: processors round differently."""


@dataclass(frozen=True)
class RealImages:
    """Images (n, c, h, w) of bytes, on the extractor's device, and the SHA-256 by which they are known."""

    name: str
    images: Tensor
    sha256: str


def real_statistics(
    extractor: Extractor, real: RealImages, environ: Mapping[str, str], least_s: float = LEAST_S
) -> Gaussian:
    """The distribution of an extractor's features of real images: from the cache, else computed, and kept there.

    The cache is the one that `environ` names. Processes that need the same statistics at the same time compute them
    once. The key is the SHA-256 of the images, of the extractor's code and parameters, and the kind of device; an
    extractor that depends on anything else is found out by the features of a few images. What is damaged or no longer
    right is computed again, and what cannot be kept is computed all the same, both with a warning. Nothing is kept
    that takes less than `least_s` seconds, or is of an extractor whose code is not known.
    """
    started = time.perf_counter()
    shown = extractor.features(real.images[:SHOWN].float()).cpu()
    gaussian([shown])  # which takes its time, too, if there are many features
    expected = (time.perf_counter() - started) * len(real.images) / len(shown)
    key = None if expected < least_s else _key(extractor, real)
    if key is None:
        return _described(extractor, real)
    kept = _Kept(cache_dir(environ) / FOLDER / f"{key}.safetensors", key, shown)
    found, _ = kept.read()
    if found is not None:
        return found
    with ExitStack() as held:
        try:
            held.enter_context(kept.alone())
        except (OSError, NotImplementedError) as error:
            _warn_unkept(kept.path, error)
            return _described(extractor, real)
        found, wrong = kept.read()  # another process may have computed it while this one waited
        if found is None:
            if wrong is not None:
                warnings.warn(f"{kept.path} is {one_line(wrong, 200)}: computed again", stacklevel=2)
            found = _described(extractor, real)
            kept.write(found, {"images": one_line(real.name), "extractor": extractor.name})
        return found


def keepable(extractor: Extractor, environ: Mapping[str, str]) -> bool:
    """Whether statistics of this extractor, once computed, are there for other processes."""
    folder = cache_dir(environ) / FOLDER
    place = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    return extractor.code is not None and place.is_dir() and os.access(place, os.W_OK)


def _described(extractor: Extractor, real: RealImages) -> Gaussian:
    """Computed, with a word of how long it takes if it takes long."""

    def batches() -> Iterator[Tensor]:
        started, said = time.monotonic(), False
        for number, batch in enumerate(torch.split(real.images, BATCH)):
            spent, done = time.monotonic() - started, number * BATCH
            left = spent * (len(real.images) / done - 1) if done else 0.0
            if not said and min(spent, left) > LONG_S:
                warnings.warn(
                    f"describing the {len(real.images):,} real images of {one_line(real.name)} with {extractor.name}, "
                    f"which generated ones are compared with: {about(left)} more",
                    Notice,
                    stacklevel=2,
                )
                said = True
            yield batch.float()

    return extractor.describe(batches())


def _warn_unkept(path: Path, error: BaseException) -> None:
    warnings.warn(
        f"{path}: statistics of real images cannot be kept there ({_reason(error)}), so every process computes its "
        f"own; set {CACHE_VARIABLE} to a writable folder",
        stacklevel=3,
    )


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


# -- what is kept -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kept:
    """The file of some statistics. `shown` (n, d) are an extractor's features of a few images, as they are now."""

    path: Path
    key: str
    shown: Tensor

    def read(self) -> tuple[Gaussian | None, str | None]:
        """What it holds if that is what would be computed now; else what is wrong with it, if there is a file."""
        try:
            state, owner = read_state(self.path)
            arrays = state.arrays
            mean, covariance, shown = arrays["mean"], arrays["covariance"], arrays["shown"]
        except (FileNotFoundError, NotADirectoryError, MissingExtraError):
            return None, None
        except (OSError, ValueError, KeyError) as error:
            return None, f"damaged ({_reason(error)})"
        width = self.shown.shape[1]
        if owner != self.key or (mean.shape, covariance.shape) != ((width,), (width, width)):
            return None, "of other images, or of another extractor"
        if not self._are_still(shown):
            return None, "of an extractor that depends on more than its file and its parameters, and is another now"
        return Gaussian(mean, covariance), None

    def _are_still(self, features: Tensor) -> bool:
        if features.shape != self.shown.shape or features.dtype != self.shown.dtype:
            return False
        return torch.allclose(features, self.shown, rtol=0.0, atol=TOLERANCE * float(features.abs().max()))

    def write(self, found: Gaussian, about_it: dict[str, str]) -> None:
        """Keep them if they are finite; a warning if that fails."""
        if not bool(found.mean.isfinite().all() & found.covariance.isfinite().all()):
            return
        arrays = {"mean": found.mean, "covariance": found.covariance, "shown": self.shown}
        try:
            save_state(self.path, TrainingState({}, arrays=arrays, rest=about_it), owner=self.key)
        except StoreError as error:
            _warn_unkept(self.path, error.__cause__ or error)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While no other process computes the same; OSError or NotImplementedError if the file system has no locks."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            for left in self.path.parent.glob(TEMPORARY):
                if left.name.startswith(f".{self.path.name}."):
                    left.unlink(missing_ok=True)  # left by a process that was killed
            yield


def _key(extractor: Extractor, real: RealImages) -> str | None:
    """What the statistics depend on, as a SHA-256; None if that is not known."""
    if extractor.code is None:
        return None
    about_it = [VERSION, real.sha256, list(real.images.shape), extractor.name, extractor.code, real.images.device.type]
    digest = hashlib.sha256(json_text.dumps(about_it).encode())
    for name, tensor in sorted(extractor.network.state_dict().items()):
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.is_quantized:
            return None
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
