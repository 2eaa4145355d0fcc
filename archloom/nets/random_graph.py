"""Networks of nested random graphs (NAGO), written to stand alone: `archloom export` ships this very code.

Ru, Esperança & Carlucci 2020, sections 2.1 and 4: a stem, a graph whose nodes are graphs whose nodes are graphs of
operations, and a head. `RandomGraphNetwork` takes graphs of any depth, so that the flat networks of Xie et al. 2019 are
made of the same parts.

A graph is the tuple (edges, inputs, outputs, merges, children). Its nodes are numbered from 0, and an edge (low, high)
leads from the lower number to the higher one. Input nodes take what comes into the graph, every other node the merged
outputs of the nodes that lead to it; the graph's output is the mean over its output nodes. The children of nodes are
graphs, or names of `OPERATIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

GraphPlan = tuple[Any, ...]
"""(edges, inputs, outputs, merges, children)"""

CONVOLUTIONS: dict[str, tuple[int, int]] = {
    "conv3x3": (3, 3),
    "conv5x5": (5, 5),
    "conv1x1": (1, 1),
    "conv3x1": (3, 1),
    "conv1x3": (1, 3),
}
"""Kernels by the names of operations: height, width."""

POOLS: dict[str, int] = {"avg_pool_3": 3, "avg_pool_5": 5}
"""Sides of the windows of average pools by the names of operations."""

OPERATIONS = (*CONVOLUTIONS, *POOLS)

MERGES = ("sum", "concat", "attention")
"""How several inputs of a node become one."""

LAST_STAGE = 2
"""Each stage has half the resolution of the one before."""


# -- layers -------------------------------------------------------------------------------------------------------


class Conv(nn.Conv2d):
    """A convolution with, from the start, normal weights by fan-out (He et al. 2015).

    Padding keeps the size of maps; a kernel of an even side makes them one pixel smaller.
    """

    def __init__(
        self, c_in: int, c_out: int, kernel: tuple[int, int], stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        padding = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
        super().__init__(c_in, c_out, kernel, stride, padding, groups=groups, bias=bias)

    def reset_parameters(self) -> None:
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            bound = self.weight[0].numel() ** -0.5  # PyTorch's own default, as in the authors' code
            nn.init.uniform_(self.bias, -bound, bound)


class ConvNode(nn.Module):
    """ReLU, convolution, batch normalisation."""

    def __init__(self, c_in: int, c_out: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.conv = Conv(c_in, c_out, kernel)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, H, W)
        out: Tensor = self.norm(self.conv(functional.relu(x)))
        return out


def separable(c_in: int, c_out: int) -> nn.Sequential:
    """A depth-wise 3x3 convolution of stride 2, a 1x1 convolution, batch normalisation."""
    return nn.Sequential(
        Conv(c_in, c_in, (3, 3), stride=2, groups=c_in, bias=False),
        Conv(c_in, c_out, (1, 1), bias=False),
        nn.BatchNorm2d(c_out),
    )


def small_stem(image_channels: int, channels: int) -> nn.Sequential:
    """Two convolutions that keep the resolution, for images below 40 pixels."""
    return nn.Sequential(
        Conv(image_channels, channels, (3, 3)),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        Conv(channels, channels, (3, 3)),
        nn.BatchNorm2d(channels),
    )


def large_stem(image_channels: int, channels: int) -> nn.Sequential:
    """Two separable convolutions of stride 2."""
    half = max(channels // 2, 1)
    return nn.Sequential(separable(image_channels, half), nn.ReLU(), separable(half, channels))


STEMS = {"small": (small_stem, 0), "large": (large_stem, 2)}
"""By name: what comes before the graph, and how often it halves the resolution."""


def resized(x: Tensor, height: int, width: int) -> Tensor:  # (B, C, H, W) -> (B, C, height, width)
    """`x`, pooled to this size if it has another one."""
    if x.shape[2] == height and x.shape[3] == width:
        return x
    return functional.adaptive_avg_pool2d(x, (height, width))


def side_at(side: int, halvings: int) -> int:
    """A side of the image in pixels after so many halvings, at least 1."""
    return max(side >> halvings, 1)


# -- merges -------------------------------------------------------------------------------------------------------


def kept_edges(like: Tensor, edges: int, drop: float) -> Tensor:
    """(edges, B, 1, 1, 1) the factors of dropped edges, for a batch of B images `like` (B, ...).

    For each image every edge is dropped, a factor of 0, with probability `drop`, but for one drawn at random where all
    would be. The others have the inverse of the probability of being kept, so that the mean of a factor is 1.
    """
    draws = torch.rand(edges, like.shape[0], 1, 1, 1, dtype=torch.float32, device=like.device)
    # The edge with the largest draw is always kept. It is each one with equal probability, and if all are below `drop`
    # it is still uniform among them.
    kept = torch.logical_or(draws >= drop, draws == draws.amax(dim=0, keepdim=True))
    probability = 1.0 - drop + drop**edges / edges
    return (kept / probability).to(like.dtype)


class Merge(nn.Module):
    """Several inputs become one, (B, `channels`, H, W).

    `drop`, which the network sets, is the probability with which an incoming edge is dropped in training.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.drop = 0.0


