"""What tests of several rooms share: the real tables where there are any, small problems with known answers, and a
command line to type into."""

from __future__ import annotations

import gc
import hashlib
import importlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from archloom.data.tables import Table, load_table, save_table
from archloom.errors import InputError, MissingExtraError
from archloom.problems import ProblemSpec
from archloom.registry import STRATEGIES
from archloom.runs.prepare import Preparer, Request

# Tests run beside each other, and sums of floats depend on how many threads share them: PyTorch, imported later than
# this, gets one thread in every process, as the command line gives it.
os.environ["OMP_NUM_THREADS"] = "1"

MEMORY = Path("/dev/shm")
ROOMY = 8_000_000_000
"""Bytes."""

# Tests commit thousands of times, and each waits for a disk a few milliseconds: where memory is a roomy file system, it
# keeps their folders. Nothing here depends on what a disk does after a power cut: that is simulated.
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOMY:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# What tests start imports what others have compiled: compiling it takes each of hundreds of processes 0.2 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A busy machine is no error: the first example may wait for an import.
hypothesis.settings.register_profile("archloom", deadline=None)
hypothesis.settings.load_profile("archloom")

OPERATIONS = ("none", "skip_connect", "nor_conv_3x3")
EDGES = ("0->1", "0->2", "1->2", "0->3", "1->3", "2->3")

PLANTED = """
import archloom
from archloom.testing import PlantedEvaluator, PlantedSpace

problem = archloom.Problem(PlantedSpace(), PlantedEvaluator(), {"worth": "max"})
"""

TRAINED = """
from dataclasses import replace

from archloom.evaluators.train import TrainingEvaluator
from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask
from archloom.testing import PlantedSpace

class Costless(TrainingEvaluator):
    def evaluate(self, *what):
        result, state = super().evaluate(*what)
        return replace(result, cost_s=0.0), state

class Trained(TaskProblem):
    def evaluator(self, scores, report):
        return Costless(self.task, self.space, scores, tuple(dict.fromkeys([*report, *self.task.report])))

problem = Trained(PlantedSpace(), PlantedTask())
"""

