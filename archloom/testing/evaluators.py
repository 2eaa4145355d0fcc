"""The contract of `Evaluator`."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from archloom.errors import InputError
from archloom.evaluators.base import Evaluator, checked
from archloom.spaces.base import sample_valid
from archloom.testing.raising import must_raise
from archloom.testing.randomness import check_independent
from archloom.testing.spaces import MakeSpace
from archloom.types import Arch, Inherit, Proposal, Resource
from archloom.utils import seeds

MakeEvaluator = Callable[[], Evaluator]


def check_evaluator(make: MakeEvaluator, make_space: MakeSpace, samples: int = 5) -> None:
    """Run the contract of `Evaluator` on random architectures of a space."""
    evaluator, space = make(), make_space()
    resource: Any = evaluator.resource
    assert resource is None or isinstance(resource, Resource), f"resource is {resource!r}: expected a Resource or None"
    assert evaluator.goals, "goals is empty: nothing can be optimised"
    assert set(evaluator.goals.values()) <= {"max", "min"}, f"goals are {dict(evaluator.goals)}: expected max or min"
    rng = seeds.stream(0, "check")
    for index in range(samples):
        proposal = Proposal(sample_valid(space, rng))
        before = msgspec.to_builtins(proposal)
        result, _ = evaluator.evaluate(proposal, None, seeds.stream(0, "evaluate", index))
        assert msgspec.to_builtins(proposal) == before, "evaluate changed the proposal"
        kept = checked(result, evaluator.goals)
        assert kept.ok or result.error, f"a result without error is not usable: {kept.error}"
        stray = sorted(set(result.scores) - set(evaluator.goals))
        assert not stray, f"{', '.join(stray)} is in scores, but not in goals"
        json.dumps([dict(result.scores), dict(result.report), dict(result.details)])
    check_independent(partial(_scores, make, make_space), "evaluate")
    archs = [sample_valid(space, rng) for _ in range(samples)]
    _check_repeats(evaluator, archs)
    _check_fidelities(evaluator, archs)
    _check_inherited(evaluator, archs[0])


def _told(evaluator: Evaluator, proposal: Proposal, index: int = 0) -> Any:
    """The outcome of an evaluation without its seconds."""
    answer, _ = evaluator.evaluate(proposal, None, seeds.stream(2, "evaluate", index))
    kept = checked(answer, evaluator.goals)
    return [dict(kept.scores), dict(kept.report), dict(kept.details), kept.error]


def _check_inherited(evaluator: Evaluator, arch: Arch) -> None:
    """States are passed as the loop passes them: a mapping that may be empty; they stay as they are."""
    index = 7
    alone = _told(evaluator, Proposal(arch), index)
    given = evaluator.evaluate(Proposal(arch), {}, seeds.stream(2, "evaluate", index))[0]
    kept = checked(given, evaluator.goals)
    assert [dict(kept.scores), dict(kept.report), dict(kept.details), kept.error] == alone, (
        "without states to inherit it answers differently for weights={} and weights=None"
    )
    resource = evaluator.resource
    fidelities = (0, 0) if resource is None else (resource.minimum, resource.maximum)
    _, state = evaluator.evaluate(Proposal(arch, fidelities[0]), {}, seeds.stream(2, "evaluate", index))
    if state is None:
        return
    before = pickle.dumps(state)
    going_on = Proposal(arch, fidelities[1], Inherit(0))
    answers = [evaluator.evaluate(going_on, {0: state}, seeds.stream(2, "evaluate", index + 1))[0] for _ in range(2)]
    told = [checked(answer, evaluator.goals) for answer in answers]
    assert pickle.dumps(state) == before, "it changes the state that it inherits, which others may inherit too"
    assert told[0].scores == told[1].scores, "going on from the same state is answered differently the second time"
    assert told[0].ok, f"it cannot go on from its own state: {told[0].error}"


def _check_repeats(evaluator: Evaluator, archs: Sequence[Arch]) -> None:
    """No evaluation depends on those before it."""
    first, again = ([_told(evaluator, Proposal(arch), index) for index, arch in enumerate(archs)] for _ in range(2))
    assert first == again, (
        "the same proposal is answered differently after others: nothing may be left of an evaluation"
    )


def _check_fidelities(evaluator: Evaluator, archs: Sequence[Arch]) -> None:
    """Every fidelity of the resource is evaluated, any other is refused; 0 is the maximum."""
    resource = evaluator.resource
    for fidelity in _foreign(resource):
        with must_raise(InputError, f"fidelity {fidelity}, with the resource {resource}"):
            _told(evaluator, Proposal(archs[0], fidelity))
    if resource is None:
        return
    middle = resource.levels[1:-1] or [(resource.minimum + resource.maximum) // 2]
    try:
        lowest, full, spelt_out = (
            [_told(evaluator, Proposal(arch, fidelity), index) for index, arch in enumerate(archs)]
            for fidelity in (resource.minimum, 0, resource.maximum)
        )
        for fidelity in middle:
            _told(evaluator, Proposal(archs[0], fidelity))
    except InputError as error:
        raise AssertionError(f"the resource is {resource}, and one of these is refused: {error}") from error
    assert full == spelt_out, f"fidelity 0 is answered differently from the maximum, {resource.maximum}"
    same = resource.minimum < resource.maximum and lowest == full
    assert not same, f"fidelities {resource.minimum} and {resource.maximum} give the same answers: is it ignored?"


def _foreign(resource: Resource | None) -> list[int]:
    """Some fidelities that a resource does not have."""
    if resource is None:
        return [-1, 1]
    levels, ceiling = set(resource.levels), resource.maximum + 1
    gaps = [level + 1 for level in resource.levels if level + 1 not in levels][:1]
    below = [resource.minimum - 1] if resource.minimum > 1 else []
    return [-1, *below, *gaps, *([] if resource.open_ended else [ceiling])]


def _scores(make: MakeEvaluator, make_space: MakeSpace) -> list[Any]:
    evaluator, space, rng = make(), make_space(), seeds.stream(4, "check")
    results = []
    for index in range(5):
        answer, _ = evaluator.evaluate(Proposal(sample_valid(space, rng)), None, seeds.stream(1, "evaluate", index))
        results.append(checked(answer, evaluator.goals))  # without NaN, which is unequal to itself
    return [[dict(r.scores), dict(r.report), dict(r.details), r.error] for r in results]
