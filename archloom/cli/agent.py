"""`archloom agent`: train agents that learn how to search, and evaluate them."""

from __future__ import annotations

import functools
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archloom.agents.training_folder import AGENT, is_training
from archloom.analysis.layout import WIDTH
from archloom.cli import options, output
from archloom.cli.config import Config, config_option
from archloom.cli.episode_drawing import Drawing, drawing_options
from archloom.cli.exit_codes import Interrupted
from archloom.cli.paths import NewFolder, UserPath
from archloom.cli.progress import CountView, TrainingView, training_state
from archloom.cli.stdout_guard import stdout_guard
from archloom.errors import InputError, MissingExtraError
from archloom.utils.options import convert_all, of_dataclass, parse_settings
from archloom.utils.text import one_line, quoted

if TYPE_CHECKING:
    from archloom.agents.layout import Layout
    from archloom.agents.options import ApexOptions
    from archloom.agents.training import Training
    from archloom.envs.episodes import Plan
    from archloom.learners.agent_file import Agent, AgentCard


class AgentPath(UserPath):
    """The path of an agent's file. The folder of a training stands for the agent in it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        return path / AGENT if is_training(path) else path


@dataclass(frozen=True)
class AskedLayout:
    """The options that say over which processes and machines an agent is trained; None for those that were omitted."""

    ray: bool
    address: str | None
    workers: int | None
    shards: int | None
    gpus: float | None
    threads: int | None
    device: str | None

    def open(self) -> Layout:
        """What they say; InputError for those that need Ray without it."""
        if not self.ray and self.address is None:
            for name, value in (("workers", self.workers), ("shards", self.shards), ("gpus", self.gpus)):
                if value is not None:
                    raise InputError(
                        f"--{name} {value:g}: an agent is trained in this process alone unless it is on Ray; add "
                        "--ray, or --ray-address ADDRESS"
                    )
            from archloom.agents.layout import OneProcess

            if self.threads is not None and self.threads < 1:
                raise InputError(f"--threads {self.threads}: expected at least 1")
            return OneProcess(self.threads or os.cpu_count() or 1, self.device or "cpu")
        if self.threads is not None:
            raise InputError(f"--threads {self.threads}: on Ray the variable OMP_NUM_THREADS says it; omit --threads")
        if self.device is not None:
            raise InputError(
                f"--device {self.device}: on Ray the learner is on the CPU, and --gpus gives workers theirs"
            )
        from archloom.agents.apex_ray import OnRay

        workers = options.check_workers(1 if self.workers is None else self.workers)
        return OnRay(options.ray_cluster(workers, self.address, self.gpus), 1 if self.shards is None else self.shards)

    @property
    def typed(self) -> str:
        """As they were typed."""
        given = {"--ray-address": self.address, "--workers": self.workers, "--shards": self.shards, "--gpus": self.gpus,
                 "--threads": self.threads, "--device": self.device}  # fmt: skip
        words = [f"{name} {quoted(str(value))}" for name, value in given.items() if value is not None]
        return " ".join(["--ray", *words] if self.ray else words)


def layout_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that become the one argument `layout`, an `AskedLayout`."""

    @click.option("--ray", is_flag=True,
                  help="Train on Ray: on the cluster that the variable RAY_ADDRESS names, else on one of this machine "
                       "that ends with the command. The result then depends on timing.")  # fmt: skip
    @click.option("--ray-address", default=None, metavar="ADDRESS",
                  help="Train on this Ray cluster, which this machine has joined: HOST:PORT or auto.")  # fmt: skip
    @click.option("--workers", type=int, default=None, metavar="N",
                  help="On Ray: processes among which the walkers are divided; the learner is this one. Default: "
                       "1.")  # fmt: skip
    @click.option("--shards", type=int, default=None, metavar="N",
                  help="On Ray: processes among which the replay is divided. Default: 1.")  # fmt: skip
    @click.option("--gpus", type=float, default=None, metavar="SHARE",
                  help="On Ray: GPUs per worker; with 0.5, two share one. Default: 0.")  # fmt: skip
    @click.option("--threads", type=int, default=None, metavar="N",
                  help="Without Ray: threads that share the training; the result is the same. "
                       "Default: one a core.")  # fmt: skip
    @click.option("--device", default=None, metavar="NAME",
                  help="Without Ray: where the network is, as PyTorch names it. Default: cpu.")  # fmt: skip
    @functools.wraps(function)
    def taking(
        *arguments: Any, ray: bool, ray_address: str | None, workers: int | None, shards: int | None,
        gpus: float | None, threads: int | None, device: str | None, **named: Any,
    ) -> Any:  # fmt: skip
        asked = AskedLayout(ray, ray_address, workers, shards, gpus, threads, device)
        return function(*arguments, **named, layout=asked)

    return taking


