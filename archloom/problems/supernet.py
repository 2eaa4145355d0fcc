"""Weight-sharing supernets as problems: `--on supernet:DATA` and `--on supernet_training:DATA`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from archloom import registry
from archloom.data.cache import cache_dir, make_folder
from archloom.data.progress import Progress
from archloom.errors import InputError
from archloom.evaluators.base import Evaluator
from archloom.problems.base import DataIdentity, Problem
from archloom.problems.spec import ProblemSource, ProblemSpec
from archloom.spaces.base import HasSupernet, SearchSpace
from archloom.spaces.sizes import image_size_of
from archloom.types import Goal
from archloom.utils import options
from archloom.utils.files import guarded, open_owned
from archloom.utils.options import Option
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from archloom.data.images.labelled import ImageData
    from archloom.tasks.supernet.file import SupernetFile
    from archloom.tasks.supernet.options import FrozenOptions
    from archloom.tasks.supernet.pretraining import Pretraining
    from archloom.tasks.supernet.shared import SharedNetwork

DEFAULT_SPACE = "darts"

Notify = Callable[[str], None]


class SupernetProblem(Problem):
    """Architectures are measured as paths of a supernet whose weights stay as they are."""

    isolate = False
    shares_weights = True

    def __init__(self, space: SearchSpace, found: SupernetFile, images: ImageData, chosen: FrozenOptions) -> None:
        from archloom.evaluators.supernet import GOALS

        self.space = space
        self.goals: dict[str, Goal] = dict(GOALS)
        self._report = ()
        self.trained_on = DataIdentity(images.name, images.sha256, images.source)
        self._found, self._images, self._chosen = found, images, chosen

    @property
    def data(self) -> DataIdentity:
        card = self._found.card
        source = f"a supernet of {card.space}, {card.trained}"
        return DataIdentity(self._found.path.stem, self._found.sha256, source, self._found.path)

    def default_report(self, objectives: Sequence[str]) -> tuple[str, ...]:
        """What the networks of a search cost, so that fronts can be drawn of everything that was sampled."""
        return tuple(name for name in ("params_m", "flops_m") if name not in objectives)

    @cached_property
    def shared(self) -> SharedNetwork:
        """The one instance of this process."""
        from archloom.tasks.supernet.shared import SharedNetwork

        shared = SharedNetwork(cast(HasSupernet, self.space), self._images, self._chosen)
        shared.load(self._found.state)
        return shared

    @cached_property
    def reference(self) -> Mapping[str, float]:
        """What all operations at once come to, as the search measures; nothing if its space has no such network."""
        from archloom.tasks.network import DivergedError
        from archloom.tasks.supernet.options import FrozenOptions, only_measuring

        known, usual = self._found.card.one_shot, FrozenOptions()
        if known is None or all(getattr(self._chosen, name) == getattr(usual, name) for name in only_measuring()):
            return known or {}
        self.shared.load(self._found.state)
        try:
            found = self.shared.measure(None)
        except DivergedError:
            return {}
        return {"valid_accuracy": found.accuracy, "valid_loss": found.loss}

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        from archloom.evaluators.supernet import FrozenSupernet

        return FrozenSupernet(self.shared, self.space, scores, report)

    def resource_of(self, scores: Sequence[str]) -> None:
        return None

    def caveats(self, scores: Sequence[str], report: Sequence[str]) -> Sequence[str]:
        most = self._chosen.measured_images
        count = min(most, len(self._images.valid)) if most else len(self._images.valid)
        return [
            f"accuracies are those of a supernet's shared weights on {count:,} validation images, not of trained "
            "networks"
        ]


class SupernetTrainingProblem(SupernetProblem):
    """A supernet that trains while it is searched, from a warmed-up one on."""

    trains = True

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        from archloom.evaluators.supernet import SharedTraining

        return SharedTraining(self.shared, self.space, self._found.state, self.reference, scores, report)


# -- what `--on` names --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """What a spec asks for: a space, images, and how the supernet of both is made and used."""

    space_name: str
    space_options: Mapping[str, Any]
    space: SearchSpace
    images: ImageData
    chosen: FrozenOptions
    file: SupernetFile | None


class SupernetSource(ProblemSource):
    """`supernet:DATA`, the images as for `--on images:DATA`, with a supernet's file as the table.

    Without a file it is one in the cache, where `make` makes it.
    """

    problem: type[SupernetProblem] = SupernetProblem

    def open(self, spec: ProblemSpec) -> Problem:
        asked = self._asked(spec)
        found, kept = asked.file, _in_cache(asked)
        if found is None and not kept.exists():
            raise InputError(
                f"--on {spec.on}: there is no such supernet in the cache; archloom search and resume train it, and "
                "archloom supernet makes a file for --table"
            )
        return self.problem(asked.space, found or self._file(str(kept)), asked.images, asked.chosen)

    def make(self, spec: ProblemSpec, notify: Notify, progress: Progress) -> None:
        """The supernet in the cache, unless it is there; a second process waits for the first."""
        if spec.table:
            return
        asked = self._asked(spec)
        path = _in_cache(asked)
        if path.exists():
            return
        make_folder(path.parent)
        with alone(path, wait=True):
            if not path.exists():
                _pretraining(asked, path).run(notify, progress)

    def pretraining(self, spec: ProblemSpec, path: Path) -> Pretraining:
        """The making of the supernet that a spec asks for, in this file.

        InputError if it names one already, and for options that would change nothing.
        """
        from archloom.tasks.supernet.options import only_measuring

        if spec.table:
            raise InputError(f"--table {spec.table}: a supernet is made here; omit it")
        for name in only_measuring():
            if name in spec.task:
                raise InputError(
                    f"task option {name}: says how a finished supernet is measured, not how it is made; give it to the "
                    f"search, as --set task.{name}={one_line(str(spec.task[name]))}"
                )
        return _pretraining(self._asked(spec), path)

    def absolute(self, spec: ProblemSpec) -> ProblemSpec:
        path = Path(self.data)
        if self.data not in _named_images() and path.exists():
            spec = spec.changed(on=f"{self.prefix}:{path.resolve()}")
        return super().absolute(spec)

    def task_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        return options.of_dataclass(self.options_kind)

    def space_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        return options.of_space(registry.load_space(self._space_name(spec)))

    @property
    def options_kind(self) -> type[FrozenOptions]:
        """The options of `--set task.NAME`."""
        from archloom.tasks.supernet.options import FrozenOptions

        return FrozenOptions

    def _space_name(self, spec: ProblemSpec) -> str:
        if spec.space_name or not spec.table:
            return spec.space_name or DEFAULT_SPACE
        return self._file(spec.table).card.space

    def _file(self, path: str) -> SupernetFile:
        from archloom.tasks.supernet.file import load_supernet

        return load_supernet(Path(path))

    def _asked(self, spec: ProblemSpec) -> _Asked:
        """InputError for whatever does not fit."""
        from archloom.data.images.labelled import open_images

        file = self._file(spec.table) if spec.table else None
        kind = self.options_kind
        given = options.convert_all("task", self.task_options(spec), options.current("task", kind, spec.task))
        if file is not None:
            given = {**_agreed("task option", given, _made_with(file), file), **given}
        chosen = kind(**given)
        images = open_images(self.data, os.environ, chosen.size, chosen.split)
        if file is not None and images.sha256 != file.card.data_sha256:
            raise InputError(
                f"supernet {file.path} was trained on {one_line(file.card.data)}, whose images are not those of "
                f"{self.on}: name the images it was trained on"
            )
        name = self._space_name(spec)
        if file is not None and name != file.card.space:
            raise InputError(f"--space {name}: the supernet {file.path} is of {file.card.space}; omit --space")
        space, settings = _space(name, self.on, images, spec, file)
        return _Asked(name, settings, space, images, chosen, file)


class SupernetTrainingSource(SupernetSource):
    """`supernet_training:DATA`: the supernet goes on training while it is searched."""

    problem = SupernetTrainingProblem

    @property
    def options_kind(self) -> type[FrozenOptions]:
        from archloom.tasks.supernet.options import StepOptions

        return StepOptions


def _space(
    name: str, on: str, images: ImageData, spec: ProblemSpec, file: SupernetFile | None
) -> tuple[SearchSpace, dict[str, Any]]:
    """The space for these images, and its options but for those that the images give it."""
    kind: Any = registry.load_space(name)
    if not hasattr(kind, "supernet"):
        others = [other for other, each in registry.SPACES.here() if hasattr(each, "supernet")]
        raise InputError(f"--space {name} has no supernet; these have: {', '.join(others)}")
    known = options.of_space(kind)
    fixed = {
        "image_channels": images.channels,
        "image_size": image_size_of(*images.size),
        "classes": len(images.classes),
    }
    given = options.convert_all("space", known, spec.space)
    for setting, value in fixed.items():
        if setting in given:
            raise InputError(f"space option {setting}: {on} sets it to {value}; omit it")
    if file is not None:
        given = {**_agreed("space option", given, file.card.space_options, file), **given}
    settings = {**kind.supernet_sizes, **given}
    return kind(**fixed, **settings), settings


def _agreed(what: str, given: Mapping[str, Any], made: Mapping[str, Any], file: SupernetFile) -> Mapping[str, Any]:
    """What a supernet was made with; InputError for what was `given` and is something else."""
    for name, value in given.items():
        if name in made and made[name] != value:
            raise InputError(f"{what} {name}={value}: the supernet {file.path} was made with {made[name]}; omit it")
    return made


def _made_with(file: SupernetFile) -> dict[str, Any]:
    made = file.card.made
    return {field.name: getattr(made, field.name) for field in fields(made)}


def _pretraining(asked: _Asked, path: Path) -> Pretraining:
    from archloom.tasks.supernet.file import SupernetCard
    from archloom.tasks.supernet.options import FrozenOptions, as_plain, making
    from archloom.tasks.supernet.pretraining import Pretraining
    from archloom.tasks.supernet.shared import SharedNetwork

    card = SupernetCard(
        asked.space_name,
        dict(asked.space_options),
        as_plain(asked.chosen),
        asked.images.name,
        asked.images.sha256,
        asked.chosen.epochs,
        None,
        _version(),
    )
    # How the first search happens to measure must not be in the file: it is not in its name either.
    chosen = FrozenOptions(**vars(making(asked.chosen)), device=asked.chosen.device)
    return Pretraining(SharedNetwork(cast(HasSupernet, asked.space), asked.images, chosen), card, path)


def _version() -> str:
    try:
        return metadata.version("archloom")
    except metadata.PackageNotFoundError:
        return "unknown"


def _in_cache(asked: _Asked) -> Path:
    """Where the supernet that is asked for is made, under a name that says what it depends on."""
    name = f"{asked.space_name}-{Path(asked.images.name).stem}-{_key(asked)[:16]}.safetensors"
    return cache_dir(os.environ) / "supernets" / name


def _key(asked: _Asked) -> str:
    from archloom.tasks.supernet.options import as_plain

    depends = [asked.space_name, dict(asked.space_options), as_plain(asked.chosen), asked.images.sha256]
    return hashlib.sha256(json.dumps(depends, sort_keys=True, default=str).encode()).hexdigest()


@contextmanager
def alone(path: Path, wait: bool) -> Iterator[None]:
    """While no other process makes the file at `path`; without `wait`, InputError if one does.

    StoreError if the file system refuses. An empty file beside it that ends in `.lock` is locked, and removed at the
    end unless others may wait for it.
    """
    lock = path.with_name(f"{path.name}.lock")
    descriptor = guarded(lock, lambda: open_owned(lock, os.O_RDWR | os.O_CREAT))
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise InputError(f"{path}: another process makes it; wait for it, or name another file") from None
        try:
            yield
        finally:
            if not wait and not os.fstat(descriptor).st_size:  # a file with content is somebody's own
                lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _named_images() -> Sequence[str]:
    from archloom.data.images.labelled import NAMED

    return tuple(NAMED)
