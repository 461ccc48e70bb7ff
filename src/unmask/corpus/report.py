"""What was collected, in numbers: nothing is silently lost."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from unmask.corpus.documents import Problem


@dataclass(frozen=True)
class CorpusReport:
    """documents_in == documents_kept + sum(dropped.values()), always.

    `characters` and `words` are of the kept documents (a Han character is a word), `bytes_read` is compressed,
    `encodings` counts files, `scripts` gives shares of letters, `ignored` counts files of folders that no reader takes,
    by suffix, `notes` are sentences a person should see. `validation_ngram_overlap` is the share of validation
    13-grams that also occur in training, None where there is nothing to compare.
    """

    documents_in: int
    documents_kept: int
    dropped: dict[str, int]
    problems: list[Problem]
    characters: int
    words: int
    bytes_read: int
    encodings: dict[str, int]
    scripts: dict[str, float]
    validation_documents: int
    validation_words: int
    validation_ngram_overlap: float | None
    ignored: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write as JSON, under another name first."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), encoding="utf-8")
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> CorpusReport:
        data = json.loads(path.read_text(encoding="utf-8"))
        return CorpusReport(problems=[Problem(**problem) for problem in data.pop("problems")], **data)
