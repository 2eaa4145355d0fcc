"""Global random generators are watched and put back; what another process observes is the same."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from archloom.testing import (
    PlantedEvaluator,
    PlantedSpace,
    check_evaluator,
    check_space,
)
from archloom.testing.randomness import check_independent, global_states, in_fresh_process


def test_the_global_generators_are_put_back() -> None:
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = global_states()
    check_evaluator(PlantedEvaluator, PlantedSpace)
    for roll in (random.random, np.random.rand):
        with pytest.raises(AssertionError, match="was used"):
            check_independent(roll, "it")
    assert global_states() == before


def test_a_factory_that_no_other_process_can_make_is_told() -> None:
    class Local(PlantedSpace):
        pass

    for make in (Local, lambda: PlantedSpace()):
        with pytest.raises(AssertionError, match="the factory cannot go to a fresh process: define it at module level"):
            check_space(make)


def test_a_factory_is_found_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pytest's import mode "importlib" loads tests: under a name that no other process can import."""
    path = tmp_path / "test_mine.py"
    path.write_text(
        "from archloom.testing import PlantedSpace\n"
        "class Mine(PlantedSpace): name = 'mine'\n"
        "class Nest:\n"
        "    class Egg(Mine): pass\n"
    )
    spec = importlib.util.spec_from_file_location("no.such.package.test_mine", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    for name in ("no", "no.such", "no.such.package"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    check_space(module.Mine)
    check_space(module.Nest.Egg)


def die() -> None:
    os._exit(3)


def test_a_fresh_process_that_dies_is_told_and_not_waited_for() -> None:
    with pytest.raises(AssertionError, match="the fresh process died"):
        in_fresh_process(die)


happened: list[str] = []
"""In this process."""


def surroundings() -> tuple[str | None, int, int, str, str | None, list[str]]:
    seed, mine = os.environ.get("PYTHONHASHSEED"), os.environ.get("ARCHLOOM_TEST")
    return seed, hash("archloom"), os.getpid(), str(Path.cwd()), mine, happened


@pytest.mark.parametrize("before", [None, "7"])
def test_a_fresh_process_has_a_hash_seed_of_its_own_and_knows_nothing_but_its_surroundings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: str | None
) -> None:
    if before is None:
        monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    else:
        monkeypatch.setenv("PYTHONHASHSEED", before)
    monkeypatch.setitem(globals(), "happened", ["something"])
    processes = set()
    for turn in ("first", "second"):
        folder = tmp_path / turn
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("ARCHLOOM_TEST", turn)
        seed, hashed, process, *known = in_fresh_process(surroundings)
        assert seed not in (None, before)
        assert hashed != hash("archloom")
        assert known == [str(folder), turn, []]
        processes |= {process, os.getpid()}
    assert len(processes) == 3
    assert os.environ.get("PYTHONHASHSEED") == before
