"""Cleans up after a local Ray cluster, whatever happens to the process that started it.

Run as a script with the cluster's folder, by a process that holds the other end of its standard input. When that is
closed, deliberately or because the process died, all remaining processes of the cluster are killed and the folder is
removed. Ray's own daemons end with their parent, but two agents stay for another minute, and the folder forever.

    python -I -S guard.py FOLDER
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROUNDS = 40
PAUSE_S = 0.05


def main(folder: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for us
    sys.stdin.buffer.read()
    for _ in range(ROUNDS):  # repeatedly: dying processes may have started others
        left = list(processes(folder))
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            shutil.rmtree(folder, ignore_errors=True)  # into which a process that has not died yet may still write
            if not Path(folder).exists():
                return
        time.sleep(PAUSE_S)
    shutil.rmtree(folder, ignore_errors=True)


def processes(folder: str) -> Iterator[int]:
    """The processes of the cluster: they write into its folder, and their command line names the folder or Ray.

    No other process may be killed: one that reads a log does not write, and one that was forked from the cluster's
    parent, with its open files, has another command line. Without /proc nothing is found, and Ray's daemons end on
    their own.
    """
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            command = (entry / "cmdline").read_bytes()
            if (command.startswith(b"ray::") or folder.encode() in command) and _writes(entry, folder):
                yield int(entry.name)


def _writes(process: Path, folder: str) -> bool:
    for file in (process / "fd").iterdir():
        with suppress(OSError):
            if str(file.readlink()).startswith(f"{folder}/"):
                flags = (process / "fdinfo" / file.name).read_text().split("flags:")[1].split()[0]
                if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
                    return True
    return False


if __name__ == "__main__":
    main(sys.argv[1])
