from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="training states need the extra train")
safetensors = pytest.importorskip("safetensors", reason="state files need the extra train")

from safetensors.torch import load_file, save_file  # noqa: E402 - it needs PyTorch

from archloom.checkpoints.state import Average, Optimiser, TrainingState  # noqa: E402
from archloom.checkpoints.state_file import _CODES, check_content, load_state, save_state  # noqa: E402
from archloom.errors import InputError, MissingExtraError, StoreError  # noqa: E402
from archloom.utils.files import TEMPORARY  # noqa: E402

META = {"archloom": '{"format":1,"networks":{"n":["a"]},"averages":{},"optimisers":{},"arrays":[],"rest":{}}'}


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal type, shape and bits."""
    if a.shape != b.shape:
        return False
    return a.dtype == b.dtype and bits(a) == bits(b)


def bits(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.detach().clone(memory_format=torch.contiguous_format).view(-1).view(torch.uint8).numpy())


def flat(state: TrainingState) -> dict[tuple[str, ...], torch.Tensor]:
    return {
        **{("networks", n, k): t for n, ts in state.networks.items() for k, t in ts.items()},
        **{("averages", n, k): t for n, a in state.averages.items() for k, t in a.tensors.items()},
        **{
            ("slots", n, p, k): t
            for n, o in state.optimisers.items()
            for p, ts in o.slots.items()
            for k, t in ts.items()
        },
        **{("arrays", k): t for k, t in state.arrays.items()},
    }


def check_same(a: TrainingState, b: TrainingState) -> None:
    """Equal in everything: names and their order, bits, plain data."""
    ours, theirs = flat(a), flat(b)
    assert list(ours) == list(theirs)
    assert [key for key in ours if not same(ours[key], theirs[key])] == []
    assert list(a.networks) == list(b.networks)
    assert [(x.of, x.target, x.measured) for x in a.averages.values()] == [
        (x.of, x.target, x.measured) for x in b.averages.values()
    ]
    assert {n: x.groups for n, x in a.optimisers.items()} == {n: x.groups for n, x in b.optimisers.items()}
    assert {n: list(x.slots) for n, x in a.optimisers.items()} == {n: list(x.slots) for n, x in b.optimisers.items()}
    assert repr(a.rest) == repr(b.rest)  # NaN and -0.0 too


def again(path: Path, state: TrainingState) -> TrainingState:
    save_state(path, state)
    return load_state(path)


def example() -> TrainingState:
    torch_rng = torch.Generator().manual_seed(0)
    network = {"z.weight": torch.randn(4, 3, generator=torch_rng), "bias": torch.randn(4, generator=torch_rng)}
    network["bn.num_batches_tracked"] = torch.tensor(7)
    return TrainingState(
        {"net": network, "critic": {"w": torch.ones(2, dtype=torch.bfloat16)}},
        {"ema": Average("net", {name: tensor + 1 for name, tensor in network.items()})},
        {
            "adam": Optimiser(
                [{"lr": 1e-3, "betas": [0.9, 0.999], "amsgrad": False, "foreach": None}],
                {"net.z.weight": {"step": torch.tensor(5.0), "exp_avg": torch.randn(4, 3, generator=torch_rng)}},
            )
        },
        {"stream": torch_rng.get_state()},
        {"epochs": 3, "loss": [0.1, -0.0], "name": "läuft"},
    )


def test_a_whole_state_comes_back(tmp_path: Path) -> None:
    check_same(again(tmp_path / "state", example()), example())
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
@pytest.mark.parametrize("dtype", list(_CODES))
def test_every_type_of_number_comes_back_bit_for_bit(
    tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    width = torch.empty(0, dtype=dtype).element_size()
    raw = np.random.default_rng(1).integers(0, 256, size=math.prod(shape) * width, dtype=np.uint8)  # NaNs among them
    if dtype == torch.bool:
        raw %= 2
    tensor = (
        torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape) if len(raw) else torch.empty(shape, dtype=dtype)
    )
    check_same(again(tmp_path / "state", TrainingState({"n": {"a": tensor}})), TrainingState({"n": {"a": tensor}}))


@pytest.mark.parametrize(
    "state",
    [
        TrainingState({}),
        TrainingState({"n": {}}, {"ema": Average("n", {}, measured=False)}, {"sgd": Optimiser([], {"n.w": {}})}),
        TrainingState({"n": {}}, optimisers={"sgd": Optimiser([{}], {})}, rest={"a": {}, "b": []}),
    ],
)
def test_what_is_empty_stays_empty(tmp_path: Path, state: TrainingState) -> None:
    check_same(again(tmp_path / "state", state), state)


def test_tensors_that_share_memory_or_have_gaps(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(2, 3, 2, 2)
    tensors = {
        "whole": whole,
        "same": whole,
        "part": whole[1],
        "column": whole[:, 1],
        "turned": whole.permute(3, 2, 1, 0),
        "channels_last": whole.to(memory_format=torch.channels_last),
        "repeated": torch.ones(1).expand(5),
        "parameter": torch.nn.Parameter(whole[0]),
        "no_step": torch.ones(()).expand(1),
        "empty": torch.from_numpy(np.ones(0)),
        "transposed_back": whole.view(6, 4).t(),
    }
    read = again(tmp_path / "state", TrainingState({"n": tensors})).networks["n"]
    assert all(same(read[name], tensor) for name, tensor in tensors.items())
    read["whole"].zero_()
    assert same(read["same"], whole)


def test_names_may_hold_any_sign(tmp_path: Path) -> None:
    names = ["a/b", "a%2Fb", "a%b", "a.b", "ä", "a", "", "__metadata__"]
    tensors = {name: torch.tensor(index) for index, name in enumerate(names)}
    state = TrainingState(
        {"n/a": dict(tensors), "n": {"a/a": torch.tensor(1)}},
        {"n/a": Average("n/a", dict(tensors))},
        {"o": Optimiser([], {"n/a": {"b": torch.tensor(1)}, "n": {"a/b": torch.tensor(2)}})},
        dict(tensors),
    )
    check_same(again(tmp_path / "state", state), state)


def test_large_numbers_of_a_generators_state(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rng.random(5)
    read = again(tmp_path / "state", TrainingState({}, rest={"rng": rng.bit_generator.state})).rest["rng"]
    assert read["state"]["state"] > 2**64
    other = np.random.default_rng(0)
    other.bit_generator.state = read
    assert other.random() == rng.random()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**130), 2**130) | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rest=st.dictionaries(st.text(max_size=3), PLAIN, max_size=3))
def test_plain_data_comes_back(tmp_path: Path, rest: dict[str, Any]) -> None:
    assert repr(again(tmp_path / "state", TrainingState({}, rest=rest)).rest) == repr(rest)


def test_a_real_optimisers_settings(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    adam = torch.optim.AdamW([parameter], lr=0.1, betas=(0.0, 0.9))
    groups = [{key: value for key, value in group.items() if key != "params"} for group in adam.param_groups]
    read = again(tmp_path / "state", TrainingState({}, optimisers={"adam": Optimiser(groups, {})}))
    assert read.optimisers["adam"].groups == [{**groups[0], "betas": [0.0, 0.9]}]


def test_any_reader_of_safetensors_reads_it(tmp_path: Path) -> None:
    save_state(tmp_path / "state", example())
    read = load_file(tmp_path / "state")
    assert same(read["networks/net/z.weight"], example().networks["net"]["z.weight"])
    assert set(read) >= {"averages/ema/bias", "optimisers/adam/net.z.weight/step", "arrays/stream"}
    assert len(read) == len(flat(example()))


def test_the_same_state_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_state(tmp_path / name, example())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_tensors_are_aligned_to_their_numbers(tmp_path: Path) -> None:
    tensors = {f"{index}": torch.ones(3, dtype=dtype) for index, dtype in enumerate(_CODES)}
    read = again(tmp_path / "state", TrainingState({"n": tensors})).networks["n"]
    assert all(tensor.data_ptr() % tensor.element_size() == 0 for tensor in read.values())


def test_a_read_state_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "state"
    read = again(path, example())
    read.networks["net"]["z.weight"].zero_()
    check_same(load_state(path), example())
    older = load_state(path)
    save_state(path, TrainingState({}))
    check_same(older, example())
    path.unlink()
    check_same(older, example())


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory of a process is read from /proc")
def test_only_what_is_looked_at_is_read(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    save_state(tmp_path / "state", TrainingState({"n": {"a": torch.ones(2**23), "b": torch.ones(2**23)}}))
    load_state(tmp_path / "state")  # what is imported at the first time
    before = resident()
    state = load_state(tmp_path / "state")
    assert resident() - before < 8e6
    assert state.networks["n"]["a"].sum() == 2**23
    assert 24e6 < resident() - before < 48e6


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (
            TrainingState({}, rest={"a": {"b": [torch.ones(1)]}}),
            r"rest\['a'\]\['b'\]\[0\] .* is of type Tensor: .*arrays",
        ),
        (TrainingState({}, rest={"a": np.int64(1)}), r"rest\['a'\] .* is of type int64: expected numbers"),
        (TrainingState({}, rest={"a": {1: 2}}), r"rest\['a'\] .* has the key 1: keys must be strings"),
        (TrainingState({}, optimisers={"o": Optimiser([{"lr": {1, 2}}], {})}), r"groups of optimiser 'o'\[0\]\['lr'\]"),
        (TrainingState({"n": {"a": torch.ones(2, dtype=torch.complex128)}}), "networks/n/a is a .*complex128"),
        (TrainingState({"n": {"a": torch.ones(2).to_sparse()}}), "networks/n/a is a torch.sparse_coo tensor"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path: Path, state: TrainingState, says: str) -> None:
    path = tmp_path / "state"
    save_state(path, example())
    with pytest.raises(InputError, match=says) as raised:
        save_state(path, state)
    assert "\n" not in str(raised.value)
    check_same(load_state(path), example())
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_failed_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    save_state(path, TrainingState({"n": {"a": torch.ones(3)}}))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="state: No space left on device; the checkpoint was not written"):
        save_state(path, example())
    monkeypatch.undo()
    check_same(load_state(path), TrainingState({"n": {"a": torch.ones(3)}}))
    assert list(tmp_path.glob(TEMPORARY)) == []
    with pytest.raises(StoreError, match="No such file or directory"):
        save_state(tmp_path / "none" / "state", example())


def test_the_file_is_readable_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        save_state(tmp_path / "state", example())
    finally:
        os.umask(before)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o644


def refused(path: Path, says: str) -> None:
    with pytest.raises(StoreError, match=says) as raised:
        load_state(path)
    assert "\n" not in str(raised.value)
    assert str(raised.value).count(str(path)) == 1


def test_a_flipped_bit_in_any_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save_state(path, TrainingState({"net": {"a": torch.ones(2, 2), "b": torch.zeros(1)}}, rest={"epochs": 3}))
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in (1, 32):
            path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
            with pytest.raises(StoreError, match=r"is not a complete checkpoint \("):
                load_state(path)
    check_content(memoryview(content), "it")
    with pytest.raises(StoreError, match="it arrived damaged"):
        check_content(memoryview(content[:-1] + b"\1"), "it")


def test_a_file_of_version_0_1_0_has_no_checksum(tmp_path: Path) -> None:
    save_file({"networks/n/a": torch.ones(2)}, tmp_path / "state", META)
    assert load_state(tmp_path / "state").networks["n"]["a"].tolist() == [1.0, 1.0]


def test_files_that_are_no_state(tmp_path: Path) -> None:
    refused(tmp_path / "none", r"none is not there; restore the file")
    refused(tmp_path, r"restore the file from a copy, or start a new run$")
    for content in (b"", b"123", b"not a state at all, but a text of some length"):
        (tmp_path / "file").write_bytes(content)
        refused(tmp_path / "file", "is not a complete checkpoint")


def test_a_file_that_is_cut_anywhere(tmp_path: Path) -> None:
    save_state(tmp_path / "state", example())
    whole = (tmp_path / "state").read_bytes()
    for end in [*range(0, len(whole), 97), len(whole) - 1]:
        (tmp_path / "cut").write_bytes(whole[:end])
        refused(tmp_path / "cut", "is not a complete checkpoint")


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        (None, "not written by archloom"),
        ({"other": "1"}, "not written by archloom"),
        ({"archloom": "[]"}, "format None, this archloom reads format 1"),
        ({"archloom": META["archloom"].replace("1", "2", 1)}, "format 2, this archloom reads format 1"),
        ({"archloom": "{"}, "not a complete checkpoint"),
        ({"archloom": META["archloom"].replace('["a"]', "3")}, "Expected `array`, got `int`"),
        ({"archloom": META["archloom"].replace('"a"', '"a","b"')}, "networks/n/b is missing"),
        ({"archloom": META["archloom"].replace('"a"', "")}, "networks/n/a does not belong to it"),
    ],
)
def test_safetensors_of_another_kind(tmp_path: Path, metadata: dict[str, str] | None, says: str) -> None:
    save_file({"networks/n/a": torch.ones(2)}, tmp_path / "state", metadata)
    refused(tmp_path / "state", says)


def test_such_a_file_with_the_right_header_is_read(tmp_path: Path) -> None:
    save_file({"networks/n/a": torch.ones(2)}, tmp_path / "state", META)
    check_same(load_state(tmp_path / "state"), TrainingState({"n": {"a": torch.ones(2)}}))


def test_without_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'archloom\[train\]'"):
        load_state(tmp_path / "state")
