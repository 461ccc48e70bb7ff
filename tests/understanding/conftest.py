"""Tiny models of every family with random weights, and one text for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.architectures.recurrent import Gru
from unmask.architectures.transformer import Transformer
from unmask.corpus.documents import Document
from unmask.models import Model, load
from unmask.objectives.masked_autoencoding import MaskedAutoencoding
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.weights import save_objective

TEXT = "every boat that leaves the harbour passes the lighthouse. Nobody remembers who built the wall, or why.\n" * 4
SIZES = dict(layers=2, width=32, heads=2, feedforward=48, positions=32)
OWN = {
    "bert": (Bert(**SIZES), MaskedLanguageModeling()),
    "modernbert": (ModernBert(**SIZES, window=4), MaskedLanguageModeling()),
    "transformer": (Transformer(**SIZES, norm="pre"), MaskedLanguageModeling()),
    "gru": (Gru(layers=2, width=32, state=24, positions=32), MaskedLanguageModeling()),
    "mae": (ModernBert(**SIZES), MaskedAutoencoding()),
}
STOCK = ("roberta", "distilbert", "electra")


def save_own(folder: Path, name: str, tokenizer: Tokenizer) -> None:
    architecture, objective = OWN[name]
    size = tokenizer.vocabulary_size
    torch.manual_seed(0)
    built = objective.build(architecture.build(size), size, mask_id=tokenizer.mask_id)
    with torch.no_grad():  # large enough for every weight to be felt
        for parameter in built.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    ids = {"pad": tokenizer.pad_id, "cls": tokenizer.cls_id, "sep": tokenizer.sep_id, "mask": tokenizer.mask_id}
    save_objective(folder, built.config, built.state_dict(), ids)


def save_stock(folder: Path, kind: str, tokenizer: Tokenizer) -> None:
    import transformers

    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
    common = dict(vocab_size=tokenizer.vocabulary_size, max_position_embeddings=40, pad_token_id=0)
    configs = {
        "roberta": lambda: transformers.RobertaConfig(**sizes, **common, initializer_range=0.3),
        "electra": lambda: transformers.ElectraConfig(**sizes, **common, embedding_size=16, initializer_range=0.3),
        "distilbert": lambda: transformers.DistilBertConfig(
            dim=32, n_layers=2, n_heads=2, hidden_dim=48, **common, initializer_range=0.3
        ),
    }
    torch.manual_seed(0)
    transformers.AutoModelForMaskedLM.from_config(configs[kind]()).save_pretrained(folder)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("understanding")
    settings = TokenizerSettings(kind="wordpiece", vocabulary_size=200, minimum_frequency=1)
    tokenizer = train_tokenizer([Document(f"d{n}", TEXT, "s") for n in range(3)], settings)
    made = {}
    for name in (*OWN, *STOCK):
        (folder / name).mkdir()
        (save_own if name in OWN else save_stock)(folder / name, name, tokenizer)
        tokenizer.save(folder / name)
        made[name] = load(folder / name, device="cpu")
    return made


@pytest.fixture(params=[*OWN, *STOCK])
def model(models: dict[str, Model], request: pytest.FixtureRequest) -> Model:
    return models[request.param]
