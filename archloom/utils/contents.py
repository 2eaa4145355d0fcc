"""What a file is, by how it begins: people save web pages under any name, and rename what they have."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

from archloom.errors import InputError
from archloom.utils.files import open_regular
from archloom.utils.text import one_line

BEGINNING = 2048
"""How many bytes `kind_of` looks at."""

_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_MARKS: Sequence[tuple[bytes, str]] = (
    (b"\x93NUMPY", "a single array (.npy)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf'\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF file"),
    (b"PAR1", "a Parquet file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"version https://git-lfs", "a pointer of Git LFS; get the file itself by: git lfs pull"),
)
WEB_PAGE = "a web page (HTML) that was saved instead of the file: a quota, a login or a warning"


def kind_of(beginning: bytes) -> str | None:
    """What begins with these bytes, in words: "a web page (HTML) ...", "text, perhaps CSV"; None if it is unknown."""
    if not beginning:
        return "an empty file"
    if is_web_page(beginning):
        return WEB_PAGE
    for mark, kind in _MARKS:
        if beginning.startswith(mark):
            return kind
    if beginning[257:262] == b"ustar":
        return "a tar archive"
    return _kind_of_text(beginning)


def is_web_page(beginning: bytes) -> bool:
    """Whether what begins with these bytes is HTML, in whatever encoding."""
    plain = beginning[:BEGINNING].replace(b"\0", b"")  # of UTF-16
    return _PAGE.match(plain.removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe")) is not None


def _kind_of_text(beginning: bytes) -> str | None:
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(beginning[:BEGINNING])  # the last one may be cut off
    except UnicodeDecodeError:
        return None
    if any(not character.isprintable() and not character.isspace() for character in text):
        return None
    first = text.lstrip()[:1]
    if first in ("{", "["):
        return "text, perhaps JSON"
    if first == "<":
        return "text, perhaps XML"
    line = text.splitlines()[0] if text.splitlines() else ""
    return "text, perhaps CSV" if any(mark in line for mark in ",;\t") else "text"


def kind_of_file(file: Path) -> str | None:
    """What a file is, by how it begins; None if that is unknown, or the file cannot be read."""
    try:
        with open_regular(file) as stream:
            return kind_of(stream.read(BEGINNING))
    except OSError:
        return None


def refuse_web_page(file: Path) -> None:
    """InputError if a file is a web page; nothing is said of a file that cannot be opened."""
    if kind_of_file(file) == WEB_PAGE:
        raise web_page(str(file))


def web_page(place: str) -> InputError:
    """The error for a web page in place of the file at `place`."""
    return InputError(
        f"{one_line(place)}: {WEB_PAGE}; open the address in a browser, save the file itself, and give its path"
    )
