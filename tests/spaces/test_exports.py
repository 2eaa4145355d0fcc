from __future__ import annotations

import ast
from typing import Any

import pytest

from archloom.errors import ArchloomError
from archloom.spaces.convnet import ConvNet
from archloom.spaces.exports import check_compiles, exported
from archloom.spaces.gan import GanHard
from archloom.spaces.macro.efficientnet_b0 import EfficientNetB0
from archloom.spaces.macro.mnasnet import Mnasnet
from archloom.spaces.nb201 import Nb201
from archloom.utils import seeds

NAMES = [
    'a """ b',
    'ends with """"',
    "\\",
    "\\N{nothing} \\x \\u12",
    "{code} {0}",
    "two\nlines\r\x0cand more",
    "\x1b[31mred\x00",
    "µ é \u2028 \ud800",
    "'''",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_python_whatever_the_names_are(name: str) -> None:
    for space in (Nb201(), ConvNet(), Mnasnet(), EfficientNetB0(), GanHard()):
        code = space.source(space.sample(seeds.stream(0, "test")), f"{name} on it, seed 0: {name} 1")
        compile(code.encode(), "net.py", "exec")
        assert "seed 0" in (ast.get_docstring(ast.parse(code)) or "")


def test_names_are_read_back_from_the_docstring() -> None:
    name = 'a\\b """c""" {d}'
    text = exported('"""\n{arch}\n{found_by}\n"""\n{code}', "nb201", arch=name, found_by="x")
    assert (ast.get_docstring(ast.parse(text)) or "").splitlines() == [name, "x"]


def test_modules_become_one() -> None:
    """What each imports is imported once, in order, and what they define comes in turn."""
    code = exported("{code}", "gan/plans", "gan/operators", arch="", found_by="")
    imports = [ast.unparse(node) for node in ast.parse(code).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports == [
        "from __future__ import annotations",
        "from collections.abc import Callable, Mapping, Sequence",
        "from functools import reduce",
        "from typing import NamedTuple",
        "import torch",
        "import torch.nn.functional as F",
        "from torch import Tensor, nn",
        "from torch.nn.utils import spectral_norm",
    ]
    assert code.index("class Convolution(") < code.index("class BlockPlan(") < code.index("def conv(")


@pytest.mark.parametrize(
    ("modules", "says"),
    [
        (("gan/operators", "gan/plans"), "'from archloom.nets.gan.plans import .*' is not of a module before it"),
        (("nb201", "darts"), "nets/darts.py cannot be exported: nets/nb201.py has [A-Za-z_]+, too"),
    ],
)
def test_modules_that_cannot_be_one(modules: tuple[str, ...], says: str) -> None:
    with pytest.raises(ArchloomError, match=says):
        exported("{code}", *modules, arch="", found_by="")


@pytest.mark.parametrize("code", ["def f(:", "x = '\ud800'", "\x00"])
def test_what_is_no_python_is_refused_in_one_line(code: Any) -> None:
    with pytest.raises(ArchloomError, match="the exported code would be no Python: ") as caught:
        check_compiles(code)
    assert "\n" not in str(caught.value)
