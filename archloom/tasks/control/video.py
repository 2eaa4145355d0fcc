"""Episodes as videos: GIF with what the extra `control` brings, MP4 with imageio-ffmpeg."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import InputError, MissingExtraError
from archloom.tasks.control.frames import Picture
from archloom.utils.files import check_target, replace_file

FASTEST_GIF = 50.0
"""Pictures per second: viewers show what is meant to be faster at 10."""


def check_video(path: Path) -> None:
    """InputError for a file that cannot be written here, before there is anything to write."""
    check_target(path, "video", _ENCODERS)
    if find_spec("imageio") is None:
        raise MissingExtraError("imageio", "control", "writing a video")
    if path.suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise InputError(f"video {path}: MP4 needs the package imageio-ffmpeg: pip install imageio-ffmpeg, or use .gif")


def write_video(path: Path, pictures: Iterable[Picture], rate: float) -> None:
    """Write pictures (h, w, 3), of which there must be one, as a video of `rate` pictures per second.

    The file appears whole or not at all. Pictures are omitted from a GIF that would be too fast for viewers.
    """
    check_video(path)
    replace_file(path, _ENCODERS[path.suffix](pictures, rate))


def _gif(pictures: Iterable[Picture], rate: float) -> bytes:
    every = int(np.ceil(rate / FASTEST_GIF))
    hundredths = max(2, round(100 * every / rate))
    return _encoded(islice(pictures, 0, None, every), ".gif", plugin="pillow", duration=10 * hundredths, loop=0)


def _mp4(pictures: Iterable[Picture], rate: float) -> bytes:
    return _encoded(pictures, ".mp4", plugin="FFMPEG", fps=rate, macro_block_size=2)


def _encoded(pictures: Iterable[Picture], extension: str, **how: Any) -> bytes:
    import imageio.v3 as imageio

    content: bytes = imageio.imwrite("<bytes>", np.stack(list(pictures)), extension=extension, **how)
    return content


_ENCODERS: Mapping[str, Callable[[Iterable[Picture], float], bytes]] = {".gif": _gif, ".mp4": _mp4}
