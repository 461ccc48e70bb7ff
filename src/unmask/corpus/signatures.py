"""MinHash signatures: two documents agree in as large a share of them as their sets of shingles overlap (Broder 1997).

Kept are the low 16 bits of each of the 128 minima: half the disk, and unequal minima agree in 1 of 65,536 (b-bit
minwise hashing, Li and König 2010).
"""

from __future__ import annotations

import numpy as np

from unmask.corpus.shingles import SHINGLE, Units, shingles
from unmask.seeding import keys

PERMUTATIONS = 128
_SEED = 0x756E6D61


def signatures(hashed: Units) -> np.ndarray:
    """uint16 (documents, 128) of the texts whose units are given."""
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]

    runs = shingles(hashed, SHINGLE, short=True)
    starts = runs.starts.astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(runs.hashes, starts, PERMUTATIONS, _SEED)
    return np.asarray(matrix.to_rows(), dtype=np.uint32).reshape(-1, PERMUTATIONS).astype(np.uint16)


def bands(threshold: float) -> tuple[int, int]:
    """(bands, rows in each): the most rows with which 95 in 100 pairs at the threshold share a band."""
    for rows in range(PERMUTATIONS, 0, -1):
        count = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** count >= 0.95:
            return count, rows
    raise ValueError(f"threshold {threshold} is not above 0")


def band_keys(rows: np.ndarray, band: int, width: int) -> np.ndarray:
    """uint64 (documents,): equal where the documents agree in all `width` places of this band."""
    wanted = rows[:, band * width : (band + 1) * width]
    return keys(band, *(wanted[:, place] for place in range(width)))


def similarity(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """float64 (pairs,): the estimated Jaccard similarity of the documents of two signature matrices, row by row."""
    return (left == right).mean(axis=1)
