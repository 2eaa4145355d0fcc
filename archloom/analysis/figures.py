"""What all plots share: colours and style, an empty figure, and saving.

matplotlib is imported when a figure is drawn, through its object-oriented interface only: no window, no global state.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from archloom.analysis.stats import Floats
from archloom.errors import InputError, MissingExtraError
from archloom.utils.files import replace_file
from archloom.utils.text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#B8860B", "#4B3F92", "#000000")
"""Distinguishable with any colour vision (after Okabe & Ito 2008, with the yellow darkened for lines on white)."""
INK = "#444444"
FAINT = "#BBBBBB"

_STYLE: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": "DejaVu Sans", "font.size": 10, "axes.titlesize": 11, "axes.labelsize": 10,
        "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "grid.color": "#E5E5E5", "grid.linewidth": 0.6,
        "axes.axisbelow": True, "text.usetex": False, "text.parse_math": False, "axes.formatter.useoffset": False,
        "legend.frameon": True, "legend.framealpha": 0.9, "legend.edgecolor": "#DDDDDD", "pdf.fonttype": 42,
        "svg.hashsalt": "archloom", "savefig.dpi": 200, "figure.dpi": 100,
    }
)  # fmt: skip


# -- saving -------------------------------------------------------------------------------------------------------

_METADATA: Mapping[str, Mapping[str, None]] = MappingProxyType(
    {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
)
"""Suffix -> metadata to omit from the file, so that the same figure gives the same bytes."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as .png, .pdf or .svg: whole or not at all.

    InputError, and nothing written, for another suffix, a missing folder, or a file that cannot be written.
    """
    kind = check_path(path)
    content = io.BytesIO()
    if missing := _missing_characters(figure):
        warnings.warn(f"{path}: the plot's font lacks {' '.join(missing)}, which are drawn as boxes", stacklevel=2)
    with styled():
        figure.savefig(content, format=kind, metadata=dict(_METADATA[kind]))
    try:
        replace_file(path, content.getvalue())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a file that can be written with -o") from error


def check_path(path: Path) -> str:
    """The format that a path implies; InputError if no plot can be written there. Call it before the work."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in _METADATA:
        raise InputError(f"{path}: expected a name that ends in {', '.join('.' + known for known in _METADATA)}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it or give another path")
    return kind


# -- drawing ------------------------------------------------------------------------------------------------------


@contextmanager
def styled() -> Iterator[None]:
    """archloom's style, while a figure is drawn or written; MissingExtraError without matplotlib."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise MissingExtraError("matplotlib", "plots", "plotting") from None
    style: Any = dict(_STYLE)  # matplotlib's types list every key
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # `save` says it once, for all characters
        yield


def _missing_characters(figure: Figure) -> list[str]:
    """The characters that the font cannot show, each once."""
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.text import Text

    font = get_font(findfont(_STYLE["font.family"]))
    every: list[Any] = figure.findobj(Text)
    used = {character for text in every for character in text.get_text() if not character.isspace()}
    return sorted(character for character in used if not font.get_char_index(ord(character)))


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, whose layout keeps everything inside."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.07)  # type: ignore[union-attr,call-arg]
    return figure


FARTHEST = 1e150
"""Larger values are drawn here: products of two coordinates must stay finite."""
_FLAT = 1e-9
"""Ranges below this share of their values are due to rounding, and have no ticks of their own."""


def drawable(values: Floats) -> Floats:
    """The values with those that are too large to be drawn at the edge of what can be; NaN stays."""
    return np.clip(values, -FARTHEST, FARTHEST)


def limits(values: Sequence[float], room: float = 0.06) -> tuple[float, float]:
    """The limits of an axis that shows these values, with some room on both sides as a share of their range."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    more = room * (high - low) if high - low > _FLAT * size else 0.01 * size
    return low - (more or 1.0), high + (more or 1.0)


def caption(figure: Figure, titles: Sequence[str], lines: Sequence[str]) -> None:
    """Titles above a figure and, below it, notes in small print; each starts a new line and is wrapped."""
    above, below = (int(figure.get_figwidth() * letters) for letters in (11, 15.5))  # in an inch
    figure.suptitle("\n".join(wrapped(title, above) for title in titles), fontsize=11)
    text = "\n".join(wrapped(line, below) for line in lines)
    figure.supxlabel(text, x=0.012, ha="left", fontsize=7.5, color=INK, linespacing=1.35)


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most so many characters."""
    return "\n".join(textwrap.wrap(one_line(text), width, break_on_hyphens=False))


def sentence(text: str) -> str:
    """The string with a capital letter at the beginning and a full stop at the end."""
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
