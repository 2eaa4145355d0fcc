"""Ray actors that are started again when they die."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from archloom.workers.cluster import Room, cause_of_death, import_ray
from archloom.workers.pool import MAX_ATTEMPTS, WorkerError


class Member:
    """An actor as the driver sees it: the living one is `handle`, and `lives` says how many there were.

    The actor's class has a method `begin`, which takes what the actor is for, and returns None, or why it cannot.
    """

    def __init__(self, name: str, make: Callable[[], Any], setup: Callable[[Member], Any]) -> None:
        """`name` is for messages (gatherer 2), `make` starts an actor, and `setup` gives what it begins with."""
        self.name = name
        self.make = make
        self.setup = setup
        self.handle: Any = None
        self.lives = 0
        self.begun = False
        self.deaths = 0
        """In a row, without an answer to what it was asked."""

    def lost(self) -> None:
        """Forget what only the living actor knew: there is a new one."""


class Crew:
    """Asks its members, hears their answers, and starts those again that have died. Use as a context manager.

    One that dies again and again without an answer between, or cannot begin, ends it all: WorkerError. What a member's
    method raises is raised here.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._ray: Any = import_ray()
        self._members = members
        self._awaited: dict[Any, tuple[Member, Callable[[Any], None]]] = {}
        self._room = Room(self._ray, len(members))

    def __enter__(self) -> Crew:
        try:
            for member in self._members:
                self._start(member)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all members."""
        self._awaited.clear()
        for member in self._members:
            self._end(member)

    def ask(self, member: Member, answer: Any, hear: Callable[[Any], None] = lambda answer: None) -> None:
        """Wait for the reference `answer` of a call of the member's, and give its value to `hear`.

        `hear` is not called if the member dies before, or if what the call needed was lost with another machine.
        """

        def answered(value: Any) -> None:
            member.deaths = 0
            hear(value)

        self._awaited[answer] = member, answered

    def listen(self, timeout: float) -> None:
        """Hear what has been answered; if there is nothing, wait for it, at most `timeout` seconds."""
        if not self._awaited:
            return
        first, rest = self._ray.wait(list(self._awaited), timeout=timeout)
        more = self._ray.wait(rest, num_returns=len(rest), timeout=0)[0] if first and rest else []
        for answer in (*first, *more):
            if answer in self._awaited:  # or its member has died
                self._hear(answer)
        self._room.look(sum(not member.begun for member in self._members))

    def _hear(self, answer: Any) -> None:
        member, hear = self._awaited.pop(answer)
        errors = self._ray.exceptions
        try:
            value = self._ray.get(answer)
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RayError):  # what the call needed was lost
                return
            raise error.cause from None
        except errors.RayError as error:
            self._start_again(member, error)
            return
        hear(value)

    def _start(self, member: Member) -> None:
        member.lost()
        member.lives += 1
        member.handle = member.make()

        def begun(reason: str | None) -> None:
            if reason is not None:
                raise WorkerError(f"{member.name} could not start: {reason}")
            member.begun = True

        self._awaited[member.handle.begin.remote(member.setup(member))] = member, begun

    def _start_again(self, member: Member, error: Exception) -> None:
        member.deaths += 1
        if member.deaths >= MAX_ATTEMPTS:
            reason = cause_of_death(error)
            raise WorkerError(f"{member.name} died {member.deaths} times before it answered: {reason}") from error
        self._end(member)
        self._start(member)

    def _end(self, member: Member) -> None:
        self._awaited = {answer: entry for answer, entry in self._awaited.items() if entry[0] is not member}
        member.begun = False
        if member.handle is not None:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(member.handle)
