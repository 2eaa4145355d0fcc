"""JSON files as values of a type: whoever wrote them, reading one gives a right value or one line that says why not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from archloom.utils.files import open_regular, write_json
from archloom.utils.json_text import plain
from archloom.utils.text import one_line

T = TypeVar("T")

MOST_LEVELS = 100
"""How deeply a file may be nested; ours are below 20."""

MOST_BYTES = 1 << 25
"""How long a file may be. Ours take some kilobytes a run; reading it as JSON takes seconds at this length."""

CHECKSUM = "checksum"
"""The entry of a sealed file: the SHA-256 of all others."""


def read_document(path: Path, kind: type[T]) -> T:
    """A JSON file as a value of a type, without reading anything but a regular file.

    OSError if the file cannot be read; ValueError, in one line, for what is no JSON and for a field of another type.
    """
    return convert(read_json(path), kind)


def read_json(path: Path) -> Any:
    """The content of a JSON file; errors as in `read_document`."""
    with open_regular(path) as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"longer than {MOST_BYTES >> 20} MB")
    try:
        content = json.loads(raw)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise ValueError(f"not valid JSON: {one_line(str(error), 200)}") from None
    _check_depth(content)
    return content


def convert(content: object, kind: type[T]) -> T:
    """Plain data as a value of a type; ValueError, in one line, that names the field."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ValueError(_readable(str(error))) from None
    except RecursionError:
        raise _too_deep() from None


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file with a checksum of its content, whole or not at all; it is on disk when this returns."""
    sealed = plain({name: value for name, value in content.items() if name != CHECKSUM})
    write_json(path, {**sealed, CHECKSUM: _checksum(sealed)})


def is_sealed(content: Mapping[str, Any]) -> bool:
    """Whether the content of a file is what `write_sealed` wrote; files of earlier versions have no checksum."""
    return CHECKSUM not in content or content[CHECKSUM] == _checksum(content)


def _checksum(content: Mapping[str, Any]) -> str:
    """Of the content, not of the bytes: how a file is laid out does not matter."""
    sealed = {name: value for name, value in content.items() if name != CHECKSUM}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _check_depth(content: object) -> None:
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if type(inner) in (dict, list)  # what JSON gives; long lists of numbers are passed over quickly
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError(f"nested more than {MOST_LEVELS} levels deep")


def _readable(message: str) -> str:
    """msgspec's "Expected `int`, got `null` - at `$.request.seed`" as "request.seed: expected int, got null"."""
    what, _, place = message.rpartition(" - at ")
    field = re.sub(r"^`(?:\$\.?|key in )?|`$", "", place)
    what = (what or message).replace("`", "")
    lowered = what[:1].lower() + what[1:] if what.startswith(("Expected", "Object", "Invalid")) else what
    return one_line(f"{field}: {lowered}" if what and field and place != message else lowered, 300)
