from __future__ import annotations

import asyncio
import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.utils.text import about, duration, one_line, printable, quoted, reason_of, show_traceback, where_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("  two\n\n words\t", "two words"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;Y29weQ==\x1b\\after", "after"),
        ("\x9b2Jgone", "gone"),
        ("a\x00b\x07c\x7f", "abc"),
        ("\x1bc reset", "reset"),
        ("a\rb", "a b"),
        ("a\x85b", "a b"),
        ("\u202etxt.exe\u202c", "txt.exe"),
        ("µ_s → 5 €", "µ_s → 5 €"),
        ("a\udcffb", "a\\udcffb"),
        ("", ""),
    ],
)
def test_a_string_as_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_lines_and_their_spaces_stay() -> None:
    assert printable("a  b\n\x1b[31m c\x1b[0m\x07\r\n\ud800") == "a  b\n c \n\\ud800"


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
NAMED = ["-rf", "a  b", "it's", "$(reboot)", "`x`", "a\nb", "\x1b[31m", "a;b", "~", "*", "µ", "!", '"', "\\", "\udcff"]


def test_a_quoted_path_is_one_argument_in_the_shell() -> None:
    """As it is typed from a message, which is shown in one line."""
    generated: list[str] = []

    @settings(max_examples=100, database=None)
    @given(NAMES)
    def collect(name: str) -> None:
        generated.append(name)

    collect()
    names = [*NAMED, *generated]
    typed = " ".join(one_line(quoted(name)) for name in names)
    script = os.fsencode(f"LC_ALL=C printf '%s\\0' {typed}")
    found = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout.split(b"\0")[:-1]
    assert found == [os.fsencode(f"./{name}" if name.startswith("-") else name) for name in names]


@given(st.text(), st.none() | st.integers(40, 80))
def test_whatever_it_is_it_is_one_printable_line(text: str, most: int | None) -> None:
    shown = one_line(text, most)
    assert "\x1b" not in shown
    assert len(shown.splitlines()) <= 1
    assert most is None or len(shown) <= most
    shown.encode()


def test_a_long_string_says_how_long_it_was() -> None:
    assert one_line("x" * 2_000_000, 40) == "x" * 16 + "… (2,000,000 characters)"
    assert one_line("y" * 50, 40) == "y" * 23 + "… (50 characters)"


class Rude(Exception):
    def __str__(self) -> str:
        raise SystemExit("no")


class Odd(Exception):
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bad\nnews"), "ValueError: bad news"),
        (ValueError(), "ValueError"),
        (Rude(), "Rude (its message cannot be shown: SystemExit)"),
        (Odd(), "Odd (its message cannot be shown: TypeError)"),
        (asyncio.CancelledError(), "CancelledError"),
        (type("\x1b[2JE", (Exception,), {})("x"), "E: x"),
    ],
)
def test_the_reason_of_an_exception(error: BaseException, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_huge_message_is_cut() -> None:
    reason = reason_of(ValueError("x" * 2_000_000))
    assert len(reason) == 500
    assert reason.startswith("ValueError: xxx")


def test_where_it_was_raised() -> None:
    try:
        raise Rude
    except Rude as error:
        assert where_of(error).endswith("in test_where_it_was_raised")
    assert where_of(Rude()) == ""


def test_a_traceback_is_shown_whatever_the_exception_is(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (ValueError("seen"), Odd()):
        try:
            raise error
        except (ValueError, Odd) as caught:
            show_traceback(caught)
    assert "ValueError: seen" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.5, "0.5 s"), (4.13, "4.1 s"), (9.96, "10 s"), (45.4, "45 s"), (59.7, "1 min"), (480, "8 min"),
     (3_599, "1 h 0 min"), (14_760, "4 h 6 min"), (86_390, "1 d 0 h"), (360_000, "4 d 4 h")],
)  # fmt: skip
def test_a_duration_in_words(seconds: float, said: str) -> None:
    assert (duration(seconds), about(seconds)) == (said, f"about {said}")
