"""The split: which documents are held out, by a hash of their text, so that the choice is the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.corpus.catalogue import Catalogue, Verdict
from unmask.corpus.settings import LARGEST_SHARE
from unmask.corpus.spool import Chunk
from unmask.seeding import keys, uniforms

ENOUGH_DOCUMENTS = 50
ENOUGH_WORDS = 200_000
_SALT = 0x73706C69

_SECTION_WORDS = 1000
_SHORTEST_SECTION = 100


@dataclass(frozen=True)
class Held:
    """How much is held out, of how much."""

    documents: int
    words: int
    all_documents: int
    all_words: int

    @property
    def enough(self) -> bool:
        return self.documents >= ENOUGH_DOCUMENTS or self.words >= ENOUGH_WORDS

    @property
    def within(self) -> bool:
        """Not more than may be taken from training, in words."""
        return self.words <= LARGEST_SHARE * self.all_words

    @property
    def section_words(self) -> int:
        """The length of sections that would give enough of them."""
        wanted = int(self.all_words * LARGEST_SHARE) // ENOUGH_DOCUMENTS
        return min(_SECTION_WORDS, max(_SHORTEST_SECTION, wanted))


def hold_out(catalogue: Catalogue, share: float) -> Held:
    """Mark the validation documents among those that are kept.

    Those whose draw is under the share, if they are enough and not too much; or else documents in the order of their
    draws until they are enough, passing over those that would take more than a fifth of the words.
    """
    if share == 0:
        return _counted(catalogue)
    for number, chunk in enumerate(catalogue.chunks):
        chosen = catalogue.kept(number) & (_draws(chunk) < share)
        catalogue.of_chunk(number)[chosen] = Verdict.VALIDATION
    held = _counted(catalogue)
    if held.enough and held.within:
        return held
    catalogue.verdicts[catalogue.verdicts == Verdict.VALIDATION] = Verdict.TRAIN
    catalogue.verdicts[_in_order(catalogue, share, held)] = Verdict.VALIDATION
    return _counted(catalogue)


def _draws(chunk: Chunk) -> np.ndarray:
    """float64 (n,) in [0, 1): a hash of each text's hash, so that the deduplication's order plays no part."""
    return uniforms(keys(_SALT, np.asarray(chunk.array("keys"))))


def _counted(catalogue: Catalogue) -> Held:
    counts = np.zeros(4, dtype=np.int64)
    for number, chunk in enumerate(catalogue.chunks):
        kept, words = catalogue.kept(number), chunk.array("sizes")[:, 1].astype(np.int64)
        held = catalogue.of_chunk(number) == Verdict.VALIDATION
        counts += held.sum(), words[held].sum(), kept.sum(), words[kept].sum()
    return Held(*(int(count) for count in counts))


def _in_order(catalogue: Catalogue, share: float, total: Held) -> list[int]:
    """The numbers of the documents to hold out. Only a small corpus, or one of very uneven documents, comes here."""
    if not len(catalogue):
        return []
    draws = np.concatenate([_draws(chunk) for chunk in catalogue.chunks])
    words = np.concatenate([chunk.array("sizes")[:, 1] for chunk in catalogue.chunks]).astype(np.int64)
    kept = np.flatnonzero(catalogue.verdicts <= Verdict.VALIDATION)
    most_documents, most_words = (LARGEST_SHARE * number for number in (total.all_documents, total.all_words))
    chosen, held = [], 0
    for number in kept[np.argsort(draws[kept], kind="stable")]:
        wanted = len(chosen) < share * total.all_documents or not (
            len(chosen) >= ENOUGH_DOCUMENTS or held >= ENOUGH_WORDS
        )
        if not wanted or len(chosen) + 1 > most_documents:
            break
        if held + words[number] <= most_words:
            chosen.append(int(number))
            held += int(words[number])
    return chosen
