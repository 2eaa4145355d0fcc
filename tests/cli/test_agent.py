"""`archloom agent`, with small trainings on a small table and on DARTS cells with a surrogate of random weights."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="agents need the extra train")
pytest.importorskip("safetensors", reason="agents' files need the extra train")
pytest.importorskip("gymnasium", reason="environments need the extra envs")
pytest.importorskip("numba", reason="environments need the extra envs")

from archloom.agents.options import ApexOptions
from archloom.agents.training import TrainingRequest, prepare_training
from archloom.agents.training_log import TrainingRow, read_log
from archloom.cli import config
from archloom.cli.agent import train
from archloom.learners.agent_file import load_agent
from archloom.utils.options import convert_all, of_dataclass

TINY: dict[str, Any] = {
    "width": 8, "heads": 2, "feedforward": 8, "head_width": 8, "walkers": 8, "max_neighbours": 12, "episode_steps": 4,
    "learning_starts": 60, "batch_size": 16, "log_steps": 50,
    "lr_decay": False,  # with which what is learnt depends on where a training ends
}  # fmt: skip
AGENT = "agent.safetensors"
HANGS_AFTER_S = 300


def settings(**changes: object) -> list[str]:
    """--set options of a training that takes no time."""
    return [word for name, value in {**TINY, **changes}.items() for word in ("--set", f"{name}={value}")]


def trained(cli: Any, table: Path, out: str, *more: object, steps: int = 300) -> Any:
    return cli("agent", "train", "--on", "nb201", "--table", table, "--out", out, *settings(steps=steps), *more)


@pytest.fixture(scope="module")
def two_trainings(small_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished trainings, of different seeds."""
    folder = tmp_path_factory.mktemp("trainings")
    for seed in (0, 1):
        options = ApexOptions(**TINY, steps=300)
        request = TrainingRequest("nb201", folder / f"agent-{seed}", small_table, options=options, seed=seed)
        prepare_training(request).run()
    return folder


@pytest.fixture
def agents(cli: Any, two_trainings: Path) -> list[Path]:
    """The agents of these, in the current folder."""
    shutil.copytree(two_trainings, cli.home, dirs_exist_ok=True)
    return [cli.home / f"agent-{seed}" / AGENT for seed in (0, 1)]


@pytest.fixture
def darts_agent(cli: Any, nb301_file: Path) -> Path:
    """An agent of another space."""
    words = ("agent", "train", "--on", "nb301", "--table", nb301_file, "--out", "darts", "--quiet")
    assert cli(*words, *settings(steps=50)).code == 0
    return cli.home / "darts" / AGENT


# -- training -----------------------------------------------------------------------------------------------------


def test_a_training_leaves_an_agent_and_a_log(cli: Any, small_table: Path) -> None:
    said = trained(cli, small_table, "mine", "--seed", 3)
    assert said.code == 0, said.err
    assert said.err == "run folder: mine\n"
    assert "climbed         valid: mean " in said.out
    data = f"--table {small_table}"
    assert f"archloom agent evaluate mine/agent.safetensors {data}\n" in said.out
    assert f"apex --set checkpoint=mine/agent.safetensors --on nb201 --objective valid {data}\n" in said.out
    steps = [row.steps for row in read_log(cli.home / "mine")]
    assert len(steps) >= 6 and steps == sorted(set(steps)) and 300 <= steps[-1] < 300 + TINY["walkers"]
    card = load_agent(cli.home / "mine" / AGENT).card
    assert (card.on, card.metric, card.seed, card.steps) == ("nb201", "valid", 3, steps[-1])
    assert {name: card.options[name] for name in TINY} == TINY


def test_one_object(cli: Any, small_table: Path) -> None:
    said = trained(cli, small_table, "mine", "--json", "--quiet", "--objective", "test")
    assert said.code == 0 and said.err == "" and said.out.count("\n") == 1
    found = json.loads(said.out)
    agent = load_agent(cli.home / "mine" / AGENT)
    assert (found["folder"], found["agent"], found["sha256"]) == ("mine", f"mine/{AGENT}", agent.sha256)
    assert found["finished"] is True
    assert found["card"]["metric"] == "test" and found["card"]["steps"] == found["row"]["steps"]
    assert found["row"]["episodes"] > 0 and found["row"]["best"] <= 70
    assert found["notes"] == ["the agent was trained on a test metric (test)."]


