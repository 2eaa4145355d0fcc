"""What a Ray worker does, without Ray."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from archloom.checkpoints.store import CheckpointFolder
from archloom.errors import StoreError
from archloom.executors.base import Job
from archloom.executors.ray_actor import SentCheckpoints, Setup, Token, Worker
from archloom.problems import ProblemSpec, open_evaluator
from archloom.types import Arch, Proposal


def test_a_state_that_is_sent_is_the_file_that_would_be_written(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    from archloom.checkpoints.state import TrainingState

    state = TrainingState({"net": {"weight": torch.arange(6.0).reshape(2, 3)}}, rest={"epochs": 3})
    folder, ours = CheckpointFolder(tmp_path / "weights"), SentCheckpoints({}, CheckpointFolder(tmp_path / "weights"))
    folder.save(4, state)
    ours.save(4, state)
    assert ours.saved is not None and ours.saved.tobytes() == folder.file(4).read_bytes()
    ours.saved.flags.writeable = False  # as it comes out of an object store
    loaded = SentCheckpoints({4: ours.saved}, folder).load(4)
    assert torch.equal(loaded.networks["net"]["weight"], state.networks["net"]["weight"]) and loaded.rest == state.rest
    folder.save_content(5, ours.saved.data)
    assert folder.file(5).read_bytes() == folder.file(4).read_bytes()


def test_a_state_that_was_not_sent(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the checkpoint of trial 3 is not in the run's folder"):
        SentCheckpoints({4: np.zeros(1, np.uint8)}, CheckpointFolder(tmp_path)).load(3)


def test_who_does_not_see_the_token_does_not_use_the_folder(tmp_path: Path) -> None:
    token = Token(tmp_path / "token", "1")
    assert not token.seen()
    token.write()
    assert token.seen()
    assert not Token(tmp_path / "token", "2").seen(), "a file of the same name on another machine"


def test_experience_is_shared_only_by_those_that_see_the_folder(tmp_path: Path, experienced: Path) -> None:
    states, make = CheckpointFolder(tmp_path / "weights"), partial(open_evaluator, ProblemSpec(str(experienced)))
    token = Token(tmp_path / "token", "1")
    begun = Worker().begin(Setup(make, states, token, {}))
    assert begun.error is not None and not begun.sees
    assert begun.error.startswith(f"it does not see the folder {states.path}, where trainings leave their experience")
    token.write()
    assert Worker().begin(Setup(make, states, token, {})).error is None


def test_a_worker_says_why_it_cannot_begin_and_what_it_sees(tmp_path: Path, planted: Path) -> None:
    token = Token(tmp_path / "token", "1")
    token.write()
    states = CheckpointFolder(tmp_path / "weights")
    begun = Worker().begin(Setup(partial(open_evaluator, ProblemSpec("nothing.py")), states, token, {}))
    assert begun.sees and begun.error is not None and "there is no file" in begun.error
    worker = Worker()
    begun = worker.begin(Setup(partial(open_evaluator, ProblemSpec(str(planted))), None, None, {}))
    assert (begun.error, begun.sees) == (None, False)
    result, state = worker.evaluate(Job(0, Proposal(Arch((0,) * 8)), 0), [])
    assert result.ok and state is None
