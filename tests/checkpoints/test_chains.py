"""Which files of earlier trials a training reads."""

from __future__ import annotations

import json

from archloom.checkpoints.chains import Chains, Leaving
from archloom.checkpoints.experience import EXPERIENCE
from archloom.types import Inherit


def reading(base: int, *trials: int) -> Inherit:
    return Inherit(base, files={EXPERIENCE.name: trials})


def chained() -> Chains:
    """Trial 4 continues from 2, that from 0; 3 continues from 1. 6 units are read back."""
    chains = Chains(Leaving(EXPERIENCE, 6))
    chains.add(0, None, 3)
    chains.add(1, None, 3)
    chains.add(2, reading(0, 0), 5)
    chains.add(3, reading(1, 1), 9)
    chains.add(4, reading(2, 0, 2), 8)
    return chains


def test_a_chain_is_what_was_read_and_what_was_left_as_far_back_as_is_read() -> None:
    chains = chained()
    assert [chains.of(trial) for trial in range(5)] == [(0,), (1,), (0, 2), (3,), (0, 2, 4)]
    chains.add(5, reading(4, 0, 2, 4), 12)
    assert chains.of(5) == (4, 5), "4 units, and 3 of the one before: 6 are reached"
    assert chains.of(77) == ()


def test_the_latest_of_any_trials() -> None:
    chains = chained()
    assert chains.latest([0, 1, 2, 3, 4]) == (3, 4)
    assert chains.latest([0, 1, 2]) == (0, 1, 2)
    assert chains.latest([]) == ()


def test_what_nothing_continues_from_is_forgotten() -> None:
    chains = chained()
    chains.keep([4, 77], [1])
    assert chains.of(3) == () and chains.of(4) == (0, 2, 4)
    assert chains.latest([0, 1, 3]) == (0, 1, 3), "3 counts no more"
    again = Chains(Leaving(EXPERIENCE, 6))
    again.restore(json.loads(json.dumps(chains.dump())))
    for each in (chains, again):
        each.add(5, reading(4, *each.of(4)), 20)
        assert each.of(5) == (5,)
        each.add(6, reading(4, *each.of(4)), 9)
        assert each.of(6) == (2, 4, 6)
