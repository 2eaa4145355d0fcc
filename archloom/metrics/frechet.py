"""How far generated images are from real ones: the Fréchet distance of their features (Heusel et al. 2017).

With the features of one particular Inception network this is the FID. With others it is a different number, which must
not be compared with an FID: so every metric is named after its extractor. The same holds for the Inception Score, which
exists if the extractor also classifies.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archloom.data.download import pretrained
from archloom.errors import InputError, unknown
from archloom.metrics import efficientnet_lite0
from archloom.metrics.efficientnet_lite0 import EfficientNetLite0
from archloom.metrics.inception import load_inception
from archloom.metrics.inception_score import inception_score
from archloom.utils.user_files import sha256_of

BATCH = 250
"""How many images go through an extractor at once."""

# -- the distance -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gaussian:
    """Mean (d,) and covariance (d, d) of features, in double precision."""

    mean: Tensor
    covariance: Tensor

    @cached_property
    def root(self) -> Tensor:
        """The symmetric square root of the covariance."""
        values, vectors = torch.linalg.eigh(self.covariance)
        root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        return root


def gaussian(batches: Iterable[Tensor]) -> Gaussian:
    """Mean and unbiased covariance of the rows of all batches (n, d), which are in memory one at a time.

    Batch by batch (Chan et al. 1983), in double precision. InputError for fewer than two rows.
    """
    count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    for batch in batches:
        rows = batch.to(torch.float64)
        own = rows.mean(dim=0)
        centred, step = rows - own, own - mean
        weight = count * len(rows) / (count + len(rows))
        scatter = scatter + centred.T @ centred + weight * torch.outer(step, step)
        count += len(rows)
        mean = mean + step * (len(rows) / count)
    if count < 2:
        raise InputError(f"{count} images to compare: expected at least 2, a covariance needs them")
    return Gaussian(mean, scatter / (count - 1))


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), at least 0; NaN if a mean or covariance is not finite.

    Dowson & Landau 1982. The product is symmetric, so its root's trace is the sum of the roots of its eigenvalues:
    unlike a root of C1 C2 this is stable even with fewer images than features.
    """
    parts = (one.mean, one.covariance, other.mean, other.covariance)
    if not all(bool(part.isfinite().all()) for part in parts):
        return float("nan")
    product = one.root @ other.covariance @ one.root
    roots = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    squared = (one.mean - other.mean).square().sum()
    distance = squared + one.covariance.trace() + other.covariance.trace() - 2 * roots
    return max(0.0, float(distance))


# -- features -----------------------------------------------------------------------------------------------------


class Pixels(nn.Module):
    """The pixel values themselves, from 0 to 1: for tiny images and for tests."""

    def forward(self, images: Tensor) -> Tensor:  # (B, c, h, w) -> (B, c * h * w)
        return images.flatten(1) / 255


class Described(nn.Module):
    """Features of EfficientNet-Lite0, for images resized to `SIDE` x `SIDE` pixels, grey ones as RGB."""

    SIDE = 64

    def __init__(self, network: EfficientNetLite0) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast

    def forward(self, images: Tensor) -> Tensor:  # (B, 1 or 3, h, w) -> (B, 1280)
        side = (self.SIDE, self.SIDE)
        x = F.interpolate(images, side, mode="bilinear", align_corners=False, antialias=True)
        x = (x.expand(-1, 3, -1, -1) - 127) / 128
        out: Tensor = self.network(x.contiguous(memory_format=torch.channels_last))
        return out


class Metrics(NamedTuple):
    """The names of an extractor's metrics."""

    distance: str
    score: str

    @classmethod
    def of(cls, name: str) -> Metrics:
        """Names that cannot be mistaken for the published metrics."""
        return cls(f"frechet_{name}", f"inception_score_{name}")


class Supplied(NamedTuple):
    """How an extractor is opened, given the environment variables, and the names of its metrics."""

    open: Callable[[Mapping[str, str]], nn.Module]
    metrics: Metrics


def _lite0(environ: Mapping[str, str]) -> nn.Module:
    return Described(efficientnet_lite0.pretrained())


def _inception(environ: Mapping[str, str]) -> nn.Module:
    return load_inception(pretrained.locate("inception", environ))


def _pixels(environ: Mapping[str, str]) -> nn.Module:
    return Pixels()


