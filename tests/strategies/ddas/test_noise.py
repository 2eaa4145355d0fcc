from __future__ import annotations

import numpy as np
import pytest

from archloom.strategies.ddas.noise import Gaussian, OnStagnation, OrnsteinUhlenbeck, Uniform

SIZE = 100_000


def test_uniform_and_gaussian_noise() -> None:
    rng = np.random.default_rng(0)
    even = Uniform(1e-5).draw(SIZE, rng)
    assert -1e-5 <= even.min() < -0.99e-5 and 0.99e-5 < even.max() <= 1e-5
    normal = Gaussian(0.05).draw(SIZE, rng)
    assert abs(normal.mean()) < 1e-3 and normal.std() == pytest.approx(0.05, rel=0.02)


def test_moments_and_autocorrelation_of_the_process() -> None:
    """x_n = (1 - theta dt) x_n-1 + sigma sqrt(dt) e_n, from 0: after n steps the variance is sigma^2 dt (1 - a^2n) /
    (1 - a^2) with a = 1 - theta dt, and the correlation with k steps before is a^k sqrt(var_n-k / var_n)."""
    theta, sigma, dt = 0.15, 0.2, 1.0
    process, rng = OrnsteinUhlenbeck(theta, sigma, dt), np.random.default_rng(1)
    drawn = np.array([process.draw(SIZE, rng) for _ in range(33)])
    keep = 1 - theta * dt
    variance = [sigma**2 * dt * (1 - keep ** (2 * n)) / (1 - keep**2) for n in range(1, 34)]
    np.testing.assert_allclose(drawn.mean(axis=1), 0.0, atol=0.006)
    np.testing.assert_allclose(drawn.var(axis=1), variance, rtol=0.03)
    for lag in (1, 5, 20):
        expected = keep**lag * np.sqrt(variance[32 - lag] / variance[32])
        assert np.corrcoef(drawn[32 - lag], drawn[32])[0, 1] == pytest.approx(expected, abs=0.02)


def test_the_process_is_drawn_to_its_mean_from_its_start() -> None:
    process, rng = OrnsteinUhlenbeck(theta=0.5, sigma=0.0, dt=0.5, mu=1.0, start=5.0), np.random.default_rng(0)
    assert [process.draw(1, rng)[0] for _ in range(3)] == [4.0, 3.25, 2.6875]
    process.begin()
    assert process.draw(1, rng)[0] == 4.0


def machine(patience: int = 32) -> OnStagnation:
    return OnStagnation(OrnsteinUhlenbeck(0.15, 0.2, 1.0), patience, similar=6 / 16)


def played(noise: OnStagnation, changes: list[int]) -> list[bool]:
    """Whether there was noise in each of the steps in which so many of 16 pairs changed."""
    rng, noisy = np.random.default_rng(2), []
    for changed in changes:
        noisy.append(bool(noise.draw(196, rng).any()))
        noise.saw(changed / 16)
    return noisy


def test_32_similar_steps_bring_the_noise_for_32_steps() -> None:
    assert played(machine(), [5] * 32 + [12] * 32 + [5] * 33) == [False] * 32 + [True] * 32 + [False] * 32 + [True]


def test_6_of_16_changed_pairs_are_not_similar_and_begin_the_count_again() -> None:
    assert played(machine(), [5] * 31 + [6] + [5] * 33) == [False] * 64 + [True]
    assert not any(played(machine(), [6] * 100))


def test_noisy_steps_are_not_counted() -> None:
    """However similar they are: the count begins when the noise goes off."""
    assert played(machine(4), [0] * 20) == ([False] * 4 + [True] * 4) * 2 + [False] * 4


def test_the_process_begins_again_with_every_stay() -> None:
    """Its first noise is one step from the start: a standard deviation of 0.2, not the 0.37 of long after it."""
    noise, rng = machine(40), np.random.default_rng(3)
    firsts = []
    for step in range(240):
        drawn = noise.draw(20_000, rng)
        if step % 80 == 40:
            firsts.append(float(drawn.std()))
        noise.saw(0.0)
    np.testing.assert_allclose(firsts, 0.2, rtol=0.03)


@pytest.mark.parametrize("steps", [20, 40])
def test_a_restored_machine_goes_on_alike(steps: int) -> None:
    one, other = machine(), machine()
    played(one, [0] * steps)
    other.restore(one.dump())
    rngs = [np.random.default_rng(4) for _ in range(2)]
    for _ in range(40):
        first, second = (noise.draw(196, rng) for noise, rng in zip((one, other), rngs, strict=True))
        np.testing.assert_array_equal(first, second)
        one.saw(0.0)
        other.saw(0.0)
