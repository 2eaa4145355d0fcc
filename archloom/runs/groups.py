"""Groups of runs: several seeds or strategies side by side, in one folder.

`group.json` lists them all before the first one starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from archloom.checkpoints.retention import NO_OVERRIDES, Overrides, RetentionPolicy
from archloom.errors import ArchloomError, InputError, StoreError
from archloom.executors.backends import Backend, Processes
from archloom.problems.begun import Begun
from archloom.runs import record
from archloom.runs.budgets import Changes
from archloom.runs.folders import run_folder, set_problem
from archloom.runs.lock import FolderLock
from archloom.runs.manifest import check_files, check_space, check_there, read_request, sha256_behind
from archloom.runs.members import started
from archloom.runs.places import FOLDER, found_again, with_problem
from archloom.runs.prepare import Prepared, Preparer, Request
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport, raised_limits, read_report
from archloom.runs.search import Progress
from archloom.spaces.fingerprint import Fingerprint, fingerprint
from archloom.utils.documents import convert, read_json, write_sealed
from archloom.utils.files import unreadable
from archloom.utils.text import quoted
from archloom.workers.pool import Answer, Send, Work, WorkerPool

GROUP_FORMAT = 1

Watch = Callable[[int, Sequence[TrialRecord]], None]
"""Called as (number of the run, newly committed trials)."""


@dataclass(frozen=True)
class Group:
    """Runs that belong together, by the name of their folder; `comparison`: strategies are compared."""

    path: Path
    members: Mapping[str, Request]
    comparison: bool = False
    made_with: str | None = None
    """The SHA-256 of the table, or of the user's problem file, that the runs were started with."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each of the user's files (see `Preparer.pinned`), by its path."""
    space: Fingerprint | None = None
    """The fingerprint of the space."""

    @property
    def begun(self) -> Begun:
        """What its runs were begun with."""
        first = next(iter(self.members.values()))
        return Begun(self.files, self.made_with if first.problem.source.file is None else None, self.space)

    @property
    def paths(self) -> list[Path]:
        return [self.path / name for name in self.members]

    def on_table(self, table: Path) -> Group:
        """The same runs with their table at another path."""
        return replace(self, members=_on_table(self.members, table))

    def with_problem(self, on: str, changed: bool = False) -> Group:
        """The same runs with their problem in another place, which is written down for those that have started."""
        with _group_lock(self.path):
            for name, request in self.members.items():
                _check_no_links(self.path, name)
                if started(self.path / name, request):
                    set_problem(self.path / name, on, changed)
            write_sealed(self.path / "group.json", with_problem(self.path, self._content(), on, changed))
        return Group.open(self.path)

    def as_now(self, preparer: Preparer) -> Group:
        """The same runs with what their files are now, to which the user agrees."""
        requests = list(self.members.values())
        preparer.read_earlier(self.path, requests[0])
        scenario = preparer.check(requests[0]).scenario
        files = {file: known for request in requests for file, known in preparer.pinned(request).items()}
        return replace(self, made_with=sha256_behind(scenario), files=files, space=fingerprint(scenario.space))

    def raised(self, changes: Changes) -> Group:
        """The same runs with other limits; InputError for less than one of them has asked or used."""
        return replace(self, members={name: self._raised(name, r, changes) for name, r in self.members.items()})

    def _raised(self, name: str, request: Request, changes: Changes) -> Request:
        path = self.path / name
        if not started(path, request):
            return replace(request, limits=request.limits.raised(changes, {}))
        return replace(request, limits=raised_limits(path, changes))

    def with_seeds(self, seeds: int) -> Group:
        """Every strategy with seeds 0 to `seeds` - 1; InputError if there are more already."""
        by_label: dict[str, dict[int, Request]] = {}
        for name, request in self.members.items():
            by_label.setdefault(str(Path(name).parent), {})[request.seed] = request
        members: dict[str, Request] = {}
        for folder, known in by_label.items():
            if max(known) >= seeds:
                raise InputError(f"seeds={seeds}: {self.path} has seed {max(known)} already; expected more")
            newest = known[max(known)]
            for seed in range(seeds):
                members[str(Path(folder) / f"seed-{seed}")] = known.get(seed, replace(newest, seed=seed))
        return replace(self, members=members)

    def with_strategy(self, label: str, requests: Sequence[Request], pinned: Mapping[str, str]) -> Group:
        """The same runs and those of one more strategy, which makes it a comparison; `pinned` are its files.

        InputError if there is a strategy of this label.
        """
        labels = {label_of(name, request) for name, request in self.members.items()}
        if label.lower() in map(str.lower, labels):
            raise InputError(
                f"{self.path} has runs of {label} already: give the new ones another label, LABEL=STRATEGY"
            )
        added = {f"{label}/seed-{request.seed}": request for request in requests}
        return replace(self, members={**self.members, **added}, comparison=True, files={**self.files, **pinned})

    def write(self) -> None:
        """Write what the group holds now, before any new run starts."""
        with _group_lock(self.path):
            write_sealed(self.path / "group.json", self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "format": GROUP_FORMAT,
            FOLDER: str(self.path.resolve()),
            "comparison": self.comparison,
            "made_with": self.made_with,
            "files": dict(self.files),
            "space_fingerprint": self.space,
            "members": {name: msgspec.to_builtins(request) for name, request in self.members.items()},
        }

    def check(
        self, changed: bool = False, overrides: Overrides = NO_OVERRIDES, preparer: Preparer | None = None
    ) -> Prepared:
        """Open what the runs were started with, before any of them is resumed; InputError if it is missing or
        different."""
        request = next(iter(self.members.values()))
        table = request.problem.table
        if table is not None and not Path(table).exists():
            raise InputError(
                f"{self.path} was made with table {table}, which is not there; put it back, or give its path: "
                f"archloom resume {quoted(self.path)} --table FILE"
            )
        check_there(self.path, request.problem)
        if not changed:
            check_files(self.path, self.files)
        preparer = preparer or Preparer()
        preparer.read_earlier(self.path, request)
        first = preparer.check(request, overrides)
        accepted = changed and table is None  # a changed file may be accepted, another table never
        if self.made_with is None or accepted or self.made_with == sha256_behind(first.scenario):
            if not changed:
                check_files(self.path, self.files, again=False)
                check_space(self.path, self.space, first.scenario)
            return first
        raise InputError(
            f"{self.path} was started with another {'table' if table else 'file'} than {table or request.problem.on} "
            "is now; put the old one back, or start a new run"
            f"{'' if table else f', or accept the change: archloom resume {quoted(self.path)} --changed'}"
        )

    @classmethod
    def create(
        cls, path: Path, members: Mapping[str, Request], comparison: bool = False, first: Prepared | None = None,
        overrides: Overrides = NO_OVERRIDES, preparer: Preparer | None = None,
    ) -> Group:  # fmt: skip
        """Write what will run, and on which table, before anything runs; all members use the table of the `first`.

        `overrides` is the policy for the checkpoints of all runs together: a group that is killed at once resumes
        with it.
        """
        record.check_free(path)
        RetentionPolicy().overridden({**overrides, "runs": len(members)})  # a mistake shows before anything is written
        preparer = preparer or Preparer()
        members = {name: preparer.absolute(request) for name, request in members.items()}
        files = {file: known for request in members.values() for file, known in preparer.pinned(request).items()}
        made_with, space = None, None
        if first is not None:
            made_with, space = sha256_behind(first.scenario), fingerprint(first.scenario.space)
            data = first.scenario.problem.data
            if data is not None and data.path is not None:
                members = _on_table(members, data.path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; give another folder with --out") from error
        with _group_lock(path):
            record.check_free(path)  # again: another process may have been quicker
            group = cls(path, members, comparison, made_with, files, space)
            _group_overrides(group, overrides)
            if (known := next(iter(members.values())).warm_start) is not None:
                preparer.earlier(known).write(path)
            write_sealed(path / "group.json", group._content())
        return group

    @classmethod
    def open(cls, path: Path) -> Group:
        """The group in a folder; InputError for a damaged one, and StoreError for one that was changed since."""
        file = path / "group.json"
        try:
            raw = read_json(file)
            content = convert(found_again(path, raw) if isinstance(raw, dict) else raw, _Content)
        except ValueError as error:
            raise InputError(f"{file} is damaged or not from archloom ({error})") from None
        except OSError as error:
            raise unreadable(file, error) from error
        if content.format > GROUP_FORMAT:
            raise InputError(f"{path} has group format {content.format}: install a newer archloom")
        if not content.members:
            raise InputError(f"{file} names no runs: it is damaged or not from archloom")
        record.check_seal(file, raw)
        for name in content.members:
            _check_member(file, name)
        return cls(
            path, content.members, content.comparison, content.made_with, content.files or {},
            content.space_fingerprint,
        )  # fmt: skip


def members_of(run: Path) -> Mapping[Path, Request]:
    """The runs below a folder with what was asked of each: those of a group, or the one whose folder it is."""
    if (run / "group.json").exists():
        group = Group.open(run)
        return dict(zip(group.paths, group.members.values(), strict=True))
    return {run: read_request(run)}


def label_of(member: str, request: Request) -> str:
    """The label of a member of a group: the folder above its seed, else its strategy."""
    return Path(member).parent.name or request.name


class _Content(msgspec.Struct):
    """`group.json`. Earlier versions did not write all of it."""

    format: int
    members: dict[str, Request]
    comparison: bool = False
    made_with: str | None = None
    files: dict[str, str] | None = None
    space_fingerprint: Fingerprint | None = None


def _check_member(file: Path, name: str) -> None:
    """InputError for a member that is not a folder below its group's."""
    if not name.isprintable() or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise InputError(f"{file} names the run {name!r}: expected a folder below {file.parent}, e.g. seed-0")


