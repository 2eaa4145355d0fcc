"""Problem files as a user writes them: spaces, return values, exceptions, and what the code does besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

FAILS = "fails"
EITHER = "either"


@dataclass(frozen=True)
class Answer:
    """What a function does for some architectures: an expression, and what is right.

    `right`: the scores by metric, FAILS, or EITHER for a failed trial or the scores of `float`.
    """

    code: str
    right: Any


@dataclass(frozen=True)
class Case:
    """A file. `genes`: the code of each gene's options, and the options; `metrics`: names and directions."""

    genes: tuple[tuple[str, str, tuple[Any, ...]], ...]
    metrics: tuple[tuple[str, str], ...]
    report: tuple[str, ...]
    answers: tuple[Answer, ...]
    at_import: tuple[str, ...]
    in_function: tuple[str, ...]
    strategy: str
    queries: int
    seed: int
    constraint: float | None
    by_command: bool
    steps: int
    """How many times the function reports before it ends; 0: it only returns."""
    look: tuple[str, ...]
    """A command that is run on the finished run."""


# -- what is generated --------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 100),
    st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, 1e200, -1e200, 1.0, 93.21]),
    st.integers(-(2**70), 2**70),
)
MESSAGES = (
    "", "no", "two\nlines", "\x1b[31mred\x1b[0m", "[bold]x[/bold]", "[/]", "é中\U0001f600", "\udc80", "x" * 5000,
    "\0", "a\rb", '"""', "{}", "%s", "\u202e",
)  # fmt: skip
RAISED = (
    "ValueError", "KeyError", "RuntimeError", "MemoryError", "RecursionError", "StopIteration", "OSError",
    "AssertionError", "SystemExit", "GeneratorExit", "Odd", "Mute", "UnicodeError", "BrokenPipeError", "InputError",
    "asyncio.CancelledError", "TimeoutError", "Group",
)  # fmt: skip


def _suits(name: str) -> bool:
    """Whether a gene may have this name, or an option this string."""
    return name.isprintable() and "=" not in name and ", " not in name


PRINTED = st.characters(exclude_categories=("C", "Z"), exclude_characters="=")
NAMES = st.one_of(
    st.sampled_from(
        ["accuracy", "val/acc", "acc@5", "params (M)", "µ_s", "loss", "[bold]", "a b", "a=b", "a,b", "x<=y", "0", "%",
         "$x_1$", "\\frac", "'", '"', "a.b", "a:b", "_", "[/]", "é" * 40, "-1", "nan"]
    ),
    st.text(PRINTED, min_size=1, max_size=8), st.text(min_size=1, max_size=8),
)  # fmt: skip
VALUES = st.one_of(
    st.integers(-5, 300), st.booleans(), st.none(), st.floats(0, 1),
    st.sampled_from(["relu", "conv3", "3", "a b", ""]),
    st.text(PRINTED, max_size=6), st.text(max_size=6),
    st.tuples(st.integers(0, 9), st.integers(0, 9)), st.sampled_from([", b=2", "a=1", "x, y"]),
)  # fmt: skip


@st.composite
def genes(draw: Any) -> tuple[tuple[str, str, tuple[Any, ...]], ...]:
    found = []
    plain = st.one_of(st.sampled_from(["a", "b", "kernel", "lr"]), NAMES.filter(lambda name: _suits(name)))
    names = draw(st.lists(plain if draw(st.integers(0, 11)) else NAMES, min_size=1, max_size=4, unique=True))
    for name in names:
        unique = str if draw(st.integers(0, 9)) else id  # options of one string are refused
        values = VALUES.filter(lambda value: _suits(str(value))) if draw(st.integers(0, 11)) else VALUES
        options = tuple(draw(st.lists(values, min_size=1, max_size=4, unique_by=unique)))
        as_what = draw(st.sampled_from(["list"] * 8 + ["tuple", "Choice", "Choice", "range", "range", "strange"]))
        if as_what == "range":
            options = tuple(range(1, 1 + len(options)))
            found.append((name, f"archloom.Integer(1, {len(options)})", options))
        elif as_what == "strange":
            code = draw(
                st.sampled_from(
                    ["{1, 2, 3}", "frozenset({'a', 'b'})", "(x for x in (1, 2))", "'relu'", "[]", "None", "5", "{}",
                     "[int, float]", "[lambda x: x, len]", "[{'a': 1}, {'a': 2}]", "[[1], [2]]", "[1, '1']", "b'ab'",
                     "[np.array([1, 2]), np.array([3, 4])]", "[object(), object()]", "iter([1, 2])", "range(10**9)",
                     "[float('nan'), 1.0]", "[archloom, np]", "os.listdir('.')", "map(str, [1, 2])", "[1.0, 1]",
                     "archloom.Real(0, 1)", "archloom.Real(1e-300, 1e300, log=True)", "archloom.Integer(5, 1)",
                     "archloom.Real(0, float('inf'))", "archloom.Seed()", "(1, 2)", "{'x': 1}.keys()", "np.arange(3)"]
                )
            )  # fmt: skip
            found.append((name, code, ()))
        elif as_what == "Choice":
            found.append((name, f"archloom.Choice({list(options)!r}, ordered=True)", options))
        else:
            found.append((name, repr(list(options)) if as_what == "list" else repr((*options,)), options))
    return tuple(found)


