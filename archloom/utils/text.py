"""Strings of a user's (names, messages, architectures) as they may be shown: one line that commands no terminal."""

from __future__ import annotations

import os
import re
import shlex
import string
import sys
import traceback
from contextlib import suppress

MOST = 500
"""How long a reason may be, in characters, where it is kept or printed."""

# Sequences that a terminal obeys: CSI (colours, cursor), OSC and its like (titles, clipboard), other escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_BREAKS = re.compile("[\t\r\x0b\x0c\x85\u2028\u2029]")
_PLAIN = frozenset(string.ascii_letters + string.digits + "%+,-./:=@_")
# Control characters that are no white space, and those that reorder what is displayed (Unicode's bidi controls).
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_line(text: str, most: int | None = None) -> str:
    """The string as one line, safe to print: no escape sequences, no control characters, single spaces.

    What cannot be encoded (file names may hold any bytes) appears as backslash escapes. With `most`, a longer string
    is cut to that many characters, the last of which say how long it was.
    """
    if most is not None and len(text) > 20 * most:
        # Most of a huge string is never shown: do not pay for cleaning it.
        return _cut(one_line(text[: 20 * most]), most, len(text))
    shown = _CONTROLS.sub("", _ESCAPES.sub("", text))
    line = " ".join(shown.encode(errors="backslashreplace").decode().split())
    return line if most is None else _cut(line, most, len(line))


def printable(text: str) -> str:
    """Text of several lines, safe to print: as `one_line`, but its lines and the spaces within them stay."""
    shown = _CONTROLS.sub("", _ESCAPES.sub("", text))
    return _BREAKS.sub(" ", shown).encode(errors="backslashreplace").decode()


def quoted(path: object) -> str:
    """A path as an argument to type in a shell, in one line whatever is in its name, and never an option."""
    name = str(path)
    name = f"./{name}" if name.startswith("-") else name
    if name == one_line(name):
        return shlex.quote(name)
    # $'...' of bash and zsh: bytes that would not survive being shown are written as numbers.
    shown = (chr(byte) if chr(byte) in _PLAIN else f"\\x{byte:02x}" for byte in os.fsencode(name))
    return f"$'{''.join(shown)}'"


def _cut(line: str, most: int, length: int) -> str:
    if length <= most:
        return line
    end = f"… ({length:,} characters)"
    return line[: max(0, most - len(end))] + end


def reason_of(error: BaseException, most: int = MOST) -> str:
    """What went wrong, as one line: "Type: message". Never raises, whatever the exception's own methods do."""
    kind = one_line(type(error).__name__, most)
    try:
        # An exception's __str__ is a user's code: it may raise anything, or return no string, or one of its own kind.
        message = "".join([str(error)])
    except BaseException as second:  # noqa: BLE001
        return f"{kind} (its message cannot be shown: {one_line(type(second).__name__, most)})"
    return one_line(f"{kind}: {message}", most) if message.strip() else kind


def where_of(error: BaseException) -> str:
    """Where it was raised, as "FILE, line N, in FUNCTION"; empty if that is unknown."""
    with suppress(Exception):
        frames = traceback.extract_tb(error.__traceback__)
        if frames:
            return one_line(f"{frames[-1].filename}, line {frames[-1].lineno}, in {frames[-1].name}")
    return ""


def show_traceback(error: BaseException) -> None:
    """Print the whole traceback to standard error, whatever the exception's own methods do."""
    with suppress(Exception):
        traceback.print_exception(error, file=sys.stderr)


def about(seconds: float) -> str:
    """An estimated duration in words."""
    return f"about {duration(seconds)}"


def duration(seconds: float) -> str:
    """A duration in words, in its two largest units: "4 d 4 h", "4 h 6 min", "8 min", "45 s", "4.1 s"."""
    whole, minutes, hours = (round(seconds / unit) for unit in (1, 60, 3600))
    if whole < 60:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{whole} s"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 24 * 60 else f"{hours // 24:,} d {hours % 24} h"
