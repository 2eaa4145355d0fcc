"""Whose experience the members of a population learn from, in whole runs that leave it in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.checkpoints.chains import Leaving
from archloom.checkpoints.experience import EXPERIENCE
from archloom.checkpoints.store import sources
from archloom.errors import InputError, StoreError
from archloom.problems import ProblemSpec
from archloom.runs.budgets import Limits
from archloom.runs.folders import limits_for, run_folder, run_in_memory
from archloom.runs.manifest import checkpoints_of
from archloom.runs.prepare import Request
from archloom.runs.record import TrialRecord, read_lines
from archloom.runs.report import RunReport
from archloom.strategies.population.pbt_nas import PbtNas, PbtNasOptions
from archloom.testing import PLANTED_CRITERIA, PlantedSpace
from archloom.types import Result, Trial

REACH = 3
"""Chunks of 2 epochs: the task reads 6 epochs back."""


def request(problem: Path, strategy: str = "pbt_nas", **options: str) -> Request:
    chosen = {"population": "6", "epochs": "12", "step": "2", "parents": "0.5", "survivors": "0.5", **options}
    if strategy == "random_population":
        chosen = {name: value for name, value in chosen.items() if name not in ("parents", "survivors")}
    return Request(strategy, ProblemSpec(str(problem)), 0, limits_for(strategy, chosen), chosen)


def lines_of(report: RunReport) -> list[TrialRecord]:
    return list(report.history.lines)


def read_by(line: TrialRecord) -> tuple[int, ...]:
    return () if line.inherit is None else line.inherit.files[EXPERIENCE.name]


def records(report: RunReport) -> list[Any]:
    return [(line.id, line.trial.proposal, line.scores, line.report) for line in report.history.lines]


def contents(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "weights").iterdir()}


@pytest.mark.parametrize(("strategy", "own"), [("random_population", True), ("searl", True), ("pbt_nas", False)])
def test_a_member_reads_what_its_training_left(experienced: Path, strategy: str, own: bool) -> None:
    """The chain of its bases; but by default a child of pbt_nas begins with that of its other parent."""
    lines = lines_of(run_in_memory(request(experienced, strategy)))
    chains: dict[int, tuple[int, ...]] = {}
    born = 0
    for line in lines:
        if line.inherit is not None:
            begins = line.inherit.base
            if not own and line.inherit.reseed:
                other = line.note["parents"][1]
                begins, born = 6 * (line.id // 6 - 1) + other, born + 1
                assert set(line.inherit.donors.values()) <= {begins}
            assert read_by(line) == chains[begins]
        chains[line.id] = (*read_by(line), line.id)[-REACH:]
        assert line.report["files"] == len(read_by(line)) == min(REACH, line.id // 6)
    assert own or born == 15


def test_a_child_may_read_what_its_better_parent_left(experienced: Path) -> None:
    chains: dict[int, tuple[int, ...]] = {}
    for line in lines_of(run_in_memory(request(experienced, experience="own"))):
        if line.inherit is not None:
            assert read_by(line) == chains[line.inherit.base]
        chains[line.id] = (*read_by(line), line.id)[-REACH:]


@pytest.mark.parametrize("strategy", ["pbt_nas", "random_population"])
def test_all_may_read_what_all_left_in_the_chunks_before(experienced: Path, strategy: str) -> None:
    """The latest, oldest first, as many as reach back six epochs: three chunks of any members."""
    for line in lines_of(run_in_memory(request(experienced, strategy, experience="shared"))):
        first = 6 * (line.id // 6)
        assert read_by(line) == tuple(range(first))[-REACH:]


def test_what_is_read_changes_what_is_learnt(experienced: Path) -> None:
    own, donor, shared = (
        lines_of(run_in_memory(request(experienced, experience=whose))) for whose in ("own", "donor", "shared")
    )
    assert [line.scores for line in own[:6]] == [line.scores for line in donor[:6]] == [x.scores for x in shared[:6]]
    for one, other in ((own, donor), (own, shared), (donor, shared)):
        assert one[6].report["digest"] != 0 and one[-1].scores != other[-1].scores


def test_memory_folders_and_workers_with_little_room_give_the_same(experienced: Path, tmp_path: Path) -> None:
    wanted = request(experienced)
    wanted = replace(wanted, limits=replace(wanted.limits, queries=28))  # in the end no experience is left
    one = run_folder(tmp_path / "one", wanted, isolate=False)
    files = contents(tmp_path / "one")
    state, experience = (max(len(files[name]) for name in files if name.endswith(kind)) for kind in ("rs", "ce"))
    # Chains of three chunks each, where the members stand and the best ever, both written, and as much for the next.
    budget = 6 * REACH * experience + 7 * state + 2 * (experience + state)
    two = run_folder(tmp_path / "two", wanted, 2, overrides={"disk_budget": budget})
    assert records(one) == records(two) == records(run_in_memory(wanted))
    assert contents(tmp_path / "two") == files
    assert sum(name.endswith("experience") for name in files) > 6


@pytest.mark.parametrize("whose", ["own", "donor", "shared"])
def test_files_stay_as_long_as_a_recipe_may_name_them(
    experienced: Path, tmp_path: Path, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever a trial is told, exactly the files are there that this trial's chunk or the next ones can name."""
    run, wanted = tmp_path / "run", request(experienced, experience=whose)
    seen: dict[int, set[int]] = {}

    def look(lines: Any) -> None:
        seen[lines[-1].id] = {int(path.stem) for path in (run / "weights").glob("*.experience")}

    report = run_folder(run, wanted, isolate=False, progress=look)
    lines = lines_of(report)
    for chunk in range(1, 6):
        # As the first trial of a chunk is reported, all of the chunk before has been told, and it is the first to leave
        # a file since.
        first = 6 * chunk
        in_use = set().union(*(read_by(line) for line in lines[first : first + 6]))
        chains = {t: {*read_by(lines[t]), t} for t in range(first - 6, first)}
        expected = in_use | {first}
        if whose == "shared":
            assert seen[first] == expected
        else:
            bases = {line.inherit.base for line in lines[first : first + 6] if line.inherit is not None}
            for base in bases if chunk < 5 else ():
                expected |= set(sorted(chains[base])[-REACH:])
            assert seen[first] == expected
    assert not list((run / "weights").glob("*.experience")), "there is no recipe to come"


