"""The network against its formula written out, and against the vectors published with its weights."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba", reason="DARTS cells need the extra bench")

from archloom.errors import InputError
from archloom.evaluators.surrogates.nb301_network import Nb301Network
from archloom.spaces.darts import random_genotypes

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def network(nb301_file: Path) -> Nb301Network:
    return Nb301Network(nb301_file)


def selu(x: np.ndarray) -> np.ndarray:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))


def by_the_formula(weights: Arrays, codes: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """(percent, seconds) as the layers are defined, in float64 and without any table."""
    w = {name: array.astype(np.float64) for name, array in weights.items() if array.dtype == np.float32}

    def layer(name: str, x: np.ndarray) -> np.ndarray:
        return x @ w[f"{name}_W"].T + w[f"{name}_b"]

    parts = [w[f"emb{i}"][codes[:, i]] for i in range(34)]
    h = np.concatenate([*parts, np.full((len(codes), 1), epoch * 0.01923077)], axis=1)
    deep = layer("deep_2_0", selu(layer("deep_1_1", selu(layer("deep_0_1", h)))))
    deeper = h
    for name in ("deeper_0_1", "deeper_1_1", "deeper_2_1", "deeper_3_1"):
        deeper = selu(layer(name, deeper))
    s = 1 / (1 + np.exp(-(layer("wide_0", h) + deep + layer("deeper_4_0", deeper))))
    return 100 * s[:, 0], (s[:, 1] - 0.01) * 13132.093 + 30.557993


# -- what it predicts ---------------------------------------------------------------------------------------------


def test_the_published_vectors(real_table: Callable[[str], Path]) -> None:
    path = real_table("nb301_surrogate.npz")
    network = Nb301Network(path)
    with np.load(path) as stored:
        genotypes = stored["check_genotypes"]
        assert (network.codes(genotypes) == stored["check_codes"]).all()
        np.testing.assert_allclose(network.predict(genotypes), stored["check_valid_98"], atol=1e-3)
        np.testing.assert_allclose(network.predict(genotypes, epoch=50), stored["check_valid_50"], atol=1e-3)
        # Seconds are thousands: what float32 can say.
        np.testing.assert_allclose(network.runtime(genotypes), stored["check_runtime_98"], rtol=1e-5)


def test_codes_count_operations_by_name_and_pairs_in_order(network: Nb301Network) -> None:
    cell = [[0, 3], [1, 4], [0, 0], [2, 6], [3, 5], [1, 2], [4, 1], [3, 0]]
    codes = network.codes(np.array([cell, cell]))[0]
    edges = dict(zip([0, 1, 10, 11, 12, 13, *range(2, 10)], codes[:14].tolist(), strict=True))
    assert {edge: code for edge, code in edges.items() if code} == {0: 5, 1: 6, 2: 4, 4: 3, 6: 7, 8: 2, 12: 4, 13: 1}
    assert codes[14:28].tolist() == codes[:14].tolist()
    assert codes[28:].tolist() == [2, 5, 10] * 2


@given(st.integers(0, 2**32 - 1), st.integers(1, 98), st.integers(1, 9))
def test_predictions_are_the_formulas(
    network: Nb301Network, nb301_weights: Arrays, seed: int, epoch: int, n: int
) -> None:
    genotypes = random_genotypes(n, np.random.default_rng(seed))
    percent, seconds = by_the_formula(nb301_weights, network.codes(genotypes), epoch)
    np.testing.assert_allclose(network.predict(genotypes, epoch), percent, atol=1e-3)
    np.testing.assert_allclose(network.runtime(genotypes, epoch), seconds, atol=0.05)
    both = network.metrics(genotypes, epoch)
    assert list(both) == ["valid_surrogate", "runtime_s_surrogate"]
    assert all(values.dtype == np.float32 and values.shape == (n,) for values in both.values())


def test_large_batches_are_shared_and_change_nothing(
    network: Nb301Network, nb301_weights: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    genotypes = random_genotypes(1500, np.random.default_rng(1))
    percent, _ = by_the_formula(nb301_weights, network.codes(genotypes), 98)
    assert np.ptp(percent) > 5, "the test's network tells architectures apart"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = network.predict(genotypes)
    np.testing.assert_allclose(alone, percent, atol=1e-3)
    for threads in ("2", "3", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        assert (network.predict(genotypes) == alone).all(), "to the last bit"


@pytest.mark.parametrize("epoch", [98, 31])
def test_how_a_batch_is_cut_does_not_show(network: Nb301Network, epoch: int) -> None:
    """A BLAS would round a row otherwise at another place of its batch."""
    genotypes = random_genotypes(523, np.random.default_rng(5))
    whole = network.metrics(genotypes, epoch)
    for cut in (1, 4, 17, 255, 300):
        parts = [network.metrics(genotypes[at : at + cut], epoch) for at in range(0, len(genotypes), cut)]
        for name, values in whole.items():
            assert (np.concatenate([part[name] for part in parts]) == values).all()
    turned = network.predict(genotypes[::-1], epoch)[::-1]
    assert (turned == whole["valid_surrogate"]).all()


def test_one_architecture_gives_the_same_bits_always(network: Nb301Network, nb301_file: Path) -> None:
    genotypes = random_genotypes(20, np.random.default_rng(2))
    first = [network.predict(genotype).tobytes() for genotype in genotypes]
    network.predict(random_genotypes(700, np.random.default_rng(3)), epoch=7)
    again = Nb301Network(nb301_file)
    assert [again.predict(genotype[None]).tobytes() for genotype in genotypes[::-1]] == first[::-1]


def test_the_order_of_a_nodes_pairs_means_nothing(network: Nb301Network) -> None:
    genotypes = random_genotypes(50, np.random.default_rng(4))
    turned = genotypes.reshape(50, 2, 4, 2, 2)[:, :, :, ::-1].reshape(genotypes.shape)
    assert (network.predict(turned) == network.predict(genotypes)).all()


def test_no_architectures_have_no_predictions(network: Nb301Network) -> None:
    assert network.predict(np.zeros((0, 2, 8, 2), dtype=np.uint8)).shape == (0,)


@pytest.mark.parametrize("epoch", [0, -1, 99, 1.5, True, "50", None])
def test_other_epochs_are_told(network: Nb301Network, epoch: Any) -> None:
    with pytest.raises(InputError, match=r"^epoch .*: expected 1\.\.98$"):
        network.predict(random_genotypes(1, np.random.default_rng(0)), epoch)


def test_genotypes_are_checked(network: Nb301Network) -> None:
    genotypes = random_genotypes(2, np.random.default_rng(0))
    genotypes[1, 0, 0, 1] = 9
    with pytest.raises(InputError, match="genotype 1 of the batch: node 2 of the normal cell"):
        network.predict(genotypes)


# -- the file -----------------------------------------------------------------------------------------------------


def without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


def replaced(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, name: change(arrays[name])}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("emb33"), "emb33 is missing; expected finite float32 of shape (11, 12)"),
        (without("op_code"), "op_code is not #na#, avg_pool_3x3"),
        (replaced("deep_1_1_W", lambda w: w[:, :100]), "deep_1_1_W is float32 of shape (512, 100); expected finite"),
        (replaced("wide_0_b", lambda b: b.astype(np.float64)), "wide_0_b is float64 of shape (2,)"),
        (replaced("emb0", lambda e: np.where(e > 1, np.nan, e).astype(np.float32)), "emb0 is float32 of shape (8, 10)"),
        (replaced("op_names", lambda names: names[::-1]), "op_names is not max_pool_3x3, avg_pool_3x3"),
        (replaced("x_columns", lambda names: names[:-1]), "x_columns is not edge_normal_0, edge_normal_1, edge_norma"),
    ],
)
def test_another_layout_is_told_at_loading(
    nb301_weights: Arrays, tmp_path: Path, damage: Callable[[Arrays], Arrays], message: str
) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, **damage(nb301_weights))
    with pytest.raises(InputError) as caught:
        Nb301Network(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_told(nb301_file: Path, tmp_path: Path) -> None:
    whole = nb301_file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (b"", b"text", whole[: len(whole) // 2], bytes(flipped)):
        path = tmp_path / "damaged.npz"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"not a NAS-Bench-301 surrogate \(") as caught:
            Nb301Network(path)
        assert "\n" not in str(caught.value)


def test_a_file_that_unpacks_to_too_much_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("emb0.npy", bytes(2**26 + 1))
    with pytest.raises(InputError, match="it unpacks to 67,108,865 bytes"):
        Nb301Network(path)


def test_objects_are_not_unpickled(nb301_weights: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, **nb301_weights, extra=np.array([print, None], dtype=object))
    with pytest.raises(InputError, match="not a NAS-Bench-301 surrogate"):
        Nb301Network(path)


def test_it_says_what_it_is(network: Nb301Network, nb301_file: Path) -> None:
    assert (network.name, network.path, len(network.sha256)) == ("nb301_surrogate.npz", nb301_file, 64)
    assert network.source.startswith("predictions, not measurements")
    assert all("surrogate" in metric for metric in network.goals)