class Concat(Merge):
    """The inputs' channels in turn."""

    def __init__(self, incoming: Sequence[int]) -> None:
        super().__init__(sum(incoming))
        self.edges = len(incoming)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        if self.training and self.drop > 0.0:
            factors = kept_edges(inputs[0], self.edges, self.drop)
            dropped: list[Tensor] = []
            for edge, x in enumerate(inputs):
                dropped.append(x * factors[edge])
            return torch.cat(dropped, dim=1)
        return torch.cat(inputs, dim=1)


class Edges(Merge):
    """Inputs brought to the channels of the last one, the node with the highest number.

    An input that has them already is multiplied by the sigmoid of a weight of its own, which is 1 in the beginning; any
    other goes through a 1x1 convolution.
    """

    def __init__(self, incoming: Sequence[int]) -> None:
        super().__init__(incoming[-1])
        equal = [c_in == self.channels for c_in in incoming]
        self.weighted = [sum(equal[:edge]) if same else -1 for edge, same in enumerate(equal)]  # the weight's number
        self.weight = nn.Parameter(torch.ones(sum(equal)))
        self.convs = nn.ModuleList(
            nn.Identity() if same else Conv(c_in, self.channels, (1, 1))
            for c_in, same in zip(incoming, equal, strict=True)
        )

    def terms(self, inputs: list[Tensor], spared: int) -> list[Tensor]:
        """What each input brings; the first `spared` edges are never dropped."""
        weights = torch.sigmoid(self.weight).unbind()
        found: list[Tensor] = []
        for edge, conv in enumerate(self.convs):
            number, x = self.weighted[edge], inputs[edge]
            found.append(x * weights[number] if number >= 0 else conv(x))
        if self.training and self.drop > 0.0:
            factors = kept_edges(inputs[0], len(inputs) - spared, self.drop)
            for edge in range(spared, len(inputs)):
                found[edge] = found[edge] * factors[edge - spared]
        return found


def total(terms: list[Tensor]) -> Tensor:
    out = terms[0]
    for term in terms[1:]:
        out = out + term
    return out


def mean(terms: list[Tensor]) -> Tensor:
    return total(terms) / len(terms) if len(terms) > 1 else terms[0]


class Sum(Edges):
    """The weighted sum."""

    def forward(self, inputs: list[Tensor]) -> Tensor:
        return total(self.terms(inputs, 0))


