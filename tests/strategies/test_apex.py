from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.constraints import Constraint, Criteria, Objective
from archloom.errors import InputError
from archloom.spaces.base import Categorical, SearchSpace
from archloom.testing import PLANTED_CRITERIA, MixedSpace, PlantedSpace, RuledSpace, is_planted, planted_worth
from archloom.types import Arch, Result, Trial
from archloom.utils import seeds

pytest.importorskip("torch", reason="agents need the extra train")

from archloom.runs.record import decode_state, encode_state
from archloom.strategies.apex import Apex, ApexOptions

PLANTED = np.eye(4, dtype=np.uint8)[np.ones(8, dtype=np.int64)].ravel()
"""What the bits of the planted space are worth: its first option but one."""

CHAIN = 32


class Chain(Categorical):
    """Numbers 0 to 31, of which only those beside each other are neighbours."""

    name = "chain"

    def __init__(self) -> None:
        super().__init__({"number": list(range(CHAIN))})

    def neighbours(self, arch: Arch) -> list[Arch]:
        (number,) = arch.genes
        return [Arch((other,)) for other in (number - 1, number + 1) if 0 <= other < CHAIN]


class AlwaysZero(PlantedSpace):
    """Every walk begins at the same architecture."""

    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch((0,) * 8)


@pytest.fixture
def apex(agent_for: Callable[..., Path]) -> Callable[..., Apex]:
    """The strategy with a new agent, on a space of its own encoding, which asks for every episode's end."""

    def make(
        space: SearchSpace, worth: Any = None, criteria: Criteria = PLANTED_CRITERIA, seed: int = 0,
        card: Mapping[str, Any] | None = None, **options: Any,
    ) -> Apex:  # fmt: skip
        options = {"checkpoint": agent_for(space, worth, **(card or {})), "propose": "end", **options}
        return Apex(space, criteria, seeds.stream(seed, "strategy"), ApexOptions(**options))

    return make


def asked(strategy: Apex, count: int, width: int = 1) -> list[Arch]:
    """What it asks for; every answer is told at once."""
    found: list[Arch] = []
    while len(found) < count:
        proposals = strategy.ask(min(width, count - len(found)))
        strategy.tell([Trial(len(found) + i, p, Result({"worth": 1.0})) for i, p in enumerate(proposals)])
        found += [proposal.arch for proposal in proposals]
    return found


# -- known answers ------------------------------------------------------------------------------------------------


def test_the_planted_architecture_is_reached_from_everywhere(apex: Any) -> None:
    """It is at most eight moves away."""
    assert all(map(is_planted, asked(apex(PlantedSpace(), PLANTED, steps=8), 50)))


def test_an_episode_has_no_more_moves_than_steps(apex: Any) -> None:
    """Each move of this agent is worth one gene more."""
    for steps in (1, 3):
        ends = asked(apex(PlantedSpace(), PLANTED, steps=steps), 32)
        starts = asked(apex(PlantedSpace(), np.ones(32)), 32)
        gained = [planted_worth(end) - planted_worth(start) for start, end in zip(starts, ends, strict=True)]
        assert set(gained) == {12.5 * steps}


def test_an_agent_that_sees_nothing_better_stays(apex: Any) -> None:
    """All bits are worth the same: episodes end where they begin, at random."""
    space = PlantedSpace()
    rng = seeds.stream(0, "strategy")
    assert asked(apex(space, np.ones(32)), 32) == [space.sample(rng) for _ in range(32)]


def test_a_chain_is_climbed_to_its_end(apex: Any) -> None:
    worth = np.arange(CHAIN)
    assert asked(apex(Chain(), worth), 40) == [Arch((CHAIN - 1,))] * 40
    numbers = [arch.genes[0] for arch in asked(apex(Chain(), worth, steps=5), 32)]
    starts = [arch.genes[0] for arch in asked(apex(Chain(), np.ones(CHAIN)), 32)]
    assert numbers == [min(start + 5, CHAIN - 1) for start in starts]


def test_it_is_shown_as_many_neighbours_as_in_its_training(apex: Any) -> None:
    """Of 24 neighbours that differ in one gene 8 are planted ones from nowhere; an agent that sees one of the 24 takes
    a step in a third of all cases."""
    few = apex(AlwaysZero(), PLANTED, card={"max_neighbours": 1}, steps=1, batch=2_000)
    moved = [planted_worth(arch) > 0 for arch in asked(few, 2_000)]
    assert abs(np.mean(moved) - 1 / 3) < 0.05


