"""`archloom soup`: average the weights of a population's winners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archloom.cli import options, output
from archloom.cli.exit_codes import Exit
from archloom.cli.paths import RunPath, UserPath
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError
from archloom.utils.files import check_target
from archloom.utils.text import quoted

if TYPE_CHECKING:
    from archloom.analysis.stats import Summary
    from archloom.deploy.soup_groups import Cooked


@click.command()
@click.argument("run", type=RunPath())
@click.option("--part", "parts", multiple=True, metavar="PREFIX",
              help="Average only the weights below NETWORK.module.path, or a NETWORK: encoder, actor; repeatable. "
                   "Default: all.")  # fmt: skip
@click.option("-o", "--output", "target", type=UserPath(), default=None,
              help="Write the soup's weights to this .safetensors file.")  # fmt: skip
@click.option("--final", is_flag=True,
              help="Judge by the final settings of the task, as archloom evaluate measures: generators by 50,000 "
                   "images, agents by 100 episodes.")  # fmt: skip
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

    If RUN is a folder of several runs, a soup is made of each, and the mean differences to the best members are shown.

    \b
    archloom soup runs/walker --part encoder
    archloom soup runs/walker --part encoder --part actor
    """
    if target is not None:
        check_target(target, "-o", [".safetensors"])
    if settings and not final:
        raise InputError(f"--set {settings[0]}: it changes the final evaluation; give --final too")
    changes = options.of_task(settings)
    if (run / "group.json").exists():
        return _soups(run, parts or None, target, final, changes, trust, as_json)
    return _soup(run, parts or None, target, final, changes, trust, as_json)


def _soup(
    run: Path, parts: Sequence[str] | None, target: Path | None, final: bool, changes: Mapping[str, str], trust: bool,
    as_json: bool,
) -> int:  # fmt: skip
    from archloom.runs.report import read_report

    with stdout_guard():
        report = read_report(run, need_space=True, trust=trust)
        from archloom.deploy.soup import greedy_soup

        cooked = greedy_soup(report, parts, final, changes, trust)
    if target is not None:
        from archloom.checkpoints.state_file import network_bytes
        from archloom.utils.files import replace_file

        replace_file(target, network_bytes(cooked.state, f"a soup of {len(cooked.members)} members of {run}"))
    objective = report.scenario.objectives[0]
    if as_json:
        output.print_json(cooked.to_json(objective))
        return Exit.DONE
    output.say(f"architecture    {cooked.arch}")
    output.say(f"population      after epoch {cooked.epoch}, whose best is trial {cooked.trial}")
    output.say(f"averaged        {_named(cooked.members)}" + _left_out(cooked.left_out))
    for name, value in cooked.metrics.items():
        difference = value - cooked.best[name]
        output.say(f"{name:<16}{value:.4f}  (best member {cooked.best[name]:.4f}, difference {difference:+.4f})")
    if len(cooked.members) == 1:
        output.say("no other member made it better: the soup is the best member itself")
        if cooked.best_tried is not None:
            tried, off = cooked.best_tried, cooked.difference_tried(objective)
            output.say(f"the best that was tried, of {_named(tried.members)}, has a difference of {off:+.4f}")
    if cooked.ahead is not None:
        trial, epoch, value = cooked.ahead
        output.say(
            f"the soup is behind the best of the run: trial {trial}, after epoch {epoch}, has {objective} {value:.4f}; "
            f"its population is not complete, and soups are made of complete ones: archloom resume {quoted(run)}"
        )
    if target is not None:
        output.say(str(target))
    return Exit.DONE


def _soups(
    run: Path, parts: Sequence[str] | None, target: Path | None, final: bool, changes: Mapping[str, str], trust: bool,
    as_json: bool,
) -> int:  # fmt: skip
    from archloom.runs import groups

    if target is not None:
        first = next(iter(groups.Group.open(run).paths))
        raise InputError(f"-o {target}: {run} holds several runs; expected one of them, e.g. {quoted(first)}")
    with stdout_guard():
        from archloom.deploy.soup_groups import cooked, summaries

        entries = list(cooked(run, parts, final, changes, trust))
    found = summaries(entries)
    if as_json:
        means = {
            label: {"difference": soup and soup.to_json(), "difference_tried": tried and tried.to_json()}
            for label, (soup, tried) in found.items()
        }
        output.print_json({"runs": [entry.to_json() for entry in entries], "strategies": means})
    else:
        output.say("\n".join([*_rows(entries), "", *_means(found)]))
    return Exit.FAILURES if any(entry.missing for entry in entries) else Exit.DONE


def _rows(entries: Sequence[Cooked]) -> list[str]:
    """A line for each run: its soup beside the best member, or why there is none."""
    from archloom.analysis.layout import align

    heads = ["run", "averaged", "of", "best member", "soup", "difference", "best tried", ""]
    rows = []
    for entry in entries:
        made = entry.soup
        if made is None:
            rows.append([str(entry.path), *["-"] * 6, str(entry.missing)])
            continue
        values: list[Any] = [made.best[entry.metric], made.metrics[entry.metric]]
        count, others = len(made.members), len(made.left_out)
        rows.append(
            [str(entry.path), str(count), str(count + others), *(f"{value:.4f}" for value in values),
             _signed(entry.difference), _signed(entry.difference_tried), ""]
        )  # fmt: skip
    return align([heads, *rows], left=(len(heads) - 1,))


def _means(found: Mapping[str, tuple[Summary | None, Summary | None]]) -> list[str]:
    """A line for each strategy: the mean differences to the best member, over runs."""
    from archloom.analysis.layout import align, wrap

    heads = ["strategy", "runs", "difference, mean ± std", "runs", "best tried, mean ± std"]
    rows = [[label, *(word for each in both for word in _mean(each))] for label, both in found.items()]
    note = (
        "note: differences are to the best member; a soup is never worse. The best tried is the best mean of two or "
        "more members, kept or not: runs in which nobody shares the best one's architecture have none."
    )
    return [*align([heads, *rows]), wrap(note)]


def _mean(summary: Summary | None) -> tuple[str, str]:
    from archloom.utils.numbers import spread

    return ("0", "-") if summary is None else (str(summary.n), spread(summary.mean, summary.std))


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"


def _named(members: Sequence[int]) -> str:
    return f"member{'s' if len(members) > 1 else ''} no. {', '.join(map(str, members))}"


def _left_out(members: Sequence[int]) -> str:
    return f"; {_named(members)} left out" if members else ""
