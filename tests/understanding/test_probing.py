"""What probes promise: files read as they are, labels that can be learned found, and a control that cannot."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.errors import DataError
from unmask.models import Model
from unmask.tasks.tables import Columns
from unmask.understanding.labelled import Labelled, read_labelled
from unmask.understanding.picture import draw_probed
from unmask.understanding.probing import _hidden, accuracy_of, control_labels, probe

NOUNS, VERBS = ["boat", "harbour", "lighthouse", "wall"], ["passes", "leaves", "built", "remembers"]


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def sentences(count: int) -> list[list[tuple[str, str]]]:
    draw = random.Random(0)
    return [
        [("the", "DET"), (draw.choice(NOUNS), "NOUN"), (draw.choice(VERBS), "VERB"), (f"{n}", "NUM"), (".", "PUNCT")]
        for n in range(count)
    ]


@pytest.fixture
def tags(tmp_path: Path) -> str:
    return written(tmp_path, "tags.txt", "\n\n".join("\n".join("\t".join(w) for w in s) for s in sentences(60)))


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("a.txt", "EU NNP I-ORG\nrejects VBZ O\n", [("B-ORG", "O")]),
        ("a.txt", "The/DET boat/NOUN\nIt/PRON sank/VERB\n", [("DET", "NOUN"), ("PRON", "VERB")]),
        ("a.jsonl", '{"words": ["EU"], "tags": ["X"]}\n', [("X",)]),
        ("a.jsonl", '{"text": "Rome", "label": {"place": {"Rome": [[0, 3]]}}}\n', [("B-place",)]),
    ],
    ids=["columns", "inline", "words", "spans"],
)
def test_words_are_read_with_a_label_each(tmp_path: Path, name: str, text: str, labels: list) -> None:
    found = read_labelled(written(tmp_path, name, text))
    assert [one.labels for one in found] == labels
    assert all(one.spans is not None and len(one.spans) == len(one.labels) for one in found)


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.tsv", "sentence\tlabel\ngood\t1\nbad\t0\n", None),
        ("a.tsv", "good\t1\nbad\t0\n", Columns(text="1", label="2")),
        ("a.csv", "text,other,mood\ngood,x,1\nbad,y,0\n", Columns(label="mood")),
        ("a.jsonl", '{"text": "good", "label": 1}\n{"text": "bad", "label": 0}\n', None),
    ],
)
def test_texts_are_read_with_one_label(tmp_path: Path, name: str, text: str, columns: Columns | None) -> None:
    found = read_labelled(written(tmp_path, name, text), columns)
    assert [(one.text, one.labels, one.spans) for one in found] == [("good", ("1",), None), ("bad", ("0",), None)]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "one X\ntwo\n", r"a\.txt:2 has 1 column "),
        ("a.tsv", "text\tlabel\ngood\t1\nbad\t\n", r"a\.tsv:3: the label is missing; one label is needed"),
        ("a.jsonl", "\n", r"a\.jsonl holds no examples"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_labelled(written(tmp_path, name, text))


# ---------------------------------------------------------------- probes


def test_a_probe_finds_what_is_linear_and_nothing_in_noise() -> None:
    draw = np.random.default_rng(0)
    states, labels = draw.normal(size=(600, 8)).astype(np.float32), draw.choice(["a", "b"], 600)
    shown = states.copy()
    shown[:, 3] += 4 * (labels == "a")
    assert accuracy_of(shown[:400], list(labels[:400]), shown[400:], list(labels[400:])) > 0.95
    assert 0.4 < accuracy_of(states[:400], list(labels[:400]), states[400:], list(labels[400:])) < 0.6


def test_control_labels_belong_to_the_word_and_are_drawn_as_often_as_the_labels() -> None:
    names = [f"word{number % 4000}" for number in range(8000)]
    labels = ["a"] * 700 + ["b"] * 300
    drawn = control_labels(names, labels, seed=0)
    assert drawn[:4000] == drawn[4000:]
    assert Counter(drawn)["a"] / 8000 == pytest.approx(0.7, abs=0.03)
    assert control_labels(names, labels, seed=1) != drawn


def test_a_word_has_the_hidden_state_of_its_first_token_and_a_text_the_mean(models: dict[str, Model]) -> None:
    from transformers import AutoModel

    model = models["bert"]
    text, spans = "the boats passes .", np.array([[0, 3], [4, 9], [10, 16], [17, 18]])
    tokens = torch.tensor([[2, *model.tokenizer.encode([text])[0].ids.tolist(), 3]])
    assert tokens.shape[1] == 7, "boats is boat ##s"
    stock = AutoModel.from_pretrained(model.path).eval()
    with torch.no_grad():
        expected = stock(input_ids=tokens, output_hidden_states=True).hidden_states
    longer = Labelled("every boat that leaves the harbour passes", None, ("x",))
    states, labels, names = _hidden(model, [Labelled(text, spans, ("D", "N", "V", "P"))], 10, "test")
    assert (labels, names) == (["D", "N", "V", "P"], ["the", "boats", "passes", "."])
    means, _, _ = _hidden(model, [longer, Labelled(text, None, ("x",))], 10, "test")
    for layer, theirs in enumerate(expected):
        assert np.allclose(states[layer], theirs[0, [1, 2, 4, 5]], atol=1e-4)
        assert np.allclose(means[layer][1], theirs[0, 1:6].mean(0), atol=1e-4)


def test_every_layer_of_every_family_is_probed(model: Model, tags: str) -> None:
    found = probe(model, tags)
    assert [layer.number for layer in found.layers] == [0, 1, 2]
    assert (found.of_words, found.labels) == (True, 5)
    assert found.majority == pytest.approx(0.2, abs=0.05)
    assert found.layers[0].accuracy > 0.9, "a word's own vector tells its tag, also with random weights"
    assert all(0 <= layer.control <= 1 for layer in found.layers)
    assert found.layers[1].selectivity == found.layers[1].accuracy - found.layers[1].control


def test_texts_are_probed_and_tested_on_a_file_of_their_own(models: dict[str, Model], tmp_path: Path) -> None:
    draw = random.Random(1)
    rows = [f"{' '.join(draw.choices([NOUNS, VERBS][kind], k=4))}\t{kind}" for kind in (0, 1) for _ in range(30)]
    draw.shuffle(rows)
    data, test = (
        written(tmp_path, f"{n}.tsv", "\n".join(["text\tlabel", *part]))
        for n, part in enumerate((rows[:40], rows[40:]))
    )
    found = probe(models["modernbert"], data, test=test)
    assert (found.of_words, found.trained, found.tested) == (False, 40, 20)
    assert found.layers[0].accuracy > 0.9


def test_no_more_labels_are_read_than_asked(models: dict[str, Model], tags: str) -> None:
    found = probe(models["bert"], tags, most=20)
    assert found.trained == 20
    assert found.tested == 5


def test_a_text_is_on_one_side_only_however_often_it_stands(models: dict[str, Model], tmp_path: Path) -> None:
    same = "\n".join(["text\tlabel"] + ["the boat passes\t1", "the boat leaves\t0"] * 20)
    with pytest.raises(
        DataError, match="40 texts are too few to hold some out for a test: give more, or a file for it"
    ):
        probe(models["bert"], written(tmp_path, "same.tsv", same))


def test_a_single_label_is_refused(models: dict[str, Model], tmp_path: Path) -> None:
    rows = "\n".join(["text\tlabel", *(f"the boat passes {number}\t1" for number in range(40))])
    with pytest.raises(DataError, match="has the one label '1': a probe tells labels apart"):
        probe(models["bert"], written(tmp_path, "one.tsv", rows))


def test_words_behind_the_longest_row_are_left_out_and_said(models, tmp_path: Path, capsys) -> None:
    long = "\n".join(f"{word}\t{tag}" for word, tag in [("boat", "N"), ("passes", "V")] * 30)
    short = "\n\n".join(f"boat\tN\n{number}\tX" for number in range(20))
    found = probe(models["bert"], written(tmp_path, "a.txt", short), test=written(tmp_path, "b.txt", long))
    assert found.tested == 30
    assert "30 labels of the test are left out: behind the 32 tokens" in " ".join(capsys.readouterr().err.split())


def test_the_probes_are_drawn(models: dict[str, Model], tags: str, tmp_path: Path) -> None:
    picture = draw_probed(probe(models["bert"], tags), "bert on tags", tmp_path / "new" / "probe.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
