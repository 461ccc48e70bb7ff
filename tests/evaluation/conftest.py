"""A stock BERT with random weights and a WordPiece tokenizer that cuts words into pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask.corpus.documents import Document
from unmask.tokens.training import TokenizerSettings, train_tokenizer

TEXT = "Every boat that leaves the harbour passes the lighthouse. Nobody remembers who built the wall, or why.\n" * 4


@pytest.fixture(scope="session")
def bert(tmp_path_factory) -> Path:
    """The folder of a BertForMaskedLM that reads 32 tokens; its weights are large, so that its guesses differ."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("models") / "bert"
    settings = TokenizerSettings(kind="wordpiece", vocabulary_size=90, minimum_frequency=1)
    tokenizer = train_tokenizer([Document(f"d{n}", TEXT, "s") for n in range(3)], settings)
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.vocabulary_size, max_position_embeddings=32, initializer_range=0.4, **sizes
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save(folder, row_limit=32)
    return folder
