"""Connecting to Ray clusters, and what goes wrong."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archloom.errors import InputError, MissingExtraError
from archloom.workers import cluster
from archloom.workers.pool import WorkerError


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A module in the place of Ray, which records what is asked of it."""
    fake = SimpleNamespace(calls=[], resources={"CPU": 2.0})
    fake.is_initialized = lambda: False
    fake.init = lambda **how: fake.calls.append(how)
    fake.shutdown = lambda: fake.calls.append("shutdown")
    fake.cluster_resources = lambda: fake.resources
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return fake


def raises(error: Exception) -> Callable[..., Any]:
    def init(**how: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise error

    return init


def test_a_cluster_of_this_machine_lives_as_long_as_it_is_used(fake: SimpleNamespace) -> None:
    with cluster.connected(None, 3, 0.0):
        (how,) = fake.calls
        folder = Path(how["_temp_dir"])
        assert how["address"] == "local" and how["num_cpus"] == 3 and folder.is_dir()
        assert len(f"{folder}/session_2026-11-22_11-07-15_104258_1234567/sockets/plasma_store") <= 103
        fake.is_initialized = lambda: True
        with cluster.connected("10.0.0.1:6379", 1, 0.0):
            assert len(fake.calls) == 1, "a connection that is there is used"
    assert fake.calls[1:] == ["shutdown"] and not folder.exists()


def test_gpus_that_are_not_there(fake: SimpleNamespace) -> None:
    with pytest.raises(InputError, match=r"--gpus 0.5: Ray sees 0 GPUs on this machine; omit --gpus"):
        cluster.connected("local", 1, 0.5).__enter__()
    assert fake.calls[1:] == ["shutdown"]
    fake.resources["GPU"] = 1.0
    with cluster.connected("local", 2, 0.5):
        pass


def test_ray_that_cannot_start(fake: SimpleNamespace) -> None:
    before = signal.getsignal(signal.SIGTERM)
    fake.init = raises(RuntimeError("no\n space "))
    with pytest.raises(WorkerError, match=r"^Ray cannot start on this machine: no space$"):
        cluster.connected(None, 1, 0.0).__enter__()
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_cluster_of_the_environment_is_used(fake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    fake.init = raises(ConnectionError("Could not find any running Ray instance."))
    with pytest.raises(
        InputError, match=r"--ray-address auto: .*\(Could not find any running Ray instance\); start one"
    ):
        cluster.connected(None, 1, 0.0).__enter__()


def test_an_address_where_nothing_answers_is_told_at_once(fake: SimpleNamespace) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(
            InputError, match=rf"--ray-address {address}: there is no Ray cluster to connect to .*refused"
        ):
            cluster.connected(address, 1, 0.0).__enter__()
    assert fake.calls == []


def test_an_address_where_something_answers_is_rays_to_judge(fake: SimpleNamespace) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with cluster.connected(f"127.0.0.1:{server.getsockname()[1]}", 1, 4.0):
            assert "num_cpus" not in fake.calls[0]


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'archloom\[ray\]'"):
        cluster.connected(None, 1, 0.0).__enter__()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "The actor died.\n\tpid: 7\nThe actor is dead because its worker process has died. Worker exit type: "
            "SYSTEM_ERROR Worker exit detail: Worker exits. End of file. Some common causes include: (1) this",
            "Worker exits. End of file (SYSTEM_ERROR)",
        ),
        ("\x1b[36mray::Worker.__init__()\x1b[39m\n  File x\nModuleNotFoundError: No module named 'archloom'\n",
         "ModuleNotFoundError: No module named 'archloom'"),
        ("", "RuntimeError"),
        ("x" * 1000, "x" * 200 + "..."),
    ],
)  # fmt: skip
def test_what_ray_says_of_a_death_is_kept_to_a_line(text: str, cause: str) -> None:
    assert cluster.cause_of_death(RuntimeError(text)) == cause
