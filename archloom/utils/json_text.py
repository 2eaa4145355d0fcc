"""JSON that every reader takes: `json.dumps` writes `NaN` and `Infinity`, which are no JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def dumps(content: Any, indent: int | None = None, ascii_only: bool = False) -> str:
    """JSON of nested mappings, sequences, strings and numbers (also numpy's); numbers that are not finite are null.

    Characters stand as they are, unless `ascii_only`, except what cannot be encoded (file names may hold any bytes),
    which is escaped.
    """
    text = json.dumps(plain(content), indent=indent, ensure_ascii=ascii_only, allow_nan=False)
    return text.encode(errors="backslashreplace").decode()


def plain(value: Any) -> Any:
    """The value as `dumps` writes it: what is read back from there is equal to this."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
