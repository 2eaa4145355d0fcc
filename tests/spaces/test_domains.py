from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.errors import InputError
from archloom.spaces.domains import SPREAD, Choice, Domain, Integer, Real, Seed, as_domain
from archloom.types import Arch
from archloom.utils import seeds

REALS = {
    "plain": Real(0.0, 1.0),
    "log": Real(1e-4, 1e-1, log=True),
    "odd bounds": Real(1 / 3, 2 / 3),
    "odd bounds, log": Real(1 / 7, 1e5 / 3, log=True),
    "around zero": Real(-1, 1),
    "negative": Real(-1e6, -1e6 + 1),
    "wide": Real(-1e290, 1e290),
    "as wide as can be, log": Real(1e-290, 1e290, log=True),
}
GRIDS: dict[str, Any] = {
    "tenths": Real(0.0, 1.0, step=0.1),
    "thirds": Real(-1, 1, step=1 / 3),
    "steps, log": Real(0.001, 1.0, log=True, step=0.001),
    "far from zero": Real(1e6, 1e6 + 1, step=0.125),
    "tiny first": Real(1e-12, 0.5 + 1e-12, log=True, step=0.1),
    "integers": Integer(-3, 9),
    "integers, log": Integer(1, 1 << 30, log=True),
    "integers in steps": Integer(16, 512, step=16),
    "integers in steps, log": Integer(8, 512, log=True, step=8),
    "one integer": Integer(4, 4),
    "many integers": Integer(-(1 << 39), (1 << 39) - 1),
    "seed": Seed(),
}
CHOICES = {"choice": Choice(["a", "b", "c"]), "ordered": Choice([1, 2, 3], ordered=True), "constant": Choice([None])}
DOMAINS: dict[str, Domain] = REALS | GRIDS | CHOICES

places = st.floats(0.0, 1.0)


@pytest.mark.parametrize("name", DOMAINS)
@given(place=places)
def test_places_and_genes_are_each_others(name: str, place: float) -> None:
    domain = DOMAINS[name]
    gene = domain.from_unit(place)
    assert domain.holds(gene)
    assert type(gene) is (float if name in REALS or isinstance(domain, Real) else int)
    assert domain.canonical(gene) == gene
    there = domain.to_unit(gene)
    assert 0.0 <= there <= 1.0
    assert domain.from_unit(there) == gene
    assert domain.parse(domain.text_of(gene)) == gene
    assert domain.takes(domain.value(gene))
    assert msgspec.json.decode(msgspec.json.encode(Arch((gene,))), type=Arch) == Arch((gene,))


@pytest.mark.parametrize("name", REALS)
@given(place=places)
def test_any_real_between_the_bounds_has_one_canonical_number(name: str, place: float) -> None:
    domain = REALS[name]
    number = domain.low + place * (domain.high - domain.low)
    number = min(max(number, domain.low), domain.high)
    canonical = domain.canonical(number)
    assert domain.holds(canonical)
    assert domain.canonical(canonical) == canonical
    assert domain.from_unit(domain.to_unit(canonical)) == canonical
    extent = max(abs(number), 0.0 if domain.log else max(abs(domain.low), abs(domain.high)))
    assert abs(canonical - number) <= 1e-9 * extent


@pytest.mark.parametrize("name", REALS)
def test_reals_begin_and_end_at_their_bounds(name: str) -> None:
    domain = REALS[name]
    assert (domain.from_unit(0.0), domain.from_unit(1.0)) == (domain.low, domain.high)
    assert (domain.to_unit(domain.low), domain.to_unit(domain.high)) == (0.0, 1.0)


def test_what_lies_where() -> None:
    assert Real(1e-4, 1e-1, log=True).from_unit(1 / 3) == 0.001
    assert Real(1e-4, 1e-1, log=True).default == 0.00316227766
    assert Real(-1, 1).to_unit(0.5) == 0.75
    assert [Integer(1, 4).to_unit(gene) for gene in (1, 2, 3, 4)] == [0.125, 0.375, 0.625, 0.875]
    assert Choice(["a", "b", "c", "d"]).to_unit(2) == 0.625
    assert Integer(1, 4, log=True).to_unit(1) == math.log(2) / math.log(9)
    assert [Real(0, 1, step=0.1).from_unit(place) for place in (0.0, 0.3, 1.0)] == [0.0, 0.3, 1.0]


@pytest.mark.parametrize(
    ("domain", "shares"),
    [
        (Choice(["a", "b", "c"]), [1 / 3] * 3),
        (Integer(3, 6), [1 / 4] * 4),
        (Integer(4, 8, step=2), [1 / 3] * 3),
        (Real(0, 1, step=0.25), [1 / 5] * 5),
        (Integer(1, 3, log=True), [math.log(high / low) / math.log(7) for low, high in ((1, 3), (3, 5), (5, 7))]),
    ],
)
def test_equal_parts_of_the_interval_are_equally_likely(domain: Domain, shares: list[float]) -> None:
    values = list(domain.values())
    found = [domain.value(domain.from_unit((k + 0.5) / 20_000)) for k in range(20_000)]
    counts = [found.count(value) / 20_000 for value in values]
    assert sum(counts) == 1.0
    assert counts == pytest.approx(shares, abs=1e-3)


