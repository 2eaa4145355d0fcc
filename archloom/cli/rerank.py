"""`archloom rerank`: the best of a search on a frozen supernet, measured again on all images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archloom.analysis.layout import align, pairs, wrap
from archloom.cli import options, output
from archloom.cli.paths import RunPath, UserPath
from archloom.cli.progress import CountView
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError
from archloom.utils.files import check_target
from archloom.utils.text import one_line, quoted

if TYPE_CHECKING:
    from archloom.deploy.rerank import Candidate, Reranking
    from archloom.runs.report import RunReport


@click.command()
@click.argument("run", type=RunPath())
@click.option("--top", default="50", show_default=True, metavar="K",
              help="How many of the best to measure: a number, or a share (5%).")  # fmt: skip
@click.option("--on-test", is_flag=True,
              help="Choose by accuracy on test images, as the CADAM thesis does. Every output says so.")  # fmt: skip
@click.option("-o", "--output", "target", type=UserPath(), default=None,
              help="Write the chosen architecture to FILE.json, with what it was chosen on.")  # fmt: skip
@options.trust_option
@options.output_options
def rerank(run: Path, top: str, on_test: bool, target: Path | None, trust: bool, as_json: bool, quiet: bool) -> int:
    """Measure the best K of RUN, a search on a frozen supernet, on all validation images, and choose the best of them.

    A search may have measured on fewer. With --on-test they are measured on all test images too, and both picks are
    shown: that by validation, and that by test with its rank by validation.
    """
    from archloom.analysis.sampled import Top
    from archloom.runs import groups
    from archloom.runs.report import read_report
    from archloom.utils.files import replace_file
    from archloom.utils.json_text import dumps

    wanted = Top.parse(top)
    if target is not None:
        check_target(target, "-o", [".json"])
    if (run / "group.json").exists():
        first = next(iter(groups.Group.open(run).paths))
        raise InputError(f"{run} holds several runs: give one of them, e.g. archloom rerank {quoted(first)}")
    with stdout_guard():
        report = read_report(run, need_space=True, trust=trust)
        from archloom.deploy.rerank import rerank as ranked
    with CountView(len(wanted.of(report)), "architectures", quiet or as_json) as view:
        found = ranked(report, wanted, on_test, lambda _now, _all: view("measuring", 1))
    content = {"run": str(run), "on": report.request.problem.on, "top": len(found.candidates), **found.to_json()}
    if target is not None:
        replace_file(target, (dumps({**_chosen(report, found), "run": str(run)}, indent=1) + "\n").encode())
    if as_json:
        output.print_json(content)
        return 0
    output.say(_text(run, found))
    if target is not None:
        output.say(str(target))
    return 0


def _chosen(report: RunReport, found: Reranking) -> dict[str, object]:
    """What is written of the chosen architecture."""
    from archloom.deploy.rerank import TEST_CAVEAT

    return {
        "space": report.scenario.space.name,
        "genes": found.chosen.line.genes,
        **found.chosen.to_json(),
        "chosen_on": found.chosen_on,
        **({"caveat": TEST_CAVEAT} if found.on_test else {}),
    }


def _text(run: Path, found: Reranking) -> str:
    from archloom.analysis.published_supernets import PICKS, SOURCE
    from archloom.deploy.rerank import TEST_CAVEAT

    facts = {
        "chosen on": found.chosen_on,
        "architecture": found.chosen.line.arch,
        "candidates": f"top {len(found.candidates):,} of {run} by {found.metric}",
    }
    heads = ["pick", "valid accuracy", "test accuracy", "rank", "place in the search", "in the search", "step"]
    rows = [_row("by validation", found.by_validation)]
    rows += [_row("by test (chosen)", found.by_test)] if found.by_test is not None else []
    correlations = [
        f"Spearman, {name}: {'-' if each.value is None else f'{each.value:.3f}'} (n = {each.n})"
        for name, each in found.correlations().items()
    ]
    published = [[each.label, f"{each.valid:.2f}", f"{each.test:.2f}", str(each.rank)] for each in PICKS]
    lines = [*pairs(facts), "", *align([heads, *rows]), "", *correlations, ""]
    lines += [*align([["published", "valid accuracy", "test accuracy", "rank"], *published])]
    lines.append(wrap(f"source: {SOURCE}, Table 4.4: the best of the top 500, by the supernet's weights"))
    return "\n".join([*lines, *([wrap(f"note: {TEST_CAVEAT}")] if found.on_test else [])])


def _row(pick: str, candidate: Candidate) -> list[str]:
    test = "-" if candidate.test is None else f"{candidate.test[0]:.2f}"
    shown = candidate.to_json()
    return [
        one_line(pick), f"{candidate.valid[0]:.2f}", test, str(candidate.rank), str(candidate.place),
        f"{candidate.in_search:.2f}", str(shown["step"]),
    ]  # fmt: skip
