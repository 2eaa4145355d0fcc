from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from archloom import options, registry
from archloom.errors import InputError, MissingExtraError
from archloom.registry import Entry
from archloom.strategies.base import BaseStrategy


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
