"""`archloom soup`: average the weights of a population's winners."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from archloom.cli import options, output
from archloom.cli.paths import RunPath, UserPath
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError
from archloom.utils.text import quoted


@click.command()
@click.argument("run", type=RunPath())
@click.option("--part", "parts", multiple=True, metavar="PREFIX",
              help="Average only the weights below NETWORK.module.path; repeatable. Default: all.")  # fmt: skip
@click.option("-o", "--output", "target", type=UserPath(), default=None,
              help="Write the soup's weights to this .safetensors file.")  # fmt: skip
@click.option("--final", is_flag=True,
              help="Judge by the final settings of the task, as archloom evaluate measures: generators by 50,000 "
                   "images.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="task.NAME=VALUE",
              help="With --final: an option of the task that affects the evaluation alone: "
                   "task.final_samples=10000.")  # fmt: skip
@options.trust_option
@options.output_options
def soup(
    run: Path, parts: Sequence[str], target: Path | None, final: bool, settings: Sequence[str], trust: bool,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Average the members of a population of RUN that share the winner's architecture, as long as that helps.

    The population is the one with the best of the run, as it was then: at the end of any chunk, or of the last one if
    the task says so. The soup is judged by the run's objective, on validation data; test metrics are shown but decide
    nothing.
    """
    from archloom.runs import groups
    from archloom.runs.report import read_report

    if target is not None and (target.suffix != ".safetensors" or not target.parent.is_dir()):
        raise InputError(f"-o {target}: expected FILE.safetensors in an existing folder")
    if settings and not final:
        raise InputError(f"--set {settings[0]}: it changes the final evaluation; give --final too")
    changes = options.of_task(settings)
    if (run / "group.json").exists():
        first = next(iter(groups.Group.open(run).paths))
        raise InputError(f"{run} holds several runs: a soup is made from one, e.g. archloom soup {quoted(first)}")
    with stdout_guard():
        report = read_report(run, need_space=True, trust=trust)
        from archloom.deploy.soup import greedy_soup

        cooked = greedy_soup(report, parts or None, final, changes, trust)
    if target is not None:
        from archloom.checkpoints.state_file import network_bytes
        from archloom.utils.files import replace_file

        replace_file(target, network_bytes(cooked.state, f"a soup of {len(cooked.members)} members of {run}"))
    objective = report.scenario.objectives[0]
    content = cooked.to_json(objective)
    if as_json:
        output.print_json(content)
        return 0
    output.say(f"architecture    {cooked.arch}")
    output.say(f"population      after epoch {cooked.epoch}, whose best is trial {cooked.trial}")
    output.say(f"averaged        {_named(cooked.members)}" + _left_out(cooked.left_out))
    for name, value in cooked.metrics.items():
        difference = value - cooked.best[name]
        output.say(f"{name:<16}{value:.4f}  (best member {cooked.best[name]:.4f}, difference {difference:+.4f})")
    if len(cooked.members) == 1:
        output.say("no other member made it better: the soup is the best member itself")
    if cooked.ahead is not None:
        trial, epoch, value = cooked.ahead
        output.say(
            f"the soup is behind the best of the run: trial {trial}, after epoch {epoch}, has {objective} {value:.4f}; "
            f"its population is not complete, and soups are made of complete ones: archloom resume {quoted(run)}"
        )
    if target is not None:
        output.say(str(target))
    return 0


def _named(members: Sequence[int]) -> str:
    return f"member{'s' if len(members) > 1 else ''} no. {', '.join(map(str, members))}"


def _left_out(members: Sequence[int]) -> str:
    return f"; {_named(members)} left out" if members else ""
