"""A prompt with a blank, and the words that stand for labels in it (Schick and Schuetze 2021, PET, section 3).

    prompt = Prompt.of("{text} It was [MASK].", tokenizer)
    words = Verbalizer.of("positive:great+good,negative:terrible", prompt, tokenizer)

Shapes: B rows, S places of all word lengths together, U tokens of all words, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unmask.errors import DataError, SettingError
from unmask.generation.blanks import find_blanks
from unmask.tasks.framing import Frame
from unmask.tasks.tables import Row
from unmask.tokens.tokenizer import Tokenizer

TEXT, SECOND = "{text}", "{second}"


@dataclass(frozen=True)
class Prompt:
    """What stands before the blank and behind it; {text} and {second} are the texts of an example."""

    before: str
    after: str
    tokenizer: Tokenizer

    @classmethod
    def of(cls, pattern: str, tokenizer: Tokenizer) -> Prompt:
        """A pattern with one blank; without {text} the text is put before it. SettingError for none or several."""
        blanks = find_blanks(pattern, tokenizer.mask_token)
        if len(blanks) > 1:
            raise SettingError(f'"{pattern}" has {len(blanks)} blanks: the prompt needs one, where the label is asked')
        before, after = pattern[: blanks[0].start], pattern[blanks[0].end :]
        if TEXT not in before + after:
            before = f"{TEXT} {before}"
        return cls(before, after, tokenizer)

    def word(self, word: str) -> tuple[int, ...]:
        """The tokens of a word as it stands in the blank; SettingError when it has characters nobody knows."""
        context = self.before.rpartition("}")[2]
        encoded = self.tokenizer.encode([context + word], literal=True)[0]
        ids = tuple(int(number) for number in encoded.ids[encoded.ends > len(context)])
        if not ids or self.tokenizer.unknown_id in ids:
            raise SettingError(f"the word '{word}' has characters the tokenizer does not know: take another")
        return ids

    def row(self, example: Row, masks: int, frame: Frame, limit: int) -> tuple[np.ndarray, np.ndarray, bool]:
        """The tokens (n,) of an example with so many masks in the blank, their columns, and whether the text was cut.

        The prompt is always whole; DataError when it leaves the text no room.
        """
        text, cut = example.text, False
        while True:
            sides = [self._filled(side, text, example) for side in (self.before, self.after)]
            first, last = (
                self.tokenizer.encode_beside(side, behind=number == 1, before=number == 0, literal=True).ids
                for number, side in enumerate(sides)
            )
            spare = frame.room(limit, pair=False) - len(first) - masks - len(last)
            if spare >= 0:
                tokens, _ = frame.row(np.concatenate([first, np.full(masks, self.tokenizer.mask_id), last]))
                return tokens, len(frame.prefix) + len(first) + np.arange(masks), cut
            if not text:
                raise DataError(f"{example.place}: the prompt alone is longer than {limit} tokens: shorten it")
            encoded, cut = self.tokenizer.encode([text], literal=True)[0], True
            kept = len(encoded.ids) + spare
            text = text[: encoded.ends[kept - 1]] if kept > 0 else ""
            if len(text) == len(example.text):
                text = text[:-1]  # a token that stands for nothing was cut

    def _filled(self, side: str, text: str, example: Row) -> str:
        if SECOND in side and example.second is None:
            raise DataError(f"{example.place}: the prompt asks for {SECOND}, and there is no second text")
        return SECOND.join(part.replace(TEXT, text) for part in side.split(SECOND)).replace(
            SECOND, example.second or ""
        )


@dataclass(frozen=True)
class Verbalizer:
    """The words of each label, as tokens."""

    labels: tuple[str, ...]
    words: tuple[tuple[int, tuple[int, ...]], ...]
    """(number of its label, tokens) of each word"""

    @classmethod
    def of(cls, said: str, prompt: Prompt) -> Verbalizer:
        """From "label:word+word,label:word"; a label without words is its own. SettingError when two labels share a
        word or there are fewer than two."""
        named = dict(_parsed(said))
        words = [(number, prompt.word(word)) for number, label in enumerate(named) for word in named[label]]
        tokens = [ids for _, ids in words]
        what = None if len(named) > 1 else "two labels at least are"
        if what or len(set(tokens)) < len(tokens):
            what = what or "a word of its own for each label is"
            raise SettingError(f"labels={said}: {what} needed, as in positive:great+good,negative:terrible")
        return cls(tuple(named), tuple(words))

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many masks the blank is tried with, ascending."""
        return tuple(sorted({len(ids) for _, ids in self.words}))

    @property
    def tokens(self) -> tuple[int, ...]:
        """All tokens of all words (U,), ascending."""
        return tuple(sorted({token for _, ids in self.words for token in ids}))

    def scores(self, logits: Tensor) -> Tensor:
        """Log-probabilities (B,S,U), the places of the shortest blank first, -> scores of the labels (B,L).

        A word counts by the mean over its tokens, all of them masked (so that long words are not punished), a label by
        the mean probability of its words.
        """
        starts = dict(zip(self.lengths, np.cumsum([0, *self.lengths]).tolist(), strict=False))
        column = {token: number for number, token in enumerate(self.tokens)}
        labels: list[list[Tensor]] = [[] for _ in self.labels]
        for label, ids in self.words:
            places = [starts[len(ids)] + step for step in range(len(ids))]
            labels[label].append(logits[:, places, [column[token] for token in ids]].mean(1))
        return torch.stack([torch.stack(each).logsumexp(0) - np.log(len(each)) for each in labels], dim=1)


def _parsed(said: str) -> list[tuple[str, list[str]]]:
    """(label, its words) in the order in which they are named."""
    found: dict[str, list[str]] = {}
    for part in filter(None, (each.strip() for each in said.split(","))):
        label, colon, words = part.partition(":")
        given = [word.strip() for word in words.split("+") if word.strip()] if colon else [label.strip()]
        found.setdefault(label.strip(), []).extend(given or [label.strip()])
    return list(found.items())
