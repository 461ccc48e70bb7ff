"""Tiny models with random weights, and files of a made-up language that they learn in seconds."""

import json
import random

import pytest
import torch

from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.architectures.recurrent import Gru, Lstm
from unmask.architectures.transformer import Transformer
from unmask.architectures.unmask import Unmask
from unmask.config import overridden
from unmask.corpus.documents import Document
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.tasks.settings import Finetuning
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.weights import save_objective

SIZES = {"layers": 2, "width": 32, "heads": 2, "feedforward": 48, "positions": 64}
OURS = {
    "modernbert": ModernBert(**SIZES, window=8),
    "bert": Bert(**SIZES),
    "prenorm": Transformer(**SIZES, norm="pre", position_kind="learned"),
    "unmask": Unmask(**SIZES, window=8, zero_outputs=False, value_embeddings=1),
    "lstm": Lstm(layers=1, width=32, state=20, positions=64),
    "gru": Gru(layers=1, width=32, state=20, positions=64),
}
STOCK = ("gpt2", "distilbert", "roberta", "electra")
FILES = {"token_classification": ("ner.txt", "nerdev.txt"), "question_answering": ("qa.jsonl", "qadev.jsonl")}
GOOD, BAD, PLAIN = ("good", "lovely", "fine"), ("bad", "awful", "poor"), ("the", "film", "was", "very", "a", "plot")


def reviews(count, seed):
    """(text, "yes" or "no"): one word of the text decides."""
    draw = random.Random(seed)
    for _ in range(count):
        label = draw.choice(("yes", "no"))
        before, after = draw.choices(PLAIN, k=draw.randint(2, 9)), draw.choices(PLAIN, k=draw.randint(0, 5))
        yield " ".join([*before, draw.choice(GOOD if label == "yes" else BAD), *after]), label


def sentences(count, seed):
    """Lists of (word, IOB1 tag): an actor is a person, and so is what is good about him."""
    draw = random.Random(seed)
    for _ in range(count):
        words = [(word, "O") for word in draw.choices(("the", "film", "was"), k=draw.randint(1, 4))]
        if draw.random() < 0.7:
            word, kind = draw.choice((("actor", "PER"), ("plot", "THING")))
            words += [(word, f"I-{kind}")] + [("good", f"I-{kind}")] * draw.randint(0, 1)
        yield words


@pytest.fixture(scope="session")
def tokenizer():
    texts = [text for text, _ in reviews(80, 0)] + ["actor " * 5]
    documents = [Document(str(number), text, "reviews") for number, text in enumerate(texts)]
    return train_tokenizer(documents, TokenizerSettings(vocabulary_size=90))


@pytest.fixture(scope="session")
def folder_of(tokenizer, tmp_path_factory):
    """folder_of("bert") is a pretrained folder of that kind, with random weights."""
    root, made = tmp_path_factory.mktemp("models"), {}

    def get(name):
        if name not in made:
            made[name] = root / name
            made[name].mkdir()
            torch.manual_seed(0)
            (_save_ours if name in OURS else _save_stock)(name, made[name], tokenizer)
            tokenizer.save(made[name], 64)
        return made[name]

    return get


def _save_ours(name, folder, tokenizer):
    size = tokenizer.vocabulary_size
    objective = MaskedLanguageModeling().build(OURS[name].build(size), size)
    with torch.no_grad():  # so that no two heads are alike by chance
        for parameter in objective.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    ids = {"pad": tokenizer.pad_id, "cls": tokenizer.cls_id, "sep": tokenizer.sep_id, "mask": tokenizer.mask_id}
    save_objective(folder, OURS[name], objective.state_dict(), ids)


def _save_stock(name, folder, tokenizer):
    import transformers as hf

    size, pad = tokenizer.vocabulary_size, tokenizer.pad_id
    layers = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    encoder = {"vocab_size": size, "max_position_embeddings": 66, "pad_token_id": pad} | layers
    special = {"bos_token_id": None, "eos_token_id": None}
    made = {
        "gpt2": lambda: hf.GPT2LMHeadModel(
            hf.GPT2Config(vocab_size=size, n_positions=64, n_embd=32, n_layer=2, n_head=2, **special)
        ),
        "distilbert": lambda: hf.DistilBertForMaskedLM(
            hf.DistilBertConfig(
                vocab_size=size, max_position_embeddings=64, dim=32, n_layers=2, n_heads=2, hidden_dim=48
            )
        ),
        "roberta": lambda: hf.RobertaForMaskedLM(hf.RobertaConfig(**encoder, **special)),
        "electra": lambda: hf.ElectraForMaskedLM(hf.ElectraConfig(**encoder, embedding_size=16)),
    }[name]()
    made.save_pretrained(folder)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """train.tsv, dev.tsv (reviews), pairs.tsv (two texts and a number), ner.txt, nerdev.txt, qa.jsonl, qadev.jsonl."""
    root = tmp_path_factory.mktemp("examples")
    for name, count, seed in (("train", 160, 1), ("dev", 40, 2)):
        lines = [f"{text}\t{label}" for text, label in reviews(count, seed)]
        (root / f"{name}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
    draw = random.Random(3)
    rows = [f"{a}\t{b}\t{draw.random() * 5:.2f}" for (a, _), (b, _) in zip(reviews(48, 4), reviews(48, 5), strict=True)]
    (root / "pairs.tsv").write_text("\n".join(["sentence1\tsentence2\tscore", *rows]) + "\n")
    for name, count, seed in (("ner", 150, 6), ("nerdev", 40, 7)):
        blocks = ["\n".join(f"{word} {tag}" for word, tag in words) for words in sentences(count, seed)]
        (root / f"{name}.txt").write_text("\n\n".join(blocks) + "\n")
    for name, count, seed in (("qa", 300, 8), ("qadev", 60, 9)):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in reading(count, seed)))
    return root


@pytest.fixture
def tuning(folder_of, files, monkeypatch):
    """tuning("bert", "classification", "training.epochs=2") is a Finetuning of a tiny model on the files above."""
    monkeypatch.setattr("unmask.tasks.finetuning.peak_flops", lambda *given: 1e12)

    def made(model, task, *settings):
        train, held_out = FILES.get(task, ("train.tsv", "dev.tsv"))
        given = [
            f"task={task}",
            f"data.train={files / train}",
            f"data.validation={files / held_out}",
            "training.batch_size=16",
            "training.epochs=3",
            "training.threads=1",
            "training.precision=fp32",
            "tuning.learning_rate=0.005",
        ]
        return overridden(overridden(Finetuning(model=str(folder_of(model)), name="tiny"), given), settings)

    return made


def reading(count, seed):
    """Records of questions: "good" asks for the good words of a text, "bad" for the bad ones; some texts have none."""
    draw = random.Random(seed)
    for _ in range(count):
        words = draw.choices(PLAIN, k=draw.randint(3, 6))
        kind, some = draw.choice((("good", GOOD), ("bad", BAD)))
        answer, place = None, draw.randrange(len(words))
        if draw.random() < 0.75:
            answer = draw.choice(some)
            words.insert(place, answer)
        words.insert(draw.choice((0, len(words))), draw.choice(BAD if kind == "good" else GOOD))
        context = " ".join(words)
        start = context.index(answer) if answer else 0
        answers = [{"text": answer, "answer_start": start}] if answer else []
        yield {"question": kind, "context": context, "answers": answers}
