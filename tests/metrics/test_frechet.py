"""The Fréchet distance of features, and where features come from."""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.errors import InputError

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.metrics import efficientnet_lite0  # noqa: E402
from archloom.metrics.frechet import (  # noqa: E402
    EXTRACTORS,
    Extractor,
    Gaussian,
    Metrics,
    Pixels,
    frechet_distance,
    gaussian,
    open_extractor,
)
from archloom.metrics.inception_score import inception_score  # noqa: E402

CPU = torch.device("cpu")


def rows(count: int, width: int, seed: int = 0) -> Any:
    """(count, width) correlated features with a mean of their own."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width))


# -- the distance -------------------------------------------------------------------------------------------------


def test_two_gaussians_with_a_known_distance() -> None:
    """With diagonal covariances it is |m1 - m2|^2 + sum (s1 - s2)^2: 3^2 + 4^2 + (1 - 3)^2 + (2 - 2)^2."""
    one = Gaussian(torch.zeros(2).double(), torch.diag(torch.tensor([1.0, 4.0])).double())
    other = Gaussian(torch.tensor([3.0, 4.0]).double(), torch.diag(torch.tensor([9.0, 4.0])).double())
    assert frechet_distance(one, other) == pytest.approx(29.0, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_textbook_formula_is_the_oracle(seed: int) -> None:
    linalg = pytest.importorskip("scipy.linalg", reason="SciPy's matrix square root is the reference")
    a, b = rows(60, 8, seed), rows(40, 8, seed + 100)
    (m1, c1), (m2, c2) = ((x.numpy().mean(axis=0), np.cov(x.numpy(), rowvar=False)) for x in (a, b))
    expected = np.sum((m1 - m2) ** 2) + np.trace(c1 + c2 - 2 * linalg.sqrtm(c1 @ c2).real)
    assert frechet_distance(gaussian([a]), gaussian([b])) == pytest.approx(expected, rel=1e-8)


def test_the_library_is_the_oracle() -> None:
    """Torchmetrics' FID with a network of one's own, on fewer and on more images than features."""
    library = pytest.importorskip("torchmetrics.image.fid", reason="the library is the reference of the formula")

    class Coarse(torch.nn.Module):
        num_features = 12

        def forward(self, images: Any) -> Any:
            return torch.nn.functional.adaptive_avg_pool2d(images.float(), 2).flatten(1)

    rng = torch.Generator().manual_seed(0)
    coarse = Extractor("coarse", Coarse(), Metrics.of("coarse"))
    for count in (8, 300):
        real = torch.randint(0, 256, (count, 3, 6, 6), generator=rng).byte()
        fake = torch.randint(0, 200, (count + 5, 3, 6, 6), generator=rng).byte()
        metric = library.FrechetInceptionDistance(feature=Coarse())
        metric.update(real, real=True)
        metric.update(fake, real=False)
        expected = float(metric.compute())
        assert frechet_distance(coarse.describe([real]), coarse.describe([fake])) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 1000))
def test_batches_do_not_show(sizes: list[int], seed: int) -> None:
    count = max(2, sum(sizes))
    data = rows(count, 3, seed)
    found = gaussian(part for part in torch.tensor_split(data, list(np.cumsum(sizes))) if len(part))
    assert np.allclose(found.mean.numpy(), data.numpy().mean(axis=0))
    assert np.allclose(found.covariance.numpy(), np.cov(data.numpy(), rowvar=False))


def test_small_differences_beside_a_large_mean_are_kept() -> None:
    data = 1e6 + torch.arange(10.0).double()[:, None]
    assert gaussian(torch.split(data, 3)).covariance.item() == pytest.approx(np.var(range(10), ddof=1), rel=1e-9)


def test_it_is_a_distance_even_with_fewer_images_than_features() -> None:
    one, other = gaussian([rows(10, 30, 0)]), gaussian([rows(12, 30, 1)])
    scale = float(one.covariance.trace())
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9 * scale)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-6)
    assert frechet_distance(one, other) > 0.1 * scale


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_give_no_number(bad: float) -> None:
    broken = rows(10, 3)
    broken[4, 1] = bad
    assert np.isnan(frechet_distance(gaussian([rows(10, 3)]), gaussian([broken])))


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(InputError, match="at least 2"):
        gaussian([rows(1, 3)])


# -- features -----------------------------------------------------------------------------------------------------


def test_pixels_are_the_image_itself() -> None:
    images = torch.arange(2 * 3 * 2 * 2).view(2, 3, 2, 2).float()
    assert torch.equal(Pixels()(images), images.reshape(2, 12) / 255)
    assert open_extractor("pixels", CPU).metrics.distance == "frechet_pixels"


@pytest.fixture
def of_user(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Extractor]:
    """Opens a function as if it were in a user's module."""

    def open_function(function: Callable[[], Any]) -> Extractor:
        module = types.ModuleType("archloom_test_features")
        module.mine = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return open_extractor(f"{module.__name__}:mine", CPU)

    return open_function


def test_a_function_of_the_users_names_the_metric(of_user: Any) -> None:
    extractor = of_user(lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(4, 2)))
    assert extractor.metrics.distance == "frechet_mine"
    assert not extractor.network.training
    assert not any(parameter.requires_grad for parameter in extractor.network.parameters())
    images = torch.rand(5, 1, 2, 2)
    halves = extractor.describe([images[:2], images[2:]])
    assert torch.allclose(extractor.describe([images]).mean, halves.mean), "dropout is off"


