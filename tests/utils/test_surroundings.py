from __future__ import annotations

import builtins
import gc
import locale
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.utils.surroundings import Surroundings
from archloom.utils.user_files import RunningCode, UserFile

CHANGES: dict[str, tuple[str, Callable[[], Any]]] = {
    "folder": ("import os; os.chdir('/')", os.getcwd),
    "our variables": ("import os; os.environ['ARCHLOOM_DATA'] = '/x'", lambda: os.environ.get("ARCHLOOM_DATA")),
    "a variable of ours removed": (
        "import os; os.environ.pop('HOME', None)",
        lambda: os.environ["OMP_NUM_THREADS"],
    ),
    "a new variable": ("import os; os.environ['RAY_ADDRESS'] = 'x'", lambda: "RAY_ADDRESS" in os.environ),
    "path": ("import sys; sys.path.insert(0, '/x'); sys.path = ['/y']", lambda: list(sys.path)),
    "a module": ("import sys; sys.modules['json'] = None", lambda: sys.modules["json"]),
    "a module removed": ("import sys; del sys.modules['json']", lambda: sys.modules["json"]),
    "python's generator": ("import random; random.seed(0)", random.getstate),
    "numpy's generator": ("import numpy; numpy.random.seed(0)", lambda: np.random.get_state()[1].tolist()),  # type: ignore[index] # noqa: NPY002
    "a handler": (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
        lambda: signal.getsignal(signal.SIGINT),
    ),
    "a timer": ("import signal; signal.alarm(1000)", lambda: signal.getitimer(signal.ITIMER_REAL)),
    "filters": ("import warnings; warnings.simplefilter('ignore')", lambda: list(warnings.filters)),
    "showing warnings": ("import warnings; warnings.showwarning = print", lambda: warnings.showwarning),
    "output": ("import sys; sys.stdout = None", lambda: sys.stdout),
    "a hook": ("import sys; sys.excepthook = print", lambda: sys.excepthook),
    "numpy's errors": ("import numpy; numpy.seterr(all='raise')", np.geterr),
    "umask": ("import os; os.umask(0o777)", lambda: (found := os.umask(0o22), os.umask(found))[0]),
    "nesting": ("import sys; sys.setrecursionlimit(400)", sys.getrecursionlimit),
    "locale": ("import locale; locale.setlocale(locale.LC_ALL, 'C.UTF-8')", lambda: locale.setlocale(locale.LC_ALL)),
    "a builtin": ("import builtins; builtins.open = None", lambda: builtins.open),
    "collector": ("import gc; gc.disable()", gc.isenabled),
}


@pytest.mark.parametrize(("text", "look"), CHANGES.values(), ids=CHANGES.keys())
def test_what_a_file_changes_is_not_ours(
    tmp_path: Path, text: str, look: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = look()
    (tmp_path / "mine.py").write_text(f"{text}\ndef evaluate():\n    {text}\n")
    module = UserFile(tmp_path / "mine.py").load()
    assert look() == before
    if text not in (CHANGES[name][0] for name in ("a module", "a module removed", "a builtin", "collector")):
        with RunningCode.of(tmp_path / "mine.py").inside():
            module.evaluate()
        kept_once = ("python's generator", "numpy's generator", "a timer")
        assert look() == before or text in (CHANGES[name][0] for name in kept_once)
    signal.alarm(0)


def test_a_file_that_fails_has_changed_nothing(tmp_path: Path) -> None:
    home = Path.cwd()
    with pytest.raises(ZeroDivisionError), Surroundings().loading():
        os.chdir(tmp_path)
        _ = 1 / 0
    assert Path.cwd() == home


def test_code_finds_its_surroundings_as_loading_left_them_each_time(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/numbers.txt").write_text("17")
    (tmp_path / "mine.py").write_text(
        "import os, numpy, pathlib\nos.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data'))\n"
        "os.environ['OMP_NUM_THREADS'] = '3'\nos.environ['MINE'] = 'x'\nnumpy.seterr(over='raise')\n"
        "def evaluate():\n    found = pathlib.Path('numbers.txt').read_text(), os.environ['OMP_NUM_THREADS']\n"
        "    os.chdir('/')\n    os.environ['OMP_NUM_THREADS'] = '4'\n"
        "    return *found, os.environ['MINE'], numpy.geterr()['over']\n"
    )
    module = UserFile(tmp_path / "mine.py").load()
    for _ in range(2):
        with RunningCode.of(tmp_path / "mine.py").inside():
            assert module.evaluate() == ("17", "3", "x", "raise")
    del os.environ["MINE"]


def test_the_folder_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "mine.py").write_text("def evaluate(): return 1\n")
    module = UserFile(tmp_path / "mine.py").load()
    (tmp_path / "here").rmdir()
    with RunningCode.of(tmp_path / "mine.py").inside():
        assert module.evaluate() == 1


def test_pytorchs_defaults_are_the_users_own(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text(
        "import torch\ntorch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\n"
        "torch.set_default_device('meta')\n"
        "def evaluate(): return torch.ones(1).dtype, torch.is_grad_enabled(), torch.ones(1).device.type\n"
    )
    module = UserFile(tmp_path / "mine.py").load()
    assert (torch.ones(1).dtype, torch.is_grad_enabled(), torch.ones(1).device.type) == (torch.float32, True, "cpu")
    with RunningCode.of(tmp_path / "mine.py").inside():
        assert module.evaluate() == (torch.float64, False, "meta")
    assert (torch.ones(1).dtype, torch.is_grad_enabled(), torch.ones(1).device.type) == (torch.float32, True, "cpu")
