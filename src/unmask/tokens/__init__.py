"""Text to token ids: words, sentences, tokenizers, and the memory-mapped store that training reads.

prepare(["texts/"], "store")     -> Store     corpus, tokenizer and store in one step
Store.open("store")              -> Store     checked on opening

The names below are imported on first use, but for the menus.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unmask.menu import Menu

if TYPE_CHECKING:
    from unmask.tokens.build import prepare
    from unmask.tokens.store import Shard, Store
    from unmask.tokens.tokenizer import Encoded, Tokenizer
    from unmask.tokens.training import TokenizerSettings, check_tokenizer, train_tokenizer
    from unmask.tokens.writing import StoreWriter

_KINDS = "unmask.tokens.kinds"
TOKENIZERS = Menu(
    "tokenizer",
    {
        "wordpiece": f"{_KINDS}:wordpiece",
        "bpe": f"{_KINDS}:bpe",
        "unigram": f"{_KINDS}:unigram",
        "word": f"{_KINDS}:word",
        "character": f"{_KINDS}:character",
    },
)
SEGMENTERS = Menu("segmenter", {"jieba": "unmask.tokens.words:jieba_segmenter"})

_HOMES = {
    "Encoded": "tokenizer",
    "Shard": "store",
    "Store": "store",
    "StoreWriter": "writing",
    "Tokenizer": "tokenizer",
    "TokenizerSettings": "training",
    "check_tokenizer": "training",
    "prepare": "build",
    "train_tokenizer": "training",
}

__all__ = [
    "SEGMENTERS",
    "TOKENIZERS",
    "Encoded",
    "Shard",
    "Store",
    "StoreWriter",
    "Tokenizer",
    "TokenizerSettings",
    "check_tokenizer",
    "prepare",
    "train_tokenizer",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"unmask.tokens.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'unmask.tokens' has no attribute '{name}'")