def test_the_same_seed_gives_the_same_agent(cli: Any, small_table: Path) -> None:
    digests = [
        json.loads(trained(cli, small_table, f"{number}", "--seed", seed, "--json").out)["sha256"]
        for number, seed in enumerate((3, 3, 4))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_new_folder_under_runs(cli: Any, small_table: Path) -> None:
    words = ("agent", "train", "--table", small_table, "--quiet", *settings(steps=50))
    assert [cli(*words).code for _ in range(2)] == [0, 0]
    assert sorted(path.name for path in (cli.home / "runs").iterdir()) == ["apex-nb201", "apex-nb201-2"]


def test_going_on_with_more_steps(cli: Any, small_table: Path, agents: list[Path]) -> None:
    words = ("agent", "train", "--table", small_table, "--from", agents[0], "--quiet")
    assert cli(*words, "--set", "steps=100", "--out", "more").code == 0
    first, second = load_agent(agents[0]).card, load_agent(cli.home / "more" / AGENT).card
    assert 100 <= second.steps - first.steps < 100 + TINY["walkers"]
    assert {**second.options, "steps": 300} == {**first.options}  # its own, but for what is set
    assert (second.on, second.metric) == (first.on, first.metric)


def test_fine_tuning_on_another_metric(cli: Any, small_table: Path, agents: list[Path]) -> None:
    words = ("agent", "train", "--table", small_table, "--from", agents[0], "--objective", "test", "--json")
    said = cli(*words, "--set", "steps=50", "--set", "lr=0.01", "--out", "fine")
    card = json.loads(said.out)["card"]
    assert (card["metric"], card["options"]["lr"], card["options"]["walkers"]) == ("test", 0.01, TINY["walkers"])


def test_an_agent_that_goes_on_keeps_its_sizes(cli: Any, small_table: Path, agents: list[Path]) -> None:
    """Those that are asked for are never overridden in silence, defaults included."""
    words = ("agent", "train", "--table", small_table, "--from", agents[0], "--out", "more")
    for name, asked, own in (("width", 64, 8), ("readout", "paper", "each"), ("max_neighbours", 50, 12)):
        says = [f"option {name}={asked}: the agent to go on with has {name}={own}", "omit it"]
        cli.refuses(*words, "--set", f"{name}={asked}", says=says)
    assert cli(*words, "--quiet", "--set", "steps=50", "--set", "width=8").code == 0


PAPER: dict[str, Any] = {
    "max_neighbours": 50, "episode_steps": 16, "gamma": 0.9, "n_step": 3, "bootstrap": True, "double_q": True,
    "dueling": True, "readout": "paper", "lr": 4e-5, "lr_decay": False, "scale_rewards": False, "buffer": 25_000,
    "priority_alpha": 0.6, "priority_beta": 0.4, "epsilon": 0.4, "epsilon_exponent": 7.0, "epsilon_levels": 8,
}  # fmt: skip
"""Cassimon et al., sections 3.2 and 4.1.1."""
RLLIB: dict[str, Any] = {
    "adam_eps": 1e-8, "max_grad_norm": 40.0, "huber_delta": 1.0, "batch_size": 512, "learn_ratio": 1.0,
    "priority_eps": 1e-6, "head_width": 256, "exact_discount": False, "log_steps": 25_000, "sync_delay": 8 * 400,
}  # fmt: skip
"""Version 1.13's defaults."""


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("apex_nb101", {"steps": 10_000_000, "shaping": 6.0, "width": 256, "walkers": 8 * 32}),
        ("apex_nb301", {"steps": 15_000_000, "shaping": 32.0, "width": 512, "walkers": 8}),
    ],
)
def test_the_set_up_of_the_paper(name: str, own: dict[str, Any]) -> None:
    found = config.read(name, train.params)
    assert dict(found.values) == {"on": name.removeprefix("apex_")}
    known = of_dataclass(ApexOptions)
    chosen = asdict(ApexOptions(**convert_all("agent", known, found.settings_for("agent"))))
    assert {option: chosen[option] for option in (*PAPER, *RLLIB, *own)} == {**PAPER, **RLLIB, **own}
    said = set(found.settings) | {"reference", "encoder_width"}
    assert set(known) == said, "a new option needs the paper's value here, too"