@st.composite
def answers(draw: Any, metrics: tuple[tuple[str, str], ...], report: tuple[str, ...]) -> Answer:
    names = [name for name, _ in metrics]
    kind = draw(st.sampled_from(["scores"] * 6 + ["raise", "raise", "odd", "missing", "extra", "lone"]))
    values = {name: draw(NUMBERS) for name in names}
    if kind == "raise":
        what, message = draw(st.sampled_from(RAISED)), draw(st.sampled_from(MESSAGES))
        return Answer(f"boom({what}, {message!r})", FAILS)
    if kind == "odd":
        code = draw(
            st.sampled_from(
                ["float('nan')", "float('inf')", "-float('inf')", "None", "'0.5'", "1j", "[1.0]", "np.array(0.5)",
                 "np.array([0.5])", "np.array([1., 2.])", "np.float32(0.1)", "np.int8(3)", "True", "Decimal('0.1')",
                 "Fraction(1, 3)", "10**400", "b'1'", "object()", "{}", "np.float64('nan')", "lambda: 1", "int",
                 "np.bool_(True)", "{1: 2.0}", "{'': 1.0}", "np.ma.masked", "(1.0,)", "np.datetime64('2020')"]
            )
        )  # fmt: skip
        wrong = {"float('nan')", "float('inf')", "-float('inf')", "None", "1j", "np.array([1., 2.])", "10**400",
                 "object()", "{}", "np.float64('nan')", "lambda: 1", "int"}  # fmt: skip
        metric = {**{name: repr(value) for name, value in values.items()}, names[0]: code}
        text = "{" + ", ".join(f"{name!r}: {value}" for name, value in metric.items()) + "}"
        return Answer(text, FAILS if code in wrong else EITHER)
    if kind == "missing":
        return Answer(repr({name: value for name, value in values.items() if name != names[-1]}), FAILS)
    if kind == "extra":
        return Answer(
            repr({**values, "nobody asked": 1.0}), FAILS if "nobody asked" not in (*names, *report) else EITHER
        )
    if kind == "lone" and len(names) == 1:
        return Answer(repr(values[names[0]]), _floats(values))
    reported = {name: draw(NUMBERS) for name in report if name not in names and draw(st.booleans())}
    return Answer(repr({**values, **reported}), _floats(values))


def _floats(values: Mapping[str, Any]) -> Any:
    return {name: float(value) for name, value in values.items()}


AT_IMPORT = (
    "os.chdir('/')", "os.environ['ARCHLOOM_DATA'] = '/nowhere'", "sys.path.insert(0, '/nowhere')", "np.random.seed(1)",
    "random.seed(1)", "signal.signal(signal.SIGINT, signal.SIG_IGN)", "print('hello')", "sys.stdout.write('x')",
    "os.write(1, b'raw')", "warnings.warn('careful')", "warnings.simplefilter('error')", "np.seterr(all='raise')",
    "sys.setrecursionlimit(300)", "sys.stdout = None", "sys.modules.pop('helper', None)",
    "os.environ.clear()", "import logging; logging.basicConfig(level=0)", "raise ValueError('at import')",
    "sys.exit(0)", "sys.exit('bye')", "raise KeyboardInterrupt", "raise Mute", "1 / 0", "def (",
    "import nothing_like_it",
    "import helper, importlib; importlib.reload(helper)", "sys.path.clear()", "locale.setlocale(locale.LC_ALL, '')",
    "threading.Thread(target=print, daemon=True).start()", "os.umask(0o777)", "problem = None", "del problem",
)  # fmt: skip
IN_FUNCTION = (
    "choices.clear()", "choices.update(a=None)", "os.chdir('/')", "os.environ.pop('HOME', None)", "np.random.seed(0)",
    "print('step', flush=True)", "sys.stderr.write('note')", "rng.random(1000)",
    "signal.signal(signal.SIGTERM, signal.SIG_DFL)", "warnings.warn('in function')",
    "os.write(1, b'raw\\n')", "sys.path.clear()", "sys.stdout.close()",
)  # fmt: skip


