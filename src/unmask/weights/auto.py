"""Our own model types for transformers' Auto classes. Folders in a stock layout need nothing of this."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar


def register(*model_types: str) -> None:
    """Make AutoConfig and AutoModelForMaskedLM know model types of ours."""
    from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedConfig

    for model_type in model_types:
        name = "".join(word.title() for word in model_type.split("-"))
        config = type(f"{name}Config", (PreTrainedConfig,), {"model_type": model_type})
        AutoConfig.register(model_type, config, exist_ok=True)
        AutoModelForMaskedLM.register(config, type(f"{name}ForMaskedLM", (_OnUse,), {"config_class": config}), True)


class _OnUse:
    """Stands for a class of models until one is wanted: PreTrainedModel takes seconds to import."""

    config_class: ClassVar[type]

    @classmethod
    def from_pretrained(cls, *given: Any, **settings: Any) -> Any:
        return _models_of(cls.__name__, cls.config_class).from_pretrained(*given, **settings)

    @classmethod
    def _from_config(cls, *given: Any, **settings: Any) -> Any:
        return _models_of(cls.__name__, cls.config_class)._from_config(*given, **settings)


@cache
def _models_of(name: str, config: type) -> Any:
    from unmask.weights.pretrained import UnmaskForMaskedLM

    return type(name, (UnmaskForMaskedLM,), {"config_class": config})
