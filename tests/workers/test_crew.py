"""Which answers of actors are heard, and when actors are started again; `tests/agents/test_apex_ray.py` kills real
ones."""

from __future__ import annotations

import sys
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from archloom.errors import InputError
from archloom.workers.crew import Crew, Member
from archloom.workers.pool import WorkerError


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__("a long traceback")
        self.cause = cause


class Actor:
    """A handle whose methods return what is told beforehand, or raise it."""

    def __init__(self, *answers: object) -> None:
        self.answers = deque(answers)
        self.begin = self.work = SimpleNamespace(remote=lambda *arguments: Answer(self.answers.popleft()))


class Answer:
    def __init__(self, value: object) -> None:
        self.value = value


def get(answer: Answer) -> object:
    if isinstance(answer.value, Exception):
        raise answer.value
    return answer.value


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[Actor]:
    """The actors that are ended by a module in the place of Ray, in which everything is answered at once."""
    ended: list[Actor] = []
    fake = SimpleNamespace(
        exceptions=SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError),
        wait=lambda answers, num_returns=1, timeout=None: (answers[:num_returns], answers[num_returns:]),
        get=get,
        kill=ended.append,
        cluster_resources=dict,
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    return ended


def member(*actors: Actor) -> Member:
    starting = iter(actors)
    return Member("walker 3", lambda: next(starting), lambda member: f"life {member.lives}")


def test_answers_are_heard_once_and_all_end_with_the_crew(killed: list[Actor]) -> None:
    first, second = member(Actor(None, 1, 2)), member(Actor(None, 3))
    heard: list[Any] = []
    with Crew([first, second]) as crew:
        crew.listen(1.0)
        assert first.begun and second.begun
        for each in (first, first, second):
            crew.ask(each, each.handle.work.remote(), heard.append)
        crew.listen(1.0)
        crew.listen(1.0)
        assert heard == [1, 2, 3] and not killed
    assert killed == [first.handle, second.handle]


def test_who_dies_is_started_again_and_its_other_answers_are_not_waited_for(killed: list[Actor]) -> None:
    dying, next_life = Actor(None, RayError("died"), 5), Actor(None, 6)
    one = member(dying, next_life)
    heard: list[Any] = []
    with Crew([one]) as crew:
        crew.listen(1.0)
        for _ in range(2):
            crew.ask(one, one.handle.work.remote(), heard.append)
        crew.listen(1.0)
        assert (one.handle, one.lives, one.begun, killed) == (next_life, 2, False, [dying])
        crew.listen(1.0)
        assert one.begun and one.deaths == 1
        crew.ask(one, one.handle.work.remote(), heard.append)
        crew.listen(1.0)
    assert heard == [6] and one.deaths == 0


def test_who_dies_again_and_again_ends_it_all(killed: list[Actor]) -> None:
    one = member(
        *(Actor(None, RayError("The actor died. Worker exit type: X Worker exit detail: Gone.")) for _ in "abc")
    )
    with (
        Crew([one]) as crew,
        pytest.raises(WorkerError, match=r"^walker 3 died 3 times before it answered: Gone \(X\)"),
    ):
        for _ in range(3):
            crew.listen(1.0)
            crew.ask(one, one.handle.work.remote())
            crew.listen(1.0)
    assert len(killed) == 3


def test_who_cannot_begin_says_why(killed: list[Actor]) -> None:
    says = pytest.raises(WorkerError, match=r"^walker 3 could not start: there is no table$")
    with Crew([member(Actor("there is no table"))]) as crew, says:
        crew.listen(1.0)
    assert len(killed) == 1


def test_what_a_method_raises_is_raised_but_not_what_was_lost_on_its_way_to_it(killed: list[Actor]) -> None:
    one = member(Actor(None, RayTaskError(RayError("lost")), RayTaskError(InputError("error nan"))))
    with Crew([one]) as crew:
        crew.listen(1.0)
        crew.ask(one, one.handle.work.remote())
        crew.listen(1.0)
        assert one.lives == 1
        crew.ask(one, one.handle.work.remote())
        with pytest.raises(InputError, match=r"^error nan$"):
            crew.listen(1.0)
    assert len(killed) == 1
