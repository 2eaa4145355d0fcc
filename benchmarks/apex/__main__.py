"""The Ape-X agent against its paper (Cassimon et al.): pictures, tables, and what they are made from.

python -m benchmarks.apex STUDY [--out DIR] [--agent FILE ...] [--record FILE] [--smoke] [--json]
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.apex import ablations, curves, distributed, environments, figures, replay, tables, training
from benchmarks.apex.study import Study, show
from benchmarks.recorded import parser

STUDIES: dict[str, Study] = {
    **ablations.STUDIES,
    **curves.STUDIES,
    **distributed.STUDIES,
    **environments.STUDIES,
    **figures.STUDIES,
    **replay.STUDIES,
    **tables.STUDIES,
    **training.STUDIES,
}
"""All studies by name; a module of studies adds itself here."""


def main() -> None:
    parsing = parser(__doc__, STUDIES, smoke="few starts, few seeds, few steps")
    parsing.epilog = "studies:\n" + "\n".join(f"  {name:14} {study.title}" for name, study in STUDIES.items())
    parsing.add_argument("--out", type=Path, help="a folder for pictures, which is made")
    parsing.add_argument("--agent", action="append", default=[], type=Path, dest="agents",
                         help="a trained agent's file; repeatable")  # fmt: skip
    parsing.add_argument("--objective", help="the metric to climb, instead of the benchmark's own")
    parsing.add_argument("--trainings", type=Path, help="a folder of trainings: FOLDER/SETTING/SEED")
    parsing.add_argument("--sets", type=int, help="sets of starts, instead of the study's own")
    parsing.add_argument("--starts", type=int, help="starts in a set, instead of the study's own")
    arguments = parsing.parse_args()
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
    rows = [dict(row) for row in STUDIES[arguments.study].run(arguments)]
    if arguments.json:
        print(json.dumps(rows))
    else:
        show(rows)


if __name__ == "__main__":
    main()
