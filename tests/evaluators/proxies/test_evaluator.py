from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="proxies need the extra train")

from torch import nn  # noqa: E402

from archloom.data.images.labelled import ImageData  # noqa: E402
from archloom.data.images.splits import Split  # noqa: E402
from archloom.errors import InputError  # noqa: E402
from archloom.evaluators.base import evaluate  # noqa: E402
from archloom.evaluators.proxies import PROXIES  # noqa: E402
from archloom.evaluators.proxies.evaluator import FAILED, ProxyEvaluator, Scores  # noqa: E402
from archloom.evaluators.proxies.options import ProxyOptions  # noqa: E402
from archloom.nets.nb201 import Nb201Network  # noqa: E402
from archloom.spaces.nb201 import Nb201  # noqa: E402
from archloom.testing import check_evaluator  # noqa: E402
from archloom.types import Arch, Proposal  # noqa: E402

SHAPE = (1, 6, 6)
SPACE = Nb201()
GOOD = SPACE.parse("|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|")
DEAD = SPACE.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")


class Small(Nb201):
    """NAS-Bench-201 with networks that take a millisecond."""

    def build(self, arch: Arch, seed: int) -> nn.Module:
        return Nb201Network(self.operations(arch), seed, channels=2, cells=1, classes=3, image_channels=1)


def images(count: int = 24) -> ImageData:
    pixels = np.random.default_rng(0).integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    split = Split(pixels, np.arange(count) % 3)
    return ImageData("noise", split, split, split, ("a", "b", "c"), "drawn here", "0" * 64)


def scores(**options: Any) -> Scores:
    return Scores(Small(), ProxyOptions(**{"batch_size": 6, **options}), SHAPE, images())


def evaluator(*names: str, report: tuple[str, ...] = (), **options: Any) -> ProxyEvaluator:
    return ProxyEvaluator(scores(**options), dict.fromkeys(names, "max"), report)


def test_the_contract_of_evaluators() -> None:
    check_evaluator(partial(evaluator, "synflow", "jacob_cov", report=("params",)), Small)


def test_an_architecture_has_one_score_whatever_trial_and_seed() -> None:
    made, again = evaluator(*PROXIES), evaluator(*PROXIES)
    first = [evaluate(made, Proposal(arch), 0, trial) for trial, arch in enumerate([GOOD, SPACE.sample(_rng()), GOOD])]
    other = evaluate(again, Proposal(GOOD), 7, 5)
    assert first[0].scores == first[2].scores == other.scores
    assert set(other.scores) == set(PROXIES) and all(map(math.isfinite, other.scores.values()))
    assert first[1].scores != other.scores


def _rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_the_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    evaluator("synflow", "snip").evaluate(Proposal(GOOD), None, _rng())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_seed_and_how_weights_are_drawn_change_scores() -> None:
    changes: list[dict[str, Any]] = [{}, {"seed": 1}, {"init": "kaiming"}, {"init": "xavier"}, {"init": "normal"}]
    found = [scores(**change).of(GOOD, ["synflow", "snip", "params"])[0] for change in changes]
    for name in ("synflow", "snip"):
        assert len({score[name] for score in found}) == len(changes)
    assert len({score["params"] for score in found}) == 1


def test_weights_are_drawn_with_the_variance_that_their_name_says() -> None:
    class Wide(Small):
        def build(self, arch: Arch, seed: int) -> nn.Module:
            self.built = nn.Sequential(nn.Flatten(), nn.Linear(36, 900))
            return self.built

    for init, variance in (("kaiming", 2 / 36), ("xavier", 2 / 936), ("normal", 1.0)):
        space = Wide()
        Scores(space, ProxyOptions(init=init), SHAPE, None).of(GOOD, ["params"])
        assert float(space.built[1].weight.detach().var()) == pytest.approx(variance, rel=0.05)


def test_repeats_are_averaged() -> None:
    once, more = (scores(repeats=repeats).of(GOOD, ["grad_norm", "synflow"])[0] for repeats in (1, 3))
    each = []
    for repeat in range(3):
        drawn = scores(repeats=3)
        each.append({name: PROXIES[name].score(drawn._candidate(GOOD, repeat)) for name in once})
    assert once == each[0]
    for name, mean in more.items():
        assert math.isclose(mean, sum(score[name] for score in each) / 3, rel_tol=1e-12)
        assert len({score[name] for score in each}) == 3


def test_batches_are_of_different_images_with_their_classes() -> None:
    drawn = scores(batch_size=24)
    (batch,) = drawn._batches
    part = images().train
    pixels = ((batch.images + 1) * 127.5).round().to(torch.uint8).numpy()
    rows = [next(row for row in range(24) if np.array_equal(part.images[row], image)) for image in pixels]
    assert sorted(rows) == list(range(24)) != rows
    assert batch.labels.tolist() == part.labels[rows].tolist()


def test_a_score_that_selection_needs_and_there_is_not_fails_the_trial() -> None:
    result = evaluate(evaluator("naswot", report=("synflow",)), Proposal(DEAD), 0, 0)
    assert result.error == "naswot's kernel is singular: the network cannot tell the images apart"
    assert result.trace == ""


def test_a_score_to_report_may_be_missing() -> None:
    result = evaluate(evaluator("synflow", report=("naswot", "params")), Proposal(DEAD), 0, 0)
    assert result.scores == {"synflow": 0.0} and set(result.report) == {"params"}
    assert result.details == {
        FAILED: {"naswot": "naswot's kernel is singular: the network cannot tell the images apart"}
    }


def test_a_score_that_is_not_finite_is_none() -> None:
    class Broken(Small):
        def build(self, arch: Arch, seed: int) -> nn.Module:
            network = super().build(arch, seed)
            nn.init.constant_(network.head[4].bias, math.nan)  # type: ignore[index, arg-type]
            return network

    found, reasons = Scores(Broken(), ProxyOptions(batch_size=6), SHAPE, images()).of(GOOD, ["snip", "params"])
    assert set(found) == {"params"} and reasons == {"snip": "snip is nan"}


def test_costs_are_counts_to_be_minimised() -> None:
    made = ProxyEvaluator(scores(), {"params_m": "min", "synflow": "max"}, ("flops_m", "params"))
    result = evaluate(made, Proposal(GOOD), 0, 0)
    found, _ = scores().of(GOOD, ["params", "flops", "synflow"])
    assert result.scores == {"params_m": found["params"], "synflow": found["synflow"]}
    assert result.report == {"flops_m": found["flops"], "params": found["params"]}


def test_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"unknown proxy 'synflo'; did you mean 'synflow'"):
        evaluator("synflo")
    with pytest.raises(InputError, match=r"batch_size=25: noise has 24 images to draw from; expected 2 to 24"):
        scores(batch_size=25)
    with pytest.raises(InputError, match=r"task option device=abacus: not usable here"):
        scores(device="abacus")
    with pytest.raises(InputError, match=r"fidelity 3"):
        evaluator("synflow").evaluate(Proposal(GOOD, fidelity=3), None, _rng())
