from __future__ import annotations

import pytest

from archloom.utils.imported_names import imported_names


@pytest.mark.parametrize(
    ("text", "package", "names"),
    [
        ("import a, b.c as d", "", ["a", "b", "b.c"]),
        ("from a import b, c", "", ["a", "a.b", "a.c"]),
        ("from . import a", "", [".a"]),
        ("from .a import b", "", [".a", ".a.b"]),
        ("from . import a", "p.q", [".p", ".p.q", ".p.q.a"]),
        ("from ..a import b", "p.q", [".p", ".p.a", ".p.a.b"]),
        ("def f():\n    class A:\n        import a", "", ["a"]),
        ("x = import_module('a.b')", "", ["a", "a.b"]),
        ("x = importlib.import_module('.b', __package__)", "", ["b"]),
        ("x = import_module()", "", []),
        ("exec('x = 1')", "", []),
        ("x.exec(query)", "", []),
        ("import a\nx = = 1", "", []),
        ("\0", "", []),
    ],
)
def test_names(text: str, package: str, names: list[str]) -> None:
    assert imported_names(text.encode(), package) == (names, False)


@pytest.mark.parametrize(
    "text",
    [
        "import_module(name)",
        "__import__(f'a.{b}')",
        "importlib.import_module('a.' + b)",
        "importlib.util.spec_from_file_location('a', here / 'a.py')",
        "SourceFileLoader('a', 'a.py').load_module()",
        "runpy.run_path('a.py')",
        "exec(open('a.py').read())",
    ],
)
def test_names_that_are_computed_are_unknown(text: str) -> None:
    assert imported_names(text.encode(), "")[1]