def test_a_training_from_a_file(cli: Any, small_table: Path) -> None:
    """What is typed takes precedence; the rest is the file's."""
    words = ("agent", "train", "--config", "apex_nb301", "--on", "nb201", "--table", small_table, "--out", "mine")
    said = cli(*words, "--quiet", *settings(steps=50))
    assert said.code == 0, said.err
    card = load_agent(cli.home / "mine" / AGENT).card
    assert card.on == "nb201"
    expected = {**PAPER, **RLLIB, **TINY, "steps": 50, "shaping": 32.0}
    assert {name: card.options[name] for name in expected} == expected
    (cli.home / "bad.toml").write_text("[set]\nwdith = 3\n")
    cli.refuses(
        "agent", "train", "--config", "bad.toml", "--out", "no", says=["unknown agent option 'wdith'", "'width'"]
    )
    (cli.home / "bad.toml").write_text("width = 3\n")
    cli.refuses("agent", "train", "--config", "bad.toml", "--out", "no", says=["unknown key 'width'", "under [set]"])


def test_tensorboard(cli: Any, small_table: Path) -> None:
    said = trained(cli, small_table, "mine", "--tensorboard", "--quiet", steps=50)
    assert said.code == 0, said.err
    (events,) = (cli.home / "mine" / "tensorboard").iterdir()
    assert events.name.startswith("events.out.tfevents")


