from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archloom
from archloom.utils.json_text import dumps

NUMBERS = st.floats() | st.integers(-(2**70), 2**70)
VALUES = st.recursive(
    NUMBERS | st.text() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


@given(VALUES, st.sampled_from([None, 1]))
def test_every_value_becomes_json(value: Any, indent: int | None) -> None:
    text = dumps(value, indent)
    json.loads(text.encode(), parse_constant=refuse)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("inf"), "null"), ({"a": [float("nan"), 1.5]}, '{"a": [null, 1.5]}'), (np.float32("nan"), "null"),
        (np.int64(3), "3"), (np.array([1.0, np.inf]), "[1.0, null]"), ((1, 2), "[1, 2]"), ("µ", '"µ"'),
        ("a\udc80", '"a\\udc80"'), (1e308, "1e+308"), (True, "true"),
    ],
)  # fmt: skip
def test_values(value: Any, text: str) -> None:
    assert dumps(value) == text


NOT_FOR_OTHERS = {
    "problems/proxy_table.py": "a checksum of settings",
    "problems/supernet.py": "a checksum of settings",
    "runs/record.py": "state.npz, which must give back infinities",
    "checkpoints/experience.py": "a header that must give back what it was given",
    "checkpoints/state_file.py": "a header that must give back what it was given",
    "data/tables/format.py": "a table's own description, whose bytes are part of its SHA-256",
    "evaluators/base.py": "a check of what a function returned",
    "evaluators/surrogates/xgb_ensemble.py": "a model, handed back to its library",
    "testing/evaluators.py": "a check of what an evaluator returned",
    "testing/spaces.py": "a comparison of what two processes say of a space",
    "utils/documents.py": "a checksum",
    "utils/json_text.py": "this is the one",
}


def test_json_is_written_in_one_place() -> None:
    home = Path(archloom.__file__).parent
    found = {
        path.relative_to(home).as_posix()
        for path in home.rglob("*.py")
        if re.search(r"(?<!msgspec\.)\bjson\.dumps?\((?!\.)", path.read_text(encoding="utf-8"))
    }
    assert found <= set(NOT_FOR_OTHERS)
