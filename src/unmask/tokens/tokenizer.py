"""A tokenizer: text to token ids with character offsets, and the ids of its special tokens.

    tokenizer = Tokenizer.load("runs/demo/model")        # any Hugging Face folder with a fast tokenizer
    [encoded] = tokenizer.encode(["A blank here."])      # ids, starts, ends: int32 (n,)
    tokenizer.word_starts("A blank here.", encoded)      # bool (n,)
    tokenizer.save("folder")                             # transformers.AutoTokenizer reads it

No special tokens are added on encoding and nothing is cut: rows frame and cut.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import xxhash

from unmask.errors import ModelError
from unmask.tokens import words
from unmask.tokens.words import Segmenter

PIECE = 1 << 19
"""Texts over twice as long are encoded in pieces of about so many characters, cut at line breaks, to bound memory."""

ROLES = ("pad", "unk", "cls", "sep", "mask")
_STAND_INS = {"cls": "bos", "sep": "eos"}
_WORD, _SIGN, _SPACES = "a", ".", ("▁", "Ġ", " ")


@dataclass(frozen=True)
class Encoded:
    """One text as tokens: ids, and where in the text each token starts and ends, in characters; int32 (n,) each."""

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """A `tokenizers.Tokenizer` that knows its special tokens.

    `backend` does the work; `special` gives the token of each role in ROLES (all but the mask may be absent);
    `settings` is what else `tokenizer_config.json` held, kept so that saving loses nothing. `masks`: whether a mask
    token is needed.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        special: Mapping[str, str],
        settings: Mapping[str, Any] | None = None,
        *,
        masks: bool = True,
    ) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend = backend
        self.special = {role: special[role] for role in ROLES if special.get(role)}
        self._settings = dict(settings or {})
        if masks and self._id("mask") is None:
            raise ModelError("the tokenizer has no mask token; give one that was made for a masked language model")

    @classmethod
    def load(cls, folder: str | Path, *, masks: bool = True) -> Tokenizer:
        """Read a Hugging Face folder: its tokenizer.json, or through transformers where there is none.

        ModelError when the folder is missing, holds no tokenizer, or its tokenizer has no mask token (where it needs
        one: `masks`).
        """
        path = Path(folder)
        if not path.is_dir():
            raise ModelError(f"{folder}: no such folder; give a Hugging Face folder that holds tokenizer.json")
        if not (path / "tokenizer.json").is_file():
            return cls._converted(path, masks)
        try:
            backend = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))
        except Exception as error:  # the library raises bare Exceptions
            raise ModelError(f"{path / 'tokenizer.json'} cannot be read ({error}); save the tokenizer again") from None
        settings = _json(path / "tokenizer_config.json")
        names = _special_names(_json(path / "special_tokens_map.json") | settings)
        return cls(backend, _guessed(backend) | names, settings, masks=masks)

    @classmethod
    def _converted(cls, path: Path, masks: bool) -> Tokenizer:
        """A folder in an older layout (vocab.txt, a sentencepiece model): transformers converts it."""
        from transformers import AutoTokenizer

        try:
            loaded = AutoTokenizer.from_pretrained(str(path), use_fast=True, local_files_only=True)
            backend = loaded.backend_tokenizer
        except Exception:
            raise ModelError(f"{path} holds no tokenizer: tokenizer.json is needed (a fast tokenizer)") from None
        names = _special_names(_json(path / "tokenizer_config.json") | loaded.special_tokens_map)
        return cls(backend, names, masks=masks)

    def over(self, backend: tokenizers.Tokenizer) -> Tokenizer:
        """The same special tokens and settings over another backend, one with more tokens."""
        return Tokenizer(backend, self.special, self._settings)

    # ------------------------------------------------------------ text to ids and back

    def encode(self, texts: Sequence[str], *, literal: bool = False) -> list[Encoded]:
        """Each text as tokens, with none added; on all cores unless TOKENIZERS_PARALLELISM is false.

        A special token that is spelled out in a text ("[MASK]") is that token, unless texts are taken literally.
        """
        self.backend.encode_special_tokens = literal
        cuts = [_cuts(text) for text in texts]
        pieces = [text[a:b] for text, edges in zip(texts, cuts, strict=True) for a, b in itertools.pairwise(edges)]
        parts = map(_arrays, self.backend.encode_batch(pieces, add_special_tokens=False))
        return [_joined(list(itertools.islice(parts, len(edges) - 1)), edges) for edges in cuts]

    def encode_beside(self, text: str, *, behind: bool, before: bool, literal: bool = False) -> Encoded:
        """A text behind a mask, before one or between two, cut into tokens as if words stood there.

        A masked word carries its own space, as it did in training, so the text before it has none; and how a text
        begins, and how line breaks and indentation are cut, depends on the words beside them. So words are put there
        and taken away again, as far as no token reaches into both.
        """
        first = _WORD if behind and self._marks_beginnings else ""
        last = _WORD if before and text[-1:].isspace() else ""
        if not first + last:
            return self.encode([text], literal=literal)[0]
        [encoded] = self.encode([first + text + last], literal=literal)
        begin, end = len(first), len(first) + len(text)
        if ((encoded.starts < begin) & (encoded.ends > begin)).any():
            return self.encode_beside(text, behind=False, before=before, literal=literal)
        kept = np.flatnonzero((encoded.starts >= begin) & (encoded.ends <= end))
        if last and len(kept) and self._mask_takes_space and self.token(int(encoded.ids[kept[-1]])) in _SPACES:
            alone = encoded.starts[kept[-1] + 1] == end  # the space is a token of its own, and that of the word
            kept = kept[:-1] if alone else kept
        return Encoded(encoded.ids[kept], encoded.starts[kept] - begin, encoded.ends[kept] - begin)

    def decode(self, ids: Sequence[int] | np.ndarray, *, keep_special: bool = False) -> str:
        """The text of some ids; special tokens are left out unless they shall be kept."""
        return self.backend.decode([int(i) for i in ids], skip_special_tokens=not keep_special)

    def word_starts(self, text: str, encoded: Encoded, segmenter: Segmenter | None = None) -> np.ndarray:
        """Whether each token holds the first character of a word (`words.word_spans`): bool (n,).

        Where several tokens share that character (bytes of one character) only the first of them does; tokens of
        blanks alone and tokens of no width never do.
        """
        return self.word_starts_from(words.word_starts(text, segmenter), encoded)

    def word_starts_from(self, starts: np.ndarray, encoded: Encoded) -> np.ndarray:
        """The same, from the word starts of the text's characters: bool (characters,)."""
        if not len(encoded):
            return np.zeros(0, bool)
        before = np.concatenate([[0], np.cumsum(starts)])  # words that start before each character
        ends = np.where(self._blank[encoded.ids], 0, encoded.ends)
        taken = np.concatenate([[0], np.maximum.accumulate(ends)[:-1]])
        fresh = np.minimum(np.maximum(encoded.starts, taken), encoded.ends)
        return (before[encoded.ends] > before[fresh]) & ~self._blank[encoded.ids]

    # ------------------------------------------------------------ vocabulary

    @property
    def vocabulary_size(self) -> int:
        """One more than the largest id."""
        return len(self._blank)

    def token(self, number: int) -> str:
        """The token of an id, as the vocabulary spells it; "" for an id without one."""
        return self.backend.id_to_token(int(number)) or ""

    def id(self, token: str) -> int | None:
        """The id of a token as the vocabulary spells it, or None."""
        return self.backend.token_to_id(token)

    @property
    def mask_token(self) -> str:
        return self.special["mask"]

    @property
    def mask_id(self) -> int:
        return self._id("mask") or 0  # its absence was refused

    @property
    def cls_id(self) -> int | None:
        """The id of the token before a text, [CLS] or its like; None where there is none."""
        return self._id("cls")

    @property
    def sep_id(self) -> int | None:
        """The id of the token behind a text, [SEP] or its like; None where there is none."""
        return self._id("sep")

    @property
    def pad_id(self) -> int:
        """The padding's id; where there is none, 0, since padding is never looked at."""
        return self._id("pad") or 0

    @property
    def unknown_id(self) -> int | None:
        """The id of what is not in the vocabulary; None where there is none."""
        return self._id("unk")

    @cached_property
    def special_ids(self) -> np.ndarray:
        """The ids of all special tokens, ascending: int64 (n,)."""
        added = self.backend.get_added_tokens_decoder()
        special = {number for number, token in added.items() if token.special}
        named = {number for role in self.special if (number := self._id(role)) is not None}
        return np.array(sorted(special | named), dtype=np.int64)

    def _id(self, role: str) -> int | None:
        return self.backend.token_to_id(self.special[role]) if role in self.special else None

    # ------------------------------------------------------------ folder

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides how text becomes ids."""
        held = self.backend.to_str() + json.dumps(self.special, sort_keys=True)
        return xxhash.xxh3_128_hexdigest(held.encode("utf-8", "surrogatepass"))

    def save(self, folder: str | Path, row_limit: int | None = None, types: bool = False) -> None:
        """Write an ordinary Hugging Face folder; `row_limit` is the model's longest row in tokens, if known; types:
        whether the model tells the texts of a pair apart by the types of tokens, which stock code then asks for."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        names = {f"{role}_token": token for role, token in self.special.items()}
        kept = {key: value for key, value in self._settings.items() if key not in names}
        # A class of its own may rebuild the pipeline from its own ideas; tokenizer.json says it all.
        settings = (
            {"clean_up_tokenization_spaces": False} | kept | names | {"tokenizer_class": "PreTrainedTokenizerFast"}
        )
        if row_limit is not None:
            settings["model_max_length"] = row_limit
        if types:
            settings["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
        (path / "tokenizer.json").write_text(self.backend.to_str(pretty=True), encoding="utf-8")
        _write_json(path / "tokenizer_config.json", settings)
        _write_json(path / "special_tokens_map.json", names)

    # ------------------------------------------------------------ made once

    @cached_property
    def _mask_takes_space(self) -> bool:
        """Whether a mask swallows the space before it: it is said to, or a space is part of the word behind it."""
        mask = self.backend.get_added_tokens_decoder().get(self.mask_id)
        return (mask is not None and mask.lstrip) or len(self.encode(["a a"])[0]) <= 2

    @cached_property
    def _marks_beginnings(self) -> bool:
        """Whether the beginning of a text is marked as if a space stood there, but not what stands behind a mask."""
        alone, behind = self.encode([_SIGN, self.mask_token + _SIGN])
        return alone.ids.tolist() != behind.ids[1:].tolist()

    @cached_property
    def texts(self) -> list[str]:
        """What each id writes, less the blanks around it and the mark of a word's continuation: (V,)."""
        size = max(self.backend.get_vocab(with_added_tokens=True).values()) + 1
        spelled = self.backend.decode_batch([[number] for number in range(size)], skip_special_tokens=False)
        continuing = getattr(self.backend.model, "continuing_subword_prefix", None) or ""
        return [text.strip().removeprefix(continuing) or text.strip() for text in spelled]

    @cached_property
    def _blank(self) -> np.ndarray:
        """Whether a token is nothing but blanks, however the vocabulary spells them: bool (V,)."""
        return np.fromiter((not text for text in self.texts), bool, len(self.texts))


def _arrays(encoding: tokenizers.Encoding) -> Encoded:
    count = len(encoding)
    offsets = np.fromiter(itertools.chain.from_iterable(encoding.offsets), np.int32, 2 * count).reshape(count, 2)
    return Encoded(np.array(encoding.ids, np.int32), offsets[:, 0], offsets[:, 1])


def _joined(parts: list[Encoded], edges: list[int]) -> Encoded:
    if len(parts) == 1:
        return parts[0]
    starts = [part.starts + np.int32(edge) for part, edge in zip(parts, edges, strict=False)]
    ends = [part.ends + np.int32(edge) for part, edge in zip(parts, edges, strict=False)]
    return Encoded(np.concatenate([part.ids for part in parts]), np.concatenate(starts), np.concatenate(ends))


def _cuts(text: str) -> list[int]:
    """[0, ..., len(text)]: where a long text is cut, each time before the first single line break after PIECE."""
    cuts = [0]
    while len(text) - cuts[-1] > 2 * PIECE:
        cut = next(_single_line_breaks(text, cuts[-1] + PIECE), None)
        if cut is None:
            break
        cuts.append(cut)
    return [*cuts, len(text)]


def _single_line_breaks(text: str, start: int) -> Iterator[int]:
    # Runs of blanks belong together for some tokenizers, and many take a blank as part of what follows it.
    at = text.find("\n", start)
    while 0 < at < len(text) - 1:
        if not text[at - 1].isspace() and not text[at + 1].isspace():
            yield at
        at = text.find("\n", at + 1)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error}); save the tokenizer again") from None


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _special_names(settings: Mapping[str, Any]) -> dict[str, str]:
    """The token of each role; older files write {"content": ...} for a token."""
    names = {}
    for role in ROLES:
        for key in (role, _STAND_INS.get(role, role)):
            value = settings.get(f"{key}_token")
            value = value.get("content") if isinstance(value, Mapping) else value
            if value and role not in names:
                names[role] = str(value)
    return names


def _guessed(backend: tokenizers.Tokenizer) -> dict[str, str]:
    """The usual names, for a folder that names no special tokens."""
    usual = {"pad": ("[PAD]", "<pad>"), "unk": ("[UNK]", "<unk>"), "mask": ("[MASK]", "<mask>")}
    usual |= {"cls": ("[CLS]", "<s>"), "sep": ("[SEP]", "</s>")}
    found = {role: [name for name in names if backend.token_to_id(name) is not None] for role, names in usual.items()}
    return {role: names[0] for role, names in found.items() if names}
