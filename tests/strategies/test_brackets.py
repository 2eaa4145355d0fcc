from __future__ import annotations

from archloom.strategies.brackets import Bracket
from archloom.types import Arch, Inherit, Proposal, Result, Trial


def drawn(fidelity: int) -> Proposal:
    return Proposal(Arch((fidelity,)), fidelity)


def none(fidelity: int) -> None:
    return None


def tell(bracket: Bracket, *proposals: Proposal | None) -> None:
    for number, proposal in enumerate(proposals):
        assert proposal is not None
        bracket.tell(Trial(number, proposal, Result({"worth": 1.0})))


def test_a_rung_waits_until_all_of_it_are_told() -> None:
    bracket = Bracket((3, 9), (2, 1))
    asked = [bracket.ask(drawn), bracket.ask(drawn)]
    assert asked == [drawn(3)] * 2 and bracket.ask(drawn) is None and not bracket.complete
    tell(bracket, *asked)
    assert bracket.complete and bracket.most_promoted == 1
    promoted = Proposal(Arch((3,)), 9, Inherit(0))
    bracket.advance([promoted], to_draw=1)
    assert (bracket.fidelity, bracket.most_promoted, bracket.complete) == (9, 0, False)
    assert [bracket.ask(drawn), bracket.ask(drawn), bracket.ask(drawn)] == [promoted, drawn(9), None]


def test_it_goes_on_with_those_it_has_if_no_more_are_drawn() -> None:
    bracket = Bracket((3, 9), (3, 1))
    tell(bracket, bracket.ask(drawn))
    assert bracket.ask(none) is None and bracket.complete and bracket.ask(drawn) is None
    empty = Bracket((3, 9), (3, 1))
    assert empty.ask(none) is None and empty.complete and empty.told == []


def test_it_goes_on_from_what_it_says() -> None:
    bracket = Bracket((3, 9, 27), (4, 2, 1))
    bracket.advance([Proposal(Arch((n,)), 9, Inherit(n)) for n in range(2)], to_draw=1)
    tell(bracket, bracket.ask(drawn))
    assert Bracket((3, 9, 27), (4, 2, 1)).restored(bracket.dump()) == bracket
