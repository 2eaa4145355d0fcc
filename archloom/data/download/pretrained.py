"""Published weights of networks that no package brings: where they are on this machine, and how to get them.

They are looked for in the folder `ARCHLOOM_DATA`, then in the cache, where `fetch` puts them. A file that is found
must have the published SHA-256, because the numbers of another network would look plausible.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from archloom.data.cache import DATA_VARIABLE, cache_dir, make_folder
from archloom.data.download.fetch import Digests, FetchError, download, wrong_digests
from archloom.data.progress import Progress
from archloom.errors import InputError, unknown
from archloom.utils.contents import refuse_web_page
from archloom.utils.files import replacing


@dataclass(frozen=True)
class Pretrained:
    """A file of published weights. `digest_note` says who vouches for its SHA-256."""

    name: str
    title: str
    file_name: str
    url: str
    sha256: str
    digest_note: str
    size_bytes: int
    licence: str

    @property
    def size(self) -> str:
        return f"{self.size_bytes / 1e6:.0f} MB"


PRETRAINED: Mapping[str, Pretrained] = {
    weights.name: weights
    for weights in (
        Pretrained(
            name="inception",
            title="Inception-v3 of December 2015, for FID and the Inception Score",
            file_name="weights-inception-2015-12-05-6726825d.pth",
            url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
            sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            digest_note="its first eight digits are in the name that its publisher gave it, by PyTorch's convention; "
            "several public projects report all of it",
            size_bytes=95_628_359,
            licence="Apache-2.0",
        ),
    )
}


def find(name: str) -> Pretrained:
    """What is known about these weights; InputError that suggests the nearest name."""
    if name not in PRETRAINED:
        raise unknown("weights", name, PRETRAINED)
    return PRETRAINED[name]


def place(name: str, environ: Mapping[str, str]) -> Path | None:
    """The path of the file, unchecked; None if it is not on this machine."""
    known = find(name)
    folders = [Path(environ[DATA_VARIABLE])] if environ.get(DATA_VARIABLE) else []
    files = [folder / known.file_name for folder in (*folders, cache_dir(environ))]
    return next((file for file in files if file.is_file()), None)


def locate(name: str, environ: Mapping[str, str]) -> Path:
    """The file of these weights, verified; InputError if it is missing or not the published one."""
    known, file = find(name), place(name, environ)
    if file is None:
        raise InputError(
            f"weights {name!r} ({known.title}) are not on this machine; archloom data fetch {name} gets them "
            f"({known.size}), or put {known.file_name} into the folder {DATA_VARIABLE}"
        )
    refuse_web_page(file)
    return _check(known, file)


def fetch(
    name: str,
    environ: Mapping[str, str],
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> Path:
    """Download weights into the cache, verify them and return the path; an existing file is kept.

    The next call resumes an interrupted download. FetchError if it fails or the file is not the published one.
    """
    known = find(name)
    target = make_folder(cache_dir(environ)) / known.file_name
    try:
        return download(known.url, target, sha256=known.sha256, progress=progress, notify=notify)
    except FetchError as error:
        raise FetchError(
            f"{error}; by hand: {known.url}, then archloom data fetch {name} --file {known.file_name}"
        ) from error


def add(name: str, file: Path, environ: Mapping[str, str]) -> Path:
    """Verify a file of weights that is already here, copy it into the cache, and return its path there."""
    known = find(name)
    if not file.is_file():
        raise InputError(f"--file {file}: there is no such file")
    refuse_web_page(file)
    _check(known, file)
    target = make_folder(cache_dir(environ)) / known.file_name
    with file.open("rb") as source, replacing(target) as copy:
        shutil.copyfileobj(source, copy)
    return target


def _check(known: Pretrained, file: Path) -> Path:
    wrong = wrong_digests(file, Digests(sha256=known.sha256))
    if wrong:
        raise InputError(f"{file}: {wrong} ({known.digest_note}); download it again: archloom data fetch {known.name}")
    return file
