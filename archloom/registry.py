"""Names of spaces, strategies, tasks and evaluators, and where each is defined: "module:class", imported when used.

Adding one takes a line here, its file and its test. Installed packages add theirs by entry points in the groups
`archloom.spaces`, `archloom.strategies`, `archloom.tasks` and `archloom.evaluators`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from archloom.errors import InputError, MissingExtraError, unknown


@dataclass(frozen=True)
class Entry:
    """Where a thing is defined, what it is in one line, and the extra it needs beyond the base install, if any.

    `form` is what users type for it, if that is not its name alone; `remark` is what stands beside all numbers of it.
    """

    target: str
    title: str
    package: str | None = None
    extra: str | None = None
    form: str | None = None
    remark: str | None = None

    def load(self) -> Any:
        """Import it."""
        module, _, name = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if self.package and self.extra and error.name == self.package:
                raise MissingExtraError(self.package, self.extra, self.title) from None
            raise


@dataclass(frozen=True)
class Installed(Entry):
    """What an installed package declares as an entry point."""

    distribution: str = ""

    def load(self) -> Any:
        """Import it; InputError in one line if that fails, whatever the reason."""
        module, _, name = self.target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"{self.target} of the package {self.distribution} cannot be loaded: {reason}") from error
        return found


class Registry(Mapping[str, Entry]):
    """Entries by name: our own, then those of installed packages."""

    def __init__(self, kind: str, group: str, own: Mapping[str, Entry]) -> None:
        self._kind = kind
        self._group = group
        self._own = own

    def __getitem__(self, name: str) -> Entry:
        """Our own entry if there is one; `load` refuses ambiguous names."""
        if name in self._own:
            return self._own[name]
        return self._installed()[name][0]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._installed()

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._own, *self._installed()]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def load(self, name: str) -> Any:
        """Import the entry of this name. InputError for an unknown name, and for one that two packages define."""
        installed = self._installed().get(name, [])
        own = [self._own[name]] if name in self._own else []
        claims = [*own, *installed]
        if not claims:
            raise unknown(self._kind, name, self)
        if len(claims) > 1:
            places = [f"archloom's {entry.target}" for entry in own]
            places += [f"{entry.target} of the package {entry.distribution}" for entry in installed]
            raise InputError(f"{self._kind} {name!r} is {' and '.join(places)}: uninstall or rename one of them")
        return claims[0].load()

    def here(self) -> Iterator[tuple[str, Any]]:
        """Each name with what it stands for, but for those that cannot be imported here."""
        for name in self:
            with suppress(InputError):
                yield name, self.load(name)

    def _installed(self) -> Mapping[str, Sequence[Installed]]:
        """What installed packages declare in our group, by name."""
        return _declared(self._group, tuple(sys.path))


@lru_cache(maxsize=16)
def _declared(group: str, path: tuple[str, ...]) -> Mapping[str, Sequence[Installed]]:
    """The entry points in a group of the packages on this process's path, by name; cached, since it takes 5 ms."""
    from importlib.metadata import entry_points

    found: dict[str, list[Installed]] = {}
    for point in entry_points(group=group):
        package = point.dist.name if point.dist is not None else "?"
        entry = Installed(f"{point.module}:{point.attr}", f"of the package {package}", distribution=package)
        entries = found.setdefault(point.name, [])
        if entry not in entries:  # a package may be on the path twice
            entries.append(entry)
    return found


