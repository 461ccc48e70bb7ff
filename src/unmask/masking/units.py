"""How many, and which: whole units, lowest score first, as many as fit into a row's limit.

Shapes: B rows, T tokens in a row, K places asked in a row.
"""

from __future__ import annotations

import numpy as np


def place_count(row_length: int, ratio: float) -> int:
    """K, the places asked in a row of this many tokens: they depend on the two alone, so that shapes stay static."""
    return max(1, round(ratio * row_length))


def chosen_places(
    scores: np.ndarray, maskable: np.ndarray, limits: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The columns to ask in each row, and which of them are used: int64 (B,count) and bool (B,count).

    A unit is the maskable tokens of a row with one score. Units are taken whole in the order of their scores, one that
    does not fit is passed over; where not even one fits, the first tokens of the lowest unit are taken. A row without
    anything maskable asks nothing. Unused places point at a column that is not chosen.
    """
    scores = np.where(maskable, scores, np.inf)
    order = np.argsort(scores, axis=1, kind="stable")  # tokens of a unit stay in the order of their columns
    taken = _whole_units(np.take_along_axis(scores, order, axis=1), np.minimum(limits, count))
    chosen = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(chosen, order, taken, axis=1)

    places = np.repeat(np.argmin(chosen, axis=1)[:, None], count, axis=1)
    row, column = np.nonzero(chosen)
    number = np.cumsum(chosen, axis=1)
    places[row, number[row, column] - 1] = column
    return places, np.arange(count) < number[:, -1:]


def _whole_units(ordered: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Which of the ascending scores (B,T; infinite ones cannot be taken) fit into the limits (B,): bool (B,T)."""
    size, last = _units(ordered)
    taken = np.zeros(ordered.shape, dtype=bool)
    able, room = np.isfinite(ordered), limits
    rows = np.arange(len(ordered))
    while len(rows):
        # Units too large for the room never fit later, as the room only shrinks: leave them out, take all up to the
        # first that overflows, and look again at what is left.
        able = able & (size <= room[:, None])
        total = np.take_along_axis(np.cumsum(able, axis=1), last, axis=1)
        fits = able & (total <= room[:, None])
        taken[rows] |= fits
        able, room = able & ~fits, room - np.count_nonzero(fits, axis=1)
        more = (room > 0) & able.any(axis=1)
        rows, able, room, size, last = rows[more], able[more], room[more], size[more], last[more]
    none = ~taken.any(axis=1) & np.isfinite(ordered[:, 0])
    lowest = ordered[none] == ordered[none, :1]
    taken[none] = lowest & (np.arange(ordered.shape[1]) < limits[none, None])
    return taken


def _units(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The size of the unit (run of equal scores) of each place, and the place of the unit's last token: (B,T) each."""
    place = np.broadcast_to(np.arange(ordered.shape[1]), ordered.shape)
    edge = ordered[:, 1:] != ordered[:, :-1]
    begins, ends = np.ones(ordered.shape, dtype=bool), np.ones(ordered.shape, dtype=bool)
    begins[:, 1:], ends[:, :-1] = edge, edge
    first = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, place, place.shape[1])[:, ::-1], axis=1)[:, ::-1]
    return last - first + 1, last
