"""What sees to the end of a local Ray cluster, whatever becomes of the process that started it.

Run as a script with the cluster's folder, by a process that keeps the other end of its standard input. When that is
closed, by hand or by death, all processes of the cluster that are left are killed and the folder is removed. Ray's own
daemons end with their parent, but two agents stay for a minute more, and the folder for ever.

    python -I -S ray_guard.py FOLDER
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
    for _ in range(ROUNDS):  # again: what is dying may have started others
        left = list(processes(folder))
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            break
        time.sleep(PAUSE_S)
    shutil.rmtree(folder, ignore_errors=True)


def processes(folder: str) -> Iterator[int]:
    """The processes of the cluster: they write into its folder, and are called by it or by Ray.

    Nobody else may be hit: who looks into a log does not write, and a process that was forked from the cluster's
    parent, with its open files, is not called so. Where there is no /proc nothing is found, and Ray's daemons end on
    their own.
    """
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            called = (entry / "cmdline").read_bytes()
            if (called.startswith(b"ray::") or folder.encode() in called) and _writes(entry, folder):
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
