"""Folders as people have them. What files hold does not matter here, so they are empty."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archloom.data.images.layout import is_litter, labelled_layout, part_named, unlabelled_layout
from archloom.errors import InputError


def plant(root: Path, *names: str) -> Path:
    """Empty files; a name that ends in a slash is an empty folder."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def two(part: str) -> list[str]:
    """A part with two classes."""
    return [f"{part}/a/1.png", f"{part}/b/1.png"]


def shown(root: Path, found: dict[str, dict[str, list[Path]]]) -> dict[str, dict[str, list[str]]]:
    return {
        part: {name: [str(file.relative_to(root)) for file in files] for name, files in classes.items()}
        for part, classes in found.items()
    }


@pytest.mark.parametrize(
    ("train", "valid", "test"),
    [
        ("train", "valid", "test"),
        ("Train", "Val", "Test"),
        ("TRAIN", "VALIDATION", "TEST"),
        ("training", "validation", "testing"),
        ("training_set", "dev", "eval"),
        ("Training Data", "dev-set", "test_images"),
        ("trainset", "valset", "evaluation"),
        ("train_images", "development", "hold-out"),
        ("train.split", "valid_data", "tst"),
    ],
)
def test_the_usual_names_of_parts_in_any_case(train: str, valid: str, test: str, tmp_path: Path) -> None:
    plant(tmp_path, *two(train), *two(valid), *two(test), f"{test}/a/0.jpg")
    found = labelled_layout(tmp_path)
    assert found.classes == ("a", "b")
    assert shown(tmp_path, found.parts) == {
        "train": {"a": [f"{train}/a/1.png"], "b": [f"{train}/b/1.png"]},
        "valid": {"a": [f"{valid}/a/1.png"], "b": [f"{valid}/b/1.png"]},
        "test": {"a": [f"{test}/a/0.jpg", f"{test}/a/1.png"], "b": [f"{test}/b/1.png"]},
    }
    flat = unlabelled_layout(tmp_path)
    assert [len(files) for classes in flat.parts.values() for files in classes.values()] == [2, 2, 3]


def test_names_that_are_no_parts() -> None:
    for name in ("trains", "trainer", "set", "data", "images", "tests", "values", "evaluate me", "deviant", "attest"):
        assert part_named(name) is None, name


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (two("train"), {"train": ["a", "b"]}),
        ([*two("train"), "readme.txt", "train/labels.csv"], {"train": ["a", "b"]}),
        ([*two("train"), "annotations/1.xml", "docs/"], {"train": ["a", "b"]}),
        (["bus/1.png", "car/1.png", "train/1.png"], {"train": ["bus", "car", "train"]}),
        (["Train/1.png", "bus/1.png"], {"train": ["Train", "bus"]}),
        (["a/images/1.png", "b/images/1.png", "b/boxes.txt"], {"train": ["a", "b"]}),
        (["1/1.png", "10/1.png", "2/1.png"], {"train": ["1", "10", "2"]}),
        (["a/1.JPG", "b/1.jfif", "c/1.Tif"], {"train": ["a", "b", "c"]}),
    ],
)
def test_other_layouts_with_one_meaning(names: list[str], parts: dict[str, list[str]], tmp_path: Path) -> None:
    plant(tmp_path, *names)
    found = labelled_layout(tmp_path)
    assert {part: list(classes) for part, classes in found.parts.items()} == parts
    assert all(len(files) == 1 for classes in found.parts.values() for files in classes.values())


LITTER = [
    ".DS_Store", "._1.jpg", ".ipynb_checkpoints/1-checkpoint.png", "__MACOSX/._1.png", "__MACOSX/1.png", "Thumbs.db",
    "desktop.ini", "@eaDir/1.png", ".git/1.png", "$RECYCLE.BIN/1.png", ".hidden.png", "lost+found/",
]  # fmt: skip


