"""Standard output is the command's own."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archloom.cli.stdout_guard import stdout_guard
from archloom.runs.record import read_lines


def test_whatever_is_written_meanwhile_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")  # noqa: T201
    with stdout_guard():
        print("python")  # noqa: T201
        os.write(1, b"descriptor\n")
        subprocess.run(["echo", "child"], check=True)
        ctypes.CDLL(None).printf(b"library\n")
    print("after")  # noqa: T201
    os.write(1, b"descriptor again\n")
    sys.stdout.flush()
    out, err = capfd.readouterr()
    assert sorted(out.splitlines()) == ["after", "before", "descriptor again"]
    assert sorted(err.splitlines()) == ["child", "descriptor", "library", "python"]


def test_one_inside_another_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    free = os.dup(1)
    os.close(free)
    with pytest.raises(KeyboardInterrupt), stdout_guard():
        with stdout_guard():
            os.write(1, b"inner\n")
        os.write(1, b"outer\n")
        raise KeyboardInterrupt
    os.write(1, b"after\n")
    assert capfd.readouterr() == ("after\n", "inner\nouter\n")
    again = os.dup(1)
    os.close(again)
    assert again == free, "no descriptor is left open"


def test_without_a_standard_output_descriptor_1_is_somebody_elses(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    with stdout_guard():
        os.write(1, b"a file that got the number\n")
    assert capfd.readouterr() == ("a file that got the number\n", "")


def test_a_standard_output_without_a_descriptor(capsys: pytest.CaptureFixture[str]) -> None:
    with stdout_guard():
        print("python")  # noqa: T201
    assert capsys.readouterr() == ("", "python\n")


CLOSED = """
import os, sys
for number in {closed}:
    os.close(number)
os.execv(sys.executable, [sys.executable, "-m", "archloom", *sys.argv[1:]])
"""
PRINTING = """
import os, archloom

def evaluate(choices):
    print("printed")
    os.write(1, b"written")
    os.system("echo child")
    return float(choices["number"])

problem = archloom.Problem(archloom.Categorical({"number": [0, 1, 2]}), evaluate, {"score": "max"})
"""


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_a_run_without_standard_streams_writes_into_none_of_its_files(tmp_path: Path, closed: tuple[int, ...]) -> None:
    (tmp_path / "printing.py").write_text(PRINTING)
    line = ("search", "random", "--on", "printing.py", "--queries", "3", "--out", "run", "--json")
    command = [sys.executable, "-c", CLOSED.format(closed=closed), *line]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and ended.stdout == "" and "Traceback" not in ended.stderr
    assert sum(line.query is not None for line in read_lines(tmp_path / "run")) == 3, "each line has its checksum"
