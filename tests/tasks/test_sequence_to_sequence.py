"""Texts for texts: what each token sees, the memory, the search, the figures, the formats, and the whole way."""

import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import DataError, ModelError, SettingError
from unmask.layers.prefix import PrefixView
from unmask.tasks.application import Application
from unmask.tasks.decoding import Decoding, Writer, written
from unmask.tasks.features import collated
from unmask.tasks.finetuning import finetune
from unmask.tasks.models import Base
from unmask.tasks.sequence_to_sequence import SequenceToSequence
from unmask.tasks.sequences import SequenceModel, prefix_view, row_of, states, unanswered
from unmask.tasks.tables import Columns, Row
from unmask.tasks.written_texts import figures_of, signatures, simple_texts

KINDS = ("bert", "modernbert", "prenorm", "unmask")


@pytest.fixture
def model_of(folder_of):
    """model_of("bert", length=5) is a tiny model that writes."""
    return lambda kind, **decoding: SequenceModel.of(Base.of(folder_of(kind)), Decoding(**{"length": 6} | decoding))


# ---------------------------------------------------------------- who sees whom


def test_a_target_sees_the_source_and_its_past_and_a_blank_what_is_before_its_token():
    row = row_of(np.array([5, 6]), np.array([7, 8, 9]), mask_id=4, example=0)
    assert row.tokens.tolist() == [5, 6, 7, 8, 4, 4, 4]
    batch = collated([row], np.zeros(1), pad_id=0)
    view = prefix_view(batch.groups, batch.types)
    assert view.positions[0].tolist() == [0, 1, 2, 3, 2, 3, 4, 0]
    seen = view.visible(torch.float32)[0, 0] == 0
    s, t, b, p = "s", "t", "b", "padding"
    kinds = [(s, 0), (s, 0), (t, 1), (t, 2), (b, 1), (b, 2), (b, 3), (p, 0)]
    for (one, (kind, number)), (other, (its, its_number)) in itertools.product(enumerate(kinds), repeat=2):
        expected = one == other
        if p not in (kind, its) and not expected:
            expected = its == s or (kind != s and its == t and its_number < number)
        assert bool(seen[one, other]) == expected, (one, other)


def test_in_a_local_layer_a_target_sees_all_of_its_source_and_what_is_near_of_the_rest():
    source, target = 20, 12
    turns = torch.cat([torch.zeros(source), 2 * torch.arange(1, target + 1)]).long()[None]
    places = torch.arange(source + target)[None]
    seen = (PrefixView(torch.ones_like(places), places, turns).visible(torch.float32, window=6) == 0)[0, 0]
    assert seen[source:, :source].all()
    assert seen[5].nonzero().flatten().tolist() == list(range(2, 9))
    assert seen[source + 10].nonzero().flatten().tolist() == [*range(source), *range(source + 7, source + 11)]


# ---------------------------------------------------------------- the memory


@pytest.mark.parametrize("kind", KINDS)
def test_logits_with_the_memory_equal_those_of_the_whole_row(kind, model_of):
    model = model_of(kind)
    torch.manual_seed(0)
    targets = torch.randint(5, 80, (2, 7)).numpy()
    rows = [
        row_of(np.arange(5, 5 + size), target, model.base.tokenizer.mask_id, 0)
        for size, target in zip((19, 30), targets, strict=True)
    ]
    batch = collated(rows, np.zeros(2), model.base.pad_id)
    with torch.no_grad():
        whole = model.module.head(states(model.module, batch), model.module.encoder.embedding.weight)  # (2,7,V)
        sources = collated([unanswered(row.tokens[row.types == 0], 0) for row in rows], np.zeros(2), model.base.pad_id)
        writer = Writer(model.module, sources.inputs, sources.groups, model.base.tokenizer.mask_id)
        for number in range(7):
            torch.testing.assert_close(writer.logits, whole[:, number], rtol=1e-5, atol=1e-5)
            if number < 6:
                writer.go_on(torch.arange(2), torch.from_numpy(targets[:, number]))
    assert (whole[:, 0] - whole[:, 1]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_in_a_target_changes_nothing_before_it(kind, model_of):
    model = model_of(kind)
    rows = [
        row_of(np.arange(5, 25), np.array([30, 31, last, 33]), model.base.tokenizer.mask_id, 0) for last in (40, 41)
    ]
    with torch.no_grad():
        one, other = states(model.module, collated(rows, np.zeros(2), model.base.pad_id))
    torch.testing.assert_close(one[:3], other[:3])
    assert not torch.allclose(one[3], other[3])


# ---------------------------------------------------------------- the search


class Table:
    """Writes by a table: the log-probabilities of the next token follow from the text so far."""

    def __init__(self, table, vocabulary):
        self._table, self._vocabulary, self._texts = table, vocabulary, [()]
        self.logits = self._read()

    def go_on(self, rows, tokens):
        self._texts = [(*self._texts[row], token) for row, token in zip(rows.tolist(), tokens.tolist(), strict=True)]
        self.logits = self._read()

    def _read(self):
        return torch.stack([self._table(text) for text in self._texts])


def drawn(seed, vocabulary):
    return lambda text: torch.randn(vocabulary, generator=torch.Generator().manual_seed(hash((seed, text)) % 2**31))


def all_texts(table, vocabulary, length, end, penalty):
    """Every text of at most `length` tokens that has an end and something before it, with what it is worth."""
    for size in range(1, length):
        for text in itertools.product([token for token in range(vocabulary) if token != end], repeat=size):
            whole = (*text, end)
            total = sum(float(table(whole[:n]).log_softmax(0)[whole[n]]) for n in range(len(whole)))
            yield total / ((5 + len(whole)) / 6) ** penalty, text


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 1.0]))
def test_a_beam_as_wide_as_all_texts_finds_the_best_of_all(seed, penalty):
    table = drawn(seed, 3)
    [found] = written(Table(table, 3), 1, Decoding(40, 3, penalty), end=0, banned=[], mask_id=9)
    worth, text = max(all_texts(table, 3, 3, 0, penalty))
    assert (found.tokens, found.score) == (text, pytest.approx(worth, abs=1e-5))