@pytest.mark.parametrize("epsilon", [0.0, 0.25, 1.0])
def test_epsilon_is_how_often_it_acts_at_random(apex: Any, epsilon: float) -> None:
    """One of 25 actions stays, 8 gain; the greedy one always gains."""
    ends = asked(apex(AlwaysZero(), PLANTED, steps=1, batch=2_000, epsilon=epsilon), 2_000)
    stayed = np.mean([not any(arch.genes) for arch in ends])
    gained = np.mean([planted_worth(arch) > 0 for arch in ends])
    assert abs(stayed - epsilon / 25) < 0.02
    assert abs(gained - (1 - epsilon + epsilon * 8 / 25)) < 0.04
    assert epsilon or (stayed, gained) == (0, 1)


def test_only_what_is_valid_is_walked_on(apex: Any) -> None:
    """The planted architecture breaks the rule: the best is seven eighths of it."""
    ends = asked(apex(RuledSpace(), PLANTED, propose="new"), 60)
    assert not any(RuledSpace().violations(arch)["the first two genes are equal"] for arch in ends)
    assert planted_worth(ends[0]) == max(map(planted_worth, ends)) == 87.5


# -- what an episode is good for ----------------------------------------------------------------------------------


def test_an_end_that_is_known_is_asked_for_again(apex: Any) -> None:
    assert len(set(asked(apex(PlantedSpace(), PLANTED), 20))) == 1


def test_what_is_new_is_the_last_on_the_way(apex: Any) -> None:
    """All episodes climb to the same end: the second asks for what was one move before, and so on."""
    found = asked(apex(AlwaysZero(), PLANTED, propose="new"), 40)
    assert [planted_worth(arch) for arch in found[:2]] == [100.0, 87.5]
    fresh = [arch for place, arch in enumerate(found) if arch not in found[:place]]
    assert len(fresh) > 12
    worths = [planted_worth(arch) for arch in fresh]
    assert worths[0] == max(worths) and worths[-1] < 87.5


def test_if_all_of_a_way_is_known_it_is_a_repeat(apex: Any) -> None:
    found = asked(apex(AlwaysZero(), np.ones(32), propose="new"), 5)
    assert found == [Arch((0,) * 8)] * 5


def test_isomorphic_cells_are_not_new(apex: Any) -> None:
    from archloom.spaces.nb201 import Nb201

    space = Nb201(canonical=True)
    one, same, other = Arch((0, 0, 0, 3, 0, 0)), Arch((3, 0, 0, 3, 0, 0)), Arch((0, 0, 0, 2, 0, 0))
    assert space.key(one) == space.key(same) != space.key(other)
    strategy = apex(space, propose="new")
    strategy.waiting = [[one, other], [same, other], [same, other]]
    assert asked(strategy, 3) == [one, other, same]


# -- what decides the result --------------------------------------------------------------------------------------


def test_only_seed_and_options_decide(apex: Any, agent_for: Callable[..., Path]) -> None:
    checkpoint = agent_for(PlantedSpace())
    make = partial(apex, PlantedSpace(), checkpoint=checkpoint, steps=2, batch=8)
    known = asked(make(), 60)
    assert asked(make(), 60, width=7) == known
    assert asked(make(seed=1), 60) != known
    assert asked(make(criteria=Criteria((Objective("other", "min"),))), 60) == known


