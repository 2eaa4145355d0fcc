from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import archloom
from archloom import registry
from archloom.errors import InputError, MissingExtraError
from archloom.registry import Entry
from archloom.strategies.base import BaseStrategy
from archloom.utils import options


@pytest.mark.parametrize("name", registry.SPACES)
def test_every_space_is_there(name: str) -> None:
    kind = registry.load_space(name)
    assert kind.name == name
    assert callable(kind.for_table)
    assert all(option.default is not None for option in options.of_space(kind).values())


@pytest.mark.parametrize("name", registry.STRATEGIES)
def test_every_strategy_is_there(name: str) -> None:
    kind = registry.load_strategy(name)
    assert issubclass(kind, BaseStrategy)
    assert dataclasses.is_dataclass(kind.Options)
    kind.Options()  # every option has a default, and the defaults are good


def test_a_search_that_names_no_strategy_has_one() -> None:
    assert registry.DEFAULT_STRATEGY in registry.STRATEGIES


@pytest.mark.parametrize("entry", [*registry.SPACES.values(), *registry.STRATEGIES.values()])
def test_titles_fit_a_listing(entry: Entry) -> None:
    assert 0 < len(entry.title) <= 80
    assert "\n" not in entry.title


def test_nothing_is_imported_before_it_is_used() -> None:
    homes = {entry.target.partition(":")[0] for entry in (*registry.SPACES.values(), *registry.STRATEGIES.values())}
    code = f"import sys, archloom.registry; print(sorted(({homes!r} | {{'torch', 'moocore'}}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown space 'nb2O1'; did you mean 'nb201'"):
        registry.load_space("nb2O1")
    with pytest.raises(InputError, match="unknown strategy 'randon'; did you mean 'random'"):
        registry.load_strategy("randon")


def test_a_missing_package_is_told_with_its_extra() -> None:
    entry = Entry("no_such_package:Thing", "a thing", package="no_such_package", extra="train")
    with pytest.raises(MissingExtraError, match=r"a thing needs the package no_such_package: .*archloom\[train\]"):
        entry.load()


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    entry = Entry("archloom.no_such_module:Thing", "a thing", package="torch", extra="train")
    with pytest.raises(ModuleNotFoundError, match=r"archloom\.no_such_module") as caught:
        entry.load()
    assert not isinstance(caught.value, MissingExtraError)


# -- installed packages -------------------------------------------------------------------------------------------

PLUGIN = """
import archloom
from archloom.problems import Problem, ProblemSource
from archloom.spaces.table import TableSpace

class Blr(archloom.BaseStrategy):
    def propose(self):
        return archloom.Proposal(self.sample_valid())

class Bits(TableSpace):
    name = "bits"

class Hypernet(ProblemSource):
    def open(self, spec):
        size = int(self.data)
        space = archloom.Categorical({f"b{i}": [0, 1] for i in range(size)})
        return Problem(space, lambda bits: sum(bits.values()), goals={"ones": "max"})
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a package with these entry points in a group: `install("strategies", blr="plugin:Blr")`."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "plugin.py").write_text(PLUGIN)

    def installed(group: str, package: str = "plugin", **points: str) -> None:
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {target}\n" for name, target in points.items())
        with (info / "entry_points.txt").open("a") as file:
            file.write(f"[archloom.{group}]\n{lines}\n")
        importlib.invalidate_caches()

    return installed


def test_packages_bring_strategies_spaces_and_evaluators(install: Callable[..., None]) -> None:
    install("strategies", blr="plugin:Blr")
    install("spaces", bits="plugin:Bits")
    install("evaluators", hypernet="plugin:Hypernet")
    assert "blr" in registry.STRATEGIES and registry.STRATEGIES["blr"].title == "of the package plugin"
    assert list(registry.STRATEGIES)[-1] == "blr" and len(registry.SPACES) == len(list(registry.SPACES))
    assert registry.load_space("bits").name == "bits"
    found = archloom.run("blr", on="hypernet:3", queries=8)
    assert (found.value, found.history.queries) == (3.0, 8)
    with pytest.raises(InputError, match="unknown strategy 'brl'; did you mean 'blr'"):
        registry.load_strategy("brl")


def test_no_package_takes_the_name_of_another_silently(install: Callable[..., None]) -> None:
    install("strategies", random="plugin:Blr", mine="plugin:Blr")
    install("strategies", "another", mine="plugin:Blr")
    with pytest.raises(InputError) as caught:
        registry.load_strategy("random")
    assert str(caught.value) == (
        "strategy 'random' is archloom's archloom.strategies.random_search:RandomSearch and plugin:Blr of the package "
        "plugin: uninstall or rename one of them"
    )
    with pytest.raises(InputError, match=r"strategy 'mine' is plugin:Blr of the package .* and plugin:Blr of the pack"):
        registry.load_strategy("mine")
    assert registry.load_strategy("evolution").__name__ == "Evolution"


def test_a_broken_package_is_told_only_when_it_is_used(install: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('first\\nsecond')")
    install("strategies", gone="no_such_module:Blr", broken="broken:Blr", absent="plugin:Nothing")
    assert {"gone", "broken", "absent"} <= set(registry.STRATEGIES)
    assert registry.load_strategy("random")
    for name, reason in (
        ("gone", "no_such_module:Blr of the package plugin cannot be loaded: ModuleNotFoundError: No module named"),
        ("broken", "broken:Blr of the package plugin cannot be loaded: RuntimeError: first second"),
        ("absent", "plugin:Nothing of the package plugin cannot be loaded: AttributeError"),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            registry.load_strategy(name)
        assert "\n" not in str(caught.value)
    here = dict(registry.STRATEGIES.here())
    assert "random" in here and not {"gone", "broken", "absent"} & set(here)


def test_what_is_no_task_or_evaluator_is_refused_by_name(install: Callable[..., None]) -> None:
    install("tasks", mine="plugin:Blr", number="plugin:__name__")
    install("evaluators", other="plugin:Bits", text="plugin:__name__")
    for on, said in (
        ("mine:data", "task 'mine' is Blr, which has no open, named, final_options: see tasks.base.SuppliedTask"),
        ("number:data", "task 'number' is str, which has no Options, open"),
        ("other:3", "evaluator 'other' is Bits: expected a subclass of archloom.problems.ProblemSource"),
        ("text:3", "evaluator 'text' is str: expected a subclass"),
    ):
        with pytest.raises(InputError) as caught:
            archloom.run("random", on=on, queries=3)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
