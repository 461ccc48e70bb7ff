"""Token embeddings that start from what stands near each token in the training text.

Which tokens go together is most of what a masked model learns in a short run, a pair at a time. Counting says it of all
of the text in seconds: the positive pointwise mutual information of a token with the tokens before and after it,
factored, gives vectors like those of word2vec (Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix
Factorization"; contexts that know their side: Schuetze 1993, "Word Space"). The embeddings, and with them the tied
output weights, begin there; the model is the stock one. docs/log.md has what it gains, and what did worse.

Shapes: n tokens of text, V vocabulary, E channels of an embedding, R directions that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unmask import console
from unmask.tokens.store import Store

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_TOKENS = 16_000_000
"""Tokens of training text that are counted; about eighteen seconds of one core, a gigabyte of memory."""

NEAR = {1: 0.6, 2: 0.3}
"""How far away the tokens are that say something of a token, and how much what each of them says counts."""

SPREAD = 0.06
"""Standard deviation of the embeddings' channels: the logits begin as far apart as a trained model has them."""

_SURE = 1000.0  # the higher, the more a pair says that was seen once
_MOST_DIRECTIONS = 256
_LONG = 0.9  # longer vectors than this share of all are shortened


@torch.no_grad()
def begin_from_counts(embedding: nn.Embedding, store: Store, seed: int) -> None:
    """Start the rows of an embedding (V,E) from the training text of a store, the same on every process.

    What all rows had in common stays. Special tokens, and those that the text has not, keep their rows.
    """
    tokens = min(MOST_TOKENS, store.count("tokens", "train"))
    console.say(f"counting what stands near what in {tokens:,} tokens, for embeddings to start from")
    found = vectors_of(told(store), embedding.embedding_dim, seed)
    known = torch.from_numpy(store.token_counts > 0)
    known[torch.from_numpy(store.tokenizer().special_ids).long()] = False
    if not found[known].any():
        return
    vectors = found[known] - found[known].mean(0)
    rows = embedding.weight[known.to(embedding.weight.device)]
    made = vectors * (SPREAD / vectors.std())
    embedding.weight[known.to(rows.device)] = embedding.weight.mean(0) + made.to(rows)


def told(store: Store, most: int = MOST_TOKENS) -> csr_matrix:
    """What the tokens of the training text say of each other: (V,S*V), a row for each token, and for each of the S
    sides and distances in `NEAR` a column for each token that stands there.

    A number is log(1 + n / (1000 p)) by its weight: n how often the two stood so in a document, p the share of the text
    that the row's token has.
    """
    from scipy.sparse import hstack

    shares = (store.token_counts + 1.0) / (store.token_counts + 1.0).sum()
    parts = []
    for weight, seen in _seen(*store.beginning("train", most), store.vocabulary_size):
        share = np.repeat(shares, np.diff(seen.indptr))
        seen.data = (weight * np.log1p(seen.data / (_SURE * share))).astype(np.float32)
        parts.append(seen)
    together: Any = hstack(parts)
    return together.tocsr()


def _seen(tokens: np.ndarray, documents: np.ndarray, size: int) -> Iterator[tuple[float, Any]]:
    """For each distance and side its weight, and how often each token had each other one there: (V,V)."""
    from scipy.sparse import coo_matrix

    for distance, weight in NEAR.items():
        together = documents[distance:] == documents[:-distance]
        before, after = tokens[:-distance][together], tokens[distance:][together]
        pairs = coo_matrix((np.ones(len(after), np.float32), (after, before)), shape=(size, size)).tocsr()
        following = pairs.T.tocsr()
        yield weight, pairs
        yield weight, following


def vectors_of(matrix: Any, channels: int, seed: int = 0) -> Tensor:
    """Vectors (V,channels) float32 of the rows of a sparse matrix (V,C): its directions that explain most, each by the
    root of its size, in a random rotation, so that all channels vary alike. The longest are shortened.

    By one thread, so that a machine always comes to the same bits.
    """
    from sklearn.utils import extmath
    from threadpoolctl import threadpool_limits

    directions = min(channels, _MOST_DIRECTIONS, min(matrix.shape) - 1)
    with threadpool_limits(1):
        how: Any = {"n_oversamples": 16, "n_iter": 2, "random_state": seed}
        left, sizes, _ = extmath.randomized_svd(matrix, directions, **how)
        vectors = left * sizes**0.5
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors *= np.minimum(1, np.quantile(lengths, _LONG) / np.maximum(lengths, 1e-12))
        turned, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(channels, directions)))
        return torch.from_numpy((vectors @ turned.T).astype(np.float32))