class Attention(Edges):
    """The weighted sum of all inputs but the first, which says how much of each of its values is added once more.

    w * s + s * mask: s is the sum, w the sigmoid of a weight, which is 1 in the beginning, and the mask is the first
    input scaled to [0, 1], for every image by itself. A constant input makes a mask of 0. The first edge is never
    dropped.
    """

    def __init__(self, incoming: Sequence[int]) -> None:
        super().__init__(incoming)
        self.share = nn.Parameter(torch.ones(()))

    def forward(self, inputs: list[Tensor]) -> Tensor:
        terms = self.terms(inputs, 1)
        low = terms[0].amin(dim=(1, 2, 3), keepdim=True)
        span = terms[0].amax(dim=(1, 2, 3), keepdim=True) - low
        mask = (terms[0] - low) / torch.where(span > 0, span, torch.ones_like(span))
        return total(terms[1:]) * (torch.sigmoid(self.share) + mask)


class Only(Merge):
    """The one input that there is."""

    def forward(self, inputs: list[Tensor]) -> Tensor:
        return inputs[0]


def merge_of(kind: str, incoming: Sequence[int]) -> Merge:
    """What makes one input of several with these channels, in the order of the nodes that they come from."""
    if len(incoming) == 1:
        return Only(incoming[0])
    if kind == "concat":
        return Concat(incoming)
    return Attention(incoming) if kind == "attention" else Sum(incoming)


# -- graphs -------------------------------------------------------------------------------------------------------