LOOKS: tuple[tuple[str, ...], ...] = (
    ("best", "RUN", "--json"), ("best", "RUN"), ("status", "RUN"), ("export", "RUN", "-o", "x.json"),
    ("export", "RUN", "-o", "x.py"), ("lineage", "RUN"), ("plot", "RUN", "-o", "x.svg"),
    ("plot", "RUN", "--kind", "pareto", "-o", "x.svg"), ("plot", "RUN", "--kind", "box", "-o", "x.svg"),
    ("plot", "RUN", "--kind", "cell", "-o", "x.svg"), ("plot", "RUN", "--over", "seconds", "-o", "x.svg"),
    ("best", "RUN", "--json"), ("best", "RUN"), ("status", "RUN"), ("export", "RUN", "-o", "x.json"),
)  # fmt: skip


@st.composite
def cases(draw: Any) -> Case:
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    metrics = tuple((name, draw(st.sampled_from(["max", "min"]))) for name in names)
    report = tuple(draw(st.lists(st.one_of(NAMES, st.sampled_from(names)), max_size=2, unique=True)))
    by_command = draw(st.integers(0, 29)) == 29
    steps = draw(st.sampled_from([0, 0, 0, 0, 0, 3, 9]))
    in_function = (draw(st.sampled_from(IN_FUNCTION)),) if by_command and draw(st.booleans()) else ()
    return Case(
        draw(genes()),
        metrics,
        report,
        tuple(draw(st.lists(answers(metrics, report), min_size=1, max_size=6))),
        (draw(st.sampled_from(AT_IMPORT)),) if draw(st.sampled_from([False] * 4 + [True])) else (),
        in_function,
        draw(st.sampled_from(["asha", "hyperband", "random"] if steps else ["random", "evolution", "local_search"])),
        draw(st.integers(1, 12)),
        draw(st.integers(0, 3)),
        draw(st.one_of(st.none(), st.none(), st.floats(-10, 100))),
        by_command,
        steps,
        draw(st.sampled_from(LOOKS)),
    )


# -- the file -----------------------------------------------------------------------------------------------------

HEAD = """
import asyncio, json, locale, os, random, signal, sys, threading, warnings, zlib
from decimal import Decimal
from fractions import Fraction

import numpy as np

import archloom
from archloom.errors import InputError
import helper


class Odd(BaseException):
    pass


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("cannot say")
    __repr__ = __str__


def Group(message):
    return ExceptionGroup(message, [ValueError(message), KeyError(message)])


def boom(kind, message):
    raise kind(message)


def evaluate(choices, rng{report}):
    place = zlib.crc32(repr(sorted(map(repr, choices.items()))).encode()) % NUMBER
    {inside}
    if helper.WORTH != WORTH:
        return "another's helper"
    for step in range(1, STEPS):
        report(step, ANSWERS[place]())
    return ANSWERS[place]()


"""


def source(case: Case, worth: int) -> str:
    genes = ", ".join(f"{name!r}: {code}" for name, code, _ in case.genes)
    lines = [
        HEAD.replace("{inside}", "; ".join(case.in_function) or "pass").replace(
            "{report}", ", report" if case.steps else ""
        ),
        f"NUMBER, WORTH, STEPS = {len(case.answers)}, {worth}, {case.steps}",
        f"MORE = {{'resource': archloom.Resource('epochs', maximum={case.steps})}}" if case.steps else "MORE = {}",
        f"ANSWERS = [{', '.join(f'lambda: {answer.code}' for answer in case.answers)}]",
        f"SPACE = {{{genes}}}",
        f"problem = archloom.Problem(archloom.Space(SPACE), evaluate, {dict(case.metrics)!r}, "
        f"report={case.report!r}, **MORE)",
        *case.at_import,
    ]
    return "\n".join(lines) + "\n"
