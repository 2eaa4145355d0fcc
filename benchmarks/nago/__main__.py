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

from pathlib import Path

from benchmarks.nago.studies import STUDIES, smoke
from benchmarks.recorded import parser
from benchmarks.study import run


def main() -> None:
    made = parser(__doc__, STUDIES, smoke="small sizes")
    made.add_argument("--figure", type=Path, help="of memory: draw it into this file")
    arguments = made.parse_args()
    study = smoke(arguments.study) if arguments.smoke else STUDIES[arguments.study]
    run(study, arguments, arguments.figure)


if __name__ == "__main__":
    main()
