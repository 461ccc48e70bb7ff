"""A model trained for a few steps on one kind of text, and texts of another kind."""

import random
from types import SimpleNamespace

import pytest

from unmask import run as runs
from unmask.architectures.modernbert import ModernBert
from unmask.config import changed
from unmask.run import Run
from unmask.tokens.build import prepare
from unmask.tokens.training import TokenizerSettings

OLD = ["the dog barks at night .", "a cat meows softly .", "the owl hoots in a tree .", "every pig grunts loudly ."]
NEW = ["hypertension needs thiazides .", "the patient has hypotension .", "hypertensive patients need a thiazide ."]
ALPHABET = "abcdefghijklmnopqrstuvwxyz zyxwvutsrqponmlkjihgfedcba ."
"""Once, so that no letter of the new text is unknown."""


def write(folder, sentences, count=40):
    """Files of sentences in random order, with numbers that make no two of them nearly the same."""
    folder.mkdir()
    draw = random.Random(len(sentences))
    for number in range(count):
        lines = [f"{draw.choice(sentences)} case {draw.randrange(10**4)} ." for _ in range(14)]
        (folder / f"{number}.txt").write_text("\n".join([*lines, ALPHABET if number == 0 else ""]))


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """`before` (a run on `store`, made of `old`), and the texts `new`."""
    folder = tmp_path_factory.mktemp("adaptation")
    write(folder / "old", OLD)
    write(folder / "new", NEW)
    settings = TokenizerSettings(vocabulary_size=120, minimum_frequency=1)
    prepare([str(folder / "old")], folder / "store", tokenizer=settings, workers=1, progress=False)
    run = changed(
        Run(name="before"),
        data={"store": str(folder / "store"), "row_length": 32},
        architecture=ModernBert(layers=2, width=16, heads=2, feedforward=24, positions=64),
        training={"steps": 15, "batch_size": 16, "precision": "fp32", "threads": 1, "evaluations": 0},
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("unmask.stages.peak_flops", lambda *given: 1e12)
        runs.pretrain(run, folder / "before")
    return SimpleNamespace(**{name: str(folder / name) for name in ("old", "new", "store", "before")})