def test_pytorch_keeps_its_threads(apex: Any) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        asked(apex(PlantedSpace()), 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("propose", ["end", "new"])
def test_continues_from_its_state(apex: Any, agent_for: Callable[..., Path], propose: str) -> None:
    """In the middle of a batch, and at its end."""
    make = partial(apex, PlantedSpace(), checkpoint=agent_for(PlantedSpace()), steps=3, batch=8, propose=propose)
    for done in (0, 5, 8, 19):
        one, other = make(seed=1), make(seed=2)
        asked(one, done) if done else None
        other.load_state_dict(decode_state(encode_state(one.state_dict())))
        assert asked(one, 30) == asked(other, 30)


# -- what does not fit --------------------------------------------------------------------------------------------


def test_without_an_agent() -> None:
    with pytest.raises(InputError) as caught:
        Apex(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    assert str(caught.value) == (
        "strategy apex needs a trained agent: give --set checkpoint=FILE (in Python checkpoint=FILE); archloom agent "
        "train --on BENCHMARK --out DIR trains one"
    )


def test_on_another_space(agent_for: Callable[..., Path]) -> None:
    checkpoint = agent_for(PlantedSpace(), on="mine.py")
    with pytest.raises(InputError) as caught:
        Apex(Chain(), PLANTED_CRITERIA, seeds.stream(0, "strategy"), ApexOptions(checkpoint=checkpoint))
    assert str(caught.value) == (
        f"agent {checkpoint} reads encoding one-hot-ce05952a6bb3275c (32 bits) of space 'planted', and space 'chain' "
        f"has {Chain().encoding} (32 bits): search on mine.py with the operations that it knows, or train another agent"
    )


def test_on_a_space_that_cannot_be_walked_on(agent_for: Callable[..., Path]) -> None:
    options = ApexOptions(checkpoint=agent_for(PlantedSpace()))
    with pytest.raises(InputError, match="needs a space with encode and encoding and encoding_bits and show_"):
        Apex(MixedSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy"), options)


def test_what_is_no_agent(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match="expected a file that archloom agent train wrote"):
        Apex(PlantedSpace(), PLANTED_CRITERIA, seeds.stream(0, "strategy"), ApexOptions(checkpoint=path))


def test_what_it_says_of_itself(apex: Any) -> None:
    card = {"metric": "valid", "on": "nb201", "steps": 64_000}
    learned = "apex: the agent has learned to raise valid on nb201 in 64,000 steps"

    def said(*objectives: Objective, constraints: tuple[Constraint, ...] = ()) -> list[str]:
        return list(apex(PlantedSpace(), criteria=Criteria(objectives, constraints), card=card).caveats())

    assert said(Objective("valid")) == [learned]
    transfer = (
        "apex: the agent still climbs valid; what of it holds for {} is for this search to show (zero-shot transfer)"
    )
    assert said(Objective("test"), Objective("valid")) == [learned, transfer.format("test")]
    assert said(Objective("valid", "min"), Objective("size", "min")) == [learned, transfer.format("valid, size")]
    bounded = said(Objective("valid"), constraints=(Constraint("params_m", 0.5),))
    assert bounded == [
        learned, "apex: the agent knows no constraints, and asks for what violates params_m<=0.5 like for the rest"
    ]  # fmt: skip


# -- in a run -----------------------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(agent_for: Callable[..., Path], tmp_path: Path) -> Path:
    """Of an agent on the planted space, with a home of its own."""
    return agent_for(PlantedSpace()).rename(tmp_path / "agent.safetensors")


def test_the_checkpoint_is_part_of_the_run(
    cli: Any, planted: Path, checkpoint: Path, agent_for: Callable[..., Path]
) -> None:
    """It is known by its content: another one under its name is refused."""
    search = ("search", "apex", "--on", planted, "--queries", 10, "--set", f"checkpoint={checkpoint}", "--out", "run")
    said = cli(*search)
    assert said.code == 0, said.err
    assert "apex: the agent has learned to raise valid on planted in 100 steps" in said.err
    assert "the agent still climbs valid; what of it holds for worth" in said.err
    assert "note: apex: the look-ups of its training are not counted." in said.out
    assert "apex: the agent has learned to raise valid on planted in 100 steps" in cli("status", "run").out
    own = checkpoint.read_bytes()
    checkpoint.write_bytes(agent_for(PlantedSpace(), PLANTED).read_bytes())
    cli.refuses("resume", "run", "--queries", 20, says=[f"{checkpoint} has changed since run was started"])
    checkpoint.write_bytes(own)
    assert cli("resume", "run", "--queries", 20).code == 0
    assert cli(*search[:-1], "once", "--queries", 20).code == 0
    assert (cli.home / "run/trials.jsonl").read_bytes() == (cli.home / "once/trials.jsonl").read_bytes()
    checkpoint.unlink()
    assert cli("best", "run").code == 0
    cli.refuses("resume", "run", "--queries", 30, says=["agent.safetensors: there is no such file"])


def test_from_python(planted: Path, checkpoint: Path) -> None:
    import archloom

    found = archloom.run("apex", on=str(planted), queries=5, checkpoint=checkpoint)
    again = archloom.run("apex", on=str(planted), queries=5, checkpoint=str(checkpoint))
    assert [line.arch for line in found.history.lines] == [line.arch for line in again.history.lines]
    with pytest.raises(InputError, match="in Python checkpoint=FILE"):
        archloom.run("apex", on=str(planted), queries=5)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ((), "strategy apex needs a trained agent: give --set checkpoint=FILE"),
        (("checkpoint=gone",), "/gone: there is no such file"),
        (("checkpoint=.",), "is a folder; expected a file"),
        (("checkpoint=text",), "expected a file that archloom agent train wrote"),
    ],
)
def test_nothing_is_written_without_an_agent(cli: Any, planted: Path, settings: tuple[str, ...], says: str) -> None:
    (cli.home / "text").write_text("no agent")
    given = [word for setting in settings for word in ("--set", setting)]
    cli.refuses("search", "apex", "--on", planted, *given, "--queries", 5, "--out", "run", says=[says])
