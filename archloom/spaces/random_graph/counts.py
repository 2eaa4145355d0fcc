"""How many parameters a network of random graphs has, without building it."""

from __future__ import annotations

from collections.abc import Sequence

from archloom.errors import InputError
from archloom.spaces.random_graph.plan import AREAS, Graph, Plan
from archloom.spaces.random_graph.settings import NetworkOptions
from archloom.utils.memory import too_large

_AUXILIARY = (128, 768)
"""The channels of an auxiliary head's two convolutions, of which the second has a kernel of 2x2."""
_BYTES = 4
"""Of a parameter."""


def parameters(plan: Plan, networks: NetworkOptions) -> int:
    """All parameters of the network: of its operations, merges, stem and heads; convolutions have biases."""
    first, last = plan.widths[0], plan.channels[-1]
    ends = [plan.channels[output] for output in plan.graph.wiring.outputs]
    count = _STEMS[plan.stem](networks.image_channels, first)
    count += _graph(plan.graph, first, plan.channels)
    count += sum(_convolution(1, width, last) for width in ends if width != last)
    count += _convolution(1, last, networks.head_width) + 2 * networks.head_width
    count += _linear(networks.head_width, networks.classes)
    if networks.auxiliary:
        branch = plan.stages.index(plan.stages[-1])
        count += _auxiliary(plan.graph.channels(first, plan.channels)[branch][0], networks.classes)
    return count


def check_memory(arch: str, count: int) -> None:
    """InputError if this machine cannot hold the parameters of a network: its multiplier may be 1, and too much."""
    if (why := too_large(_BYTES * count)) is not None:
        raise InputError(
            f"{arch}: a network of {count:,} parameters, {why}; expected a smaller params_m, fewer nodes, or sums "
            "instead of concatenations"
        )


def _convolution(area: int, c_in: int, c_out: int) -> int:
    return area * c_in * c_out + c_out


def _linear(c_in: int, c_out: int) -> int:
    return (c_in + 1) * c_out


def _small_stem(image_channels: int, channels: int) -> int:
    return _convolution(9, image_channels, channels) + _convolution(9, channels, channels) + 4 * channels


def _large_stem(image_channels: int, channels: int) -> int:
    half = max(channels // 2, 1)
    return (9 + half) * image_channels + 2 * half + (9 + channels) * half + 2 * channels


_STEMS = {"small": _small_stem, "large": _large_stem}


def _auxiliary(c_in: int, classes: int) -> int:
    """Convolutions without biases, each with a normalisation, and the classifier."""
    one, two = _AUXILIARY
    return c_in * one + 2 * one + 4 * one * two + 2 * two + _linear(two, classes)


def _graph(graph: Graph, c_in: int, widths: Sequence[int]) -> int:
    """The parameters of a graph's merges and of what is in its nodes."""
    count, nodes = 0, graph.channels(c_in, widths)
    for sources, merge, child, (before, after) in zip(
        graph.wiring.sources, graph.merges, graph.children, nodes, strict=True
    ):
        if len(sources) > 1:
            count += _merge(merge, [nodes[source][1] for source in sources])
        if isinstance(child, Graph):
            count += _graph(child, before, [after] * child.wiring.nodes)
        elif AREAS[child]:
            count += _convolution(AREAS[child], before, after) + 2 * after
    return count


def _merge(kind: str, coming: Sequence[int]) -> int:
    """A weight for each input with the channels of the last, a convolution for any other."""
    if kind == "concat":
        return 0
    into = coming[-1]
    edges = sum(1 if width == into else _convolution(1, width, into) for width in coming)
    return edges + (kind == "attention")
