import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archloom.agents.options import ApexOptions
from archloom.agents.training import TrainingRequest, open_training, prepare_training
from archloom.agents.training_folder import is_training, read_manifest
from archloom.agents.training_log import read_log
from archloom.errors import InputError, StoreError
from archloom.learners.agent_file import load_agent

needs_nb201 = pytest.mark.usefixtures("data_dir")

QUICK = ApexOptions(
    width=16, feedforward=16, head_width=8, heads=2, walkers=16, max_neighbours=8, steps=900, learning_starts=100,
    log_steps=100, buffer=400,
)  # fmt: skip


def request(out, **changes):
    folder = os.environ.get("ARCHLOOM_DATA")
    table = None if folder is None else Path(folder) / "nb201.npz"
    return replace(TrainingRequest("nb201", out, table, "cifar100_valid_200", QUICK), **changes)


def weights(folder):
    return {
        name: tensor.numpy() for name, tensor in load_agent(folder / "agent.safetensors").network.state_dict().items()
    }


def same(first, second):
    return all(np.array_equal(array, second[name]) for name, array in first.items())


class Stopped(Exception):
    pass


def stop_at(steps):
    def progress(row):
        if row.steps >= steps:
            raise Stopped

    return progress


@needs_nb201
def test_a_training_gives_an_agent_with_its_card(tmp_path):
    training = prepare_training(request(tmp_path / "t"))
    assert not (tmp_path / "t").exists()
    rows = []
    report = training.run(rows.append)
    assert report.finished
    assert report.steps >= 900
    assert rows == read_log(tmp_path / "t")
    assert [row.steps // 100 for row in rows] == list(range(1, 10))
    assert rows[-1].updates > 0
    card = load_agent(report.agent).card
    assert (card.space, card.on, card.metric) == ("nb201", "nb201", "cifar100_valid_200")
    assert card.steps == report.steps
    assert ApexOptions(**card.options) == QUICK


@needs_nb201
def test_a_killed_training_goes_on_bit_for_bit(tmp_path):
    prepare_training(request(tmp_path / "whole")).run()
    with pytest.raises(Stopped):
        prepare_training(request(tmp_path / "killed")).run(stop_at(500), checkpoint_every_s=0.0)
    resumed = open_training(tmp_path / "killed")
    assert 0 < resumed.agent.progress.steps < 900
    resumed.run()
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    ours, theirs = read_log(tmp_path / "killed"), read_log(tmp_path / "whole")
    timeless = [replace(row, seconds=0.0, steps_per_second=None) for row in ours]
    assert timeless == [replace(row, seconds=0.0, steps_per_second=None) for row in theirs]


@needs_nb201
def test_one_killed_before_its_first_checkpoint_starts_again(tmp_path):
    with pytest.raises(Stopped):
        prepare_training(request(tmp_path / "killed")).run(stop_at(100))
    prepare_training(request(tmp_path / "whole")).run()
    open_training(tmp_path / "killed").run()
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))


@needs_nb201
def test_more_steps_are_as_if_asked_for_at_once(tmp_path):
    constant = replace(QUICK, lr_decay=False)  # else what is learnt depends on where the rate ends
    prepare_training(request(tmp_path / "whole", options=constant)).run()
    prepare_training(request(tmp_path / "more", options=replace(constant, steps=400))).run()
    open_training(tmp_path / "more", steps=900).run()
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "more"))
    assert read_manifest(tmp_path / "more").options["steps"] == 900


@needs_nb201
def test_an_agent_goes_on_with_another_table(tmp_path):
    first = prepare_training(request(tmp_path / "first")).run()
    again = request(tmp_path / "again", objective="cifar10_valid_200", start=first.agent)
    training = prepare_training(replace(again, options=replace(QUICK, steps=200, learning_starts=150, lr=1e-12)))
    report = training.run()
    card = load_agent(report.agent).card
    assert card.metric == "cifar10_valid_200"
    assert card.steps == first.steps + report.steps
    before, after = weights(tmp_path / "first"), weights(tmp_path / "again")
    assert all(np.allclose(before[name], after[name], atol=1e-6) for name in before)


@needs_nb201
def test_an_agent_keeps_its_sizes(tmp_path):
    first = prepare_training(request(tmp_path / "first", options=replace(QUICK, steps=16))).run()
    with pytest.raises(InputError, match="width=32: the agent to go on with has width=16"):
        prepare_training(request(tmp_path / "again", start=first.agent, options=replace(QUICK, width=32)))
    assert not (tmp_path / "again").exists()


@needs_nb201
def test_folders_that_are_in_use_are_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(InputError, match="is not empty"):
        prepare_training(request(tmp_path / "full"))
    prepare_training(request(tmp_path / "done", options=replace(QUICK, steps=16))).run()
    with pytest.raises(InputError, match="holds a training already: archloom resume"):
        prepare_training(request(tmp_path / "done"))
    assert open_training(tmp_path / "done").finished


@needs_nb201
def test_a_changed_folder_is_refused(tmp_path):
    prepare_training(request(tmp_path / "t", options=replace(QUICK, steps=16))).run()
    assert is_training(tmp_path / "t")
    path = tmp_path / "t" / "training.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(StoreError, match="its checksum does not match"):
        open_training(tmp_path / "t")
    path.unlink()
    with pytest.raises(StoreError, match="holds no training"):
        open_training(tmp_path / "t")


def test_bad_requests_write_nothing(tmp_path):
    for changes, words in (
        ({"on": "nb202"}, "unknown benchmark"),
        ({"seed": -1}, "seed -1"),
        ({"start": tmp_path / "none"}, "there is no such file"),
    ):
        with pytest.raises(InputError, match=words):
            prepare_training(request(tmp_path / "t", **changes))
    assert not (tmp_path / "t").exists()


@needs_nb201
@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_leaves_a_checkpoint(tmp_path):
    def progress(row):
        if row.steps >= 300:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        prepare_training(request(tmp_path / "stopped")).run(progress)
    resumed = open_training(tmp_path / "stopped")
    assert 300 <= resumed.agent.progress.steps < 400
    resumed.run()
    prepare_training(request(tmp_path / "whole")).run()
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "stopped"))


_KILLED = """
import os, signal, sys
from pathlib import Path
from archloom.agents.training import prepare_training
from tests.agents.test_training import request
prepare_training(request(Path(sys.argv[1]))).run(
    lambda row: row.steps < 300 or os.kill(os.getpid(), signal.SIGKILL), checkpoint_every_s=0.0
)
"""


@needs_nb201
def test_kill_9_loses_nothing(tmp_path):
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path / "killed")], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    open_training(tmp_path / "killed").run()
    prepare_training(request(tmp_path / "whole")).run()
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
