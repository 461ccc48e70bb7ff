"""Token embeddings that start from what stands near each token in the training text.

Which tokens go together is most of what a masked model learns in a short run, a pair at a time. Counting says it of all
of the text in seconds: the positive pointwise mutual information of a token with the tokens before and after it,
factored, gives vectors like those of word2vec (Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix
Factorization"; contexts that know their side: Schuetze 1993, "Word Space"). The embeddings, and with them the tied
output weights, begin there; the model is the stock one. docs/log.md has what it gains, and what did worse.

Shapes: n tokens of text, V vocabulary, E channels of an embedding, R directions that are kept, C contexts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unmask import console
from unmask.tokens.store import Store

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_TOKENS = 16_000_000
"""Tokens of training text that are counted; about seven seconds, a gigabyte of memory."""

NEAR = {1: 0.6, 2: 0.3}
"""How far away the tokens are that say something of a token, and how much what each of them says counts."""

SPREAD = 0.06
"""Standard deviation of the embeddings' channels: the logits begin as far apart as a trained model has them."""

_SURE = 1000.0  # the higher, the more a pair says that was seen once
_MOST_DIRECTIONS = 256
_SPARE, _ROUNDS = 16, 3  # directions more than are kept, and how often they are looked for
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


def told(store: Store, most: int = MOST_TOKENS) -> list[csr_matrix]:
    """What the tokens of the training text say of each other, for each of the sides and distances in `NEAR`: (V,V), a
    row for each token and a column for each that stands there.

    A number is log(1 + n / (1000 p)) by its weight: n how often the two stood so in a document, p the share of the text
    that the row's token has.
    """
    tokens, documents = store.beginning("train", most)
    shares = (store.token_counts + 1.0) / (store.token_counts + 1.0).sum()

    def said(distance: int, weight: float) -> list[Any]:
        pairs = _seen(tokens, documents, distance, store.vocabulary_size)
        parts = [pairs, pairs.T.tocsr()]
        for part in parts:
            share = np.repeat(shares, np.diff(part.indptr))
            part.data = (weight * np.log1p(part.data / (_SURE * share))).astype(np.float32)
        return parts

    with ThreadPoolExecutor() as pool:
        return [part for parts in pool.map(said, NEAR.keys(), NEAR.values()) for part in parts]


def _seen(tokens: np.ndarray, documents: np.ndarray, distance: int, size: int) -> Any:
    """How often each token had each other one at a distance before it: (V,V)."""
    from scipy.sparse import coo_matrix

    together = documents[distance:] == documents[:-distance]
    before, after = tokens[:-distance][together], tokens[distance:][together]
    return coo_matrix((np.ones(len(after), np.float32), (after, before)), shape=(size, size)).tocsr()


def vectors_of(parts: Sequence[Any], channels: int, seed: int = 0) -> Tensor:
    """Vectors (V,channels) float32 of the rows of a sparse matrix, given in parts (V,C) that stand side by side: its
    directions that explain most, each by the root of its size, in a random rotation, so that all channels vary alike.
    The longest are shortened.

    By one thread, so that a machine always comes to the same bits.
    """
    rows, columns = parts[0].shape[0], sum(part.shape[1] for part in parts)
    directions = min(channels, _MOST_DIRECTIONS, min(rows, columns) - 1)
    generator = torch.Generator().manual_seed(seed)
    with _one_thread():
        left, sizes = _decomposed(parts, directions, generator)
        vectors = left * sizes.sqrt()
        lengths = vectors.norm(dim=1, keepdim=True)
        vectors *= (lengths.quantile(_LONG) / lengths.clamp_min(1e-12)).clamp_max(1)
        turned, _ = torch.linalg.qr(torch.randn(channels, directions, generator=generator))
        return vectors @ turned.T


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _decomposed(parts: Sequence[Any], count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The `count` largest singular values (R,), descending, of parts side by side, and their left vectors (V,R).

    Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.1, with the products of torch, a part at a time, whose
    numbers stay in the cache: a quarter of the time of scikit-learn's.
    """
    made, turned = [_as_torch(part) for part in parts], [_as_torch(part.T.tocsr()) for part in parts]
    size = count + _SPARE
    found = [torch.randn(part.shape[1], size, generator=generator) for part in parts]
    for _ in range(_ROUNDS):
        product = torch.stack([part @ each for part, each in zip(made, found, strict=True)]).sum(0)
        basis, _ = torch.linalg.qr(product)
        found = [part @ basis for part in turned]
    squares, mixed = torch.linalg.eigh(sum((each.T @ each).double() for each in found))
    largest = squares.argsort(descending=True)[:count]
    return basis @ mixed[:, largest].float(), squares[largest].clamp_min(0).sqrt().float()


def _as_torch(matrix: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(beta state|invariant checks)")
        arrays = (torch.from_numpy(each) for each in (matrix.indptr, matrix.indices, matrix.data))
        return torch.sparse_csr_tensor(*arrays, size=matrix.shape, check_invariants=False)