EXPERIENCED = """
import zlib
from dataclasses import replace

import numpy as np
import torch

from archloom.checkpoints.experience import Episodes
from archloom.evaluators.train import TrainingEvaluator
from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask, PlantedTraining
from archloom.testing import PlantedSpace
from archloom.utils import seeds

class Experiencing(PlantedTraining):
    read, own = (), ()

    def recall(self, episodes):
        self.read = list(episodes)

    def experience(self):
        return [Episodes.joined(self.own)]

    def train(self, epochs):
        for _ in range(epochs):
            rng = seeds.stream(self._seed, "experience", self.epochs)
            steps = int(rng.integers(2, 5))
            self.own = [*self.own, Episodes(
                rng.random((steps + 1, 2), dtype=np.float32), rng.random((steps, 1), dtype=np.float32),
                rng.random(steps, dtype=np.float32), np.ones(steps, np.float32), np.array([steps]),
            )]
            super().train(1)
            with torch.no_grad():
                for layer in self._weights():
                    layer += 0.01 * np.concatenate([each.rewards for each in [*self.read, *self.own]]).mean()

    def evaluate(self):
        read = b"".join(each.frames.tobytes() for each in self.read)
        return {**super().evaluate(), "files": len(self.read), "digest": zlib.crc32(read)}

class Task(PlantedTask):
    experience_epochs = 6
    report = ("files", "digest")

    def begin(self, arch, seed):
        return Experiencing(arch, seed)

class Costless(TrainingEvaluator):
    def evaluate_with_files(self, *what):
        result, state, left = super().evaluate_with_files(*what)
        return replace(result, cost_s=0.0), state, left

class Trained(TaskProblem):
    def evaluator(self, scores, report):
        return Costless(self.task, self.space, scores, self.task.report)

problem = Trained(PlantedSpace(), Task())
"""


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real tables; skips where ARCHLOOM_DATA names none."""
    folder = os.environ.get("ARCHLOOM_DATA")
    if not folder:
        pytest.skip("ARCHLOOM_DATA is not set: it names the folder with nb201.npz and other real tables")
    return Path(folder)


@pytest.fixture(scope="session")
def real_table(data_dir: Path) -> Callable[[str], Path]:
    """The path of a real table by its name; skips where it is not there."""

    def find(name: str) -> Path:
        path = data_dir / name
        if not path.is_file():
            pytest.skip(f"there is no {name} in ARCHLOOM_DATA")
        return path

    return find


@pytest.fixture(scope="session")
def fashion() -> str:
    """The name of Fashion-MNIST; skips where it is not on this machine."""
    from archloom.data.images.labelled import OFFICIAL, find

    if find(OFFICIAL["fashion"], os.environ, "images-fashion.npz") is None:
        pytest.skip("Fashion-MNIST is not here: apt-get install dataset-fashion-mnist")
    return "fashion"


@pytest.fixture(scope="session")
def nb201_table(real_table: Callable[[str], Path]) -> Table:
    return load_table(real_table("nb201.npz"))


SMALL: Mapping[str, Mapping[str, Any]] = {
    "apex": {"steps": 2, "epsilon": 0.3, "batch": 4},
    "cadam": {"hidden": "16,16", "top_k": 8},
    "ddas": {"explore": 30, "exploit": 90, "hidden": "64,64", "actor_lr": 1e-3, "loss_weight": 0},
    "evolution": {"population": 3, "sample": 2},
    "ga_nas": {
        "initial": 4, "batch_size": 4, "growth": 4, "top_k": 2, "width": 4, "layers": 1, "rounds": 1, "pair_steps": 1,
        "pairs": 4, "updates": 1, "episodes": 4, "epochs": 1, "minibatch": 16,
    },
    "graph_bo": {"random": 32, "rounds": 2},
    **{name: {"population": 4, "epochs": 500, "step": 1} for name in ("pbt_nas", "searl", "random_population")},
}  # fmt: skip
"""Options with which a few queries are enough for a strategy to do all that it does; others have their defaults."""


@dataclass(frozen=True)
class Subject:
    """A registered strategy, its options, and a problem that it can be run on: a table, or networks that train."""

    name: str
    options: Mapping[str, Any]
    problem: ProblemSpec
    trains: bool
    agent_for: Callable[[Any], Path] | None = None

    def options_on(self, space: Any) -> Mapping[str, Any]:
        """The options on another space: of a strategy that needs an agent, with one for that space."""
        return self.options if self.agent_for is None else {**self.options, "checkpoint": str(self.agent_for(space))}


AgentFor = Callable[..., Path]


@pytest.fixture(scope="session")
def agent_for(tmp_path_factory: pytest.TempPathFactory) -> AgentFor:
    """The file of an agent on a space with a known policy: it goes where the sum of `worth` over an encoding's ones is
    largest, and stays where nothing that it is shown is worth more. `worth` (bits,) is at least 0; random by default.
    More arguments are entries of its card."""
    folder = tmp_path_factory.mktemp("agents")
    numbers = itertools.count()

    def made(space: Any, worth: Any = None, **card: Any) -> Path:
        torch = pytest.importorskip("torch", reason="agents need the extra train")
        pytest.importorskip("safetensors", reason="agents need the extra train")
        from archloom.learners.agent_file import AgentCard, save_agent
        from archloom.learners.q_network import NetworkOptions, QNetwork

        bits, rng = space.encoding_bits, np.random.default_rng(0)
        worth = rng.random(bits) if worth is None else np.asarray(worth)
        sizes = NetworkOptions(width=4, layers=1, heads=1, feedforward=1, encoder_layers=1, head_width=1)
        known = {
            "space": space.name, "encoding": space.encoding, "bits": bits, "max_neighbours": 50,
            "network": sizes.to_json(), "options": {}, "on": "planted", "metric": "valid", "data_name": "",
            "data_sha256": "", "steps": 100, "seed": 0, "version": "", **card,
        }  # fmt: skip
        network = QNetwork(bits, known["max_neighbours"] + 1, sizes, rng)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            # A token is (worth, 1, 0, 0) behind the encoder, and the same behind attention and feed-forward, which
            # are zero. The norm scales it; the first of its numbers still grows with worth, and is the advantage.
            network.encoder[0].weight[0] = torch.from_numpy(worth / worth.sum())
            network.encoder[0].bias[1] = 1.0
            network.norm.weight.fill_(1.0)
            first, _, last = network.readout.advantage
            first.weight[0, 0], first.bias[0], last.weight[0, 0] = 1.0, 10.0, 1.0
        path = folder / f"agent-{next(numbers)}.safetensors"
        save_agent(path, network, AgentCard(**known))
        return path

    return made


APART = {"given", "mobo", "qnehvi"}
"""`given` trains the architectures of one space. mobo's contract is among its own tests, with tiny networks. BoTorch's
models take a second for each of thousands of asks."""


@pytest.fixture(params=[name for name in STRATEGIES if name not in APART])
def strategy(request: pytest.FixtureRequest, small_table: Path) -> Subject:
    """Every registered strategy that searches, but for those, for what all promise."""
    entry = STRATEGIES[request.param]
    if entry.package:
        pytest.importorskip(entry.package, reason=f"{request.param} needs the extra {entry.extra}")
    options = SMALL.get(request.param, {})
    if request.param == "apex":
        table = ProblemSpec("nb201", str(small_table))
        agent_for = request.getfixturevalue("agent_for")
        subject = Subject(request.param, options, table, trains=False, agent_for=agent_for)
        return replace(subject, options=subject.options_on(Preparer().scenario(table).space))
    on_table = Request(request.param, ProblemSpec("nb201", str(small_table)), options=options)
    try:
        Preparer().check(on_table)
    except InputError:
        trained = ProblemSpec(str(request.getfixturevalue("trained")))
        return Subject(request.param, options, trained, trains=True)
    return Subject(request.param, options, on_table.problem, trains=False)


@pytest.fixture(scope="session")
def small_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete table of NAS-Bench-201 cells over three operations: 729 rows.

    `valid` is 50, and 1, 2, ... 6 more for a convolution on edge 1, 2, ... 6 (a tenth of that for a skip), so that the
    best cell has convolutions only and is worth 71. `test` is 1 less; `params` counts convolutions; `holes` is `valid`
    without the rows that begin with `none`.
    """
    genes = np.array(list(itertools.product(range(3), repeat=6)))
    weights = np.arange(1, 7)
    valid = 50 + (genes == 2) @ weights + 0.1 * ((genes == 1) @ weights)
    return save_table(
        tmp_path_factory.mktemp("tables") / "small.npz",
        space="nb201",
        gene_names=EDGES,
        options=[OPERATIONS] * 6,
        genes=genes,
        metrics={
            "valid": valid,
            "test": valid - 1,
            "params": (genes == 2).sum(axis=1),
            "holes": np.where(genes[:, 0] == 0, np.nan, valid),
        },
        goals={"valid": "max", "test": "max", "params": "min", "holes": "max"},
        source="made for a test",
        units="percent",
    )


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A problem of a user's own: 4**8 architectures, the best of them worth 100; evaluations always cost 0 seconds."""
    path = tmp_path / "planted.py"
    path.write_text(PLANTED)
    return path


