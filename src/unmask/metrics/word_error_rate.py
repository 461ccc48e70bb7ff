"""Word errors of the restored text, as jiwer counts them."""

from __future__ import annotations

import re

from unmask.metrics.metric import Metric, Scored

# Han characters, and the punctuation and full-width forms that stand between them without blanks.
_ALONE = re.compile(
    r"([\u2e80-\u2fdf\u3001-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff65\U00020000-\U000323af])"
)


class WordErrorRate(Metric):
    """Words substituted, deleted and inserted, over all words of the true text, those that were never masked included.

    Words stand between blanks; each Han character is a word, so for Chinese this is the character error rate.
    """

    def update(self, scored: Scored) -> None:
        import jiwer

        pairs = [(spaced(true), spaced(said)) for true, said in zip(scored.references, scored.hypotheses, strict=True)]
        pairs = [(true, said) for true, said in pairs if true]
        if not pairs:
            return
        counted = jiwer.process_words([true for true, _ in pairs], [said for _, said in pairs])
        self.total += counted.substitutions + counted.deletions + counted.insertions
        self.count += counted.hits + counted.substitutions + counted.deletions


def spaced(text: str) -> str:
    """The text with one blank between words, and each Han character a word of its own."""
    return " ".join(_ALONE.sub(r" \1 ", text).split())
