from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from archloom.errors import InputError
from archloom.utils.files import TEMPORARY, check_target, read_file, replace_file, unreadable, why_no_file


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    for content in (b"one", b"another"):
        replace_file(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    replace_file(tmp_path / "file", b"before")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync", fail) if call == "fsync" else (Path, "replace", fail)))
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "file", b"after")
    assert (tmp_path / "file").read_bytes() == b"before"
    assert list(tmp_path.glob(TEMPORARY)) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "none" / "file", b"")
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_readable_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        replace_file(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "file") == read_file(tmp_path / "link") == b"content"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to_fifo").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        for name in ("fifo", "folder", "to_fifo", "socket", "absent"):
            with pytest.raises(OSError) as caught:
                read_file(tmp_path / name)
            assert caught.value.filename == str(tmp_path / name)
    with pytest.raises(OSError, match="no regular file"):
        read_file(Path("/dev/null"))


def test_a_link_may_be_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(OSError, match="symbolic link"):
        read_file(tmp_path / "link", follow=False)
    assert read_file(tmp_path / "file", follow=False) == b"content"


@pytest.mark.parametrize(
    ("code", "cure"),
    [(errno.EACCES, "you may not read it: change its permissions"), (errno.EIO, "restore it from a copy")],
)
def test_what_to_do_about_a_file_that_cannot_be_read(code: int, cure: str) -> None:
    assert str(unreadable(Path("r/run.json"), OSError(code, "No"))) == f"r/run.json: No; {cure}"


def test_what_there_is_in_place_of_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    assert why_no_file(tmp_path) == f"{tmp_path} is a folder; expected a file"
    assert why_no_file(tmp_path / "pipe") == f"{tmp_path}/pipe is no regular file"
    assert why_no_file(tmp_path / "link") == f"{tmp_path}/link is a symbolic link that leads to no file"
    assert why_no_file(tmp_path / "none") == f"there is no file {tmp_path}/none"


def test_a_file_that_cannot_be_written_is_told_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.png").mkdir()
    check_target(tmp_path / "a.png", "--images", [".png", ".gif"])
    for name, said in (
        ("a.txt", r"--images .*a\.txt: expected FILE\.png or FILE\.gif in an existing folder"),
        ("none/a.png", "in an existing folder"),
        ("folder.png", "is a folder; expected a file"),
    ):
        with pytest.raises(InputError, match=said):
            check_target(tmp_path / name, "--images", [".png", ".gif"])
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"a\.png: the folder .* cannot be written; name another"):
        check_target(tmp_path / "a.png", "--images", [".png"])
