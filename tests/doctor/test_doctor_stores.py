"""The doctor finds in a store what was put there: damage, too little, a tokenizer that does not fit, copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unmask.corpus.documents import Document
from unmask.doctor import Diagnosis, diagnose
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.writing import StoreWriter

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, *(f"w{number}" for number in range(15))]
UNKNOWN = 1


def make_tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    backend = Backend(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return Tokenizer(backend, dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True)))


def make_store(
    folder: Path,
    *,
    validation: list[str] | None = None,
    train_tokens: int = 5000,
    words_every: int = 1,
    unknown_share: float = 0.0,
    used: int = 15,
    report: dict | None = None,
) -> Path:
    """A store of random tokens; every `words_every`-th starts a word, `unknown_share` of them are unknown."""
    chance = np.random.default_rng(0)
    texts = (
        [f"this is text number {number} of the held out" for number in range(60)] if validation is None else validation
    )
    writer = StoreWriter(folder, make_tokenizer())

    def some(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ids = chance.integers(5, 5 + used, count)
        ids[chance.random(count) < unknown_share] = UNKNOWN
        return ids, np.arange(count) % words_every == 0, np.array([0])

    with writer.shard("a", "train", "wiki") as shard:
        shard.add(*some(train_tokens))
    with writer.shard("b", "validation", "wiki") as shard:
        for _ in texts:
            shard.add(*some(20))
    documents = [Document(f"d{number}", text, "wiki") for number, text in enumerate(texts)]
    writer.finish({"wiki": 1.0}, documents, report)
    return folder


def level(diagnosis: Diagnosis, words: str) -> str:
    found = [finding.level for finding in diagnosis.findings if words in finding.what]
    assert len(found) == 1, [finding.what for finding in diagnosis.findings]
    return found[0]


def test_a_sound_store_is_healthy_but_for_its_size(tmp_path: Path) -> None:
    found = diagnose(make_store(tmp_path / "s", train_tokens=2_000_000))
    assert found.kind == "store"
    assert level(found, "all files are there") == "ok"
    assert level(found, "tokens to train on") == "ok"
    assert level(found, "1.00 tokens a word") == "ok"
    assert level(found, "0.00% of the tokens are unknown") == "ok"
    assert level(found, "copies of others") == "ok"
    assert found.figures["documents"] == {"train": 1, "validation": 60}
    assert found.figures["word_start_rate"] == 1.0


def test_an_altered_store_is_found_by_its_hashes(tmp_path: Path) -> None:
    folder = make_store(tmp_path / "s")
    tokens = folder / "shards" / "a" / "tokens.bin"
    tokens.write_bytes(b"\x07\x00" + tokens.read_bytes()[2:])
    found = diagnose(folder)
    assert level(found, "tokens.bin was altered") == "warning"
    assert not found.healthy


def test_a_store_whose_manifest_was_never_written_is_broken_not_a_source(tmp_path: Path) -> None:
    folder = make_store(tmp_path / "s")
    (folder / "manifest.json").unlink()
    found = diagnose(folder)
    assert found.kind == "store"
    assert level(found, "is no store, it holds no manifest.json") == "warning"


def test_too_little_to_validate_on_is_told_the_numbers(tmp_path: Path) -> None:
    found = diagnose(make_store(tmp_path / "s", validation=["one text", "another text"]))
    [finding] = [finding for finding in found.findings if "to validate on" in finding.what]
    assert (finding.level, "40 in 2 documents" in finding.what) == ("warning", True)
    assert "corpus.validation_share" in finding.mend


def test_a_tokenizer_that_cuts_words_small_is_told(tmp_path: Path) -> None:
    assert level(diagnose(make_store(tmp_path / "s", words_every=4)), "4.00 tokens a word") == "warning"


@pytest.mark.parametrize(("share", "expected"), [(0.0, "ok"), (0.004, "note"), (0.05, "warning")])
def test_unknown_tokens_are_judged_by_their_share(tmp_path: Path, share: float, expected: str) -> None:
    found = diagnose(make_store(tmp_path / "s", unknown_share=share, train_tokens=50_000))
    assert level(found, "of the tokens are unknown") == expected
    assert found.figures["unknown_rate"] == pytest.approx(share, rel=0.3)


def test_a_vocabulary_that_the_text_does_not_use_is_noted(tmp_path: Path) -> None:
    found = diagnose(make_store(tmp_path / "s", used=4))
    assert level(found, "80% of the 20 tokens never occur") == "note"


def test_copies_in_the_validation_documents_are_found(tmp_path: Path) -> None:
    found = diagnose(
        make_store(tmp_path / "s", validation=["the very same text again"] * 30 + [f"t{n}" for n in range(30)])
    )
    assert level(found, "48.3% of the validation documents are copies") == "warning"
    assert level(found, '"the very same text again" 30 times') == "warning"


@pytest.mark.parametrize(("share", "expected"), [(0.01, "ok"), (0.4, "warning")])
def test_the_overlap_of_the_splits_is_judged(tmp_path: Path, share: float, expected: str) -> None:
    report = {"corpus": {"validation_ngram_overlap": share}}
    assert level(diagnose(make_store(tmp_path / "s", report=report)), "of the validation 13-grams") == expected


def test_every_recipe_is_estimated_and_one_of_a_kind_shown(tmp_path: Path) -> None:
    from unmask.doctor.machine import SHOWN
    from unmask.recipes import RECIPES

    found = diagnose(make_store(tmp_path / "s"))
    assert [estimate["recipe"] for estimate in found.figures["recipes"]] == [name for name in RECIPES if name != "auto"]
    assert level(found, "recipe modernbert: about") in ("note", "warning")
    assert sum(finding.what.startswith("recipe ") for finding in found.findings) == len(SHOWN) < len(RECIPES)
