"""They run in one process, with other tests of BoTorch: importing it takes seconds.

The contract of strategies, whose dozens of searches take Gaussian processes more than a minute, is tested of their base
class and of mobo, which differ from this one in `chosen` only.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import MissingExtraError
from archloom.runs.record import decode_state, encode_state
from archloom.spaces.domains import Integer, Real, Seed
from archloom.spaces.space import Space
from archloom.strategies.qnehvi import strategy as module
from archloom.strategies.qnehvi.acquisition import closed_room
from archloom.strategies.qnehvi.strategy import Qnehvi, QnehviNote, QnehviOptions
from archloom.types import Proposal, Result, Trial
from archloom.utils import seeds

pytestmark = [
    pytest.mark.xdist_group("botorch"),
    pytest.mark.skipif(find_spec("botorch") is None, reason="qnehvi needs the extra botorch"),
]

LINE = Space({"x": Real(0.0, 1.0), "y": Real(0.0, 1.0)})
MIXED = Space({"x": Real(0.0, 1.0), "n": Integer(0, 4), "kind": ["a", "b", "c"], "seed": Seed()})
TWO = Criteria((Objective("left", "min"), Objective("right", "max")))

Answer = Callable[[Proposal], Result]


def made(space: Space, criteria: Criteria, batch: int = 2) -> Qnehvi:
    options = QnehviOptions(initial=6, batch=batch, samples=8, restarts=1, raw=8)
    return Qnehvi(space, criteria, seeds.stream(3, "strategy"), options)


def first(strategy: Qnehvi, answer: Answer) -> None:
    """Tell it what it draws at random."""
    asked = strategy.ask(6)
    strategy.tell([Trial(i, proposal, answer(proposal)) for i, proposal in enumerate(asked)])


def chosen(space: Space, criteria: Criteria, answer: Answer, batch: int = 2) -> list[tuple[int | float, ...]]:
    """The genes of the first batch."""
    first(strategy := made(space, criteria, batch), answer)
    return [proposal.arch.genes for proposal in strategy.ask(6)]


def test_two_objectives_and_nothing_else_in_the_process_changes() -> None:
    """The front are all x at y = 0."""
    import torch

    with closed_room(0):
        from botorch.acquisition.multi_objective import logei

    held: Any = logei
    before = torch.get_rng_state(), torch.get_num_threads(), held._C, held._load_attempted

    def answer(proposal: Proposal) -> Result:
        x, y = proposal.arch.genes
        return Result({"left": x + 2.0 * y, "right": x - 2.0 * y})

    strategy, restored = made(LINE, TWO), made(LINE, TWO)
    first(strategy, answer)
    restored.load_state_dict(decode_state(encode_state(strategy.state_dict())))
    asked = strategy.ask(2)
    assert restored.ask(2) == asked
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (torch.get_num_threads(), held._C, held._load_attempted) == before[1:]
    assert all(QnehviNote.find(proposal.note) is not None for proposal in asked)
    (x1, y1), (x2, y2) = (proposal.arch.genes for proposal in asked)
    assert max(y1, y2) < 0.05
    assert abs(x1 - x2) > 0.1


def test_a_constraint_is_kept() -> None:
    """Both objectives want to be at 0, which only 0.4 <= x forbids."""
    criteria = Criteria(TWO.objectives, (Constraint("x", 0.4, at_most=False),))

    def answer(proposal: Proposal) -> Result:
        x, y = proposal.arch.genes
        return Result({"left": x + y, "right": -x - 2 * y, "x": x})

    ((x, y),) = chosen(LINE, criteria, answer, batch=1)
    assert 0.35 < x < 0.5
    assert y < 0.1


def test_a_single_objective_with_numbers_choices_and_seeds() -> None:
    def answer(proposal: Proposal) -> Result:
        x, n, kind, _ = proposal.arch.genes
        return Result({"worth": -x - n + 2.0 * (kind == 1)}) if n < 4 else Result.failed("too many")

    one, other = chosen(MIXED, Criteria((Objective("worth", "max"),)), answer)
    assert one[:3] != other[:3]
    assert one[2] == other[2] == 1
    assert max(one[1], other[1]) <= 1


def test_without_botorch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"archloom\[botorch\]"):
        made(LINE, TWO)
