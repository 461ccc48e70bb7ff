"""BERT's pretraining from the store to the folder, on documents that each keep to a subject of their own."""

import random

import numpy as np
import pytest
import torch
from transformers import BertForPreTraining

import unmask
from unmask import run as runs
from unmask.architectures.bert import Bert
from unmask.batches import Batches
from unmask.config import changed, overridden
from unmask.corpus.documents import Document
from unmask.errors import DataError
from unmask.masking import Masking
from unmask.objectives.bert_pretraining import BertPretraining
from unmask.tokens.pairs import Pairs
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.writing import StoreWriter

SUBJECTS = [("dog", "barks", "kennel"), ("cat", "meows", "sofa"), ("cow", "moos", "meadow"), ("owl", "hoots", "forest")]


pytestmark = pytest.mark.usefixtures("known_peak")


def written(number: int) -> tuple[Document, list[int]]:
    """A document about one subject, and where its sentences start."""
    draw = random.Random(number)
    who, does, where = SUBJECTS[number % len(SUBJECTS)]
    sentences = [
        draw.choice([f"the {who} {does} .", f"in the {where} a {who} {does} .", f"one {does} in the {where} ."])
        for _ in range(24)
    ]
    starts = np.cumsum([0, *(len(sentence) + 1 for sentence in sentences[:-1])])
    return Document(f"subject:{number}", " ".join(sentences), "subjects"), starts.tolist()


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    """A store of 200 training and 20 validation documents."""
    texts = [written(number) for number in range(220)]
    tokenizer = train_tokenizer([document for document, _ in texts], TokenizerSettings(vocabulary_size=100))
    writer = StoreWriter(tmp_path_factory.mktemp("subjects") / "store", tokenizer)
    for split, some in (("train", texts[20:]), ("validation", texts[:20])):
        with writer.shard(f"part-0-{split}", split, "subjects") as shard:
            for (document, starts), encoded in zip(some, tokenizer.encode([d.text for d, _ in some]), strict=True):
                sentences = np.searchsorted(encoded.starts, starts)
                shard.add(encoded.ids, tokenizer.word_starts(document.text, encoded), sentences)
    return writer.finish({"subjects": 1.0}, [document for document, _ in texts[:20]], {})


@pytest.fixture
def paired(run, subjects):
    """BERT with two layers of 64 over pairs."""
    return changed(
        run,
        data={"store": str(subjects.folder), "packing": "pairs"},
        architecture=Bert(layers=2, width=64, heads=2, feedforward=128, positions=64),
        objective=BertPretraining(),
    )


def test_what_follows_is_told_from_what_does_not_and_the_stock_class_agrees(paired, subjects, tmp_path):
    """A changed pair has another subject in three of four: 7/8 can be told."""
    run = changed(paired, training={"steps": 400, "batch_size": 32}, masking={"ratio": 0.15, "ratio_end": None})
    outcome = runs.pretrain(run, tmp_path / "run")
    assert outcome.figures["loss"] < outcome.figures["unigram_loss"] - 1.0
    batch = Batches(Pairs(subjects, "validation", 32, seed=1), Masking(), seed=1).at(0, 200, 0.05)
    stock = BertForPreTraining.from_pretrained(tmp_path / "run" / "model").eval()
    with torch.no_grad():
        given = stock(input_ids=batch.inputs, attention_mask=batch.groups, token_type_ids=batch.types)
    accuracy = (given.seq_relationship_logits.argmax(1) == batch.labels).float().mean()
    assert accuracy > 0.75
    model = unmask.load(tmp_path / "run")
    assert model.fill("the dog [MASK] .")[0]["token_str"] in {does for _, does, _ in SUBJECTS}


@pytest.mark.parametrize("packing", ["pairs", "swapped"])
def test_a_run_over_pairs_goes_on_where_it_stopped_to_the_last_bit(paired, tmp_path, packing):
    run = overridden(paired, [f"data.packing={packing}", "training.steps=6", "training.checkpoint_every=3"])
    runs.pretrain(run, tmp_path / "whole")
    runs.pretrain(run, tmp_path / "again")
    model = tmp_path / "again" / "model"
    for path in (*model.iterdir(), *(tmp_path / "again" / "checkpoints" / "step-6").rglob("*.json")):
        path.unlink()
    model.rmdir()
    runs.resume(tmp_path / "again")  # from step 3: step 6 has lost its manifest
    one, two = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "again"))
    assert one == two


def test_documents_of_one_sentence_are_refused_when_training_begins(run, tmp_path):
    run = changed(run, data={"packing": "pairs"}, objective=BertPretraining())
    with pytest.raises(DataError, match=r"data.packing=pairs needs two documents of several sentences"):
        runs.pretrain(run, tmp_path / "run")