def _check_no_links(path: Path, name: str) -> None:
    """StoreError for a member that is elsewhere: a group writes only in its own folder."""
    place = path
    for part in name.split("/"):
        place /= part
        if place.is_symlink():
            raise StoreError(
                f"{place} is a symbolic link, and a group writes only in its own folder: replace it by the folder that "
                f"it leads to, or resume that one by itself: archloom resume {quoted(place.resolve())}"
            )


def _on_table(members: Mapping[str, Request], table: Path) -> dict[str, Request]:
    problems = {name: r.problem.source.on_table(r.problem, table.resolve()) for name, r in members.items()}
    return {name: replace(r, problem=problems[name]) for name, r in members.items()}


def run_group(
    group: Group,
    workers: int | Backend,
    watch: Watch | None = None,
    table: Path | None = None,
    changed: bool = False,
    overrides: Overrides = NO_OVERRIDES,
    preparer: Preparer | None = None,
) -> list[RunReport | str]:
    """Run every member to its end; for one that cannot continue, its error message stands in for its report.

    `workers` members run at a time, or one after another if evaluations run elsewhere (`executors.ray.RayCluster`).
    `table` and `changed` are those of `run_folder`, for members that were started. `overrides` change the policy for
    the checkpoints of all runs together. What `preparer` has already opened is reused; worker processes open what
    they run themselves, once.
    """
    preparer = preparer or Preparer()
    members = list(zip(group.paths, group.members.values(), strict=True))
    for name in group.members:
        _check_no_links(group.path, name)
    with _group_lock(group.path):
        overrides = _group_overrides(group, overrides)
        if changed:
            group = group.as_now(preparer)
            write_sealed(group.path / "group.json", group._content())
        how = _How(table, changed, overrides, group.begun, group.path)
        backend = Processes(workers) if isinstance(workers, int) else workers
        if backend.runs_at_once == 1:
            with backend.ready():
                return [
                    _run_member(i, p, request, watch, how, backend, preparer) for i, (p, request) in enumerate(members)
                ]
        pool = WorkerPool(_member_worker, min(backend.runs_at_once, len(members)))
        outcome: list[RunReport | str] = ["not run"] * len(members)
        try:
            for number, (path, request) in enumerate(members):
                pool.submit(number, (path, request, how))
            while events := pool.wait():
                for event in events:
                    if isinstance(event, Answer):
                        outcome[event.task] = event.error or read_report(
                            members[event.task][0], table=table, preparer=preparer
                        )
                    elif watch is not None:
                        watch(event.task, event.message)
        finally:
            pool.close()
        return outcome


