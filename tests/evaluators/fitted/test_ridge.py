from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.errors import InputError
from archloom.evaluators.fitted.ridge import MAX_TERMS, Design, Effects, Power, Ridge, powers_for

SIZES = (3, 2, 4, 2, 3, 2)
PARTS = ("a", "a", "a", "b", "b", "c")
ALL = np.array(list(itertools.product(*map(range, SIZES))))
EFFECTS = Effects(SIZES, PARTS)

sizes_and_parts = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=5)


def effect(genes: Sequence[int], seed: int) -> np.ndarray:
    """(n,) for all architectures, a number for each combination of these genes."""
    table = np.random.default_rng(seed).normal(size=[SIZES[gene] for gene in genes])
    return table[tuple(ALL[:, gene] for gene in genes)]


def fitted(values: np.ndarray, every: int = 3) -> tuple[Ridge, np.ndarray]:
    """The model of a sample of all architectures, and what it says of all."""
    rows = np.random.default_rng(7).permutation(len(ALL))[::every]
    model = Design(EFFECTS, ALL[rows], EFFECTS.nested[-1]).fit(values[rows])
    return model, model(EFFECTS(ALL))


@given(sizes_and_parts)
def test_effects_are_orthogonal_over_the_complete_space(genes: list[tuple[int, int]]) -> None:
    sizes, parts = zip(*genes, strict=True)
    every = np.array(list(itertools.product(*map(range, sizes))))
    effects = Effects(sizes, parts)
    with_one = np.concatenate([np.ones((len(every), 1)), effects(every)], axis=1)
    products = with_one.T @ with_one / len(every)
    np.testing.assert_allclose(products, np.diag(np.diag(products)), atol=1e-12)
    alone = 1 + effects.nested[0]
    np.testing.assert_allclose(np.diag(products)[:alone], 1.0)
    higher = -np.log(np.diag(products)[alone:]) / np.log(16)  # a quarter, squared, for each gene more
    np.testing.assert_allclose(higher, higher.round(), atol=1e-9)
    assert higher.size == 0 or (higher.round().min(), higher.max() < len(sizes)) == (1, True)


def test_genes_of_a_part_interact_to_any_order_and_others_in_pairs() -> None:
    widths = [size - 1 for size in SIZES]
    pairs = sum(a * b for a, b in itertools.combinations(widths, 2))
    together = 2 * 1 * 3  # a's three genes
    assert EFFECTS.nested == (sum(widths), sum(widths) + pairs + together)
    assert EFFECTS(ALL).shape == (len(ALL), EFFECTS.nested[-1])
    assert Effects(SIZES, range(6)).nested == (sum(widths), sum(widths) + pairs)
    assert Effects((4,), "a").nested == (3,)
    assert Effects((3, 3, 3), "aaa")(np.zeros((1, 3), int)).shape == (1, 26), "a part alone: any function"


def test_the_highest_orders_are_left_out_where_there_are_too_many() -> None:
    genes = MAX_TERMS // 2
    assert Effects([2] * genes, range(genes)).nested == (genes,)
    assert Effects([2] * 20, ["part"] * 20).nested == (20, 20 + 190 + 1140), "the fourth order would be 4,845 more"
    with pytest.raises(InputError, match=r"genes with 2,001 free options: expected at most 2,000 to fit a model"):
        Effects([2] * (MAX_TERMS + 1), range(MAX_TERMS + 1))


