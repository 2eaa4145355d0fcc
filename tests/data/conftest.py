"""What the tests of the data room share: a small table, the real ones where there are any, and a writer of official
NAS-Bench-101 files."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Content = dict[str, Any]


@pytest.fixture
def content() -> Content:
    """Arguments of `save_table` for six architectures of two genes; one value is not measured."""
    return {
        "space": "table",
        "gene_names": ["op", "width"],
        "options": [["conv", "pool"], ["8", "16", "32"]],
        "genes": np.array([[i, j] for i in range(2) for j in range(3)]),
        "metrics": {
            "valid": np.array([10.0, 20.0, 30.0, 40.0, np.nan, 60.0]),
            "test": np.array([11.0, 21.0, 31.0, 41.0, 51.0, 61.0], dtype=np.float32),
            "params": np.array([1, 2, 3, 4, 5, 6]),
        },
        "goals": {"valid": "max", "test": "max", "params": "min"},
        "source": "made for a test",
        "units": "percent",
    }


class OfficialNb101:
    """Writes what `nasbench_only108.tfrecord` holds, bit by bit as its format pages say, with code of its own."""

    OPERATIONS = "input,conv3x3-bn-relu,maxpool3x3,conv3x3-bn-relu,conv3x3-bn-relu,conv1x1-bn-relu,output"
    MATRIX = "0100110001000000010010000010000001000000010000000"
    HASH = "00005c142e6f48ac74fdcf73e3439874"  # the first key of the published file, with the cell above
    GENES = (1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 2, 0, 0, 1)
    SHORT_HASH = "043721b9c7fe8c5fad811d47d83132ec"  # input and output alone

    @staticmethod
    def checksum(data: bytes) -> bytes:
        """Masked CRC-32C, bit by bit."""
        crc = 0xFFFFFFFF
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        crc ^= 0xFFFFFFFF
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    @classmethod
    def frame(cls, content: bytes) -> bytes:
        """One record."""
        length = struct.pack("<Q", len(content))
        return length + cls.checksum(length) + content + cls.checksum(content)

    @staticmethod
    def varint(value: int) -> bytes:
        """Seven bits a byte, lowest first."""
        data = b""
        while value > 127:
            data, value = data + bytes([value & 127 | 128]), value >> 7
        return data + bytes([value])

    @classmethod
    def message(cls, fields: Sequence[tuple[int, int | float | bytes]]) -> bytes:
        """A protobuf message: int as varint, float as double, bytes with their length."""
        data = b""
        for number, value in fields:
            if isinstance(value, float):
                data += cls.varint(number << 3 | 1) + struct.pack("<d", value)
            elif isinstance(value, bytes):
                data += cls.varint(number << 3 | 2) + cls.varint(len(value)) + value
            else:
                data += cls.varint(number << 3) + cls.varint(value)
        return data

    @classmethod
    def evaluation(cls, epoch: float, seconds: float, train: float, valid: float, test: float) -> bytes:
        """`EvaluationData`, with the empty path of a checkpoint."""
        return cls.message([*enumerate((epoch, seconds, train, valid, test), start=1), (6, b"")])

    @classmethod
    def metrics(cls, parameters: int, epochs: int, final: Sequence[float]) -> bytes:
        """`ModelMetrics` of (seconds, train, valid, test) after training."""
        evaluations = [
            cls.evaluation(0.0, 0.0, 0.1, 0.1, 0.1),
            cls.evaluation(epochs / 2, final[0] / 2, 0.5, 0.5, 0.5),
            cls.evaluation(float(epochs), *final),
        ]
        return cls.message([*((1, evaluation) for evaluation in evaluations), (2, parameters), (3, final[0] + 300)])

    @classmethod
    def row(cls, **changes: Any) -> bytes:
        """The JSON of one training of the first published cell; `changes` replace its parts."""
        parts: dict[str, Any] = {
            "module_hash": cls.HASH, "epochs": 108, "matrix": cls.MATRIX, "operations": cls.OPERATIONS,
            "parameters": 8_555_530, "final": (1768.0, 1.0, 0.925, 0.92),
        } | changes  # fmt: skip
        if "message" not in parts:
            parts["message"] = cls.metrics(parts["parameters"], parts["epochs"], parts["final"])
        message = parts["message"]
        metrics = parts.get("metrics", base64.encodebytes(message).decode())  # in lines of 76, as published
        return json.dumps(
            [parts["module_hash"], parts["epochs"], parts["matrix"], parts["operations"], metrics]
        ).encode()

    @classmethod
    def write(cls, path: Path, rows: Sequence[bytes]) -> Path:
        """A whole file."""
        path.write_bytes(b"".join(map(cls.frame, rows)))
        return path


@pytest.fixture
def official() -> type[OfficialNb101]:
    """The writer of official NAS-Bench-101 files."""
    return OfficialNb101