def test_one_beam_takes_the_likeliest_token_until_the_end_and_never_a_banned_one():
    order = {(): [0.0, 9.0, 5.0, 1.0], (2,): [0.0, 9.0, 1.0, 5.0], (2, 3): [7.0, 9.0, 0.0, 0.0]}
    table = Table(lambda text: torch.tensor(order[text]), 4)
    [found] = written(table, 1, Decoding(1, 9), end=0, banned=[0, 1], mask_id=8)
    assert found.tokens == (2, 3)


def test_a_text_has_at_least_one_token_and_is_cut_at_the_length():
    table = lambda text: torch.tensor([9.0, 3.0, 2.0])  # noqa: E731
    [short] = written(Table(table, 3), 1, Decoding(1, 5), end=0, banned=[0], mask_id=8)
    assert short.tokens == (1,)
    endless = lambda text: torch.tensor([-99.0, 3.0, 2.0])  # noqa: E731
    [long] = written(Table(endless, 3), 1, Decoding(2, 5), end=0, banned=[], mask_id=8)
    assert long.tokens == (1,) * 5


def test_no_sequence_stands_twice_where_that_is_forbidden():
    table = lambda text: torch.tensor([-9.0, 3.0, 2.0, 1.0])  # noqa: E731
    [plain] = written(Table(table, 4), 1, Decoding(1, 6), end=0, banned=[], mask_id=8)
    [found] = written(Table(table, 4), 1, Decoding(1, 6, no_repeat=2), end=0, banned=[], mask_id=8)
    assert plain.tokens == (1,) * 6
    assert len(set(itertools.pairwise(found.tokens))) == len(found.tokens) - 1 == 5


def test_what_is_written_does_not_depend_on_what_else_is_in_the_batch(model_of):
    model = model_of("modernbert", beams=3, length=8)
    features = [unanswered(np.arange(5, 5 + size), number) for number, size in enumerate((20, 4, 11))]
    together = model.outputs(features, "cpu")
    alone = [model.outputs([feature], "cpu")[0] for feature in features]
    assert [said.text for said in together] == [said.text for said in alone]
    assert [said.score for said in together] == pytest.approx([said.score for said in alone], abs=1e-4)


# ---------------------------------------------------------------- figures and baselines


def test_figures_are_those_of_the_libraries_and_signatures_say_how():
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    wanted, said = [("the cat sat on the mat", "a cat sat"), ("it rains",)], ["the cat sat on a mat", "it rains"]
    found = figures_of(wanted, said)
    columns = [["the cat sat on the mat", "it rains"], ["a cat sat", None]]
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(said, columns).score / 100)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(said, columns).score / 100)
    scorer = RougeScorer(["rougeL"])
    first = max(scorer.score(one, said[0])["rougeL"].fmeasure for one in wanted[0])
    assert found["rougeL"] == pytest.approx((first + 1) / 2)
    assert found["exact"] == 0.5
    bleu, chrf, rouge = signatures(wanted)
    assert bleu.startswith("BLEU|nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert chrf.startswith("chrF|nrefs:var|case:mixed|eff:yes|nc:6|nw:0|")
    assert rouge.startswith("ROUGE|F1|stemmer:no|tok:default|rouge-score:")


def test_chinese_is_judged_by_its_characters():
    found = figures_of([("我喜欢猫",)], ["我喜欢狗"])
    assert found["rouge1"] == pytest.approx(3 / 4)
    assert "tok:zh" in signatures([("我喜欢猫",)])[0]


def test_baselines_are_the_source_its_lead_the_nearest_and_the_most_frequent_target():
    known = [("red apples taste good", "red apple"), ("a blue sea", "blue sea"), ("blue sky", "blue sea")]
    assert simple_texts(known, ["apples taste fine , and so on"]) == {
        "the source itself": ["apples taste fine , and so on"],
        "its first 2 words": ["apples taste"],
        "target of the nearest training source": ["red apple"],
        "most frequent target": ["blue sea"],
    }


# ---------------------------------------------------------------- formats


def test_two_text_files_are_read_line_by_line(tmp_path):
    (tmp_path / "train.en").write_text("a dog\na cat\n")
    (tmp_path / "train.de").write_text("ein Hund\neine Katze\n")
    task, path = SequenceToSequence(), str(tmp_path / "train")
    rows = task.read(path, Columns("en", None, "de"))
    assert [(row.text, row.label) for row in rows] == [("a dog", "ein Hund"), ("a cat", "eine Katze")]
    assert rows[1].place == f"{path}.en:2"
    assert [row.text for row in task.read(f"{path}.en", Columns("en"), labelled=False)] == ["a dog", "a cat"]


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("a\nb\n", "x\n", r"train.en and .*train.de: line 2 is in one of them alone; line i of one must belong"),
        ("a\nb\n", "x\n\n", r"train.de:2 is empty: a text is needed; remove the line from both files"),
        (
            "a\n",
            None,
            r"train is neither a table .* nor the beginning of two text files: for train.en and train.de set",
        ),
    ],
)
def test_text_files_that_do_not_fit_are_named(source, target, words, tmp_path):
    (tmp_path / "train.en").write_text(source)
    if target is not None:
        (tmp_path / "train.de").write_text(target)
    with pytest.raises(DataError, match=words):
        SequenceToSequence().read(str(tmp_path / "train"), Columns("en", None, "de"))


