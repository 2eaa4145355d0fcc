from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="proxies need the extra train")

from torch import nn  # noqa: E402

from archloom.evaluators.proxies import PROXIES  # noqa: E402
from archloom.evaluators.proxies.candidate import Batch, Candidate  # noqa: E402
from archloom.nets.nb201 import Nb201Network  # noqa: E402


def candidate() -> Candidate:
    cell = ("nor_conv_3x3", "skip_connect", "nor_conv_1x1", "avg_pool_3x3", "none", "nor_conv_1x1")
    generator = torch.Generator().manual_seed(1)
    batch = Batch(torch.randn((8, 3, 8, 8), generator=generator), torch.arange(8))
    return Candidate(Nb201Network(cell, 0, channels=2, cells=1), (3, 8, 8), batch)


def test_a_score_does_not_depend_on_the_others() -> None:
    one = candidate()
    forwards = {name: proxy.score(one) for name, proxy in PROXIES.items()}
    other = candidate()
    backwards = {name: PROXIES[name].score(other) for name in reversed(PROXIES)}
    alone = {name: proxy.score(candidate()) for name, proxy in PROXIES.items()}
    assert forwards == backwards == alone


def test_dropout_is_off_and_stays_off() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(1), nn.Dropout2d(0.5))
    shown = Candidate(network.eval(), (1, 2, 2))
    with shown.evaluating() as evaluated:
        assert not any(module.training for module in evaluated.modules())
    assert [module.training for module in network] == [False, True, False]


def test_proxies_of_images_need_some() -> None:
    shown = Candidate(candidate().network, (3, 8, 8))
    for name, proxy in PROXIES.items():
        if proxy.needs_images:
            with pytest.raises(ValueError, match="no images"):
                proxy.score(shown)
        else:
            assert PROXIES[name].score(shown) > 0
