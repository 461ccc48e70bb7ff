"""Help pages: every verb has one, with examples that would run."""

import re
import shlex

import pytest
import typer

from unmask import __version__
from unmask.cli.app import VERBS, app

NAMES = [verb.NAME for verb in VERBS]


@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_every_verb_has_help_with_its_examples(verb, unmask):
    code, out, err = unmask(verb.NAME, "--help")
    assert (code, err) == (0, "")
    assert (verb.command.__doc__ or "").strip() in out
    examples = [line.strip() for line in verb.EXAMPLES.splitlines() if "unmask " in line]
    assert examples
    for example in examples:
        assert example in out, "an example is too long for a line of 80 columns"


@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_every_example_parses(verb):
    for line in verb.EXAMPLES.splitlines():
        if "unmask " in line:
            words = shlex.split(line.partition("unmask ")[2])
            typer.main.get_command(app).commands[words[0]].make_context(words[0], words[1:])


@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_every_option_and_argument_says_what_it_does(verb):
    for parameter in typer.main.get_command(app).commands[verb.NAME].params:
        assert getattr(parameter, "help", None), parameter.name


def test_the_front_page_lists_every_verb(unmask):
    code, out, _ = unmask("--help")
    assert code == 0
    assert all(re.search(rf"\b{name}\b", out) for name in NAMES)


def test_the_version_is_that_of_the_package(unmask):
    assert unmask("--version") == (0, f"unmask {__version__}\n", "")
