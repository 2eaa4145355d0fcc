from __future__ import annotations

import numpy as np

from archloom.constraints import Constraint, Criteria, Objective
from archloom.learners.bnn import BnnOptions, Posterior, fit
from archloom.strategies.batches.strategy import Known
from archloom.strategies.batches.targets import Targets
from archloom.strategies.mobo.beliefs import LEAST, SPREADS, Beliefs
from archloom.types import Result

ROWS = np.random.default_rng(0).random((6, 2))
AT = np.random.default_rng(1).random((9, 2))


def beliefs(bound: float, spread: str = "model") -> tuple[Beliefs, Posterior]:
    """Of an objective, and of a metric `c` from 0 to 5 that is to be at most `bound`."""
    criteria = Criteria((Objective("a", "min"),), (Constraint("c", bound),))
    targets = Targets.of(criteria, [Result({"a": float(a), "c": float(i)}) for i, a in enumerate(ROWS[:, 0])])
    options = BnnOptions(burn_in=20, samples=4, keep_every=2, chains=2)
    posterior = fit(ROWS, targets.values, options, np.random.default_rng(2))
    return Beliefs(posterior, Known(ROWS, targets), SPREADS[spread]), posterior


def test_deviations_are_those_of_the_networks_or_of_results() -> None:
    model, posterior = beliefs(9.0)
    mean, variance = posterior.predict(AT)
    for found, expected in ((model, variance - posterior.noise(AT)), (beliefs(9.0, "total")[0], variance)):
        assert np.array_equal(found.predict(AT)[0], mean)
        np.testing.assert_allclose(found.predict(AT)[1], np.sqrt(expected), rtol=1e-9)
    still = Beliefs(posterior, model.known, lambda posterior, rows, variance: 0.0 * variance)
    assert (still.predict(AT)[1] == LEAST).all()


def test_the_best_is_the_least_mean_of_feasible_results() -> None:
    means = beliefs(9.0)[1].predict(ROWS)[0][:, 0]
    for bound, counted in ((9.0, means), (2.5, means[:3]), (-1.0, means)):  # of none that is feasible, all
        assert np.array_equal(beliefs(bound)[0].best(), [counted.min()])


def test_slopes_are_those_of_objectives() -> None:
    found, posterior = beliefs(9.0)
    assert np.array_equal(found.slopes(AT[0]), posterior.gradient(AT[0])[:1])