WARM = """
import archloom


class Warm(archloom.BaseStrategy):
    \"\"\"Asks at random for what no earlier run has asked for, and notes what it was handed.\"\"\"

    known, note = frozenset(), None

    def warm_start(self, earlier):
        assert self.note is None
        self.note = [[run.same_problem, *sorted(run.criteria.metrics), len(run.trials)] for run in earlier]
        self.known = {trial.proposal.arch for run in earlier for trial in run.trials}
        assert not any(trial.result.report or trial.result.details for run in earlier for trial in run.trials)

    def propose(self):
        while (arch := self.sample_valid()) in self.known:
            pass
        return archloom.Proposal(arch, note={"earlier": self.note})
"""


@pytest.fixture
def warm(tmp_path: Path) -> str:
    """A strategy of a user's own that takes trials of earlier runs."""
    path = tmp_path / "warm.py"
    path.write_text(WARM)
    return str(path)


HANGING = """
import subprocess, sys, time
import archloom

def evaluate(choices):
    if choices["number"]:
        return 1.0
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
    with open(__file__ + ".pid", "w") as file:
        file.write(str(child.pid))
    print("for ever", flush=True)
    time.sleep(1000)

problem = archloom.Problem(archloom.Categorical({"number": [0, 1, 2]}), evaluate, {"score": "max"})
"""


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """A problem of which number 0 hangs, with a child in a session of its own; `hanging.py.pid` has its id."""
    path = tmp_path / "hanging.py"
    path.write_text(HANGING)
    return path


