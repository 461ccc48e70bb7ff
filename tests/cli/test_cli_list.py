"""`unmask list`: what the menus hold, without importing what is heavy."""

import json

from unmask.cli.listing import MENUS, first_line


def test_every_menu_is_shown_with_the_first_line_of_each_entry(unmask):
    code, out, err = unmask("list")
    assert code == 0
    for name in MENUS:
        assert f"\n{name}\n" in "\n" + "\n".join(line.rstrip() for line in out.splitlines())
    assert "whole_word Each word as a whole" in " ".join(out.split())
    assert err.startswith("next: unmask list settings")


def test_every_entry_has_a_first_line_and_it_is_that_of_the_thing_itself(unmask):
    listed = json.loads(unmask("list", "--json").out)
    assert list(listed) == list(MENUS)
    for name, entries in listed.items():
        menu = MENUS.load(name)
        assert list(entries) == list(menu)
        for entry, text in entries.items():
            assert text.endswith("."), "a first line is a sentence"
            assert text == (menu.load(entry).__doc__ or "").strip().partition("\n")[0]


def test_one_menu_alone(unmask):
    assert list(json.loads(unmask("list", "selections", "--json").out)) == ["selections"]


def test_every_setting_of_a_recipe_is_listed_with_its_meaning(unmask):
    listed = {each["setting"]: each for each in json.loads(unmask("list", "settings", "demo", "--json").out)}
    assert {"seed", "training.minutes", "training.batch_size", "data.row_length", "masking.ratio"} <= set(listed)
    undocumented = [path for path, each in listed.items() if not each["meaning"]]
    assert not undocumented


def test_the_settings_of_a_task_are_listed_too(unmask):
    listed = {each["setting"]: each for each in json.loads(unmask("list", "settings", "regression", "--json").out)}
    assert {"task", "task.metric", "data.train", "tuning.learning_rate", "training.epochs"} <= set(listed)
    assert listed["task"]["value"] == "regression"
    assert unmask("list", "settings", "regression").err == (
        "next: unmask finetune MODEL regression section.field=value\n"
    )


def test_settings_of_something_unknown_are_refused_on_one_line(unmask):
    code, out, err = unmask("list", "settings", "regresion")
    assert (code, out) == (2, "")
    assert err.startswith("error: unknown recipe or task 'regresion'; did you mean 'regression'?")


def test_the_first_line_of_something_defined_elsewhere_is_found_by_importing_it():
    assert first_line("collections:OrderedDict") == "Dictionary that remembers insertion order"
    assert first_line("math:sqrt") == "Return the square root of x."
