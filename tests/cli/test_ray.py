"""--ray, --ray-address and --gpus as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from archloom.runs.record import read_lines
from archloom.workers import guard

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="evaluating on Ray needs the extra ray")

SLOW = """
import time
import archloom
from pathlib import Path

def evaluate(choices):
    if not Path(__file__).with_name("hurry").exists():
        time.sleep(0.2)
    return float(sum(choices.values()))

problem = archloom.Problem(
    archloom.Categorical({"a": list(range(9)), "b": list(range(9))}), evaluate, {"score": "max"}
)
"""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    path = tmp_path / "slow.py"
    path.write_text(SLOW)
    return path


def recorded(folder: Path) -> int:
    return len(read_lines(folder)) if (folder / "trials.jsonl").exists() else 0


def cluster_of(child: subprocess.Popen[str]) -> Path:
    """The folder of a run's cluster."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        words = entry.read_bytes().split(b"\0")
        if guard.__file__.encode() in words and f"PPid:\t{child.pid}\n" in (entry.parent / "status").read_text():
            return Path(os.fsdecode(words[words.index(guard.__file__.encode()) + 1]))
    raise AssertionError("there is no guard")


def gone(cluster: Path) -> bool:
    return not cluster.exists() and not list(guard.processes(str(cluster)))


def answers(folder: Path) -> list[tuple[int, str, dict[str, float]]]:
    return sorted((line.id, line.arch, line.scores) for line in read_lines(folder))


@needs_ray
@pytest.mark.skipif(not Path("/proc/self/fdinfo").is_dir(), reason="processes are found by /proc")
def test_a_cluster_ends_with_its_driver_however_that_ends_and_the_run_goes_on(
    cli: Any, slow: Path, process: Any, wait_until: Callable[..., None]
) -> None:
    folder = cli.home / "run"
    asked = ("search", "random", "--on", slow, "--queries", 40, "--width", 2)
    on_ray = ("--workers", 2, "--ray")
    with process("-m", "archloom", *asked, *on_ray, "--out", folder) as child:
        wait_until(lambda: recorded(folder) >= 3, child)
        cluster = cluster_of(child)
        assert list(guard.processes(str(cluster)))
        child.kill()
        child.wait()
        wait_until(lambda: gone(cluster))
    with process("-m", "archloom", "resume", folder, *on_ray, "--json") as child:
        before = recorded(folder)
        wait_until(lambda: recorded(folder) >= before + 3, child)
        cluster = cluster_of(child)
        os.killpg(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=60)
        assert child.returncode == 130 and out == ""
        assert err.splitlines() == [
            "",
            f"archloom: interrupted; everything finished so far is on disk; continue with: archloom resume {folder}",
        ]
        wait_until(lambda: gone(cluster))
    slow.with_name("hurry").touch()
    assert len(read_lines(folder)) < 40
    done = cli("resume", folder, "--json")
    assert done.code == 0 and json.loads(done.out)["runs"][0]["queries"] == 40
    assert cli(*asked, "--out", "whole").code == 0
    assert answers(folder) == answers(cli.home / "whole")


@needs_ray
@pytest.mark.skipif(not Path("/proc/self/fdinfo").is_dir(), reason="processes are found by /proc")
def test_a_training_on_ray_leaves_no_processes_after_ctrl_c_and_goes_on_anywhere(
    cli: Any, small_table: Path, process: Any, wait_until: Callable[..., None]
) -> None:
    pytest.importorskip("torch", reason="agents need the extra train")
    from archloom.agents.training_log import read_log
    from archloom.learners.agent_file import load_agent

    folder = cli.home / "agent"
    settings = {"width": 8, "heads": 2, "walkers": 8, "max_neighbours": 12, "learning_starts": 60, "batch_size": 16,
                "sync_delay": 20, "log_steps": 50, "steps": 10**9}  # fmt: skip
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    asked = ("agent", "train", "--on", "nb201", "--table", small_table, "--quiet", "--out", folder, *words)
    with process("-m", "archloom", *asked, "--ray", "--workers", 2, "--shards", 2) as child:
        log = folder / "log.csv"
        wait_until(lambda: log.exists() and log.read_bytes().count(b"\n") > 4, child)
        cluster = cluster_of(child)
        assert list(guard.processes(str(cluster)))
        os.killpg(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=60)
        assert child.returncode == 130 and out == ""
        assert err.splitlines()[-1] == (
            "archloom: interrupted; what was learned so far is on disk; continue with: archloom agent resume "
            f"{folder} --ray --workers 2 --shards 2"
        )
        wait_until(lambda: gone(cluster))
    row, card = read_log(folder)[-1], load_agent(folder / "agent.safetensors").card
    assert 0 < row.steps <= card.steps and row.updates > 0
    assert cli("resume", folder, "--set", f"steps={card.steps + 300}", "--quiet").code == 0
    assert card.steps + 300 <= load_agent(folder / "agent.safetensors").card.steps < card.steps + 300 + 8
    assert read_log(folder)[-1].updates > row.updates


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--workers", 4], "--workers 4: an agent is trained in this process alone unless it is on Ray; add --ray"),
        (["--shards", 2], "--shards 2: an agent is trained in this process alone"),
        (["--gpus", 0.5], "--gpus 0.5: an agent is trained in this process alone"),
        (["--ray", "--shards", 0], "shards=0: expected at least 1"),
        (["--ray", "--workers", 0], "--workers 0: expected at least 1"),
        (["--ray", "--workers", 129], "workers=129: expected at most walkers=128"),
        (["--ray-address", "localhost:1"], "--ray-address localhost:1: there is no Ray"),
    ],
)
def test_where_no_agent_can_be_trained(cli: Any, small_table: Path, options: list[object], says: str) -> None:
    pytest.importorskip("torch", reason="agents need the extra train")
    if "--ray-address" in options and find_spec("ray") is None:
        pytest.skip("evaluating on Ray needs the extra ray")
    words = ("agent", "train", "--on", "nb201", "--table", small_table, "--set", "max_neighbours=12")
    cli.refuses(*words, *options, says=[says])
    cli.refuses(*words, "--out", "mine", *options, says=[says])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--gpus", 0.5], "--gpus 0.5: only Ray assigns GPUs; add --ray, or --ray-address ADDRESS"),
        (["--ray-address", ""], "--ray-address '': expected HOST:PORT or auto"),
        (["--ray", "--gpus", -1], "gpus=-1.0: expected a share of one GPU"),
        (["--ray", "--workers", 0], "--workers 0: expected at least 1"),
    ],
)
def test_what_is_refused(cli: Any, slow: Path, options: list[object], says: str) -> None:
    cli.refuses("search", "random", "--on", slow, *options, says=[says])


@needs_ray
@pytest.mark.parametrize("verb", [["search", "random"], ["search", "random", "--seeds", 2], ["compare", "random"]])
def test_a_cluster_that_is_not_there(cli: Any, slow: Path, verb: list[object]) -> None:
    cli.refuses(
        *verb, "--on", slow, "--ray-address", "localhost:1", says=["--ray-address localhost:1: there is no Ray"]
    )
