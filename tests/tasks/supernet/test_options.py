from __future__ import annotations

import pytest

from archloom.errors import InputError
from archloom.tasks.supernet.options import FrozenOptions, StepOptions, SupernetOptions, as_plain, making


def test_ddas_has_its_published_defaults() -> None:
    options = StepOptions()
    assert (options.sampling, options.epochs, options.steps, options.step_lr) == ("all", 75, 25, 0.001)
    assert (options.batch_size, options.lr, options.final_lr) == (64, 0.025, 0.001)


def test_the_options_that_a_file_depends_on() -> None:
    chosen = FrozenOptions(norm="running", lr=0.5)
    assert making(chosen) == SupernetOptions(lr=0.5)
    assert "norm" not in as_plain(chosen)
    assert as_plain(FrozenOptions(augment=("flip",)))["augment"] == ["flip"]


def test_cutout_without_its_change_is_refused() -> None:
    with pytest.raises(InputError, match="cutout=4: add cutout to augment"):
        SupernetOptions(cutout=4)
    assert SupernetOptions(cutout=4, augment=("cutout",)).cutout == 4
