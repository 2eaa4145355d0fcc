"""The wheel with its base dependencies and with each extra alone: what each is for runs, from an empty folder.

    python -m benchmarks.extras                              base and every extra, on this Python; half an hour
    python -m benchmarks.extras --python python3.13 --extra base --extra plots
    python -m benchmarks.extras --constraints constraints.txt
    python -m benchmarks.extras --smoke                      the commands of base, in this environment

Every environment is made afresh; packages come from wherever pip finds them. `tests/test_extras.py` checks the same
from the sources alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
BASE = "base"

FILES: Mapping[str, str] = {
    "worth.py": """import archloom
space = archloom.Categorical({"x": [1, 2, 3], "y": [0, 5]})
problem = archloom.Problem(space, lambda choices, rng: {"worth": choices["x"] + choices["y"]}, {"worth": "max"})
""",
    "two.py": """import archloom
space = archloom.Space({"x": archloom.Real(0.0, 1.0), "y": [0, 5]})
both = {"worth": "max", "cost": "min"}
problem = archloom.Problem(space, lambda c, rng: {"worth": c["x"] + c["y"], "cost": c["x"] ** 2}, both)
""",
    "hyper.py": """import archloom, ConfigSpace
space = ConfigSpace.ConfigurationSpace({"lr": (0.1, 1.0), "kind": ["a", "b"]}, seed=0)
problem = archloom.Problem(space, lambda choices, rng: {"worth": float(choices["lr"])}, {"worth": "max"})
""",
    "images.py": """import numpy, sys
images = numpy.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=numpy.uint8)
numpy.savez("own.npz", images=images, labels=numpy.arange(60) % 2)
""",
    "walk.py": """import archloom.envs.incremental, archloom.envs.nb101, archloom.envs.darts, os
if data := os.environ.get("ARCHLOOM_DATA"):
    archloom.envs.make("nb301", table=f"{data}/nb301_surrogate.npz").reset(seed=0)
""",
    "events.py": """import archloom.agents.training_log, pathlib
archloom.agents.training_log.TrainingLog(pathlib.Path(), tensorboard=True).close()
""",
    "render.py": """from archloom.tasks.control.environments import EnvironmentSettings, open_environment
for name in ("cartpole_balance", "gym:Pendulum-v1"):
    open_environment(name, 0, EnvironmentSettings(pixels=name == "cartpole_balance")).reset()
""",
    "ensemble.py": "import archloom.evaluators.surrogates.xgb_ensemble, xgboost\n",
    "folder.py": """from PIL import Image
import os
for name in ("a", "b"):
    os.makedirs(f"folder/{name}")
    for i in range(9):
        Image.new("L", (8, 8), i).save(f"folder/{name}/{i}.png")
""",
}

_TRAIN = "--queries 1 --set task.epochs=1 --set task.batch_size=4 --set task.steps_per_epoch=1 --quiet"
_GAN = "--set task.samples=10 --set space.channels=4 --set space.discriminator_channels=4 --set space.latent=12"
_SEARCH = "archloom search random"
_FEW = "--set initial=4 --set batch=2"

COMMANDS: Mapping[str, Sequence[str]] = {
    BASE: ("archloom doctor", "archloom list", f"{_SEARCH} --on worth.py --queries 4 --out run --quiet",
           "archloom best run", "archloom export run -o best.json"),
    "train": ("python images.py", f"{_SEARCH} --on images:./own.npz --set space.width=4 --out run {_TRAIN}",
              "archloom evaluate run", "python folder.py",
              f"{_SEARCH} --on images:./folder --set space.width=4 --out second {_TRAIN}",
              "archloom search ga_nas --on worth.py --queries 4 --out third --quiet"),
    "images": (f"{_SEARCH} --on images:digits --set space.width=4 --out run {_TRAIN}",
               f"{_SEARCH} --on images:mnist5k --set space.width=4 --set task.size=8 --out second {_TRAIN}"),
    "gan": ("python images.py", f"{_SEARCH} --on gan:./own.npz --out run {_TRAIN} {_GAN}"),
    "plots": (f"{_SEARCH} --on worth.py --queries 4 --out run --quiet", "archloom plot run -o run.png"),
    "bench": (f"{_SEARCH} --on nb201 --queries 4 --out run --quiet",
              f"{_SEARCH} --on nbgraph:cora --queries 4 --out second --quiet",
              "archloom list nb101", "archloom list darts"),
    "envs": ("python walk.py",),
    "nb301": ("archloom list darts", "python ensemble.py"),
    "mobo": (f"archloom search mobo --on two.py --queries 8 {_FEW} --out run --quiet",),
    "botorch": (f"archloom search qnehvi --on two.py --queries 8 {_FEW} --out run --quiet",),
    "configspace": (f"{_SEARCH} --on hyper.py --queries 4 --out run --quiet",),
    "control": ("python render.py",),
    "onnx": ("python images.py", f"{_SEARCH} --on images:./own.npz --set space.width=4 --out run {_TRAIN}",
             "archloom export run -o net.onnx"),
    "ray": (f"{_SEARCH} --on worth.py --queries 4 --out run --quiet --ray",),
    "tensorboard": ("python events.py",),
}  # fmt: skip
"""What each extra is for, as commands in an empty folder with `FILES`."""


def wheel(folder: Path) -> Path:
    """The project's wheel, built in a folder."""
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT], check=True)
    return next(folder.glob("archloom-*.whl"))


def install(python: str, folder: Path, wheel: Path, extra: str, constraints: Path | None) -> Path:
    """A new environment with the wheel and one extra; the folder of its programs."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    what = str(wheel) if extra == BASE else f"{wheel}[{extra}]"
    limits = [] if constraints is None else ["-c", str(constraints)]
    subprocess.run([folder / "bin" / "pip", "install", "-q", *limits, what], check=True)
    return folder / "bin"


def failures(programs: Path, extra: str) -> list[str]:
    """The commands of an extra that fail, with the last line of what they print."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, content in FILES.items():
            Path(folder, name).write_text(content, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment["ARCHLOOM_CACHE"] = str(Path(folder, "cache"))
        for command in COMMANDS[extra]:
            program, *words = command.split()
            line = [str(programs / program), *words]
            done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                found.append(f"{command}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="a Python to install into; repeatable")
    parser.add_argument("--extra", action="append", choices=COMMANDS, help="repeatable; by default all of them")
    parser.add_argument("--constraints", type=Path, help="a file of versions for pip")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    rows = []
    if given.smoke:
        rows.append({"python": sys.executable, "extra": BASE, "failures": failures(Path(sys.executable).parent, BASE)})
    else:
        with tempfile.TemporaryDirectory() as folder:
            built = wheel(Path(folder))
            for python in given.python or [sys.executable]:
                for extra in given.extra or COMMANDS:
                    place = Path(folder, f"{Path(python).name}-{extra}")
                    programs = install(python, place, built, extra, given.constraints)
                    rows.append({"python": python, "extra": extra, "failures": failures(programs, extra)})
                    if not given.json:
                        print(f"{python} {extra}: {rows[-1]['failures'] or 'right'}", flush=True)
    if given.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
