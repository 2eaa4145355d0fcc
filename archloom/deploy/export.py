"""The best architecture of a run as a file that does not need archloom: `archloom export RUN -o FILE`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from archloom.errors import InputError, MissingExtraError, StoreError
from archloom.runs.record import WEIGHTS, TrialRecord
from archloom.runs.report import RunReport
from archloom.utils.json_text import dumps


@dataclass(frozen=True)
class Format:
    """A kind of file. `content` makes it of the report of a run that has a best architecture; its second argument is
    whether code of the user's that has changed may run. `needs_space`: the report is one with the run's space, opened
    again; others need what is on disk. `check` raises an InputError if this machine cannot write it."""

    content: Callable[[RunReport, bool], bytes]
    needs_space: bool = False
    check: Callable[[], None] = lambda: None


def format_of(target: Path) -> Format:
    """What a file is to contain, by the end of its name; InputError for another one, and if it cannot be written."""
    if target.suffix not in FORMATS:
        raise InputError(f"-o {target}: expected a file ending in {', '.join(FORMATS)}")
    found = FORMATS[target.suffix]
    found.check()
    return found


def provenance(report: RunReport) -> str:
    """One line: which run found it, on what, and its metrics there."""
    request, table, line = report.request, report.scenario.problem.data, report.history.best()
    values = ", ".join(f"{name} {value:.4g}" for name, value in {**line.scores, **line.report}.items()) if line else ""
    where = f" (table {table.name})" if table else ""
    return f"{request.name} on {request.problem.on}{where}, seed {request.seed}: {values}"


def _best(report: RunReport) -> TrialRecord:
    line = report.history.best()
    assert line is not None  # noqa: S101 - see `Format`
    return line


def _source(report: RunReport, trust: bool) -> bytes:
    """The architecture as Python code."""
    from archloom.spaces.base import HasSource
    from archloom.spaces.exports import check_compiles

    space = report.scenario.space
    if not isinstance(space, HasSource):
        raise InputError(f"space {space.name!r} cannot write its networks as code: export to a .json file instead")
    code = space.source(_best(report).trial.proposal.arch, provenance(report))
    check_compiles(code)
    return code.encode()


def _weights(report: RunReport, trust: bool) -> bytes:
    """The trained tensors of the architecture; they fit the network of `make_network()` in the exported code."""
    from archloom.runs.manifest import checkpoints_of

    line, folder = _best(report), _trained(report)
    from archloom.checkpoints.state_file import network_bytes
    from archloom.tasks.supernet.shared import NETWORK as SUPERNET

    state = checkpoints_of(folder).load(line.id)
    if SUPERNET in state.networks:
        raise InputError(
            f"-o FILE.safetensors: trial {line.id} left the weights of a whole supernet, shared by all architectures; "
            "export FILE.py, and train that network"
        )
    return network_bytes(state, provenance(report))


def _trained(report: RunReport) -> Path:
    """The folder of a run that trained networks; InputError for another one."""
    if report.path is not None and os.path.lexists(report.path / WEIGHTS) and not (report.path / WEIGHTS).is_dir():
        raise StoreError(f"{report.path / WEIGHTS} is no folder: restore the folder of checkpoints from a copy")
    if report.path is None or not (report.path / WEIGHTS).is_dir():
        raise InputError(f"nothing was trained on {report.request.problem.on}: export to .py or .json instead")
    return report.path


def _onnx(report: RunReport, trust: bool) -> bytes:
    """The trained network as it is used, with its weights."""
    _trained(report)
    from archloom.deploy.final import open_member
    from archloom.deploy.onnx_file import onnx_bytes
    from archloom.tasks.base import Deployable

    member = open_member(report, trust=trust)
    if not isinstance(member.training, Deployable):
        raise InputError(
            f"task {member.task.name} does not say what its networks take: expected trainings with deployed() (see "
            "archloom.tasks.base.Deployable); export to .safetensors instead"
        )
    return onnx_bytes(member.training.deployed(), {"found_by": provenance(report), "architecture": member.line.arch})


def _check_onnx() -> None:
    for package in ("onnx", "onnxscript"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "onnx", "an ONNX file")


def _record(report: RunReport, trust: bool) -> bytes:
    """The architecture, its genes and its metrics."""
    line = _best(report)
    content = {
        "space": report.scenario.space.name,
        "arch": line.arch,
        "genes": line.genes,
        "scores": line.scores,
        "report": line.report,
        "found_by": provenance(report),
    }
    return (dumps(content, indent=1) + "\n").encode()


FORMATS: Mapping[str, Format] = {
    ".py": Format(_source, needs_space=True),
    ".safetensors": Format(_weights),
    ".onnx": Format(_onnx, needs_space=True, check=_check_onnx),
    ".json": Format(_record),
}
