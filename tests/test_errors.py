from __future__ import annotations

import pytest

from archloom.errors import ArchloomError, InputError, MissingExtraError, NoArchitectureError, StoreError, unknown


@pytest.mark.parametrize("kind", [InputError, MissingExtraError, NoArchitectureError, StoreError])
def test_one_base_catches_everything(kind: type[Exception]) -> None:
    assert issubclass(kind, ArchloomError)


def test_bad_input_is_also_a_value_error_and_a_broken_folder_is_not() -> None:
    assert issubclass(NoArchitectureError, InputError)
    assert issubclass(InputError, ValueError)
    assert issubclass(MissingExtraError, ImportError)
    assert not issubclass(StoreError, InputError)


def test_a_missing_extra_says_what_to_type() -> None:
    error = MissingExtraError("torch", "train", "CADAM")
    assert str(error) == "CADAM needs the package torch: pip install 'archloom[train]'"


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("evolutoin", ["random", "evolution"], "'evolutoin'; did you mean 'evolution'? (known: evolution, random)"),
        ("zzz", ["random", "evolution"], "'zzz' (known: evolution, random)"),
        ("x", [], "'x' (there are none here)"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_one(name: str, known: list[str], message: str) -> None:
    error = unknown("strategy", name, known)
    assert isinstance(error, InputError)
    assert str(error) == f"unknown strategy {message}"
    assert "\n" not in str(error)
