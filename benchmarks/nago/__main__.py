"""NAGO's Tables 1, 3 and 4 and Figures 2 and 7; what trains does so on small images of clothes, in hours.

    python -m benchmarks.nago table3      the memory of the generators that the paper prints, a minute
    python -m benchmarks.nago table4      searches of equal time on HNAG and RNAG, and the networks of what they found
    python -m benchmarks.nago networks    Figure 2: eight networks of each of 40 random generators
    python -m benchmarks.nago memory      Figure 7: the memory of 300 networks of HNAG, RNAG and DARTS, minutes
    python -m benchmarks.nago memory-large        the same for images of 224 x 224 pixels
    python -m benchmarks.nago evaluations --record benchmarks/nago/evaluations.jsonl    what Table 1 is made from, hours
    python -m benchmarks.nago surrogates  Table 1: surrogates of these, and of a known answer, a minute
    python -m benchmarks.nago table4 --record FILE    keep what is done in FILE, and continue
    python -m benchmarks.nago memory --figure memory.png
    ... --json, --smoke, --seeds N (of table4, surrogates), --workers N

Searches are limited by time, so `table4` is to run alone, with --workers 1.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.nago.studies import STUDIES, smoke
from benchmarks.recorded import outcomes, parser


def main() -> None:
    made = parser(__doc__, STUDIES, smoke="small sizes")
    made.add_argument("--figure", type=Path, help="of memory: draw it into this file")
    arguments = made.parse_args()
    study = smoke(arguments.study) if arguments.smoke else STUDIES[arguments.study]
    study = study if arguments.seeds is None else study.with_seeds(arguments.seeds)
    found = outcomes(study.found, study.measure, study.jobs(), arguments.workers, arguments.record, study.text)
    rows = study.rows(found)
    if arguments.figure is not None:
        study.draw(found, arguments.figure)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        study.show(rows)


if __name__ == "__main__":
    main()
