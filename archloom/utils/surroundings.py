"""What a process shares among all its code: a user's code has its own, and whatever it changes there is not ours."""

from __future__ import annotations

import builtins
import gc
import locale
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

OUR_VARIABLES = (
    "ARCHLOOM_CACHE", "ARCHLOOM_DATA", "ARCHLOOM_TRACEBACK", "HOME", "LOCALAPPDATA", "MKL_NUM_THREADS",
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH", "PYTHONHASHSEED", "PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH",
    "PYTHONWARNINGS", "RAY_ADDRESS", "TMPDIR", "XDG_CACHE_HOME",
)  # fmt: skip
"""The environment variables that change what archloom and its processes do. All others are left to users."""

_STREAMS = ("stdin", "stdout", "stderr", "excepthook", "displayhook", "breakpointhook", "unraisablehook")
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD", "SIGALRM", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class Surroundings:
    """The surroundings of a user's code: as its loading left them, whenever it runs.

    They are the working directory, the environment variables that concern archloom, `sys.path`, standard streams and
    hooks, signal handlers, warnings' filters, numpy's error handling, PyTorch's defaults, the umask, the locale and how
    deep calls may be nested.
    """

    def __init__(self) -> None:
        self._theirs: Mapping[str, Any] | None = None

    @contextmanager
    def loading(self) -> Iterator[None]:
        """A context for loading the code: how it leaves the process are its surroundings from then on.

        Afterwards the process is what it was before. So are modules that were replaced, builtins, the global
        generators, timers and the garbage collector.
        """
        modules, names = dict(sys.modules), dict(vars(builtins))
        generators = random.getstate(), np.random.get_state()  # noqa: NPY002 - other code may use it
        collects, timer = gc.isenabled(), signal.getitimer(signal.ITIMER_REAL)[0]
        ours = self._enter()
        try:
            yield
        finally:
            left = _restore(ours)
            # Only the handlers that the code set: ours may change by the time it runs, and tell Ctrl-C then.
            set_by_it = {name: h for name, h in left["handlers"].items() if ours["handlers"].get(name) != h}
            self._theirs = {**left, "handlers": set_by_it}
            replaced = {name: module for name, module in modules.items() if sys.modules.get(name) is not module}
            sys.modules.update({name: module for name, module in replaced.items() if not _is_users(name)})
            vars(builtins).update(names)
            random.setstate(generators[0])
            np.random.set_state(generators[1])  # noqa: NPY002
            (gc.enable if collects else gc.disable)()
            if not timer:
                signal.setitimer(signal.ITIMER_REAL, 0.0)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A context for running the code in its own surroundings, the same each time."""
        ours = self._enter()
        try:
            yield
        finally:
            _restore(ours)

    def _enter(self) -> dict[str, Any]:
        """Set what is theirs; what is ours. Not `sys.path`, on which others look too, and not the streams."""
        ours = _state()
        if self._theirs is not None:
            _restore({name: value for name, value in self._theirs.items() if name not in ("places", "streams")}, ours)
        return ours


def _is_users(name: str) -> bool:
    return name.startswith("archloom.utils.user_code.")


def _state() -> dict[str, Any]:
    return {name: get() for name, (get, _) in _PARTS.items()}


def _restore(wanted: Mapping[str, Any], found: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Set what is different from what is wanted; all as it was before, which may be `found` already."""
    found = _state() if found is None else found
    for name, value in wanted.items():
        if found[name] != value:
            with suppress(OSError, ValueError, RecursionError, locale.Error):
                _PARTS[name][1](value)
    return found


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return None


def _go(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _variables() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in OUR_VARIABLES}


def _set_variables(wanted: Mapping[str, str | None]) -> None:
    for name, value in wanted.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _set_places(wanted: list[str]) -> None:
    sys.path[:] = wanted


def _streams() -> dict[str, Any]:
    return {name: getattr(sys, name) for name in _STREAMS}


def _set_streams(wanted: Mapping[str, Any]) -> None:
    for name, stream in wanted.items():
        setattr(sys, name, stream)


def _handlers() -> dict[str, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}  # no other thread can change one
    found = {name: signal.getsignal(getattr(signal, name)) for name in _SIGNALS}
    return {name: handler for name, handler in found.items() if handler is not None}


def _set_handlers(wanted: Mapping[str, Any]) -> None:
    for name, handler in wanted.items():
        signal.signal(getattr(signal, name), handler)


def _warnings() -> tuple[list[Any], Any]:
    return list(warnings.filters), warnings.showwarning


def _set_warnings(wanted: tuple[list[Any], Any]) -> None:
    with suppress(AttributeError):
        warnings._filters_mutated()  # type: ignore[attr-defined]
    warnings.filters[:] = wanted[0]  # type: ignore[index]
    warnings.showwarning = wanted[1]


def _set_errors(wanted: Mapping[str, Any]) -> None:
    np.seterr(**wanted)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _torch() -> Any:
    """Of PyTorch, if it is imported: its default type and device, and whether gradients are computed."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_device"):
        return None
    return torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()


def _set_torch(wanted: Any) -> None:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    kind, device, gradients = wanted or (torch.float32, None, True)
    torch.set_default_dtype(kind)
    torch.set_default_device(device if device is None or device.type != "cpu" else None)
    torch.set_grad_enabled(gradients)


_PARTS: Mapping[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "folder": (_folder, _go),
    "variables": (_variables, _set_variables),
    "places": (lambda: list(sys.path), _set_places),
    "streams": (_streams, _set_streams),
    "handlers": (_handlers, _set_handlers),
    "warnings": (_warnings, _set_warnings),
    "errors": (np.geterr, _set_errors),
    "umask": (_umask, os.umask),
    "torch": (_torch, _set_torch),
    "locale": (lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
    "nesting": (sys.getrecursionlimit, sys.setrecursionlimit),
}
