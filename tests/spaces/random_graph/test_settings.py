from __future__ import annotations

from typing import Any

import pytest

from archloom.errors import InputError
from archloom.spaces.random_graph import Hnag, HnagAug1, Rnag
from archloom.utils import options

WRONG: dict[str, tuple[Any, ...]] = {
    "bottom_nodes": (0, 101, (6, 3), (3,), (3, 4, 5), (True, 4), 3.5, ()),
    "top_neighbours": (1, (1, 4), "2"),
    "mid_edge": (-0.1, 1.5, (0.9, 0.1), float("nan"), (0.1, 0.2, 0.3), True, ("0", "1")),
    "params_m": (0.0, -1.0, float("nan"), 1e9, "4", True),
    "image_channels": (0, 2.5, True),
    "classes": (1, True),
    "image_size": (0, (8, 0)),
    "head_width": (0,),
    "stem": ("huge",),
    "auxiliary": (1,),
}


@pytest.mark.parametrize(("option", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_options_are_errors_of_one_line(option: str, value: Any) -> None:
    with pytest.raises(InputError, match=option) as error:
        Hnag(**{option: value})
    assert "\n" not in str(error.value)


def test_wrong_merges_operations_and_sequences() -> None:
    with pytest.raises(InputError, match="merges=sum,sum: expected one or more of sum, concat, attention, each once"):
        HnagAug1(merges=("sum", "sum"))
    for given in ("sum", None):  # which is no sequence of names
        with pytest.raises(InputError, match=f"merges={given}: expected one or more of sum, concat, attention"):
            HnagAug1(merges=given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="operations=avg_pool_3: expected a convolution"):
        HnagAug1(operations=("avg_pool_3",))
    with pytest.raises(InputError, match="operations=conv7x7: expected one or more of conv3x3"):
        HnagAug1(operations=("conv7x7",))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="sequence=1: expected true or false"):
        Rnag(sequence=1)  # type: ignore[arg-type]


def test_options_are_read_from_the_command_line() -> None:
    known = options.of_space(HnagAug1)
    given = {"bottom_nodes": "3,6", "mid_nodes": "1", "mid_edge": "0.5", "top_rewiring": "0.2,0.4", "merges": "concat"}
    space = HnagAug1(**options.convert_all("hnag_aug1", known, given))
    domains = dict(zip(space.gene_names, space.domains, strict=True))
    assert (domains["bottom_nodes"].size, domains["mid_nodes"].size, domains["mid_edge"].size) == (4, 1, 1)
    assert "top_rewiring=0.3, mid_nodes=1, mid_edge=0.5" in space.format(space.from_unit([0.5] * space.unit_size))  # type: ignore[arg-type]
    assert [name for name in space.gene_names if name.startswith("merge_")] == ["merge_concat"]
    with pytest.raises(InputError, match="bottom_nodes=3:6: expected a whole number, or a list of"):
        options.convert_all("hnag_aug1", known, {"bottom_nodes": "3:6"})


def test_the_stem_follows_from_the_images() -> None:
    assert [Hnag(image_size=size).networks.chosen_stem for size in (39, 40, (28, 224))] == ["small", "large", "large"]
    assert Hnag(image_size=224, stem="small").networks.chosen_stem == "small"
