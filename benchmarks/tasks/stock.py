"""Folders and classes of transformers: what a fine-tuned folder says there, and a GPT-2 with random weights."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import torch

EXAMPLES = 8
GPT2_SIZES = {"n_layer": 4, "n_embd": 256, "n_head": 4, "n_positions": 512}
GPT2_WORDS, GPT2_DOCUMENTS = 8_192, 200


def stock_gap(folder: Path) -> float | None:
    """The largest difference of a logit between a finished run's model and the stock Auto class of its folder, on the
    first test examples; None for a task that no such class does."""
    import transformers

    from unmask import models
    from unmask.tasks.application import Application
    from unmask.weights.labelled import ENDINGS

    application = Application.load(folder, "cpu")
    kind = application.task.kind
    if kind not in ENDINGS:
        return None
    path = application.data.tests.popitem()[1]
    features, logits = application.outputs(application.task.read(path, application.data.columns)[:EXAMPLES])
    with models.hushed():
        stock = getattr(transformers, f"AutoModel{ENDINGS[kind]}").from_pretrained(folder / "model").eval()
    typed = getattr(application.model.module, "typed", False) or getattr(stock.config, "type_vocab_size", 0) > 1
    gaps = []
    for feature, ours in zip(features, logits, strict=True):
        theirs = _logits(stock, kind, feature, typed)
        gaps.append(float((torch.from_numpy(ours) - theirs).abs().max()))
    return max(gaps)


@torch.inference_mode()
def _logits(stock: Any, kind: str, feature: Any, typed: bool) -> torch.Tensor:
    """(K,L) of one row."""
    tokens = torch.from_numpy(feature.tokens).long()[None]
    types = {"token_type_ids": torch.from_numpy(feature.types).long()[None]} if typed else {}
    told = stock(input_ids=tokens, attention_mask=torch.ones_like(tokens), **types)
    if kind == "row":
        return told.logits.float()
    logits = torch.stack([told.start_logits, told.end_logits], -1) if kind == "span" else told.logits
    return logits[0, torch.from_numpy(feature.places)].float()


def new_gpt2(folder: Path, text: Path) -> Path:
    """The folder of a small stock GPT-2 with random weights and a byte-level BPE of some English text (.jsonl)."""
    import json

    import transformers

    from unmask.corpus.documents import Document
    from unmask.corpus.files import text_lines
    from unmask.tokens.training import TokenizerSettings, train_tokenizer

    if (folder / "config.json").is_file():
        return folder
    lines = islice(text_lines(str(text)), GPT2_DOCUMENTS)
    documents = [Document(str(number), json.loads(line)["text"], "text") for number, line in enumerate(lines)]
    tokenizer = train_tokenizer(documents, TokenizerSettings(kind="bpe", vocabulary_size=GPT2_WORDS))
    torch.manual_seed(0)
    special = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": tokenizer.pad_id}
    config = transformers.GPT2Config(vocab_size=tokenizer.vocabulary_size, **GPT2_SIZES, **special)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save(folder, GPT2_SIZES["n_positions"])
    return folder