@pytest.fixture
def is_gone() -> Callable[[Path], bool]:
    """Whether the process whose id a file holds has ended."""

    def gone(file: Path) -> bool:
        stat = Path(f"/proc/{file.read_text()}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"

    return gone


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The same architectures as networks that train, in no time: a layer for each gene. They cost 0 seconds too."""
    pytest.importorskip("torch", reason="training needs the extra train")
    path = tmp_path / "trained.py"
    path.write_text(TRAINED)
    return path


@pytest.fixture
def experienced(tmp_path: Path) -> Path:
    """The same networks, but each collects an episode an epoch, and learns from its own and from those of 6 epochs
    before that it may read: reports say how many files that was, and what was in them."""
    pytest.importorskip("torch", reason="training needs the extra train")
    path = tmp_path / "experienced.py"
    path.write_text(EXPERIENCED)
    return path


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Modules, tests and libraries are there to the end: the garbage collector need not look through them again and
    again, which took it a sixth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


SLOW_TO_MAKE = ("cell_index", "inception_weights", "killer", "nb301_ensemble", "pixels", "two_trainings")
"""Fixtures that take seconds: to compute, or to import what they are made with."""


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """What needs the same slow fixture runs in one process: each would make its own, or wait for the other's.

    xdist writes an item's group behind its id, for the process that deals out the tests: pytest-xdist 3.8 into an
    attribute that pytest 9.2 does not read any more, so that nothing would be grouped.
    """
    for item in items:
        if slow := [name for name in SLOW_TO_MAKE if name in getattr(item, "fixturenames", ())]:
            item.add_marker(pytest.mark.xdist_group(slow[0]))
    try:
        return (yield)
    finally:
        for item in items:
            written = getattr(item, "_nodeid", "")
            if "@" in written and hasattr(item, "_id") and item.nodeid != written:
                item._id = type(item._id).parse(written)


RAY = "ray"
"""The group of tests that share a Ray cluster."""

CLUSTER = pytest.StashKey[ExitStack]()
"""What ends that cluster."""


@pytest.fixture
def ray_cluster(pytestconfig: pytest.Config) -> Any:
    """Two workers on a Ray cluster of this machine: one for all tests of the group `ray`, since it takes seconds to
    start. It ends with the last of them: others find no connection."""
    if find_spec("ray") is None:  # importing it here would make it talkative
        pytest.skip("evaluating on Ray needs the extra ray")
    from archloom.executors.ray import RayCluster

    cluster = RayCluster(2, "local")
    if CLUSTER not in pytestconfig.stash:
        with ExitStack() as opened:
            opened.enter_context(cluster.ready())
            pytestconfig.stash[CLUSTER] = opened.pop_all()
    return cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    try:
        return (yield)
    finally:
        goes_on = nextitem is not None and any(RAY in mark.args for mark in nextitem.iter_markers("xdist_group"))
        if CLUSTER in item.config.stash and not goes_on:
            item.config.stash[CLUSTER].close()
            del item.config.stash[CLUSTER]


Listing = dict[str, bytes | None]


def contents(folder: Path) -> Listing:
    """Every file below a folder with its bytes, every folder with None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def listing() -> Callable[[Path], Listing]:
    return contents


@dataclass(frozen=True)
class CommandResult:
    """What a command said."""

    code: int
    out: str
    err: str


NEEDS = re.compile(r" needs the package ([\w.-]+): pip install")


def skip_without_extra(said: str) -> None:
    """Skip the test if this says that a package is needed which is indeed not installed, as in a base installation."""
    found = NEEDS.search(said)
    package = found[1] if found is not None else ""
    names = {package, package.replace("-", "_")}
    if package and not any(find_spec(name) for name in names) and not installed(package):
        pytest.skip(said.strip())


def installed(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """What needs an extra that is not installed cannot be tested here."""
    try:
        yield
    except MissingExtraError as error:
        skip_without_extra(str(error))
        raise


class CommandLine:
    """Types commands in this process. The tests' own folder is the current one."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    def __call__(self, *arguments: object) -> CommandResult:
        from archloom.cli.main import run

        self._capsys.readouterr()
        with warnings.catch_warnings():  # `run` shows warnings in its own way; put the test's back afterwards
            warnings.simplefilter("always", UserWarning)
            code = run([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        if code:
            skip_without_extra(captured.err)
        return CommandResult(code, captured.out, captured.err)

    def refuses(self, *arguments: object, says: Sequence[str] = ()) -> str:
        """Check that a command is bad input: one line, exit code 2, nothing written. Returns the line."""
        before = contents(self.home)
        said = self(*arguments)
        assert said.code == 2, f"exit code {said.code} for {arguments}: {said}"
        assert said.out == "", f"{arguments} wrote to standard output: {said.out}"
        assert said.err.startswith("archloom: "), said.err
        assert said.err.endswith("\n") and said.err.count("\n") == 1, f"not one line: {said.err!r}"
        assert "Traceback" not in said.err
        for text in says:
            assert text in said.err, f"{text!r} is not in {said.err!r}"
        assert contents(self.home) == before, f"{arguments} changed files"
        return said.err


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in an empty folder, on a machine without tables."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv("ARCHLOOM_DATA", raising=False)
    monkeypatch.setenv("ARCHLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("archloom.data.catalog.package_version", lambda name: None)
    for library in ("OMP", "OPENBLAS", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    return CommandLine(home, capsys)


Process = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


@contextmanager
def _hears_ctrl_c() -> Iterator[None]:
    """What is started here takes SIGINT as from a terminal, even if pytest was started in the background of a shell,
    which has its jobs ignore the signal: that is inherited, while a handler is not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """This process takes SIGINT as from a terminal."""
    with _hears_ctrl_c():
        yield


@contextmanager
def _process(*arguments: object, **how: Any) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with _hears_ctrl_c():
        child = subprocess.Popen(
            [sys.executable, *map(str, arguments)], env=environment, text=True, start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
        )  # fmt: skip
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


@pytest.fixture(scope="session")
def process() -> Process:
    """Starts Python with some arguments in a process group of its own, of which nothing is left afterwards."""
    return _process


HANGS_AFTER_S = 300
"""No test takes as long on any machine, however busy: what is not so by then never will be."""


def _wait_until(so: Callable[[], object], child: subprocess.Popen[Any] | None = None) -> None:
    gives_up = time.monotonic() + HANGS_AFTER_S
    while True:
        alive = child is None or child.poll() is None  # asked first: its last act may make it so
        if so():
            return
        assert alive, "the process ended first"
        assert time.monotonic() < gives_up, "it never comes"
        time.sleep(0.002)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Waits until something is so, which a process, if one is given, must bring about while it lives."""
    return _wait_until


@pytest.fixture(scope="session")
def nb301_weights() -> dict[str, np.ndarray]:
    """A surrogate network of NAS-Bench-301's layout with random weights, which spread its predictions."""
    rng = np.random.default_rng(0)
    edges = [f"edge_{cell}_{edge}" for cell in ("normal", "reduce") for edge in range(14)]
    inputs = [f"inputs_node_{cell}_{node}" for cell in ("normal", "reduce") for node in (3, 4, 5)]
    operations = ["max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3",
                  "dil_conv_5x5"]  # fmt: skip
    layers = {
        "wide_0": (2, 337), "deep_0_1": (512, 337), "deep_1_1": (512, 512), "deep_2_0": (2, 512),
        "deeper_0_1": (256, 337), "deeper_1_1": (256, 256), "deeper_2_1": (128, 256), "deeper_3_1": (128, 128),
        "deeper_4_0": (2, 128),
    }  # fmt: skip
    embeddings = [*[(8, 10)] * 28, *[(4, 6), (7, 10), (11, 12)] * 2]
    arrays: dict[str, np.ndarray] = {f"emb{i}": rng.normal(size=shape) for i, shape in enumerate(embeddings)}
    for name, (out, width) in layers.items():
        arrays[f"{name}_W"] = rng.normal(size=(out, width)) / np.sqrt(width)
        arrays[f"{name}_b"] = 0.1 * rng.normal(size=out)
    return {name: array.astype(np.float32) for name, array in arrays.items()} | {
        "x_columns": np.array(sorted([*edges, *inputs])),
        "op_code": np.array(["#na#", *sorted(operations)]),
        "op_names": np.array(operations),
    }


@pytest.fixture(scope="session")
def nb301_file(nb301_weights: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of that network."""
    pytest.importorskip("numba", reason="DARTS cells need the extra bench")
    path = tmp_path_factory.mktemp("surrogates") / "nb301_surrogate.npz"
    np.savez(path, **nb301_weights)
    return path


@pytest.fixture(scope="session")
def nb301_ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small XGBoost models of random targets in the layout of an official ensemble, saved as UBJSON."""
    xgboost = pytest.importorskip("xgboost", reason="official ensembles need the extra nb301")
    pytest.importorskip("numba", reason="DARTS cells need the extra bench")
    from archloom.evaluators.surrogates.xgb_ensemble import features
    from archloom.spaces.darts import random_genotypes

    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("nb_models") / "xgb_v1.0"
    inputs = features(random_genotypes(300, rng))
    worth = 94 + inputs[:, 32:] @ rng.normal(size=24) / 10
    for seed in range(3):
        place = folder / "20200919-1124" / "xgb" / str(seed)
        place.mkdir(parents=True)
        targets = worth + 0.2 * rng.normal(size=300)
        model = xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(inputs, label=targets), 20)
        model.save_model(place / "surrogate_model.ubj")
        (place / "model_config.json").write_text('{"model": "xgb", "param:max_depth": 4}')
        (place / "data_config.json").write_text('{"seed": 6}')
    return folder


def _scattered(count: int, salt: int) -> np.ndarray:
    """(count,) numbers from 0 to 1 that look random: by integer arithmetic, so that they never change."""
    number = np.arange(count, dtype=np.uint64) + np.uint64(salt * 1_000_003)
    mixed = (number * np.uint64(2_654_435_761)) & np.uint64(0xFFFFFFFF)
    mixed ^= mixed >> np.uint64(16)
    mixed = (mixed * np.uint64(2_246_822_519)) & np.uint64(0xFFFFFFFF)
    mixed ^= mixed >> np.uint64(13)
    return (mixed / 2**32).astype(np.float32)


@pytest.fixture(scope="session")
def scattered() -> Callable[[int, int], np.ndarray]:
    return _scattered


@pytest.fixture(scope="session")
def inception_weights() -> dict[str, Any]:
    """Weights of Inception-v3 in the layout of the published file: made up, of sizes that keep activations in range."""
    torch = pytest.importorskip("torch", reason="training needs the extra train")
    from archloom.metrics.inception import Inception

    shapes = {name: tuple(tensor.shape) for name, tensor in Inception().state_dict().items()}
    weights = {}
    for salt, (name, shape) in enumerate(sorted(shapes.items())):
        values = torch.from_numpy(_scattered(int(np.prod(shape)), salt)).reshape(shape)
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.zeros((), dtype=torch.long)
        elif name.endswith(("running_var", "bn.weight")):
            weights[name] = 0.5 + values
        elif len(shape) > 1:
            weights[name] = (values - 0.5) * (24 / np.prod(shape[1:])) ** 0.5
        else:
            weights[name] = 0.2 * (values - 0.5)
    return weights


@pytest.fixture
def inception_folder(
    inception_weights: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder for ARCHLOOM_DATA with these weights, which count as the published ones meanwhile."""
    import torch

    from archloom.data.download import pretrained

    known = pretrained.PRETRAINED["inception"]
    folder = tmp_path_factory.mktemp("pretrained")
    torch.save(inception_weights, folder / known.file_name)
    digest = hashlib.sha256((folder / known.file_name).read_bytes()).hexdigest()
    monkeypatch.setattr(pretrained, "PRETRAINED", {"inception": replace(known, sha256=digest)})
    return folder


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that all processes of this test run share: for what takes long to make."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def cell_index(shared_cache: Path) -> Any:
    """The neighbour index of NAS-Bench-101, made once: in some 6 seconds where the real table is.

    Two thirds of the work are the hashes that give the cells their order, and the table has that order. The file has to
    have the known SHA-256 whatever it is made from.
    """
    pytest.importorskip("numba", reason="NAS-Bench-101 cells need the extra bench")
    from archloom.data.tables import cell_index as module
    from archloom.spaces.nb101.codes import pack

    table = Path(os.environ.get("ARCHLOOM_DATA", "")) / "nb101_surrogate.npz"
    with pytest.MonkeyPatch.context() as patch:
        if table.is_file():
            patch.setattr(module, "official_codes", lambda: pack(load_table(table).genes))
        return module.open_index({"ARCHLOOM_CACHE": str(shared_cache)})


@pytest.fixture
def study(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a benchmark prints in this process, with one worker: others would take seconds to import PyTorch."""

    def smoke_here(module: str, *words: str) -> Any:
        monkeypatch.setenv("ARCHLOOM_DATA", str(data_dir))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [module, *words, "--smoke", "--json"])
        capsys.readouterr()
        importlib.import_module(f"benchmarks.{module}").main()
        return json.loads(capsys.readouterr().out)

    return smoke_here
