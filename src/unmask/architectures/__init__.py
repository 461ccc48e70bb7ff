"""The menu of architectures: compositions of `unmask.layers`. A size is a function that returns its settings."""

from __future__ import annotations

from unmask.menu import Menu

_TRANSFORMER = "unmask.architectures.transformer"
_BERT = "unmask.architectures.bert"
_RECURRENT = "unmask.architectures.recurrent"
_BAG_OF_WORDS = "unmask.architectures.bag_of_words"
_MODERNBERT = "unmask.architectures.modernbert"
_UNMASK = "unmask.architectures.unmask"

ARCHITECTURES = Menu(
    "architecture",
    {
        "huggingface": "unmask.architectures.huggingface:HuggingFace",
        "lstm": f"{_RECURRENT}:Lstm",
        "gru": f"{_RECURRENT}:Gru",
        "cbow": f"{_BAG_OF_WORDS}:Cbow",
        "transformer": f"{_TRANSFORMER}:Transformer",
        "transformer-base": f"{_TRANSFORMER}:base",
        "transformer-prenorm": f"{_TRANSFORMER}:prenorm",
        "bert": f"{_BERT}:Bert",
        "bert-tiny": f"{_BERT}:tiny",
        "bert-mini": f"{_BERT}:mini",
        "bert-small": f"{_BERT}:small",
        "bert-medium": f"{_BERT}:medium",
        "bert-base": f"{_BERT}:base",
        "bert-large": f"{_BERT}:large",
        "modernbert": f"{_MODERNBERT}:ModernBert",
        "modernbert-tiny": f"{_MODERNBERT}:tiny",
        "modernbert-mini": f"{_MODERNBERT}:mini",
        "modernbert-small": f"{_MODERNBERT}:small",
        "modernbert-medium": f"{_MODERNBERT}:medium",
        "modernbert-base": f"{_MODERNBERT}:base",
        "modernbert-large": f"{_MODERNBERT}:large",
        "unmask": f"{_UNMASK}:Unmask",
        "unmask-small": f"{_UNMASK}:small",
        "unmask-base": f"{_UNMASK}:base",
    },
)
