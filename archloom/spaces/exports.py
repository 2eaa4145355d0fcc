"""Networks shipped as files of code: the source of a module of `archloom.nets` around what a search has found."""

from __future__ import annotations

from importlib.resources import files

from archloom.errors import ArchloomError
from archloom.utils.text import one_line


def exported(template: str, module: str, *, arch: str, found_by: str, **found: object) -> str:
    """`template` filled in: {code} is that of `archloom/nets/MODULE.py`; {arch} and {found_by} stand in a docstring.

    `found` are literals, written as Python writes them. ArchloomError for a file that would be no Python.
    """
    network = (files("archloom") / "nets" / f"{module}.py").read_text(encoding="utf-8")
    code = network.partition('"""\n\n')[2]
    text = template.format(code=code, arch=_in_docstring(arch), found_by=_in_docstring(found_by), **found)
    check_compiles(text)
    return text


def check_compiles(code: str) -> None:
    """ArchloomError unless this is a Python file."""
    try:
        compile(code.encode(), "export", "exec")
    except (SyntaxError, ValueError) as error:  # null characters, and strings that cannot be encoded, are ValueErrors
        raise ArchloomError(f"the exported code would be no Python: {one_line(str(error), 200)}") from None


def _in_docstring(text: str) -> str:
    """A string such that a docstring with it in the middle of a line shows it, and ends where it should."""
    return one_line(text).replace("\\", "\\\\").replace('"""', r"\"\"\"")
