"""Genotypes of the DARTS space as strings: written as DARTS prints them, read in the forms that authors print.

They are read as Python literals, never evaluated.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError, unknown
from archloom.spaces.darts.genotypes import CELLS, NODES, OPERATIONS, Genotypes, explain
from archloom.utils.text import one_line, printable

_FORM = "Genotype(normal=[('OPERATION', SOURCE), ... 8 of them], reduce=[... 8 of them])"
_PAIR = "expected ('OPERATION', SOURCE)"
_ALL_NODES = "expected range(2, 6): the cells of this space concatenate all four nodes"
_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_IGNORED = ("layout",)
"""Arguments that say nothing of the two cells."""

_LONGEST = 100_000
_QUOTES = str.maketrans("‘’‚‛`´“”„‟", "''''''\"\"\"\"")
_BEGINS = (re.compile(r"\b(\w*Genotype\w*)\s*\("), re.compile(r"\b(OrderedDict|dict)\s*\("), re.compile(r"()\{"))
"""How a genotype begins: its bracket, and what is called before it. The first of these that is there counts."""

_PRINTED = re.compile(r"u?int\d*|intp|tensor|array|long|str_")
"""How numpy and PyTorch print a number or a string: `np.int64(0)`."""

_REST = re.compile(r"[\s,;'\"]*(?:#[^\n]*)?")
_JSON = {"null": None, "None": None}

Pair = tuple[int, int]


def to_text(genotype: NDArray[np.integer[Any]]) -> str:
    """One genotype (2, 8, 2) as DARTS prints it; pairs keep their order."""
    normal, reduce = ([(OPERATIONS[operation], source) for source, operation in cell] for cell in genotype.tolist())
    return f"Genotype(normal={normal}, normal_concat=range(2, 6), reduce={reduce}, reduce_concat=range(2, 6))"


def from_text(text: str) -> Genotypes:
    """The genotype (2, 8, 2) that `text` writes; InputError, which names the place, for anything else.

    Understood are DARTS' own form with anything in front of it (`NAME = `, a log's date) and a comment, comma or
    semicolon behind, dicts and JSON; pairs as tuples or lists, one after the other or by node, sources as plain or
    numpy integers; concatenated nodes in any form or not at all, an argument `layout`; any spacing and quotes.
    """
    arguments = _arguments(_literal(text))
    cells = []
    for cell in CELLS:
        if f"{cell}_concat" in arguments:
            _check_concat(cell, arguments[f"{cell}_concat"])
        if cell not in arguments or _is_none(arguments[cell]):
            raise InputError(f"genotype {_shown(text)}: no {cell} cell; expected {_FORM}")
        cells.append(_pairs(cell, arguments[cell]))
    genotype = np.array(cells)
    if fault := explain(genotype):
        raise InputError(f"genotype: {fault}")
    return genotype.astype(np.uint8)


# -- where it is --------------------------------------------------------------------------------------------------


def _literal(text: str) -> ast.expr:
    """The genotype in a string, as Python reads it."""
    if len(text) > _LONGEST:
        raise InputError(f"genotype {_shown(text)}: {len(text):,} characters; expected {_FORM}")
    plain = printable(text).translate(_QUOTES)  # without the colours of a terminal
    begins = _beginning(plain)
    if begins is None:
        raise InputError(f"genotype {_shown(text)}: expected {_FORM}")
    end = _end_of(plain, begins.end() - 1)
    if end is None:
        raise InputError(f"genotype {_shown(plain[-80:])}: ends inside a bracket; expected {_FORM}")
    rest = _REST.sub("", plain[end:], count=1).strip()
    if rest:
        what = "a second genotype" if _beginning(rest) else "more text"
        raise InputError(f"genotype: {what} follows the first one: {_shown(rest)}; expected one genotype")
    return _parsed(begins[1] + plain[begins.end() - 1 : end])


def _beginning(text: str) -> re.Match[str] | None:
    return next((found for pattern in _BEGINS if (found := pattern.search(text))), None)


def _end_of(text: str, begin: int) -> int | None:
    """The place behind the bracket that closes the one at `begin`, strings and comments aside; None if none does."""
    depth, quote = 0, ""
    for at in range(begin, len(text)):
        character = text[at]
        if quote:
            ends = "\n" if quote == "#" else quote
            quote = "" if character == ends else quote
        elif character in "'\"#":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return at + 1
    return None


def _parsed(text: str) -> ast.expr:
    text = "".join(" " if character.isspace() and character != "\n" else character for character in text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strange escapes
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        lines = text.splitlines()
        line = lines[min(getattr(error, "lineno", None) or 1, len(lines)) - 1]
        at = max((getattr(error, "offset", None) or 1) - 1, 0)
        place = _shown(line[max(0, at - 20) : at + 40])
        raise InputError(f"genotype: cannot be read near {place}; expected {_FORM}") from None


def _arguments(node: ast.expr) -> Mapping[str, ast.expr]:
    """What the genotype gives by name."""
    found = dict(_named(node))
    for name in found:
        if name not in (*_FIELDS, *_IGNORED):
            raise InputError(f"genotype: argument {_shown(name)}; expected {', '.join(_FIELDS)}")
    return found


def _named(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
        yield from ((_string(key), value) for key, value in pairs if key is not None)
        return
    if not isinstance(node, ast.Call):
        _refuse("", node, f"expected {_FORM}")
    items = _items(node.args[0]) if len(node.args) == 1 and not node.keywords else None
    if items and all(len(_items(item) or ()) == 2 and _string(_items(item)[0]) in _FIELDS for item in items):  # type: ignore[index]
        yield from ((_string(pair[0]), pair[1]) for pair in (_items(item) or [] for item in items))  # OrderedDict
        return
    if len(node.args) > len(_FIELDS):
        _refuse("", node.args[len(_FIELDS)], f"expected at most {len(_FIELDS)} arguments")
    yield from zip(_FIELDS, node.args, strict=False)
    yield from ((keyword.arg or "**", keyword.value) for keyword in node.keywords)


# -- what it says -------------------------------------------------------------------------------------------------


def _pairs(cell: str, node: ast.expr) -> list[Pair]:
    """(source, operation) of the eight pairs of a cell, which may be listed by node."""
    items = _items(node)
    if items is None:
        _refuse(f"the {cell} cell", node, "expected a list of pairs ('OPERATION', SOURCE)")
    inner = [_items(item) for item in items]
    if items and all(each is not None and each and all(_items(pair) for pair in each) for each in inner):
        by_node = [each or [] for each in inner]
        if len(by_node) != NODES:
            raise InputError(f"genotype: the {cell} cell has {len(by_node)} nodes; expected {NODES} of 2 pairs each")
        for number, each in enumerate(by_node, 2):
            if len(each) != 2:
                raise InputError(f"genotype: node {number} of the {cell} cell has {len(each)} pairs; expected 2")
        items = [pair for each in by_node for pair in each]
    if len(items) != 2 * NODES:
        raise InputError(
            f"genotype: the {cell} cell has {len(items)} pairs; expected {2 * NODES}, two for each of the nodes 2 to "
            f"{NODES + 1}, ('OPERATION', SOURCE)"
        )
    return [_pair(f"pair {i + 1} of the {cell} cell (node {i // 2 + 2})", item) for i, item in enumerate(items)]


def _pair(place: str, node: ast.expr) -> Pair:
    items = _items(node)
    if items is None or len(items) != 2:
        _refuse(place, node, _PAIR)
    first, second = (_value(place, item) for item in items)
    operation, source = (second, first) if isinstance(second, str) else (first, second)
    if not isinstance(operation, str) or isinstance(source, str):
        _refuse(place, node, _PAIR)
    if operation not in OPERATIONS:
        raise InputError(f"genotype: {place}: {unknown('operation', one_line(operation, 40), OPERATIONS)}")
    if abs(source) > 10**6:  # which no array should hold
        _refuse(place, node, _PAIR)
    return source, OPERATIONS.index(operation)


def _value(place: str, node: ast.expr, expected: str = _PAIR) -> int | str:
    """A string or a whole number, plain or as numpy and PyTorch print it."""
    if isinstance(node, ast.Call) and len(node.args) == 1 and _PRINTED.fullmatch(_function(node)):
        node = node.args[0]
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bytes):
            return node.value.decode(errors="replace")
        if isinstance(node.value, str):
            return node.value
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return sign * node.value
    return _refuse(place, node, expected)


def _check_concat(cell: str, node: ast.expr) -> None:
    """InputError unless all four nodes are concatenated, as in every genotype of the space."""
    place = f"{cell}_concat"
    if _is_none(node):
        return
    while isinstance(node, ast.Call) and len(node.args) == 1 and _function(node) in ("list", "tuple", "array", "set"):
        node = node.args[0]
    if isinstance(node, ast.Call) and _function(node) in ("range", "arange") and len(node.args) == 2:
        begin, end = (_value(place, argument, _ALL_NODES) for argument in node.args)
        nodes = list(range(begin, end)) if isinstance(begin, int) and isinstance(end, int) and end < 100 else []
    else:
        items = node.elts if isinstance(node, ast.Set) else _items(node)
        if items is None:
            _refuse(place, node, _ALL_NODES)
        nodes = sorted(value for value in (_value(place, item, _ALL_NODES) for item in items) if isinstance(value, int))
    if nodes != list(range(2, NODES + 2)):
        _refuse(place, node, _ALL_NODES)


def _items(node: ast.expr) -> Sequence[ast.expr] | None:
    """The items of a list or tuple; None for anything else."""
    return node.elts if isinstance(node, ast.List | ast.Tuple) else None


def _string(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else _written(node)


def _function(node: ast.Call) -> str:
    """The last part of the name of what is called."""
    called = node.func
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _is_none(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value is None) or (isinstance(node, ast.Name) and node.id in _JSON)


def _refuse(place: str, node: ast.expr, expected: str) -> NoReturn:
    raise InputError(f"genotype: {f'{place}: ' if place else ''}{_shown(_written(node))}; {expected}")


def _written(node: ast.expr) -> str:
    try:
        return ast.unparse(node)
    except RecursionError:  # a sum of thousands of terms
        return "..."


def _shown(text: str) -> str:
    return repr(one_line(text, 80))
