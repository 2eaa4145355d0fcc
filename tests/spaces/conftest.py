"""What the tests of several spaces share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from archloom.spaces.base import HasSource
from archloom.types import Arch

Exported = Callable[[Any, Arch, Sequence[int]], tuple[Any, Any]]


@pytest.fixture
def exported() -> Exported:
    """The network that a space builds, and the one that the file it exports builds, for images of a shape (B, C, H, W).

    The file needs nothing of archloom; weights and outputs are the same.
    """
    torch = pytest.importorskip("torch", reason="networks need the extra train")

    def compare(space: Any, arch: Arch, images: Sequence[int]) -> tuple[Any, Any]:
        assert isinstance(space, HasSource)
        text = space.source(arch, "found by a test")
        about, _, code = text.partition('"""\n\n')
        assert "archloom" not in code
        assert space.format(arch) in about and "found by a test" in about
        names: dict[str, Any] = {"__name__": "exported"}
        exec(compile(text, "exported.py", "exec"), names)
        ours, made = space.build(arch, 5).eval(), names["make_network"](seed=5).eval()
        ours_state, made_state = ours.state_dict(), made.state_dict()
        assert list(ours_state) == list(made_state)
        assert all(torch.equal(ours_state[name], made_state[name]) for name in ours_state)
        x = torch.randn(*images, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            assert torch.equal(ours(x), made(x))
        return ours, made

    return compare
