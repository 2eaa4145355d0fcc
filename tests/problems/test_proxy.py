from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="proxies need the extra train")

from archloom.constraints import Constraint
from archloom.data.tables import Table
from archloom.evaluators.base import evaluate
from archloom.evaluators.proxies import PROXIES
from archloom.problems import ProblemSpec, absolute, open_scenario
from archloom.problems.begun import Begun, open_evaluator
from archloom.problems.proxy import ProxyProblem
from archloom.registry import EVALUATORS
from archloom.spaces.base import sample_valid
from archloom.types import Arch, Proposal

TINY = {"channels": "2", "cells": "1"}
CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"


@pytest.fixture
def digits() -> str:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    return "digits"


def test_proxies_without_images_are_of_the_spaces_own_networks() -> None:
    scenario = open_scenario(ProblemSpec("proxy:synflow+params", space=TINY))
    problem = scenario.problem
    assert isinstance(problem, ProxyProblem)
    assert (problem.space.name, problem.isolate, problem.trains, problem.trained_on) == ("nb201", False, False, None)
    assert problem.goals == {"synflow": "max", "params": "max", "params_m": "min", "flops_m": "min"}
    assert (scenario.objectives, scenario.report) == (("synflow",), ("params",))
    result = evaluate(scenario.evaluator, Proposal(problem.space.parse(CELL)), 0, 0)
    network = problem.space.build(problem.space.parse(CELL), 0)  # type: ignore[attr-defined]
    assert result.report == {"params": sum(p.numel() for p in network.parameters()) / 1e6}
    assert result.scores["synflow"] > 0
    assert scenario.caveats == [
        "synflow, params: scores of untrained networks, which rank them; they are not accuracies"
    ]


def test_networks_take_the_images_that_proxies_see(digits: str) -> None:
    scenario = open_scenario(ProblemSpec("proxy:naswot", space=TINY, task={"size": "8", "batch_size": "4"}))
    problem = scenario.problem
    assert isinstance(problem, ProxyProblem)
    assert problem.trained_on is not None and (problem.trained_on.name, problem.trained_on.use) == (
        "digits",
        "scored on",
    )
    assert problem.sizes == {"channels": 2, "cells": 1, "image_channels": 1, "classes": 10, "image_size": 8}
    assert evaluate(scenario.evaluator, Proposal(problem.space.parse(CELL)), 0, 0).scores["naswot"] > 0


SMALL = {
    "darts": {"channels": "4", "cells": "3"},
    "nb101": {"channels": "8", "cells": "1"},
    "nb201": {"channels": "4", "cells": "1"},
    "convnet": {"width": "4"},
    "proxyless": {"width": "0.1"},
}


@pytest.mark.parametrize("space", SMALL)
def test_every_space_of_networks_for_images_has_proxies(digits: str, space: str) -> None:
    if space in ("darts", "nb101"):
        pytest.importorskip("numba", reason="the large cell spaces, in the extra bench")
    names = "+".join(PROXIES)
    spec = ProblemSpec(f"proxy:{names}", space=SMALL[space], space_name=space, task={"size": "8", "batch_size": "4"})
    scenario = open_scenario(spec)
    rng = np.random.default_rng(1)
    for _ in range(20):
        arch = sample_valid(scenario.space, rng)
        result = evaluate(scenario.evaluator, Proposal(arch), 0, 0)
        assert result.ok, result.error
        if set(result.report) | {"synflow"} == set(PROXIES):
            return
    raise AssertionError(f"never all: {result}")


def test_networks_are_small_unless_sizes_are_given() -> None:
    problem = open_scenario(ProblemSpec("proxy:params", space={"cells": "1"})).problem
    assert isinstance(problem, ProxyProblem)
    assert problem.sizes == {"channels": 8, "cells": 1}
    assert problem.space.network_sizes.channels == 8  # type: ignore[attr-defined]


def test_the_same_scores_in_another_process(digits: str) -> None:
    """What a worker opens: from plain data."""
    spec = ProblemSpec("proxy:snip+naswot", space=TINY, task={"size": "8", "batch_size": "8", "seed": "4"})
    scenario = open_scenario(spec)
    begun = Begun.of(scenario)
    arch = scenario.space.parse(CELL)
    here = evaluate(scenario.evaluator, Proposal(arch), 0, 3)
    there = evaluate(open_evaluator(absolute(spec), (), begun), Proposal(arch), 1, 9)
    assert here.ok and (here.scores, here.report) == (there.scores, there.report)