def test_a_missing_package_names_the_extra(cli: Any, small_table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("agent", "train", "--on", "nb201", "--table", small_table, "--out", "mine")
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    cli.refuses(*words, "--tensorboard", says=["archloom[tensorboard]"])
    monkeypatch.setitem(sys.modules, "torch", None)
    cli.refuses(*words, says=["an agent needs the package torch: pip install 'archloom[train]'"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--on", "nb20"], ["unknown benchmark to walk on 'nb20'", "did you mean 'nb201'"]),
        (["--on", "nbgraph:cora"], ["unknown benchmark to walk on"]),
        (["--table", "missing.npz"], ["missing.npz"]),
        (["--table", ""], ["--table '': expected a file"]),
        (["--objective", "vald"], ["unknown objective 'vald'", "valid"]),
        (["--set", "stpes=3"], ["unknown agent option 'stpes'", "did you mean 'steps'"]),
        (["--set", "steps=0"], ["agent option steps=0: expected a whole number of at least 1"]),
        (["--set", "steps"], ["--set 'steps': expected NAME=VALUE"]),
        (["--set", "shaping=x"], ["shaping=x: expected a number from 0 to 700, or none"]),
        (["--set", "width=10"], ["heads=4", "width=10"]),
        (["--set", "readout=all"], ["readout=all", "one of each, paper"]),
        (["--seed", "-1"], ["seed -1: expected a whole number"]),
        (["--from", "missing.safetensors"], ["agent missing.safetensors: there is no such file"]),
        (["--out", ""], ["--out '': expected the name of a folder"]),
        (["--frobnicate"], ["unknown option '--frobnicate'"]),
        (["file.txt"], ["unexpected extra argument", "file.txt"]),
    ],
)
def test_bad_input_is_one_line(cli: Any, small_table: Path, arguments: list[str], says: list[str]) -> None:
    base = ["--on", "nb201", "--table", str(small_table), "--out", "mine"]
    cli.refuses("agent", "train", *base, *arguments, says=says)
    if "--out" not in arguments:
        cli.refuses("agent", "train", *base[:-2], *arguments, says=says)  # the default folder is not left behind


def test_only_agents_of_the_same_space_go_on(cli: Any, small_table: Path, darts_agent: Path) -> None:
    words = ("agent", "train", "--on", "nb201", "--table", small_table, "--objective", "valid", "--out", "mine")
    cli.refuses(*words, "--from", darts_agent, says=["darts"])
    cli.refuses("agent", "train", "--from", darts_agent, "--set", "width=16", "--out", "mine", says=["width=16"])


def test_a_folder_that_holds_something_is_refused(cli: Any, small_table: Path) -> None:
    (cli.home / "foreign").mkdir()
    (cli.home / "foreign" / "thesis.tex").write_text("...")
    words = ("agent", "train", "--on", "nb201", "--table", small_table, *settings(), "--out")
    cli.refuses(*words, "foreign", says=["foreign is not empty", "--out"])
    (cli.home / "file").write_text("...")
    cli.refuses(*words, "file", says=["file", "--out"])
    assert trained(cli, small_table, "mine", "--quiet", steps=50).code == 0
    cli.refuses(*words, "mine", says=["mine already holds the training of an agent: archloom resume mine"])


# -- resuming -----------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_a_training_that_goes_on(cli: Any, small_table: Path, process: Any, wait_until: Any) -> None:
    words = ["agent", "train", "--on", "nb201", "--table", small_table, "--quiet", "--out"]
    log = cli.home / "stopped" / "log.csv"
    constant = {"lr_decay": "false"}  # else what is learned depends on how many steps there were to be
    with process("-m", "archloom", *words, "stopped", *settings(steps=10**9, **constant), cwd=cli.home) as child:
        wait_until(lambda: log.exists() and log.read_bytes().count(b"\n") > 3, child)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=HANGS_AFTER_S)
    assert child.returncode == 130
    assert err.splitlines()[-1] == (
        "archloom: interrupted; what was learned so far is on disk; continue with: archloom resume stopped"
    )
    steps = (done := load_agent(cli.home / "stopped" / AGENT).card.steps) + 100
    said = cli("resume", "stopped", "--set", f"steps={steps}", "--json")
    assert f"stopped: continues after {done:,} of {steps:,} steps\n" in said.err
    went_on = json.loads(said.out)
    whole = json.loads(cli(*words, "whole", *settings(steps=steps, **constant), "--json").out)
    assert went_on["sha256"] == whole["sha256"]
    assert timeless(cli.home / "stopped") == timeless(cli.home / "whole")


def timeless(folder: Path) -> list[TrainingRow]:
    """The log of a training without what depends on how quick the machine is."""
    return [replace(row, seconds=0.0, steps_per_second=None) for row in read_log(folder)]


def test_a_finished_training_is_said_to_be_finished(cli: Any, agents: list[Path]) -> None:
    before = agents[0].read_bytes()
    for words in (("resume", "agent-0"), ("agent", "resume", "agent-0")):
        said = cli(*words)
        assert said.code == 0
        assert "agent-0: this training is finished; for more steps: archloom resume agent-0 --set steps=N" in said.err
        assert f"agent           agent-0/{AGENT}" in said.out
    assert agents[0].read_bytes() == before


@pytest.mark.parametrize("verb", [("resume",), ("agent", "resume")])
def test_more_steps_are_those_that_were_planned_at_once(
    cli: Any, small_table: Path, agents: list[Path], verb: tuple[str, ...]
) -> None:
    longer = json.loads(trained(cli, small_table, "longer", "--json", steps=500).out)
    said = cli(*verb, "agent-0", "--set", "steps=500", "--json")
    assert json.loads(said.out)["sha256"] == longer["sha256"]