SPACES = Registry(
    "space",
    "archloom.spaces",
    {
        "convnet": Entry("archloom.spaces.convnet:ConvNet", "a chain of interchangeable image layers"),
        "control": Entry(
            "archloom.spaces.control:Control", "PBT-NAS's space for visual control: DrQ-v2's encoder, actor and critic"
        ),
        "darts": Entry(
            "archloom.spaces.darts:Darts",
            "DARTS cells (NAS-Bench-301): a normal and a reduction cell",
            "numba",
            "bench",
        ),
        "efficientnet_b0": Entry(
            "archloom.spaces.macro.efficientnet_b0:EfficientNetB0",
            "EfficientNet-B0's 16 layers, each of its three kinds",
        ),
        "gan": Entry("archloom.spaces.gan:Gan", "PBT-NAS's Gan: three generator cells beside AutoGAN's discriminator"),
        "gan_hard": Entry(
            "archloom.spaces.gan:GanHard", "PBT-NAS's GanHard: generator, latent projections, discriminator"
        ),
        "hnag": Entry(
            "archloom.spaces.random_graph:Hnag",
            "NAGO's generators: random graphs, three levels deep, of convolutions",
        ),
        "hnag_aug1": Entry("archloom.spaces.random_graph:HnagAug1", "hnag with probabilities of merges and operations"),
        "hnag_aug2": Entry("archloom.spaces.random_graph:HnagAug2", "hnag with ratios of stages and of channels"),
        "mnasnet": Entry(
            "archloom.spaces.macro.mnasnet:Mnasnet", "MnasNet-like: 7 blocks x expansion, kernel, layers, SE"
        ),
        "nb101": Entry(
            "archloom.spaces.nb101:Nb101",
            "NAS-Bench-101 cells: up to 7 vertices, 9 edges, 3 operations",
            "numba",
            "bench",
        ),
        "nb201": Entry("archloom.spaces.nb201:Nb201", "NAS-Bench-201 cells: 6 edges, 5 operations"),
        "nbgraph": Entry("archloom.spaces.nbgraph:NbGraph", "NAS-Bench-Graph: trees of 4 graph-network layers"),
        "proxyless": Entry(
            "archloom.spaces.macro.proxyless:Proxyless", "ProxylessNAS: 21 layers x kernel, expansion, or none"
        ),
        "rnag": Entry(
            "archloom.spaces.random_graph:Rnag", "randomly wired networks: a random graph for each of three stages"
        ),
        "table": Entry("archloom.spaces.table:TableSpace", "the plain choices of any table"),
    },
)

STRATEGIES = Registry(
    "strategy",
    "archloom.strategies",
    {
        "graph_bo": Entry(
            "archloom.strategies.graph_bo.strategy:GraphBo",
            "Bayesian optimisation on genes and flow graphs: fewest queries",
        ),
        "random": Entry("archloom.strategies.random_search:RandomSearch", "random search"),
        "evolution": Entry("archloom.strategies.evolution:Evolution", "regularised evolution (Real et al. 2019)"),
        "local_search": Entry(
            "archloom.strategies.walks:LocalSearch", "climb to a better neighbour, restart at the top"
        ),
        "random_walk": Entry("archloom.strategies.walks:RandomWalk", "move to a random neighbour"),
        "apex": Entry(
            "archloom.strategies.apex:Apex",
            "a trained agent walks to good architectures (needs its checkpoint)",
            "torch",
            "train",
            remark="the look-ups of its training are not counted",
        ),
        "asha": Entry(
            "archloom.strategies.successive_halving:Asha", "asynchronous successive halving (Li et al. 2020)"
        ),
        "bohb": Entry(
            "archloom.strategies.bohb.strategy:Bohb",
            "BOHB: Hyperband that learns where to search (Falkner et al. 2018)",
        ),
        "hyperband": Entry("archloom.strategies.successive_halving:Hyperband", "Hyperband (Li et al. 2018)"),
        "pbt_nas": Entry(
            "archloom.strategies.population.pbt_nas:PbtNas", "PBT-NAS: networks that train together and trade layers"
        ),
        "searl": Entry(
            "archloom.strategies.population.searl:Searl", "a population that trains and mutates, as SEARL's does"
        ),
        "random_population": Entry(
            "archloom.strategies.population.random_population:RandomPopulation",
            "random networks trained in a population's chunks",
        ),
        "given": Entry(
            "archloom.strategies.population.given:Given", "architectures that you give, trained (archloom train)"
        ),
        "mobo": Entry(
            "archloom.strategies.mobo.strategy:Mobo",
            "NAGO's Bayesian optimisation of several objectives, with Bayesian networks",
            "pymoo",
            "mobo",
        ),
        "qnehvi": Entry(
            "archloom.strategies.qnehvi.strategy:Qnehvi",
            "BoTorch's Bayesian optimisation by noisy expected hypervolume improvement",
            "botorch",
            "botorch",
        ),
        "ga_nas": Entry(
            "archloom.strategies.ga_nas.strategy:GaNas",
            "GA-NAS: a generator learns to draw the best graphs",
            "torch",
            "train",
        ),
        "cadam": Entry("archloom.strategies.cadam:Cadam", "CADAM: a DDPG agent over architecture parameters"),
        "ddas": Entry(
            "archloom.strategies.ddas.strategy:Ddas", "DDAS: a DDPG agent over a supernet that trains with it"
        ),
    },
)

