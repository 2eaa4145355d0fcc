"""The network behind FID and the Inception Score, on made-up weights in the layout of the published ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.metrics import inception  # noqa: E402
from archloom.metrics.inception import CLASSES, FEATURES, Inception, load_inception, resized  # noqa: E402


@pytest.fixture(scope="module")
def network(inception_weights: dict[str, Any]) -> Inception:
    found = Inception()
    found.load_state_dict(inception_weights)
    return found.eval()


def images(scattered: Any, size: tuple[int, int], salt: int) -> Any:
    """Two noisy images of whole values."""
    values = np.floor(scattered(6 * size[0] * size[1], salt) * 256)
    return torch.from_numpy(values.astype(np.float32)).reshape(2, 3, *size)


def test_names_and_shapes_are_those_of_the_published_file() -> None:
    """The digest is that of the network in torch-fidelity 0.4.0, which loads that file with nothing missing or left."""
    shapes = {name: list(tensor.shape) for name, tensor in Inception().state_dict().items()}
    listing = "\n".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
    assert hashlib.sha256(listing.encode()).hexdigest() == (
        "8cdd2faeb41211e17f0fb47e66168d0cb1f981aa773b5f44e5b9cc93857fe492"
    )


@pytest.mark.parametrize(
    ("size", "salt", "total", "features", "logits"),
    [
        ((17, 23), 1000, 20376.82312648792, [7.64745569, 16.44878769, 0.42007107, 0.04697593],
         [-10.90669632, 15.94325256, 2.54901505, 14.13370895]),
        ((320, 301), 1001, 28902.03654677307, [12.10717964, 22.45997620, 0.73656499, 0.09760645],
         [-15.83894920, 22.56327438, 3.20640755, 20.00289536]),
        ((32, 32), 1002, 22660.720830043996, [9.52191734, 18.12924767, 0.59402084, 0.07621965],
         [-12.18755150, 17.79134560, 2.69476461, 15.02727890]),
    ],
)  # fmt: skip
def test_on_the_same_weights_it_gives_the_numbers_of_torch_fidelity(
    network: Inception,
    scattered: Any,
    size: tuple[int, int],
    salt: int,
    total: float,
    features: list[float],
    logits: list[float],
) -> None:
    """Features of the first image and logits without bias of the second, computed once by torch-fidelity 0.4.0.

    Its resizing, scaling, pooling and last block are all in them. They move only if the weights of the fixture do.
    """
    with torch.no_grad():
        found = network(images(scattered, size, salt))
        classes = network.logits(found)
    assert found.shape == (2, FEATURES)
    assert classes.shape == (2, CLASSES)
    assert found[0, :4].tolist() == pytest.approx(features, rel=1e-4)
    assert float(found.double().sum()) == pytest.approx(total, rel=1e-5)
    assert classes[1, :4].tolist() == pytest.approx(logits, rel=1e-4)


def test_an_image_is_resized_as_tensorflow_1_does_it() -> None:
    rows = torch.tensor([[0.0, 10.0]])
    assert resized(rows, 4).tolist() == [[0.0, 5.0, 10.0, 10.0]] * 4, "row i is at i / 2, and below the last constant"
    assert resized(torch.tensor([[0.0, 3.0, 9.0]]), 2).tolist() == [[0.0, 6.0]] * 2
    same = torch.rand(2, 3, 7, 7)
    assert torch.equal(resized(same, 7), same)


def test_grey_images_are_converted_to_rgb(network: Inception) -> None:
    grey = torch.randint(0, 256, (2, 1, 16, 16), generator=torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        assert torch.allclose(network(grey), network(grey.expand(-1, 3, -1, -1)), rtol=1e-5)


def test_images_count_as_they_would_be_stored(network: Inception) -> None:
    stored = torch.randint(1, 255, (1, 3, 16, 16), generator=torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        assert torch.equal(network(stored + 0.4), network(stored - 0.4))
        assert network(torch.full_like(stored, float("nan"))).isnan().all()


def test_batches_do_not_show(network: Inception, monkeypatch: pytest.MonkeyPatch) -> None:
    some = torch.randint(0, 256, (3, 3, 8, 8), generator=torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        whole = network(some)
        monkeypatch.setattr(inception, "BATCH", 2)
        assert torch.allclose(network(some), whole, rtol=1e-5)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_published_files_are_read_in_both_formats(
    inception_weights: dict[str, Any], tmp_path: Path, zipped: bool
) -> None:
    file = tmp_path / "weights.pth"
    torch.save(inception_weights, file, _use_new_zipfile_serialization=zipped)
    drawn = torch.get_rng_state()
    network = load_inception(file)
    assert torch.equal(torch.get_rng_state(), drawn), "no random numbers are used up"
    assert not network.training
    assert all(torch.equal(tensor, inception_weights[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"no weights at all", {"fc.weight": [[0.0]]}, [1, 2], "a text"])
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(InputError, match=r"weights\.pth: not the published Inception weights: ") as refused:
        load_inception(file)
    assert "\n" not in str(refused.value)


def test_a_web_page_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_text("<html><body>Not found</body></html>")
    with pytest.raises(InputError, match="a web page"):
        load_inception(tmp_path / "weights.pth")


def test_nothing_but_tensors_is_unpickled(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"fc.weight": Path("anything")}, file)
    with pytest.raises(InputError, match="not the published Inception weights"):
        load_inception(file)
