"""PBT-NAS compared with its ablations and baselines, as in the paper's Tables 1 to 3 and 6 and Figure 4, in minutes.

    python -m benchmarks.pbt_nas chain       Tables 2 and 3 on chains that imitate one: 24 members, 20 seeds
    python -m benchmarks.pbt_nas moving      the same while what they imitate drifts
    python -m benchmarks.pbt_nas scaling     Figure 4: 6, 12 and 24 members, beside as many random networks
    python -m benchmarks.pbt_nas bohb        Table 6 on chains: BOHB and random networks at equal epochs
    python -m benchmarks.pbt_nas gan-bohb    the same with generators of digits: 3 seeds
    python -m benchmarks.pbt_nas gan         Tables 1 and 2, space gan_hard, on digits of 8 x 8 pixels: 5 seeds
    python -m benchmarks.pbt_nas planted     Tables 2 and 3 on a task whose answer is known: 30 seeds, a minute
    python -m benchmarks.pbt_nas images      Table 3 on small images of clothes: 12 members, 10 seeds
    python -m benchmarks.pbt_nas images-bohb Table 6 on small images of clothes: 10 seeds
    python -m benchmarks.pbt_nas control     Tables 2 and 6 with agents, from vectors: 6 members, 3 seeds
    python -m benchmarks.pbt_nas pixels      the same from pixels, 3 seeds: hours of a core for each search
    python -m benchmarks.pbt_nas chain --record FILE    keep finished searches in FILE, and continue
    python -m benchmarks.pbt_nas control --figure FILE  curves of values, as in Figure 3
    python -m benchmarks.pbt_nas chain --json           one JSON object per row
    python -m benchmarks.pbt_nas chain --smoke          one or two seeds, two chunks

A search of 24 chains takes 6 s. `chain`, `scaling` and `bohb` may share a record, and so may `gan` and `gan-bohb`, and
`images` and `images-bohb`. All rows train networks for as many epochs, from the same seeds. The value is that of a
run's best network, on the search's own metric: the best ever, or of the last population where the target moves; of
BOHB the best of the longest trainings.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.pbt_nas.searches import Found, search
from benchmarks.pbt_nas.studies import STUDIES, smoke
from benchmarks.pbt_nas.tables import draw, rows, show
from benchmarks.recorded import outcomes, parser


def main() -> None:
    made = parser(__doc__, STUDIES, smoke="small sizes")
    made.add_argument("--figure", type=Path, help="draw curves into this file")
    arguments = made.parse_args()
    study = smoke(arguments.study) if arguments.smoke else STUDIES[arguments.study]
    study = replace(study, seeds=arguments.seeds or study.seeds)
    with tempfile.TemporaryDirectory() as folder:
        prepared = study.prepared(Path(folder))
        # Every setting of a seed before the next seed.
        jobs = (((row.name, seed), (prepared, row, seed)) for seed in range(study.seeds) for row in study.settings)
        found = outcomes(Found, search, jobs, arguments.workers, arguments.record, study.text)
    found = [each for each in found if each.seed < study.seeds]  # a record may have more
    table = rows(study, found)
    if arguments.figure is not None:
        draw(study, found, arguments.figure)
    if arguments.json:
        print(json.dumps([asdict(row) for row in table]))
    else:
        show(study, found[0].metric, table)


if __name__ == "__main__":
    main()
