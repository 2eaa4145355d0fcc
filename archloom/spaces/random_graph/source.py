"""A network of random graphs as a file of code, for `archloom export`."""

from __future__ import annotations

from pprint import pformat

from archloom.spaces.exports import exported
from archloom.spaces.random_graph.plan import Plan
from archloom.spaces.random_graph.settings import NetworkOptions

_EXPORT = '''"""A network of random graphs, found with archloom.

{arch}
{found_by}

    from FILE import make_network

    network = make_network(seed=0)

{trained}
"""

{code}

PLAN = {plan}
"""Each graph is (edges, inputs, outputs, merges, children); stages and channels are those of the outermost nodes."""


def make_network(
    seed: int = 0,
    image_channels: int = {image_channels},
    classes: int = {classes},
    head_width: int = {head_width},
    auxiliary: bool = {auxiliary},
) -> RandomGraphNetwork:
    """The network with freshly drawn weights, for images of shape (B, image_channels, H, W)."""
    return RandomGraphNetwork(PLAN, seed, image_channels, classes, head_width, auxiliary)
'''


def source_of(plan: Plan, networks: NetworkOptions, *, arch: str, found_by: str) -> str:
    """A file that needs PyTorch only. `arch` is the architecture's string, `found_by` says where it comes from."""
    return exported(
        _EXPORT,
        "random_graph",
        arch=arch,
        found_by=found_by,
        plan=pformat(plan.literal(), width=120, compact=True, sort_dicts=False),
        image_channels=networks.image_channels,
        classes=networks.classes,
        head_width=networks.head_width,
        auxiliary=networks.auxiliary,
    )
