"""Nothing that a contract observes depends on global random generators or on the process it is observed in."""

from __future__ import annotations

import importlib.util
import io
import multiprocessing as mp
import os
import pickle
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import reduce
from typing import Any

import numpy as np

PRELOADED = ("numba", "numpy", "scipy.linalg", "scipy.special", "torch")
"""Libraries that a fresh process may have from the beginning: they take seconds to import."""


def check_independent(observe: Callable[[], Any], what: str) -> None:
    """What is observed depends on no global seed, changes no global stream, and is the same in a fresh process."""
    outcomes = []
    for global_seed in (1, 2):
        with _global_seeds(global_seed):
            outcomes.append(observe())
    assert outcomes[0] == outcomes[1], f"{what} depends on a global random seed"
    fresh = in_fresh_process(observe)
    assert fresh == outcomes[0], f"{what} differs in a fresh process"


@contextmanager
def _global_seeds(seed: int) -> Iterator[None]:
    """Seed the global generators; afterwards they must not have been used, and are put back."""
    before = global_states()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the point is to watch it
    if "torch" in before:
        sys.modules["torch"].default_generator.manual_seed(seed)
    expected = global_states()
    try:
        yield
        for name, state in global_states().items():
            # What was first imported meanwhile was not watched.
            assert state == expected.get(name, state), f"the global random generator of {name} was used"
    finally:
        random.setstate(before["random"])
        np.random.set_state(before["numpy"])  # noqa: NPY002
        if "torch" in before:
            torch = sys.modules["torch"]
            torch.set_rng_state(torch.tensor(before["torch"], dtype=torch.uint8))


def global_states() -> dict[str, Any]:
    """The states of the global generators, PyTorch's if it is loaded, in comparable form."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    states: dict[str, Any] = {"random": random.getstate(), "numpy": (kind, np.asarray(keys).tolist(), *rest)}
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].get_rng_state().tolist()
    return states


def in_fresh_process(observe: Callable[[], Any]) -> Any:
    """What `observe` returns in a new interpreter with another hash seed."""
    try:
        task = pickle.dumps(observe)
        reader = _Reader(task, {})
        reader.load()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(
            f"the factory cannot go to a fresh process: define it at module level ({error})"
        ) from error
    with _hash_seed("12345"):
        try:
            with ProcessPoolExecutor(1, mp_context=_context()) as pool:
                return pool.submit(_observe, task, reader.files, dict(os.environ)).result()
        except BrokenProcessPool as error:
            raise AssertionError("the fresh process died; its output is on standard error") from error


@contextmanager
def _hash_seed(seed: str) -> Iterator[None]:
    """Processes that are started meanwhile have this hash seed."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = seed
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def _context() -> Any:
    """How fresh processes are started: on Linux from one that has imported those libraries which are in use here, and
    nothing else. So each is as new as a new interpreter, without waiting for them."""
    if sys.platform != "linux":  # elsewhere not all libraries survive a fork
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload([name for name in PRELOADED if name in sys.modules])
    return context


def _observe(task: bytes, files: Mapping[str, str], environment: Mapping[str, str]) -> Any:
    os.environ.clear()  # what it has may be older
    os.environ.update(environment)
    return _Reader(task, files).load()()


class _Reader(pickle.Unpickler):
    """Reads a factory, and finds modules by their file if their name cannot be imported.

    pytest with `--import-mode=importlib` gives test modules names that another process may not be able to import.
    """

    def __init__(self, task: bytes, files: Mapping[str, str]) -> None:
        super().__init__(io.BytesIO(task))
        self.files = dict(files)

    def find_class(self, module: str, name: str) -> Any:
        if module not in sys.modules and module in self.files and not _importable(module, self.files[module]):
            spec = importlib.util.spec_from_file_location(module, self.files[module])
            assert spec is not None and spec.loader is not None, f"{self.files[module]} cannot be imported"
            sys.modules[module] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[module])
        if module not in sys.modules:
            importlib.import_module(module)
        file = getattr(sys.modules[module], "__file__", None)
        if file is not None:
            self.files[module] = file
        return reduce(getattr, name.split("."), sys.modules[module])


def _importable(module: str, file: str) -> bool:
    """Whether this name imports that very file."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.origin == file
