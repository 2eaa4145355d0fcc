"""Learning curves of agents with the networks of DrQ-v2, on cartpole balance.

python -m benchmarks.control vectors      from vectors, 12,000 frames: minutes
python -m benchmarks.control pixels       from pixels, 60,000 frames: an hour
python -m benchmarks.control vectors --record FILE    keep what is done in FILE, and continue
... --json, --smoke, --seeds N, --workers N
"""

from __future__ import annotations

from collections.abc import Mapping

from archloom.tasks.control.options import ControlOptions
from benchmarks.control.learning import Learning
from benchmarks.recorded import parser
from benchmarks.study import run

STUDIES: Mapping[str, Learning] = {
    "vectors": Learning(
        ControlOptions(
            pixels=False, epochs=12, epoch_frames=1_000, episodes=3, lr=1e-3, batch_size=128, std_steps=10_000,
            seed_frames=1_000, explore_steps=500, tau=0.05,
        ),
        choices={"q1.layer1": "residual_05", "q2.layer1": "residual_05"},
    ),
    "pixels": Learning(
        ControlOptions(
            size=42, epochs=12, epoch_frames=5_000, episodes=2, lr=3e-4, batch_size=128, std_steps=10_000
        ),
        {"width": 16, "hidden": 256, "features": (50,)},
    ),
}  # fmt: skip
SMOKE = Learning(
    ControlOptions(
        pixels=False, episode_frames=20, epochs=2, epoch_frames=40, episodes=1, batch_size=8, seed_frames=20,
        explore_steps=5,
    ),
    {"hidden": 8, "features": (4,)},
    {"q1.layer1": "residual_05"},
    seeds=2,
)  # fmt: skip


def main() -> None:
    arguments = parser(__doc__, STUDIES, smoke="small sizes").parse_args()
    run(SMOKE if arguments.smoke else STUDIES[arguments.study], arguments)


if __name__ == "__main__":
    main()
