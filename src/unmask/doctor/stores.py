"""A token store: whether it is whole, and whether its text and its tokenizer are fit to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.doctor import machine, repeats
from unmask.doctor.diagnosis import Diagnosis, Finding, ordered
from unmask.errors import UnmaskError

if TYPE_CHECKING:
    from unmask.tokens.store import Store

VALIDATION_DOCUMENTS, VALIDATION_TOKENS = 50, 200_000
MANY_TOKENS_PER_WORD = 2.0
UNKNOWN_NOTED, UNKNOWN_HARMFUL = 0.001, 0.01
UNUSED_VOCABULARY = 0.2
OVERLAP = 0.1


def examine(target: str) -> Diagnosis:
    """The findings on a store; one that cannot be opened has that as its only finding."""
    from unmask.tokens.store import Store

    folder = Path(target)
    try:
        store = Store.open(folder, verify=True)
    except UnmaskError as error:
        what, _, mend = str(error).partition("; ")
        finding = Finding("warning", what, mend or "prepare the store again")
        return Diagnosis("store", target, (finding,), f"unmask prepare SOURCE --to {target}")
    figures = _figures(store)
    estimates = machine.estimates(figures["tokens"]["train"], store.vocabulary_size)
    copies = repeats.repeats(document.text for document in store.documents("validation"))
    findings = [
        Finding("ok", "all files are there and as they were written"),
        *_splits(figures),
        *_tokenizer(figures),
        *_overlap(store),
        *repeats.findings(
            copies, "the validation documents", "figures on held-out text count them several times: clean the source"
        ),
        *machine.findings(estimates),
    ]
    figures["recipes"] = [vars(estimate) for estimate in estimates]
    step = f"unmask pretrain modernbert data.store={target} training.minutes=30"
    return Diagnosis("store", target, ordered(findings), step, figures)


def _figures(store: Store) -> dict[str, Any]:
    counts = store.token_counts
    total, unknown = max(1, int(counts.sum())), store.tokenizer().unknown_id
    splits = ("train", "validation")
    words = sum(store.count("words", split) for split in splits)
    tokens = {split: store.count("tokens", split) for split in splits}
    return {
        "tokens": tokens,
        "documents": {split: store.count("documents", split) for split in splits},
        "words": words,
        "tokens_per_word": round(sum(tokens.values()) / max(1, words), 3),
        "word_start_rate": round(words / max(1, sum(tokens.values())), 4),
        "unknown_rate": 0.0 if unknown is None else round(int(counts[unknown]) / total, 6),
        "unused_vocabulary": round(float(np.mean(counts == 0)), 4),
        "vocabulary_size": store.vocabulary_size,
    }


def _splits(figures: dict[str, Any]) -> list[Finding]:
    tokens, documents = figures["tokens"], figures["documents"]
    what = (
        f"{tokens['train']:,} tokens to train on, {tokens['validation']:,} in {documents['validation']:,} documents "
        "to validate on"
    )
    if tokens["train"] == 0:
        return [Finding("warning", what, "there is nothing to learn from: prepare a larger source")]
    if documents["validation"] < VALIDATION_DOCUMENTS and tokens["validation"] < VALIDATION_TOKENS:
        mend = (
            f"figures will scatter: hold out {VALIDATION_DOCUMENTS} documents or {VALIDATION_TOKENS:,} tokens, "
            "with more text or a larger corpus.validation_share"
        )
        return [Finding("warning", what, mend)]
    return [Finding("ok", what)]


def _tokenizer(figures: dict[str, Any]) -> list[Finding]:
    rate, unknown, unused = figures["tokens_per_word"], figures["unknown_rate"], figures["unused_vocabulary"]
    findings = []
    if figures["words"] == 0:
        findings.append(Finding("warning", "no token starts a word", "whole-word masking cannot work: prepare again"))
    else:
        many = rate > MANY_TOKENS_PER_WORD
        mend = (
            "the tokenizer does not fit the text: train one on it, or raise tokenizer.vocabulary_size" if many else ""
        )
        what = f"{rate:.2f} tokens a word, punctuation counted as words"
        findings.append(Finding("warning" if many else "ok", what, mend))
    level = "warning" if unknown >= UNKNOWN_HARMFUL else "note" if unknown >= UNKNOWN_NOTED else "ok"
    mend = "use tokenizer.kind=bpe, which knows every character, or train one on this text" if level != "ok" else ""
    findings.append(Finding(level, f"{unknown:.2%} of the tokens are unknown", mend))
    if unused > UNUSED_VOCABULARY:
        what = f"{unused:.0%} of the {figures['vocabulary_size']:,} tokens never occur in the training text"
        findings.append(Finding("note", what, "a smaller tokenizer.vocabulary_size makes a smaller, faster model"))
    return findings


def _overlap(store: Store) -> list[Finding]:
    """The share of validation 13-grams that also stand in training, when preparation measured it."""
    share = store.report.get("corpus", {}).get("validation_ngram_overlap")
    if share is None:
        return []
    what = f"{share:.1%} of the validation 13-grams also stand in the training text"
    if share < OVERLAP:
        return [Finding("ok", what)]
    return [Finding("warning", what, "figures will look better than they are: lower corpus.near_duplicates")]