class Pool(nn.AvgPool2d):
    """An average pool that keeps the resolution; pixels beyond the border count as 0, as in the authors' code."""

    def __init__(self, window: int) -> None:
        super().__init__(window, stride=1, padding=window // 2)


class Node(nn.Module):
    """A node of a graph: it merges what comes in, and its body, an operation or a graph, works on that."""

    def __init__(self, merge: Merge, child: Any, channels: int) -> None:
        super().__init__()
        self.merge = merge
        self.body, self.channels = body_of(child, merge.channels, channels)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        out: Tensor = self.body(self.merge(inputs))
        return out


def body_of(child: Any, c_in: int, c_out: int) -> tuple[nn.Module, int]:
    """What a node does with its merged inputs, and the channels that come out: a pool keeps those that come in."""
    if not isinstance(child, str):
        return Graph(child, c_in, c_out), c_out
    if child in POOLS:
        return Pool(POOLS[child]), c_in
    return ConvNode(c_in, c_out, CONVOLUTIONS[child]), c_out


def sources_of(plan: GraphPlan) -> list[list[int]]:
    """What comes into each node, in order: 0 is what comes into the graph, i + 1 the output of node i."""
    edges, _, _, _, children = plan
    found = [[int(low) + 1 for low, high in sorted(edges) if high == node] for node in range(len(children))]
    return [sources or [0] for sources in found]


def nodes_of(plan: GraphPlan, c_in: int, channels: Sequence[int]) -> list[Node]:
    """The nodes of a graph that `c_in` channels come into; `channels` are those that its nodes should give."""
    _, _, _, merges, children = plan
    widths, nodes = [c_in], list[Node]()
    for merge, child, sources, c_out in zip(merges, children, sources_of(plan), channels, strict=True):
        nodes.append(Node(merge_of(merge, [widths[source] for source in sources]), child, c_out))
        widths.append(nodes[-1].channels)
    return nodes


class Graph(nn.Module):
    """A graph inside a node: one resolution, `c_in` channels to `c_out`."""

    def __init__(self, plan: GraphPlan, c_in: int, c_out: int) -> None:
        super().__init__()
        self.nodes = nn.ModuleList(nodes_of(plan, c_in, [c_out] * len(plan[4])))
        self.sources = sources_of(plan)
        self.outputs = [int(node) + 1 for node in plan[2]]

    def forward(self, x: Tensor) -> Tensor:  # (B, c_in, H, W) -> (B, c_out, H, W)
        values = [x]
        for number, node in enumerate(self.nodes):
            values.append(node([values[source] for source in self.sources[number]]))
        return mean([values[output] for output in self.outputs])


# -- checks -------------------------------------------------------------------------------------------------------


def is_whole(number: object) -> bool:
    return hasattr(number, "__index__") and not isinstance(number, bool)


def check_size(name: str, size: Any, least: int = 1) -> None:
    """ValueError unless a number of things is whole and at least `least`."""
    if not is_whole(size) or size < least:
        raise ValueError(f"{name} {size!r}: expected a whole number, at least {least}")


def check_graph(plan: Any, where: str = "the graph") -> None:
    """ValueError unless this is a graph, and all its children are."""
    if isinstance(plan, str) or not hasattr(plan, "__len__") or len(plan) != 5:
        raise ValueError(f"{where}: expected (edges, inputs, outputs, merges, children), found {str(plan)[:80]}")
    edges, inputs, outputs, merges, children = plan
    count = len(children)
    if not count or len(merges) != count:
        raise ValueError(f"{where}: {count} children and {len(merges)} merges; expected one of each for every node")
    for low, high in edges:
        if not (is_whole(low) and is_whole(high) and 0 <= low < high < count):
            raise ValueError(f"{where}: edge {(low, high)}; expected nodes from 0 to {count - 1}, the lower one first")
    if len({*map(tuple, edges)}) != len(edges):
        raise ValueError(f"{where}: an edge occurs twice")
    ends = {"inputs": (inputs, {high for _, high in edges}), "outputs": (outputs, {low for low, _ in edges})}
    for name, (given, others) in ends.items():
        expected = [node for node in range(count) if node not in others]
        if list(given) != expected:
            raise ValueError(f"{where}: {name} {tuple(given)}; with these edges they are {tuple(expected)}")
    for node, (merge, child) in enumerate(zip(merges, children, strict=True)):
        if merge not in MERGES:
            raise ValueError(f"{where}, node {node}: merge {merge!r}; expected one of {', '.join(MERGES)}")
        if not isinstance(child, str):
            check_graph(child, f"{where}, node {node}")
        elif child not in (CONVOLUTIONS if node in outputs else OPERATIONS):
            expected_here = "a convolution in an output node, one" if node in outputs else "one"
            raise ValueError(
                f"{where}, node {node}: operation {child!r}; expected {expected_here} of {', '.join(OPERATIONS)}"
            )


def check_plan(plan: Mapping[str, Any]) -> None:
    """ValueError unless this is the plan of a network."""
    check_graph(plan["graph"])
    count = len(plan["graph"][4])
    for name in ("stages", "channels"):
        if len(plan[name]) != count:
            raise ValueError(f"{len(plan[name])} {name} for a graph of {count} nodes: expected one for each")
    for channels in plan["channels"]:
        check_size("channels", channels)
    for stage in plan["stages"]:
        if not is_whole(stage) or not 0 <= stage <= LAST_STAGE:
            raise ValueError(f"stage {stage!r}: expected a whole number from 0 to {LAST_STAGE}")
    if list(plan["stages"]) != sorted(plan["stages"]):
        raise ValueError(f"stages {tuple(plan['stages'])}: expected them in order, for edges lead to later stages")
    if plan["stem"] not in STEMS:
        raise ValueError(f"stem {plan['stem']!r}: expected one of {', '.join(STEMS)}")


# -- network ------------------------------------------------------------------------------------------------------


def auxiliary_head(c_in: int, classes: int) -> nn.Sequential:
    """(B, c_in, H, W) -> (B, classes): the head of DARTS, on maps that are pooled to 2 x 2 pixels."""
    return nn.Sequential(
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        Conv(c_in, 128, (1, 1), bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        Conv(128, 768, (2, 2), bias=False),
        nn.BatchNorm2d(768),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(768, classes),
    )


class RandomGraphNetwork(nn.Module):
    """The whole network, for images of any size.

    `plan` has the `graph`, for every node of it a stage in `stages` (0, 1 or 2, in order) and the channels that it
    gives in `channels`, and the name of the `stem` ("small": full resolution, "large": a quarter of it). A node of
    stage s works at a 2^s-th of that resolution, its sides rounded down and at least one pixel; what comes in is pooled
    to this size. The graph's outputs are pooled to the size of the last one and brought to its channels by 1x1
    convolutions. `head_width` are the channels before the classifier.

    `network(x)` are the logits, always. With `auxiliary` the network has an auxiliary head on the merged input of the
    first node of the last stage that has any, and `network.with_auxiliary(x)` are the logits and those of that head.

    `drop_path`, 0 <= p < 1, may be set at any time: in training, and only there, each edge into a node with several
    inputs is dropped with this probability, see `kept_edges`.

    ValueError for what is no plan, for sizes below 1, and for another `drop_path`. The weights are drawn from `seed`
    alone, the same ones with and without auxiliary head; PyTorch's global generator is left as it was.
    """

    __jit_unused_properties__: ClassVar[list[str]] = ["drop_path"]

    def __init__(
        self,
        plan: Mapping[str, Any],
        seed: int,
        image_channels: int = 3,
        classes: int = 10,
        head_width: int = 1280,
        auxiliary: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        check_plan(plan)
        for name, size in {"image_channels": image_channels, "classes": classes, "head_width": head_width}.items():
            check_size(name, size)
        graph, channels = plan["graph"], [int(each) for each in plan["channels"]]
        make_stem, halvings = STEMS[plan["stem"]]
        self.halvings = [halvings + int(stage) for stage in plan["stages"]]
        self.sources = sources_of(graph)
        self.outputs = [int(node) + 1 for node in graph[2]]
        self.branch = self.halvings.index(self.halvings[-1])
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: that reseeds the GPUs as well
            self.stem = make_stem(image_channels, channels[0])
            nodes = nodes_of(graph, channels[0], channels)
            width = nodes[-1].channels
            self.nodes = nn.ModuleList(nodes)
            self.joined = nn.ModuleList(
                nn.Identity() if nodes[node].channels == width else Conv(nodes[node].channels, width, (1, 1))
                for node in graph[2]
            )
            self.head = nn.Sequential(
                nn.ReLU(),
                Conv(width, head_width, (1, 1)),
                nn.BatchNorm2d(head_width),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Dropout(0.2),
                nn.Linear(head_width, classes),
            )
            # Drawn last, so that the rest is the same without it.
            self.auxiliary = auxiliary_head(nodes[self.branch].merge.channels, classes) if auxiliary else None
        self.drop_path = drop_path

    @property
    def drop_path(self) -> float:
        return self._drop_path

    @drop_path.setter
    def drop_path(self, probability: float) -> None:
        if not 0.0 <= probability < 1.0:
            raise ValueError(f"drop_path {probability}: expected a probability from 0 up to, but not, 1")
        self._drop_path = probability
        for module in self.modules():
            if isinstance(module, Merge):
                module.drop = probability

    def forward(self, x: Tensor) -> Tensor:  # (B, image_channels, H, W) -> (B, classes)
        logits: Tensor = self.head(self._features(x)[1])
        return logits

    def with_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and those of the auxiliary head; ValueError if the network was made without one."""
        if self.auxiliary is None:
            raise ValueError("this network has no auxiliary head; make it with auxiliary=True")
        branch, last = self._features(x)
        return self.head(last), self.auxiliary(branch)

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the auxiliary head works on, and the graph's output."""
        height, width = x.shape[2], x.shape[3]
        values = [self.stem(x)]
        branch = values[0]
        rows, columns = height, width
        for number, node in enumerate(self.nodes):
            rows, columns = side_at(height, self.halvings[number]), side_at(width, self.halvings[number])
            merged = node.merge([resized(values[source], rows, columns) for source in self.sources[number]])  # type: ignore[operator]
            if number == self.branch:
                branch = merged
            values.append(node.body(merged))  # type: ignore[operator]
        terms: list[Tensor] = []
        for place, conv in enumerate(self.joined):
            terms.append(conv(resized(values[self.outputs[place]], rows, columns)))
        return branch, mean(terms)
