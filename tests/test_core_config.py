"""Settings: JSON and `section.field=value` both ways, exact, and refused with the words that mend."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.config import choice, described, documentation, from_dict, overridden, require, section, to_dict
from unmask.errors import SettingError
from unmask.menu import Menu

ENGINES = Menu("engine", {"steam": f"{__name__}:Steam", "electric": f"{__name__}:Electric"})


@dataclass(frozen=True)
class Steam:
    """Coal and water."""

    pressure: float = 8.0
    "In bar."

    def __post_init__(self) -> None:
        require(self.pressure > 0, f"engine.pressure={self.pressure}: a number over 0 is needed")


@dataclass(frozen=True)
class Electric:
    """Wires."""

    volts: int = 400


@dataclass(frozen=True)
class Cabin:
    """Where people sit."""

    seats: int = 4
    "How many people."
    heated: bool = False
    colour: str | None = None
    """None leaves it unpainted,
    in two lines."""
    rows: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Train:
    """The whole."""

    engine: Steam | Electric = choice(ENGINES, "steam")
    cabin: Cabin = section(Cabin)
    seed: int = 0


trains = st.builds(
    Train,
    engine=st.builds(Steam, pressure=st.floats(0.001, 1e6)) | st.builds(Electric, volts=st.integers()),
    cabin=st.builds(
        Cabin,
        seats=st.integers(),
        heated=st.booleans(),
        colour=st.none() | st.text(),
        rows=st.lists(st.integers()).map(tuple),
    ),
    seed=st.integers(),
)


@given(trains)
def test_settings_survive_json_exactly(train: Train):
    assert from_dict(Train, json.loads(json.dumps(to_dict(train)))) == train


@given(trains, st.integers(-(2**40), 2**40), st.booleans(), st.lists(st.integers(-(2**40), 2**40)))
def test_an_assignment_changes_its_field_and_no_other(train: Train, seats: int, heated: bool, rows: list[int]):
    changed = overridden(
        train, [f"cabin.seats={seats}", f"cabin.heated={heated}", f"cabin.rows={','.join(map(str, rows))}"]
    )
    assert changed.cabin == Cabin(seats, heated, train.cabin.colour, tuple(rows))
    assert (changed.engine, changed.seed) == (train.engine, train.seed)


def test_a_component_chosen_by_one_assignment_is_there_for_the_next():
    assert overridden(Train(), ["engine=electric", "engine.volts=750"]).engine == Electric(750)


def test_numbers_may_be_written_as_people_write_them():
    assert overridden(Train(), ["cabin.seats=1e3"]).cabin.seats == 1000
    assert overridden(Train(), ["cabin.seats=1_000"]).cabin.seats == 1000
    assert overridden(Train(), ["engine.pressure=3"]).engine == Steam(3.0)


def test_none_empties_what_may_be_empty():
    red = overridden(Train(), ["cabin.colour=red"])
    assert red.cabin.colour == "red"
    assert overridden(red, ["cabin.colour=none"]).cabin.colour is None


def test_fields_absent_from_json_take_their_defaults():
    assert from_dict(Train, {"seed": 3}) == Train(seed=3)
    assert from_dict(Train, {"engine": "electric"}).engine == Electric()
    assert from_dict(Train, {"engine": {"pressure": 2}}).engine == Steam(2.0)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("cabin.seat=3", "unknown setting 'cabin.seat'; did you mean 'cabin.seats'?"),
        ("cabn.seats=3", "unknown setting 'cabn.seats'; did you mean 'cabin.seats'?"),
        ("engine=stem", "unknown engine 'stem'; did you mean 'steam'? (known: electric, steam)"),
        ("engine.volts=3", "unknown setting 'engine.volts'"),
        ("cabin.seats=many", "cabin.seats=many: a whole number is needed"),
        ("cabin.seats=1.5", "cabin.seats=1.5: a whole number is needed"),
        ("cabin.heated=perhaps", "cabin.heated=perhaps: true or false is needed"),
        ("cabin.rows=1,x", "cabin.rows=x: a whole number is needed"),
        ("cabin=3", "cabin is a section; set one of its fields: cabin.seats, cabin.heated, cabin.colour, cabin.rows"),
        ("seed.deep=3", "seed.deep: 'seed' is a value, not a section; write seed=value"),
        ("seed", "'seed' is not a setting: write section.field=value, e.g. training.steps=100"),
        ("engine.pressure=-1", "engine.pressure=-1.0: a number over 0 is needed"),
    ],
)
def test_what_cannot_be_set_is_refused_with_the_mend(assignment: str, words: str):
    with pytest.raises(SettingError) as error:
        overridden(Train(), [assignment])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"sed": 1}, "unknown setting 'sed'; did you mean 'seed'?"),
        ({"cabin": {"seat": 1}}, "unknown setting 'cabin.seat'; did you mean 'cabin.seats'?"),
        ({"seed": "one"}, "seed='one': a whole number is needed"),
        ({"seed": True}, "seed=True: a whole number is needed"),
        ({"cabin": 3}, "cabin=3"),
        ({"engine": {"name": "stem"}}, "unknown engine 'stem'; did you mean 'steam'?"),
    ],
)
def test_json_that_does_not_fit_is_refused_with_the_mend(data: dict, words: str):
    with pytest.raises(SettingError) as error:
        from_dict(Train, data)
    assert words in str(error.value)


def test_every_setting_is_described_with_its_value_and_its_documentation():
    assert list(described(Train())) == [
        ("engine", "steam", "one of: steam, electric"),
        ("engine.pressure", "8.0", "In bar."),
        ("cabin.seats", "4", "How many people."),
        ("cabin.heated", "False", ""),
        ("cabin.colour", "none", "None leaves it unpainted, in two lines."),
        ("cabin.rows", "1,2", ""),
        ("seed", "0", ""),
    ]


def test_documentation_stands_below_its_field():
    assert documentation(Steam) == {"pressure": "In bar."}
