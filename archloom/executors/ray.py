"""The Ray executor: evaluations on a Ray cluster, of one machine or many."""

from __future__ import annotations

import math
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from archloom.checkpoints.store import CheckpointFolder, sources
from archloom.errors import InputError, StoreError
from archloom.evaluators.base import Evaluator
from archloom.executors.backends import Evaluations
from archloom.executors.base import Done, Executor, Job
from archloom.executors.ray_actor import Begun, Setup, Token, Worker
from archloom.types import Result
from archloom.utils.files import read_file
from archloom.workers.cluster import Room, cause_of_death, connected, import_ray
from archloom.workers.pool import LOOK_EVERY_S, MAX_ATTEMPTS, WorkerError, too_long

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that set how many threads a process computes with: workers get the values set here, else one."""

GRACE_S = 10.0
"""How much longer than its time an actor may take to end itself and to be told of."""


@dataclass(frozen=True)
class RayCluster:
    """Up to `workers` workers on the Ray cluster at `address`, `gpus` GPUs each: with 0.5, two share one.

    `address` is HOST:PORT, `auto`, or `local`, a cluster of this machine alone that ends after use; None: the value of
    the variable RAY_ADDRESS, else `local`. An existing connection (`ray.init`) is used.
    """

    workers: int = 1
    address: str | None = None
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"workers={self.workers}: expected at least 1")
        if not (0 <= self.gpus <= 1 or (math.isfinite(self.gpus) and self.gpus > 1 and self.gpus == int(self.gpus))):
            raise InputError(f"gpus={self.gpus}: expected a share of one GPU, e.g. 0.5, or a whole number of them")

    @property
    def runs_at_once(self) -> int:
        """One run after another, each on all workers."""
        return 1

    def ready(self) -> AbstractContextManager[object]:
        return connected(self.address, self.workers, self.gpus)

    def executor(self, evaluations: Evaluations) -> Executor:
        return RayExecutor(self, evaluations.make, evaluations.checkpoints, evaluations.timeout)


@dataclass
class _Task:
    job: Job
    deaths: list[str] = field(default_factory=list)


@dataclass
class _Actor:
    """A worker as the driver sees it. `sees`: it reads and writes the run's checkpoints itself."""

    handle: Any
    begun: bool = False
    sees: bool = False
    task: _Task | None = None
    since: float = 0.0
    """When it was given its task."""
    checkpoint: Any = None
    """Where the checkpoint of its task will be, if it does not see the folder."""


@dataclass(frozen=True)
class _Answer:
    """A result whose checkpoint, in Ray's object store, is not in the run's folder yet."""

    task: _Task
    result: Result
    checkpoint: Any


