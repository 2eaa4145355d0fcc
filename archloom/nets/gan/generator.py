"""The generator: three cells that each double the resolution, fed by projections of the latent vector.

AdversarialNAS (Gao et al. 2020), with the projections that PBT-NAS searches (Chebykin et al. 2023, section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archloom.nets.gan.operators import Convolve, conv, normal, total, up
from archloom.nets.gan.plans import CONVOLUTIONS, Convolution, ProjectionPlan

RESIZING = ("nearest", "bilinear", "nearest")
"""How each cell resizes the features that it takes from earlier cells; not searched."""


class Projection(nn.Module):
    """A part of the latent vector, through a linear layer, as a map that is resized to where it is added."""

    def __init__(self, plan: ProjectionPlan, channels: int) -> None:
        super().__init__()
        self.plan = plan
        self.linear = nn.Linear(plan.last - plan.first, channels * plan.width**2)

    def forward(self, latent: Tensor, generator: torch.Generator | None = None) -> Tensor:
        plan = self.plan
        x: Tensor = self.linear(latent[:, plan.first : plan.last])  # (B, C * width * width)
        x = x.view(x.shape[0], -1, plan.width, plan.width)  # not len(x): an exporter takes that for a constant
        if plan.target > plan.width:
            x = F.interpolate(x, size=(plan.target, plan.target), mode=plan.mode)
        if self.training and plan.dropout > 0:
            kept = torch.empty_like(x).bernoulli_(1 - plan.dropout, generator=generator)
            x = x * kept / (1 - plan.dropout)
        return x  # (B, C, target, target)


class Cell(nn.ModuleDict):
    """Nodes 0 and 1 are the input at twice the resolution, node 2 joins them, node 3 joins all and is the output.

    Its modules have the names of its edges in `plans.CELL`; edges with `none` have none. So that every choice is a
    network, node 2 is node 0 + node 1 where neither is joined to it, and the output is node 2 where nothing else is.

    `skips` features of earlier cells are resized and each added to node 2 through a 1x1 convolution of its own. The
    published code adds them in place: where node 2 is just node 0 or node 1, passed on by the one `skip_connect` that
    leads to it, that node gets them too. With `as_published` it is so here (in AdversarialNAS's own CIFAR-10 generator
    this is so in cell 2).
    """

    def __init__(
        self, operations: Mapping[str, str], channels: int, skips: int, resizing: str, as_published: bool = False
    ) -> None:
        super().__init__()
        for edge in ("up0", "up1"):
            self[edge] = up(operations[edge], channels)

        def convolve(shape: Convolution) -> nn.Module:
            return Convolve(conv(channels, channels, shape))

        for edge in ("c0", "c1", "c2", "c3", "c4"):
            operation = normal(operations[edge], convolve)
            if operation is not None:
                self[edge] = operation
        self.skips = nn.ModuleList(conv(channels, channels, CONVOLUTIONS["conv_1x1"]) for _ in range(skips))
        self.resizing = resizing
        self.as_published = as_published

    def forward(self, x: Tensor, features: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) and earlier cells' nodes 2 -> this cell's output and node 2, both (B, C, 2H, 2W)."""
        node0, node1 = self["up0"](x), self["up1"](x)
        joined = total(self._terms(c0=node0, c1=node1) or [node0, node1])
        node2 = joined
        for skip, feature in zip(self.skips, features, strict=True):
            node2 = node2 + skip(F.interpolate(feature, size=node0.shape[2:], mode=self.resizing))
        if self.as_published:
            node0, node1 = (node2 if node is joined else node for node in (node0, node1))
        return total(self._terms(c2=node0, c3=node1, c4=node2) or [node2]), node2

    def _terms(self, **sources: Tensor) -> list[Tensor]:
        """What the edges that exist bring from their sources."""
        return [self[edge](node) for edge, node in sources.items() if edge in self]


class Generator(nn.Module):
    """Latent vectors to images with values in [-1, 1].

    `cells` name the operation of each edge of `plans.CELL`, cell by cell; there are as many projections as cells or
    fewer. The first is the input of cell 1, the others are added to the inputs of the cells after it.
    """

    def __init__(
        self,
        cells: Sequence[Mapping[str, str]],
        projections: Sequence[ProjectionPlan],
        channels: int,
        image_channels: int,
        as_published: bool = False,
    ) -> None:
        super().__init__()
        self.projections = nn.ModuleList(Projection(plan, channels) for plan in projections)
        self.cells = nn.ModuleList(
            Cell(operations, channels, earlier, resizing, as_published)
            for earlier, (operations, resizing) in enumerate(zip(cells, RESIZING, strict=True))
        )
        norm = nn.BatchNorm2d(channels)
        nn.init.normal_(norm.weight, 1.0, 0.02)
        image = conv(channels, image_channels, CONVOLUTIONS["conv_3x3"])
        self.to_rgb = nn.Sequential(norm, nn.ReLU(), image, nn.Tanh())
        self._added = [i for i, plan in enumerate(projections) if i > 0 and plan.enabled]

    def forward(self, latent: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, latent) -> (B, image_channels, 8 * bottom, 8 * bottom).

        `generator` draws what dropout sets to 0 in training; without it, it is PyTorch's global one.
        """
        x = self.projections[0](latent, generator)
        features: list[Tensor] = []
        for i, cell in enumerate(self.cells):
            if i in self._added:
                x = x + self.projections[i](latent, generator)
            x, feature = cell(x, features)
            features.append(feature)
        images: Tensor = self.to_rgb(x)
        return images
