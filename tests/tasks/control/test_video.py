"""Episodes as videos."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("imageio", reason="videos need the extra control")
from archloom.errors import InputError
from archloom.tasks.control.video import check_video, write_video


def pictures(count: int) -> list[np.ndarray]:
    """The first is black, the others are brighter and brighter."""
    return [np.full((16, 16, 3), 10 * number, np.uint8) for number in range(count)]


@pytest.mark.parametrize(("rate", "frames", "duration"), [(20.0, 5, 50), (50.0, 5, 20), (60.0, 3, 30), (3.0, 5, 330)])
def test_a_gif_has_the_pace_of_the_environment(tmp_path: Path, rate: float, frames: int, duration: int) -> None:
    from PIL import Image

    path = tmp_path / "walk.gif"
    write_video(path, pictures(5), rate)
    with Image.open(path) as video:
        assert (video.n_frames, video.size) == (frames, (16, 16))
        assert video.info["duration"] == duration and video.info["loop"] == 0
        video.seek(frames - 1)
        assert np.asarray(video.convert("RGB"))[8, 8, 0] == 40
    assert [file.name for file in tmp_path.iterdir()] == ["walk.gif"]


@pytest.mark.parametrize("name", ["walk.avi", "walk", "no-folder/walk.gif"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: expected FILE.gif or FILE.mp4 in an existing folder"):
        check_video(tmp_path / name)


def test_mp4_needs_its_package(tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    if find_spec("imageio_ffmpeg") is None:
        with pytest.raises(InputError, match=r"walk.mp4: MP4 needs the package imageio-ffmpeg: pip install"):
            write_video(path, pictures(5), 20.0)
        assert not path.exists()
    else:
        write_video(path, pictures(5), 20.0)
        assert path.read_bytes()[4:8] == b"ftyp"
