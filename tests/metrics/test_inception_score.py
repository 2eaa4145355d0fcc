"""The Inception Score."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.errors import InputError

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.metrics.inception_score import inception_score  # noqa: E402


def test_images_that_look_like_nothing_score_1() -> None:
    assert inception_score(torch.zeros(40, 7)) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_images_that_all_look_like_one_class_score_1() -> None:
    sure = torch.full((40, 7), -math.inf)
    sure[:, 3] = 0
    assert inception_score(sure) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_clear_images_of_every_class_score_the_number_of_classes() -> None:
    sure = torch.where(torch.eye(4, dtype=torch.bool).repeat(10, 1), 200.0, -200.0)
    assert inception_score(sure) == pytest.approx((4.0, 0.0), abs=1e-9)


def test_mean_and_deviation_are_over_parts_in_the_order_of_the_images() -> None:
    """Two parts: in the first all four classes, in the second one. Scores 4 and 1, mean 2.5, deviation 1.5."""
    sure = torch.full((8, 4), -1000.0)
    sure[range(8), [0, 1, 2, 3, 2, 2, 2, 2]] = 1000.0
    assert inception_score(sure, splits=2) == pytest.approx((2.5, 1.5), abs=1e-9)


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(2, 6), st.integers(1, 5), st.integers(0, 1000))
def test_the_formula_written_out(count: int, classes: int, splits: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(scale=2, size=(max(count, splits), classes))
    scores = []
    for part in range(splits):
        cut = logits[part * len(logits) // splits : (part + 1) * len(logits) // splits]
        p = np.exp(cut) / np.exp(cut).sum(axis=1, keepdims=True)
        mean = p.mean(axis=0)
        scores.append(math.exp(np.mean([(row * np.log(row / mean)).sum() for row in p])))
    found = inception_score(torch.from_numpy(logits), splits)
    assert found == pytest.approx((np.mean(scores), np.std(scores)), rel=1e-9, abs=1e-9)
    assert 1 - 1e-9 <= found[0] <= classes


def test_the_library_is_the_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torchmetrics shuffles images, which is switched off here, and has the deviation of a sample."""
    library = pytest.importorskip("torchmetrics.image.inception", reason="the library is the reference of the formula")
    logits = 3 * torch.randn(230, 12, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(torch, "randperm", lambda count: torch.arange(count))
    with pytest.warns(UserWarning, match="buffer"):
        metric = library.InceptionScore(feature=torch.nn.Identity(), splits=10)
    metric.update(logits)
    mean, deviation = metric.compute()
    assert inception_score(logits) == pytest.approx((float(mean), math.sqrt(9 / 10) * float(deviation)), rel=1e-5)


def test_what_is_not_finite_gives_no_number() -> None:
    logits = torch.zeros(20, 3)
    logits[4, 1] = math.nan
    assert math.isnan(inception_score(logits)[0])


def test_every_part_needs_an_image() -> None:
    with pytest.raises(InputError, match=r"^9 images: expected at least 10"):
        inception_score(torch.zeros(9, 3))
