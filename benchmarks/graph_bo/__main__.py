"""What graph_bo finds after how many queries, and what a query takes, beside what is to be reached.

python -m benchmarks.graph_bo nb201            queries to the optimum of NAS-Bench-201, 100 seeds
python -m benchmarks.graph_bo width            the same with 4 and 8 proposals in flight
python -m benchmarks.graph_bo nb301            the best on the surrogate of NAS-Bench-301, 20 seeds
python -m benchmarks.graph_bo nb101            the best on the surrogate table of NAS-Bench-101, 20 seeds
python -m benchmarks.graph_bo nb101_pool       the best of the 30,001 measured cells of NAS-Bench-101, 20 seeds
python -m benchmarks.graph_bo accel            queries to the optimum of Accel-NASBench's 5,125 rows, 20 seeds
python -m benchmarks.graph_bo constraint       queries to the optimum within a bound, NAS-Bench-201, 20 seeds
python -m benchmarks.graph_bo two_objectives   share of the front's hypervolume, accuracy and latency, 20 seeds
python -m benchmarks.graph_bo nbgraph          against local search on NAS-Bench-Graph's eight tables, 20 seeds
python -m benchmarks.graph_bo training         against evolution on networks that are trained, 5 seeds
python -m benchmarks.graph_bo fitted           against evolution on a fitted model of MnasNet-like networks, 5 seeds
python -m benchmarks.graph_bo against          against five others on all tables, 20 seeds; asha at equal epochs
python -m benchmarks.graph_bo ablation         its parts left out, queries to the optimum of NAS-Bench-201, 100 seeds
python -m benchmarks.graph_bo ablation_nb301   the same, the best on the surrogate of NAS-Bench-301, 20 seeds
python -m benchmarks.graph_bo time             processor time of a query, 5 searches
... --strategy NAME  another strategy in its place
... --record FILE    keep finished searches in FILE, and continue from there
... --case NAME      only this case; repeatable
... --json           one JSON object per row
... --smoke          two seeds, two cases, two settings, 12 queries
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from benchmarks.graph_bo.searches import label
from benchmarks.graph_bo.studies import STUDIES, smoke
from benchmarks.recorded import outcomes, parser


def main() -> None:
    parsing = parser(__doc__, STUDIES, smoke="two seeds, two cases, two settings, 12 queries")
    parsing.add_argument("--case", action="append", help="only this one; repeatable")
    parsing.add_argument("--strategy", default="graph_bo", help="instead of graph_bo")
    arguments = parsing.parse_args()
    study = STUDIES[arguments.study].of(arguments.strategy)
    if arguments.smoke:
        study = smoke(study)
    text = f"{arguments.study}: {study.text}"
    if arguments.case is not None:
        study = replace(study, cases=tuple(case for case in study.cases if case.name in arguments.case))
    seeds = arguments.seeds or study.seeds
    jobs = (
        ((label(case, setting), seed), (case, setting, seed))
        for case in study.cases
        for seed in range(seeds)
        for setting in study.settings
        if setting.fits(case)
    )
    found = outcomes(study.kind, study.search, jobs, arguments.workers, arguments.record, text)
    found = [each for each in found if each.seed < seeds]  # a record may have more
    table = [asdict(row) for row in study.rows(study.cases, study.settings, found)]
    if arguments.json:
        print(json.dumps(table))
    else:
        show(table)


def show(table: Sequence[dict[str, Any]]) -> None:
    columns = list(zip(table[0], *(map(_shown, row.values()) for row in table), strict=True))
    widths = [max(map(len, column)) for column in columns]
    for line in zip(*columns, strict=True):
        print("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


def _shown(value: object) -> str:
    """A cell; whether a bar was reached stands in the last column."""
    marks = {None: "", True: "yes", False: "MISSED"}
    if value is None or isinstance(value, bool):
        return marks[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
