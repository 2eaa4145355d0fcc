from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom.errors import InputError

pytest.importorskip("numba", reason="the DARTS space needs the extra bench")

from archloom.spaces.darts import OPERATIONS, checked, from_text, random_genotypes, to_text


@given(st.integers(0, 2**32 - 1))
def test_texts_are_read_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = random_genotypes(1, rng)[0].reshape(8, 2, 2)
    genotype = np.where(rng.random((8, 1, 1)) < 0.5, nodes, nodes[:, ::-1]).reshape(2, 8, 2)  # pairs in either order
    assert np.array_equal(checked(genotype[None])[0], genotype)
    text = to_text(genotype)
    assert np.array_equal(from_text(text), genotype)
    assert np.array_equal(from_text(re.sub(r"([(),=\[\]])", r" \1\n", text.replace("'", '"'))), genotype)
    assert np.array_equal(from_text(re.sub(r", (normal|reduce)_concat=range\(2, 6\)", "", f"FOUND = {text}")), genotype)


def test_texts_are_those_of_darts(darts_v2: str) -> None:
    genotype = from_text(darts_v2)
    assert genotype[0].tolist() == [[0, 3], [1, 3], [0, 3], [1, 3], [1, 3], [0, 2], [0, 2], [2, 5]]
    assert genotype[1].tolist() == [[0, 0], [1, 0], [2, 2], [1, 0], [0, 0], [2, 2], [2, 2], [1, 0]]
    plain = " ".join(darts_v2.split()).replace("[2, 3, 4, 5]", "range(2, 6)").replace("[ (", "[(").replace(") ]", ")]")
    assert to_text(genotype) == plain.replace("( ", "(")


V2 = (
    "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1), {}, ('skip_connect', 1), ('skip_connect', 0), "
    "('skip_connect', 1), ('skip_connect', 0), ('skip_connect', 1)], {}reduce=[('skip_connect', 0), "
    "('skip_connect', 1), ('skip_connect', 0), ('skip_connect', 1), ('skip_connect', 0), ('skip_connect', 1), "
    "('skip_connect', 0), ('skip_connect', 1)])"
)


def test_the_template_of_bad_texts_is_good() -> None:
    from_text(V2.format("('skip_connect', 0)", ""))


