"""`archloom evaluate`: measure the trained member of a run, or those of several, as thoroughly as the task can."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archloom.cli import options, output
from archloom.cli.exit_codes import Exit
from archloom.cli.paths import RunPath, UserPath, check_different
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError
from archloom.utils.files import check_target

if TYPE_CHECKING:
    from archloom.analysis.significance import Wanted
    from archloom.deploy.final import Member
    from archloom.deploy.final_groups import Entry


@click.command()
@click.argument("runs", type=RunPath(), nargs=-1, required=True, metavar="RUN...")
@click.option("--trial", type=int, default=None, help="The trial whose network to evaluate. Default: the best.")
@click.option("--set", "settings", multiple=True, metavar="task.NAME=VALUE",
              help="An option of the task that affects the evaluation alone: task.final_samples=10000.")  # fmt: skip
@click.option("--images", "target", type=UserPath(), default=None,
              help="Write some of a generator's images, or moments of an agent's episode, to this .png file; of "
                   "several runs, to FILE-LABEL-seed-N.png each.")  # fmt: skip
@click.option("--video", type=UserPath(), default=None,
              help="Write an episode of an agent to this .gif or .mp4 file.")  # fmt: skip
@options.test_options
@click.option("--metric", "metrics", multiple=True, metavar="METRIC",
              help="Of several runs: test by this metric; repeatable. METRIC:max or METRIC:min if it is for people "
                   "only. Default: the objective.")  # fmt: skip
@options.trust_option
@options.output_options
def evaluate(
    runs: Sequence[Path], trial: int | None, settings: Sequence[str], target: Path | None, video: Path | None,
    wanted: Wanted, metrics: Sequence[str], trust: bool, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Evaluate the best network of RUN with the final settings of its task, without changing RUN.

    Generators make 50,000 images instead of 5,000, different from those that the search judged them by. Classifiers are
    evaluated on validation and test images, agents by 100 episodes instead of 10. The metrics that the search recorded
    are shown beside these.

    If RUN is a folder of several runs, the best of each is evaluated, and strategies are compared by that, as archloom
    test does; several folders are pooled. Runs that are not finished are named and omitted.

    \b
    archloom evaluate runs/gan --test pbt_nas:random_population
    """
    from archloom.runs.record import read_manifest

    changes = options.of_task(settings)
    if target is not None:
        check_target(target, "--images", [".png"])
    if video is not None:
        from archloom.tasks.control.video import check_video

        check_video(video)
    several = len(runs) > 1 or (runs[0] / "group.json").exists()
    if not several:
        read_manifest(runs[0])  # what is no run at all is not a single one
        wanted.check([], f", but {runs[0]} is a single run")
        if metrics:
            raise InputError(f"--metric {metrics[0]}: {runs[0]} is a single run, of which all metrics are shown")
        return _evaluate_one(runs[0], trial, changes, target, video, trust, as_json, quiet)
    if video is not None:
        raise InputError(f"--video {video}: expected a single run's folder")
    if trial is not None:
        raise InputError(f"--trial {trial}: of several runs the best of each is evaluated; give a single run's folder")
    return _evaluate_all(runs, changes, target, wanted, metrics, trust, as_json, quiet)


