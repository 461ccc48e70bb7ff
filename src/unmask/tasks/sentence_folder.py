"""How a folder says what becomes of hidden states: the files of sentence-transformers beside an encoder.

modules.json                       the parts, in order: Transformer, Pooling, Normalize (or not)
1_Pooling/config.json              which pooling
sentence_bert_config.json          the longest row, whether texts are lowered
config_sentence_transformers.json  what is put before each text, if anything
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask.errors import ModelError

MODULES = "modules.json"
POOLINGS = ("mean", "cls")
_LEGACY = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
_KNOWN = ("Transformer", "Pooling", "Normalize")
_TYPES = "sentence_transformers.models."
"""Where the parts stood for years; later versions still read it."""


@dataclass(frozen=True)
class Sentences:
    """What a text's vector is made of."""

    pooling: str = "mean"
    """mean over what is no padding, or cls: the first token"""
    normalize: bool = True
    """whether vectors are brought to length 1"""
    limit: int | None = None
    """the longest row in tokens; None: as long as the encoder reads"""
    lower: bool = False
    """whether texts are lowered before they are cut into tokens"""
    prompt: str = ""
    """what is put before each text"""


def read_sentences(folder: Path) -> Sentences | None:
    """What the files say; None where there is no modules.json. ModelError for parts and poolings we do not have."""
    if not (folder / MODULES).is_file():
        return None
    parts = {_kind(part): part.get("path", "") for part in _json(folder / MODULES)}
    strange = [kind for kind in parts if kind not in _KNOWN]
    if strange or "Pooling" not in parts:
        what = f"the part {strange[0]}" if strange else "no Pooling"
        raise ModelError(f"{folder / MODULES} has {what}; unmask knows {', '.join(_KNOWN)}: take another encoder")
    limits = _json(folder / "sentence_bert_config.json", {})
    said = _json(folder / "config_sentence_transformers.json", {})
    return Sentences(
        pooling=_pooling(folder / parts["Pooling"] / "config.json"),
        normalize="Normalize" in parts,
        limit=limits.get("max_seq_length"),
        lower=bool(limits.get("do_lower_case")),
        prompt=(said.get("prompts") or {}).get(said.get("default_prompt_name") or "") or "",
    )


def write_sentences(folder: Path, sentences: Sentences, width: int) -> None:
    """The files, into an existing folder that holds an encoder `width` wide."""
    parts = [("", "Transformer"), ("1_Pooling", "Pooling")] + [("2_Normalize", "Normalize")] * sentences.normalize
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": _TYPES + kind}
        for number, (path, kind) in enumerate(parts)
    ]
    for path, _ in parts[1:]:
        (folder / path).mkdir(exist_ok=True)
    modes = {name: mode == sentences.pooling for name, mode in _LEGACY.items()}
    _write(folder / MODULES, modules)
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": width, **modes})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": sentences.limit, "do_lower_case": sentences.lower})
    named = {"prompts": {"text": sentences.prompt}, "default_prompt_name": "text"} if sentences.prompt else {}
    _write(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine", **named})


def _kind(part: dict[str, Any]) -> str:
    return str(part.get("type", "")).rpartition(".")[2]


def _pooling(path: Path) -> str:
    config = _json(path)
    said = config.get("pooling_mode")
    modes: list[str] = [said] if isinstance(said, str) else said or []
    if said is None:  # one flag a mode, as files before version 6 have it
        on = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
        modes = [_LEGACY.get(name) or name for name in on]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise ModelError(f"{path} says the pooling {', '.join(modes) or 'none'}; unmask knows {', '.join(POOLINGS)}")
    return modes[0]


def _json(path: Path, absent: Any = None) -> Any:
    if absent is not None and not path.is_file():
        return absent
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}): copy or download the folder again") from None


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