@pytest.mark.parametrize(
    ("pair", "concat", "message"),
    [
        ("('skip_conect', 0)", "", "unknown operation 'skip_conect'; did you mean 'skip_connect'"),
        ("('none', 0)", "", "unknown operation 'none'"),
        (
            "('skip_connect', 1)",
            "",
            "node 3 of the normal cell takes sources 1 and 1: expected two different ones of 0",
        ),
        ("('skip_connect', 3)", "", "node 3 of the normal cell takes sources 3 and 1: .* of 0 to 2"),
        ("('skip_connect', 257)", "", "takes sources 257 and 1: .* of 0 to 2"),
        ("('skip_connect', 99999999999)", "", r"pair 3 of the normal cell \(node 3\): .*99999999999"),
        ("('skip_connect', -1)", "", "takes sources -1 and 1: .* of 0 to 2"),
        ("('skip_connect' 0)", "", "expected Genotype"),
        ("(skip_connect, 0)", "", r"pair 3 of the normal cell \(node 3\): 'skip_connect'; expected \('OPERATION'"),
        ("('skip_connect', 0), ('skip_connect', 2)", "", "the normal cell has 9 pairs; expected 8"),
        ("('skip_connect', 0)('skip_connect', 2)", "", "pair 3 of the normal cell"),
        ("('skip_connect', 0)", "normal_concat=[2, 3], ", r"normal_concat: '\[2, 3\]'; expected range"),
        ("('skip_connect', 0)", "reduce_concat=range(1, 6), ", "reduce_concat: .*expected range"),
        ("('skip_connect', __import__('os').getpid())", "", "pair 3 of the normal cell .*__import__"),
    ],
)
def test_another_text_is_told_in_one_line(pair: str, concat: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_text(V2.format(pair, concat))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", ["", "Genotype()", "Genotype", "(" * 5_000, " " * 100_000, "\0"])
def test_what_is_no_genotype_is_told(text: str) -> None:
    with pytest.raises(InputError, match="expected Genotype"):
        from_text(text)


# -- the forms in which authors print them ------------------------------------------------------------------------

GENOTYPE = random_genotypes(1, np.random.default_rng(3))[0]
TEXT = to_text(GENOTYPE)
NORMAL, REDUCE = ([(OPERATIONS[operation], source) for source, operation in cell] for cell in GENOTYPE.tolist())
BY_NODE = [[cell[i : i + 2] for i in range(0, 8, 2)] for cell in (NORMAL, REDUCE)]
NUMPY = re.sub(r", (\d)\)(?=[,\]])", r", np.int64(\1))", TEXT)
WHOLE = {"normal": NORMAL, "normal_concat": [2, 3, 4, 5], "reduce": REDUCE, "reduce_concat": [2, 3, 4, 5]}


@pytest.mark.parametrize(
    "text",
    [
        f"DARTS_V2 = {TEXT}",
        f"{TEXT};",
        f"  {TEXT} ,\n",
        f"{TEXT}  # 97.24 % (isn't it?)",
        f"{TEXT}; # epoch 50\n",
        f"2019-01-01 12:00:00 genotype = {TEXT}",
        f"03/31 12:00:00 PM genotype = {TEXT}",
        f"INFO:root:[epoch 3/50] (best) genotype: {TEXT}",
        f"\ufeff{TEXT}",
        f"\x1b[32mgenotype = {TEXT}\x1b[0m\r\n",
        f"`{TEXT}`",
        f'"{TEXT}"',
        f"'''{TEXT}''';",
        f"genotypes.{TEXT}",
        TEXT.replace("'", '"'),
        re.sub(r"'(\w+)'", "\u2018\\1\u2019", TEXT),
        re.sub(r"'(\w+)'", "\u201c\\1\u201d", TEXT),
        re.sub(r"'(\w+)'", r"u'\1'", TEXT),
        re.sub(r"'(\w+)'", r"np.str_('\1')", TEXT),
        re.sub(r"'(\w+)'", r"b'\1'", TEXT),
        TEXT.replace(", ", ",\n    ").replace("(normal", "(\n  normal"),
        TEXT.replace(", ", ",\u00a0"),
        TEXT.replace(", ", ","),
        TEXT.replace("Genotype(", "Genotype (").replace("=", " = "),
        TEXT.replace("reduce=", "  # don't (\n reduce="),
        TEXT.replace("range(2, 6)", "[2, 3, 4, 5]"),
        TEXT.replace("range(2, 6)", "(2, 3, 4, 5)"),
        TEXT.replace("range(2, 6)", "list(range(2, 6))"),
        TEXT.replace("range(2, 6)", "array([2, 3, 4, 5])"),
        TEXT.replace("range(2, 6)", "[5, 4, 3, 2]"),
        TEXT.replace("range(2, 6)", "None"),
        TEXT.replace(")]", "),]"),
        re.sub(r"\(('\w+'), (\d)\)", r"[\1, \2]", TEXT),
        re.sub(r"\(('\w+'), (\d)\)", r"(\2, \1)", TEXT),
        NUMPY,
        NUMPY.replace("np.int64", "int"),
        NUMPY.replace("np.int64", "tensor"),
        NUMPY.replace("np.int64(", "torch.tensor(").replace("))", ", device='cuda:0'))"),
        f"Genotype(normal={NORMAL}, reduce={REDUCE})",
        f"Genotype(normal={tuple(NORMAL)}, reduce={tuple(REDUCE)},)",
        f"Genotype({NORMAL}, range(2, 6), {REDUCE}, range(2, 6))",
        f"Genotype(reduce={REDUCE}, normal={NORMAL})",
        f"Genotype(normal={BY_NODE[0]}, normal_concat=range(2, 6), reduce={BY_NODE[1]}, reduce_concat=range(2, 6))",
        f"{TEXT[:-1]}, layout='cell')",
        f"{TEXT[:-1]}, layout=[0, 1, 2])",
        str(WHOLE),
        json.dumps(WHOLE),
        json.dumps({"normal": BY_NODE[0], "normal_concat": None, "reduce": BY_NODE[1]}, indent=2),
        f"genotype: {WHOLE}",
        f"OrderedDict({list(WHOLE.items())})",
        f"OrderedDict({WHOLE})".replace("OrderedDict(", "").rstrip(")"),
        f"dict(normal={NORMAL}, reduce={REDUCE})",
    ],
)
def test_printed_forms(text: str) -> None:
    assert np.array_equal(from_text(text), GENOTYPE), text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"Genotype(normal={NORMAL[:7]}, reduce={REDUCE})", "the normal cell has 7 pairs; expected 8, two for each of"),
        (f"Genotype(normal={NORMAL}, reduce={REDUCE + REDUCE[:2]})", "the reduce cell has 10 pairs; expected 8"),
        (f"Genotype(normal={BY_NODE[0][:3]}, reduce={REDUCE})", "the normal cell has 3 nodes; expected 4 of 2 pairs"),
        (
            f"Genotype(normal={[*BY_NODE[0][:2], [*BY_NODE[0][2], NORMAL[0]], BY_NODE[0][3]]}, reduce={REDUCE})",
            "node 4 of the normal cell has 3 pairs; expected 2",
        ),
        (f"Genotype(normal={NORMAL})", "no reduce cell; expected Genotype"),
        (f"Genotype(normal={NORMAL}, reduce=None)", "no reduce cell"),
        (json.dumps({"normal": NORMAL, "reduce": None}), "no reduce cell"),
        (f"Genotype(normals={NORMAL}, reduce={REDUCE})", "argument 'normals'; expected normal, normal_concat, reduce"),
        (
            TEXT.replace("normal_concat=range(2, 6)", "normal_concat=range(3, 6)"),
            "normal_concat: 'range(3, 6)'",
        ),
        (
            TEXT.replace("reduce_concat=range(2, 6)", "reduce_concat=[1, 2, 3, 4, 5]"),
            "reduce_concat: '[1, 2, 3, 4, 5]'",
        ),
        (TEXT.replace("reduce_concat=range(2, 6)", "reduce_concat=all"), "reduce_concat: 'all'; expected range(2, 6)"),
        (TEXT.replace("reduce_concat=range(2, 6)", "reduce_concat=range(0, 10**9)"), "reduce_concat"),
        (TEXT[:-1], "ends inside a bracket"),
        (TEXT[:200], "ends inside a bracket"),
        (f"{TEXT} {TEXT}", "a second genotype follows the first one"),
        (f"{TEXT} param size = 3.3MB", "more text follows the first one: 'param size = 3.3MB'"),
        (f"{TEXT})", "more text follows the first one: ')'"),
        (TEXT.replace("[(", "[((", 1), "ends inside a bracket"),
        (TEXT.replace("', ", "' ", 1), "cannot be read near"),
        (re.sub(r"^(.*?)'(\w+)'", r"\1\2", TEXT), "pair 1 of the normal cell (node 2)"),
        (TEXT.replace(f"{NORMAL[7]}", "('sep_conv_7x7', 1)"), "pair 8 of the normal cell (node 5): unknown operation"),
        (
            f"Genotype(normal={[*NORMAL[:2], ('a', 'b'), *NORMAL[3:]]}, reduce={REDUCE})",
            "pair 3 of the normal",
        ),
        (f"Genotype(normal={[*NORMAL[:2], ('skip_connect',), *NORMAL[3:]]}, reduce={REDUCE})", "pair 3 of the normal"),
        (
            f"Genotype(normal={[*NORMAL[:2], ('skip_connect', 1.5), *NORMAL[3:]]}, reduce={REDUCE})",
            "'1.5'; expected",
        ),
        (f"Genotype(normal={[*NORMAL[:2], ('skip_connect', True), *NORMAL[3:]]}, reduce={REDUCE})", "node 3"),
        (f"Genotype({NORMAL}, None, {REDUCE}, None, None, 3)", "expected at most 4 arguments"),
        (f"Genotype(normal='x', reduce={REDUCE})", "the normal cell: \"'x'\"; expected a list of pairs"),
        ("Genotype(normal=[], reduce=[])", "the normal cell has 0 pairs; expected 8"),
        ("{1: 2}", "argument '1'"),
        ("{", "ends inside a bracket"),
    ],
)
def test_the_place_of_the_fault_is_named(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        from_text(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 320


@given(st.text(st.sampled_from("Genotype(normal=[]),' 0123{}#\n\"\\\0"), max_size=60), st.integers(0, len(TEXT)))
def test_whatever_is_inserted_is_one_line_or_a_genotype(piece: str, at: int) -> None:
    try:
        checked(from_text(TEXT[:at] + piece + TEXT[at:]))
    except InputError as error:
        assert "\n" not in str(error)