def test_functions_that_do_not_serve(of_user: Any) -> None:
    with pytest.raises(InputError, match=r"archloom_test_features:mine returned a str: expected a PyTorch module"):
        of_user(lambda: "features")
    with pytest.raises(InputError, match=r"ZeroDivisionError: division by zero; expected a function"):
        of_user(lambda: 1 / 0)
    with pytest.raises(InputError, match=r"makes \(2, 1, 4, 4\) of images \(2, 1, 4, 4\): expected features"):
        of_user(torch.nn.Identity).describe([torch.zeros(2, 1, 4, 4)])


def test_the_code_of_an_extractor_is_known_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_user: Any
) -> None:
    assert of_user(torch.nn.Flatten).code is None, "it was made in memory"
    assert open_extractor("pixels", CPU).code == "pixels"
    file = tmp_path / "archloom_own_features.py"
    file.write_text("from torch.nn import Flatten as mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, file.stem, raising=False)
    assert open_extractor(f"{file.stem}:mine", CPU).code == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["archloom_nowhere:features", "json:features"])
def test_modules_and_functions_that_are_not_there(name: str) -> None:
    with pytest.raises(InputError, match=f"task option extractor={name}: (ModuleNotFound|Attribute)Error"):
        open_extractor(name, CPU)


def test_an_unknown_name() -> None:
    with pytest.raises(InputError, match=r"unknown extractor 'pixel'; did you mean 'pixels'"):
        open_extractor("pixel", CPU)


# -- classes ------------------------------------------------------------------------------------------------------


class Bright(torch.nn.Module):  # type: ignore[misc]
    """Two features: brightness of the left and of the right; the brighter side is the class."""

    def forward(self, images: Any) -> Any:
        half = images.shape[3] // 2
        return torch.stack([images[..., :half].mean(dim=(1, 2, 3)), images[..., half:].mean(dim=(1, 2, 3))], dim=1)

    def logits(self, features: Any) -> Any:
        return features


def sides(count: int) -> Any:
    """(count, 1, 4, 4) images, bright on the left and on the right in turn."""
    images = torch.zeros(count, 1, 4, 4)
    images[::2, :, :, :2] = images[1::2, :, :, 2:] = 255
    return images


def test_a_classifier_gives_an_inception_score(of_user: Any) -> None:
    extractor = of_user(Bright)
    assert extractor.scores == ("inception_score_mine", "inception_score_mine_std")
    real = extractor.describe([sides(40)])
    both = extractor.measure(real, torch.split(sides(40), 7))
    assert both == pytest.approx(
        {"frechet_mine": 0, "inception_score_mine": 2, "inception_score_mine_std": 0}, abs=1e-6
    )
    one_sided = extractor.measure(real, [sides(80)[::2]])
    assert one_sided["inception_score_mine"] == pytest.approx(1)
    assert one_sided["frechet_mine"] > 1000


def test_without_classes_there_is_no_inception_score() -> None:
    pixels = open_extractor("pixels", CPU)
    assert pixels.scores == ()
    assert pixels.measure(pixels.describe([sides(4)]), [sides(4)]).keys() == {"frechet_pixels"}


def of_few(one: Any, other: Any) -> float:
    """The distance where there are fewer images than features, without a matrix of all features.

    With C = A^T A the trace of (C1 C2)^1/2 is the sum of the singular values of A1 A2^T.
    """
    means = [rows.double().mean(dim=0) for rows in (one, other)]
    roots = [(rows - rows.double().mean(dim=0)) / (len(rows) - 1) ** 0.5 for rows in (one, other)]
    shared = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    spread = sum(root.square().sum() for root in roots)
    return float((means[0] - means[1]).square().sum() + spread - 2 * shared)


def test_only_the_published_network_makes_an_fid(inception_folder: Any) -> None:
    extractor = open_extractor("inception", CPU, {"ARCHLOOM_DATA": str(inception_folder)})
    assert extractor.metrics.distance == "fid"
    assert extractor.scores == ("inception_score", "inception_score_std")
    assert not extractor.network.training
    features: list[Any] = []
    extractor.network.register_forward_hook(lambda network, images, made: features.append(made))
    fake = torch.rand(10, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 255
    found = extractor.measure(extractor.describe([sides(3)]), [fake])
    logits = extractor.network.logits(features[1])
    assert found["fid"] == pytest.approx(of_few(*features), rel=1e-4)
    assert (found["inception_score"], found["inception_score_std"]) == pytest.approx(inception_score(logits), rel=1e-4)
    assert [name for name, supplied in EXTRACTORS.items() if supplied.metrics.distance == "fid"] == ["inception"]


def test_without_the_published_weights_it_is_said_how_to_get_them(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="archloom data fetch inception"):
        open_extractor("inception", CPU, {"ARCHLOOM_CACHE": str(tmp_path)})


# -- EfficientNet-Lite0 -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lite0() -> Extractor:
    pytest.importorskip(efficientnet_lite0.MODULE, reason=f"the weights are in {efficientnet_lite0.PACKAGE}")
    return open_extractor("efficientnet_lite0", CPU)


def test_worse_images_are_farther_from_real_ones(lite0: Extractor) -> None:
    """Smooth blobs against others, against blurred ones, and against noise."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(240, 3, 8, 8, generator=rng) * 255
    images = torch.nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear")
    blurred = torch.nn.functional.avg_pool2d(images[120:], 5, 1, 2, count_include_pad=False)
    noisy = torch.rand(120, 3, 16, 16, generator=rng) * 255
    real = lite0.describe([images[:120]])
    others = [frechet_distance(real, lite0.describe([batch])) for batch in (images[120:], blurred, noisy)]
    assert 2 * others[0] < min(others[1:])


def test_grey_images_are_converted_to_rgb(lite0: Extractor) -> None:
    grey = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 255
    assert torch.equal(lite0.network(grey), lite0.network(grey.expand(-1, 3, -1, -1)))
    assert lite0.network(grey).shape == (4, efficientnet_lite0.FEATURES)
