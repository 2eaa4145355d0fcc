from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archloom.analysis.figures import COLOURS, caption, new_figure, save, sentence, styled
from archloom.errors import InputError


def drawn() -> Any:
    with styled():
        figure = new_figure(4.0, 3.0)
        figure.add_subplot().plot([0, 1], [1, 2], color=COLOURS[0])
        caption(figure, ["what it shows"], ["a first note", "a second one " * 20])
    return figure


def test_captions_are_wrapped_line_by_line() -> None:
    figure = drawn()
    above, below = figure.get_suptitle(), figure.get_supxlabel()
    assert above == "what it shows"
    first, *rest = below.split("\n")
    assert first == "a first note" and len(rest) > 2 and max(map(len, rest)) <= 62


@pytest.mark.parametrize(
    ("suffix", "head"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml"), ("PNG", b"\x89PNG")]
)
def test_saves_the_same_bytes_twice(suffix: str, head: bytes, tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.{suffix}" for i in range(2)]
    for file in files:
        save(drawn(), file)
    first, second = (file.read_bytes() for file in files)
    assert first.startswith(head)
    assert first == second
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["plot.jpg", "plot", "missing/plot.png"])
def test_a_bad_path_writes_nothing(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra plots")
    with pytest.raises(InputError, match=r"expected a name|no folder"):
        save(drawn(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "said"), [("own problem x.py", "Own problem x.py."), ("A b.", "A b."), ("é", "É.")])
def test_a_sentence(text: str, said: str) -> None:
    assert sentence(text) == said