@pytest.mark.parametrize("litter", LITTER)
def test_what_systems_leave_never_counts_anywhere(litter: str, tmp_path: Path) -> None:
    plant(tmp_path, *two("train"), *two("val"))
    plant(tmp_path, *(f"{place}{litter}" for place in ("", "train/", "train/a/", "val/b/")))
    for found in (labelled_layout(tmp_path), unlabelled_layout(tmp_path)):
        assert sum(len(files) for classes in found.parts.values() for files in classes.values()) == 4
        assert found.remarks == ()
    assert is_litter(Path(litter).parts[0])


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([*two("val"), *two("test")], "val|test.*nothing to train on; expected a folder train"),
        ([*two("Test")], "Test and nothing to train on"),
        ([*two("train"), *two("training")], "train, training both mean the train part"),
        ([*two("train"), *two("val"), *two("dev")], "dev, val both mean the valid part"),
        ([*two("train"), *two("Train")], "Train, train both mean the train part"),
        ([*two("train"), *two("cats")], "train is the name of a part of a set, and cats is not"),
        ([*two("train"), *two("test"), "extra/1.png"], "test, train are names of parts of a set, and extra is not"),
        (["cat/1.png", "dog/1.png", "test/1.png"], "test is the name of a part"),
        (["cat/1.png", "test/1.png", "train/1.png"], "test, train are names of parts"),
        ([*two("train"), "test/a/1.png", "test/c/1.png"], "class 'b' is not in every part|class 'c'"),
        ([*two("train"), "test/a/1.png", "test/B/1.png"], "class 'B' is 'b' in another part"),
        ([*two("train"), "test/1.png"], "test: 1 images and no sub-folders"),
        (["train/1.png", "test/1.png"], "train: 1 images and no sub-folders"),
        ([*two("train"), "test/"], "test: 0 sub-folders; expected at least 2"),
        ([*two("train"), "1.png"], "1.png: beside the folders train"),
        ([*two("train"), "train/1.png"], "1.png: beside the folders a, b"),
        (["a/1.png", "b/1.png", "1.png"], "1.png: beside the folders a, b; .* move it"),
        (["1.png", "2.png"], "2 images and no sub-folders; .*gan:FOLDER"),
        ([], "0 sub-folders; expected at least 2"),
        (["a/1.png"], r"1 sub-folders \(a\); expected at least 2"),
        (["set/a/1.png", "set/b/1.png"], r"1 sub-folders \(set\);.* if .*/set is the set, name that"),
        (["set/train/a/1.png", "set/train/b/1.png", "set/test/x"], "if .*/set is the set, name that"),
        (["a/1.png", "b/"], "b: no image files; expected some of .apng"),
        (["a/1.png", "b/1.txt", "b/2.npy"], r"b: no image files \(but 2 other files \(.npy, .txt\)\)"),
        (["a/1.png", "A/1.png", "b/1.png"], "classes 'A' and 'a'; expected one folder for one class"),
        (["caf\u00e9/1.png", "cafe\u0301/1.png"], "expected one folder for one class"),
        (["a/1.png", "a /1.png"], "classes 'a' and 'a '"),
        (["x/a/1.png", "x/b/1.png", "y/c/1.png", "y/d/1.png"], r"x: folders with images \(a, b\) in the folder of a"),
        (["a/1.png", "a/more/2.png", "b/1.png"], r"a: 1 images and folders with images \(more\)"),
        (["cat/train/1.png", "cat/test/1.png", "dog/train/1.png"], r"cat: folders with images \(test, train\)"),
        (["a/1.png", "b/1.heic"], "1.heic: .heic files are not read; convert"),
        (["a/1.png", "b/" + "/".join("c" * 40) + "/1.png"], "more than 32 folders deep"),
    ],
)
def test_what_could_mean_two_things_is_refused_and_named(names: list[str], says: str, tmp_path: Path) -> None:
    plant(tmp_path, *names)
    with pytest.raises(InputError, match=says) as caught:
        labelled_layout(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["2.png", "1.jpg", "notes.txt"], [2]),
        (["a/1.png"], [1]),
        (["a/1.png", "b/1.png", "1.png", "a/deep/er/1.png"], [4]),
        (["train/1.png", "train/2.png", "Val/1.png", "test/1.png"], [2, 1, 1]),
        (["train/1.png", "bus/1.png"], [2]),
    ],
)
def test_without_classes_every_image_counts(names: list[str], count: list[int], tmp_path: Path) -> None:
    plant(tmp_path, *names)
    found = unlabelled_layout(tmp_path)
    assert [len(files) for classes in found.parts.values() for files in classes.values()] == count
    files = list(found.parts["train"][""])
    assert files == sorted(files)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "no image files to train on"),
        (["a/x.txt"], r"no image files \(but 1 other file \(.txt\)\)"),
        (["test/1.png"], "nothing to train on"),
        (["train/1.png", "test/"], "no image files to test"),
        (["train/1.png", "test/1.png", "more/1.png"], "are names of parts"),
    ],
)
def test_what_is_refused_without_classes(names: list[str], says: str, tmp_path: Path) -> None:
    plant(tmp_path, *names)
    with pytest.raises(InputError, match=says):
        unlabelled_layout(tmp_path)


def test_what_is_not_read_is_counted(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.png", "a/1.xml", "b/1.png", "b/2.xml", "notes.txt", "b/unnamed")
    assert labelled_layout(tmp_path).remarks == ("not read: 4 other files (.txt, .xml, without suffix)",)


def test_links_are_followed(tmp_path: Path) -> None:
    kept = plant(tmp_path / "kept", "a/1.png", "a/2.png", "3.png")
    root = plant(tmp_path / "set", "b/1.png")
    (root / "a").symlink_to(kept / "a")
    (root / "b" / "3.png").symlink_to(os.path.relpath(kept / "3.png", root / "b"))
    (tmp_path / "link").symlink_to(root)
    for path in (root, tmp_path / "link"):
        found = labelled_layout(path).parts["train"]
        assert {name: [file.name for file in files] for name, files in found.items()} == {
            "a": ["1.png", "2.png"],
            "b": ["1.png", "3.png"],
        }


@pytest.mark.parametrize(
    ("name", "target", "says"),
    [
        ("a/up", "..", "a link to .*, in which it lies; remove it"),
        ("c", ".", "a link to .*, in which it lies"),
        ("a/gone.png", "nowhere.png", "a link to nowhere.png, which is not there"),
        ("c", "nowhere", "a link to nowhere, which is not there"),
        ("a/self.png", "self.png", "which is not there|cannot be read"),
        ("a/pipe.png", None, "not a regular file"),
    ],
)
def test_links_in_circles_and_to_nowhere_are_named(name: str, target: str | None, says: str, tmp_path: Path) -> None:
    plant(tmp_path, "a/1.png", "b/1.png")
    if target is None:
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to(target)
    with pytest.raises(InputError, match=says) as caught:
        labelled_layout(tmp_path)
    assert str(tmp_path / name) in str(caught.value)
