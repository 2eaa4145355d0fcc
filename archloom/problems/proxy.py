"""Zero-cost proxies as a problem: `--on proxy:NAME[+NAME]`, scores of the untrained networks of a space."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from archloom import registry
from archloom.data.images.labelled import NAMED, ImageData, open_images
from archloom.data.tables import load_table
from archloom.errors import InputError, unknown
from archloom.evaluators.base import Evaluator
from archloom.evaluators.proxies import COSTS, PROXIES
from archloom.evaluators.proxies.evaluator import ProxyEvaluator, Scores
from archloom.evaluators.proxies.options import OF_IMAGES, ProxyOptions
from archloom.problems.base import DataIdentity, Problem
from archloom.problems.spec import ProblemSource, ProblemSpec
from archloom.problems.tabular import choices_of
from archloom.spaces.base import Buildable, SearchSpace
from archloom.spaces.sizes import grid_of, image_size_of
from archloom.utils import options
from archloom.utils.options import Option

SPACE = "nb201"
"""The space that is searched if none is named."""

PIXELS = 32
"""The height and width of the images that networks of a space are for, if it takes no `image_size`."""


class ProxyProblem(Problem):
    """Architectures of `space` are scored by `proxies`, the first of them the default objective; more is better.

    What networks cost (`params_m`, `flops_m`) may be minimised or constrained beside. `sizes` are the settings of the
    space that say how large its networks are.
    """

    isolate = False

    def __init__(
        self,
        space: SearchSpace,
        scores: Scores,
        proxies: Sequence[str],
        images: ImageData | None,
        sizes: Mapping[str, Any],
        settings: ProxyOptions,
    ) -> None:
        self.space = space
        self.settings = settings
        self.sizes = dict(sizes)
        self.proxies = tuple(proxies)
        self.goals = {**dict.fromkeys(self.proxies, "max"), **dict.fromkeys(COSTS, "min")}
        self._scores = scores
        self._report = ()
        if images is not None:
            self.trained_on = DataIdentity(images.name, images.sha256, images.source, trains=False)

    def evaluator(self, scores: Sequence[str], report: Sequence[str]) -> Evaluator:
        return ProxyEvaluator(self._scores, {name: self.goals[name] for name in scores}, report)

    def default_report(self, objectives: Sequence[str]) -> tuple[str, ...]:
        """The other proxies that were named."""
        return tuple(name for name in self.proxies if name not in objectives)

    def caveats(self, scores: Sequence[str], report: Sequence[str]) -> Sequence[str]:
        named = ", ".join(name for name in (*scores, *report) if name in PROXIES)
        return [f"{named}: scores of untrained networks, which rank them; they are not accuracies"] if named else []


# -- what `--on` names --------------------------------------------------------------------------------------------


class ProxySource(ProblemSource):
    """The names of proxies, joined by +: scores of the untrained networks of a space (`--space`, nb201 by default).

    Networks take the images that the proxies see; if they see none, space.image_size and the like. With `--table FILE`
    the genes have the options of that table, whose values are not asked.
    """

    def open(self, spec: ProblemSpec) -> Problem:
        settings = ProxyOptions(**options.convert_all("task", self.task_options(spec), spec.task))
        images = self._images(spec, settings)
        known = self.space_options(spec)
        given = options.convert_all("space", known, spec.space)
        kind = registry.load_space(_space_of(spec))
        sizes = {**_small(kind, given), **_sizes(spec, kind, known, given, images)}
        made = _made(kind, spec, {**given, **sizes})
        if not isinstance(made, Buildable):
            raise InputError(
                f"--space {_space_of(spec)}: has no networks to score; {spec.on} needs a space that builds them"
            )
        shape = _shape(known, given) if images is None else (images.channels, *images.size)
        return ProxyProblem(
            made, Scores(made, settings, shape, images), self._proxies, images, {**given, **sizes}, settings
        )

    def absolute(self, spec: ProblemSpec) -> ProblemSpec:
        spec, data = super().absolute(spec), spec.task.get("data")
        if data is not None and str(data) not in NAMED and Path(str(data)).exists():
            spec = spec.changed(task={**spec.task, "data": str(Path(str(data)).resolve())})
        return spec

    def files(self, spec: ProblemSpec) -> Iterator[Path]:
        yield from super().files(spec)
        if spec.table is not None:
            yield Path(spec.table)

    def task_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        return options.of_dataclass(ProxyOptions)

    def space_options(self, spec: ProblemSpec) -> Mapping[str, Option]:
        return options.of_space(registry.load_space(_space_of(spec)))

    @property
    def options_kind(self) -> type[Any]:
        return ProxyOptions

    @property
    def names(self) -> Mapping[str, str]:
        return {name: proxy.title for name, proxy in PROXIES.items()}

    @property
    def stem(self) -> str:
        return f"{self.prefix}-{self.data}"

    @cached_property
    def _proxies(self) -> tuple[str, ...]:
        """The proxies, each once; InputError for a name that is none, and for one that is given twice."""
        names = tuple(name.strip() for name in self.data.split("+"))
        for name in names:
            if name not in PROXIES:
                raise unknown("proxy", name, PROXIES)
        if len(set(names)) < len(names):
            raise InputError(f"--on {self.on}: names a proxy twice; expected each once, e.g. proxy:synflow+naswot")
        return names

    def _images(self, spec: ProblemSpec, settings: ProxyOptions) -> ImageData | None:
        """The images that networks are shown; None if no proxy sees any. InputError for options of images then."""
        if any(PROXIES[name].needs_images for name in self._proxies):
            return open_images(settings.data, os.environ, settings.size)
        ignored = [name for name in OF_IMAGES if name in spec.task]
        if ignored:
            raise InputError(
                f"--set task.{ignored[0]}: {', '.join(self._proxies)} sees no images; omit it, or give sizes with "
                "--set space.image_size=N"
            )
        return None


def _space_of(spec: ProblemSpec) -> str:
    return spec.space_name or SPACE


def _sizes(
    spec: ProblemSpec, kind: Any, known: Mapping[str, Option], given: Mapping[str, Any], images: ImageData | None
) -> Mapping[str, Any]:
    """The settings of the space that follow from the images; InputError for a space that is not for images."""
    for name in ("image_channels", "classes"):
        if name not in known:
            raise InputError(f"--space {kind.name}: takes no {name}, so it is not for {spec.on}")
    if images is None:
        return {}
    set_by_images = {
        "image_channels": images.channels,
        "classes": len(images.classes),
        "image_size": image_size_of(*images.size),
    }
    for name, value in set_by_images.items():
        if name in given:
            raise InputError(f"space option {name}: the images of {images.name} set it to {value}; omit it")
    return {name: value for name, value in set_by_images.items() if name in known}


def _small(kind: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The sizes at which a space's networks are scored, unless they are given: smaller ones rank as well."""
    sizes: Mapping[str, Any] = getattr(kind, "proxy_sizes", {})
    return {name: value for name, value in sizes.items() if name not in given}


def _made(kind: Any, spec: ProblemSpec, settings: Mapping[str, Any]) -> SearchSpace:
    """The space with these settings, its genes those of the spec's table, if it names one."""
    if spec.table is None:
        plain: SearchSpace = kind(**settings)
        return plain
    table = load_table(spec.table)
    if table.space != kind.name:
        raise InputError(f"{spec.table} is a table of space {table.space!r}; --space {kind.name} needs one of its own")
    tabular: SearchSpace = kind.for_table(choices_of(table), table.genes, **settings)
    return tabular


def _shape(known: Mapping[str, Option], given: Mapping[str, Any]) -> tuple[int, int, int]:
    """(c, h, w) of the images that a space's networks take."""
    values = {name: given.get(name, option.default) for name, option in known.items()}
    return int(values["image_channels"]), *grid_of(values.get("image_size", PIXELS))
