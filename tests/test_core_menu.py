"""Menus: entries are imported when chosen, and a name nobody knows is answered with the nearest."""

import sys

import pytest

from unmask.errors import SettingError
from unmask.menu import Menu, unknown

SHAPES = Menu("shape", {"round": "collections:OrderedDict", "square": "fractions:Fraction", "join": "os.path:join"})


def test_an_entry_is_imported_when_it_is_chosen_and_not_before():
    sys.modules.pop("this_is_no_module", None)
    menu = Menu("thing", {"good": "fractions:Fraction", "broken": "this_is_no_module:Thing"})
    assert menu.load("good")(1, 2) == 0.5
    with pytest.raises(ModuleNotFoundError):
        menu.load("broken")


def test_an_unknown_name_is_answered_with_the_nearest_and_all_that_are_known():
    with pytest.raises(SettingError) as error:
        SHAPES.load("sqare")
    assert str(error.value) == "unknown shape 'sqare'; did you mean 'square'? (known: join, round, square)"


def test_a_name_like_no_other_is_answered_with_all_that_are_known():
    assert unknown("shape", "xyz", SHAPES) == "unknown shape 'xyz' (known: join, round, square)"


def test_a_thing_knows_the_name_under_which_it_is_listed():
    from fractions import Fraction

    assert SHAPES.name_of(Fraction) == "square"
    assert SHAPES.name_of(Fraction(1, 3)) == "square"
    with pytest.raises(KeyError, match="not on the menu of shapes"):
        SHAPES.name_of(3)


def test_a_menu_reads_like_a_dict():
    assert list(SHAPES) == ["round", "square", "join"]
    assert len(SHAPES) == 3
    assert "round" in SHAPES
    assert "triangle" not in SHAPES
    assert SHAPES["round"] == "collections:OrderedDict"