class RayExecutor:
    """Evaluates on up to `cluster.workers` Ray actors; each makes its own evaluator with `factory`, which is picklable.

    Actors that see the folder of `checkpoints` read and write them there. For the others, checkpoints are sent through
    Ray's object store, directly from where they are if that is known, and are written into the folder before the result
    is returned.

    An actor that dies is replaced and its job tried again, three times in total; then the trial fails with the reason.
    A job that takes longer than `timeout` seconds ends its actor, with all processes that it has started, and has
    failed. The driver holds no more than one checkpoint in memory at a time.
    """

    def __init__(
        self,
        cluster: RayCluster,
        factory: Callable[[], Evaluator],
        checkpoints: CheckpointFolder | None = None,
        timeout: float | None = None,
    ) -> None:
        self._ray: Any = import_ray()
        self._size = cluster.workers
        self._timeout = timeout
        self._checkpoints = None if checkpoints is None else _absolute(checkpoints)
        self._queue: deque[_Task] = deque()
        self._actors: list[_Actor] = []
        self._awaited: dict[Any, _Actor] = {}  # what an actor will answer next
        self._sent: dict[int, Any] = {}  # checkpoints in Ray's object store, by trial
        self._held: dict[int, _Answer] = {}  # by trial, until their checkpoints are written
        self._stillborn = 0  # actors that died while starting, since the last one that started
        self._room = Room(self._ray, cluster.workers)
        with ExitStack() as opened:
            opened.enter_context(cluster.ready())
            self._kind = self._ray.remote(num_cpus=1, num_gpus=cluster.gpus, max_restarts=0)(Worker)
            self._setup = Setup(
                factory,
                self._checkpoints,
                opened.enter_context(_token(self._checkpoints)) if self._checkpoints is not None else None,
                {name: os.environ.get(name, "1") for name in THREADS},
                timeout,
            )
            self._open = opened.pop_all()

    def submit(self, job: Job) -> None:
        self._queue.append(_Task(job))
        self._feed()

    def wait(self) -> Sequence[Done]:
        """See `Executor`. StoreError if a checkpoint could not be saved."""
        while self._queue or self._held or self._at_work:
            self._feed()
            if done := self._write():
                return done
            heard = self._ray.wait(list(self._awaited), timeout=LOOK_EVERY_S)[0] if self._awaited else ()
            if done := [end for ref in heard if (end := self._hear(ref))] + self._give_up():
                return done
            self._room.look(sum(not actor.begun for actor in self._actors))
        return ()

    def close(self) -> None:
        for actor in list(self._actors):
            self._end(actor)
        self._queue.clear()
        self._held.clear()
        self._sent.clear()
        self._open.close()

    # -- giving out jobs ------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        """Give queued jobs to idle actors, and start actors if there are too few."""
        for actor in self._actors:
            if self._queue and actor.begun and actor.task is None:
                self._give(actor, self._queue.popleft())
        starting = sum(not actor.begun for actor in self._actors)
        for _ in range(min(self._size - len(self._actors), len(self._queue) - starting)):
            handle = self._kind.remote()
            actor = _Actor(handle)
            self._actors.append(actor)
            self._awaited[handle.begin.remote(self._setup)] = actor

    def _give(self, actor: _Actor, task: _Task) -> None:
        self._forget_dropped()
        inherited = {} if actor.sees else self._inherited(task.job)
        evaluate = actor.handle.evaluate.options(num_returns=2)
        answer, checkpoint = evaluate.remote(task.job, list(inherited), *inherited.values())
        actor.task, actor.since, actor.checkpoint = task, time.monotonic(), checkpoint
        self._awaited[answer] = actor

    def _inherited(self, job: Job) -> dict[int, Any]:
        """The checkpoints that a job needs, in Ray's object store; one that is not there yet is read from its file,
        once.

        Those that have no file are omitted: the actor will report them as missing, and the run stops.
        """
        if self._checkpoints is None:
            return {}
        found = {}
        for trial in sources(job.proposal.inherit):
            if trial not in self._sent:
                with suppress(OSError):
                    content = np.frombuffer(read_file(self._checkpoints.file(trial)), dtype=np.uint8)
                    self._sent[trial] = self._ray.put(content)
            if trial in self._sent:
                found[trial] = self._sent[trial]
        return found

    def _forget_dropped(self) -> None:
        """A checkpoint whose file was removed will not be asked for again."""
        if self._checkpoints is not None:
            kept = {trial: ref for trial, ref in self._sent.items() if self._checkpoints.file(trial).exists()}
            self._sent = kept

    # -- taking answers -------------------------------------------------------------------------------------------

    def _hear(self, ref: Any) -> Done | None:
        """Take an actor's answer; the job's result, unless there is none or its checkpoint is yet to be written."""
        actor = self._awaited.pop(ref)
        task, checkpoint = actor.task, actor.checkpoint
        if task is None:
            self._hear_begun(actor, ref)
            return None
        try:
            result = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._end(actor)
            return self._out_of_time(actor, task) or self._failed(task, error)
        actor.task = actor.checkpoint = None
        if isinstance(result, StoreError):
            raise result
        if actor.sees or not result.ok:
            return Done(task.job.trial_id, result)
        self._held[task.job.trial_id] = _Answer(task, result, checkpoint)
        return None

    def _out_of_time(self, actor: _Actor, task: _Task, grace: float = 0.0) -> Done | None:
        """The answer to a job that took too long; None if it did not."""
        if self._timeout is None or time.monotonic() < actor.since + self._timeout + grace:
            return None
        return Done(task.job.trial_id, Result.failed(too_long(self._timeout)))

    def _give_up(self) -> list[Done]:
        """End actors that should have ended themselves by now: their machine may not let them."""
        found = []
        for actor in list(self._actors):
            if actor.task is not None and (done := self._out_of_time(actor, actor.task, GRACE_S)):
                self._end(actor)
                found.append(done)
        return found

    def _hear_begun(self, actor: _Actor, ref: Any) -> None:
        """If an actor cannot start, or several die while starting, no task is to blame: WorkerError."""
        try:
            begun: Begun = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._end(actor)
            self._stillborn += 1
            if self._stillborn < MAX_ATTEMPTS:  # a machine may go at any time; another actor is started
                return
            raise WorkerError(f"{MAX_ATTEMPTS} Ray workers died while they started: {cause_of_death(error)}") from error
        if begun.error is not None:
            raise WorkerError(f"a Ray worker could not start: {begun.error}")
        actor.begun, actor.sees = True, begun.sees
        self._stillborn = 0

    def _write(self) -> list[Done]:
        """Write the checkpoints of answers that wait for it; the results of these trials.

        With a disk budget, only that of the oldest trial: writing any other may have to wait until the search has been
        told this one's result and has dropped what is no longer needed.
        """
        in_order = self._checkpoints is not None and self._checkpoints.budget is not None
        at_work = [task.job.trial_id for task in (*self._queue, *self._at_work)]
        writable = [trial for trial in sorted(self._held) if not in_order or trial == min([*at_work, *self._held])]
        return [done for trial in writable if (done := self._keep(self._held.pop(trial)))]

    def _keep(self, answer: _Answer) -> Done | None:
        """Fetch the checkpoint of an answer to this machine and write it; the result of its trial."""
        trial = answer.task.job.trial_id
        try:
            content = self._ray.get(answer.checkpoint)
        except self._ray.exceptions.RayError as error:  # it was lost with its machine
            return self._failed(answer.task, error)
        if content is not None and self._checkpoints is not None:
            self._checkpoints.save_content(trial, content.data)
            self._sent[trial] = answer.checkpoint
        return Done(trial, answer.result)

    def _failed(self, task: _Task, error: Exception) -> Done | None:
        """Retry a task whose actor died; after the last attempt the trial fails with the reason."""
        for trial in sources(task.job.proposal.inherit):
            self._sent.pop(trial, None)  # perhaps lost too; it is on disk
        task.deaths.append(cause_of_death(error))
        if len(task.deaths) < MAX_ATTEMPTS:
            self._queue.appendleft(task)
            return None
        reason = f"the worker died {MAX_ATTEMPTS} times: {', '.join(task.deaths)}"
        return Done(task.job.trial_id, Result.failed(reason))

    @property
    def _at_work(self) -> list[_Task]:
        return [actor.task for actor in self._actors if actor.task is not None]

    def _end(self, actor: _Actor) -> None:
        self._actors.remove(actor)
        self._awaited = {ref: other for ref, other in self._awaited.items() if other is not actor}
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(actor.handle)


@contextmanager
def _token(checkpoints: CheckpointFolder) -> Iterator[Token]:
    """A file next to the checkpoints, named so that it is cleaned up when the run resumes if this process is killed."""
    content = secrets.token_hex(8)
    token = Token(checkpoints.path.with_name(f".{content}.tmp"), content)
    token.write()
    try:
        yield token
    finally:
        token.path.unlink(missing_ok=True)


def _absolute(checkpoints: CheckpointFolder) -> CheckpointFolder:
    """The same folder for a process with another working directory."""
    budget = checkpoints.budget and replace(checkpoints.budget, folder=checkpoints.budget.folder.resolve())
    return replace(checkpoints, path=checkpoints.path.resolve(), budget=budget)