def test_a_table_that_was_moved(cli: Any, small_table: Path) -> None:
    table = cli.home / "table.npz"
    shutil.copy(small_table, table)
    assert trained(cli, table, "mine", "--quiet", steps=50).code == 0
    table.rename(cli.home / "moved.npz")
    said = cli("resume", "mine", "--set", "steps=100", "--quiet")
    assert said.code in (2, 3) and "table.npz" in said.err
    said = cli("resume", "mine", "--set", "steps=100", "--table", "moved.npz", "--quiet")
    assert said.code == 0, said.err
    assert f"--table {cli.home / 'moved.npz'}" in said.out
    assert cli("resume", "mine", "--set", "steps=150", "--quiet").code == 0  # where it is now was written down
    assert 150 <= load_agent(cli.home / "mine" / AGENT).card.steps < 150 + TINY["walkers"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--queries", "9"], ["--queries: agent-0 is the training of an agent"]),
        (["--workers", "2"], ["--workers: agent-0 is the training of an agent", "archloom agent resume agent-0"]),
        (["--add", "random"], ["--add: agent-0 is the training of an agent"]),
        (["--set", "lr=0.1"], ["--set lr: a training keeps its options, but for steps"]),
        (["--set", "steps=none"], ["steps=none: expected a whole number"]),
    ],
)
def test_what_a_training_cannot_be_resumed_with(
    cli: Any, agents: list[Path], arguments: list[str], says: list[str]
) -> None:
    cli.refuses("resume", "agent-0", *arguments, says=says)


def test_what_is_no_training(cli: Any) -> None:
    (cli.home / "empty").mkdir()
    for folder in ("empty", "missing"):
        said = cli("agent", "resume", folder)
        assert said.code in (2, 3) and f"{folder} holds no training" in said.err and said.err.count("\n") == 1
    assert [path.name for path in cli.home.iterdir()] == ["empty"]


# -- evaluating ---------------------------------------------------------------------------------------------------

FEW = ("--starts", 20, "--sets", 2, "--steps", 3, "--neighbours", 12)


def test_agents_beside_what_learns_nothing(cli: Any, small_table: Path, agents: list[Path]) -> None:
    said = cli("agent", "evaluate", *agents, "--table", small_table, *FEW, "--json", "--quiet")
    assert said.code == 0 and said.err == "" and said.out.count("\n") == 1
    found = json.loads(said.out)
    assert (found["on"], found["objective"], found["report"]) == ("nb201", "valid", "test")
    plan = {name: found[name] for name in ("sets", "starts", "steps", "neighbours", "seed")}
    assert plan == {"sets": 2, "starts": 20, "steps": 3, "neighbours": 12, "seed": 0}
    names = ["apex-1", "apex-2", "apex", "local_search", "random_walk", "random"]
    assert [policy["policy"] for policy in found["policies"]] == names
    assert [policy["improvement"]["valid"]["n"] for policy in found["policies"]] == [40, 40, 80, 40, 40, 40]
    assert [each["checkpoint"] for each in found["agents"]] == [str(path) for path in agents]
    assert [each["sha256"] for each in found["agents"]] == [load_agent(path).sha256 for path in agents]
    steps = sum(each["steps"] for each in found["agents"])
    assert any(f"the 2 agents trained for {steps:,} steps in all" in note for note in found["notes"])


def test_one_agent_alone(cli: Any, small_table: Path, agents: list[Path]) -> None:
    words = ("agent", "evaluate", agents[1], "--table", small_table, *FEW)
    found = json.loads(cli(*words, "--no-baselines", "--json").out)
    assert [policy["policy"] for policy in found["policies"]] == ["apex"]
    both = json.loads(cli("agent", "evaluate", *agents, "--table", small_table, *FEW, "--json").out)
    assert both["policies"][1]["improvement"] == found["policies"][0]["improvement"]


def test_the_folder_of_a_training_stands_for_its_agent(cli: Any, small_table: Path, agents: list[Path]) -> None:
    for words in (("show",), ("evaluate", "--table", small_table, *FEW, "--no-baselines")):
        by_file, by_folder = (cli("agent", *words, path, "--json").out for path in (f"agent-0/{AGENT}", "agent-0"))
        assert by_file and by_file == by_folder
    said = cli("agent", "train", "--table", small_table, "--from", "agent-0", "--set", "steps=20", "--out", "more")
    assert said.code == 0, said.err


