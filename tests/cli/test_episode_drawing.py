from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from archloom.cli.episode_drawing import Drawing, drawing_options
from archloom.errors import InputError


def parsed(*arguments: str) -> Drawing:
    """What a command with the options makes of these arguments."""
    found: list[Drawing] = []

    @click.command()
    @drawing_options
    def command(drawing: Drawing) -> None:
        found.append(drawing)

    command.main(list(arguments), standalone_mode=False)
    (drawing,) = found
    return drawing


def test_what_is_typed() -> None:
    assert parsed() == Drawing(None, "improvement")
    assert parsed("-o", "a.png") == Drawing(Path("a.png"), "improvement")
    assert parsed("--output", "a.svg", "--figure", "ends") == Drawing(Path("a.svg"), "ends")
    with pytest.raises(InputError, match=r"--figure queries: expected a file to draw it into; add -o FILE\.png"):
        parsed("--figure", "queries")


def test_nothing_asked_for_is_nothing_drawn() -> None:
    unused: Any = None
    Drawing(None, "no such figure").check()
    Drawing(None, "no such figure").save(unused, unused, unused)


@pytest.mark.parametrize(
    ("target", "kind", "says"),
    [
        ("a.png", "querys", "unknown figure 'querys'; did you mean 'queries'"),
        ("a.jpg", "ends", r"a\.jpg: expected a name that ends in \.png"),
        ("nowhere/a.png", "ends", "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_drawn_fails_before_the_work(
    target: str, kind: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says):
        Drawing(Path(target), kind).check()
    Drawing(Path("a.svg"), "improvement").check()
    assert list(tmp_path.iterdir()) == []
