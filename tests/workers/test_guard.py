"""Who is ended with a local Ray cluster, and who is not."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archloom.workers import guard

if not Path("/proc/self/fdinfo").is_dir():
    pytest.skip("processes are found by /proc", allow_module_level=True)

HOLD = "import sys, time; file = open(sys.argv[1], sys.argv[2]); print(flush=True); time.sleep(60)"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes that hold a file open, and says when they do."""
    started: list[subprocess.Popen[str]] = []

    def hold(file: Path, mode: str, *called: str, executable: str = sys.executable) -> subprocess.Popen[str]:
        command = [executable, "-S", "-c", HOLD, str(file), mode, *called]
        child = subprocess.Popen(command, executable=sys.executable, stdout=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout is not None and child.stdout.readline() == "\n"
        return child

    yield hold
    for child in started:
        child.kill()
        child.communicate()


def test_only_those_that_write_there_and_are_called_so_are_ended(start: Start, tmp_path: Path) -> None:
    folder, link = tmp_path / "cluster", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    (folder / "log").write_text("")
    daemon = start(folder / "log", "a")
    agent = start(link / "log", "a", executable="ray::Agent")
    reader = start(folder / "log", "r")
    forked = start(link / "log", "a")
    assert set(guard.processes(str(folder))) == {daemon.pid, agent.pid}
    watcher = subprocess.Popen([sys.executable, "-I", "-S", guard.__file__, str(folder)], stdin=subprocess.PIPE)
    time.sleep(0.2)
    assert folder.is_dir() and daemon.poll() is None, "as long as its parent lives"
    watcher.communicate(timeout=20)
    assert watcher.returncode == 0 and not folder.exists()
    assert daemon.wait(5) == agent.wait(5) == -9
    assert reader.poll() is None and forked.poll() is None


def test_a_folder_that_is_written_to_while_it_is_removed_is_removed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    real, times = shutil.rmtree, []

    def interrupted(path: str, ignore_errors: bool) -> None:
        real(path, ignore_errors=ignore_errors)
        times.append(path)
        if len(times) == 1:
            (folder / "session").mkdir(parents=True)

    monkeypatch.setattr(guard.shutil, "rmtree", interrupted)
    monkeypatch.setattr(guard.signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    guard.main(str(folder))
    assert times == [str(folder)] * 2 and not folder.exists()
