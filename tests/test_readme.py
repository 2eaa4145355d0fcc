"""The README's code, run as it is written there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from archloom.cli.main import VERBS, app
from archloom.registry import STRATEGIES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


Printed = Callable[[str], str]


def blocks(mark: str, page: str = README) -> list[str]:
    """The code blocks that follow `<!-- mark -->`."""
    return re.findall(rf"<!-- {re.escape(mark)} -->\n```\w+\n(.*?)```", page, re.DOTALL)


def archloom(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    import shlex

    command = [sys.executable, "-m", *shlex.split(line)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """What code prints that is run as a script in an empty folder, and in this process: another one would take seconds
    to import PyTorch."""
    monkeypatch.chdir(tmp_path)

    def run(code: str) -> str:
        capsys.readouterr()
        exec(compile(code, "example", "exec", dont_inherit=True), {"__name__": "__main__"})
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("number", range(2))
def test_python_examples(number: int, data_dir: Path, printed: Printed) -> None:
    code = blocks("python")
    assert len(code) == 2
    said = printed(code[number])
    if number == 0:
        assert re.search(r"\|.*\| \d+\.\d+ rank \d+", said)


DOCUMENTED = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in sorted((ROOT / "docs").glob("*.md"))
    for number, code in enumerate(blocks("python", page.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("code", DOCUMENTED)
def test_python_examples_of_the_pages(
    code: str, data_dir: Path, printed: Printed, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba", reason="the cell spaces need the extra bench")
    monkeypatch.setenv("ARCHLOOM_CACHE", str(shared_cache))
    assert printed(code)


def test_a_space_and_objective_of_ones_own(tmp_path: Path) -> None:
    (source,) = blocks("file: my_problem.py")
    (tmp_path / "my_problem.py").write_text(source)
    (command,) = blocks("console")
    done = archloom(f"{command.strip()} --json --out run", tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert run["queries"] == 30
    assert run["best"]["arch"].startswith("width=")
    assert set(run["best"]["report"]) == {"test_accuracy"}


def test_a_strategy_of_ones_own(data_dir: Path, tmp_path: Path) -> None:
    (source,) = blocks("file: my_strategy.py")
    (tmp_path / "my_strategy.py").write_text(source)
    (command,) = blocks("console of my_strategy.py")
    done = archloom(f"{command.strip()} --json --out run", tmp_path)
    assert done.returncode == 0, done.stderr
    by_label = {result["label"]: result for result in json.loads(done.stdout)["results"]}
    assert by_label["mine"]["options"] == {"candidates": "200"}
    assert by_label["mine"]["mean"] > by_label["random"]["mean"]


def test_a_task_of_ones_own(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    (source,) = blocks("file: my_task.py")
    (tmp_path / "my_task.py").write_text(source)
    (command,) = blocks("console of my_task.py")
    done = archloom(f"{command.strip()} --json --out run", tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert (run["queries"], run["failed"]) == (24, 0)
    assert run["best"]["value"] < 0.5, "a constant has a loss of 0.5: it has learned"


def test_every_command_shown_exists() -> None:
    """Verbs, options and strategies in the README's console blocks are those of the command line."""
    lines = re.findall(r"^(?:\$ )?archloom (.+)$", README, re.MULTILINE)
    assert len(lines) > 10
    for line in lines:
        verb, *words = line.partition("#")[0].split()
        assert verb in VERBS, line
        context = app.make_context("archloom", [verb, "--help"], resilient_parsing=True)
        command = app.get_command(context, verb)
        if isinstance(command, click.Group):
            command = command.get_command(context, words[0])
        assert command is not None, line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
    for name in STRATEGIES:
        assert f"`{name}`" in README, f"strategy {name} is not in the README"


def test_extras_named_in_the_readme_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in re.findall(r"archloom\[(\w+)\]", README):
        assert extra in project["optional-dependencies"], extra


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
