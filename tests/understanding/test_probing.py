"""What probes promise: files read as they are, labels that can be learned found, and a control that cannot."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.errors import DataError, SettingError
from unmask.models import Model
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


def test_conll_u_is_read_with_its_spaces_and_without_ranges_and_empty_nodes(tmp_path: Path) -> None:
    rows = [
        "# text = Don't go.",
        "1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_",
        "1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\tSpaceAfter=No",
        "2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_",
        "2.1\tgone\t_\t_\t_\t_\t_\t_\t_\t_",
        "3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No",
        "4\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_",
    ]
    path = written(tmp_path, "a.conllu", "\n".join(rows) + "\n\n")
    [found] = read_labelled(path)
    assert found.text == "Don't go."
    assert found.labels == ("AUX", "PART", "VERB", "PUNCT")
    assert [found.text[a:b] for a, b in found.spans] == ["Do", "n't", "go", "."]
    assert read_labelled(path, "deprel")[0].labels == ("aux", "advmod", "root", "punct")


def test_columns_are_a_word_and_its_tag_and_chinese_is_written_together(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "# doc = 1\nEU NNP I-ORG\nrejects VBZ O\n\n天 a B\n空 a I\n")
    english, chinese = read_labelled(path)
    assert (english.text, english.labels) == ("EU rejects", ("I-ORG", "O"))
    assert read_labelled(path, "2")[0].labels == ("NNP", "VBZ")
    assert chinese.text == "天空"
    assert chinese.spans.tolist() == [[0, 1], [1, 2]]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("sentence\tlabel\ngood\t1\nbad\t0\n", None),
        ("label\ttext\n1\tgood\n0\tbad\n", None),
        ("good\t1\nbad\t0\n", None),
        ("text\tother\tsentiment\ngood\tx\t1\nbad\ty\t0\n", "sentiment"),
    ],
)
def test_a_table_is_a_text_and_its_label_with_or_without_names(tmp_path: Path, text: str, column: str | None) -> None:
    found = read_labelled(written(tmp_path, "a.tsv", text), column)
    assert [(one.text, one.labels, one.spans) for one in found] == [("good", ("1",), None), ("bad", ("0",), None)]


@pytest.mark.parametrize(
    ("name", "text", "column", "kind", "words"),
    [
        ("a.txt", "one X\ntwo\n", None, DataError, "a.txt:2 has 1 columns: a word and its tag are needed"),
        ("a.conllu", "1\tone\tX\n", None, DataError, "a.conllu:1 has 3 columns, CoNLL-U has 10"),
        ("a.conllu", "", "upostag", SettingError, "unknown column of CoNLL-U 'upostag'; did you mean 'upos'"),
        ("a.tsv", "good\t1\nbad\n", None, DataError, "a.tsv:2 has 1 columns: a text and its label"),
        ("a.tsv", "good\t1\nbad\t\n", None, DataError, "a.tsv:2 lacks its label"),
        ("a.tsv", "good\t1\n", "mood", SettingError, "label=mood: .*a.tsv has the columns good, 1"),
        ("a.txt", "one X\n", "1", SettingError, "label=1: the columns of .*a.txt have numbers"),
        ("a.txt", "\n\n", None, DataError, "a.txt holds no labelled text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path, name, text, column, kind, words) -> None:
    with pytest.raises(kind, match=words):
        read_labelled(written(tmp_path, name, text), column)


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
    data, test = (written(tmp_path, f"{n}.tsv", "\n".join(part)) for n, part in enumerate((rows[:40], rows[40:])))
    found = probe(models["modernbert"], data, test=test)
    assert (found.of_words, found.trained, found.tested) == (False, 40, 20)
    assert found.layers[0].accuracy > 0.9


def test_no_more_labels_are_read_than_asked(models: dict[str, Model], tags: str) -> None:
    found = probe(models["bert"], tags, most=20)
    assert found.trained == 20
    assert found.tested == 5


def test_a_text_is_on_one_side_only_however_often_it_stands(models: dict[str, Model], tmp_path: Path) -> None:
    same = "\n".join(["the boat passes\t1", "the boat leaves\t0"] * 20)
    with pytest.raises(
        DataError, match="40 texts are too few to hold some out for a test: give more, or a file for it"
    ):
        probe(models["bert"], written(tmp_path, "same.tsv", same))


def test_a_single_label_is_refused(models: dict[str, Model], tmp_path: Path) -> None:
    rows = "\n".join(f"the boat passes {number}\t1" for number in range(40))
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
