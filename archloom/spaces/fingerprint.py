"""What tells two spaces apart: plain data that every process of a run can compare with what it has itself."""

from __future__ import annotations

import hashlib
from typing import TypedDict

import numpy as np

from archloom.spaces.base import HasSize, SearchSpace
from archloom.spaces.domains import Choice, Domain
from archloom.spaces.space import Space
from archloom.utils.text import one_line

SAMPLES = 4
"""How many architectures are drawn."""

MOST = 300
"""Longer descriptions are cut to this many characters, and end in a digest of the whole."""


class Fingerprint(TypedDict, total=False):
    """What is known of a space."""

    name: str
    genes: dict[str, str]
    size: str
    samples: list[str]


def fingerprint(space: SearchSpace) -> Fingerprint:
    """A space in a few words: its name, genes or size, and architectures drawn from a fixed generator.

    The genes with their options in order, bounds and conditions, of a `Space`; the size, of any other that tells it.
    Architectures that it does not draw the same twice, or cannot draw, are left out.
    """
    words: Fingerprint = {"name": str(space.name)}
    if isinstance(space, Space):
        domains = zip(space.gene_names, space.domains, strict=True)
        words["genes"] = {name: _short(_described(domain)) for name, domain in domains}
    elif isinstance(space, HasSize):
        words["size"] = str(space.size)
    drawn = _samples(space)
    if drawn and drawn == _samples(space):
        words["samples"] = drawn
    return words


def difference(was: Fingerprint, now: Fingerprint) -> str | None:
    """What is different between two fingerprints, in words; None if nothing is."""
    pairs = {"name": (was.get("name"), now.get("name")), "size": (was.get("size"), now.get("size"))}
    for what, (before, after) in pairs.items():
        if before != after:
            return f"its {what} was {before!r} and is {after!r}"
    genes = was.get("genes") or {}, now.get("genes") or {}
    if list(genes[0]) != list(genes[1]):
        return f"its genes were {_short(', '.join(genes[0]))} and are {_short(', '.join(genes[1]))}"
    for name, described in genes[0].items():
        if genes[1][name] != described:
            return f"{name} was {described} and is {genes[1][name]}"
    for before, after in zip(was.get("samples") or (), now.get("samples") or (), strict=False):
        if before != after:
            return f"drawn from the same random numbers, an architecture was {before!r} and is {after!r}"
    return None


def _described(domain: Domain) -> str:
    words = domain.described
    if isinstance(domain, Choice):
        words += " (ordered)" if domain.ordered else ""
    elif getattr(domain, "log", False):
        words += " (logarithmic)"
    return words if domain.condition is None else f"{words} if {domain.condition}"


def _samples(space: SearchSpace) -> list[str] | None:
    rng = np.random.Generator(np.random.PCG64(0))
    try:
        return [_short(str(space.format(space.sample(rng)))) for _ in range(SAMPLES)]
    except Exception:  # noqa: BLE001 - a user's space may fail in any way; that shows when it is searched
        return None


def _short(text: str) -> str:
    """A string of bounded length, the same exactly for the same."""
    line = one_line(text)
    if len(line) <= MOST and line == text:
        return text
    return f"{line[:MOST]}… (sha256 {hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:12]})"