def test_grids_have_the_numbers_that_one_would_write() -> None:
    assert list(Real(0, 1, step=0.1).values()) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert list(Integer(16, 64, step=16).values()) == [16, 32, 48, 64]
    assert list(Real(-0.2, 0.2, step=0.2).values()) == [-0.2, 0.0, 0.2]
    assert [domain.size for domain in DOMAINS.values()] == [
        *[None] * 8, 11, 7, 1000, 9, 6, 13, 1 << 30, 32, 64, 1, 1 << 40, 1 << 31, 3, 3, 1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("domain", "gene", "near"),
    [
        (Real(0, 1), 0.5, [0.4, 0.6, 0.49, 0.51]),
        (Real(0, 10), 10.0, [9.0, 9.9]),
        (Real(0, 1), 0.05, [0.0, 0.15, 0.04, 0.06]),
        (Real(1e-4, 1.0, log=True), 0.01, [0.003981071706, 0.02511886432, 0.009120108394, 0.01096478196]),
        (Integer(1, 100), 50, [40, 60, 49, 51]),
        (Integer(1, 3), 2, [1, 3]),
        (Integer(1, 1000, log=True), 1, [2]),
        (Integer(1, 1000, log=True), 500, [234, 1000, 463, 539, 499, 501]),
        (Real(0, 1, step=0.5), 0.0, [0.5]),
        (Integer(4, 4), 4, []),
        (Choice(["a", "b", "c", "d"]), 1, [0, 2, 3]),
        (Choice(["a", "b", "c", "d"], ordered=True), 1, [0, 2]),
        (Choice(["a", "b", "c", "d"], ordered=True), 3, [2]),
        (Seed(), 5, []),
    ],
)
def test_neighbours(domain: Domain, gene: float, near: list[float]) -> None:
    assert list(domain.neighbours(gene)) == near


@pytest.mark.parametrize("name", [name for name, domain in DOMAINS.items() if domain.size != 1])
def test_mutants_are_others_of_the_domain(name: str) -> None:
    domain, rng = DOMAINS[name], seeds.stream(0, "test")
    gene = domain.default
    for _ in range(200):
        mutant = domain.mutate(gene, rng)
        assert domain.holds(mutant)
        assert mutant != gene
        assert domain.canonical(mutant) == mutant
        gene = mutant


def test_numbers_move_by_a_share_of_their_range_and_turn_at_the_ends() -> None:
    rng, domain = seeds.stream(0, "test"), Real(1e-4, 1e-1, log=True)
    moves = np.array([domain.to_unit(domain.mutate(domain.default, rng)) - 0.5 for _ in range(4000)])
    assert abs(moves.mean()) < 5 * SPREAD / math.sqrt(4000)
    assert abs(moves.std() - SPREAD) < 5 * SPREAD / math.sqrt(8000)
    from_the_end = np.array([domain.to_unit(domain.mutate(domain.high, rng)) for _ in range(4000)])
    assert (from_the_end == 1.0).sum() == 0
    assert abs((1.0 - from_the_end).mean() - SPREAD * math.sqrt(2 / math.pi)) < 5 * SPREAD / math.sqrt(4000)


def test_seeds_are_drawn_afresh() -> None:
    rng = seeds.stream(0, "test")
    found = np.array([Seed().mutate(5, rng) for _ in range(2000)]) / 2**31
    assert np.quantile(found, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.06)


STRANGE: list[Any] = [math.nan, math.inf, -math.inf, 1e300, None, "a", 10**400, (1,)]


@pytest.mark.parametrize("name", DOMAINS)
def test_what_is_no_gene(name: str) -> None:
    assert [gene for gene in STRANGE if DOMAINS[name].holds(gene)] == []


@pytest.mark.parametrize(
    ("domain", "genes"),
    [
        (Real(0, 1), (-0.001, 1.001)),
        (Real(0, 1, step=0.1), (0.15, 0.1001, -0.1, 1.1)),
        (Integer(1, 9, step=2), (2, 1.5, 0, 10, 11)),
        (Integer(1, 9), (1.5, 0, 10)),
        (Seed(), (-1, 1 << 31, 0.5)),
        (Choice(["a", "b"]), (-1, 2, 0.5)),
    ],
)
def test_out_of_bounds_off_the_grid_and_not_whole(domain: Domain, genes: tuple[float, ...]) -> None:
    assert [gene for gene in genes if domain.holds(gene)] == []


