"""A training of the Ape-X agent in a folder: it may be killed at any time, and goes on as if it had not been."""

from __future__ import annotations

import math
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from archloom.agents import saved
from archloom.agents.apex import Progress
from archloom.agents.layout import Layout, OneProcess, Work
from archloom.agents.memory import check_memory, in_memory
from archloom.agents.opening import open_benchmark, open_same
from archloom.agents.options import ApexOptions
from archloom.agents.training_folder import (
    AGENT,
    FORMAT,
    MANIFEST,
    NOTHING,
    STATE,
    Manifest,
    Stamp,
    check_free,
    read_manifest,
    stamp,
)
from archloom.agents.training_log import TrainingLog, TrainingRow, check_tensorboard
from archloom.envs.incremental import NeighbourhoodEnv
from archloom.errors import InputError, StoreError, TrainingError
from archloom.learners.agent_file import Agent, AgentCard, load_agent, save_agent
from archloom.runs.lock import FolderLock
from archloom.runs.record import environment
from archloom.utils import seeds
from archloom.utils.documents import write_sealed
from archloom.utils.files import guarded
from archloom.utils.interrupts import PutOff
from archloom.utils.text import one_line, quoted

CHECKPOINT_EVERY_S = 30.0


@dataclass(frozen=True)
class TrainingRequest:
    """What to train.

    Attributes:
        on: the benchmark to walk on (`archloom.envs.NEIGHBOURHOODS`).
        out: the folder, which must not exist or be empty.
        table: the table or surrogate to read accuracies from; None: the one that `--on` finds.
        objective: the accuracy to climb; None: the one that a search would optimise.
        options: of the training.
        seed: the same again gives the same agent, bit for bit on the same machine.
        start: an agent's file to go on with.
        tensorboard: whether the log is written as event files, too.
        layout: over which processes and machines; on several, a seed no longer gives the same again.
    """

    on: str
    out: Path
    table: Path | None = None
    objective: str | None = None
    options: ApexOptions = ApexOptions()  # noqa: RUF009 - frozen
    seed: int = 0
    start: Path | None = None
    tensorboard: bool = False
    layout: Layout = OneProcess()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        """Paths may be given as strings; InputError for options of another class."""
        for name in ("out", "table", "start"):
            if isinstance(given := getattr(self, name), str):
                object.__setattr__(self, name, Path(given))
        if not isinstance(self.options, ApexOptions):
            raise InputError(f"options={one_line(repr(self.options), 80)}: expected ApexOptions(NAME=VALUE, ...)")


@dataclass(frozen=True)
class TrainingReport:
    """Where a training stands: `steps` of `wanted`, the agent's file, the last row, and whether it is finished."""

    out: Path
    agent: Path
    steps: int
    wanted: int
    row: TrainingRow | None

    @property
    def finished(self) -> bool:
        return self.steps >= self.wanted