@dataclass(frozen=True)
class _How:
    """How members are run: `table`, `changed` and `overrides` as in `run_group`; what the group was begun with, and its
    folder."""

    table: Path | None
    changed: bool
    overrides: Overrides
    begun: Begun
    group: Path


def _group_overrides(group: Group, given: Overrides) -> Overrides:
    """The policy for checkpoints that each run is given: what the user gives now, or gave the group before."""
    before = RetentionPolicy.read(group.path)
    grown = before.disk_budget is not None and before.runs != len(group.members)
    if given or grown:
        now = before.overridden({**given, "runs": len(group.members)})
        now.write(group.path)
        return asdict(now)
    return asdict(before) if before != RetentionPolicy() else NO_OVERRIDES


def _run_member(
    number: int, path: Path, request: Request, watch: Watch | None, how: _How, backend: Backend, preparer: Preparer
) -> RunReport | str:
    try:
        return _member(path, request, partial(watch, number) if watch else None, how, backend, preparer)
    except ArchloomError as error:
        return str(error)


def _member_worker() -> Work:
    """What a worker process does with members of a group."""
    preparer = Preparer()

    def work(payload: tuple[Path, Request, _How], send: Send) -> None:
        path, request, how = payload
        _member(path, request, send, how, Processes(), preparer)

    return work


def _member(
    path: Path, request: Request, progress: Progress | None, how: _How, backend: Backend, preparer: Preparer
) -> RunReport:
    """Run one member. One that was started knows its own request."""
    own = None if started(path, request) else request
    if own is not None:
        preparer.read_earlier(how.group, own)
    return run_folder(
        path,
        own,
        backend,
        progress,
        table=how.table,
        changed=how.changed,
        overrides=how.overrides,
        preparer=preparer,
        limits=request.limits,
        begun=how.begun,
    )


@contextmanager
def _group_lock(path: Path) -> Iterator[None]:
    record.check_own(path)
    lock = FolderLock.take(path)
    try:
        yield
    finally:
        lock.release()
