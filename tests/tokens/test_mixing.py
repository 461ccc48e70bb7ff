"""Mixing: every source has the share it was promised, and any row is still found from its number alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.corpus.documents import Document
from unmask.errors import DataError, SettingError
from unmask.run import Data
from unmask.tokens.mixing import flattened, mixed, parsed_weights
from unmask.tokens.rows import PACKINGS, Rows
from unmask.tokens.store import Store
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.writing import StoreWriter

WORDS = {
    "en": "the dog barks loudly and the owl hoots .",
    "zh": "狗 大 声 叫 。 猫 头 鹰 也 叫 。",
    "old": "a cow moos .",
}
TOKENIZER = train_tokenizer(
    [Document(name, text, name) for name, text in WORDS.items()],
    TokenizerSettings(vocabulary_size=60, minimum_frequency=1),
)


def made(folder, tokenizer: Tokenizer = TOKENIZER, shards: int = 1, **documents: int) -> Store:
    """A store with so many documents of each source, in several shards."""
    writer = StoreWriter(folder, tokenizer)
    for source, count in documents.items():
        [encoded] = tokenizer.encode([WORDS[source] * 8])
        starts = tokenizer.word_starts(WORDS[source] * 8, encoded)
        for number in range(shards):
            with writer.shard(f"{source}-{number}", "train", source) as shard:
                for _ in range(count):
                    shard.add(encoded.ids, starts, np.zeros(1, np.int64))
    return writer.finish(dict.fromkeys(documents, 1.0))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """Ten times as much English as Chinese, in two shards each."""
    return made(tmp_path_factory.mktemp("mixing") / "store", shards=2, en=100, zh=10)


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Store:
    return made(tmp_path_factory.mktemp("mixing") / "old", old=60)


def read(store: Store, rows: Rows, epochs: int = 1) -> dict[str, float]:
    """The shares of the tokens of each source in some epochs, told by what the rows say."""
    ids = {name: set(TOKENIZER.encode([text])[0].ids.tolist()) for name, text in WORDS.items()}
    only = {name: sorted(own - set.union(*(ids[n] for n in ids if n != name))) for name, own in ids.items()}
    per_document = {name: int(np.isin(TOKENIZER.encode([WORDS[name]])[0].ids, only[name]).sum()) for name in WORDS}
    long = {name: len(TOKENIZER.encode([WORDS[name]])[0]) for name in WORDS}
    numbers = np.concatenate([rows.order(epoch, np.arange(len(rows))) for epoch in range(epochs)])
    tokens = rows.take(numbers).tokens
    seen = {name: np.isin(tokens, only[name]).sum() * long[name] / per_document[name] for name in WORDS}
    return {name: float(count / sum(seen.values())) for name, count in seen.items()}


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10**9), min_size=1),
    st.floats(0.2, 20),
    st.floats(0.1, 10),
)
def test_shares_are_powers_of_sizes_and_an_epoch_keeps_its_tokens(sizes, temperature, weight):
    weights = {source: weight if source == "a" else 1.0 for source in sizes}
    flat = flattened(sizes, weights, temperature)
    tokens = {source: flat[source] * size for source, size in sizes.items()}
    assert sum(tokens.values()) == pytest.approx(sum(weights[source] * size for source, size in sizes.items()))
    powers = {source: (weights[source] * size) ** (1 / temperature) for source, size in sizes.items()}
    total = sum(powers.values())
    for source in sizes:
        assert tokens[source] / sum(tokens.values()) == pytest.approx(powers[source] / total)
    assert flattened(sizes, weights, 1.0) == pytest.approx(weights)


def test_the_example_of_xlm_r_comes_out_as_computed_by_hand():
    # Sizes 90 and 10, alpha 0.5: sqrt(90) : sqrt(10) = 3 : 1.
    flat = flattened({"en": 90, "sw": 10}, {"en": 1.0, "sw": 1.0}, temperature=2.0)
    assert (90 * flat["en"], 10 * flat["sw"]) == pytest.approx((75.0, 25.0))


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize(("temperature", "weights"), [(2.0, {}), (1.0, {"zh": 4.0}), (1e9, {}), (1.0, {"en": 0.0})])
def test_rows_hold_the_tokens_of_each_source_in_its_share(store, packing, temperature, weights):
    mixture = mixed(store, weights, temperature)
    sizes = {name: sum(len(s) for s in store.shards("train") if s.source == name) for name in ("en", "zh")}
    powers = {name: (weights.get(name, 1.0) * size) ** (1 / temperature) for name, size in sizes.items()}
    shares = read(store, Rows(mixture, "train", 32, packing), epochs=3)
    for name in sizes:
        assert shares[name] == pytest.approx(powers[name] / sum(powers.values()), abs=0.02)


def test_a_mixture_without_wishes_is_the_store(store):
    plain, mixture = Rows(store, "train", 32), Rows(mixed(store), "train", 32)
    index = np.arange(len(plain))
    assert len(plain) == len(mixture)
    assert (plain.order(3, index) == mixture.order(3, index)).all()


@given(st.integers(0, 20), st.floats(0.5, 8), st.integers(0, 3), st.data())
@settings(max_examples=20)
def test_a_mixtures_rows_follow_from_seed_epoch_and_place_alone(store, old, seed, temperature, epoch, data):
    first = Rows(mixed(store, {}, temperature, old, 0.2), "train", 32, seed=seed)
    again = Rows(mixed(Store.open(store.folder), {}, temperature, Store.open(old.folder), 0.2), "train", 32, seed=seed)
    whole = first.order(epoch, np.arange(len(first)))
    some = np.array(data.draw(st.lists(st.integers(0, len(first) - 1), min_size=1, max_size=9)))
    assert (again.order(epoch, some) == whole[some]).all()  # a rank or a resumed run asks for a part
    assert len(set(whole)) == len(whole)
    assert (again.take(whole[some]).tokens == first.take(whole[some]).tokens).all()


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_replayed_text_has_its_share_of_the_tokens(store, old, share):
    rows = Rows(mixed(store, replay=old, replay_share=share), "train", 32)
    shares = read(store, rows, epochs=2)
    assert shares["old"] == pytest.approx(share, abs=0.02)
    sizes = {name: sum(len(s) for s in store.shards("train") if s.source == name) for name in ("en", "zh")}
    for name, size in sizes.items():
        assert shares[name] == pytest.approx((1 - share) * size / sum(sizes.values()), abs=0.02)


def test_held_out_documents_are_those_of_the_store_alone(store, old):
    mixture = mixed(store, replay=old)
    assert [shard.name for shard in mixture.shards("validation")] == []
    assert {shard.source for shard in mixture.shards("train")} == {"en", "zh", "old"}


def test_a_replay_store_of_another_tokenizer_is_refused(store, tmp_path):
    other = train_tokenizer([Document("d", WORDS["old"], "s")], TokenizerSettings(vocabulary_size=30))
    with pytest.raises(
        DataError, match=r"was prepared with another tokenizer than .*: prepare its text again with tok"
    ):
        mixed(store, replay=made(tmp_path / "other", tokenizer=other, old=2))


def test_weights_of_unknown_sources_and_of_nothing_are_refused(store):
    with pytest.raises(
        SettingError, match=r"data.weights: unknown source 'zhh'; did you mean 'zh'\? \(known: en, zh\)"
    ):
        mixed(store, {"zhh": 2.0})
    with pytest.raises(SettingError, match=r"data.weights: every source has weight 0"):
        mixed(store, {"en": 0.0, "zh": 0.0})


@pytest.mark.parametrize("given", ["en", "en:", "en:two", ":2", "en:-1", "en:inf"])
def test_a_weight_that_cannot_be_read_is_refused(given):
    with pytest.raises(SettingError, match=rf"data.weights={given}: write SOURCE:NUMBER"):
        Data(weights=(given,))


def test_weights_are_read_by_source():
    assert parsed_weights(("en:2", "zh-1.x:0.5")) == {"en": 2.0, "zh-1.x": 0.5}


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"temperature": 0.0}, "data.temperature=0: a number above 0"), ({"replay_share": 1.0}, "data.replay_share=1: a")],
)
def test_shares_that_cannot_be_are_refused(setting, words):
    with pytest.raises(SettingError, match=words):
        Data(**setting)
