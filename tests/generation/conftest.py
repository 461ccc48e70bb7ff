"""Three stock models with random weights: WordPiece (also Chinese), byte-level BPE and Unigram."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unmask.models import Model, load

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ENGLISH = ["the", "cat", "dog", "sat", "on", "a", "mat", "blue", "sky", "is", "##s", "##ing"]
WORDS = [*SPECIAL, *ENGLISH, *"天空是蓝色的"]
NUMBER = {word: number for number, word in enumerate(WORDS)}
SIZES = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=24
)


def save_bert(folder: Path) -> None:
    import transformers
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordPiece(NUMBER, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer, made.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    save(folder, made, SPECIAL)
    torch.manual_seed(0)
    # Large weights: every token gets a probability of its own, so that an order can be checked.
    config = transformers.BertConfig(vocab_size=len(WORDS), initializer_range=0.6, **SIZES)
    transformers.BertForMaskedLM(config).save_pretrained(folder)


def save_roberta(folder: Path) -> None:
    """A byte-level BPE model whose words carry their leading space, and whose mask token swallows it."""
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    special = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
    alphabet = ["Ġ", *"abcdefghiklmnopqrstuwy."]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("c", "a"), ("ca", "t"), ("Ġ", "cat"), ("o", "n"), ("Ġ", "on")]
    words = [*special, *alphabet, *("".join(pair) for pair in merges), "Ġa"]
    made = Tokenizer(models.BPE({word: n for n, word in enumerate(words)}, [*merges, ("Ġ", "a")], unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.RobertaProcessing(("</s>", 3), ("<s>", 2), add_prefix_space=False)
    save(folder, made, special, mask=AddedToken("<mask>", lstrip=True, special=True))
    torch.manual_seed(0)
    sizes = SIZES | {"max_position_embeddings": 40}
    config = transformers.RobertaConfig(vocab_size=len(words), initializer_range=0.6, pad_token_id=0, **sizes)
    transformers.RobertaForMaskedLM(config).save_pretrained(folder)


def save_albert(folder: Path) -> None:
    """A Unigram model, with a space as a part of the word after it, or a token where the word is not known."""
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    pieces = {"▁the": -2.0, "▁cat": -3.0, "▁on": -3.0, "▁": -4.0, "s": -3.0} | dict.fromkeys("thecaon", -6.0)
    vocabulary = [*((token, 0.0) for token in SPECIAL), *pieces.items()]
    made = Tokenizer(models.Unigram(vocabulary, unk_id=1))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    save(folder, made, SPECIAL, mask=AddedToken("[MASK]", lstrip=True, special=True))
    torch.manual_seed(0)
    config = transformers.AlbertConfig(vocab_size=len(vocabulary), embedding_size=8, initializer_range=0.6, **SIZES)
    transformers.AlbertForMaskedLM(config).save_pretrained(folder)


def save(folder: Path, made, special: list[str], mask=None) -> None:
    from transformers import PreTrainedTokenizerFast

    names = dict(zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=made, **(names | ({"mask_token": mask} if mask else {}))).save_pretrained(
        folder
    )


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("generation") / "bert"
    save_bert(folder)
    return load(folder)


@pytest.fixture(scope="session")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("generation") / "roberta"
    save_roberta(folder)
    return load(folder)


@pytest.fixture(scope="session")
def albert(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("generation") / "albert"
    save_albert(folder)
    return load(folder)
