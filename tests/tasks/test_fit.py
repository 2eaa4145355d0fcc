from __future__ import annotations

import pytest

from archloom.tasks.fit import sizes_for
from archloom.types import PopulationSizes


@pytest.mark.parametrize(
    ("steps", "epochs", "step"),
    [
        (45, 20, 2),  # digits, 1,797 images by 40: two epochs are 90 steps
        (17, 50, 5),  # 1,151 images by 64: five are 85
        (1250, 20, 2),  # never fewer than 20 epochs
        (1, 800, 80),
        (0, 800, 80),  # what does not fill a batch is refused when it is opened
    ],
)
def test_a_chunk_has_eighty_steps_and_a_training_ten_chunks(steps: int, epochs: int, step: int) -> None:
    assert sizes_for(steps) == PopulationSizes(12, epochs, step)


def test_a_length_that_is_asked_for_is_cut_in_as_many_chunks() -> None:
    assert sizes_for(45, 7) == PopulationSizes(12, 7, 1)
    assert sizes_for(45, 300) == PopulationSizes(12, 300, 2)
