"""The official module hash of NAS-Bench-101, for arrays of cells.

The hash (Ying et al. 2019, `graph_util.hash_module`) takes V+1 rounds of MD5 over hexadecimal strings, some 55 digests
a cell. MD5 (RFC 1321) is written out here because calling a library's for strings of 50 to 250 bytes costs more than
computing it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.errors import InputError
from archloom.spaces.nb101.codes import (
    UNCONNECTED,
    VERTICES,
    Codes,
    bit_count,
    inner_vertices,
    label_of,
    pack,
    predecessors,
    pruned_codes,
)
from archloom.utils.jit import compiled, share, signed

_SINES = np.array([int(abs(math.sin(i + 1)) * 2**32) & 0xFFFF_FFFF for i in range(64)], dtype=np.uint32)
_TURNS = np.array([[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]], dtype=np.uint32)
_START = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476], dtype=np.uint32)
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DIGEST = 32  # hexadecimal digits
_BUFFER = 320  # the longest text has 252 bytes: a list of seven digests

_INPUT_LABEL, _OUTPUT_LABEL = -1, -2


@compiled
def _turned(value: np.uint32, by: np.uint32) -> np.uint32:
    return np.uint32((value << by) | (value >> (np.uint32(32) - by)))


@compiled
def _digest(text: NDArray[np.uint8], length: int, out: NDArray[np.uint8]) -> None:
    """Write the MD5 of `text[:length]` to `out` as 32 hexadecimal digits; `text` is padded in place."""
    blocks = (length + 8) // 64 + 1
    text[length] = 0x80
    text[length + 1 : blocks * 64] = 0
    bits = length * 8
    for i in range(4):
        text[blocks * 64 - 8 + i] = (bits >> (8 * i)) & 255
    words = text[: blocks * 64].view(np.uint32)
    a0, b0, c0, d0 = _START[0], _START[1], _START[2], _START[3]
    for block in range(blocks):
        m = words[block * 16 : block * 16 + 16]
        a, b, c, d = a0, b0, c0, d0
        for i in range(16):
            f = np.uint32((b & c) | (~b & d))
            a, d, c, b = d, c, b, np.uint32(b + _turned(np.uint32(a + f + _SINES[i] + m[i]), _TURNS[0, i & 3]))
        for i in range(16):
            f = np.uint32((d & b) | (~d & c))
            word = m[(5 * i + 1) & 15]
            a, d, c, b = d, c, b, np.uint32(b + _turned(np.uint32(a + f + _SINES[16 + i] + word), _TURNS[1, i & 3]))
        for i in range(16):
            f = np.uint32(b ^ c ^ d)
            word = m[(3 * i + 5) & 15]
            a, d, c, b = d, c, b, np.uint32(b + _turned(np.uint32(a + f + _SINES[32 + i] + word), _TURNS[2, i & 3]))
        for i in range(16):
            f = np.uint32(c ^ (b | ~d))
            word = m[(7 * i) & 15]
            a, d, c, b = d, c, b, np.uint32(b + _turned(np.uint32(a + f + _SINES[48 + i] + word), _TURNS[3, i & 3]))
        a0, b0, c0, d0 = np.uint32(a0 + a), np.uint32(b0 + b), np.uint32(c0 + c), np.uint32(d0 + d)
    for i, word in enumerate((a0, b0, c0, d0)):
        for byte in range(4):
            value = (word >> np.uint32(8 * byte)) & np.uint32(255)
            out[8 * i + 2 * byte] = _HEX[value >> np.uint32(4)]
            out[8 * i + 2 * byte + 1] = _HEX[value & np.uint32(15)]


@compiled
def _precedes(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> bool:
    for i in range(_DIGEST):
        if left[i] != right[i]:
            return bool(left[i] < right[i])
    return False


@compiled
def _sorted_into(order: NDArray[np.int64], hashes: NDArray[np.uint8], members: int) -> int:
    """Put the vertices in `members` into `order`, by their hashes; returns how many there are."""
    count = 0
    for vertex in range(VERTICES):
        if not members >> vertex & 1:
            continue
        at = count
        while at > 0 and _precedes(hashes[vertex], hashes[order[at - 1]]):
            order[at] = order[at - 1]
            at -= 1
        order[at] = vertex
        count += 1
    return count


@compiled
def _append_number(text: NDArray[np.uint8], at: int, number: int) -> int:
    if number < 0:
        text[at] = 45  # "-"
        at, number = at + 1, -number
    text[at] = 48 + number  # one digit: degrees and labels are below ten
    return at + 1


@compiled
def _append_hash(text: NDArray[np.uint8], at: int, digits: NDArray[np.uint8]) -> int:
    for i in range(_DIGEST):  # assigning a slice takes seconds to compile
        text[at + i] = digits[i]
    return at + _DIGEST


@compiled
def _append_sorted(
    text: NDArray[np.uint8], at: int, hashes: NDArray[np.uint8], order: NDArray[np.int64], members: int
) -> int:
    for i in range(_sorted_into(order, hashes, members)):
        at = _append_hash(text, at, hashes[order[i]])
    return at


@compiled
def _module_hash(code: int, text: NDArray[np.uint8], hashes: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    vertices = inner_vertices(code) + 2
    into, after = np.zeros(VERTICES, np.int64), np.zeros(VERTICES, np.int64)
    order = np.empty(VERTICES, np.int64)
    for vertex in range(1, vertices):
        into[vertex] = predecessors(code, vertex)
        for source in range(vertex):
            if into[vertex] >> source & 1:
                after[source] |= 1 << vertex
    old, new = hashes[:VERTICES], hashes[VERTICES:]
    for vertex in range(vertices):
        label = _INPUT_LABEL if vertex == 0 else _OUTPUT_LABEL if vertex == vertices - 1 else label_of(code, vertex)
        text[0] = 40  # "(out degree, in degree, label)"
        at = _append_number(text, 1, bit_count(after[vertex]))
        text[at], text[at + 1] = 44, 32
        at = _append_number(text, at + 2, bit_count(into[vertex]))
        text[at], text[at + 1] = 44, 32
        at = _append_number(text, at + 2, label)
        text[at] = 41
        _digest(text, at + 1, old[vertex])
    for _ in range(vertices):
        for vertex in range(vertices):
            at = _append_sorted(text, 0, old, order, into[vertex])
            text[at] = 124  # "|"
            at = _append_sorted(text, at + 1, old, order, after[vertex])
            text[at] = 124
            at = _append_hash(text, at + 1, old[vertex])
            _digest(text, at, new[vertex])
        old, new = new, old
    text[0] = 91  # the string of the sorted list: ['...', '...']
    at = 1
    for i in range(_sorted_into(order, old, (1 << vertices) - 1)):
        if i:
            text[at], text[at + 1] = 44, 32
            at += 2
        text[at] = 39
        at = _append_hash(text, at + 1, old[order[i]])
        text[at] = 39
        at += 1
    text[at] = 93
    _digest(text, at + 1, out)


@compiled
def _hash_rows(codes: Codes, out: NDArray[np.uint8]) -> None:
    text, hashes = np.empty(_BUFFER, np.uint8), np.empty((2 * VERTICES, _DIGEST), np.uint8)
    for row in range(len(codes)):
        _module_hash(signed(codes[row]), text, hashes, out[row])


def hashes_of_codes(codes: Codes) -> NDArray[np.bytes_]:
    """(n,) the module hash of each pruned code, as 32 hexadecimal digits."""
    out = np.empty((len(codes), _DIGEST), dtype=np.uint8)
    share(lambda start, stop: _hash_rows(codes[start:stop], out[start:stop]), len(codes), least=16)
    return out.view(f"S{_DIGEST}").ravel()


def md5_hashes(genes: NDArray[np.integer[Any]]) -> list[str]:
    """The official module hash of each cell (n, 26), digest for digest, after pruning as the benchmark prunes.

    InputError for genes that are no graph, or whose output is not reachable from the input.
    """
    codes = pruned_codes(pack(genes))
    if (codes == UNCONNECTED).any():
        row = int((codes == UNCONNECTED).argmax())
        raise InputError(f"the cell in row {row} has no path from input to output: only connected cells have a hash")
    return [digest.decode() for digest in hashes_of_codes(codes).tolist()]
