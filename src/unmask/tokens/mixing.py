"""In which shares the sources of a store are read, and the text of another store read beside them.

    mixed(store, temperature=3.3)                      small sources more often, large ones less
    mixed(store, {"en": 0.5, "zh": 2.0})               weights instead of those that preparation wrote down
    mixed(store, replay=other, replay_share=0.1)       a tenth of the tokens from another store

A weight says how many times the tokens of a source come in an epoch. With a temperature T the share of a source of n
tokens and weight w among the tokens that are read (and so among packed rows) is proportional to (wn)^(1/T). Conneau et
al. 2020, "Unsupervised cross-lingual representation learning at scale", sec. 3.1, write alpha for 1/T and take 0.3.
An epoch keeps its number of tokens, so that a flatter mixture repeats small sources and takes turns through large ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from unmask.config import require
from unmask.errors import DataError, SettingError
from unmask.menu import unknown
from unmask.tokens.store import Shard, Store


class Mixture(Store):
    """A store with other weights of its training sources, and the training text of another store beside its own."""

    def __init__(self, store: Store, weights: Mapping[str, float], replayed: Sequence[Shard] = ()) -> None:
        super().__init__(store.folder, store.manifest)
        self._weights, self._replayed = weights, list(replayed)

    def shards(self, split: str) -> list[Shard]:
        """The shards of a split, in a fixed order; in the training split those of the other store come last."""
        own = super().shards(split)
        if split != "train":
            return own
        return [replace(shard, weight=self._weights[shard.source]) for shard in own] + self._replayed


def mixed(
    store: Store,
    weights: Mapping[str, float] | None = None,
    temperature: float = 1.0,
    replay: Store | None = None,
    replay_share: float = 0.1,
) -> Mixture:
    """The store with its sources in other shares; `replay_share` of the tokens come from `replay`.

    SettingError for a weight of a source that the store has not, or weights that leave nothing; DataError when the
    other store was prepared with another tokenizer, or has nothing to train on.
    """
    sizes = _tokens_by_source(store)
    chosen = flattened(sizes, _chosen(store, sizes, weights or {}), temperature)
    if replay is None:
        return Mixture(store, chosen)
    require_same_tokenizer(store, replay)
    new = sum(size * chosen[source] for source, size in sizes.items())
    old = sum(len(shard) * shard.weight for shard in replay.shards("train"))
    if not old:
        raise DataError(f"data.replay={replay.folder} has nothing to train on: prepare more text")
    scale = new * replay_share / (1 - replay_share) / old
    return Mixture(store, chosen, [replace(shard, weight=shard.weight * scale) for shard in replay.shards("train")])


def _tokens_by_source(store: Store) -> dict[str, int]:
    """How many training tokens each source of a store has."""
    sizes: dict[str, int] = {}
    for shard in store.shards("train"):
        sizes[shard.source] = sizes.get(shard.source, 0) + len(shard)
    return sizes


def flattened(sizes: Mapping[str, int], weights: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Weights under which the share of a source is proportional to (weight x size)^(1/temperature), and the tokens of
    an epoch stay as many."""
    seen = {source: sizes[source] * weights[source] for source in sizes}
    flat = {source: tokens ** (1 / temperature) for source, tokens in seen.items()}
    scale = sum(seen.values()) / (sum(flat.values()) or 1.0)
    return {source: scale * flat[source] / size if size else 0.0 for source, size in sizes.items()}


def parsed_weights(given: Sequence[str]) -> dict[str, float]:
    """("en:2", "zh:0.5") as numbers by source; SettingError for one that cannot be read."""
    weights = {}
    for text in given:
        source, _, number = text.rpartition(":")
        try:
            weights[source] = float(number)
        except ValueError:
            source = ""
        if not source or not 0 <= weights[source] < float("inf"):
            raise SettingError(f"data.weights={text}: write SOURCE:NUMBER, e.g. data.weights=en:2,zh:0.5")
    return weights


def _chosen(store: Store, sizes: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, float]:
    """The weight of every source: as given, else as the store says."""
    for source in weights:
        require(source in sizes, f"data.weights: {unknown('source', source, list(sizes))}")
    chosen = {source: weights.get(source, store.manifest["sources"][source]) for source in sizes}
    require(not chosen or any(chosen.values()), "data.weights: every source has weight 0; give one a weight above 0")
    return chosen


def require_same_tokenizer(store: Store, replay: Store) -> None:
    """DataError when a store to be replayed was prepared with another tokenizer."""
    if replay.manifest["tokenizer"] != store.manifest["tokenizer"]:
        raise DataError(
            f"data.replay={replay.folder} was prepared with another tokenizer than {store.folder}: prepare its text "
            f"again with tokenizer.folder={store.folder}/tokenizer"
        )