EXTRACTORS: Mapping[str, Supplied] = {
    "efficientnet_lite0": Supplied(_lite0, Metrics.of("efficientnet_lite0")),
    "inception": Supplied(_inception, Metrics("fid", "inception_score")),
    "pixels": Supplied(_pixels, Metrics.of("pixels")),
}
"""Networks of images (B, c, h, w), with values from 0 to 255, to features (B, d). Only one of them makes an FID."""


@runtime_checkable
class Classifier(Protocol):
    """A network whose features can also be classified."""

    def logits(self, features: Tensor) -> Tensor:
        """(B, d) to (B, classes)."""
        ...


@dataclass(frozen=True)
class Extractor:
    """A network of images (B, c, h, w), with values from 0 to 255, to features (B, d), and the names of its metrics.

    `metrics.score` is measured if the network is a `Classifier`. `code` identifies the code of the network: its name
    if it comes with archloom, the SHA-256 of a user's file; None if it is not known.
    """

    name: str
    network: nn.Module
    metrics: Metrics
    code: str | None = None

    @property
    def scores(self) -> tuple[str, ...]:
        """The names of the Inception Score and its deviation; () if there are no classes."""
        if not isinstance(self.network, Classifier):
            return ()
        return self.metrics.score, f"{self.metrics.score}_std"

    def describe(self, batches: Iterable[Tensor]) -> Gaussian:
        """The distribution of the features of batches of images, computed on the CPU."""
        return gaussian(self.features(images).cpu() for images in batches)

    def measure(self, real: Gaussian, batches: Iterable[Tensor]) -> dict[str, float]:
        """All metrics of generated images, in one pass over them, against the features of real ones.

        NaN if an image, a feature or a logit is not finite.
        """
        logits: list[Tensor] = []

        def seen() -> Iterator[Tensor]:
            for features in map(self.features, batches):
                if isinstance(self.network, Classifier):
                    logits.append(self.network.logits(features).cpu())
                yield features.cpu()

        distance = frechet_distance(real, gaussian(seen()))
        scores = inception_score(torch.cat(logits)) if logits else ()
        return {self.metrics.distance: distance, **dict(zip(self.scores, scores, strict=True))}

    def features(self, images: Tensor) -> Tensor:
        """(B, d) of a batch; InputError if the network gives anything else."""
        with torch.no_grad():
            features = self.network(images)
        if not isinstance(features, Tensor) or features.shape[:1] != images.shape[:1] or features.dim() != 2:
            what = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise InputError(
                f"extractor {self.name!r} makes {what} of images {tuple(images.shape)}: expected features (images, d)"
            )
        return features


def open_extractor(name: str, device: torch.device, environ: Mapping[str, str] | None = None) -> Extractor:
    """The extractor with this name: one of `EXTRACTORS`, or `module:function` for the result of a user's function.

    The function takes no arguments and returns a PyTorch module (see `Extractor`); its name is the extractor's.
    `environ` are the environment variables that say where published weights are, by default those of the process.
    InputError if the extractor cannot be opened.
    """
    module, colon, function = name.partition(":")
    if colon:
        (network, code), metrics = _from_user(module, function), Metrics.of(function)
    elif name in EXTRACTORS:
        supplied = EXTRACTORS[name]
        network, metrics, code = supplied.open(os.environ if environ is None else environ), supplied.metrics, name
    else:
        raise unknown("extractor", name, [*EXTRACTORS, "module:function"])
    return Extractor(function or name, network.to(device).eval().requires_grad_(False), metrics, code)


def _from_user(module: str, function: str) -> tuple[nn.Module, str | None]:
    """The network that a function makes, and the SHA-256 of the function's file, if it has one."""
    given = f"task option extractor={module}:{function}"
    try:
        home = importlib.import_module(module)
        found = getattr(home, function)()
    except Exception as error:  # anything that a user's code raises is bad input
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{given}: {reason}; expected a function in an importable module (PYTHONPATH=. for this folder)"
        ) from error
    if not isinstance(found, nn.Module):
        raise InputError(f"{given} returned a {type(found).__name__}: expected a PyTorch module")
    try:
        return found, sha256_of(Path(home.__file__ or ""))
    except (AttributeError, OSError):  # made in memory, or in an archive
        return found, None
