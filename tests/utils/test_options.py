from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from archloom.errors import InputError
from archloom.spaces.base import Categorical
from archloom.utils import options


@dataclass(frozen=True)
class Sample:
    steps: int = 3
    rate: float = 0.5
    deep: bool = False
    mode: Literal["fast", "slow"] = "fast"
    sizes: tuple[int, ...] = (1, 2)
    label: str = "x"


KNOWN = options.of_dataclass(Sample)


class Spacious(Categorical):
    def __init__(
        self, options: Mapping[str, Sequence[object]] | None = None, rows: Any = None, merge: bool = True
    ) -> None:
        super().__init__(options or {"a": [1, 2]})


def convert(name: str, value: Any) -> Any:
    return options.convert_all("sample", KNOWN, {name: value})[name]


@given(st.integers(-(2**62), 2**62))
def test_whole_numbers(value: int) -> None:
    assert convert("steps", str(value)) == convert("steps", value) == value
    assert type(convert("steps", str(value))) is int


@given(st.floats(allow_nan=False))
def test_numbers(value: float) -> None:
    assert convert("rate", repr(value)) == convert("rate", value) == value


@given(st.lists(st.integers(0, 4096), min_size=1, max_size=6))
def test_lists(values: list[int]) -> None:
    for spelling in (",".join(map(str, values)), " , ".join(map(str, values)), values, tuple(values)):
        assert convert("sizes", spelling) == tuple(values)


@pytest.mark.parametrize(
    ("given", "read"),
    [("28", 28), (28, 28), ("28,20", (28, 20)), (" 28 , 20", (28, 20)), ([28, 20], (28, 20)), ((28, 20), (28, 20))],
)
def test_one_value_or_a_list(given: Any, read: Any) -> None:
    assert options.Option("a", int | tuple[int, int], 1).convert("sample", given) == read


@pytest.mark.parametrize("given", ["x", "1,2,3", "1,x", "", [1], 1.5])
def test_neither_a_value_nor_a_list(given: Any) -> None:
    with pytest.raises(InputError, match="expected a whole number, or a list of whole numbers, separated by commas"):
        options.Option("a", int | tuple[int, int], 1).convert("sample", given)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_switches(text: str, value: bool) -> None:
    assert convert("deep", text) is value
    assert convert("deep", value) is value


