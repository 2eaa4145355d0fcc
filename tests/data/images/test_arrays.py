"""Files of arrays as people have them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from archloom.data.images.arrays import read_npz
from archloom.data.images.files import read_images
from archloom.errors import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
COLOURED = RNG.integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
SOME = {"images": GREY, "labels": [0, 1, 0, 1, 1]}


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, images=GREY, labels=[0, 1, 2, 0, 1], test_images=GREY[:2], test_labels=[2, 2])
    found = read_images(path)
    assert found.classes == ("0", "1", "2")
    assert found.train.images.shape == (5, 1, 28, 28)
    assert found.test is not None
    assert found.test.labels.tolist() == [2, 2]
    np.savez_compressed(path, images=COLOURED, labels=np.array([0, 1, 0, 1], np.uint64), classes=["ant", "bee"])
    found = read_images(path)
    assert found.classes == ("ant", "bee")
    assert np.array_equal(found.train.images, COLOURED)
    np.savez(path, images=np.asfortranarray(COLOURED), labels=[0, 1, 0, 1], classes=np.array([b"a", b"b"]), ids=[1])
    found = read_images(path)
    assert np.array_equal(found.train.images, COLOURED)
    assert (found.classes, found.remarks) == (("a", "b"), ("not read: arrays ids",))


def test_what_it_is_does_not_depend_on_the_name(tmp_path: Path) -> None:
    for name in ("own.npy", "own.zip", "own"):
        with (tmp_path / name).open("wb") as stream:
            np.savez(stream, **SOME)
        assert len(read_images(tmp_path / name).train) == 5


def test_generators_need_images_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", images=GREY, test_images=GREY[:1], labels=["a"] * 5)
    found = read_images(tmp_path / "own.npz", labelled=False)
    assert np.array_equal(found.train.images[:, 0], GREY)
    assert found.test is not None and len(found.test) == 1


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"labels": [0]}, "array 'images' is missing, it holds labels; expected images, uint8"),
        ({"images": GREY}, "array 'labels' is missing, it holds images"),
        ({"x_train": GREY, "y_train": [0] * 5}, "it holds x_train, y_train"),
        ({**SOME, "val_images": GREY}, "array 'val_images': expected one of images, labels, valid_images"),
        ({**SOME, "test_labels": [0]}, "array 'test_labels' without 'test_images'"),
        ({**SOME, "test_images": GREY}, "array 'test_images' without 'test_labels'"),
        ({**SOME, "images": GREY / 255}, "images is float64 of shape (5, 28, 28); expected uint8"),
        ({**SOME, "images": GREY / 255}, "(255 * images).round().astype('uint8') if they are from 0 to 1"),
        ({**SOME, "images": np.full((5, 4, 4), np.nan)}, "images is float64"),
        ({**SOME, "images": GREY > 9}, "images is bool of shape (5, 28, 28); expected uint8"),
        ({**SOME, "images": GREY.astype(int)}, "images is int64"),
        ({**SOME, "images": np.array(["a.png"] * 5)}, "images is <U5"),
        ({**SOME, "images": np.moveaxis(COLOURED, 1, 3)}, "channels last; expected uint8"),
        ({**SOME, "images": np.zeros((5, 1, 28, 3), np.uint8)}, "images.transpose(0, 3, 1, 2)"),
        ({**SOME, "images": np.zeros((5, 2, 8, 8), np.uint8)}, "with 1 or 3 channels"),
        ({**SOME, "images": GREY.reshape(5, -1)}, "images is uint8 of shape (5, 784)"),
        ({**SOME, "images": np.zeros((5, 0, 8), np.uint8)}, "images of 0 x 8 pixels; expected at least 1 x 1"),
        ({**SOME, "images": np.zeros((5, 3, 8, 0), np.uint8)}, "images of 8 x 0 pixels"),
        ({**SOME, "images": np.zeros((0, 8, 8), np.uint8), "labels": np.zeros(0, int)}, "no images"),
        ({**SOME, "images": np.uint8(3)}, "images is uint8 of shape ()"),
        ({**SOME, "images": np.array([None] * 5)}, "images is pickled objects"),
        ({**SOME, "labels": np.array([0, 1, None, 0, 1])}, "labels is pickled objects"),
        ({**SOME, "labels": ["cat", "dog", "cat", "cat", "dog"]}, "numpy.unique(labels, return_inverse=True)"),
        ({**SOME, "labels": ["cat"] * 5, "classes": ["cat", "dog"]}, "labels is <U3 of shape (5,); expected integers"),
        ({**SOME, "labels": [0.5] * 5}, "labels is float64"),
        ({**SOME, "labels": [True, False] * 2 + [True]}, "labels is bool of shape (5,); expected integers"),
        ({**SOME, "labels": np.zeros((5, 1), int)}, "expected integers (n,): labels[:, 0]"),
        ({**SOME, "labels": np.eye(5, dtype=int)}, "labels.argmax(axis=1)"),
        ({**SOME, "labels": [0, 1, 0, 0]}, "5 images and 4 labels"),
        ({**SOME, "labels": [0, 1, 2, 3, -1]}, "label -1; expected 0 to 3"),
        ({**SOME, "labels": [0, 1, 2, 3, 5]}, "label 5 of 5 images; expected the numbers of the classes"),
        ({**SOME, "labels": [0, 1, 2, 3, 2**40]}, "label 1099511627776 of 5 images"),
        ({**SOME, "labels": np.array([0, 1, 2, 3, 2**64 - 1], np.uint64)}, "label 18446744073709551615 of 5 images"),
        ({**SOME, "test_images": GREY, "test_labels": [2**62] * 5}, "label 4611686018427387904 of 5 images"),
        ({**SOME, "labels": [0] * 5}, "1 class; expected at least 2"),
        ({**SOME, "labels": [0, 1, 2, 1, 1], "classes": ["a", "b"]}, "label 2; expected 0 to 1"),
        ({**SOME, "classes": 10}, "classes is int64 of shape (); expected the names of the classes (k,)"),
        ({**SOME, "classes": "cat"}, "classes is <U3 of shape ()"),
        ({**SOME, "classes": []}, "classes is float64 of shape (0,)"),
        ({**SOME, "classes": [["a"], ["b"]]}, "classes is <U1 of shape (2, 1)"),
        ({**SOME, "classes": ["a", "a"]}, "classes holds 'a' twice"),
        ({**SOME, "classes": np.array([b"\xff", b"a"])}, "classes is not UTF-8"),
        ({**SOME, "classes": np.array(["a", None])}, "classes is pickled objects"),
    ],
)
def test_wrong_arrays(arrays: dict[str, object], says: str, tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        read_images(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def zipped(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in content.items():
            archive.writestr(name, each)
    return buffer.getvalue()


def header(shape: str, kind: str = "|u1") -> bytes:
    """The header of an array, and no data."""
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text.encode()


LABELS = header("(2,)", "<i8") + bytes(8) + b"\1" + bytes(7)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file; expected images, uint8"),
        (b"<!doctype html><title>Quota</title>", "a web page (HTML) that was saved instead of the file"),
        (header("(2,)") + b"\0\0", "a single array (.npy); expected images"),
        (b"label,a,b\n1,2,3\n", "text, perhaps CSV; expected images"),
        (b"\x1f\x8b\x08", "a gzip archive; expected images"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\xfe\xff\xfa", "no .npz file; expected images"),
        (zipped({"a/1.png": b"x"}), "holds 'a/1.png', which is not an array"),
        (zipped({"a/1.png": b"x"}), "a zip of image files must be unpacked"),
        (zipped({}), "an empty zip archive|array 'images' is missing, it holds nothing"),
        (zipped({"images.npy": b"x", "labels.npy": LABELS}), "cannot be read"),
        (zipped({"images.npy": header("(10**12, 3, 32, 32)"), "labels.npy": LABELS}), "cannot be read"),
        (
            zipped({"images.npy": header("(1000000000000, 3, 32, 32)"), "labels.npy": LABELS}),
            "says (1000000000000, 3, 32, 32) uint8, but holds",
        ),
        (zipped({"images.npy": header("(2, 8, 8)"), "labels.npy": LABELS}), "says (2, 8, 8) uint8, but holds"),
        (zipped({"images.npy": header("(-2, 8, 8)"), "labels.npy": LABELS}), "but holds"),
    ],
)
def test_files_that_hold_no_arrays(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_images(path)
    assert any(part in str(caught.value) for part in says.split("|"))
    assert "\n" not in str(caught.value)


def test_a_file_that_would_expand_beyond_the_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archloom.utils.memory.memory_bytes", lambda: 10**6)
    (tmp_path / "own.npz").write_bytes(
        zipped({"images.npy": header("(2, 1000, 1000)") + bytes(2 * 10**6), "labels.npy": LABELS})
    )
    with pytest.raises(InputError, match=r"own.npz: 0.0 GB of pixels; this machine has"):
        read_images(tmp_path / "own.npz")


def test_every_cut_of_a_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez_compressed(path, **SOME)
    whole = path.read_bytes()
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError):
            read_images(path)
    for at in range(0, len(whole), 61):  # one byte flipped: the very images, or an error
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            found = read_images(path)
        except InputError:
            continue
        assert np.array_equal(found.train.images[:, 0], GREY)


def test_a_folder_in_place_of_the_file_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "set.npz").mkdir()
    with pytest.raises(InputError, match=r"cannot be read \(is a folder; expected a file\); get the file again$"):
        read_npz(tmp_path / "set.npz")
