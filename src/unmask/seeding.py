"""Randomness without state: every random number is a pure function of what it belongs to.

    keys(seed, epoch, rows[:, None], positions[None, :])  -> (B,T) uint64, the same on any process, in any order
    permuted(index, size, seed)                           -> a permutation of range(size), computed, not stored

The mixer is SplitMix64's finaliser (Steele, Lea and Flood 2014), the permutation a Feistel network with cycle
walking (Black and Rogaway 2002): O(1) memory for any corpus size.
"""

from __future__ import annotations

import numpy as np
import xxhash

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def keys(*words: int | np.ndarray) -> np.ndarray:
    """Mix whole numbers (broadcast against each other) into uint64 hashes, uniform over the 64 bits."""
    state = np.uint64(0)
    with np.errstate(over="ignore"):
        for word in words:
            state = _mixed((state ^ np.asarray(word).astype(np.uint64)) + _GOLDEN)
    return np.asarray(state)


def uniforms(hashes: np.ndarray) -> np.ndarray:
    """Hashes as float64 in [0, 1), from their upper 53 bits."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def text_key(*parts: str | int) -> int:
    """A stable 64-bit hash of texts and numbers; the same in every process and version."""
    return xxhash.xxh3_64_intdigest("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"))


def permuted(index: np.ndarray, size: int, *seed: int) -> np.ndarray:
    """Where `index` (int64, each in range(size)) goes under the permutation of `seed`: a bijection, vectorised."""
    half = max(1, (int(size - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half) - 1)
    shift = np.uint64(half)
    rounds = [int(keys(*seed, number)) for number in range(4)]
    position = np.asarray(index, dtype=np.uint64).copy()
    pending = np.ones(position.shape, dtype=bool)
    while pending.any():  # cycle walking: the domain is under four times `size`, so a few turns are enough
        left, right = position[pending] >> shift, position[pending] & mask
        for key in rounds:
            left, right = right, left ^ (keys(key, right) & mask)
        position[pending] = (left << shift) | right
        pending &= position >= np.uint64(size)
    return position.astype(np.int64)


def _mixed(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
