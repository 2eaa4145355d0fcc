import numpy as np
import pytest

from archloom.agents.saved import load, save
from archloom.errors import StoreError


def test_what_is_saved_comes_back(tmp_path):
    state = {
        "rng": np.random.default_rng(3).bit_generator.state,
        "arrays": {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "none": np.zeros((0, 4), np.float32)},
        "list": [1, 2.5, None, True, {"b": np.array([True, False])}],
        "number": np.float64(0.1),
    }
    save(tmp_path / "state", state, "me")
    found = load(tmp_path / "state", "me")
    assert found["rng"] == state["rng"]
    assert found["number"] == 0.1
    assert found["list"][:4] == [1, 2.5, None, True]
    assert found["list"][4]["b"].dtype == bool
    for name, array in state["arrays"].items():
        assert found["arrays"][name].dtype == array.dtype
        assert np.array_equal(found["arrays"][name], array)


def test_another_owners_state_and_a_damaged_one_are_refused(tmp_path):
    path = tmp_path / "state"
    save(path, {"a": np.arange(100)}, "me")
    with pytest.raises(StoreError, match="another"):
        load(path, "you")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not a complete checkpoint"):
        load(path, "me")