def test_costs_are_constraints_and_objectives() -> None:
    scenario = open_scenario(
        ProblemSpec("proxy:synflow", space=TINY, objectives=("synflow", "flops_m"), constraints=("params_m<=0.01",))
    )
    assert [(o.metric, o.sign) for o in scenario.criteria.objectives] == [("synflow", 1), ("flops_m", -1)]
    assert scenario.criteria.constraints == (Constraint.parse("params_m<=0.01"),)
    result = evaluate(scenario.evaluator, Proposal(scenario.space.parse(CELL)), 0, 0)
    assert set(result.scores) == {"synflow", "flops_m", "params_m"}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ProblemSpec("proxy:synflo"), "unknown proxy 'synflo'; did you mean 'synflow'?"),
        (ProblemSpec("proxy:"), "unknown proxy ''"),
        (ProblemSpec("proxy:snip+snip"), "names a proxy twice"),
        (ProblemSpec("proxy:synflow", task={"batch": "3"}), "unknown task option 'batch'; did you mean 'batch_size'"),
        (ProblemSpec("proxy:synflow", task={"data": "digits"}), "task.data: synflow sees no images; omit it"),
        (ProblemSpec("proxy:synflow", task={"init": "he"}), "task option init=he: expected one of default, kaiming"),
        (ProblemSpec("proxy:snip", task={"batch_size": "1"}), "task option batch_size=1: expected a whole number of"),
        (ProblemSpec("proxy:snip", task={"data": "digitz"}), "unknown images 'digitz'; did you mean 'digits'"),
        (ProblemSpec("proxy:synflow", space_name="nbgraph"), "--space nbgraph: takes no image_channels"),
        (ProblemSpec("proxy:synflow", space={"cell": "1"}), "unknown space option 'cell'; did you mean 'cells'"),
        (ProblemSpec("proxy:synflow", objectives=("snip",)), "unknown objective 'snip'"),
    ],
)
def test_what_does_not_fit(refuses: Callable[[ProblemSpec], str], spec: ProblemSpec, said: str) -> None:
    assert said in refuses(spec)


def test_the_images_set_what_follows_from_them(digits: str, refuses: Callable[[ProblemSpec], str]) -> None:
    said = refuses(ProblemSpec("proxy:snip", space={"classes": "3"}))
    assert said == "space option classes: the images of digits set it to 10; omit it"


def test_images_at_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", images=rng.integers(0, 256, (30, 3, 8, 8), np.uint8), labels=np.arange(30) % 3)
    monkeypatch.chdir(tmp_path)
    spec = ProblemSpec("proxy:snip", space=TINY, task={"data": "own.npz", "size": "0", "batch_size": "3"})
    assert absolute(spec).task["data"] == str(tmp_path / "own.npz")
    assert absolute(ProblemSpec("proxy:snip", task={"data": "digits"})).task["data"] == "digits"
    problem = open_scenario(spec).problem
    assert isinstance(problem, ProxyProblem) and problem.sizes["classes"] == 3
    assert problem.sizes["image_channels"] == 3 and problem.sizes["image_size"] == 8


def test_genes_with_the_options_of_a_table(small_table: Path, tmp_path: Path) -> None:
    spec = ProblemSpec("proxy:params", str(small_table), space=TINY)
    scenario = open_scenario(spec)
    assert scenario.space.format(Arch((2, 0, 0, 0, 0, 0))).startswith("|nor_conv_3x3~0|")
    assert set(spec.source.hashes(spec)) == {str(small_table.resolve())}, "a change is noticed"


def test_a_table_of_another_space(tmp_path: Path, refuses: Callable[[ProblemSpec], str]) -> None:
    other = Table.from_arrays(
        space="table", gene_names=["a"], options=[["x"]], genes=[[0]], metrics={"m": [1.0]}, goals={"m": "max"},
        source="", units="",
    ).save(tmp_path / "other.npz")  # fmt: skip
    assert "is a table of space 'table'; --space nb201 needs one of its own" in refuses(
        ProblemSpec("proxy:params", str(other))
    )


def test_the_source_is_registered_with_what_each_name_stands_for() -> None:
    assert dict(EVALUATORS.load("proxy")("proxy").names) == {name: proxy.title for name, proxy in PROXIES.items()}
    assert ProblemSpec("proxy:synflow+snip").source.stem == "proxy-synflow+snip"