def test_texts_and_choices() -> None:
    assert convert("label", "12") == "12"
    assert convert("mode", "slow") == "slow"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("steps", "many", "steps=many: expected a whole number"),
        ("steps", "1.5", "steps=1.5: expected a whole number"),
        ("steps", True, "steps=True: expected a whole number"),
        ("steps", None, "steps=None: expected a whole number"),
        ("rate", "half", "rate=half: expected a number"),
        ("deep", "maybe", "deep=maybe: expected true or false"),
        ("mode", "medium", "mode=medium: expected one of fast, slow"),
        ("sizes", "1,x", "sizes=1,x: expected a list of whole numbers, separated by commas"),
        ("sizes", "", "sizes=: expected a list of whole numbers, separated by commas"),
        ("label", 3, "label=3: expected a string"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(name: str, value: Any, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        convert(name, value)
    assert str(caught.value) == f"sample option {expected}"


BOUNDS: dict[str, tuple[Any, str]] = {
    "positive": (options.PositiveInt, "a whole number of at least 1"),
    "finite": (options.PositiveFloat, "a finite number above 0"),
    "also finite": (options.NonNegativeFloat, "a finite number of at least 0"),
    "probability": (options.UnitInterval, "a number from 0 to 1"),
    "half-open": (Annotated[float, Meta(ge=0, lt=1)], "a number from 0 to below 1"),
    "share": (Annotated[float, Meta(gt=0, le=1)], "a number above 0 and up to 1"),
    "between": (Annotated[float, Meta(gt=0, lt=0.5)], "a number above 0 and below 0.5"),
    "up to": (Annotated[int, Meta(le=5000)], "a whole number up to 5,000"),
    "below": (Annotated[int, Meta(lt=5)], "a whole number below 5"),
    "multiple": (Annotated[int, Meta(ge=0, multiple_of=8)], "a whole number of at least 0, a multiple of 8"),
    "list": (
        Annotated[tuple[options.PositiveInt, ...], Meta(min_length=1)],
        "a list of one or more whole numbers of at least 1, separated by commas",
    ),
    "choices": (tuple[Literal["shift", "flip"], ...], "a list of any of shift, flip, separated by commas"),
    "explained": (
        Annotated[options.PositiveInt, Meta(description="1 is slow")],
        "a whole number of at least 1; 1 is slow",
    ),
    "one or more": (
        Annotated[int | tuple[int, int], Meta(description="a side or two")],
        "a whole number, or a list of whole numbers, separated by commas; a side or two",
    ),
    "open": (int, "a whole number"),
    "or none": (Annotated[float, Meta(ge=0, le=700)] | None, "a number from 0 to 700, or none"),
    "open or none": (int | None, "a whole number, or none"),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_in_words(name: str) -> None:
    kind, words = BOUNDS[name]
    option = options.Option("a", kind, None)
    assert option.expected == words
    assert option.limited == (name != "open")
    with pytest.raises(InputError) as caught:
        option.convert("sample", "nothing of that kind")
    assert str(caught.value).endswith(f"expected {words}")


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        (options.PositiveInt, [1, 10**30], [0, -1, 1.5, True, "one", None]),
        (options.NonNegativeInt, [0, 7], [-1]),
        (options.PositiveFloat, [1e-300, 1, 1e308], [0.0, -1.0, math.nan, math.inf, -math.inf]),
        (options.NonNegativeFloat, [0, 0.0], [-1e-9, math.nan, math.inf]),
        (options.UnitInterval, [0, 0.5, 1], [-0.1, 1.1, math.nan]),
    ],
)
def test_what_is_within_bounds(kind: Any, inside: list[Any], outside: list[Any]) -> None:
    option = options.Option("a", kind, None)
    for strict in (True, False):
        assert [option.convert("sample", value, strict) for value in inside] == inside
        for value in outside:
            with pytest.raises(InputError, match=r"^sample option a=.*: expected a "):
                option.convert("sample", value, strict)
    assert [option.convert("sample", str(value)) for value in inside] == inside


def test_none_where_a_type_has_it() -> None:
    option = options.Option("a", options.PositiveInt | None, None)
    assert [option.convert("sample", value) for value in ("none", None, "3", 3)] == [None, None, 3, 3]
    assert [option.convert("sample", value, strict=True) for value in (None, 3)] == [None, 3]
    assert options.Option("a", str, "x").convert("sample", "none") == "none"
    with pytest.raises(InputError, match="a=none: expected a whole number of at least 1, or none"):
        option.convert("sample", "none", strict=True)


@dataclass(frozen=True)
class Bounded(options.Options):
    steps: options.PositiveInt = 3
    most: options.PositiveInt = 5
    mode: Literal["fast", "slow"] = "fast"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps > self.most:
            raise InputError(f"steps={self.steps}: expected at most most={self.most}")


def test_a_dataclass_of_options_checks_whatever_it_is_made_of() -> None:
    assert Bounded(5).steps == 5
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"steps": 0}, "Bounded option steps=0: expected a whole number of at least 1"),
        ({"most": "5"}, "Bounded option most=5: expected a whole number of at least 1"),
        ({"mode": "medium"}, "Bounded option mode=medium: expected one of fast, slow"),
        ({"steps": 6}, "steps=6: expected at most most=5"),
    ]
    for settings, message in wrong:
        with pytest.raises(InputError) as caught:
            Bounded(**settings)
        assert str(caught.value) == message


def test_an_unknown_option_is_told_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown sample option 'step'; did you mean 'steps'"):
        convert("step", "1")
    assert options.convert_all("sample", KNOWN, {}) == {}