def test_tables_for_people_and_a_picture(cli: Any, small_table: Path, agents: list[Path]) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    said = cli("agent", "evaluate", *agents, "--table", small_table, *FEW, "-o", "change.png")
    assert said.code == 0, said.err
    assert (cli.home / "change.png").read_bytes().startswith(b"\x89PNG")
    first = said.out.splitlines()[0]
    assert first.startswith(f"apex-1: {agents[0]}, 3") and first.endswith(" steps to raise valid on nb201, seed 0")
    assert "improvement of test over an episode" in said.out
    assert "look-ups of training are not counted" in said.out
    assert said.out.rstrip().endswith("picture: change.png")


def test_another_metric_is_told_as_transfer(cli: Any, small_table: Path, agents: list[Path]) -> None:
    words = ("agent", "evaluate", agents[0], "--table", small_table, "--objective", "test", *FEW, "--json")
    found = json.loads(cli(*words).out)
    assert found["objective"] == "test"
    assert "apex was trained to raise valid: here it transfers what it learned." in found["notes"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], ["Missing argument 'CHECKPOINT", "archloom agent evaluate --help"]),
        (["missing.safetensors"], ["agent missing.safetensors: there is no such file"]),
        (["."], ["agent .: ", "folder"]),
        (["agent-0/log.csv"], ["agent agent-0/log.csv: "]),
        (["agent-0/state.safetensors"], ["agent agent-0/state.safetensors: "]),
        (["AGENT", "AGENT"], ["is the same agent as", "name each once"]),
        (["AGENT", "--on", "nb20"], ["unknown benchmark to walk on 'nb20'"]),
        (["AGENT", "--objective", "vald"], ["unknown objective 'vald'"]),
        (["AGENT", "--starts", "0"], ["starts=0: expected at least 1"]),
        (["AGENT", "-o", "change.jpg"], ["change.jpg: expected a name that ends in .png"]),
        (["AGENT", "--figure", "initial"], ["--figure initial", "-o"]),
    ],
)
def test_what_cannot_be_evaluated(
    cli: Any, small_table: Path, agents: list[Path], arguments: list[str], says: list[str]
) -> None:
    words = [f"agent-0/{AGENT}" if word == "AGENT" else word for word in arguments]
    cli.refuses("agent", "evaluate", *words, "--table", small_table, says=says)


def test_an_agent_of_another_space(cli: Any, small_table: Path, darts_agent: Path) -> None:
    words = ("agent", "evaluate", darts_agent, "--on", "nb201", "--table", small_table, "--objective", "valid")
    cli.refuses(*words, says=["was trained on nb301", "encodings of darts", "archloom agent train --on nb201"])


# -- showing ------------------------------------------------------------------------------------------------------


def test_an_agent_as_people_read_it(cli: Any, agents: list[Path]) -> None:
    said = cli("agent", "show", agents[1])
    assert said.code == 0 and said.err == ""
    agent = load_agent(agents[1])
    weights = sum(tensor.numel() for tensor in agent.network.parameters())
    lines = said.out.splitlines()
    assert lines[0] == f"agent           {agents[1]}"
    assert lines[1] == f"trained         {agent.card.steps} steps to raise valid on nb201, seed 1"
    assert f"network         {weights:,} weights; width=8" in said.out
    for words in (agent.sha256, agent.card.data_sha256, "shaping=none", "scale_rewards=true", "readout=each"):
        assert words in said.out
    assert max(map(len, lines)) <= 100 + len(str(cli.home))


def test_an_agent_as_one_object(cli: Any, agents: list[Path]) -> None:
    found = json.loads(cli("agent", "show", agents[1], "--json").out)
    agent = load_agent(agents[1])
    assert (found["checkpoint"], found["sha256"]) == (str(agents[1]), agent.sha256)
    assert (found["on"], found["seed"], found["options"]) == ("nb201", 1, agent.card.options)


def test_what_cannot_be_shown(cli: Any) -> None:
    cli.refuses("agent", "show", "missing.safetensors", says=["agent missing.safetensors: there is no such file"])
    cli.refuses("agent", "shwo", says=["No such command 'shwo'"])


