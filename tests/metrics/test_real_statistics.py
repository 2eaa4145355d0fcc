"""Statistics of real images that are computed once."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from archloom.metrics import real_statistics as module  # noqa: E402
from archloom.metrics.frechet import Extractor, Gaussian, Metrics  # noqa: E402
from archloom.metrics.real_statistics import SHOWN, RealImages, keepable, real_statistics  # noqa: E402

COUNT = 600
PIXELS = torch.randint(0, 256, (COUNT, 1, 2, 2), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
REAL = RealImages("digits", PIXELS, "5" * 64)


class Counting(torch.nn.Module):  # type: ignore[misc]
    """Scaled pixels; counts the images that it has seen."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale))
        self.offset = 0.0  # which no parameter tells of
        self.seen = 0

    def forward(self, images: Any) -> Any:
        self.seen += len(images)
        return images.flatten(1) * self.scale + self.offset


def extractor(scale: float = 1.0, code: str | None = "1") -> Extractor:
    return Extractor("counting", Counting(scale).requires_grad_(False), Metrics.of("counting"), code)


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return {"ARCHLOOM_CACHE": str(tmp_path / "cache")}


def kept(environ: Mapping[str, str]) -> list[Path]:
    return sorted(Path(environ["ARCHLOOM_CACHE"]).rglob("*.safetensors"))


def same(one: Gaussian, other: Gaussian) -> bool:
    return bool(torch.equal(one.mean, other.mean) and torch.equal(one.covariance, other.covariance))


def seen(found: Extractor) -> int:
    network: Any = found.network
    count, network.seen = network.seen, 0
    return int(count)


def test_they_are_computed_once(environ: Mapping[str, str]) -> None:
    first, second = extractor(), extractor()
    computed = real_statistics(first, REAL, environ, least_s=0)
    assert same(computed, first.describe([PIXELS[:250].float(), PIXELS[250:500].float(), PIXELS[500:].float()]))
    assert seen(first) == SHOWN + 2 * COUNT
    assert same(computed, real_statistics(second, REAL, environ, least_s=0))
    assert seen(second) == SHOWN
    assert computed.mean.dtype == torch.float64


def test_what_takes_no_time_is_not_kept(environ: Mapping[str, str]) -> None:
    for _ in range(2):
        found = extractor()
        real_statistics(found, REAL, environ, least_s=1e9)
        assert seen(found) == SHOWN + COUNT
    assert not Path(environ["ARCHLOOM_CACHE"]).exists()


@pytest.mark.parametrize(
    ("other", "real"),
    [
        (extractor(scale=2.0), REAL),
        (extractor(code="2"), REAL),
        (replace(extractor(), name="other"), REAL),
        (extractor(), replace(REAL, sha256="6" * 64)),
    ],
    ids=["parameters", "code", "name", "images"],
)
def test_they_are_of_one_extractor_and_one_set_of_images(
    other: Extractor, real: RealImages, environ: Mapping[str, str]
) -> None:
    real_statistics(extractor(), REAL, environ, least_s=0)
    seen(other)
    real_statistics(other, real, environ, least_s=0)
    assert seen(other) == SHOWN + COUNT
    assert len(kept(environ)) == 2


