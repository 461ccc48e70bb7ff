"""Token embeddings that start from what stands near each token in the training text.

Which tokens go together is most of what a masked model learns in a short run, a pair at a time. Counting says it of all
of the text in seconds: the positive pointwise mutual information of tokens that stand near each other, factored, gives
vectors like those of word2vec (Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization"). Here
they are where the embeddings, and with them the tied output weights, begin; the model is the stock one. docs/log.md has
what it gains.

Shapes: n tokens of text, V vocabulary, E channels of an embedding, R directions that are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unmask.tokens.store import Store

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_TOKENS = 16_000_000
"""Tokens of training text that are counted; about ten seconds of one core, half a gigabyte of memory."""

NEAR = {1: 1.0, 2: 0.5}
"""How far apart tokens go together, and how much such a pair counts."""

SPREAD = 0.06
"""Standard deviation of the embeddings' channels: the logits begin as far apart as a trained model has them."""

_SURE = 100.0  # a pair as frequent as chance says must be seen this often to count as log 2
_RARE = 0.35  # rare tokens weigh less in the factors, as their frequency to this power
_MOST_DIRECTIONS = 256
_LONG = 0.9  # longer vectors than this share of all are shortened


@torch.no_grad()
def begin_from_counts(embedding: nn.Embedding, store: Store, seed: int) -> None:
    """Start the rows of an embedding (V,E) from the training text of a store, the same on every process.

    What all rows had in common stays. Special tokens, and those that the text has not, keep their rows.
    """
    found = vectors_of(neighbours(store), store.token_counts, embedding.embedding_dim, seed)
    known = torch.from_numpy(store.token_counts > 0)
    known[torch.from_numpy(store.tokenizer().special_ids).long()] = False
    if int(known.sum()) < 2:
        return
    vectors = found[known] - found[known].mean(0)
    rows = embedding.weight[known.to(embedding.weight.device)]
    made = vectors * (SPREAD / vectors.std())
    embedding.weight[known.to(rows.device)] = embedding.weight.mean(0) + made.to(rows)


def neighbours(store: Store, most: int = MOST_TOKENS) -> csr_matrix:
    """How often each token stood near each other one of the same document, by `NEAR`: (V,V), symmetric."""
    from scipy.sparse import coo_matrix

    tokens, documents = store.beginning("train", most)
    size: Any = (store.vocabulary_size, store.vocabulary_size)
    total = coo_matrix(size, dtype=np.float32).tocsr()
    for distance, weight in NEAR.items():
        together = documents[distance:] == documents[:-distance]
        pairs = tokens[:-distance][together], tokens[distance:][together]
        total += coo_matrix((np.full(len(pairs[0]), weight, np.float32), pairs), shape=size).tocsr()
    return (total + total.T).tocsr()


def vectors_of(near: csr_matrix, counts: np.ndarray, channels: int, seed: int = 0) -> Tensor:
    """Vectors (V,channels) float32 whose products follow log(1 + n(c,w) / (100 p(w))), n from `near` (V,V), p from the
    counts (V,) of tokens.

    The directions that explain most, each by the root of its size, in a random rotation, so that all channels vary
    alike.
    """
    from scipy.sparse import csr_matrix, diags
    from sklearn.utils.extmath import randomized_svd

    shares = (counts + 1.0) / (counts + 1.0).sum()
    values = np.log1p(near.data / (_SURE * shares[near.indices])).astype(np.float32)
    told = csr_matrix((values, near.indices, near.indptr), shape=near.shape)
    weights = shares**_RARE / (shares**_RARE).mean()
    weighed = diags(weights.astype(np.float32)) @ (told + told.T) @ diags(weights.astype(np.float32))
    directions = min(channels, _MOST_DIRECTIONS, len(counts) - 1)
    left, sizes, _ = randomized_svd(weighed.tocsr(), directions, n_oversamples=16, n_iter=2, random_state=seed)
    vectors = torch.from_numpy((left * sizes**0.5 / weights[:, None]).astype(np.float32))
    lengths = vectors.norm(dim=1, keepdim=True)
    longest = float(np.quantile(lengths.numpy(), _LONG))
    vectors *= longest / lengths.clamp(min=max(longest, 1e-12))
    draw = torch.randn(channels, directions, generator=torch.Generator().manual_seed(seed))
    return vectors @ torch.linalg.qr(draw).Q.T
