"""Architectures that are given, trained in chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import InputError
from archloom.problems import ProblemSpec
from archloom.runs.folders import limits_for, run_folder
from archloom.runs.manifest import checkpoints_of
from archloom.runs.prepare import Request, choose_strategy
from archloom.runs.report import RunReport
from archloom.spaces.convnet import ConvNet
from archloom.spaces.domains import Integer, Seed
from archloom.spaces.nb201 import Nb201
from archloom.spaces.space import Space
from archloom.strategies.population.given import Given, GivenOptions
from archloom.strategies.population.note import NetworkNote
from archloom.testing import PLANTED_CRITERIA, PlantedSpace, RuledSpace
from archloom.types import Arch, Inherit, PopulationSizes, Result, Trial
from archloom.utils import seeds

SPACE = PlantedSpace()
ARCHS = [SPACE.format(Arch(genes)) for genes in ((0,) * 8, (1,) * 8, (1, 0) * 4)]


def made(archs: str, space: Any = SPACE, **options: int) -> Given:
    return Given(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"), GivenOptions(archs, **options))


def test_each_trains_to_the_end_whatever_the_others_come_to() -> None:
    strategy = made("; ".join(ARCHS), epochs=5, step=2)
    plan = Given.plan(strategy.options)
    assert (plan.trials, plan.width, plan.epochs, plan.inherits, plan.unique) == (9, 3, 5, True, True)
    asked = strategy.ask(10)
    results = [Result({"worth": 1.0}), Result.failed("no room"), Result({"worth": 3.0})]
    strategy.tell([Trial(i, p, r) for i, (p, r) in enumerate(zip(asked, results, strict=True))])
    second = strategy.ask(10)
    strategy.tell([Trial(3 + i, p, Result({"worth": 1.0})) for i, p in enumerate(second)])
    third = strategy.ask(10)
    assert [SPACE.format(p.arch) for p in (*asked, *second, *third)] == 3 * ARCHS
    assert [p.fidelity for p in (*asked, *second, *third)] == [2] * 3 + [4] * 3 + [5] * 3
    assert [p.inherit for p in asked] == [None] * 3
    assert [p.inherit for p in second] == [Inherit(0), None, Inherit(2)], "what failed begins again"
    assert [p.inherit for p in third] == [Inherit(3), Inherit(4), Inherit(5)]


def test_a_chunk_may_be_longer_than_the_training() -> None:
    assert [p.fidelity for p in made(ARCHS[0], epochs=3, step=10).ask(5)] == [3]
    assert Given.plan(GivenOptions(ARCHS[0], 3, 10)).trials == 1


@pytest.mark.parametrize("archs", ["", " ; "])
def test_nothing_to_train(archs: str) -> None:
    with pytest.raises(
        InputError, match=r"^strategy given has no architecture to train: .* archloom train ARCH ARCH, or"
    ):
        choose_strategy("given", {"archs": archs}).limits()


def test_architectures_that_are_none_or_not_valid() -> None:
    with pytest.raises(InputError, match=r"^architecture 'x': expected NAME=VALUE for gene0, "):
        made(f"{ARCHS[0]};x")
    with pytest.raises(InputError, match=r"^given option archs=gene0=a, .*: not valid in space 'ruled'"):
        made(ARCHS[0], RuledSpace())


def test_the_same_twice() -> None:
    with pytest.raises(InputError, match=r"^architectures 1 and 3 of 3 are the same, gene0=a, .*: give each once"):
        made(";".join([ARCHS[0], ARCHS[1], ARCHS[0]]))
    with pytest.raises(InputError, match=r"^architectures 1 and 2 of 2 are the same, none:conv_3[+]relu,id[+]id:"):
        made("none:id+id,conv_3+relu; none:conv_3+relu,id+tanh", ConvNet(stages=1, layers=2))


def test_how_long_it_takes_fits_the_data_unless_it_is_given() -> None:
    sizes = PopulationSizes(12, 40, 4)
    assert Given.fitted({"archs": ARCHS[0]}, sizes) == {"epochs": 40, "step": 4}
    assert Given.fitted({"archs": ARCHS[0], "epochs": 20}, sizes) == {"step": 2}


def test_any_space_will_do() -> None:
    cell = Nb201().format(Nb201().sample(np.random.default_rng(0)))
    assert len(made(cell, Nb201()).ask(3)) == 1


SEEDED = Space({"width": Integer(1, 64), "kind": ["a", "b"], "graph": Seed(), "weights": Seed(when={"kind": "b"})})


def networks(archs: str, **options: int) -> list[Arch]:
    return [p.arch for p in made(archs, SEEDED, **options).ask(999)]


def test_networks_of_a_generator_differ_in_their_seeds_alone() -> None:
    one, other = "width=8, kind=a, graph=5", "width=3, kind=b, graph=5, weights=6"
    strategy = made(f"{one}; {other}", SEEDED, networks=4, random=2, epochs=2, step=2)
    assert Given.plan(strategy.options).trials == 16
    asked = strategy.ask(99)
    genes = [p.arch.genes for p in asked]
    assert [g[:2] for g in genes[:8]] == [(8, 0)] * 4 + [(3, 1)] * 4
    assert (
        len({g[2] for g in genes}) == 16
        and len({g[3] for g in genes[4:8]}) == 4
        and len({g[3] for g in genes[:4]}) == 1
    )
    assert [len({g[:2] for g in genes[i : i + 4]}) for i in (8, 12)] == [1, 1]
    assert genes[8][:2] != genes[12][:2]
    notes = [NetworkNote.of(p.note) for p in asked]
    assert [(n.member, n.generator, n.network) for n in notes[3:6]] == [(3, 1, 4), (4, 2, 1), (5, 2, 2)]


def test_a_network_is_the_same_whatever_else_is_trained() -> None:
    one, other = "width=8, kind=a, graph=5", "width=3, kind=a, graph=5"
    assert networks(one, networks=8)[:3] == networks(f"{one}; {other}", networks=3)[:3]
    assert networks(one, networks=2, random=1)[2:] == networks(one, networks=2, random=2)[2:4]
    assert networks(one, random=1)[0] == SEEDED.parse(one), "a single one is trained as it is given"


def test_networks_of_what_has_no_seed() -> None:
    with pytest.raises(InputError, match=r"^networks=8: gene0=a, .* of space 'planted' has no seed .*--seeds 8 "):
        made(ARCHS[0], networks=8)
    with pytest.raises(InputError, match=r"^architectures 1 and 2 of 2 are the same but for their seeds, width=8"):
        networks("width=8, kind=a, graph=5; width=8, kind=a, graph=6", networks=2)


def test_how_training_is_cut_or_stopped_changes_nothing(trained: Path, tmp_path: Path) -> None:
    def run(step: int, queries: int | None = None) -> RunReport:
        options = {"archs": ";".join(ARCHS), "epochs": "6", "step": str(step)}
        request = Request("given", ProblemSpec(str(trained)), 0, limits_for("given", options, queries), options)
        return run_folder(tmp_path / f"{step}{queries or ''}", request, isolate=False)

    torch = pytest.importorskip("torch", reason="training needs the extra train")
    run(2, 4)
    stopped = run_folder(tmp_path / "24", isolate=False, limits=limits_for("given", {"archs": ARCHS[0]}, 9, 3))
    pieces, whole = run(2), run(6)
    assert (pieces.trials, whole.trials) == (9, 3)
    assert [line.scores for line in stopped.history.lines] == [line.scores for line in pieces.history.lines]
    assert [line.scores for line in pieces.history.lines[-3:]] == [line.scores for line in whole.history.lines]
    assert pieces.best is not None and SPACE.format(pieces.best.trial.proposal.arch) == ARCHS[1]
    for last, only in zip(range(6, 9), range(3), strict=True):
        one, other = (checkpoints_of(tmp_path / run).load(trial) for run, trial in (("2", last), ("6", only)))
        assert one.rest == other.rest
        for name, tensor in one.networks["network"].items():
            assert torch.equal(tensor, other.networks["network"][name]), name
