from __future__ import annotations

from archloom.cli.exit_codes import Exit


def test_the_codes_are_those_that_the_readme_names() -> None:
    assert {code.name: int(code) for code in Exit} == {
        "DONE": 0, "FAILURES": 1, "BAD_INPUT": 2, "STOPPED": 3, "INTERRUPTED": 130,
    }  # fmt: skip
