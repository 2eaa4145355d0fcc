from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import pytest

from archloom.errors import InputError
from archloom.utils.contents import WEB_PAGE, kind_of, kind_of_file, refuse_web_page

PAGES = [
    b"<!DOCTYPE html>\n<html>",
    b"<html lang=en><head>",
    b"\n\n  <HTML>",
    b"\xef\xbb\xbf<!doctype HTML PUBLIC>",
    b"<?xml version='1.0'?>\n<!DOCTYPE html>",
    b"<!-- saved from url=(0014)about:internet -->\n<html>",
    b"<head><title>Google Drive - Quota exceeded",
    "<html>\u00e9".encode("utf-16"),
]


@pytest.mark.parametrize("page", PAGES)
def test_web_pages(page: bytes, tmp_path: Path) -> None:
    assert kind_of(page) == WEB_PAGE
    (tmp_path / "weights.pth").write_bytes(page)
    with pytest.raises(InputError, match=r"weights.pth: a web page .*save the file itself, and give its path"):
        refuse_web_page(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"", "an empty file"),
        (b"a,b\n1,2", "text, perhaps CSV"),
        (b"a\tb\n", "text, perhaps CSV"),
        (b"hello", "text"),
        ("\u00e9".encode() * 1100 + b"x", "text"),
        (("x" * 2047 + "\u00e9").encode(), "text"),
        (b'{"a": 1}', "text, perhaps JSON"),
        (b"<svg>", "text, perhaps XML"),
        (b"<htmlish>", "text, perhaps XML"),
        (gzip.compress(b"x", mtime=0), "a gzip archive"),
        (pickle.dumps([1]), "a pickle"),
        (bytes(257) + b"ustar\x0000", "a tar archive"),
        (b"\xff\xfe\xfd", None),
        (b"abc\0def", None),
    ],
)
def test_what_a_file_is(beginning: bytes, kind: str | None, tmp_path: Path) -> None:
    assert kind_of(beginning) == kind
    (tmp_path / "x").write_bytes(beginning)
    assert kind_of_file(tmp_path / "x") == kind
    refuse_web_page(tmp_path / "x")


def test_what_cannot_be_opened_is_unknown(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "none"):
        assert kind_of_file(path) is None