DEFAULT_STRATEGY = "graph_bo"
"""The strategy of a search that names none."""

TASKS = Registry(
    "task",
    "archloom.tasks",
    {
        "images": Entry("archloom.tasks.images.task:ImagesTask", "classify images", "torch", "train"),
        "gan": Entry("archloom.tasks.gan:GanTask", "train generators of images", "torch", "train"),
        "control": Entry(
            "archloom.tasks.control.task:ControlTask",
            "train agents on an environment",
            "torch",
            "control",
            form="control:ENVIRONMENT",
        ),
    },
)
"""What `--on NAME:DATA` trains on: each target has `Options` and `open(data, options, environ)`."""

EVALUATORS = Registry(
    "evaluator",
    "archloom.evaluators",
    {
        "fitted": Entry(
            "archloom.problems.fitted:FittedSource",
            "a model fitted to a table (its name, or FILE.npz), on its complete space",
            form="fitted:TABLE",
        ),
        "supernet": Entry(
            "archloom.problems.supernet:SupernetSource",
            "paths of a supernet that was trained before, measured with its shared weights",
            "torch",
            "train",
        ),
        "supernet_training": Entry(
            "archloom.problems.supernet:SupernetTrainingSource",
            "paths of a supernet that trains while it is searched",
            "torch",
            "train",
        ),
        "proxy": Entry(
            "archloom.problems.proxy:ProxySource",
            "zero-cost proxies: scores of untrained networks (synflow, naswot, jacob_cov ...)",
            "torch",
            "train",
            form="proxy:NAME[+NAME]",
        ),
        "table": Entry(
            "archloom.problems.tabular:AnyTable", "any table in archloom's format, with --table FILE", form="table"
        ),
    },
)
"""What else `--on NAME` or `--on NAME:DATA` opens: each target is a `problems.spec.ProblemSource`."""

TRAINED = Entry("archloom.problems.task:TaskSource", "networks trained on a task")
OWN_FILE = Entry("archloom.problems.own_file:OwnFile", "a problem of your own", form="FILE.py")
BENCHMARK = Entry("archloom.problems.tabular:BenchmarkSource", "a benchmark by its name, or a space with a table")
IN_MEMORY = Entry("archloom.problems.in_memory:InMemory", "a Problem made in Python")

BENCHMARK_KINDS: Mapping[str, Entry] = {
    "table": Entry("archloom.problems.tabular:open_table", "a table"),
    "surrogate": Entry("archloom.problems.surrogate:open_surrogate", "a surrogate's file or folder", "numba", "nb301"),
}
"""Functions that open the file of a benchmark, by `Benchmark.kind`, given the spec, the space's name and the path."""


def forms() -> list[str]:
    """What `--on` may be besides the name of a benchmark, as users type it."""
    tasks = [entry.form or f"{name}:DATA" for name, entry in TASKS.items()]
    others = [entry.form or f"{name}:DATA" for name, entry in EVALUATORS.items()]
    return [*tasks, *others, "a file of yours, NAME.py"]


def load_task(name: str) -> Any:
    """The class of a task; InputError if an installed package declares something that is none."""
    found = TASKS.load(name)
    missing = [part for part in _OF_TASKS if not hasattr(found, part)]
    if missing:
        raise InputError(
            f"task {name!r} is {getattr(found, '__qualname__', type(found).__name__)}, which has no "
            f"{', '.join(missing)}: see tasks.base.SuppliedTask for what --on {name}:DATA needs; a task without these "
            "can be searched on from a file, with archloom.TaskProblem"
        )
    return found


_OF_TASKS = ("Options", "open", "named", "final_options")
"""What every class of a task has."""


def load_space(name: str) -> Any:
    """The class of a search space."""
    return SPACES.load(name)


def load_strategy(name: str) -> Any:
    """The class of a strategy."""
    return STRATEGIES.load(name)
