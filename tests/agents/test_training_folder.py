import msgspec
import pytest

from archloom.agents.training_folder import MANIFEST, NOTHING, STATE, Manifest, is_training, read_manifest, stamp
from archloom.errors import InputError, StoreError
from archloom.utils.documents import write_sealed
from archloom.utils.files import replace_file

BEGUN = Manifest(
    format=1, mark="m", version="0.1.0", on="nb201", table=None, metric="accuracy", data_name="t", data_sha256="0" * 64,
    options={"steps": 100}, seed=3, tensorboard=False,
)  # fmt: skip


def test_what_a_training_was_begun_with_comes_back(tmp_path):
    assert not is_training(tmp_path)
    write_sealed(tmp_path / MANIFEST, msgspec.to_builtins(BEGUN))
    assert is_training(tmp_path)
    found = read_manifest(tmp_path)
    assert (found.mark, found.on, found.options, found.seed) == ("m", "nb201", {"steps": 100}, 3)


def test_folders_that_hold_no_training_or_a_changed_one(tmp_path):
    with pytest.raises(InputError, match="holds no training"):
        read_manifest(tmp_path)
    path = tmp_path / MANIFEST
    write_sealed(path, msgspec.to_builtins(BEGUN))
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    with pytest.raises(StoreError, match="its checksum does not match"):
        read_manifest(tmp_path)
    write_sealed(path, {**msgspec.to_builtins(BEGUN), "format": 9})
    with pytest.raises(StoreError, match="has format 9, and this archloom reads up to 1: update archloom"):
        read_manifest(tmp_path)
    path.write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        read_manifest(tmp_path)


def test_a_newer_format_is_told_before_what_is_new_in_it(tmp_path):
    (tmp_path / MANIFEST).write_text('{"format": 2, "devices": 8}')
    with pytest.raises(StoreError, match="has format 2, and this archloom reads up to 1: update archloom"):
        read_manifest(tmp_path)


def test_the_stamp_changes_with_every_file_that_is_replaced(tmp_path):
    assert stamp(tmp_path) == stamp(tmp_path / "none") == NOTHING
    seen = {stamp(tmp_path)}
    for name in (MANIFEST, STATE, STATE):
        replace_file(tmp_path / name, b"same")
        seen.add(stamp(tmp_path))
    assert len(seen) == 4
