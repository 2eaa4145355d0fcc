import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from archloom.agents.apex import Tally
from archloom.agents.options import ApexOptions
from archloom.agents.training import TrainingRequest, open_training, prepare_training
from archloom.agents.training_folder import is_training, read_manifest
from archloom.agents.training_log import read_log
from archloom.errors import InputError, StoreError, TrainingError
from archloom.learners.agent_file import load_agent
from archloom.utils.documents import write_sealed

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
    with pytest.raises(InputError, match="already holds the training of an agent: archloom resume"):
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
    with pytest.raises(InputError, match="holds no training"):
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


# -- two at once ------------------------------------------------------------------------------------------------------

SHORT = replace(QUICK, steps=160)


@needs_nb201
def test_of_two_that_begin_in_a_folder_the_later_one_writes_nothing(tmp_path):
    first, second = (prepare_training(request(tmp_path / "t", options=SHORT, seed=seed)) for seed in (1, 2))
    first.run()
    before = {path: path.read_bytes() for path in (tmp_path / "t").iterdir()}
    with pytest.raises(InputError, match="already holds the training of an agent"):
        second.run()
    assert {path: path.read_bytes() for path in (tmp_path / "t").iterdir()} == before


@needs_nb201
def test_of_two_that_go_on_the_later_one_writes_nothing(tmp_path):
    prepare_training(request(tmp_path / "t", options=SHORT)).run()
    first, second = (open_training(tmp_path / "t", steps) for steps in (400, 300))
    first.run()
    with pytest.raises(StoreError, match="was trained by another process meanwhile"):
        second.run()
    assert open_training(tmp_path / "t").agent.progress.steps >= 400
    assert read_manifest(tmp_path / "t").options["steps"] == 400


@needs_nb201
def test_one_that_was_interrupted_may_run_again(tmp_path, hears_ctrl_c):
    training = prepare_training(request(tmp_path / "t", options=SHORT))
    with pytest.raises(KeyboardInterrupt):
        training.run(lambda row: row.steps >= 160 or os.kill(os.getpid(), signal.SIGINT))
    assert training.run().finished


# -- files that are lost ----------------------------------------------------------------------------------------------


@needs_nb201
@pytest.mark.parametrize("what", ["missing", "older", "damaged"])
def test_a_finished_training_writes_its_agent_if_it_is_not_there(tmp_path, what):
    agent = tmp_path / "t" / "agent.safetensors"
    prepare_training(request(tmp_path / "t", options=SHORT)).run()
    older = agent.read_bytes()
    whole = open_training(tmp_path / "t", 400).run()
    right = agent.read_bytes()
    if what == "missing":
        agent.unlink()
    else:
        agent.write_bytes(older if what == "older" else right[:-1] + bytes([right[-1] ^ 1]))
    assert open_training(tmp_path / "t").run().agent == whole.agent
    assert agent.read_bytes() == right


@needs_nb201
def test_a_lost_state_is_not_begun_again_over_the_agent(tmp_path):
    prepare_training(request(tmp_path / "t", options=SHORT)).run()
    (tmp_path / "t" / "state.safetensors").unlink()
    with pytest.raises(StoreError, match="is gone: restore it from a copy, or go on from the agent alone"):
        open_training(tmp_path / "t")


@needs_nb201
def test_fewer_steps_than_there_are(tmp_path):
    prepare_training(request(tmp_path / "t", options=SHORT)).run()
    with pytest.raises(InputError, match=r"steps=20: .* has trained for 1.. steps already; expected more"):
        open_training(tmp_path / "t", 20)


@needs_nb201
def test_a_table_that_is_gone(tmp_path):
    table = tmp_path / "table.npz"
    shutil.copy(request(tmp_path).table, table)
    prepare_training(request(tmp_path / "t", table=table, options=SHORT)).run()
    table.rename(tmp_path / "moved.npz")
    with pytest.raises(InputError, match=r"which is not there; put it back, or give its path: .* --table FILE"):
        open_training(tmp_path / "t", 300)
    assert open_training(tmp_path / "t", 300, tmp_path / "moved.npz").run().finished


# -- numbers that are too large ---------------------------------------------------------------------------------------


@needs_nb201
def test_a_training_that_diverges_keeps_its_last_checkpoint(tmp_path):
    prepare_training(request(tmp_path / "t", options=replace(SHORT, steps=300, lr_decay=False))).run()
    path = tmp_path / "t" / "training.json"
    known = msgspec.to_builtins(read_manifest(tmp_path / "t"))
    write_sealed(path, {**known, "options": {**known["options"], "lr": 1e6}})
    before = weights(tmp_path / "t")
    with pytest.raises(TrainingError, match=r"steps rewards or Q-values are no longer finite.* of its last checkpoint"):
        open_training(tmp_path / "t", 30_000).run(checkpoint_every_s=1e9)
    assert same(before, weights(tmp_path / "t"))


@needs_nb201
@pytest.mark.parametrize("changes", [{"scale_rewards": False}, {"reference": 0.0}])
def test_rewards_that_overflow(tmp_path, changes):
    with pytest.raises(TrainingError, match=r"after .* steps rewards or Q-values are no longer finite"):
        prepare_training(request(tmp_path / "t", options=replace(QUICK, shaping=700.0, **changes))).run()


@needs_nb201
@pytest.mark.parametrize("changes", [{"walkers": 10**9}, {"buffer": 10**9, "steps": 10**9}])
def test_more_memory_than_there_is(tmp_path, changes):
    with pytest.raises(InputError, match=r"this training needs about .* GB; this machine has .*; expected less"):
        prepare_training(request(tmp_path / "t", options=replace(QUICK, max_neighbours=99_999, **changes)))
    assert not (tmp_path / "t").exists()


@needs_nb201
def test_paths_as_strings(tmp_path):
    asked = request(tmp_path / "t", options=SHORT)
    prepare_training(TrainingRequest("nb201", str(asked.out), str(asked.table), options=SHORT)).run()
    assert open_training(str(asked.out)).finished
    with pytest.raises(InputError, match=r"options={'steps': 3}: expected ApexOptions"):
        request(tmp_path, options={"steps": 3})


@needs_nb201
def test_a_row_of_the_log_is_what_was_counted(tmp_path):
    training = prepare_training(request(tmp_path / "t"))
    training.agent.progress.steps, training.agent.progress.updates = 500, 7
    training.agent.progress.tally = Tally(
        gathered=100, values=6_000.0, episodes=8, ends=280.0, exploiting=4, lengths=96, stopped=2, errors=3.2,
        learnt=64, losses=0.5, updates=5, best=73.0,
    )  # fmt: skip
    row = training._row()
    assert (row.steps, row.updates, row.episodes, row.best) == (500, 7, 8, 73.0)
    assert (row.mean_value, row.mean_end, row.episode_length, row.stopped) == (60.0, 70.0, 12.0, 0.25)
    assert (row.td_error, row.loss) == (0.05, 0.1)
    again = training._row()
    assert (again.episodes, again.best, again.mean_end) == (8, 73.0, None), "what was counted since, and the best ever"
