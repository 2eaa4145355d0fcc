"""`archloom doctor`: what works on this machine, and how to fix what does not."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from archloom.cli import output
from archloom.cli.exit_codes import Exit

EXTRAS = {
    "torch": ("train", "building and training networks"),
    "matplotlib": ("plots", "archloom plot"),
    "analognasbench": ("bench", "the default table of --on nb201"),
    "nas_bench_graph": ("bench", "--on nbgraph:..."),
    "numba": ("bench", "--on nb101, --on nb301 and a faster graph_bo"),
    "google_crc32c": ("bench", "the official files of NAS-Bench-101"),
    "gymnasium": ("envs", "archloom.envs, archloom episodes and archloom agent"),
    "xgboost": ("nb301", "the official ensembles of NAS-Bench-301"),
    "dm_control": ("control", "environments of the DeepMind Control suite"),
    "onnxscript": ("onnx", "archloom export -o FILE.onnx"),
    "ray": ("ray", "--ray and --ray-address"),
    "tensorboard": ("tensorboard", "archloom agent train --tensorboard"),
}


@dataclass(frozen=True)
class Check:
    """One line of the report. A check that fails is a fault only if it is `needed`."""

    ok: bool
    text: str
    needed: bool = False


@click.command()
def doctor() -> int:
    """Check Python, packages, tables and the disk. Exit code 1 if something needed does not work."""

    faults = 0
    for check in (*_python(), *_packages(), *_tables(), *_disk()):
        faults += check.needed and not check.ok
        output.say(f"{'ok  ' if check.ok else ('FAULT' if check.needed else 'no  ')} {check.text}")
    return Exit.FAILURES if faults else Exit.DONE


def _python() -> Iterator[Check]:
    from archloom.runs import record

    versions = record.environment()
    yield Check(sys.version_info >= (3, 11), f"Python {versions['python']} (3.11 or newer)", needed=True)
    yield Check(True, ", ".join(f"{name} {version}" for name, version in versions.items() if name != "python"))
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    yield Check(True, f"{os.cpu_count()} cores; {threads} thread(s) a process (OMP_NUM_THREADS)")


def _packages() -> Iterator[Check]:
    from importlib.util import find_spec

    for module, (extra, purpose) in EXTRAS.items():
        here = find_spec(module) is not None
        cure = "" if here else f": pip install 'archloom[{extra}]'"
        yield Check(here, f"{module} for {purpose}{cure}")


def _tables() -> Iterator[Check]:
    from archloom.data import catalog

    for status in catalog.installed(environ=os.environ):
        where = f"from {status.origin}" if status.origin else "not here: archloom data list shows how to get it"
        yield Check(status.origin is not None, f"{status.benchmark.name} {where}")


def _disk() -> Iterator[Check]:
    """How long a durable write takes in the default folder of runs."""
    where = Path("runs") if Path("runs").is_dir() else Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=where) as file:
            started = time.perf_counter()
            for _ in range(20):
                file.write(b"x" * 512)
                file.flush()
                os.fsync(file.fileno())
            took = (time.perf_counter() - started) / 20
        yield Check(True, f"{where.resolve()} is writable; a durable write takes {1000 * took:.2f} ms", needed=True)
    except OSError as error:
        yield Check(False, f"{where.resolve()} is not writable ({error.strerror}): use --out", needed=True)
