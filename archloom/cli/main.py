"""The entry point: finds the command, and turns every error into one line and an exit code.

Exit codes: 0 done; 1 done, but trials failed or nothing feasible was found; 2 bad input, nothing written; 3 a run could
not continue (disk full, folder held by another process, damaged record); 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from archloom.cli.exit_codes import Exit, Interrupted
from archloom.errors import ArchloomError, InputError, Notice, unknown
from archloom.utils.text import one_line, reason_of, show_traceback, where_of

TRACEBACK = "ARCHLOOM_TRACEBACK"
"""The environment variable that shows, if it is set, where an error was raised."""

MOST_SHOWN = 3000
"""How long a line to the user may be, in characters."""

VERBS: Mapping[str, tuple[str, str]] = {
    "search": ("archloom.cli.search:search", "Search for an architecture."),
    "compare": ("archloom.cli.compare:compare", "Run several strategies side by side, with statistics over seeds."),
    "train": ("archloom.cli.train:train", "Train architectures that you give, without a search."),
    "episodes": (
        "archloom.cli.episodes:episodes",
        "Let policies walk from random architectures, and measure how much they improve.",
    ),
    "supernet": ("archloom.cli.supernet:supernet", "Train a weight-sharing supernet, to search on later."),
    "agent": ("archloom.cli.agent:agent", "Train agents that learn how to search, and evaluate them."),
    "proxy": ("archloom.cli.proxy:proxy", "Score every architecture of a space without training, into a table."),
    "resume": ("archloom.cli.search:resume", "Continue a run that was stopped, or extend a finished one."),
    "status": ("archloom.cli.show:status", "Show the progress of a run."),
    "best": ("archloom.cli.show:best", "Show the best architecture of a run."),
    "plot": ("archloom.cli.show:plot", "Draw a run: its curve, cell, Pareto set, state, graph_bo's model, or descent."),
    "networks": ("archloom.cli.networks:networks", "Show how far the networks of each generator spread."),
    "pareto": ("archloom.cli.pareto:pareto", "Show what accuracy costs in FLOPs and parameters, as numbers."),
    "test": ("archloom.cli.significance:test", "Test which strategies are better, over one comparison or several."),
    "lineage": ("archloom.cli.lineage:lineage", "Follow the layers of a population back to the first one, as data."),
    "export": ("archloom.cli.show:export", "Write the best architecture to a file for use elsewhere."),
    "evaluate": ("archloom.cli.evaluate:evaluate", "Measure the best network of a run with its task's final settings."),
    "rerank": (
        "archloom.cli.rerank:rerank",
        "Measure the best of a search on a frozen supernet on all images, and choose again.",
    ),
    "soup": ("archloom.cli.soup:soup", "Average the weights of a population's winners."),
    "list": ("archloom.cli.catalog:list_all", "List strategies, spaces and benchmarks, or the options of one."),
    "data": ("archloom.cli.catalog:data", "List, fetch, convert and verify benchmark tables."),
    "doctor": ("archloom.cli.doctor:doctor", "Check this installation."),
}


class LazyGroup(click.Group):
    """Imports a command's module only when it is used, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            raise unknown("command", cmd_name, VERBS)
        module, _, name = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, title) for verb, (_, title) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="archloom")
def app() -> None:
    """Search for neural architectures: on public benchmarks, and on your own data.

    \b
    archloom search --on nb201
    archloom compare random evolution cadam --on nb201 --queries 300 --seeds 10 --out runs/cmp
    archloom plot runs/cmp
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from archloom.cli.stdout_guard import open_closed_streams

        open_closed_streams()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code."""
    for library in ("OMP", "OPENBLAS", "MKL"):
        # One thread per process: results must not depend on the number of threads, and workers share the cores. Set
        # the variable yourself to use more.
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    warnings.showwarning = _show_warning
    try:
        return _run(arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the last resort: no mistake, ours or a user's, ends otherwise
        _show_where(error)
        place = where_of(error)
        return _complain(
            f"unexpected {reason_of(error)}{f' ({place})' if place else ''}; what was committed is intact; if no code "
            f"of your own is to blame, please report it with what {TRACEBACK}=1 shows",
            Exit.STOPPED,
        )


def _run(arguments: Sequence[str]) -> int:
    """`run` for every error that is expected."""
    try:
        code: Any = app.main(args=list(arguments), prog_name="archloom", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return Exit.DONE
    except click.UsageError as error:
        return _complain(_usage(error), Exit.BAD_INPUT)
    except ArchloomError as error:
        _show_where(error)
        return _complain(str(error), Exit.BAD_INPUT if isinstance(error, InputError) else Exit.STOPPED)
    except Interrupted as error:
        click.echo(err=True)  # the terminal shows ^C; of other interruptions click does the same
        return _complain(str(error), Exit.INTERRUPTED)
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted", Exit.INTERRUPTED)
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not _raised_by_click(error):  # its answer to a broken pipe
            raise
        # The reader of our output is gone: there is nobody to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.STOPPED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", Exit.STOPPED)


def _raised_by_click(error: BaseException) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] == click.__name__


def _usage(error: click.UsageError) -> str:
    text = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption) and error.option_name:
        params = error.ctx.command.params if error.ctx else []
        known = [opt for param in params if isinstance(param, click.Option) for opt in param.opts]
        return str(unknown("option", error.option_name, known))
    verb = error.ctx.command_path if error.ctx else "archloom"
    return f"{text}; see {verb} --help"


def _complain(message: str, code: int) -> int:
    click.echo(f"archloom: {one_line(message, MOST_SHOWN)}", err=True)
    return code


def _show_where(error: BaseException) -> None:
    """Show the traceback of an error to those who asked for it."""
    if os.environ.get(TRACEBACK):
        show_traceback(error)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    kind = "note" if issubclass(category, Notice) else "warning"
    click.echo(f"archloom: {kind}: {one_line(str(message), MOST_SHOWN)}", err=True)
