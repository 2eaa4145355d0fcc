from __future__ import annotations

import hashlib
import importlib
import pickle
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from archloom.errors import InputError
from archloom.utils import user_code
from archloom.utils.user_files import RunningCode, UserFile


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """A folder with these files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def loaded(folder: Path, text: str, name: str = "mine.py", **files: str) -> Any:
    """A file with this text, and its helpers, loaded."""
    written(folder, {name: text, **{f"{helper}.py": helped for helper, helped in files.items()}})
    return UserFile(folder / name).load()


IMPORTS = {
    "at the top": "import helper\ndef where(): return helper.HERE",
    "from it": "from helper import HERE\ndef where(): return HERE",
    "in a function": "def where():\n    import helper\n    return helper.HERE",
    "relative": "def where():\n    from . import helper\n    return helper.HERE",
    "by a name": "import importlib\ndef where(): return importlib.import_module('helper').HERE",
    "by a call": "def where(): return __import__('helper').HERE",
    "under another name": "def where():\n    import helper as other\n    return other.HERE",
    "all of it": "from helper import *\ndef where(): return HERE",
}


@pytest.mark.parametrize("text", IMPORTS.values(), ids=IMPORTS.keys())
def test_each_folder_has_its_own_helper(tmp_path: Path, text: str) -> None:
    a, b = (loaded(tmp_path / name, text, helper=f"HERE = {name!r}") for name in "ab")
    found = []
    for module in (a, b, a, b):
        with RunningCode.of(Path(module.__file__)).inside():
            found.append(module.where())
    assert found == ["a", "b", "a", "b"]
    assert str(tmp_path / "a") not in sys.path


PACKAGE = {
    "pkg/__init__.py": "from . import first",
    "pkg/first.py": "HERE = __file__",
    "pkg/deep/__init__.py": "",
    "pkg/deep/second.py": "from ..first import HERE\nfrom pkg.first import HERE as AGAIN\nassert HERE is AGAIN",
}


@pytest.mark.parametrize(
    "text",
    [
        "import pkg.deep.second\ndef where(): return pkg.deep.second.HERE",
        "import pkg.deep.second as second\ndef where(): return second.HERE",
        "from pkg.deep import second\ndef where(): return second.HERE",
        "def where():\n    from .pkg.deep.second import HERE\n    return HERE",
        "def where():\n    import pkg\n    return pkg.first.HERE",
    ],
)
def test_packages_beside_a_file(tmp_path: Path, text: str) -> None:
    a, b = (loaded(written(tmp_path / name, PACKAGE), text) for name in "ab")
    assert [a.where(), b.where()] == [str(tmp_path / name / "pkg/first.py") for name in "ab"]
    assert "pkg" not in sys.modules


def test_a_package_that_a_library_imports_by_name_is_the_same_one(tmp_path: Path) -> None:
    text = "import importlib, pkg.first\ndef same(): return importlib.import_module('pkg.first') is pkg.first"
    modules = [loaded(written(tmp_path / name, PACKAGE), text) for name in "ab"]
    for module in modules * 2:
        with RunningCode.of(Path(module.__file__)).inside():
            assert module.same()


def test_what_was_pickled_by_plain_names_is_read_as_the_same_classes(tmp_path: Path) -> None:
    module = loaded(
        tmp_path,
        "import pickle, helper\nread = pickle.loads\ndef same(content): return read(content) is helper.Net",
        helper="class Net: pass",
    )
    assert module.same(b"chelper\nNet\n.")


@pytest.mark.parametrize("name", ["json", "random", "logging", "types", "queue"])
def test_the_standard_library_wins_and_says_so(tmp_path: Path, name: str) -> None:
    before = importlib.import_module(name)
    with pytest.warns(
        UserWarning, match=f"{name}.py is not used: `import {name}` gives the standard library's"
    ) as told:
        module = loaded(
            tmp_path, f"import {name}, {name}\ndef f():\n    import {name} as n\n    return n", **{name: "1/0"}
        )
        assert module.f() is before
    assert len(told) == 1
    assert importlib.import_module(name) is before


def test_a_file_that_makes_errors_of_warnings_is_told_all_the_same(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="json.py is not used"):
        module = loaded(tmp_path, "import warnings\nwarnings.simplefilter('error')\nimport json", json="1/0")
    assert module.json is importlib.import_module("json")


def test_an_installed_package_wins_over_a_file_of_its_name(tmp_path: Path) -> None:
    import numpy as np

    with pytest.warns(UserWarning, match="numpy.py is not used: `import numpy` gives the installed package's module"):
        assert loaded(tmp_path, "import numpy", numpy="1/0").numpy is np


def test_a_file_wins_over_what_an_installed_package_happens_to_bring(tmp_path: Path) -> None:
    import _pytest

    assert loaded(tmp_path, "import _pytest", _pytest="HERE = 1")._pytest.HERE == 1
    assert importlib.import_module("_pytest") is _pytest


def test_a_folder_of_data_hides_no_package(tmp_path: Path) -> None:
    import click

    (tmp_path / "click").mkdir()
    (tmp_path / "parts").mkdir()
    module = loaded(written(tmp_path, {"parts/one.py": "HERE = 1"}), "import click, parts.one")
    assert module.click is click
    assert module.parts.one.HERE == 1


@pytest.mark.parametrize("name", ["json.py", "my-problem.v2.py", "2nd try.py", "größe.py", "_file_x.py"])
def test_files_of_any_name_are_loaded(tmp_path: Path, name: str) -> None:
    module = loaded(tmp_path / "a.b", "import helper\nclass Net: pass\nimport json", name, helper="HERE = 1")
    assert module.helper.HERE == 1
    assert pickle.loads(pickle.dumps(module.Net)) is module.Net


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_names_are_known_in_child_processes_of_the_user(tmp_path: Path, method: str) -> None:
    text = (
        "import multiprocessing as mp, helper\n"
        "def double(x): return helper.twice(x)\n"
        f"def total():\n    with mp.get_context({method!r}).Pool(1) as pool:\n"
        "        return sum(pool.map(double, [1, 2])) + sum(pool.map(helper.twice, [3]))\n"
    )
    module = loaded(
        tmp_path, text, helper="import other\ndef twice(x): return other.TWO * x", other="TWO = 2", json="1/0"
    )
    assert module.total() == 12


def test_a_file_that_imports_what_imports_it(tmp_path: Path) -> None:
    module = loaded(tmp_path, "ONE = 1\nimport helper", helper="import mine\nTWO = mine.ONE + 1")
    assert module.helper.TWO == 2
    assert module.helper.mine is module


def test_what_a_file_adds_to_the_path_is_for_it_alone(tmp_path: Path) -> None:
    written(tmp_path, {"lib/mylib.py": "HERE = 1", "lib/later.py": "HERE = 2"})
    text = "import sys, os\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))\nimport mylib\n"
    module = loaded(tmp_path / "a", text + "def later():\n    import later\n    return later.HERE\n")
    assert (module.mylib.HERE, module.later()) == (1, 2)
    assert not any("lib" in Path(place).name and str(tmp_path) in place for place in sys.path)
    hashes = UserFile(tmp_path / "a/mine.py").hashes()
    assert {Path(file).name for file in hashes} == {"mine.py", "mylib.py", "later.py"}


def test_threads_import_from_beside_the_file(tmp_path: Path) -> None:
    module = loaded(tmp_path, "def add(to):\n    import helper\n    to.append(helper.HERE)", helper="HERE = 1")
    found: list[int] = []
    thread = threading.Thread(target=module.add, args=(found,))
    thread.start()
    thread.join()
    assert found == [1]


# -- content ------------------------------------------------------------------------------------------------------


def hashes(folder: Path, text: str) -> set[str]:
    """The names of files that are pinned if this is loaded."""
    (folder / "mine.py").write_text(text)
    UserFile(folder / "mine.py").load()
    return {str(Path(file).relative_to(folder)) for file in UserFile(folder / "mine.py").hashes()} - {"mine.py"}


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("", ""),
        ("import helper", "helper.py"),
        ("def f():\n    import helper", "helper.py"),
        ("def f():\n    from helper import x", "helper.py"),
        ("def f():\n    from . import helper", "helper.py"),
        ("if 0:\n    import pkg.first", "pkg/__init__.py pkg/first.py pkg/deep/__init__.py"),
        ("def f():\n    from pkg import deep", "pkg/__init__.py pkg/first.py pkg/deep/__init__.py"),
        ("def f():\n    import through", "through.py helper.py"),
        ("import importlib\ndef f(): return importlib.import_module('helper')", "helper.py"),
        ("def f(): return __import__('space.one')", "space/one.py"),
        ("def f():\n    import space.two", "space/two.py"),
        ("import numpy, json, archloom", ""),
        ("from . import json", "json.py"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*json.py is not used")
def test_what_a_file_imports_is_pinned_whenever_it_does(tmp_path: Path, text: str, pinned: str) -> None:
    files = {
        "helper.py": "", "through.py": "def f():\n    from helper import g", "unused.py": "", "space/one.py": "",
        "space/two.py": "", "pkg/__init__.py": "from .first import x",
        "pkg/first.py": "x = 1\ndef f(): from . import deep",
        "pkg/deep/__init__.py": "", "json.py": "",
    }  # fmt: skip
    assert hashes(written(tmp_path, files), text) == set(pinned.split())


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\ndef f(name): return importlib.import_module(f'{name}')",
        "import importlib.util\ndef f(path): return importlib.util.spec_from_file_location('a', path)",
        "import runpy\ndef f(path): return runpy.run_path(path)",
        "def f(path): exec(path.read_text())",
    ],
)
def test_names_that_are_computed_may_be_any_module_of_the_folder(tmp_path: Path, text: str) -> None:
    files = {"a.py": "", "b/c.py": "", ".hidden/d.py": "", "env/pyvenv.cfg": "", "env/lib/e.py": ""}
    assert hashes(written(tmp_path, files), text) == {"a.py", "b/c.py"}


def test_what_runs_is_what_was_hashed(tmp_path: Path) -> None:
    module = loaded(tmp_path, "def f():\n    import helper\n    return helper.HERE", helper="HERE = 1")
    pinned = UserFile(tmp_path / "mine.py").hashes()
    (tmp_path / "helper.py").write_text("HERE = 2")
    assert module.f() == 1
    assert pinned[str(tmp_path / "helper.py")] == hashlib.sha256(b"HERE = 1").hexdigest()
    assert user_code.sha256_as_read(str(tmp_path / "helper.py")) == pinned[str(tmp_path / "helper.py")]


def test_a_file_that_is_loaded_again_is_read_again_with_its_helpers(tmp_path: Path) -> None:
    assert loaded(tmp_path, "from helper import HERE", helper="HERE = 1").HERE == 1
    assert loaded(tmp_path, "from helper import HERE", helper="HERE = 2").HERE == 2


@pytest.mark.parametrize("text", ["import gone", "from helper import gone", "from pkg import gone", "import pkg.gone"])
def test_messages_name_modules_as_their_authors_do(tmp_path: Path, text: str) -> None:
    written(tmp_path, {"helper.py": "", "pkg/__init__.py": ""})
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, text)
    assert "user_code" not in str(caught.value)
    assert "gone" in str(caught.value)


def test_a_link_and_its_file_are_one(tmp_path: Path) -> None:
    loaded(tmp_path / "real", "import helper", helper="")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert UserFile(tmp_path / "link/mine.py").load().helper.__file__ == str(tmp_path / "real/helper.py")


def test_no_warning_where_nothing_is_hidden(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded(tmp_path, "import json, numpy, helper", helper="import random")
