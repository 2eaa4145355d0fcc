"""Processes that leave their group, and are ended all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from archloom.workers.descendants import descendants, end_descendants

WaitUntil = Callable[..., None]

# A session of its own; a daemon by a double fork; and a child that starts children for as long as it lives.
SOURCE = """
import os, subprocess, sys, time
from archloom.workers.descendants import adopt_orphans
adopt_orphans()
wait = [sys.executable, "-c", "import time; time.sleep(1000)"]
subprocess.Popen(wait, start_new_session=True)
daemon = f"import subprocess; subprocess.Popen({wait!r}, start_new_session=True)"
subprocess.Popen([sys.executable, "-c", daemon]).wait()
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and subreapers")
def test_everything_that_a_process_started_is_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", SOURCE], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        found = descendants(process.pid)
        assert len(found) == 2 and all(os.getpgid(pid) != process.pid for pid in found)
        end_descendants(process.pid)
        assert descendants(process.pid) == []
        assert process.poll() is None, "it is stopped, not ended"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_what_has_ended_has_no_descendants() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    end_descendants(process.pid)
    assert descendants(process.pid) == []
