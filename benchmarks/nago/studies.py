"""The studies, and their smoke versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archloom.analysis.published_generators import GENERATORS
from archloom.learners.bnn import BnnOptions
from benchmarks.nago.base import Training
from benchmarks.nago.evaluations import Evaluations
from benchmarks.nago.memory import Memory
from benchmarks.nago.networks import Spreads
from benchmarks.nago.surrogates import PRIORS, Known, Surrogates
from benchmarks.nago.table3 import Table3
from benchmarks.nago.table4 import Fixed, Random, Search, Table4
from benchmarks.study import Study

_BOHB = {"eta": 2, "budgets": (2, 4, 8), "promote": "again"}


def _flat(nodes: int) -> str:
    """Xie et al.'s setting, for 32 nodes."""
    return ", ".join(f"nodes_{i}={nodes}, neighbours_{i}=4, rewiring_{i}=0.75" for i in (1, 2, 3)) + ", graph_seed=0"


_SMALL = Training(
    task={
        "size": 10, "train_images": 1_000, "valid_images": 1_000, "batch_size": 32, "optimiser": "sgd", "lr": 0.05,
        "schedule": "cosine", "schedule_until": "fidelity", "weight_decay": 3e-4, "normalisation": "mean_std",
    },
    space={"params_m": 0.05, "head_width": 64},
    ranges={"hnag": {"top_nodes": (3, 6), "mid_nodes": (1, 4), "bottom_nodes": (3, 6)}, "rnag": {"nodes": (5, 15)}},
)  # fmt: skip
"""An epoch of a network takes a quarter to three quarters of a second."""

HNAG_BOHB = Search("HNAG-BOHB", "hnag", "HNAG-BOHB", "bohb", _BOHB)
HNAG_MOBO = Search("HNAG-MOBO", "hnag", "HNAG-MOBO", "mobo", {"budget": 4}, ("valid_accuracy", "memory_mb"))
RNAG_BOHB = Search("RNAG-BOHB", "rnag", "RNAG-BOHB", "bohb", _BOHB)
HNAG_RANDOM = Search("HNAG, random search", "hnag", None, "random")
HNAG_PUBLISHED = Fixed("HNAG-BOHB, published", "hnag", "HNAG-BOHB", GENERATORS[0].arch())
RNAG_D = Fixed("RNAG-D", "rnag", "RNAG-D", _flat(32))
HNAG_RS = Random("HNAG-RS", "hnag", "HNAG-RS")
MEMORY = Memory({"hnag": {}, "rnag": {}, "darts": {"channels": 36, "cells": 20}})

STUDIES: Mapping[str, Study] = {
    "table3": Table3(GENERATORS),
    "table4": Table4(
        (HNAG_BOHB, HNAG_MOBO, RNAG_BOHB, HNAG_RANDOM, HNAG_RS, RNAG_D, HNAG_PUBLISHED), training=_SMALL
    ),
    "networks": Spreads(training=_SMALL),
    "evaluations": Evaluations(),
    "surrogates": Surrogates(),
    "memory": MEMORY,
    "memory-large": replace(
        MEMORY, size=224,
        spaces={"hnag": {"params_m": 6.0}, "rnag": {"params_m": 6.0},
                "darts": {"channels": 48, "cells": 14, "stem": "imagenet"}},
    ),
}  # fmt: skip


def smoke(name: str) -> Study:
    """The same study in seconds."""
    return _SMOKE[name]


_TRAINING = Training(
    "images:digits", {"train_images": 64, "valid_images": 40, "batch_size": 32, "optimiser": "sgd", "lr": 0.05},
    {"params_m": 0.002, "head_width": 8},
    {"hnag": {"top_nodes": 3, "mid_nodes": (1, 2), "bottom_nodes": 3}, "rnag": {"nodes": 4}},
)  # fmt: skip
_SMOKE: Mapping[str, Study] = {
    "table3": Table3((GENERATORS[6],), networks=2),
    "table4": Table4(
        (
            replace(HNAG_BOHB, options={**_BOHB, "budgets": (1, 2)}), HNAG_RANDOM, HNAG_RS,
            replace(RNAG_D, arch=_flat(10)),
        ),
        seeds=1, seconds=0.1, epochs=2, networks=2, final_epochs=1, training=_TRAINING,
    ),
    "networks": Spreads(("rnag",), generators=2, networks=2, epochs=1, training=_TRAINING),
    "evaluations": Evaluations(generators=1, epochs=1, training=_TRAINING),
    "surrogates": Surrogates((Known(30),), PRIORS[:1], 2, options=BnnOptions(burn_in=100, samples=10)),
    "memory": Memory({"hnag": {"params_m": 0.01}, "rnag": {"params_m": 0.01}}, networks=4, size=8),
    "memory-large": Memory({"rnag": {"params_m": 0.01, "stem": "large"}}, networks=2, size=48),
}  # fmt: skip
