from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from archloom.errors import InputError
from archloom.utils.user_files import UserFile, changed_since, sha256_of


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ("mine.py", UserFile(Path("mine.py"))),
        ("a/mine.py:Blr", UserFile(Path("a/mine.py"), "Blr")),
        ("mine.py:", UserFile(Path("mine.py"), "")),
        ("nb201", None),
        ("nbgraph:cora", None),
        ("images:my.py.d", None),
    ],
)
def test_what_names_a_file(given: str, file: UserFile | None) -> None:
    assert UserFile.parse(given) == file
    assert file is None or str(file) == given


def test_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    loaded = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"HERE = {folder!r}\nclass Mine: pass\n")
        loaded.append(UserFile(tmp_path / folder / "mine.py").load())
    assert [module.HERE for module in loaded] == ["a", "b"]
    assert loaded[0].Mine.__module__ != loaded[1].Mine.__module__


def test_what_a_file_prints_is_no_output_and_what_it_raises_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text("print('hello')\nraise KeyError('one\\ntwo')")
    with pytest.raises(InputError) as caught:
        UserFile(path).load()
    assert str(caught.value) == f"{path} cannot be loaded: KeyError: 'one\\ntwo'"
    assert capsys.readouterr() == ("", "hello\n")


def test_digests_are_those_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content" * 100_000)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"content" * 100_000).hexdigest()


def test_bad_input_to_archloom_says_itself_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import archloom\nspace = archloom.Categorical({})\n")
    with pytest.raises(InputError) as caught:
        UserFile.parse(str(path)).load()  # type: ignore[union-attr]
    assert str(caught.value).startswith(f"{path}: a space needs at least one choice")


def test_what_was_compared_is_what_is_imported_later(tmp_path: Path) -> None:
    path, helper = tmp_path / "mine.py", tmp_path / "helper.py"
    path.write_text("def value():\n    import helper\n    return helper.VALUE\n")
    helper.write_text("VALUE = 1\n")
    known = {str(file): sha256_of(file) for file in (path, helper)}
    module = UserFile(path).load()
    assert changed_since(known) is None
    helper.write_text("VALUE = 2\n")
    assert changed_since(known) is None, "as this process has read it"
    assert changed_since(known, again=True) == str(helper)
    assert module.value() == 1