def test_a_version_of_its_own(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for version in (1, 2):
        monkeypatch.setattr(module, "VERSION", version)
        real_statistics(extractor(), REAL, environ, least_s=0)
    assert len(kept(environ)) == 2


def test_code_that_is_not_known_may_change(environ: Mapping[str, str]) -> None:
    unknown = extractor(code=None)
    real_statistics(unknown, REAL, environ, least_s=0)
    assert not kept(environ)
    assert not keepable(unknown, environ)
    assert keepable(extractor(), environ)


def test_an_extractor_that_depends_on_something_else_is_found_out(environ: Mapping[str, str]) -> None:
    real_statistics(extractor(), REAL, environ, least_s=0)
    moved = extractor()
    network: Any = moved.network
    network.offset = 3.0
    with pytest.warns(UserWarning, match="depends on more than its file and its parameters, and is another now: comp"):
        found = real_statistics(moved, REAL, environ, least_s=0)
    assert found.mean.allclose(PIXELS.double().flatten(1).mean(dim=0) + 3)
    assert same(found, real_statistics(moved, REAL, environ, least_s=0)), "now these are kept"


DAMAGES: dict[str, Callable[[Path], object]] = {
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-8]),
    "flipped": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: (path.unlink(), path.mkdir(), path.rmdir(), path.symlink_to(path.parent)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_computed_again(damage: str, environ: Mapping[str, str]) -> None:
    computed = real_statistics(extractor(), REAL, environ, least_s=0)
    (path,) = kept(environ)
    DAMAGES[damage](path)
    with pytest.warns(UserWarning, match=r"damaged \(.*computed again") as said:
        assert same(computed, real_statistics(extractor(), REAL, environ, least_s=0))
    assert sum("computed again" in str(warning.message) for warning in said) == 1, "once, though it is read twice"
    again = extractor()
    assert same(computed, real_statistics(again, REAL, environ, least_s=0))
    assert seen(again) == SHOWN


def test_a_file_of_other_statistics_is_not_taken(environ: Mapping[str, str]) -> None:
    real_statistics(extractor(), REAL, environ, least_s=0)
    (path,) = kept(environ)
    other = replace(REAL, images=PIXELS[:300], sha256="6" * 64)
    expected = real_statistics(extractor(), other, environ, least_s=0)
    (twin,) = set(kept(environ)) - {path}
    twin.write_bytes(path.read_bytes())
    with pytest.warns(UserWarning, match="of other images, or of another extractor: computed again"):
        assert same(expected, real_statistics(extractor(), other, environ, least_s=0))


@pytest.mark.parametrize("place", ["a file in the way", "full"])
def test_without_a_place_to_keep_them_they_are_computed(
    place: str, environ: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "full":
        monkeypatch.setattr("os.fsync", _full)
    else:
        (tmp_path / "cache").write_text("")
        assert not keepable(extractor(), environ)
    reason = r"No space left on device" if place == "full" else "(File exists|Not a directory)"
    with pytest.warns(UserWarning, match=rf"cannot be kept there \({reason}\), .* set ARCHLOOM_CACHE"):
        found = real_statistics(extractor(), REAL, environ, least_s=0)
    assert same(found, real_statistics(extractor(code=None), REAL, environ))
    assert place != "full" or not [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock"][1:]


def _full(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_who_needs_them_at_the_same_time_waits(environ: Mapping[str, str]) -> None:
    extractors, found = [extractor() for _ in range(4)], list[Gaussian]()
    together = threading.Barrier(4)

    def need(own: Extractor) -> None:
        together.wait()
        found.append(real_statistics(own, REAL, environ, least_s=0))

    threads = [threading.Thread(target=need, args=(own,)) for own in extractors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(seen, extractors)) == [SHOWN, SHOWN, SHOWN, SHOWN + COUNT]
    assert all(same(found[0], other) for other in found[1:])


def test_what_a_killed_process_left_goes(environ: Mapping[str, str]) -> None:
    real_statistics(extractor(), REAL, environ, least_s=0)
    (path,) = kept(environ)
    path.unlink()
    left, others = path.with_name(f".{path.name}.abc.tmp"), path.with_name(".other.safetensors.abc.tmp")
    for file in (left, others):
        file.write_bytes(b"half")
    real_statistics(extractor(), REAL, environ, least_s=0)
    assert (left.exists(), others.exists(), path.exists()) == (False, True, True)


def test_how_long_it_takes_is_said_if_that_is_long(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        real_statistics(extractor(), REAL, environ, least_s=0)
    (said,) = [str(each.message) for each in caught]
    assert said == (
        "describing the 600 real images of digits with counting, which generated ones are compared with: about 3 min "
        "more"
    )
