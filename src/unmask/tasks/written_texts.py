"""Figures of written texts against references, by sacrebleu and rouge-score, and what a model that writes must beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from unmask.tokens.words import word_spans

MOST = 20_000
"""Training examples among which the nearest is looked for: the first ones."""
ROUGES = ("rouge1", "rouge2", "rougeL")
FIGURES = ("bleu", "chrf", *ROUGES, "exact")

References = Sequence[Sequence[str]]


def figures_of(references: References, said: Sequence[str]) -> dict[str, float]:
    """bleu and chrf over all texts together, as shares (sacrebleu's scores over 100); rouge1, rouge2, rougeL (F1) and
    exact (the same words), the mean over texts. A text may have several references."""
    bleu, chrf = _metrics(references)
    columns = _columns(references)
    rouge = _rouge(references, said)
    exact = sum(text.split() in [one.split() for one in each] for each, text in zip(references, said, strict=True))
    return {
        "bleu": bleu.corpus_score(list(said), columns).score / 100,
        "chrf": chrf.corpus_score(list(said), columns).score / 100,
        **rouge,
        "exact": exact / len(said),
    }


def signatures(references: References) -> list[str]:
    """How the figures were computed, so that others can compare."""
    bleu, chrf = _metrics(references)
    for metric in (bleu, chrf):  # which know only then how many references there are
        metric.corpus_score([""] * len(references), _columns(references))
    words = "default" if _plain(references) else "unmask"
    return [
        f"BLEU|{bleu.get_signature().format()}",
        f"chrF|{chrf.get_signature().format()}",
        f"ROUGE|F1|stemmer:no|tok:{words}|rouge-score:{version('rouge-score')}",
    ]


def _columns(references: References) -> Any:
    """The first reference of every text, the second ones, ...; None where a text has no more."""
    most = max(map(len, references))
    return [[each[n] if n < len(each) else None for each in references] for n in range(most)]


def _metrics(references: References) -> tuple[Any, Any]:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return BLEU(tokenize="zh" if _chinese(references) else "13a"), CHRF()


def _rouge(references: References, said: Sequence[str]) -> dict[str, float]:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGES), tokenizer=None if _plain(references) else _Words())
    scores = [scorer.score_multi(list(each), text) for each, text in zip(references, said, strict=True)]
    return {name: sum(score[name].fmeasure for score in scores) / len(scores) for name in ROUGES}


class _Words:
    """Our words for rouge-score, whose own tokenizer drops every letter that is not one of a to z."""

    def tokenize(self, text: str) -> list[str]:
        return words_of(text.lower())


def words_of(text: str) -> list[str]:
    """The words of a text; a Han character is one."""
    return [text[start:stop] for start, stop in word_spans(text)]


def _plain(references: References) -> bool:
    return all(one.isascii() for each in references for one in each)


def _chinese(references: References) -> bool:
    letters = Counter("\u4e00" <= letter <= "\u9fff" for each in references for letter in each[0] if letter.isalpha())
    return letters[True] > letters[False]


# ---------------------------------------------------------------- what a model must beat


def simple_texts(known: Sequence[tuple[str, str]], sources: Sequence[str]) -> dict[str, list[str]]:
    """What simple answerers write for sources. known: training sources with their targets."""
    lead = round(sum(len(words_of(target)) for _, target in known) / len(known)) or 1
    return {
        "the source itself": list(sources),
        f"its first {lead} words": [_lead(source, lead) for source in sources],
        "target of the nearest training source": _nearest(known[:MOST], sources),
        "most frequent target": [Counter(target for _, target in known).most_common(1)[0][0]] * len(sources),
    }


def _lead(text: str, words: int) -> str:
    spans = word_spans(text)[:words]
    return text[: int(spans[-1][1])] if len(spans) else text


def _nearest(known: Sequence[tuple[str, str]], sources: Sequence[str]) -> list[str]:
    """By the cosine of TF-IDF vectors of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(tokenizer=words_of, token_pattern=None, sublinear_tf=True)  # type: ignore[arg-type]
    seen: Any = vectors.fit_transform(source for source, _ in known)
    asked: Any = vectors.transform(sources)
    nearest: list[str] = []
    for start in range(0, len(sources), 256):  # so that few rows of similarities are held at a time
        closest = (asked[start : start + 256] @ seen.T).toarray().argmax(1)
        nearest += [known[int(number)][1] for number in closest]
    return nearest
