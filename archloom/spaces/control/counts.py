"""Exact parameter counts of encoder, actor and critic, without building them.

What an option costs does not depend on other genes. The vectors of spectral norms are no parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archloom.spaces.control.dimensions import KERNEL, Dimensions


def _dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def _conv(width: int, kernel: int) -> int:
    return _dense(kernel**2 * width, width)


_CONV_FAMILIES: Mapping[str, Callable[[int, int], int]] = {
    "conv": _conv,
    "residual": lambda width, kernel: 2 * _conv(width, kernel),
    "sep_conv": lambda width, kernel: _dense(kernel**2, width) + _dense(width, width),
}


def of_conv_layer(width: int, option: str) -> int:
    """A searched layer of the encoder, of `width` channels."""
    family, _, kernel = option.rpartition("_")
    return _CONV_FAMILIES[family](width, int(kernel)) if family else 0


def _residual(width: int, inner: int) -> int:
    return 2 * width + _dense(width, inner) + _dense(inner, width)


_LINEAR: Mapping[str, Callable[[int], int]] = {
    "id": lambda width: 0,
    "linear": lambda width: _dense(width, width),
    "residual_05": lambda width: _residual(width, width // 2),
    "residual_2": lambda width: _residual(width, 2 * width),
}


def of_linear_layer(hidden: int, option: str) -> int:
    """A searched layer of actor or critic."""
    return _LINEAR[option](hidden)


def of_features(dimensions: Dimensions, features: int, chains: int, actions: int) -> int:
    """A trunk of so many features, with the first layers of the chains after it, which read `actions` numbers, too."""
    trunk = _dense(dimensions.encoded, features) + 2 * features
    return trunk + chains * _dense(features + actions, dimensions.hidden)


def bases(dimensions: Dimensions) -> dict[str, int]:
    """By network, what no gene owns: the first convolution and the last layers."""
    of_encoder = {"encoder": _dense(KERNEL**2 * dimensions.observation[0], dimensions.width)}
    return {
        "actor": _dense(dimensions.hidden, dimensions.actions),
        "critic": 2 * _dense(dimensions.hidden, 1),
        **(of_encoder if dimensions.pixels else {}),
    }