@click.group()
def agent() -> None:
    """Train agents that learn how to search, and evaluate them."""


@agent.command("train", short_help="Train an agent on a benchmark.")
@click.option("--on", default=None, metavar="NAME",
              help=f"Where to walk: nb101, nb201, nb301. Default: {options.DEFAULT_ON}, or what the agent of --from "
                   "was trained on.")  # fmt: skip
@click.option("--table", type=click.Path(), default=None, metavar="FILE", help="A table or surrogate to use instead.")
@click.option("--objective", default=None, metavar="METRIC",
              help="Metric to raise. Default: the first validation metric, or that of --from's agent.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="An option of the training: steps=64000; archloom list agent shows them all.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=NewFolder(), default=None, metavar="DIR",
              help="Folder of the training. Default: a new one under runs/.")  # fmt: skip
@click.option("--from", "start", type=AgentPath(), default=None, metavar="CHECKPOINT",
              help="An agent to go on with, with its own options unless --set says otherwise; also on another table or "
                   "metric of the same space.")  # fmt: skip
@click.option("--tensorboard", is_flag=True, help="Write the log as TensorBoard's event files, too.")
@layout_options
@config_option
@options.output_options
def train(
    config: Config, on: str | None, table: str | None, objective: str | None, settings: Sequence[str], seed: int,
    out: Path | None, start: Path | None, tensorboard: bool, layout: AskedLayout, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Train an agent: it walks from random architectures, and learns which neighbour to go to.

    The agent is a file, agent.safetensors, in the folder of the training. Its log is log.csv. After Ctrl-C or a crash,
    archloom resume DIR goes on.

    \b
    archloom agent train --on nb201 --set steps=64000 --out runs/agent
    archloom agent evaluate runs/agent/agent.safetensors
    archloom search apex --set checkpoint=runs/agent/agent.safetensors --on nb201
    archloom agent train --on nb101 --ray --workers 8 --shards 4
    archloom agent train --config apex_nb101        # the set-up of the paper, for days
    """
    check_extras()
    from archloom.agents.training import TrainingRequest, prepare_training
    from archloom.envs import benchmark_of
    from archloom.learners.agent_file import load_agent

    first = None if start is None else load_agent(start)
    chosen = _chosen({**config.settings_for("agent"), **parse_settings(settings)}, first)
    if on is None:
        on = options.DEFAULT_ON if first is None else first.card.on
    if objective is None and first is not None:
        objective = _metric_on(on, first.card)
    read = options.check_table(table)
    folder = out or options.new_folder(f"apex-{benchmark_of(on)}")
    laid_out = layout.open()
    request = TrainingRequest(
        on, folder, None if read is None else Path(read), objective, chosen, seed, start, tensorboard, laid_out
    )
    with stdout_guard():
        training = prepare_training(request, None if quiet else output.note)
    options.make_ready(laid_out)
    output.announce(folder, quiet)
    return go_on(training, as_json, quiet, layout.typed)


@agent.command("resume", short_help="Continue a training; archloom resume does the same.")
@click.argument("folder", type=UserPath(), metavar="DIR")
@click.option("--set", "settings", multiple=True, metavar="steps=N", help="Train for another number of steps in all.")
@click.option("--table", type=UserPath(), default=None, metavar="FILE",
              help="The path of the training's table, if it was moved.")  # fmt: skip
@layout_options
@options.output_options
def resume(
    folder: Path, settings: Sequence[str], table: Path | None, layout: AskedLayout, as_json: bool, quiet: bool
) -> int:
    """Continue the training in DIR where its last checkpoint was made; archloom resume DIR does the same.

    The agent is that of a training that was never stopped, bit for bit on the same machine; not so on Ray.
    """
    return reopen(folder, settings, table, as_json, quiet, layout)


ALONE = AskedLayout(False, None, None, None, None, None, None)
"""In this process."""


def reopen(
    folder: Path, settings: Sequence[str], table: Path | None, as_json: bool, quiet: bool, layout: AskedLayout = ALONE
) -> int:
    """Continue the training in a folder."""
    steps = _steps(settings)
    from archloom.agents.training import open_training

    laid_out = layout.open()
    with stdout_guard():
        training = open_training(folder, steps, table, None if quiet else output.note, laid_out)
    if training.finished and not quiet:
        output.say(
            f"{folder}: this training is finished; for more steps: archloom resume {quoted(folder)} --set steps=N",
            err=True,
        )
    if not training.finished:
        options.make_ready(laid_out)
        if not quiet:
            done, wanted = training.agent.progress.steps, training.options.steps
            output.say(f"{folder}: continues after {done:,} of {wanted:,} steps", err=True)
    return go_on(training, as_json, quiet, layout.typed)


def go_on(training: Training, as_json: bool, quiet: bool, layout: str) -> int:
    """Train to the end, and say what came out; `layout` are the options that said where."""
    with TrainingView("apex", training.options.steps, quiet) as view:
        try:
            report = training.run(view)
        except KeyboardInterrupt:
            raise Interrupted(_how_to_go_on(training.out, layout)) from None
    from dataclasses import asdict

    from archloom.analysis.agents import trained_on_test
    from archloom.learners.agent_file import load_agent

    learned, row = load_agent(report.agent), report.row
    notes = trained_on_test("the agent", learned.card)
    if as_json:
        output.print_json(
            {
                "folder": str(report.out),
                "agent": str(report.agent),
                "sha256": learned.sha256,
                "finished": report.finished,
                "card": asdict(learned.card),
                "row": None if row is None else asdict(row),
                "notes": notes,
            }
        )
        return 0
    if row is not None:
        output.say(f"trained         {report.steps:,} steps in {row.seconds:,.0f} s, {row.updates:,} updates")
        output.say(f"climbed         {one_line(training.metric)}: {', '.join(training_state(row)[1:])}")
    output.say(f"agent           {one_line(str(report.agent))}")
    for note in notes:
        output.say(f"note: {note}")
    output.say("\n".join(_next_steps(report.agent, learned.card, training.table)))
    return 0


def _how_to_go_on(folder: Path, layout: str) -> str:
    if not is_training(folder):
        return "interrupted before anything was written"
    typed = f"archloom agent resume {quoted(folder)} {layout}" if layout else f"archloom resume {quoted(folder)}"
    return f"interrupted; what was learned so far is on disk; continue with: {typed}"


def _metric_on(on: str, card: AgentCard) -> str | None:
    """What an agent was trained to raise, on the same benchmark; None, for the default, on another."""
    from archloom.envs import benchmark_of

    return card.metric if benchmark_of(on) == card.on else None


def training_options() -> type[ApexOptions]:
    """The class of a training's options; MissingExtraError if a package is missing that agents need."""
    check_extras()
    from archloom.agents.options import ApexOptions

    return ApexOptions


def _chosen(settings: Mapping[str, str], first: Agent | None) -> ApexOptions:
    """The options of a training: those that are given, over those of the agent to go on with."""
    kind, given = training_options(), _converted(settings)
    if first is None:
        return kind(**given)
    from archloom.agents.training import check_sizes

    check_sizes(given, first)
    known = of_dataclass(kind)
    return kind(**{**{name: value for name, value in first.card.options.items() if name in known}, **given})


def _steps(settings: Sequence[str]) -> int | None:
    """How many steps are asked for, of a training that keeps its other options."""
    given = _converted(parse_settings(settings))
    for name in given.keys() - {"steps"}:
        raise InputError(f"--set {name}: a training keeps its options, but for steps; omit it")
    return given.get("steps")


def _converted(settings: Mapping[str, str]) -> dict[str, Any]:
    return convert_all("agent", of_dataclass(training_options()), settings)


@agent.command("evaluate", short_help="Measure how much trained agents improve random architectures.")
@click.argument("checkpoints", nargs=-1, required=True, type=AgentPath(), metavar="CHECKPOINT...")
@click.option("--on", default=None, metavar="NAME",
              help="Where to walk: nb101, nb201, nb301. Default: what the first agent was trained on.")  # fmt: skip
@click.option("--table", type=click.Path(), default=None, metavar="FILE", help="A table or surrogate to use instead.")
@click.option("--objective", default=None, metavar="METRIC",
              help="Metric to climb. Default: what the first agent was trained to raise. Its test twin is "
                   "reported.")  # fmt: skip
@options.plan_options
@click.option("--no-baselines", is_flag=True, help="Omit local_search, random_walk and random.")
@drawing_options
@options.output_options
def evaluate(
    checkpoints: Sequence[Path], on: str | None, table: str | None, objective: str | None, plan: Plan,
    no_baselines: bool, drawing: Drawing, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Let trained agents walk from the same random architectures, and say how much they improve.

    The protocol of the paper: every agent plays an episode from each start of every set, greedily. Each agent is
    reported, and all of them together as apex, with policies that learn nothing beside them. An agent's episode is one
    query. Nothing is written but the output; a picture shows several agents as one. A CHECKPOINT is an agent's file, or
    the folder of its training.

    \b
    archloom agent evaluate runs/agent-* --starts 1000
    """
    check_extras()
    from archloom.analysis.agents import evaluate as play
    from archloom.analysis.agents import notes, only_together, open_agents
    from archloom.analysis.episodes import format_report, report, setting_of
    from archloom.envs.episodes import POLICIES, open_episode_problem

    baselines = {} if no_baselines else POLICIES
    drawing.check()
    agents = open_agents(checkpoints)
    first = agents[0].agent.card
    on = first.on if on is None else on
    objective = _metric_on(on, first) if objective is None else objective
    with stdout_guard():
        problem = open_episode_problem(on, plan, options.check_table(table), objective, None if quiet else output.note)
    with CountView(plan.episodes * (len(agents) + len(baselines)), "episodes", quiet) as view:
        by_policy = play(problem, agents, baselines, plan, view)
    found = report(setting_of(problem, plan), by_policy)
    drawing.save(problem, *only_together(agents, found, by_policy))
    told = notes(agents, problem)
    if as_json:
        content = found.to_json()
        output.print_json(
            {**content, "agents": [each.to_json() for each in agents], "notes": [*content["notes"], *told]}
        )
        return 0
    if len(agents) > 1:
        for each in agents:
            output.say(f"{each.name}: {one_line(str(each.path))}, {_origin(each.agent.card)}")
        output.say("")
    output.say(format_report(found, told))
    if drawing.target is not None:
        output.say(f"picture: {drawing.target}")
    return 0


@agent.command("show", short_help="Show what an agent was trained on, and how.")
@click.argument("checkpoint", type=AgentPath())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def show(checkpoint: Path, as_json: bool) -> int:
    """Show what an agent is: what it was trained on, for how long, and with which options."""
    check_extras()
    from dataclasses import asdict

    from archloom.learners.agent_file import load_agent

    found = load_agent(checkpoint)
    if as_json:
        output.print_json({"checkpoint": str(checkpoint), "sha256": found.sha256, **asdict(found.card)})
        return 0
    card = found.card
    weights = sum(tensor.numel() for tensor in found.network.parameters())
    network, training = card.network, {name: v for name, v in card.options.items() if name not in card.network}
    output.say(f"agent           {one_line(str(checkpoint))}")
    output.say(f"trained         {_origin(card)}")
    output.say(f"data            {one_line(card.data_name)}, SHA-256 {card.data_sha256}")
    output.say(
        f"reads           encodings of {card.encoding}, {card.bits} bits, up to {card.max_neighbours} neighbours"
    )
    output.say(_wrapped(f"network         {weights:,} weights; {_listed(network)}"))
    output.say(_wrapped(f"options         {_listed(training)}"))
    output.say(f"SHA-256         {found.sha256}")
    output.say(f"archloom        {one_line(card.version)}")
    output.say("\n".join(_next_steps(checkpoint, card)))
    return 0


def check_extras() -> None:
    """MissingExtraError for the first package that agents need and that is not installed."""
    from importlib.util import find_spec

    for package, extra in (("torch", "train"), ("safetensors", "train"), ("gymnasium", "envs"), ("numba", "envs")):
        if find_spec(package) is None:
            raise MissingExtraError(package, extra, "an agent")


def _next_steps(checkpoint: Path, card: AgentCard, table: str | None = None) -> list[str]:
    typed, data = quoted(checkpoint), "" if table is None else f" --table {quoted(table)}"
    known = f"--on {quoted(card.on)} --objective {quoted(card.metric)}"
    return [
        f"next: archloom agent evaluate {typed}{data}",
        f"      archloom search apex --set checkpoint={typed} {known}{data}",
    ]


def _origin(card: AgentCard) -> str:
    return one_line(f"{card.steps:,} steps to raise {card.metric} on {card.on}, seed {card.seed}")


def _listed(settings: Mapping[str, Any]) -> str:
    return one_line(", ".join(f"{name}={_plain(value)}" for name, value in settings.items()))


def _plain(value: object) -> str:
    """As it is typed after --set."""
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * 16, break_long_words=False, break_on_hyphens=False)