def test_options_of_a_dataclass_and_of_a_space() -> None:
    assert {name: option.default for name, option in KNOWN.items()} == {
        "steps": 3, "rate": 0.5, "deep": False, "mode": "fast", "sizes": (1, 2), "label": "x",
    }  # fmt: skip
    found = options.of_space(Spacious)
    assert list(found) == ["merge"]
    assert found["merge"].convert("space", "false") is False
    assert options.of_space(Categorical) == {}


NAMES = st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True)
VALUES = st.text(min_size=1).map(str.strip).filter(bool)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_settings_are_read_as_written(settings: dict[str, str]) -> None:
    assert options.parse_settings([f" {name} = {value} " for name, value in settings.items()]) == settings


@pytest.mark.parametrize("setting", ["", "a", "=1", "a=", " = ", "a= "])
def test_a_malformed_setting_is_told_with_an_example(setting: str) -> None:
    with pytest.raises(InputError) as caught:
        options.parse_settings([setting])
    assert str(caught.value) == f"--set {setting!r}: expected NAME=VALUE, e.g. space.canonical=true"


def test_a_setting_given_twice_is_told() -> None:
    with pytest.raises(InputError, match=r"^--set a is given twice: 1 and 2$"):
        options.parse_settings(["a=1", "b=3", "a = 2"])


@dataclass(frozen=True)
class WithFiles:
    weights: Path
    mask: Path | None = None
    name: str = "x"


def test_files_are_there_and_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = options.of_dataclass(WithFiles)
    assert [name for name, option in known.items() if option.names_a_file] == ["weights", "mask"]
    (tmp_path / "w.bin").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    for value in ("w.bin", Path("w.bin")):
        assert options.convert_all("strategy a", known, {"weights": value, "mask": None}) == {
            "weights": Path("w.bin"), "mask": None,
        }  # fmt: skip
        assert options.absolute(known, {"weights": value, "name": "w.bin", "more": "w.bin"}) == {
            "weights": str(tmp_path / "w.bin"), "name": "w.bin", "more": "w.bin",
        }  # fmt: skip
        assert options.files(known, {"weights": value, "mask": None, "name": "w.bin"}) == [Path("w.bin")]
    for wrong, said in (
        ("none.bin", "strategy a option weights=none.bin: there is no such file"),
        (str(tmp_path), "is a folder; expected a file"),
        ("", "strategy a option weights=: expected a file"),
        (3, "strategy a option weights=3: expected a file"),
    ):
        with pytest.raises(InputError, match=said):
            options.convert_all("strategy a", known, {"weights": wrong})


NAMES = tuple[Literal["shift", "crop"], ...]


@dataclass(frozen=True)
class Commented:
    start: int = 10  # how many are drawn first
    plain: int = 3
    # not beside anything
    several: tuple[int, ...] = (
        1,
        2,
    )  # at the end # twice


def test_comments_beside_fields() -> None:
    assert options.comments(Commented) == {"start": "how many are drawn first", "several": "at the end # twice"}
    assert options.comments(int) == {} and options.comments(type("Made", (), {})) == {}


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (
            NAMES,
            "crops",
            "a=crops: unknown 'crops'; did you mean 'crop'? expected a list",
        ),
        (
            NAMES,
            "shift,x",
            "a=shift,x: unknown 'x'; expected a list of any of shift, crop",
        ),
        (Literal["constant", "cosine"], "cosin", "a=cosin: did you mean 'cosine'? expected one of constant, cosine"),
        (Literal["constant", "cosine"], "zzz", "a=zzz: expected one of constant, cosine"),
        (Literal[1, 2], "3", "a=3: expected one of 1, 2"),
    ],
)
def test_the_nearest_name_is_told(kind: Any, value: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        options.Option("a", kind, None).convert("task", value)
    assert str(error.value).startswith(f"task option {said}")
