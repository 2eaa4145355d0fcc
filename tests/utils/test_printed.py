from __future__ import annotations

import io
import os
import sys
import tempfile
from typing import Any, cast

import click
import pytest

from archloom.utils.printed import MOST, Memory, MemoryInFile, Printed, echo


def test_only_the_end_is_remembered() -> None:
    memory = Memory()
    for number in range(40_000):
        memory.add(f"{number:05d}\n")
    assert memory.text.endswith("39998\n39999\n") and len(memory.text) == MOST
    memory.add("x" * 3 * MOST)
    assert memory.text == "x" * MOST
    memory.clear()
    assert memory.text == ""


def test_a_stream_is_passed_on_with_all_that_it_has() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "latin-1")
    echoed = echo(cast("Any", stream), Memory())
    echoed.writelines(["a", "\u00e9"])
    echoed.flush()
    assert (echoed.encoding, echoed.buffer.getvalue()) == ("latin-1", b"a\xe9")  # type: ignore[attr-defined]
    assert echo(None, Memory()).write("nowhere") == 7


def test_bytes_are_refused_as_a_text_stream_does(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with Printed() as printed:
        click.echo("through click, which tries bytes first")
        with pytest.raises(TypeError, match="must be str, not bytes"):
            sys.stdout.write(b"")  # type: ignore[arg-type]
    assert printed.text == out.getvalue() == "through click, which tries bytes first\n"


def test_a_worker_remembers_what_was_printed_through_an_older_hold(monkeypatch: Any) -> None:
    out = io.StringIO()
    stream = echo(cast("Any", out), Memory())
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    held = sys.stderr
    sys.stdout.write("before\n")
    with Printed() as printed:
        held.write("through it\n")
        assert printed.text == "through it\n"
    assert out.getvalue() == "before\nthrough it\n"


def test_a_memory_in_a_file_is_there_when_its_process_is_not() -> None:
    with tempfile.TemporaryFile() as file:
        memory = MemoryInFile(file.fileno())
        memory.add("gone")
        memory.clear()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        memory.add("half a surrogate \ud800")
        assert os.pread(file.fileno(), 100, 0) == b"half a surrogate \\ud800"
