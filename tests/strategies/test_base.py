from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, ClassVar

import pytest

from archloom import registry
from archloom.errors import InputError
from archloom.runs.prepare import choose_strategy
from archloom.runs.record import decode_state, encode_state
from archloom.spaces.base import Buildable, HasAlpha, HasNeighbours
from archloom.spaces.domains import Choice, Real
from archloom.spaces.space import Space
from archloom.strategies.base import BaseStrategy, pack_archs, pack_trials, unpack_archs, unpack_trials
from archloom.testing import PLANTED_CRITERIA, PlantedSpace, check_strategy
from archloom.types import Arch, Inherit, Proposal, Result, Trial
from archloom.utils import seeds

LEARN_NOTHING = {"random", "random_walk"}


def test_every_registered_strategy_keeps_the_contract(strategy: Any) -> None:
    """Those that learn, but by training (tests/strategies/test_population.py), beat random search."""
    options = choose_strategy(strategy.name, strategy.options_on(PlantedSpace())).options
    check_strategy(
        partial(registry.load_strategy(strategy.name), options=options),
        beats_random=not strategy.trains and strategy.name not in LEARN_NOTHING, repetitions=4,
    )  # fmt: skip


class Diary(BaseStrategy):
    """Proposes 0, 1, 2, ... `last` and notes what it learns."""

    @dataclass(frozen=True)
    class Options:  # type: ignore[misc]
        last: int = 4

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.next = 0
        self.learned: list[int] = []

    def propose(self) -> Proposal | None:
        if self.next > self.options.last:
            return None
        self.next += 1
        return Proposal(Arch((self.next - 1,)))

    def learn(self, trial: Trial) -> None:
        self.learned.append(trial.id)

    def dump(self) -> dict[str, Any]:
        return {"next": self.next}

    def restore(self, own: dict[str, Any]) -> None:
        self.next = own["next"]


def diary(*options: Any) -> Diary:
    return Diary(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy"), *options)


def test_ask_gives_at_most_n_and_nothing_when_finished() -> None:
    strategy = diary()
    assert [p.arch.genes[0] for p in strategy.ask(2)] == [0, 1]
    assert [p.arch.genes[0] for p in strategy.ask(9)] == [2, 3, 4]
    assert list(strategy.ask(1)) == []


@pytest.mark.parametrize("n", [0, -3])
def test_asking_for_nothing_is_told(n: int) -> None:
    with pytest.raises(InputError, match=rf"^ask\({n}\): expected at least 1$"):
        diary().ask(n)


def test_trials_are_learned_in_the_order_of_their_ids() -> None:
    strategy = diary()
    trials = [Trial(i, proposal, Result()) for i, proposal in zip((4, 2, 9, 3), strategy.ask(4), strict=True)]
    strategy.tell(trials)
    assert strategy.learned == [2, 3, 4, 9]
    assert [t.id for t in trials] == [4, 2, 9, 3]


def test_what_was_not_asked_or_was_told_is_refused_and_nothing_learned() -> None:
    strategy = diary()
    first, second = (Trial(i, proposal, Result()) for i, proposal in enumerate(strategy.ask(2)))
    stranger = Trial(7, Proposal(Arch((9,))), Result())
    for wrong in ([stranger], [first, stranger], [first, first]):
        with pytest.raises(InputError, match=r"trial \d, genes \[\d.*\], is not in flight: tell each proposal"):
            strategy.tell(wrong)
    strategy.tell([first])
    restored = diary()
    restored.load_state_dict(decode_state(encode_state(strategy.state_dict())))
    for each in (strategy, restored):
        with pytest.raises(InputError, match="trial 0"):
            each.tell([first])
        each.tell([second])
        assert each.learned[-1] == 1


def test_options_have_defaults() -> None:
    assert diary().options == Diary.Options()
    assert diary(Diary.Options(last=0)).options.last == 0


def test_the_state_holds_the_generator_and_the_subclass() -> None:
    one, other = diary(), diary()
    one.ask(3)
    one.sample_valid()
    other.load_state_dict(one.state_dict())
    assert one.sample_valid() == other.sample_valid()
    assert one.ask(1) == other.ask(1)


class Bare:
    """A space that can do nothing beyond what every space can."""

    name = "bare"

    def violations(self, arch: Arch) -> Mapping[str, float]:
        return {}


@pytest.mark.parametrize(
    ("capability", "told"),
    [
        (HasNeighbours, "neighbours"),
        (HasAlpha, "alpha_shape and discretise and one_hot"),
        (Buildable, "build"),
    ],
)
def test_a_space_without_a_needed_capability_is_refused(capability: type[Any], told: str) -> None:
    class Needy(BaseStrategy):
        needs: ClassVar[tuple[type[Any], ...]] = (capability,)

        def propose(self) -> Proposal:
            return Proposal(self.sample_valid())

    with pytest.raises(InputError) as caught:
        Needy(Bare(), PLANTED_CRITERIA, seeds.stream(0, "strategy"))  # type: ignore[arg-type]
    said, _, others = str(caught.value).partition("; these have: ")
    assert said == f"strategy Needy needs a space with {told}, which space 'bare' does not have"
    assert {"nb201", "convnet"} <= set(others.split(", "))
    if find_spec("numba") is not None:
        assert ("nb101" in others) == (capability is not HasAlpha)


def test_a_space_may_be_checked_before_there_is_a_strategy() -> None:
    registry.load_strategy("local_search").check_space(Space({"a": [1, 2]}))
    with pytest.raises(InputError, match="strategy Cadam needs a space with alpha_shape and discretise and one_hot"):
        registry.load_strategy("cadam").check_space(Space({"a": [1, 2]}))


@pytest.mark.parametrize(
    ("space", "reason"),
    [
        (
            Space({"a": [1, 2], "lr": Real(0, 1)}),
            "only spaces of choices can have that, and lr is a number from 0.0 to 1.0",
        ),
        (
            Space({"a": [1, 2], "b": Choice([1, 2], when={"a": 1})}),
            "only spaces of independent choices can have that, and b counts only if a = 1",
        ),
        (Space({"a": [1, 2]}), "as an archloom.Categorical it would have it"),
    ],
)
def test_a_space_of_domains_is_told_what_it_would_take(space: Space, reason: str) -> None:
    for name in ("cadam", "pbt_nas"):
        with pytest.raises(InputError) as caught:
            registry.load_strategy(name)(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"))
        assert f", which space 'space' does not have: {reason}; these have: " in str(caught.value)
        assert "nb201" in str(caught.value) and "\n" not in str(caught.value)


def test_trials_and_architectures_are_packed_without_loss() -> None:
    proposal = Proposal(Arch((1, 2.5)), 3, Inherit(1, {0: None, 2: 5}), {"k": [1]})
    trials = [Trial(0, proposal, Result({"a": 1.5})), Trial(1, Proposal(Arch(())), Result.failed("no", 2.0))]
    assert unpack_trials(pack_trials(trials)) == trials
    archs = [trial.proposal.arch for trial in trials]
    assert unpack_archs(pack_archs(archs)) == archs