@pytest.mark.parametrize("verb", ["status", "best", "plot", "export -o net.py", "lineage", "evaluate", "soup"])
def test_commands_for_runs_say_what_shows_a_training(cli: Any, agents: list[Path], verb: str) -> None:
    name, *more = verb.split()
    cli.refuses(name, "agent-0", *more, says=["agent-0 is the training of an agent", "archloom agent show agent-0"])


def test_commands_are_said_in_full(cli: Any) -> None:
    said = cli("agent", "--help")
    assert said.code == 0 and "..." not in said.out.partition("Commands:")[2]


def test_the_options_of_a_training_are_listed(cli: Any) -> None:
    said = cli("list", "agent")
    assert said.code == 0
    assert "  steps = 64000  (a whole number of at least 1)" in said.out
    assert "  shaping = none  (a number from 0 to 700, or none)" in said.out
    explained = {name for line in said.out.splitlines() for name in line.partition(":")[0].split(", ")}
    assert set(of_dataclass(ApexOptions)) <= explained, "each option is explained, the network's too"


# -- the benchmark itself -----------------------------------------------------------------------------------------


def test_on_the_real_table(cli: Any, real_table: Any) -> None:
    table = real_table("nb201.npz")
    words = ("agent", "train", "--on", "nb201", "--table", table, "--objective", "cifar100_valid_200", "--out", "mine")
    said = cli(*words, *settings(steps=50, max_neighbours=50), "--json")
    assert said.code == 0, said.err
    evaluated = cli("agent", "evaluate", f"mine/{AGENT}", "--table", table, "--starts", 5, "--sets", 1, "--json")
    found, card = json.loads(evaluated.out), json.loads(said.out)["card"]
    assert (found["objective"], found["table_sha256"]) == (card["metric"], card["data_sha256"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--device", "tpu7"], "device=tpu7: not usable here"),
        (["--device", "cpu", "--ray"], "--device cpu: on Ray the learner is on the CPU"),
        (["--threads", "0"], "--threads 0: expected at least 1"),
        (["--threads", "2", "--ray"], "--threads 2: on Ray the variable OMP_NUM_THREADS says it"),
    ],
)
def test_threads_and_devices_that_there_are_not(cli: Any, small_table: Path, words: list[str], said: str) -> None:
    answer = cli("agent", "train", "--on", "nb201", "--table", small_table, "--out", "none", *words)
    assert answer.code == 2
    assert said in answer.err
    assert not (cli.home / "none").exists()


# -- mistakes that were made once ---------------------------------------------------------------------------------


def test_a_search_is_not_written_into_a_training(cli: Any, small_table: Path, agents: list[Path]) -> None:
    before = {path.name for path in agents[0].parent.iterdir()}
    for words in (("search", "random"), ("compare", "random", "evolution"), ("search", "random", "--seeds", 2)):
        said = cli(*words, "--on", "nb201", "--table", small_table, "--queries", 3, "--out", agents[0].parent)
        assert said.code == 2
        assert "agent-0 already holds the training of an agent: archloom resume " in said.err
    assert {path.name for path in agents[0].parent.iterdir()} == before


def test_another_benchmark_is_told_by_its_encoding(cli: Any, small_table: Path, darts_agent: Path) -> None:
    """Not by the agent's metric, which that benchmark does not have."""
    said = cli("agent", "evaluate", darts_agent, "--on", "nb201", "--table", small_table, "--starts", 2)
    assert said.code == 2 and "reads encodings of darts, not of " in said.err
    said = cli("agent", "train", "--from", darts_agent, "--on", "nb201", "--table", small_table, "--out", "more")
    assert said.code == 2 and "the agent to go on with reads darts" in said.err


def test_a_training_that_diverges_could_not_go_on(cli: Any, small_table: Path) -> None:
    said = trained(cli, small_table, "mine", "--quiet", "--set", "lr=1e6", steps=3000)
    assert said.code == 3
    assert "no longer finite: train again with a smaller lr" in said.err and said.err.count("\n") == 1


def test_a_folder_inside_a_file(cli: Any, small_table: Path) -> None:
    (cli.home / "file").write_text("precious")
    said = trained(cli, small_table, "file/mine")
    assert said.code == 2 and "file is a file: give a folder" in said.err
