"""Our own model types for transformers' Auto classes. Folders in a stock layout need nothing of this."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

LABELLED = ("unmask-lstm", "unmask-gru", "unmask-encoder")
ENDINGS = {False: (), True: ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")}


def register(*model_types: str) -> None:
    """Make AutoConfig and AutoModelForMaskedLM know model types of ours, and the Auto classes of labels those that have
    a head for them."""
    import transformers
    from transformers import AutoConfig, PreTrainedConfig

    for model_type in model_types:
        name = "".join(word.title() for word in model_type.split("-"))
        config = type(f"{name}Config", (PreTrainedConfig,), {"model_type": model_type})
        AutoConfig.register(model_type, config, exist_ok=True)
        for ending in ("ForMaskedLM", *ENDINGS[model_type in LABELLED]):
            made = type(f"{name}{ending}", (_OnUse,), {"config_class": config, "ending": ending})
            getattr(transformers, f"AutoModel{ending}").register(config, made, exist_ok=True)


class _OnUse:
    """Stands for a class of models until one is wanted: PreTrainedModel takes seconds to import."""

    config_class: ClassVar[type]
    ending: ClassVar[str]

    @classmethod
    def from_pretrained(cls, *given: Any, **settings: Any) -> Any:
        return _models_of(cls.__name__, cls.ending, cls.config_class).from_pretrained(*given, **settings)

    @classmethod
    def _from_config(cls, *given: Any, **settings: Any) -> Any:
        return _models_of(cls.__name__, cls.ending, cls.config_class)._from_config(*given, **settings)


@cache
def _models_of(name: str, ending: str, config: type) -> Any:
    from unmask.weights import pretrained

    return type(name, (getattr(pretrained, f"Unmask{ending}"),), {"config_class": config})
