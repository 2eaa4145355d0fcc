"""What GA-NAS notes is what version 0.1.0 wrote, and is read without PyTorch."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from archloom.strategies.ga_nas.note import SetNote


def test_a_sets_notes() -> None:
    assert msgspec.json.encode(SetNote(0, 0).to_note()) == b'{"iteration":0,"draws":0}'
    first = SetNote(2, 1, rho=0.25, js=-0.01, size=3, known={4: 3})
    written = b'{"iteration":2,"draws":1,"rho":0.25,"js":-0.01,"size":3,"known":{"4":3}}'
    assert msgspec.json.encode(first.to_note()) == written
    assert SetNote.of(msgspec.json.decode(written)) == first
    assert SetNote(1, 0, size=8, known={}).to_note() == {"iteration": 1, "draws": 0, "size": 8, "known": {}}


def test_reading_needs_no_pytorch() -> None:
    code = "import sys, archloom.strategies.ga_nas.note; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
