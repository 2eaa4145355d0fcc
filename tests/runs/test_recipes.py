"""Recipes as the record says them, and as workers need them."""

from __future__ import annotations

from archloom.checkpoints.chains import Leaving
from archloom.checkpoints.experience import EXPERIENCE
from archloom.checkpoints.store import STATE
from archloom.runs.recipes import Recipes
from archloom.types import Inherit

NAME = EXPERIENCE.name


def test_a_recipe_without_files_is_left_alone_where_nothing_is_left() -> None:
    recipes = Recipes()
    recipes.add(0, None, 3)
    assert recipes.completed(Inherit(0)) == Inherit(0)
    assert recipes.completed(None) is None
    assert recipes.needed({STATE.name: [0]}) == {STATE.name: {0}}


def test_a_training_that_goes_on_reads_what_it_left_unless_the_strategy_says_what() -> None:
    recipes = Recipes(Leaving(EXPERIENCE, 10))
    recipes.add(0, None, 3)
    going_on = recipes.completed(Inherit(0))
    assert going_on == Inherit(0, files={NAME: (0,)})
    recipes.add(1, going_on, 6)
    assert recipes.completed(Inherit(1)) == Inherit(1, files={NAME: (0, 1)})
    for said in ((0,), ()):
        assert recipes.completed(Inherit(1, files={NAME: said})) == Inherit(1, files={NAME: said})
    assert recipes.completed(None) is None, "what begins reads nothing"


def test_a_repeat_has_what_the_first_one_left() -> None:
    recipes = Recipes(Leaving(EXPERIENCE, 10))
    recipes.add(0, None, 3)
    recipes.origin[1] = 0
    asked = recipes.completed(Inherit(1, {0: 1, 1: None}))
    assert asked == Inherit(1, {0: 1, 1: None}, files={NAME: (0,)})
    assert recipes.mapped(asked) == Inherit(0, {0: 0, 1: None}, files={NAME: (0,)})


def test_what_is_needed_of_trainings_that_may_go_on() -> None:
    recipes = Recipes(Leaving(EXPERIENCE, 10))
    recipes.add(0, None, 3)
    recipes.add(1, None, 3)
    recipes.add(2, recipes.completed(Inherit(0)), 6)
    recipes.origin[3] = 2
    assert recipes.needed({STATE.name: [3]}) == {STATE.name: {2}, NAME: {0, 2}}
    assert recipes.needed({STATE.name: [3], NAME: [1]}) == {STATE.name: {2}, NAME: {1}}, "it says so itself"
    assert recipes.needed({}) == {NAME: set()}
