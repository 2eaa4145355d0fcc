"""A trained network as an ONNX file, by PyTorch's exporter."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from archloom.errors import InputError
from archloom.tasks.base import Deployed
from archloom.utils.text import one_line

BATCH = "batch"
"""The name of the first dimension of input and output, which may have any size."""

_LOGGER = "torch.onnx"


def onnx_bytes(deployed: Deployed, metadata: Mapping[str, str]) -> bytes:
    """The content of an ONNX file that computes what a network does, of float32 inputs in batches of any size.

    `metadata` are entries for people. InputError for a network that PyTorch cannot export, or
    for batches of one size only.
    """
    network = copy.deepcopy(deployed.network).to("cpu")
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network,
                (deployed.example,),
                dynamo=True,
                input_names=[deployed.input],
                output_names=[deployed.output],
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
                optimize=True,  # weights that are computed from others, by a spectral norm say, are computed now
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = one_line(str(error), 200)
        raise InputError(f"{type(network).__name__} cannot be exported to ONNX by PyTorch: {reason}") from error
    assert program is not None  # noqa: S101 - for type checkers: there is one with dynamo
    model = program.model_proto
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.shape.dim[0].dim_param != BATCH:  # the exporter does not mind
            raise InputError(
                f"{type(network).__name__} cannot be exported to ONNX: it would take batches of "
                f"{len(deployed.example)} only, because its forward computes with len(x) or int(x.shape[0]); expected "
                "x.shape[0]"
            )
    _forget_origin(model)
    model.graph.input[0].doc_string = deployed.values
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells people of packages that are not there, and of its own future."""
    logger = logging.getLogger(_LOGGER)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _forget_origin(model: Any) -> None:
    """Remove where in which source file each node comes from: paths of the machine that exported it."""
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del each.metadata_props[:]
        each.doc_string = ""
