"""The command line, in this process."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout

from archloom.cli.exit_codes import Exit
from archloom.cli.main import run


def archloom(*arguments: object) -> None:
    """Run a command, quietly; another process would take seconds to import PyTorch. RuntimeError if it fails."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the command line shows warnings in its own way
        code = run([*map(str, arguments), "--quiet"])
    if code != Exit.DONE:
        raise RuntimeError(f"archloom {' '.join(map(str, arguments))}: exit code {code}")
