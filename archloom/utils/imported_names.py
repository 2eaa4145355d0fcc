"""Which modules a Python file names in its imports, told without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_CALLS = ("import_module", "__import__")
_BY_PATH = ("spec_from_file_location", "SourceFileLoader", "run_path", "run_module")
"""What runs a file that is named by its path, which is nearly always computed."""


def imported_names(content: bytes, package: str) -> tuple[list[str], bool]:
    """The dotted names of the modules that a file of this package may import, and whether it may import any.

    It may if it computes names, loads files by their paths, or runs with `exec` what it has read. Relative imports are
    resolved, and begin with a dot. Imports in functions count; so do submodules that `from package import module` would
    import. No names for a file that is no Python.
    """
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [], False
    names: dict[str, None] = {}
    computed = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= dict.fromkeys(name for alias in node.names for name in _and_parents(alias.name))
        elif isinstance(node, ast.ImportFrom):
            names |= dict.fromkeys(_from(node, package))
        elif isinstance(node, ast.Call) and _name(node.func) in _CALLS and node.args:
            name = _constant(node.args[0])
            computed |= name is None
            names |= dict.fromkeys(_and_parents((name or "").lstrip(".")))
        elif isinstance(node, ast.Call):
            computed |= _runs_a_file(node)
    return [name for name in names if name], computed


def _from(node: ast.ImportFrom, package: str) -> Iterator[str]:
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if package else []
        base = ".".join(filter(None, [*above, base]))
    mark = "." if node.level else ""
    yield from (f"{mark}{name}" for name in _and_parents(base) if name)
    for alias in node.names:
        yield mark + ".".join(filter(None, [base, alias.name]))


def _and_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[: count + 1]) for count in range(len(parts)))


def _runs_a_file(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name) and call.func.id == "exec":
        return bool(call.args) and _constant(call.args[0]) is None
    return _name(call.func) in _BY_PATH


def _name(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _constant(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
