"""Looking at a run may run code: that of its problem's file, and functions that its options name.

A run folder can come from anybody. So when it is only looked at, a problem's file is run if it is what it was when the
run was started, and a function that an option names is called if whoever looks says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from archloom.errors import InputError
from archloom.problems.spec import ProblemSpec
from archloom.runs.manifest import pinned_files, request_of
from archloom.utils.user_files import UserFile, changed_since


def check_code(path: Path, manifest: Mapping[str, Any], trust: bool = False, given: Collection[str] = ()) -> None:
    """InputError if opening the problem of a run would run code that it should not, unless `trust`.

    `given` are the task's options that whoever looks has given.
    """
    request = request_of(path, manifest)
    check_called(path, request.problem, trust, given)
    file = request.problem.source.file
    if trust or file is None or not file.is_file():
        return
    code = UserFile(file).hashes()
    known = pinned_files(request, manifest)
    changed = changed_since({name: digest for name, digest in known.items() if name in code}, again=True)
    if changed is not None:
        raise InputError(
            f"{changed} has changed since {path} was started, and this would run it: put the old file back, or add "
            "--trust to run it as it is now"
        )


def check_called(path: Path, spec: ProblemSpec, trust: bool, given: Collection[str] = ()) -> None:
    """InputError for a function that a problem's options name, and nobody who is here has given, unless `trust`."""
    called = {name: function for name, function in spec.source.called(spec).items() if name not in given}
    if called and not trust:
        name, function = next(iter(called.items()))
        raise InputError(
            f"{path} names code to call, task.{name}={function}: if you trust whoever made this run, add --trust"
        )