@pytest.mark.parametrize(
    ("genes", "said"),
    [
        ([[0, 0, 0]], r"genes of shape \(1, 3\): expected \(n, 6\)"),
        ([[0] * 6, [0, 2, 0, 0, 0, 0]], r"genes \[0, 2, 0, 0, 0, 0\]: expected the index of an option of each gene"),
        ([[0, 0, 0, 0, 0, -1]], "expected the index of an option"),
    ],
)
def test_what_are_no_genes_is_told(genes: list[list[int]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        EFFECTS(np.array(genes))


@pytest.mark.parametrize(
    "groups",
    [
        [(gene,) for gene in range(6)],
        [(0,), (3,), (0, 3), (2, 5), (1, 4)],
        [(0, 1, 2), (3, 4), (5,)],
    ],
    ids=["additive", "pairs", "parts"],
)
def test_a_truth_of_its_terms_is_recovered(groups: list[tuple[int, ...]]) -> None:
    truth = 5 + sum(effect(group, seed) for seed, group in enumerate(groups))
    model, said = fitted(truth, every=2)
    assert model.power.power == 1
    np.testing.assert_allclose(said, truth, atol=1e-6)
    assert np.abs(model.held_out).max() <= 2 * np.abs(truth).max()


def test_an_interaction_across_parts_is_beyond_it() -> None:
    truth = 5 + effect((0, 3, 5), 0)
    _, said = fitted(truth, every=2)
    assert np.abs(said - truth).max() > 0.1


@pytest.mark.parametrize(
    ("of", "power"), [(np.exp, 0.0), (lambda sums: 1 / sums, -1.0), (lambda sums: sums**0.25, 4.0)]
)
def test_a_sum_behind_a_power_is_recovered(of: Callable[[np.ndarray], np.ndarray], power: float) -> None:
    sums = 1 + sum(np.abs(effect((gene,), gene)) for gene in range(6))
    truth = of(sums)
    model, said = fitted(truth, every=2)
    assert model.power.power == power
    np.testing.assert_allclose(said, truth, rtol=1e-6)


def noisy(rows: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 6) architectures and (rows,) values of theirs, all positive, with normal noise of this deviation."""
    rng = np.random.default_rng(rows)
    genes = ALL[rng.permutation(len(ALL))[:rows]]
    return genes, 20 + genes @ rng.normal(size=6) + 4 * noise + noise * rng.normal(size=rows)


def again_without(row: int, terms: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[float, float]:
    """What a ridge regression on all other rows predicts of a row, and the condition number of its equations."""
    others = np.arange(len(terms)) != row
    x, y = terms[others], targets[others]
    x_mean, y_mean = x.mean(axis=0), y.mean()
    products = (x - x_mean).T @ (x - x_mean) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(products, (x - x_mean).T @ (y - y_mean))
    return y_mean + (terms[row] - x_mean) @ weights, float(np.linalg.cond(products))


@pytest.mark.parametrize(
    ("rows", "used", "noise"),
    [
        *[(rows, used, noise) for rows in (60, 200) for used in EFFECTS.nested for noise in (0.1, 1.0, 10.0)],
        *[(15, used, 10.0) for used in EFFECTS.nested],  # with less noise the penalty is nothing, see below
    ],
)
def test_held_out_is_what_fitting_again_without_a_row_says(rows: int, used: int, noise: float) -> None:
    genes, values = noisy(rows, noise)
    model = Design(EFFECTS, genes, used).fit(values)
    assert model.error == pytest.approx(np.abs(model.held_out - values).mean())
    terms, targets = EFFECTS(genes)[:, :used], model.power.forward(values)
    for row in range(0, rows, 7):
        again, condition = again_without(row, terms, targets, model.penalty)
        assert condition < 1e4, "both are right to 11 digits, however sums are rounded"
        assert model.held_out[row] == pytest.approx(model.power.back(np.array([again]))[0], rel=1e-9)


def test_with_fewer_rows_than_terms_it_goes_through_its_rows_and_held_out_does_not() -> None:
    """The penalty is almost nothing then. How far a held-out value is right depends on the machine; this does not."""
    genes, values = noisy(15, 1.0)
    model = Design(EFFECTS, genes, EFFECTS.nested[1]).fit(values)
    assert model.penalty <= 1e-4
    np.testing.assert_allclose(model(EFFECTS(genes)), values, rtol=1e-3)
    assert (np.abs(model.held_out - values) > 0.01 * values).sum() >= 8
    assert (model.held_out >= model.power.low).all() and (model.held_out <= model.power.high).all()
    assert model.error == pytest.approx(np.abs(model.held_out - values).mean())


def test_more_noise_more_penalty() -> None:
    truth, noise = 5 + effect((0,), 0), np.random.default_rng(3).normal(size=len(ALL))
    penalties = [fitted(truth + scale * noise)[0].penalty for scale in (0.0, 0.1, 3.0)]
    assert penalties == sorted(penalties) and len(set(penalties)) == 3


def test_the_order_of_options_does_not_matter() -> None:
    values = 9 + effect((0, 1, 2), 0) + np.random.default_rng(1).normal(size=len(ALL))
    other = ALL.copy()
    other[:, 2] = np.array([2, 0, 3, 1])[ALL[:, 2]]
    rows = np.arange(0, len(ALL), 4)
    one, two = (Design(EFFECTS, genes[rows], EFFECTS.nested[-1]).fit(values[rows]) for genes in (ALL, other))
    assert one.penalty == two.penalty > 1e-3
    np.testing.assert_allclose(one(EFFECTS(ALL)), two(EFFECTS(other)), rtol=1e-9)


def test_fitting_again_gives_the_same_bits() -> None:
    values = 9 + effect((0, 1, 2), 0) + np.random.default_rng(1).normal(size=len(ALL))
    one, two = fitted(values), fitted(values)
    assert one[1].tobytes() == two[1].tobytes()
    assert one[0].held_out.tobytes() == two[0].held_out.tobytes()


def test_predictions_do_not_run_away() -> None:
    """A throughput is one over a sum; where the sum comes out at 0 or below, it is not infinite."""
    sums = 1.001 - 0.2 * (ALL > 0).sum(axis=1) / 1.2  # 0.001 for the last, 1.001 for the first
    values = 1 / sums
    slow = values < 2
    model = Design(EFFECTS, ALL[slow], EFFECTS.nested[0]).fit(values[slow])
    assert model.power.power == -1
    said = model(EFFECTS(ALL))
    assert said.max() == pytest.approx(2 * values[slow].max())
    assert (said[slow] == pytest.approx(values[slow])) and np.isfinite(said).all()


def test_powers_are_for_positive_values_and_go_back_and_forth() -> None:
    values = np.array([0.5, 3.0, 700.0])
    powers = powers_for(values)
    assert {power.power for power in powers} >= {-1.0, 0.0, 1.0, 4.0}
    for power in powers:
        np.testing.assert_allclose(power.back(power.forward(values)), values, rtol=1e-9)
        assert (np.diff(power.forward(values)) > 0).all()
    assert powers_for(np.array([0.0, 3.0])) == powers_for(np.array([-1.0, 3.0])) == [Power(1, 1, -np.inf, np.inf)]
    assert 8.0 not in {power.power for power in powers_for(np.array([1e-38, 1e-38, 1e38]))}, "it would overflow"


def test_a_metric_that_does_not_vary() -> None:
    _, said = fitted(np.full(len(ALL), 4.0))
    np.testing.assert_allclose(said, 4.0)
