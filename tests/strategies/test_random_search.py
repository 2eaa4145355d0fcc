from __future__ import annotations

import numpy as np

from archloom.data.tables import Table
from archloom.executors.serial import SerialExecutor
from archloom.problems import ProblemSpec as Spec
from archloom.problems import TableProblem, select_metrics
from archloom.runs.budgets import Ending, Limits
from archloom.runs.history import History
from archloom.runs.search import MemoryJournal, Search
from archloom.spaces.base import Categorical, sample_valid
from archloom.spaces.nb201 import Nb201
from archloom.strategies.random_search import RandomSearch, RandomSearchOptions
from archloom.testing import PLANTED_CRITERIA, PlantedEvaluator, PlantedSpace, RuledSpace
from archloom.utils import seeds


def test_it_draws_from_the_spaces_own_sampler() -> None:
    space = RuledSpace()
    strategy = RandomSearch(space, PLANTED_CRITERIA, seeds.stream(3, "strategy"))
    rng = seeds.stream(3, "strategy")
    assert [p.arch for p in strategy.ask(50)] == [sample_valid(space, rng) for _ in range(50)]


def test_with_the_record_it_draws_without_replacement() -> None:
    """As many queries as there are architectures ask for each once."""

    class Small(Categorical):
        def __init__(self) -> None:
            super().__init__({"a": range(4), "b": range(5)})

    space, journal = Small(), MemoryJournal()
    strategy = RandomSearch(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    ending = Search(space, strategy, SerialExecutor(PlantedEvaluator()), journal, Limits(100), 0).run()
    asked = [line.genes for line in journal.lines if line.query is not None]
    assert ending is Ending.EXHAUSTED
    assert len(asked) == len(set(asked)) == 20


def test_published_result_on_nb201(nb201_table: Table) -> None:
    """Test accuracy 94.11 after 500 unique cells, chosen by it: the known answer that comes with the table."""
    genes, test = nb201_table.genes, nb201_table.metric("cifar10_test_200")
    assert genes.shape == (15_625, 6)
    scenario = select_metrics(TableProblem(nb201_table, Nb201()), Spec("nb201", objectives=("cifar10_test_200",)))
    found = []
    for seed in range(30):
        journal = MemoryJournal()
        strategy = RandomSearch(scenario.space, scenario.criteria, seeds.stream(seed, "strategy"))
        Search(scenario.space, strategy, SerialExecutor(scenario.evaluator), journal, Limits(500), seed).run()
        history = History.of(journal.lines, scenario.criteria)
        assert history.queries == 500
        found.append(history.curve()[-1][1])
    assert abs(np.mean(found) - 94.11) < 0.05
    assert max(found) <= test.max() + 1e-4


def test_planted_architectures_come_by_chance_only() -> None:
    space = PlantedSpace()
    strategy = RandomSearch(space, PLANTED_CRITERIA, seeds.stream(0, "strategy"))
    genes = np.array([p.arch.genes for p in strategy.ask(4000)])
    assert abs((genes == 1).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / genes.size)


def test_it_begins_with_what_it_is_given() -> None:
    space, rng = RuledSpace(), seeds.stream(1, "test")
    given = [sample_valid(space, rng) for _ in range(3)]
    options = RandomSearchOptions(start=" ; ".join(map(space.format, given)) + ";")
    strategy = RandomSearch(space, PLANTED_CRITERIA, seeds.stream(3, "strategy"), options)
    first = [p.arch for p in strategy.ask(2)]
    resumed = RandomSearch(space, PLANTED_CRITERIA, seeds.stream(9, "strategy"), options)
    resumed.load_state_dict(strategy.state_dict())
    drawn, rng = [p.arch for p in strategy.ask(4)], seeds.stream(3, "strategy")
    assert first + drawn == [*given, *(sample_valid(space, rng) for _ in range(3))]
    assert [p.arch for p in resumed.ask(4)] == drawn