def _evaluate_one(
    run: Path, trial: int | None, changes: Mapping[str, str], target: Path | None, video: Path | None, trust: bool,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    from archloom.runs.report import read_report

    with stdout_guard():
        report = read_report(run)
        from archloom.deploy import final

        member = final.open_member(report, trial, changes, trust)
        pictures = member.images() if target is not None else None
        film = member.film() if video is not None else None
        if not quiet:
            output.say(f"evaluating trial {member.line.id} of {run}: {_listed(member.settings)}", err=True)
        metrics = member.evaluate()
    if target is not None and pictures is not None:
        final.save_grid(pictures, target)
    if video is not None and film is not None:
        from archloom.tasks.control.video import write_video

        write_video(video, *film)
    if as_json:
        content = {"run": str(run), "on": report.request.problem.on, **member.facts(), "metrics": dict(metrics)}
        files = {"images": target, "video": video}
        output.print_json({**content, **{name: None if file is None else str(file) for name, file in files.items()}})
        return 0
    output.say(f"trial           {member.line.id}, epochs of training: {member.training.epochs}")
    output.say(f"architecture    {member.line.arch}")
    output.say(f"measured with   {_listed(member.settings)}")
    for name, value in metrics.items():
        output.say(f"{name:<24}  {_shown(value):>12}{_before(name, member.in_search)}")
    for file in (target, video):
        if file is not None:
            output.say(str(file))
    return 0


def _evaluate_all(
    runs: Sequence[Path], changes: Mapping[str, str], target: Path | None, wanted: Wanted, metrics: Sequence[str],
    trust: bool, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Every run of some folders, and the tests over all of them."""
    from archloom.analysis.pooled import check_once, format_pooled, pool

    check_different(runs)
    with stdout_guard():
        from archloom.deploy import final, final_groups

        judges = [final_groups.Judge.parse(name) for name in metrics]
        check_once([judge.metric for judge in judges])
        final_groups.check_runs(runs, changes, wanted)
        pictures: list[Path] = []

        def watch(run: Path, path: Path, member: Member) -> None:
            if not quiet:
                output.say(f"evaluating trial {member.line.id} of {path}: {_listed(member.settings)}", err=True)
            if target is not None:
                name = "-".join([*([run.name] * (len(runs) > 1)), *path.relative_to(run).parts])
                picture = target.with_name(f"{target.stem}-{name}.png")
                final.save_grid(member.images(), picture)
                pictures.append(picture)

        measured: dict[Path, list[Entry]] = {run: [] for run in runs}
        for run, found in measured.items():
            for entry in final_groups.entries(run, changes, trust, partial(watch, run)):
                entry.check(judges)  # after the first, not after hours
                found.append(entry)
    # What was measured of a folder, perhaps for hours, is not lost because another one has nothing.
    useful = {run: entries for run, entries in measured.items() if any(entry.metrics for entry in entries)} or measured
    settings = [final_groups.setting_of(run, entries, judges) for run, entries in useful.items()]
    for run in (run for run in measured if run not in useful):
        output.note(f"{final_groups.nothing_measured(run, measured[run])}; the others are compared without it")
    tested = [final_groups.judged_by(entries, judges) for entries in useful.values()]
    pooled = pool(settings, list(zip(*tested, strict=False)), wanted)  # none where a setting has nothing to test
    every = [entry for entries in measured.values() for entry in entries]
    if as_json:
        content = {**pooled.to_json(), "runs": [entry.to_json() for entry in every]}
        output.print_json({**content, "images": [str(picture) for picture in pictures]})
    else:
        output.say("\n".join(_rows(every)) + "\n")
        output.say(format_pooled(pooled))
        for picture in pictures:
            output.say(str(picture))
    return Exit.FAILURES if any(entry.missing for entry in every) else Exit.DONE


def _rows(every: Sequence[Entry]) -> list[str]:
    """A line for each run: what was measured, or why nothing was."""
    from archloom.analysis.layout import align

    names = list(dict.fromkeys(name for entry in every for name in entry.metrics))
    rows = [
        [
            str(entry.path),
            str(entry.facts.get("trial", "-")),
            *(_shown(entry.metrics.get(name, math.nan)) for name in names),
        ]
        if entry.missing is None
        else [str(entry.path), "-", *["-"] * len(names)]
        for entry in every
    ]
    return align([["run", "trial", *names], *rows])


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "the task's own settings"


def _shown(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "not measured"


def _before(name: str, in_search: Mapping[str, float]) -> str:
    return f"  (in the search {in_search[name]:.4f})" if name in in_search else ""
