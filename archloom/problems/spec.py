"""What was asked to be searched on, as plain data, and what `--on` names, as an object."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archloom import registry
from archloom.data.benchmarks import BENCHMARKS
from archloom.data.progress import Progress
from archloom.errors import InputError
from archloom.utils import options
from archloom.utils.files import from_home
from archloom.utils.options import Option
from archloom.utils.user_files import UserFile, sha256_of

if TYPE_CHECKING:
    from archloom.problems.base import DataIdentity, Problem
    from archloom.tasks.fit import Fit

IN_MEMORY = "a Problem object"
"""`on` of a problem that was made in Python."""

ONLY_TRAINED = "only if networks are trained, as with --on images:digits"


@dataclass(frozen=True)
class ProblemSpec:
    """What was asked to be searched on: plain data from which every process opens the same scenario.

    `on` names it; `table` is the file to use instead of the one found (of both a leading ~ is the home folder); `space`
    holds the space's own options. If
    networks are trained, `space_name` is the space to search; `task` holds the options of the task, or of a surrogate.
    """

    on: str
    table: str | None = None
    objectives: tuple[str, ...] = ()
    report: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    space: Mapping[str, Any] = field(default_factory=dict)
    space_name: str | None = None
    task: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        prefix, colon, data = self.on.partition(":")
        on = f"{prefix}:{from_home(data)}" if colon and data.startswith("~") else from_home(self.on)
        object.__setattr__(self, "on", on)
        if self.table is not None:
            object.__setattr__(self, "table", from_home(self.table))
        object.__setattr__(self, "space", options.plain(self.space))
        object.__setattr__(self, "task", options.plain(self.task))

    @cached_property
    def source(self) -> ProblemSource:
        """What `on` names."""
        return parse(self.on)

    def changed(self, **values: Any) -> ProblemSpec:
        """The same with other values; on the same data, which its source need not read again."""
        changed = replace(self, **values)
        if changed.on == self.on:
            changed.__dict__["source"] = self.source  # as the cached property keeps it
        return changed


class ProblemSource(ABC):
    """What `--on` names, parsed: `on` is what was given, `data` the part after its first colon.

    A subclass writes `open`. It is registered in `registry.EVALUATORS` under the `prefix`, or by an installed package
    as an entry point in the group `archloom.evaluators`.
    """

    trains = False
    """Whether it is a task by its name, for which options of a spec may set how long to train."""
    reopens = True
    """Whether another process can open it."""

    def __init__(self, on: str) -> None:
        self.on = on
        self.prefix, _, self.data = on.partition(":")

    @abstractmethod
    def open(self, spec: ProblemSpec) -> Problem:
        """The problem; InputError in one line for whatever in the spec does not fit."""

    def fit(self, spec: ProblemSpec) -> Fit | None:
        """What fits its data if nobody says otherwise; None if it does not know."""
        return None

    def make(  # noqa: B027 - most need nothing
        self, spec: ProblemSpec, notify: Callable[[str], None], progress: Progress
    ) -> None:
        """Make what `open` needs and is not there yet, however long it takes, before a run; looking at one makes
        nothing."""

    @property
    def name(self) -> str:
        """What it is known by: the benchmark's own name if `on` is another one for it."""
        return self.on

    @property
    def stem(self) -> str:
        """What to call a folder of runs on it."""
        return Path(self.on).stem

    @property
    def file(self) -> Path | None:
        """The user's Python file that defines it."""
        return None

    @property
    def options_kind(self) -> type[Any] | None:
        """The dataclass of `task_options`, whose description `archloom list` shows; None if there is none."""
        return None

    @property
    def names(self) -> Mapping[str, str]:
        """What its data may be, with a line on each, which `archloom list` shows; empty if that is no short list."""
        return {}

    @property
    def final_options(self) -> Collection[str]:
        """Its task's options that concern only the evaluation (see `tasks.base.SuppliedTask`)."""
        return ()

    def space_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        """The options that its space takes."""
        return {}

    def task_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        """The options that its task takes."""
        return {}

    def absolute(self, spec: ProblemSpec) -> ProblemSpec:
        """The spec with paths made absolute, so that it means the same from any folder."""
        return spec.changed(
            table=str(Path(spec.table).resolve()) if spec.table else None,
            space=options.absolute(self.space_options(spec), spec.space) if spec.space else spec.space,
            task=options.absolute(self.task_options(spec), spec.task) if spec.task else spec.task,
        )

    def on_table(self, spec: ProblemSpec, path: Path) -> ProblemSpec:
        """The spec with its table at `path`."""
        return spec.changed(table=str(path))

    def hashes(self, spec: ProblemSpec) -> dict[str, str]:
        """The SHA-256 of the user's files behind a spec that was opened, by path: code as it was run, and what options
        name."""
        return {str(file): sha256_of(file) for path in self.files(spec) if (file := path.resolve()).is_file()}

    def files(self, spec: ProblemSpec) -> Iterator[Path]:
        """The files that options of a spec name."""
        if spec.space:
            yield from options.files(self.space_options(spec), spec.space)
        if spec.task:
            yield from options.files(self.task_options(spec), spec.task)

    def called(self, spec: ProblemSpec) -> Mapping[str, str]:
        """The functions, `module:function`, that options of its task name and opening it calls, by option."""
        return {}

    def hint(self, data: DataIdentity | None) -> str:
        """A hint for users who ask for a metric that the opened `data` does not have."""
        return ""

    def refuse_space(self, spec: ProblemSpec) -> None:
        """InputError if the spec names a space to train networks of."""
        if spec.space_name:
            raise InputError(f"--space {spec.space_name}: {ONLY_TRAINED}")


def parse(on: str) -> ProblemSource:
    """What `--on` names; an unknown name is an error when it is opened."""
    kind: type[ProblemSource] = _kind(on)
    return kind(on)


def names_problem(given: str) -> bool:
    """Whether this is a name for `--on`, by what stands before its first colon."""
    prefix = given.partition(":")[0]
    spaces = {benchmark.space for benchmark in BENCHMARKS.values()}
    return given in BENCHMARKS or any(prefix in known for known in (spaces, registry.TASKS, registry.EVALUATORS))


def _kind(on: str) -> Any:
    prefix = on.partition(":")[0]
    if UserFile.parse(on) is not None:
        return registry.OWN_FILE.load()
    if on == IN_MEMORY:
        return registry.IN_MEMORY.load()
    if on not in BENCHMARKS and prefix in registry.EVALUATORS:
        found = registry.EVALUATORS.load(prefix)
        if not (isinstance(found, type) and issubclass(found, ProblemSource)):
            name = getattr(found, "__qualname__", type(found).__name__)
            raise InputError(
                f"evaluator {prefix!r} is {name}: expected a subclass of archloom.problems.ProblemSource, "
                "whose open(spec) gives a Problem"
            )
        return found
    if on not in BENCHMARKS and prefix in registry.TASKS:
        return registry.TRAINED.load()
    return registry.BENCHMARK.load()