def test_a_run_stopped_anywhere_goes_on_the_same(experienced: Path, tmp_path: Path) -> None:
    """From its saved state, or from its record alone."""
    for whose in ("donor", "shared"):
        wanted = request(experienced, experience=whose)
        whole = records(run_in_memory(wanted))
        for queries in (14, 18):
            run = tmp_path / f"{whose}{queries}"
            run_folder(run, replace(wanted, limits=replace(wanted.limits, queries=queries)), isolate=False)
            if queries == 14:
                (run / "state.npz").unlink()
            assert records(run_folder(run, None, isolate=False, limits=wanted.limits)) == whole


def test_a_damaged_file_stops_a_run_before_anything_is_evaluated(experienced: Path, tmp_path: Path) -> None:
    wanted, run = request(experienced, experience="shared"), tmp_path / "run"
    run_folder(run, replace(wanted, limits=replace(wanted.limits, queries=18)), isolate=False)
    before = (run / "trials.jsonl").read_bytes()
    file = checkpoints_of(run).of(EXPERIENCE).file(17)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreError, match=r"000017\.experience .*checksum of its frames.*the record is unchanged"):
        run_folder(run, None, isolate=False, limits=wanted.limits)
    assert (run / "trials.jsonl").read_bytes() == before


def test_too_small_a_budget_for_both_stops_a_run(experienced: Path, tmp_path: Path) -> None:
    wanted, run = request(experienced, "random_population"), tmp_path / "run"
    needed = "checkpoints take .* each and experience files take .* each so far, and 6 and 18 of them will be needed"
    with pytest.warns(UserWarning, match=needed), pytest.raises(StoreError, match="no space for the next"):
        run_folder(run, wanted, isolate=False, overrides={"disk_budget": 8_000})
    assert sum(map(len, contents(run).values())) <= 8_000
    assert 2 <= len(read_lines(run)) <= 5
    assert records(run_folder(run, None, isolate=False, overrides={"disk_budget": 40_000})) == records(
        run_in_memory(wanted)
    )


def test_nothing_is_left_where_nobody_inherits(experienced: Path, tmp_path: Path) -> None:
    """Nor does it take of the room for checkpoints."""
    random = Request("random", ProblemSpec(str(experienced)), 0, Limits(3), {})
    report = run_folder(tmp_path / "run", random, isolate=False, overrides={"keep": None})
    assert report.trials == 3 and not report.history.failed
    assert sorted(contents(tmp_path / "run")) == [f"{trial:06d}.safetensors" for trial in range(3)]


def test_the_option_is_refused_where_nothing_is_experienced(trained: Path) -> None:
    with pytest.raises(InputError, match="experience=shared: the networks of this problem are not trained on"):
        run_in_memory(request(trained, experience="shared"))


def test_bohb_goes_on_with_its_own(experienced: Path, tmp_path: Path) -> None:
    """A strategy that says nothing of experience: what the trials left that a training has come through."""
    options = {"minimum": "1", "maximum": "9"}
    wanted = Request("bohb", ProblemSpec(str(experienced)), 0, limits_for("bohb", options, 30), options)
    report = run_folder(tmp_path / "run", wanted, isolate=False)
    promoted = [line for line in lines_of(report) if line.inherit is not None]
    by_id = {line.id: line for line in lines_of(report)}
    assert {line.fidelity for line in promoted} == {3, 9}
    for line in promoted:
        assert line.inherit is not None
        base = by_id[line.inherit.base]
        assert read_by(line) == ((*read_by(base), base.id) if base.fidelity < 9 else ())
    assert max(len(read_by(line)) for line in promoted) == 2


@pytest.mark.parametrize("whose", ["own", "donor", "shared"])
def test_whatever_fails_no_recipe_names_what_was_not_kept(whose: str) -> None:
    """A third of all chunks fail, and the strategy goes on from its saved state at any time."""
    rng = np.random.default_rng(0)
    options = PbtNasOptions(population=6, epochs=60, step=2, parents=0.5, survivors=0.3, experience=whose)  # type: ignore[arg-type]

    def made() -> PbtNas:
        strategy = PbtNas(PlantedSpace(), PLANTED_CRITERIA, np.random.default_rng(1), options)
        strategy.take_leaving(Leaving(EXPERIENCE, 6))
        return strategy

    strategy, kept, told, read = made(), set[int](), 0, 0
    while in_flight := list(strategy.ask(6)):
        while in_flight:
            named = set[int]().union(*(sources(p.inherit, EXPERIENCE.name) for p in in_flight))
            assert named <= kept
            read = max(read, *(len(sources(p.inherit, EXPERIENCE.name)) for p in in_flight))
            result = Result({"worth": float(rng.random())}) if rng.random() < 2 / 3 else Result.failed("unlucky")
            kept |= {told} if result.ok else set()
            strategy.tell([Trial(told, in_flight.pop(0), result)])
            told += 1
            if rng.random() < 0.2:
                saved, strategy = strategy.state_dict(), made()
                strategy.load_state_dict(saved)
            needed = strategy.needed()
            assert isinstance(needed, dict)
            kept &= named | set(needed[EXPERIENCE.name])
    assert told == 180 and read == REACH
