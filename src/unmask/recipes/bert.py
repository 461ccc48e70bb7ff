"""Recipes for BERT, in the sizes that were published."""

from __future__ import annotations

from unmask.architectures import bert as sizes
from unmask.config import changed
from unmask.masking.selections.uniform import Uniform
from unmask.objectives.bert_pretraining import BertPretraining
from unmask.run import Run


def bert() -> Run:
    """A BERT of 4 layers and 7 M parameters on your text, saved as stock BERT; say data.source and training.minutes."""
    return _of("bert", sizes.Bert())


def bert_tiny() -> Run:
    """BERT-tiny: 2 layers of 128, for tests and the smallest corpora."""
    return _of("bert-tiny", sizes.tiny())


def bert_mini() -> Run:
    """BERT-mini: 4 layers of 256, minutes on a laptop."""
    return _of("bert-mini", sizes.mini())


def bert_small() -> Run:
    """BERT-small: 4 layers of 512, hours on a laptop."""
    return _of("bert-small", sizes.small())


def bert_medium() -> Run:
    """BERT-medium: 8 layers of 512, hours on a laptop or minutes on a GPU."""
    return _of("bert-medium", sizes.medium())


def bert_base() -> Run:
    """BERT-base: 12 layers of 768, for a GPU."""
    return _of("bert-base", sizes.base())


def bert_large() -> Run:
    """BERT-large: 24 layers of 1,024, for several GPUs."""
    return _of("bert-large", sizes.large())


def bert_pretraining() -> Run:
    """BERT as it was published, 4 layers: masked tokens and next sentences, over pairs of neighbouring segments.

    Sentence order instead: data.packing=swapped. Another size: architecture=bert-small
    """
    return changed(
        _of("bert-pretraining", sizes.Bert()),
        data={"packing": "pairs"},
        masking={"selection": Uniform(), "ratio": 0.15, "ratio_end": None},
        objective=BertPretraining(),
    )


def _of(name: str, architecture: sizes.Bert) -> Run:
    return Run(name=name, architecture=architecture)
