"""NSGA-II (Deb et al. 2002), pymoo's, on functions of the unit cube that cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pymoo  # noqa: F401 - costs nothing; what takes a second to import is imported below
from numpy.typing import NDArray

Float64: TypeAlias = NDArray[np.float64]

Judge: TypeAlias = Callable[[Float64], tuple[Float64, Float64]]
"""Of points (n, d): values (n, m), of which less is better, and by how much the points break constraints (n,)."""


def nsga2(
    judge: Judge, objectives: int, start: Float64, evaluations: int, rng: np.random.Generator
) -> tuple[Float64, Float64, Float64]:
    """Every point (n, d) that NSGA-II tries, with what `judge` says of it: values (n, m) and violations (n,).

    These are the population `start` (p, d), in which equal points are one, and the children of as many generations as
    `evaluations` allow. A point that breaks constraints is worse than any that does not, by how much it breaks them
    (Deb's rule). Simulated binary crossover (eta 15, probability 0.9) and polynomial mutation (eta 20). Random numbers
    come from a generator that one number of `rng` seeds, and from no other.
    """
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.evaluator import Evaluator
    from pymoo.core.problem import Problem
    from pymoo.problems.static import StaticProblem

    generations = max(1, evaluations // len(start))
    problem = Problem(start.shape[1], objectives, 1, xl=0.0, xu=1.0)
    algorithm = NSGA2(pop_size=len(start), sampling=start)
    algorithm.setup(problem, termination=("n_gen", generations), seed=int(rng.integers(1 << 62)))
    tried: list[tuple[Float64, Float64, Float64]] = []
    while algorithm.has_next() and (generation := algorithm.ask()) is not None:
        points = generation.get("X")
        values, violations = judge(points)
        tried.append((points, values, violations))
        answers = StaticProblem(problem, F=values, G=violations[:, None])
        algorithm.tell(infills=Evaluator().eval(answers, generation))
    points, values, violations = (np.concatenate(each) for each in zip(*tried, strict=True))
    return points, values, violations