class Training:
    """A training that is ready to run; make one with `prepare_training` or `open_training`."""

    def __init__(
        self,
        out: Path,
        manifest: Manifest,
        neighbourhood: NeighbourhoodEnv,
        start: Agent | None,
        layout: Layout,
        seen: Stamp,
        changed: bool = True,
    ) -> None:
        """`seen`: of the folder, before anything in it was read. `changed`: the manifest is to be written."""
        self.out = out
        self.options = _options(manifest.options)
        self.metric = manifest.metric
        self.table = manifest.table
        self._manifest = manifest
        self._seen = seen
        self._changed = changed
        self._layout = layout
        state = neighbourhood.state_width * np.dtype(neighbourhood.state_dtype).itemsize
        check_memory(self.options, state, neighbourhood.bits)
        make = partial(open_same, manifest.on, manifest.table, manifest.metric, manifest.data_sha256)
        network = None if start is None else start.network
        self.agent = layout.agent(Work(neighbourhood, make, self.options, manifest.seed, network))
        self._neighbourhood = neighbourhood
        self._seconds = 0.0
        self._episodes = 0
        self._last_row: TrainingRow | None = None
        self._logged_s = 0.0

    @property
    def finished(self) -> bool:
        return self.agent.progress.steps >= self.options.steps

    def run(
        self,
        progress: Callable[[TrainingRow], None] | None = None,
        checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    ) -> TrainingReport:
        """Train to the end, or until Ctrl-C, which leaves a checkpoint and raises KeyboardInterrupt.

        `progress` is called with every row of the log. StoreError if the folder cannot be written, or another process
        writes it, or has written it since this training was opened; TrainingError if Q-values are no longer finite,
        or memory does not suffice; InputError or WorkerError if the layout is not available.
        """
        if not self.finished:
            with self._layout.ready(), self._locked(), self._log() as log, PutOff() as interrupted:
                self._train(log, progress, checkpoint_every_s, interrupted)
        elif not self._agent_is_written():  # it was killed between its last two files
            with self._locked():
                self._save_agent()
        return TrainingReport(self.out, self.out / AGENT, self.agent.progress.steps, self.options.steps, self._last_row)

    def _train(
        self,
        log: TrainingLog,
        progress: Callable[[TrainingRow], None] | None,
        checkpoint_every_s: float,
        interrupted: PutOff,
    ) -> None:
        begun = time.monotonic() - self._seconds
        saved_at = time.monotonic()
        next_row = self._next_row()

        def after_round(done: Progress) -> bool:
            nonlocal saved_at, next_row
            self._seconds = time.monotonic() - begun
            if done.steps >= next_row or done.steps >= self.options.steps:
                next_row = self._next_row()
                row = self._row()
                log.add(row)
                if progress is not None:
                    progress(row)
            if time.monotonic() - saved_at >= checkpoint_every_s:
                self._checkpoint()
                saved_at = time.monotonic()
            return not interrupted.came

        try:
            with in_memory(self.options, TrainingError):
                self.agent.train(self.options.steps, after_round)
                self._checkpoint()
        except TrainingError as error:
            last = f"; {self.out / AGENT} is the agent of its last checkpoint" if (self.out / AGENT).exists() else ""
            raise TrainingError(f"{self.out}: after {self.agent.progress.steps:,} steps {error}{last}") from None
        if interrupted.came and not self.finished:
            raise KeyboardInterrupt

    def _next_row(self) -> int:
        """The step at which the next row of the log is due: the same after a resume."""
        every = self.options.log_steps
        return (self.agent.progress.steps // every + 1) * every

    def _row(self) -> TrainingRow:
        done, tally = self.agent.progress, self.agent.progress.tally
        self._episodes += tally.episodes
        seconds, self._logged_s = self._seconds - self._logged_s, self._seconds
        row = TrainingRow(
            steps=done.steps,
            updates=done.updates,
            seconds=self._seconds,
            episodes=self._episodes,
            best=tally.best if math.isfinite(tally.best) else None,
            steps_per_second=_mean(tally.gathered, seconds),
            mean_value=_mean(tally.values, tally.gathered),
            mean_end=_mean(tally.ends, tally.exploiting),
            episode_length=_mean(tally.lengths, tally.episodes),
            stopped=_mean(tally.stopped, tally.episodes),
            td_error=_mean(tally.errors, tally.learnt),
            loss=_mean(tally.losses, tally.updates),
        )
        tally.clear()
        self._last_row = row
        return row

    def _checkpoint(self) -> None:
        """Everything on disk; first the state, from which the agent's file can be written again.

        TrainingError, and nothing is written, if the weights are not finite.
        """
        self.agent.check()
        own = {"seconds": self._seconds, "logged_s": self._logged_s, "episodes": self._episodes}
        row = None if self._last_row is None else asdict(self._last_row)
        saved.save(
            self.out / STATE, {"agent": self.agent.state_dict(), "training": own, "row": row}, self._manifest.mark
        )
        self._seen = stamp(self.out)
        self._save_agent()

    def _save_agent(self) -> None:
        save_agent(self.out / AGENT, self.agent.network, self._card())

    def _agent_is_written(self) -> bool:
        """Whether the agent's file is the one of this state."""
        try:
            found = load_agent(self.out / AGENT)
        except InputError:
            return False
        theirs, ours = found.network.state_dict(), self.agent.network.state_dict()
        return found.card == self._card() and all(tensor.cpu().equal(theirs[name]) for name, tensor in ours.items())

    def restore(self) -> None:
        """Go back to the last checkpoint, if there is one."""
        if not os.path.lexists(self.out / STATE):
            if os.path.lexists(self.out / AGENT):
                raise StoreError(
                    f"{self.out / STATE} is gone: restore it from a copy, or go on from the agent alone: "
                    f"archloom agent train --from {quoted(self.out / AGENT)}"
                )
            return
        state = saved.load(self.out / STATE, self._manifest.mark)
        try:
            self.agent.load_state_dict(state["agent"])
            own = state["training"]
            self._seconds, self._logged_s, self._episodes = own["seconds"], own["logged_s"], own["episodes"]
            self._last_row = None if state["row"] is None else TrainingRow(**state["row"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise StoreError(
                f"{self.out / STATE} does not fit this training ({' '.join(str(error).split())}); "
                "restore the file from a copy"
            ) from error

    def _card(self) -> AgentCard:
        known, o = self._manifest, self.options
        return AgentCard(
            space=self._neighbourhood.space,
            encoding=self._neighbourhood.encoding,
            bits=self._neighbourhood.bits,
            max_neighbours=o.max_neighbours,
            network=o.network.to_json(),
            options=asdict(o),
            on=known.on,
            metric=known.metric,
            data_name=known.data_name,
            data_sha256=known.data_sha256,
            steps=known.start_steps + self.agent.progress.steps,
            seed=known.seed,
            version=known.version,
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The folder, made if it is not there yet, with its manifest; nobody else may write it."""
        guarded(self.out, lambda: self.out.mkdir(parents=True, exist_ok=True))
        lock = FolderLock.take(self.out)
        try:
            self._check_seen()
            if self._changed:
                write_sealed(self.out / MANIFEST, msgspec.to_builtins(self._manifest))
                self._changed, self._seen = False, stamp(self.out)
            yield
        finally:
            lock.release()

    def _check_seen(self) -> None:
        """The folder must be what it was when it was read, or what this training has made of it since."""
        if self._seen == NOTHING:
            check_free(self.out, {"lock", "holder.json"})
        elif stamp(self.out) != self._seen:
            raise StoreError(
                f"{self.out} was trained by another process meanwhile: archloom resume {quoted(self.out)} goes on "
                "from where that ended"
            )

    def _log(self) -> TrainingLog:
        after = self.agent.progress.steps or None
        return TrainingLog(self.out, after, self._manifest.tensorboard)


def prepare_training(request: TrainingRequest, notify: Callable[[str], None] | None = None) -> Training:
    """Open everything that a training needs; nothing is written until it runs.

    `notify` is called with a message before slow work.

    InputError for an unknown benchmark or metric, a table that is not whole, options that contradict the agent to go
    on with, and a folder that is not empty.
    """
    seed = seeds.check_seed(request.seed)
    if request.tensorboard:
        check_tensorboard()
    check_free(request.out)
    start = None if request.start is None else load_agent(request.start)
    options = request.options if start is None else _continued(request.options, start)
    table = None if request.table is None else str(request.table.resolve())
    slots, shown = options.walkers, options.max_neighbours
    check_memory(options)
    with in_memory(options):
        opened = open_benchmark(request.on, table, request.objective, slots, shown, notify)
    if start is not None:
        _check_start(start, opened.neighbourhood, opened.on)
    data = opened.data
    manifest = Manifest(
        format=FORMAT,
        mark=secrets.token_hex(16),
        version=environment().get("archloom", "unknown"),
        on=opened.on,
        table=table,
        metric=opened.metric,
        data_name=data.name,
        data_sha256=data.sha256,
        options=asdict(options),
        seed=seed,
        tensorboard=request.tensorboard,
    )
    if start is not None and request.start is not None:
        manifest.start = str(request.start.resolve())
        manifest.start_sha256 = start.sha256
        manifest.start_steps = start.card.steps
    with in_memory(options):
        return Training(request.out, manifest, opened.neighbourhood, start, request.layout, NOTHING)


def open_training(
    out: Path | str,
    steps: int | None = None,
    table: Path | str | None = None,
    notify: Callable[[str], None] | None = None,
    layout: Layout = OneProcess(),  # noqa: B008 - frozen
) -> Training:
    """The training in a folder, as of its last checkpoint; nothing is written until it runs.

    `steps` is another number in all, `table` where its table is now, if it was moved; `notify` is called with a message
    before slow work. `layout` may be another one than before: what lies in gatherers and shards is gathered again.

    InputError for a folder that holds none, and for fewer steps than it has trained for; StoreError for a damaged one,
    or whose data or first agent have changed.
    """
    out, table = Path(out), None if table is None else Path(table)
    seen = stamp(out)
    manifest = read_manifest(out)
    if steps is not None:
        manifest.options = {**manifest.options, "steps": steps}
    if table is not None:
        manifest.table = str(table.resolve())
    options = _options(manifest.options)
    slots, shown = options.walkers, options.max_neighbours
    moved = f"archloom resume {quoted(out)} --table FILE"
    if table is None and manifest.table is not None and not os.path.lexists(manifest.table):
        raise InputError(
            f"{out} was begun with table {manifest.table}, which is not there; put it back, or give its path: {moved}"
        )
    check_memory(options)
    with in_memory(options):
        opened = open_benchmark(manifest.on, manifest.table, manifest.metric, slots, shown, notify)
    if opened.data.sha256 != manifest.data_sha256:
        raise StoreError(
            f"{out} was begun with {manifest.data_name} (SHA-256 {manifest.data_sha256[:12]}...), and what is found "
            f"now is {opened.data.name} ({opened.data.sha256[:12]}...): put the data back, or give their path: {moved}"
        )
    start = None
    if manifest.start is not None and not os.path.lexists(out / STATE):
        start = load_agent(Path(manifest.start))
        if start.sha256 != manifest.start_sha256:
            raise StoreError(f"{out} goes on with {manifest.start}, which has changed since: put the file back")
    changed = steps is not None or table is not None
    with in_memory(options):
        training = Training(out, manifest, opened.neighbourhood, start, layout, seen, changed)
        training.restore()
    done = training.agent.progress.steps
    if steps is not None and steps < done:
        raise InputError(f"steps={steps}: {out} has trained for {done:,} steps already; expected more")
    return training


def _options(given: Mapping[str, Any]) -> ApexOptions:
    """A recorded training's options; StoreError for what this version cannot read."""
    try:
        return ApexOptions(**given)
    except (TypeError, InputError) as error:
        raise StoreError(f"the options in {MANIFEST} are not this archloom's: {error}") from None


def check_sizes(asked: Mapping[str, Any], start: Agent) -> None:
    """InputError for options among those that were asked for with which the agent to go on with cannot be trained."""
    for name, value in _sizes_of(start).items():
        if name in asked and asked[name] != value:
            raise InputError(
                f"option {name}={asked[name]}: the agent to go on with has {name}={value}, which cannot be changed; "
                "omit it"
            )


def _sizes_of(agent: Agent) -> dict[str, Any]:
    """The options that an agent keeps when it goes on to be trained."""
    return {**agent.network.options.to_json(), "max_neighbours": agent.card.max_neighbours}


def _continued(options: ApexOptions, start: Agent) -> ApexOptions:
    """The options with the sizes of the network to go on with; InputError for others, but for defaults."""
    plain = asdict(ApexOptions())
    check_sizes({name: value for name, value in asdict(options).items() if value != plain[name]}, start)
    return replace(options, **_sizes_of(start))


def _check_start(start: Agent, neighbourhood: NeighbourhoodEnv, on: str) -> None:
    if start.card.encoding != neighbourhood.encoding:
        raise InputError(
            f"the agent to go on with reads {start.card.encoding} (trained on {start.card.on}), "
            f"and {on} has {neighbourhood.encoding}: give one that was trained on the same space "
            "with the same operations"
        )


def _mean(total: float, count: float) -> float | None:
    return total / count if count else None
