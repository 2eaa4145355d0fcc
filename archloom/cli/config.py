"""Configurations: files with the options of a command line, yours or those that come with archloom.

A configuration is a TOML file whose keys are the names of options and arguments; the table `set` holds --set options:

    strategy = "pbt_nas"
    on = "images:digits"
    seeds = 3

    [set]
    population = 12             # --set population=12
    task.batch_size = 32             # --set task.batch_size=32
    pbt_nas.shrink = 0.4        # --set shrink=0.4, if the strategy is pbt_nas

Options on the command line take precedence over the file.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from archloom.errors import InputError, unknown
from archloom.utils.files import from_home, read_file

SUFFIX = ".toml"
_SETTINGS = "set"
_NOT_IN_FILES = frozenset({"config", "json", "quiet", _SETTINGS})
_OF_OTHER_VERBS = frozenset({"strategy", "strategies", "seed"})
"""Keys that a command ignores if it has no such option, so that one file serves `search` and `compare`."""


@dataclass(frozen=True)
class Config:
    """The content of a file: options and arguments by the names of their parameters, and --set options by theirs."""

    values: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def shared(self) -> list[str]:
        """The --set options of all strategies."""
        return [name for name in self.settings if "." not in name]

    def settings_for(self, strategy: str, label: str | None = None, labels: Collection[str] = ()) -> dict[str, str]:
        """The --set options for a strategy, which `compare` may have given a label, one of `labels`.

        NAME applies to all; STRATEGY.NAME and LABEL.NAME, which take precedence, apply to that one and become NAME
        here.
        """
        from archloom import registry

        owners = [strategy] if label is None else [strategy, label]
        split = {name: name.partition(".") for name in self.settings}
        shared = {
            name: self.settings[name]
            for name, (owner, dot, _) in split.items()
            if not (dot and (owner in owners or owner in labels or owner in registry.STRATEGIES))
        }
        own = [
            {option: self.settings[name] for name, (found, dot, option) in split.items() if dot and found == owner}
            for owner in owners
        ]
        return shared | {name: value for settings in own for name, value in settings.items()}


def config_option(function: Any) -> Any:
    """--config, whose values apply to options that are not typed. The command gets a `Config`."""
    return click.option(
        "--config", metavar="FILE", is_eager=True, callback=_take,
        help="A TOML file of options, or the name of one that comes with archloom (archloom list configs). "
             "Options on the command line take precedence.",
    )(function)  # fmt: skip


def typed_first(**given: Any) -> list[Any]:
    """The values of mutually exclusive options: if one was typed, those that were not typed are None."""
    source = click.get_current_context().get_parameter_source
    typed = {name for name in given if source(name) is click.core.ParameterSource.COMMANDLINE}
    return [value if name in typed or not typed else None for name, value in given.items()]


def _take(context: click.Context, _: click.Parameter, given: str | None) -> Config:
    """Read the file before other options are parsed, and make its values click's defaults."""
    if given is None:
        return Config()
    found = read(given, context.command.params)
    context.default_map = dict(found.values)
    return found


def read(given: str, parameters: Collection[click.Parameter]) -> Config:
    """The configuration of this path or name, for a command with these parameters; InputError for unknown keys."""
    path = locate(given)
    content = _parse(path)
    known = {key: parameter for parameter in parameters if (key := _key(parameter)) not in _NOT_IN_FILES}
    settings = content.pop(_SETTINGS, {})
    if not isinstance(settings, dict):
        raise InputError(
            f"{path}: set = {settings!r}: expected a table, [set] with a line NAME = VALUE for each option"
        )
    values = {}
    for key, value in content.items():
        if key in known:
            values[str(known[key].name)] = _checked(path, key, known[key], value)
        elif key not in _OF_OTHER_VERBS:
            error = unknown("key", key, [*known, _SETTINGS])
            raise InputError(f"{path}: {error}; options of the strategy, space, task or training belong under [set]")
    return Config(values, dict(_flat(path, settings)))


# -- files --------------------------------------------------------------------------------------------------------


def shipped() -> Mapping[str, Path]:
    """The files that come with archloom, by name."""
    folder = Path(__file__).parents[1] / "configs"
    return {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))}


def title(path: Path) -> str:
    """The first line of a configuration, which is its title."""
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def locate(given: str) -> Path:
    """The file of this path, else the shipped one of this name."""
    named, own = shipped(), Path(from_home(given))
    if given and (own.is_file() or (given.endswith(SUFFIX) and os.path.lexists(own))):
        return own  # what is no file is refused when it is read
    if (name := given.removesuffix(SUFFIX)) in named:
        return named[name]
    raise unknown("configuration", given, [*named, f"a file of yours, NAME{SUFFIX}"])


def _parse(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        raw = read_file(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; --config takes a readable TOML file") from error
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4]:
        raise InputError(f"{path} is encoded in UTF-16 or UTF-32; expected TOML in UTF-8: save it as that")
    try:
        return tomllib.loads(
            raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        )  # editors of all systems
    except (ValueError, RecursionError) as error:  # from TOML, or from the encoding; of brackets within brackets
        raise InputError(
            f"{path}: not TOML ({error}); expected lines like  queries = 300  and strings in quotes"
        ) from None


# -- values -------------------------------------------------------------------------------------------------------


def _key(parameter: click.Parameter) -> str:
    """An option's name as it is typed, or an argument's name."""
    long = next((text for text in parameter.opts if text.startswith("--")), None)
    return long.removeprefix("--") if long else str(parameter.name)


_KINDS: Mapping[type[Any], tuple[tuple[type, ...], str]] = {
    type(click.INT): ((int,), "a whole number"),
    type(click.FLOAT): ((int, float), "a number"),
    type(click.BOOL): ((bool,), "true or false"),
}
"""The values that an option takes, by its type on the command line; a string if it is not listed here."""


def _checked(path: Path, key: str, parameter: click.Parameter, given: Any) -> Any:
    """A value as click takes it; a parameter that may be repeated has a list, or the one value."""
    many = parameter.nargs == -1 or getattr(parameter, "multiple", False)
    fitting = (found for kind, found in _KINDS.items() if isinstance(parameter.type, kind))
    kinds, expected = next(fitting, ((str,), "a string in quotes"))
    values = given if many and isinstance(given, list) else [given]
    for value in values:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise InputError(
                f"{path}: {key} = {as_typed(value)}: expected {expected}{', or a list of them' if many else ''}"
            )
    return values if many else given


def _flat(path: Path, table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """NAME and VALUE as in --set; the name of a table is the prefix before the dot."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(path, value, f"{prefix}{name}.")
        elif isinstance(value, list) and any("," in as_typed(item) for item in value):
            raise InputError(f"{path}: {prefix}{name} = {value}: expected a list of items without commas in them")
        elif not isinstance(value, bool | int | float | str | list) or not as_typed(value).strip():
            raise InputError(
                f"{path}: {prefix}{name} = {value}: expected a number, a string, true, false or a list of them"
            )
        else:
            yield f"{prefix}{name}", as_typed(value)


def as_typed(value: Any) -> str:
    """A value as it is typed after NAME=."""
    if isinstance(value, list | tuple):
        return ",".join(map(as_typed, value))
    return str(value).lower() if isinstance(value, bool) or value is None else re.sub(r"\s+", " ", str(value))