def test_a_target_that_is_missing_is_named_and_several_references_are_kept(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({"body": "a", "subject": ["b", "c"]}) + "\n" + json.dumps({"body": "d", "subject": ""}))
    with pytest.raises(DataError, match=r"x.jsonl:2: the target is missing; a text \(or a list of texts"):
        SequenceToSequence().read(str(file), Columns())
    file.write_text(json.dumps({"body": "a", "subject": ["b", "c"]}))
    [row] = SequenceToSequence().read(str(file), Columns())
    assert row.label == ["b", "c"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"length": 1}, "task.length=1: at least 2 is needed"),
        ({"beams": 0}, "task.beams=0: at least 1 is needed"),
        ({"metric": "blue"}, r"unknown figure 'blue'; did you mean 'bleu'\?"),
    ],
)
def test_settings_out_of_range_are_refused(values, words):
    with pytest.raises(SettingError, match=words):
        SequenceToSequence(**values)


def test_rows_without_room_for_a_source_and_models_that_cannot_write_are_refused(folder_of):
    base = Base.of(folder_of("bert"))
    with pytest.raises(SettingError, match=r"task.length=64 leaves no room for a source in rows of 64 tokens"):
        SequenceToSequence().features([Row("a", None, "b", "f:1")], (), base.tokenizer, base.frame, 64)
    for name in ("roberta", "lstm"):
        with pytest.raises(ModelError, match=r"cannot write behind a source: give a BERT, ModernBERT or RoBERTa-Pre"):
            SequenceModel.of(Base.of(folder_of(name)), Decoding())


def test_long_texts_are_cut_and_counted(folder_of):
    base, task = Base.of(folder_of("bert")), SequenceToSequence(length=4)
    rows = [Row("the film " * 40, None, "a plot " * 9, "f:1"), Row("a film", None, "a plot", "f:2")]
    [long, short], cut = task.features(rows, (), base.tokenizer, base.frame, 32)
    assert cut == 1
    assert (long.types == 0).sum() == 32 - 4
    assert len(long.targets) == 4
    assert long.targets[-1] == base.tokenizer.sep_id == short.targets[-1]


# ---------------------------------------------------------------- the whole way


@pytest.fixture
def pairs(tmp_path):
    """copy.tsv: a few words, and the last of them."""
    words, draw = ("good", "bad", "film", "plot"), np.random.default_rng(0)
    lines = [" ".join(draw.choice(words, 3)) for _ in range(160)]
    rows = ["source\ttarget", *(f"{line}\t{line.split()[-1]}" for line in lines)]
    (tmp_path / "copy.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path / "copy.tsv"


def test_a_tiny_encoder_learns_to_write_and_its_folder_writes_the_same(tuning, pairs, tmp_path):
    run = tuning(
        "bert",
        "sequence_to_sequence",
        f"data.train={pairs}",
        f"data.validation={pairs}",
        "task.length=6",
        "task.metric=exact",
        "task.beams=2",
        "training.epochs=16",
        "training.evaluations=2",
        "tuning.learning_rate=0.005",
        "tuning.dropout=0",
    )
    done = finetune(run, tmp_path / "run")
    figures = done.figures["validation"]
    assert figures["exact"] > 0.9
    assert figures["exact"] > max(each["exact"] for name, each in done.baselines.items() if "nearest" not in name)
    application = Application.load(tmp_path / "run")
    assert application.model.decoding == Decoding(2, 6)
    [answer] = application.predict("bad film plot")
    assert answer["output"] == "plot"
    readme = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "BLEU|nrefs:1" in readme
    from transformers import AutoModelForMaskedLM

    stock = AutoModelForMaskedLM.from_pretrained(tmp_path / "run" / "model")
    assert type(stock).__name__ == "BertForMaskedLM"
