"""Networks shipped as files of code: the source of modules of `archloom.nets` around what a search has found."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.resources import files

from archloom.errors import ArchloomError
from archloom.utils.text import one_line

_TRAINED = """\
Its weights are freshly initialised. Load those that a run has trained (archloom export RUN -o weights.safetensors) by

    from safetensors.torch import load_file

    network.load_state_dict(load_file("weights.safetensors"))
    network.eval()

Give it images as x / 127.5 - 1, where x is their bytes; trained with another normalisation, as the run's note says."""


def exported(template: str, *modules: str, arch: str, found_by: str, **found: object) -> str:
    """`template` filled in: {code} is that of `archloom/nets/MODULE.py`; {arch} and {found_by} stand in a docstring.

    {trained} tells how to use `network` with the weights that `images:` has trained.

    Of several modules each may import from those before it. `found` are literals, written as Python writes them.
    ArchloomError for a file that would be no Python.
    """
    sources = [(files("archloom") / "nets" / f"{module}.py").read_text(encoding="utf-8") for module in modules]
    code = sources[0].partition('"""\n\n')[2] if len(sources) == 1 else _joined(modules, sources)
    told = {"arch": _in_docstring(arch), "found_by": _in_docstring(found_by), "trained": _TRAINED}
    text = template.format(code=code, **told, **found)
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


# -- several modules as one ---------------------------------------------------------------------------------------


def _joined(modules: Sequence[str], sources: Sequence[str]) -> str:
    """The code of several modules as that of one: what they import from elsewhere, then their definitions in turn.

    ArchloomError if they cannot be one: two define the same name, or one imports from a module that is not before it.
    """
    imports, bodies, defined = list[ast.Import | ast.ImportFrom](), list[str](), dict[str, str]()
    for number, (module, source) in enumerate(zip(modules, sources, strict=True)):
        tree, lines = ast.parse(source), source.splitlines()
        for name in (name for node in tree.body for name in _defined(node)):
            if defined.setdefault(name, module) != module:
                raise ArchloomError(f"nets/{module}.py cannot be exported: nets/{defined[name]}.py has {name}, too")
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("archloom."):
                _check_own(node, module, modules[:number])
            elif isinstance(node, ast.Import | ast.ImportFrom):
                imports.append(node)
            else:
                continue
            lines[node.lineno - 1 : node.end_lineno] = [""] * len(lines[node.lineno - 1 : node.end_lineno])
        bodies.append("\n".join(lines[tree.body[0].end_lineno :]).strip("\n"))  # after its docstring
    return "\n\n\n".join([_merged(imports), *bodies]) + "\n"


def _defined(node: ast.stmt) -> list[str]:
    """The names that a statement defines; what it imports is no definition."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [found.id for target in targets if target for found in ast.walk(target) if isinstance(found, ast.Name)]


def _check_own(node: ast.ImportFrom, module: str, before: Sequence[str]) -> None:
    source = (node.module or "").removeprefix("archloom.nets.").replace(".", "/")
    if source not in before or any(alias.asname for alias in node.names):
        raise ArchloomError(
            f"nets/{module}.py cannot be exported: {ast.unparse(node)!r} is not of a module before it, by the same name"
        )


def _merged(imports: Sequence[ast.Import | ast.ImportFrom]) -> str:
    """Lines of imports, each name once, in groups: of the future, of the standard library, others."""
    plain, names = set[str](), dict[str, set[str]]()
    for node in imports:
        found = map(ast.unparse, node.names)
        if isinstance(node, ast.ImportFrom):
            names.setdefault(str(node.module), set()).update(found)
        else:
            plain.update(f"import {name}" for name in found)
    lines = [f"from {module} import {', '.join(sorted(found))}" for module, found in sorted(names.items())]
    groups: tuple[list[str], ...] = ([], [], [])
    for line in (*sorted(plain), *lines):
        root = line.split()[1].partition(".")[0]
        groups[0 if root == "__future__" else 1 if root in sys.stdlib_module_names else 2].append(line)
    return "\n\n".join("\n".join(group) for group in groups if group)