def test_numbers_of_other_types_become_plain_ones() -> None:
    for domain, number, gene in (
        (Real(0, 1), 1, 1.0),
        (Real(0, 1), np.float32(0.5), 0.5),
        (Real(-1, 1), -0.0, 0.0),
        (Real(0, 1, step=0.1), 0.1 + 0.2, 0.3),
        (Real(0, 1), 0.123456789012345, 0.123456789),
        (Integer(0, 9), 3.0, 3),
        (Integer(0, 9), np.int64(3), 3),
        (Choice(["a", "b"]), True, 1),
    ):
        assert domain.holds(number)
        assert repr(domain.canonical(number)) == repr(gene)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Real(1, 1), "Real(1.0, 1.0): expected low < high; for a single value use Choice"),
        (lambda: Real(2, 1), "Real(2.0, 1.0): expected low < high"),
        (lambda: Real(0, 1, log=True), "Real(0.0, 1.0): on a logarithmic scale low must be above 0"),
        (lambda: Real(0, math.nan), "Real high=nan: expected a number"),
        (lambda: Real("a", 1), "Real low='a': expected a number"),  # type: ignore[arg-type]
        (lambda: Real(0, math.inf), "Real high=inf: expected a number"),
        (lambda: Real(0, 1, step=0.3), "steps from low do not end at high, but at 0.9: give that as high"),
        (lambda: Real(0, 1, step=0), "expected a step above 0"),
        (lambda: Real(0, 1, step=-0.5), "expected a step above 0"),
        (lambda: Real(0, 1, step=1e-13), "expected a step above 0 that makes at most 1,099,511,627,776 values"),
        (lambda: Real(1e9, 1e9 + 1e-3), "numbers so close together are not distinguished (to 10 digits)"),
        (lambda: Real(-422.8007076776505, -422.8007072295709), "numbers so close together"),
        (lambda: Real(582.8622501096877, 582.8622503735693, log=True), "numbers so close together"),
        (lambda: Integer(2, 1), "Integer(2, 1): expected low < high"),
        (lambda: Integer(0, 9, log=True), "Integer(0, 9): on a logarithmic scale low must be above 0"),
        (lambda: Integer(0, 1.5), "Integer high=1.5: expected a whole number; for others there is Real"),  # type: ignore[arg-type]
        (lambda: Integer(0, True), "Integer high=True: expected a whole number"),
        (lambda: Integer(1, 8, step=2), "Integer(1, 8, step=2): steps from low do not end at high, but at 7"),
        (lambda: Integer(0, 1 << 41), "expected a whole number"),
        (lambda: Choice([]), "options []: expected at least one, each different"),
        (lambda: Choice([1, "1"]), "options ['1', '1']: '1' is there twice; expected each different, as strings"),
        (lambda: Real(0, 1, when=3), "when=3: expected names and values of other genes"),  # type: ignore[arg-type]
    ],
)
def test_domains_that_cannot_be(make: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("domain", "text", "said"),
    [
        (Real(0, 1), "2", "expected a number from 0.0 to 1.0"),
        (Real(0, 1), "nan", "expected a number from 0.0 to 1.0"),
        (Real(0, 1, step=0.5), "0.3", "expected a number from 0.0 to 1.0 in steps of 0.5"),
        (Integer(1, 9), "1.5", "expected a whole number from 1 to 9"),
        (Seed(), "-1", "expected a whole number from 0 to 2147483647"),
        (Choice(["a", "b"]), "c", "expected one of a, b"),
    ],
)
def test_what_cannot_be_read(domain: Domain, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        domain.parse(text)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1e-4, 1e-1), "(0.0001, 0.1) may mean a range, Real(0.0001, 0.1, log=True), or two options, the list "),
        ((1e-4, 1e-1), "the list [0.0001, 0.1]: write the one you mean"),
        ((0.5, 1), "Real(0.5, 1), or two options, the list [0.5, 1]"),
        ((32, 16), "may mean a range, Integer(16, 32), or two options, the list [32, 16]"),
        (0.1, "lr: 0.1: expected a domain, e.g. Real(0.0, 1.0), or a list of options"),
        ([], "lr: options []: expected at least one, each different"),
    ],
)
def test_what_may_mean_two_things_is_refused(given: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        as_domain("lr", given)
    assert said in str(caught.value)


@pytest.mark.parametrize("given", [[1e-4, 1e-1], (1, 2, 3), ("a", "b"), range(2), (1,), (False, True)])
def test_options_are_a_choice(given: Any) -> None:
    assert as_domain("a", given) == Choice(given)
    assert as_domain("a", Choice(given)) == Choice(given)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("low", [1.0, 9.99999, 582.86225, 1e-7])
def test_the_narrowest_range_has_neighbours_everywhere(low: float, log: bool) -> None:
    width = 10.0 ** (math.floor(math.log10(low)) - 9)
    while True:  # the narrowest that is taken
        try:
            domain = Real(low, low + width, log=log)
            break
        except InputError:
            width *= 1.1
    rng = np.random.default_rng(0)
    for place in np.linspace(0, 1, 41).tolist():
        gene = domain.from_unit(place)
        assert domain.neighbours(gene) and domain.mutate(gene, rng) != gene
