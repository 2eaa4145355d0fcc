"""Counts by hand; that they are those of the networks that are built is tested with the space."""

from __future__ import annotations

from archloom.spaces.control import Dimensions
from archloom.spaces.control.counts import bases, of_conv_layer, of_features, of_linear_layer

PAPER = Dimensions((9, 84, 84), 6, 32, 1024, (50,))


def test_layers_of_the_encoder() -> None:
    three = 9 * 32 * 32 + 32
    assert of_conv_layer(32, "id") == 0
    assert of_conv_layer(32, "conv_3") == three == 9_248
    assert of_conv_layer(32, "residual_3") == 2 * three
    assert of_conv_layer(32, "conv_7") == 49 * 32 * 32 + 32
    assert of_conv_layer(32, "sep_conv_5") == (25 * 32 + 32) + (32 * 32 + 32)


def test_layers_of_actor_and_critic() -> None:
    assert of_linear_layer(1024, "id") == 0
    assert of_linear_layer(1024, "linear") == 1024 * 1024 + 1024
    assert of_linear_layer(1024, "residual_05") == 2 * 1024 + (1024 * 512 + 512) + (512 * 1024 + 1024)
    assert of_linear_layer(1024, "residual_2") == 2 * 1024 + (1024 * 2048 + 2048) + (2048 * 1024 + 1024)


def test_features_pay_for_the_trunk_and_the_first_layers() -> None:
    trunk = 53_792 * 50 + 50 + 2 * 50
    assert of_features(PAPER, 50, chains=1, actions=0) == trunk + (50 * 1024 + 1024)
    assert of_features(PAPER, 50, chains=2, actions=6) == trunk + 2 * (56 * 1024 + 1024)


def test_what_no_gene_owns() -> None:
    heads = {"actor": 1024 * 6 + 6, "critic": 2 * (1024 + 1)}
    assert bases(PAPER) == {"encoder": 9 * 9 * 32 + 32, **heads}
    assert bases(Dimensions((5,), 6, 32, 1024, (50,))) == heads
